"""The generic call path: promotion, raw arrays, numbers, other array libraries, complex values, `out=`, n-ary records.

The factories of `op` serve float32 and float64 tensors on NumPy inline; everything else comes here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import core, dtypes
from .backend import is_array, of, xp_of
from .core import Node, TensorBase, describe, line, module_path, new, tick, tls, where, wrap
from .dtypes import SCALAR, TENSOR, ZERO_DIM, bool_, result_type
from .errors import DeviceError, GraphError, ShapeError
from .registry import BINARY, NARY, PARAM, UNARY, Op

ndarray = np.ndarray
HALF = frozenset((dtypes.float16, dtypes.bfloat16))


# ---------------------------------------------------------------- errors
def forward_error(op: Op, xs: Any, e: Exception) -> Exception:
    """The error to raise for one that the array library raised: names operation, operands, and where they come from."""
    if isinstance(e, RuntimeError):
        return e
    tensors = [x for x in xs if isinstance(x, TensorBase)]
    given = " and ".join(describe(x) for x in xs if x is not None)
    devices = {str(of(x._data).device_of(x._data)) for x in tensors}
    elsewhere = devices - {"cpu", *(str(of(x._data).current()) for x in tensors)}
    if elsewhere and isinstance(e, ValueError):
        return DeviceError(
            f"{op.name}: an operand is on {' and '.join(sorted(elsewhere))}, which is not the current CUDA device; "
            "call cuda.set_device(index) first"
        )
    if len(devices) > 1:
        error: Exception = DeviceError(f"{op.name}: operands are on different devices ({given}); move them with .to(device)")
    elif isinstance(e, ValueError) and op.arity == BINARY:
        shapes = [tuple(x._shape) for x in tensors]
        error = ShapeError(f"{op.name}: {' and '.join(map(str, shapes))} do not broadcast{_misfit(shapes)}")
    elif isinstance(e, TypeError):
        return TypeError(f"{op.name}: not possible for {given}: {e}")
    else:
        return e
    for x in tensors:
        n = x._node
        if n is not None:
            made = "as a leaf" if type(n) is core.Leaf else f"by {n.op.name}"
            error.add_note(f"the operand of shape {tuple(x._shape)} was made {made} at {line(n.code, n.lasti)}")
    path = module_path(tls.state.module)
    if path:
        error.add_note(f"in module {path}")
    return error


def _misfit(shapes: list[tuple[int, ...]]) -> str:
    """Which dimension does not fit, and what would, tried before it is offered."""
    if len(shapes) != 2:
        return ""
    x, y = shapes
    for i in range(1, min(len(x), len(y)) + 1):
        if x[-i] != y[-i] and 1 not in (x[-i], y[-i]):
            text = f": dimension -{i} is {x[-i]} and {y[-i]}"
            for name, other in (("second", y), ("first", x)):
                fixed, same = (other[::-1], x if name == "second" else y)
                if len(other) == 2 and _fits(fixed, same):
                    return f"{text}; transpose the {name} one?"
                if len(other) == 1 and _fits((*other, 1), same):
                    return f"{text}; unsqueeze(-1) the {name} one?"
            return f"{text}; sizes must be equal or 1"
    return ""


def _fits(x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(x, y)
    except ValueError:
        return False
    return True


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
        (x._dtype, _rank(x)) if isinstance(x, TensorBase) else (dtypes.of_scalar(x), SCALAR) for x in xs if x is not None
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


# ---------------------------------------------------------------- nodes
def complex_twin(op: Op) -> Op:
    """The record of a holomorphic operation for complex values: v = conj(f(conj(g), ...)).

    PyTorch's gradient of a holomorphic f is g * conj(f'), so the formula for real numbers serves.
    """
    if op.twin is None:
        from .ops.complex import conj_physical as conj

        def one(f: Any) -> Any:
            return None if f is None else lambda g, *rest: conj(f(conj(g), *rest))

        def joint(g: Any, *rest: Any) -> Any:
            g = [None if v is None else conj(v) for v in g] if isinstance(g, list) else conj(g)
            return [None if v is None else conj(v) for v in op.vjp(g, *rest)]

        twin = Op(
            op.name, op.arity, op.forward, vx=one(op.vx), vy=one(op.vy), vjp=op.vjp and joint, saves=op.saves,
            dtypes=op.dtypes, jvp=op.jvp, view=op.view, outputs=op.outputs, extras=op.extras, holomorphic=True,
        )  # fmt: skip
        twin.call = op.call
        op.twin = twin
    return op.twin


def make_node(op: Op, saved: Any, px: Any = None, py: Any = None, many: Any = None, fix: Any = None) -> Node:
    """A node whose line is found by walking out of the library."""
    n = Node()
    n.op = op
    n.seq = tick()
    n.px, n.py, n.many, n.fix = px, py, many, fix
    n.g = n.mark = None
    n.saved = saved
    where(n)
    return n


def _kept(a: Any, names: str, name: str) -> bool:
    return name in names or names == "*"


def finish(op: Op, xs: list[Any], p: Any, d: Any, dtype: Any = None) -> Any:
    """The result tensor over array d, recorded when recording is on and an operand asks for it."""
    if not is_array(d):
        d = np.asarray(d)
    elif isinstance(d, np.generic):
        d = np.asarray(d)
    r = wrap(d)
    m = tls.state.grad
    if op.view:
        x = xs[0]
        if shares(d, x._data):
            link(op, x, r, p, m)
    _record(op, xs, p, r, m)
    if m is not True and m is not False:
        m.saw(op, tuple(xs), p, r._node, r)
    return r


def _record(op: Op, xs: list[Any], p: Any, r: Any, m: Any) -> None:
    nodes = [x._node if isinstance(x, TensorBase) else None for x in xs]
    differentiable = op.differentiable and r._dtype.kind in "fc"
    if m is False or not differentiable or all(n is None for n in nodes) or (m is not True and not m.record):
        return
    if op.holomorphic and (r._dtype.kind == "c" or any(isinstance(x, TensorBase) and x._dtype.kind == "c" for x in xs)):
        op = complex_twin(op)
    saves = op.saves
    if op.arity == BINARY:
        (x, y), (px, py) = xs, nodes
        xd, yd = (v._data if isinstance(v, TensorBase) else v for v in xs)
        for_x, for_y = (saves[0] if px is not None else ""), (saves[1] if py is not None else "")
        saved = (
            xd if "x" in for_x + for_y else None,
            yd if "y" in for_x + for_y else None,
            r._data if "o" in for_x + for_y else None,
        )
        sx, sy = getattr(x, "_shape", ()), getattr(y, "_shape", ())
        fix = None if sx == r._shape and (sy == r._shape or py is None) else (sx, sy)
        r._node = make_node(op, saved, px, py, fix=fix)
    else:
        x = xs[0]
        saved = (
            x._data if "x" in saves else x._shape,
            None if op.arity == UNARY else p,
            r._data if "o" in saves else None,
        )
        r._node = make_node(op, saved, nodes[0])


def record_param(op: Op, x: Any, p: Any, r: Any) -> Any:
    """Record a `param` result whose dtype the inline path does not serve."""
    m = tls.state.grad
    _record(op, [x], p, r, m)
    if m is not True and m is not False:
        m.saw(op, (x,), p, r._node, r)
    return r


def shares(d: Any, a: Any) -> bool:
    """Whether array d is a view of (or beside) array a."""
    base = getattr(d, "base", None)
    return base is not None and (base is a or base is getattr(a, "base", None))


def link(op: Op, x: Any, r: Any, p: Any, m: Any) -> None:
    """Note that r is a view of x: it knows the root and the way there, and the root knows it weakly."""
    root = getattr(x, "_base", None)
    if root is None:
        root, way = x, ()
    else:
        way = x._path
    r._base = root
    if m is False or way is None:  # made under no_grad: its way cannot be replayed with a history
        r._path = None
        return
    r._path = (*way, (op, p))
    views = getattr(root, "_views", None)
    if views is None:
        root._views = [core.weakref.ref(r)]
    else:
        if len(views) > 16 and len(views) & (len(views) - 1) == 0:  # at powers of two: forget the dead
            views[:] = [v for v in views if v() is not None]
        views.append(core.weakref.ref(r))


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
        raise ShapeError(f"{name}: out has shape {tuple(out._shape)}, the result {tuple(r._shape)}; give an out that fits")
    out._data[...] = r._data
    from .views import mark_written

    mark_written(out)
    return out


def dtypes_error(name: str, r: Any, out: Any) -> Exception:
    """A result that cannot be stored in the dtype of the target."""
    from .errors import DtypeError

    return DtypeError(
        f"{name}: a result of type {r._dtype.name} cannot be stored in a tensor of type {out._dtype.name}; "
        f"convert the target with .to(retrograd.{r._dtype.name})"
    )


# ---------------------------------------------------------------- the paths of each arity
def unary(op: Op, x: Any, out: Any) -> Any:
    """An elementwise operation on one operand, any dtype and library."""
    if not isinstance(x, TensorBase):
        if not is_array(x):
            raise TypeError(f"{op.name}: a Tensor is expected, got {type(x).__name__}; build one with retrograd.tensor(...)")
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
            raise TypeError(f"{op.name}: a Tensor is expected, got {type(x).__name__}; build one with retrograd.tensor(...)")
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
            x if x is None else cast(x, d) if isinstance(x, TensorBase) else wrap(home.from_numpy(np.asarray(x, d.np), None))
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
    node = _nary_node(op, xs, arrays, p, outs, extras)
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


def readers(saves: Any) -> tuple[dict[int, tuple[int, ...]], tuple[int, ...] | None]:
    """Which operands' cotangents read operand i, by i, and which read the output (None: none does).

    An empty tuple means: whichever cotangent is asked for.
    """
    if saves == "*":
        return _All(), None
    if isinstance(saves, str):
        return {int(c): () for c in saves if c.isdigit()}, () if "o" in saves else None
    found: dict[int, tuple[int, ...]] = {}
    for j, names in enumerate(saves):
        for c in names:
            if c.isdigit():
                found[int(c)] = (*found.get(int(c), ()), j)
    o = tuple(j for j, names in enumerate(saves) if "o" in names)
    return found, o or None


class _All(dict[int, tuple[int, ...]]):
    """Every operand is read, whichever cotangent is asked for."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: int) -> tuple[int, ...]:
        return ()


def _nary_node(op: Op, xs: list[Any], arrays: list[Any], p: Any, outs: list[Any], extras: Any) -> Node | None:
    many = tuple(None if x is None else x._node for x in xs)
    m = tls.state.grad
    if m is False or not op.differentiable or not any(many) or (m is not True and not m.record):
        return None
    if op.holomorphic and any(a is not None and a.dtype.kind == "c" for a in arrays):
        op = complex_twin(op)
    read, read_o = readers(op.saves)

    def wanted(by: tuple[int, ...]) -> bool:
        return by == () or any(many[j] for j in by)

    kept = [a if a is None or (i in read and wanted(read[i])) else tuple(a.shape) for i, a in enumerate(arrays)]
    keep_o = read_o is not None and wanted(read_o)
    if op.outputs == 1 and not op.extras:
        o: Any = outs[0] if keep_o else None
    else:
        o = (*(outs if keep_o else [None] * len(outs)), *extras)
    return make_node(op, (kept, p, o), many=many)


def outputs(n: Node, outs: Any, single: bool) -> Any:
    """The result tensors of a recorded operation with extras or several outputs."""
    if single:
        r = wrap(outs[0])
        r._node = n
        return r
    found = []
    for i, a in enumerate(outs):
        r = wrap(a)
        if r._dtype.kind in "fc":
            r._node = make_node(PICK, (None, (len(outs), i), None), many=(n,))
        found.append(r)
    return tuple(found)


PICK = Op("pick", NARY, None, outputs=1)  # one output of an operation that has several


# ---------------------------------------------------------------- composed formulas
class Composed:
    """The vjp of an operation, given as the same value composed of differentiable primitives: fn(*xs, *p)."""

    __slots__ = ("fn",)

    def __init__(self, fn: Any) -> None:
        self.fn = fn

    def _vjp(self, g: Any, xs: Any, wanted: Any, p: Any, several: bool) -> list[Any]:
        from .engine import grad_arrays
        from .ops.cast import identity_p

        s = tls.state
        was, blame = s.grad, s.blame
        raw = not any(isinstance(v, TensorBase) for v in (*(g if several else (g,)), *xs))
        if raw or not core.recording():
            s.grad = True
        try:
            ys = []
            for x, w in zip(xs, wanted, strict=True):
                if x is None or isinstance(x, tuple):
                    ys.append(None)
                    continue
                y = identity_p(x) if isinstance(x, TensorBase) else wrap(x)
                if w and y._node is None:
                    y._node = core.make_leaf(y)
                ys.append(y)
            o = self.fn(*ys, *p)
            outs, gs = (list(o), list(g)) if several else ([o], [g])
            pairs = [(a, v) for a, v in zip(outs, gs, strict=False) if v is not None and a._node is not None]
            inputs = [y for y, w in zip(ys, wanted, strict=True) if w and y is not None]
            got = iter(grad_arrays([a for a, _ in pairs], [v for _, v in pairs], inputs, record=not raw))
            return [next(got) if w and y is not None else None for y, w in zip(ys, wanted, strict=True)]
        finally:
            s.grad, s.blame = was, blame

    def param_vjp(self) -> Any:
        """As the formula of a `param` operation."""
        return lambda g, x, o, *p: self._vjp(g, (x,), (True,), p, False)[0]

    def nary_vjp(self) -> Any:
        """As the joint formula of an `nary` operation."""
        return lambda g, xs, o, needs, *p: self._vjp(g, xs, [n is not None for n in needs], p, isinstance(g, list))


def composed(fn: Any) -> Any:
    """A vjp derived from `fn(*xs, *p)`, which states the operation's value by differentiable primitives.

    Used for a fused operation (or backward) whose formula exists elsewhere: fn is re-run, recorded and differentiated.
    """
    return Composed(fn)


__all__ = ["PICK", "composed", "NARY", "PARAM", "bool_", "new"]
