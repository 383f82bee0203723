"""The generic call path: promotion, raw arrays, numbers, other array libraries, complex values, `out=`, n-ary records.

The factories of `op` serve float32 and float64 tensors on NumPy inline; everything else comes here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import core, dtypes
from .backend import is_array, of, xp_of
from .core import TensorBase, describe, tls, wrap
from .dtypes import SCALAR, TENSOR, ZERO_DIM, result_type
from .errors import DeviceError, GraphError, ShapeError, TransformError
from .explain import dtypes_error, forward_error
from .nodes import PICK, finish, make_node, nary_node
from .registry import NARY, PARAM, Op

ndarray = np.ndarray
HALF = frozenset((dtypes.float16, dtypes.bfloat16))
sparse: Any = None  # the rules of sparse tensors, once there is one


def forward(op: Op, xp: Any, arrays: Any, p: Any = ()) -> Any:
    """The forward of `op` on arrays of namespace xp; lifted arrays among operands or parameters have rules of their own."""
    if core.lifting is not None and (core.lifting.lifted_in(arrays) or p and core.lifting.lifted_in(p)):
        return core.lifting.run(op, arrays, p)
    if op.arity == PARAM:
        return op.forward(xp, arrays[0], *p)
    if op.arity == NARY:
        return op.forward(xp, arrays, *p)
    return getattr(xp, op.forward)(*arrays) if isinstance(op.forward, str) else op.forward(xp, *arrays)


def stopped(a: Any) -> Any:
    """Array a without the tangents of forward mode."""
    if type(a) is ndarray or not isinstance(a, core.lifting.Lifted):
        return a
    from .lifting import stopped

    return stopped(a)


def _joined(xs: list[Any], p: Any = ()) -> list[Any]:
    """Operands that need gradients, brought to the levels of the lifted ones among them: cotangents find the way back."""
    if core.lifting is None:
        return xs
    top = core.lifting.lifted_in([x._data for x in xs if isinstance(x, TensorBase)]) or p and core.lifting.lifted_in(p)
    if not top:
        return xs
    from .lifting import join

    return join(xs, p)


# ---------------------------------------------------------------- operands
def as_operand(x: Any, op: Op) -> Any:
    """A tensor over an array, a Python number as it is; anything else is refused."""
    if isinstance(x, TensorBase) or type(x) in (float, int, bool, complex):
        return x
    if isinstance(x, np.generic):
        return x.item() if x.dtype.kind in "biufc" else wrap(np.asarray(x))
    if is_array(x):
        return wrap(x)
    if isinstance(x, (float, int, complex)):
        return x
    raise TypeError(
        f"{op.name}: a Tensor or a number is expected, got {type(x).__name__}; build a tensor with retrograd.tensor(...)"
    )


def _rank(x: Any) -> int:
    return TENSOR if x._shape else ZERO_DIM


def compute_dtype(op: Op, xs: Any) -> tuple[Any, Any]:
    """(dtype to compute in, dtype to round the result to or None) of an operation on tensors and numbers."""
    kinds = tuple(
        (x._dtype, _rank(x)) if isinstance(x, TensorBase) else (dtypes.of_scalar(x), SCALAR)
        for x in xs
        if x is not None
    )
    d = result_type(*kinds)
    if op.dtypes == "copy":
        return d, None
    if op.dtypes == "float" and d.kind in "biu":
        d = dtypes.get_default_dtype()
    if op.dtypes == "number" and d.kind == "b":
        d = dtypes.int64
    if d in HALF:
        return dtypes.float32, d
    return d, None


def cast(x: Any, d: Any) -> Any:
    """Tensor x in dtype d (recorded), x itself if it is."""
    if x._dtype is d:
        return x
    from .ops.cast import cast_p

    return cast_p(x, d)


def widened(*xs: Any) -> tuple[Any, list[Any]]:
    """(float16 or bfloat16, the tensors in float32) where the first has that type, else (None, the tensors).

    For functions composed of several operations, which would each round: cast the result to the type when it is not None.
    Integers, booleans and None stay as they are.
    """
    half = xs[0]._dtype
    if half not in HALF:
        return None, list(xs)
    return half, [x if x is None or x._dtype not in HALF else cast(x, dtypes.float32) for x in xs]


def _number(y: Any, d: Any) -> Any:
    """A Python number in the kind of dtype d; integers wrap around as in PyTorch."""
    if d.kind == "f":
        return float(y) if not isinstance(y, int) or abs(y) >= 2**53 else y
    if d.kind == "c":
        return complex(y)
    if d.kind == "b":
        return bool(y)
    bits = 8 * d.itemsize
    y = int(y) & ((1 << bits) - 1)
    if d.kind == "i" and y >> (bits - 1):
        y -= 1 << bits
    return d.np.type(y)


def _same_library(op: Op, xs: list[Any]) -> Any:
    """The array namespace of the tensors; a 0-d CPU tensor follows the others to their device, as in PyTorch."""
    tensors = [x for x in xs if isinstance(x, TensorBase)]
    kinds = {type(x._data) for x in tensors}
    if len(kinds) == 1:
        return xp_of(tensors[0]._data)
    if core.lifting is not None and core.lifting.lifted_in([x._data for x in tensors]):
        return core.lifting.LIFTED
    homes = {id(of(x._data)): of(x._data) for x in tensors if x._shape or of(x._data).device_type != "cpu"}
    if len(homes) != 1:
        given = ", ".join(f"{describe(x)} on {of(x._data).device_of(x._data)}" for x in tensors)
        raise DeviceError(f"{op.name}: operands are on different devices ({given}); move them with .to(device)")
    (home,) = homes.values()
    from .ops.cast import to_backend_p

    for i, x in enumerate(xs):
        if isinstance(x, TensorBase) and of(x._data) is not home:
            xs[i] = to_backend_p(x, home)
    return home.xp


def into(out: Any, r: Any, name: str) -> Any:
    """Write result r into the tensor given as `out=`."""
    if not isinstance(out, TensorBase):
        raise TypeError(f"{name}: out must be a Tensor, got {type(out).__name__}")
    if out._node is not None or r._node is not None:
        if core.recording():
            raise GraphError(f"{name}: out= does not support gradients; leave it away or use no_grad()")
    if not dtypes.can_cast(r._dtype, out._dtype):
        raise dtypes_error(name, r, out)
    if type(out._data) is not type(r._data):
        raise DeviceError(f"{name}: out is on another device than the operands; give an out on theirs")
    if out._shape != r._shape:
        if 0 in out._shape:
            core.set_data(out, r._data.astype(out._dtype.np))
            return out
        raise ShapeError(
            f"{name}: out has shape {tuple(out._shape)}, the result {tuple(r._shape)}; give an out that fits"
        )
    from .views import mark_written, writable

    writable(out._data, name)[...] = r._data

    mark_written(out)
    return out


# ---------------------------------------------------------------- the paths of each arity
def unary(op: Op, x: Any, out: Any) -> Any:
    """An elementwise operation on one operand, any dtype and library."""
    if sparse is not None and sparse.within((x,)):
        return sparse.run(op, (x,), (), out)
    if not isinstance(x, TensorBase):
        if not is_array(x):
            raise TypeError(
                f"{op.name}: a Tensor is expected, got {type(x).__name__}; build one with retrograd.tensor(...)"
            )
        return forward(op, xp_of(x), (x,))
    r = _unary(op, x)
    return r if out is None else into(out, r, op.name)


def _unary(op: Op, x: Any) -> Any:
    d, rounded = compute_dtype(op, (x,))
    x = cast(x, d)
    xp = xp_of(x._data)
    try:
        a = forward(op, xp, (x._data,))
    except (ValueError, TypeError) as e:
        raise forward_error(op, (x,), e) from None
    r = finish(op, [x], (), a)
    return cast(r, rounded) if rounded is not None and r._dtype.kind == "f" else r


def binary(op: Op, x: Any, y: Any, out: Any) -> Any:
    """An elementwise operation on two operands, any dtype and library, numbers on either side."""
    if sparse is not None and sparse.within((x, y)):
        return sparse.run(op, (x, y), (), out)
    if not isinstance(x, TensorBase) and not isinstance(y, TensorBase):
        return forward(op, xp_of(x, None) or xp_of(y), (x, y))
    reflected = f"__r{op.name}__"
    if not isinstance(y, (TensorBase, list, tuple, str)) and not is_array(y) and hasattr(type(y), reflected):
        if type(y) not in (float, int, bool, complex) and not isinstance(y, (float, int, complex)):
            return NotImplemented
    x, y = as_operand(x, op), as_operand(y, op)
    r = _binary(op, x, y)
    return r if out is None else into(out, r, op.name)


def _binary(op: Op, x: Any, y: Any) -> Any:
    if op.check is not None:
        op.check(x, y)
    d, rounded = compute_dtype(op, (x, y))
    xs = _joined([cast(v, d) if isinstance(v, TensorBase) else _number(v, d) for v in (x, y)])
    xp = _same_library(op, xs)
    arrays = []
    for v in xs:
        if isinstance(v, TensorBase):
            arrays.append(v._data)
        elif type(v) in (float, int) and d.fast:
            arrays.append(v)
        else:
            arrays.append(np.asarray(v, d.np) if xp is np else xp.asarray(v, dtype=d.np))
    if not isinstance(xs[0], TensorBase):  # a number on the left: a constant operand of shape ()
        arrays[0] = xp.asarray(arrays[0], dtype=d.np)
        xs[0] = wrap(arrays[0])
    elif not isinstance(xs[1], TensorBase) and type(arrays[1]) not in (float, int):
        xs[1] = wrap(arrays[1])
    try:
        a = forward(op, xp, arrays)
    except TransformError:
        raise
    except (ValueError, TypeError) as e:
        raise forward_error(op, xs, e) from None
    r = finish(op, xs, (), a)
    return cast(r, rounded) if rounded is not None and r._dtype.kind == "f" else r


def param(op: Op, x: Any, p: Any) -> Any:
    """An operation on one operand with parameters, any dtype and library."""
    if sparse is not None and sparse.within((x,)):
        return sparse.run(op, (x,), p)
    if not isinstance(x, TensorBase):
        if not is_array(x):
            raise TypeError(
                f"{op.name}: a Tensor is expected, got {type(x).__name__}; build one with retrograd.tensor(...)"
            )
        return forward(op, xp_of(x), (x,), p)
    if p:
        (x,) = _joined([x], p)
    if op.dtypes == "copy":
        return finish(op, [x], p, _param_forward(op, x, p))
    d, rounded = compute_dtype(op, (x,))
    if op.dtypes == "fixed" and rounded is None:
        d = x._dtype
    x = cast(x, d)
    r = finish(op, [x], p, _param_forward(op, x, p))
    return cast(r, rounded) if rounded is not None and r._dtype is d else r


def _param_forward(op: Op, x: Any, p: Any) -> Any:
    try:
        return forward(op, xp_of(x._data), (x._data,), p)
    except ValueError as e:
        raise forward_error(op, (x,), e) from None


def nary(op: Op, xs: Any, p: Any) -> Any:
    """An operation on any number of operands: one result, or a tuple of them."""
    if sparse is not None and sparse.within(xs):
        return sparse.run(op, xs, p)
    tensors = [x for x in xs if isinstance(x, TensorBase)]
    if not tensors:  # a formula at work on arrays
        xp = np if type(xs[0]) is ndarray else next(xp_of(x) for x in xs if x is not None)
        d = forward(op, xp, list(xs), p)
        if op.outputs == 1 and not op.extras:
            return d
        d = d[: len(d) - op.extras]
        return d[0] if op.outputs == 1 else tuple(d)
    rounded = None
    dt = tensors[0]._dtype
    clean = len(tensors) + sum(x is None for x in xs) == len(xs)
    if not (clean and (dt.fast or op.dtypes == "copy") and all(x._dtype is dt for x in tensors)):
        xs = [None if x is None else as_operand(x, op) for x in xs]
        d, rounded = compute_dtype(op, xs)
        home = of(tensors[0]._data)
        xs = [
            x
            if x is None
            else cast(x, d)
            if isinstance(x, TensorBase)
            else wrap(home.from_numpy(np.asarray(_number(x, d), d.np), None))
            for x in xs
        ]
    xs = _joined(list(xs), p)
    data = tensors[0]._data if type(tensors[0]._data) is ndarray else None
    if data is None or any(x is not None and type(x._data) is not ndarray for x in xs):
        xp = _same_library(op, xs)
    else:
        xp = np
    arrays = [None if x is None else x._data for x in xs]
    try:
        d = forward(op, xp, arrays, p)
    except TransformError:
        raise
    except (ValueError, TypeError) as e:
        raise forward_error(op, xs, e) from None
    extras: tuple[Any, ...] = ()
    if op.outputs != 1 or op.extras:
        d = tuple(d)
        if op.extras:
            d, extras = d[: -op.extras], d[-op.extras :]
        outs = d
    else:
        outs = (d,)
    outs = [a if is_array(a) and not isinstance(a, np.generic) else np.asarray(a) for a in outs]
    node = nary_node(op, xs, arrays, p, outs, extras)
    m = tls.state.grad
    results = []
    for i, a in enumerate(outs):
        r = wrap(a)
        if node is not None and r._dtype.kind in "fc":
            r._node = node if op.outputs == 1 else make_node(PICK, (None, (len(outs), i), None), many=(node,))
        if m is not True and m is not False:
            m.saw(op, tuple(xs), p, r._node, r, i)
        if rounded is not None and r._dtype is dtypes.float32:
            r = cast(r, rounded)
        results.append(r)
    return results[0] if op.outputs == 1 else tuple(results)
