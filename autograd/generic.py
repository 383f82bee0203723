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
from .errors import DeviceError, GraphError, ShapeError
from .explain import dtypes_error, forward_error
from .nodes import PICK, finish, make_node, nary_node
from .registry import Op

ndarray = np.ndarray
HALF = frozenset((dtypes.float16, dtypes.bfloat16))


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
    if d in HALF:
        return dtypes.float32, d
    return d, None


def cast(x: Any, d: Any) -> Any:
    """Tensor x in dtype d (recorded), x itself if it is."""
    if x._dtype is d:
        return x
    from .ops.cast import cast_p

    return cast_p(x, d)


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
    if not isinstance(x, TensorBase):
        if not is_array(x):
            raise TypeError(
                f"{op.name}: a Tensor is expected, got {type(x).__name__}; build one with retrograd.tensor(...)"
            )
        xp = xp_of(x)
        return getattr(xp, op.forward)(x) if isinstance(op.forward, str) else op.forward(xp, x)
    r = _unary(op, x)
    return r if out is None else into(out, r, op.name)


def _unary(op: Op, x: Any) -> Any:
    d, rounded = compute_dtype(op, (x,))
    x = cast(x, d)
    xp = xp_of(x._data)
    try:
        a = getattr(xp, op.forward)(x._data) if isinstance(op.forward, str) else op.forward(xp, x._data)
    except (ValueError, TypeError) as e:
        raise forward_error(op, (x,), e) from None
    r = finish(op, [x], (), a)
    return cast(r, rounded) if rounded is not None and r._dtype.kind == "f" else r


def binary(op: Op, x: Any, y: Any, out: Any) -> Any:
    """An elementwise operation on two operands, any dtype and library, numbers on either side."""
    if not isinstance(x, TensorBase) and not isinstance(y, TensorBase):
        xp = xp_of(x, None) or xp_of(y)
        return getattr(xp, op.forward)(x, y) if isinstance(op.forward, str) else op.forward(xp, x, y)
    reflected = f"__r{op.name}__"
    if not isinstance(y, (TensorBase, list, tuple, str)) and not is_array(y) and hasattr(type(y), reflected):
        if type(y) not in (float, int, bool, complex) and not isinstance(y, (float, int, complex)):
            return NotImplemented
    x, y = as_operand(x, op), as_operand(y, op)
    r = _binary(op, x, y)
    return r if out is None else into(out, r, op.name)


def _binary(op: Op, x: Any, y: Any) -> Any:
    d, rounded = compute_dtype(op, (x, y))
    xs = [cast(v, d) if isinstance(v, TensorBase) else _number(v, d) for v in (x, y)]
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
        a = getattr(xp, op.forward)(*arrays) if isinstance(op.forward, str) else op.forward(xp, *arrays)
    except (ValueError, TypeError) as e:
        raise forward_error(op, xs, e) from None
    r = finish(op, xs, (), a)
    return cast(r, rounded) if rounded is not None and r._dtype.kind == "f" else r


def param(op: Op, x: Any, p: Any) -> Any:
    """An operation on one operand with parameters, any dtype and library."""
    if not isinstance(x, TensorBase):
        if not is_array(x):
            raise TypeError(
                f"{op.name}: a Tensor is expected, got {type(x).__name__}; build one with retrograd.tensor(...)"
            )
        return op.forward(xp_of(x), x, *p)
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
        return op.forward(xp_of(x._data), x._data, *p)
    except ValueError as e:
        raise forward_error(op, (x,), e) from None


def nary(op: Op, xs: Any, p: Any) -> Any:
    """An operation on any number of operands: one result, or a tuple of them."""
    tensors = [x for x in xs if isinstance(x, TensorBase)]
    if not tensors:  # a formula at work on arrays
        xp = np if type(xs[0]) is ndarray else next(xp_of(x) for x in xs if x is not None)
        d = op.forward(xp, list(xs), *p)
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
    xs = list(xs)
    data = tensors[0]._data if type(tensors[0]._data) is ndarray else None
    if data is None or any(x is not None and type(x._data) is not ndarray for x in xs):
        xp = _same_library(op, xs)
    else:
        xp = np
    arrays = [None if x is None else x._data for x in xs]
    try:
        d = op.forward(xp, arrays, *p)
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
