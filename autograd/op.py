"""The factories that turn an operation's declaration into the function users call.

`unary`, `binary`, `param` and `nary` return a function that computes and records in one frame; what it does not serve
(other dtypes than float32 and float64, other array libraries, raw arrays, foreign operands, `out=`) goes through
`generic`. See CONTRIBUTING for the recipe of adding an operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

from . import generic
from .backend import ARRAYS
from .backend import of as of_array
from .composed import Composed, composed
from .core import LIBRARY, Node, bind_result_class, getframe, new, tick, tls, where, wrap
from .dtypes import bool_, of
from .errors import TransformError
from .explain import forward_error
from .nodes import link, readers, record_param
from .nodes import outputs as results
from .registry import BINARY, NARY, PARAM, UNARY, Op, add_function, add_primitive, public

if TYPE_CHECKING:
    from .tensor import Tensor
else:
    Tensor = None  # the result class, bound below

__all__ = ["binary", "composed", "nary", "param", "public", "unary"]

ndarray = np.ndarray
asarray = np.asarray
NUMBERS = frozenset((float, int))
NOTHING = (None, None, None)  # what a node holds that saves nothing


class UnaryFunction(Protocol):
    """What `unary` returns: a function of one tensor that is also a method."""

    def __call__(self, input: Tensor, *, out: Tensor | None = None) -> Tensor: ...
    @overload
    def __get__(self, obj: None, owner: Any) -> UnaryFunction: ...
    @overload
    def __get__(self, obj: Any, owner: Any = None) -> Callable[..., Tensor]: ...


class BinaryFunction(Protocol):
    """What `binary` returns: a function of two tensors (or a tensor and a number) that is also a method."""

    def __call__(self, input: Any, other: Any, *, out: Tensor | None = None) -> Tensor: ...
    @overload
    def __get__(self, obj: None, owner: Any) -> BinaryFunction: ...
    @overload
    def __get__(self, obj: Any, owner: Any = None) -> Callable[..., Tensor]: ...


def _enter(call: Any, op: Op, doc: str, public: bool, listing: dict[str, Any]) -> None:
    """Name the function and put it and its record into the tables."""
    call.__name__ = call.__qualname__ = op.name
    call.__doc__ = doc
    call.__module__ = getframe(2).f_globals["__name__"]
    op.call = call
    add_primitive(op)
    if public:
        add_function(op.name, call, differentiable=op.differentiable, **listing)


def _bind(forward: Any, xp: Any) -> Any:
    return getattr(xp, forward) if isinstance(forward, str) else partial(forward, xp)


def unary(
    name: str,
    forward: str | Callable[..., Any],
    vjp: Any = None,
    *,
    saves: str = "",
    dtypes: str = "float",
    differentiable: bool = True,
    holomorphic: bool = True,
    public: bool = True,
    doc: str = "",
    **listing: Any,
) -> UnaryFunction:
    """The function of an elementwise operation on one operand.

    forward: a ufunc's name in the array namespace, or f(xp, x). vjp: f(g, x, o), or None to pass g on. saves: which of
    "x" and "o" the formula reads (without "x" it gets the shape). dtypes: "float" (integers become the default dtype),
    "same", "number" (the same, but bools become int64), "bool".
    """
    differentiable = differentiable and dtypes != "bool"
    op = Op(
        name, UNARY, forward, vx=vjp, saves=saves, dtypes=dtypes, differentiable=differentiable,
        holomorphic=holomorphic, jvp="elementwise",
    )  # fmt: skip
    np_forward = _bind(forward, np)
    keep_x, keep_o = "x" in saves, "o" in saves
    result = bool_ if dtypes == "bool" else None
    slow = partial(generic.unary, op)

    def call(input: Any, *, out: Any = None) -> Any:
        if not isinstance(input, Tensor):
            return np_forward(input) if type(input) is ndarray and out is None else slow(input, out)
        dt = input._dtype
        xd = input._data
        if not dt.fast or out is not None or type(xd) is not ndarray:
            return slow(input, out)
        d = np_forward(xd)
        if type(d) is not ndarray:  # NumPy turns 0-d results into scalars
            d = asarray(d)
        r = new(Tensor)
        r._data = d
        r._dtype = result or dt
        r._shape = input._shape
        px = input._node
        s = tls.state
        m = s.grad
        if px is None or m is False or not differentiable or m is not True and not m.record:
            r._node = None
            if m is not True and m is not False:
                m.saw(op, (input,), (), None, r)
            return r
        n = Node()
        n.op = op
        n.seq = tick()
        n.px = px
        n.py = n.many = n.g = n.mark = n.fix = None
        n.saved = (xd if keep_x else input._shape, None, d if keep_o else None)
        f = getframe(1)
        c = f.f_code
        if LIBRARY[c.co_filename]:
            where(n)
        else:
            n.code = c
            n.lasti = f.f_lasti
            n.module = s.module
        r._node = n
        if m is not True:
            m.saw(op, (input,), (), n, r)
        return r

    _enter(call, op, doc, public, listing)
    return call


def binary(
    name: str,
    forward: str | Callable[..., Any],
    vjp_x: Any = None,
    vjp_y: Any = None,
    *,
    saves: tuple[str, str] = ("", ""),
    dtypes: str = "same",
    differentiable: bool = True,
    holomorphic: bool = True,
    check: Callable[[Any, Any], None] | None = None,
    public: bool = True,
    doc: str = "",
    **listing: Any,
) -> BinaryFunction:
    """The function of an elementwise operation on two operands, with broadcasting and weak Python numbers.

    forward: a ufunc's name, or f(xp, x, y). vjp_x, vjp_y: f(g, x, y, o), or None to pass g on; summing down to the
    operand's shape is done for them. saves: which of "x", "y", "o" each of the two reads. check: see Op.
    """
    differentiable = differentiable and dtypes != "bool"
    op = Op(
        name, BINARY, forward, vx=vjp_x, vy=vjp_y, saves=saves, dtypes=dtypes, differentiable=differentiable,
        holomorphic=holomorphic, jvp="elementwise", check=check,
    )  # fmt: skip
    np_forward = _bind(forward, np)
    x_for_x, x_for_y = "x" in saves[0], "x" in saves[1]
    y_for_x, y_for_y = "y" in saves[0], "y" in saves[1]
    o_for_x, o_for_y = "o" in saves[0], "o" in saves[1]
    keep_o, keeps = o_for_x or o_for_y, saves != ("", "")
    result = bool_ if dtypes == "bool" else None
    slow = partial(generic.binary, op)

    def call(input: Any, other: Any, *, out: Any = None) -> Any:
        if isinstance(input, Tensor):
            dt = input._dtype
            xd = input._data
            px = input._node
            sx = input._shape
            if isinstance(other, Tensor):
                if dt is not other._dtype:
                    return slow(input, other, out)
                yd = other._data
                py = other._node
                sy = other._shape
            elif type(other) in NUMBERS:
                yd = other
                py = None
                sy = sx
            else:
                return slow(input, other, out)
        elif isinstance(other, Tensor) and type(input) in NUMBERS:
            dt = other._dtype
            yd = other._data
            py = other._node
            sx = sy = other._shape
            xd = asarray(input, yd.dtype) if dt.fast and type(yd) is ndarray else None
            px = None
        elif type(input) is type(other) is ndarray and out is None:
            return np_forward(input, other)
        else:
            return slow(input, other, out)
        if not dt.fast or out is not None or type(xd) is not ndarray:
            return slow(input, other, out)
        try:
            d = np_forward(xd, yd)
        except (ValueError, TypeError) as e:
            if type(yd) is not ndarray and isinstance(other, Tensor):  # on a device, where a 0-d CPU tensor may follow
                return slow(input, other, out)
            raise forward_error(op, (input, other), e) from None
        if type(d) is not ndarray:
            if type(d) in ARRAYS:
                return slow(input, other, out)
            d = asarray(d)
        r = new(Tensor)
        r._data = d
        r._dtype = result or dt
        if sx == sy:
            r._shape = sx
            fix = None
        else:
            r._shape = d.shape
            fix = (sx, sy)
        s = tls.state
        m = s.grad
        if (
            (px is None and py is None)
            or m is False
            or not differentiable
            or m is not True
            and not m.record
        ):  # fmt: skip
            r._node = None
            if m is not True and m is not False:
                m.saw(op, (input, other), (), None, r)
            return r
        n = Node()
        n.op = op
        n.seq = tick()
        n.px = px
        n.py = py
        n.many = n.g = n.mark = None
        n.fix = fix
        if keeps:
            n.saved = (
                xd if (x_for_y and py is not None) or (x_for_x and px is not None) else None,
                yd if (y_for_x and px is not None) or (y_for_y and py is not None) else None,
                d if keep_o and ((o_for_x and px is not None) or (o_for_y and py is not None)) else None,
            )
        else:
            n.saved = NOTHING
        f = getframe(1)
        c = f.f_code
        if LIBRARY[c.co_filename]:
            where(n)
        else:
            n.code = c
            n.lasti = f.f_lasti
            n.module = s.module
        r._node = n
        if m is not True:
            m.saw(op, (input, other), (), n, r)
        return r

    _enter(call, op, doc, public, listing)
    return call


def param(
    name: str,
    forward: Callable[..., Any],
    vjp: Any = None,
    *,
    saves: str = "",
    dtypes: str = "float",
    jvp: Any = "transpose",
    view: bool = False,
    differentiable: bool = True,
    holomorphic: bool = True,
    public: bool = False,
    doc: str = "",
    **listing: Any,
) -> Callable[..., Any]:
    """The function call(x, *p) of an operation on one operand with positional parameters.

    forward: f(xp, x, *p). vjp: f(g, x, o, *p). dtypes: as in `unary`, or "copy" (any dtype untouched), or "fixed" (the
    result's dtype is what forward returns). view: the result shares memory with x when the array library can.
    """
    differentiable = differentiable and dtypes != "bool"
    if isinstance(vjp, Composed):
        saves, vjp = "x", vjp.param_vjp()
    op = Op(
        name, PARAM, forward, vx=vjp, saves=saves, dtypes=dtypes, differentiable=differentiable,
        holomorphic=holomorphic, jvp=jvp, view=view,
    )  # fmt: skip
    keep_x, keep_o = "x" in saves, "o" in saves
    any_dtype = dtypes == "copy"
    keeps_dtype = dtypes in ("float", "same")
    slow = partial(generic.param, op)

    def call(x: Any, *p: Any) -> Any:
        if not isinstance(x, Tensor):
            if type(x) is ndarray:
                try:
                    return forward(np, x, *p)
                except TransformError:  # a parameter is lifted
                    pass
            return slow(x, p)
        dt = x._dtype
        xd = x._data
        if not (dt.fast or any_dtype) or type(xd) is not ndarray:
            return slow(x, p)
        try:
            d = forward(np, xd, *p)
        except TransformError:  # a parameter is lifted
            return slow(x, p)
        if type(d) is not ndarray:
            if type(d) not in ARRAYS:
                d = asarray(d)
            elif of_array(d).name == "lifted":
                return slow(x, p)
        r = new(Tensor)
        r._data = d
        r._dtype = dt if keeps_dtype or d.dtype is xd.dtype else of(d.dtype)
        r._shape = d.shape
        s = tls.state
        m = s.grad
        if view and (d.base is xd or d.base is not None and d.base is xd.base):
            link(op, x, r, p, m)
        px = x._node
        if px is None or m is False or not differentiable or m is not True and not m.record:
            r._node = None
            if m is not True and m is not False:
                m.saw(op, (x,), p, None, r)
            return r
        if not dt.fast:
            return record_param(op, x, p, r)
        n = Node()
        n.op = op
        n.seq = tick()
        n.px = px
        n.py = n.many = n.g = n.mark = n.fix = None
        n.saved = (xd if keep_x else x._shape, p, d if keep_o else None)
        f = getframe(1)
        c = f.f_code
        if LIBRARY[c.co_filename]:
            where(n)
        else:
            n.code = c
            n.lasti = f.f_lasti
            n.module = s.module
        r._node = n
        if m is not True:
            m.saw(op, (x,), p, n, r)
        return r

    _enter(call, op, doc, public, listing)
    return call


def nary(
    name: str,
    forward: Callable[..., Any],
    vjp: Any = None,
    *,
    saves: Sequence[str] | str = (),
    dtypes: str = "float",
    jvp: Any = "transpose",
    outputs: int | None = 1,
    extras: int = 0,
    differentiable: bool = True,
    holomorphic: bool = True,
    public: bool = False,
    doc: str = "",
    **listing: Any,
) -> Callable[..., Any]:
    """The function call(xs, *p) of an operation on any number of operands (None for an absent one).

    forward: f(xp, xs, *p), an array, or a tuple of outputs and extras. vjp: f(g, xs, o, needs, *p), one cotangent per
    operand. saves: per operand, the digits of the operands (and "o") that its cotangent reads, or one string for all.
    outputs: how many (None: varies). extras: trailing arrays that are saved, not returned.
    """
    if isinstance(vjp, Composed):
        saves, vjp = "*", vjp.nary_vjp()
    op = Op(
        name, NARY, forward, vjp=vjp, saves=saves, dtypes=dtypes, differentiable=differentiable,
        holomorphic=holomorphic, jvp=jvp, outputs=outputs, extras=extras,
    )  # fmt: skip
    slow = partial(generic.nary, op)
    read, o_readers = readers(saves)
    any_dtype = dtypes == "copy"
    single = outputs == 1
    simple = single and not extras

    def call(xs: Sequence[Any], *p: Any) -> Any:
        dt = None
        arrays: list[Any] = []
        nodes: list[Any] = []
        for x in xs:
            if x is None:
                arrays.append(None)
                nodes.append(None)
                continue
            if not isinstance(x, Tensor):
                return slow(xs, p)
            if x._dtype is not dt:
                if dt is not None:
                    return slow(xs, p)
                dt = x._dtype
                if not (dt.fast or any_dtype):
                    return slow(xs, p)
            a = x._data
            if type(a) is not ndarray:
                return slow(xs, p)
            arrays.append(a)
            nodes.append(x._node)
        s = tls.state
        m = s.grad
        if m is not True and m is not False or dt is None or not dt.fast:
            return slow(xs, p)
        try:
            d = forward(np, arrays, *p)
        except TransformError:  # a parameter is lifted
            return slow(xs, p)
        except (ValueError, TypeError) as e:
            raise forward_error(op, xs, e) from None
        many = tuple(nodes)
        record = m and differentiable and any(many)
        r: Any = None
        outs: Any = ()
        if simple:
            if type(d) is not ndarray:
                if type(d) in ARRAYS:
                    return slow(xs, p)
                d = asarray(d)
            r = new(Tensor)
            r._data = d
            r._dtype = dt if d.dtype is arrays[0].dtype else of(d.dtype)
            r._shape = d.shape
            if not record or r._dtype.kind != "f":
                r._node = None
                return r
            o = d if o_readers is not None and (o_readers == () or any([many[j] for j in o_readers])) else None
        else:
            d = tuple([a if a is None or type(a) is ndarray else asarray(a) for a in d])
            outs = d[:-extras] if extras else d
            if not record:
                return wrap(outs[0]) if single else tuple([wrap(a) for a in outs])
            keep_o = o_readers is not None and (o_readers == () or any([many[j] for j in o_readers]))
            o = d if keep_o else (*[None] * len(outs), *d[len(outs) :])
        n = Node()
        n.op = op
        n.seq = tick()
        n.px = n.py = n.g = n.mark = n.fix = None
        n.many = many
        n.saved = (
            [
                a if a is None or (i in read and (read[i] == () or any([many[j] for j in read[i]]))) else a.shape
                for i, a in enumerate(arrays)
            ],
            p,
            o,
        )
        f = getframe(1)
        c = f.f_code
        if LIBRARY[c.co_filename]:
            where(n)
        else:
            n.code = c
            n.lasti = f.f_lasti
            n.module = s.module
        if simple:
            r._node = n
            return r
        return results(n, outs, single)

    _enter(call, op, doc, public, listing)
    return call


bind_result_class(globals())
