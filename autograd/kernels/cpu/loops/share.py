"""How a loop shares its work among threads: `divide` and `each` call a `part` once for each of nt threads.

Numba's own `prange` would do the same, by an analysis of the whole function, a second compilation of its body and a
wrapper around that: compiling takes three times as long. Here the part is compiled as any function, and called by a few
instructions that read its arguments from one structure, which Numba's pool of threads is given the address of. With one
thread the pool is not asked, so a loop serves small arrays and forked processes too.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

__all__ = ["divide", "each"]

intrinsic: Any = _intrinsic
_I64 = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_COUNT, _THREADS, _ERROR, _ARGS = range(4)  # fields of the structure


def _field(builder: Any, box: Any, i: int) -> Any:
    return builder.gep(box, [ir.Constant(ir.IntType(32), 0), ir.Constant(ir.IntType(32), i)], inbounds=True)


def _caller(context: Any, module: Any, compiled: Any, box_type: Any, ranges: bool) -> Any:
    """The function that threads run, of the form of a NumPy ufunc's: it calls the part for thread args[0]."""
    kind = ir.FunctionType(ir.VoidType(), [_BYTES.as_pointer(), _I64.as_pointer(), _I64.as_pointer(), _BYTES])
    name = module.get_unique_name("share." + compiled.fndesc.mangled_name)
    function = ir.Function(module, kind, name=name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    b: Any = ir.IRBuilder(function.append_basic_block("entry"))
    t = b.ptrtoint(b.load(function.args[0]), _I64)
    box = b.bitcast(function.args[3], box_type.as_pointer())
    nt = b.load(_field(b, box, _THREADS))
    first, second = t, nt
    if ranges:
        n = b.load(_field(b, box, _COUNT))
        first = b.udiv(b.mul(n, t, flags=["nuw", "nsw"]), nt)
        second = b.udiv(b.mul(n, b.add(t, _I64(1)), flags=["nuw", "nsw"]), nt)
    args = cgutils.unpack_tuple(b, b.load(_field(b, box, _ARGS)))
    status, _ = context.call_internal_no_propagate(b, compiled.fndesc, compiled.signature, [first, second, *args])
    with b.if_then(status.is_error, likely=False):
        b.store(_I64(1), _field(b, box, _ERROR))
    b.ret_void()
    return function


def _run(typing: Any, part: Any, args: Any, ranges: bool) -> tuple[Any, Any]:
    """The signature and the code of a call of `part` by all threads."""
    kinds = tuple(types.unliteral(a) for a in args.types)
    whole = (types.int64, types.int64, *kinds)
    part.get_call_type(typing, whole, {})  # compiles it
    compiled = part.dispatcher.overloads[whole]
    signature = types.none(part, types.int64, types.int64, types.Tuple(kinds))

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, nt, n, given = values
        context.active_code_library.add_linking_library(compiled.library)
        box_type = ir.LiteralStructType([_I64, _I64, _I64, given.type])
        caller = _caller(context, builder.module, compiled, box_type, ranges)
        box = cgutils.alloca_once(builder, box_type)
        for i, value in ((_COUNT, n), (_THREADS, nt), (_ERROR, _I64(0)), (_ARGS, given)):
            builder.store(value, _field(builder, box, i))
        # The pool adds the thread's number times the step to this pointer, and so passes the number itself.
        number = cgutils.alloca_once_value(builder, ir.Constant(_BYTES, None))
        threads, step = cgutils.alloca_once_value(builder, nt), cgutils.alloca_once_value(builder, _I64(1))
        data = builder.bitcast(box, _BYTES)
        with builder.if_else(builder.icmp_signed("<=", nt, _I64(1))) as (alone, together):
            with alone:
                builder.call(caller, [number, threads, step, data])
            with together:
                pool = cgutils.get_or_insert_function(
                    builder.module, ir.FunctionType(ir.VoidType(), [_BYTES] * 5 + [_I64] * 3), "numba_parallel_for"
                )
                pointers = [builder.bitcast(x, _BYTES) for x in (caller, number, threads, step)]
                builder.call(pool, [*pointers, data, _I64(0), _I64(1), nt])
        failed = cgutils.is_not_null(builder, builder.load(_field(builder, box, _ERROR)))
        with builder.if_then(failed, likely=False):
            context.call_conv.return_user_exc(builder, IndexError, (f"{compiled.fndesc.qualname}: index out of range",))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def divide(typing, part, nt, n, args):
    """part(lo, hi, *args) by each of nt threads, for its share [n * t // nt, n * (t + 1) // nt) of n."""
    return _run(typing, part, args, True)


@intrinsic
def each(typing, part, nt, args):
    """part(t, nt, *args) for t = 0 ... nt - 1, each by a thread of its own."""
    signature, generate = _run(typing, part, args, False)

    def without_count(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        part, nt, given = values
        return generate(context, builder, signature, (part, nt, nt, given))

    return types.none(part, types.int64, signature.args[3]), without_count
