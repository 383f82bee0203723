"""The rules of vmap for shapes, products, convolutions, pools and normalisation."""

from __future__ import annotations

from math import prod
from typing import Any

from .batching import Operands, axis_rule, batched_value, rule
from .lifted_run import run, sizes
from .registry import PRIMITIVES, Op

Shape = tuple[int, ...]


# ---------------------------------------------------------------- shapes
@rule("reshape")
def _reshape(op: Op, operands: Operands, shape: Shape) -> Any:
    x = operands.values[0]
    if -1 in shape:
        known = prod(s for s in shape if s != -1)
        shape = tuple(prod(x.shape[1:]) // max(known, 1) if s == -1 else s for s in shape)
    return run(op, (x,), ((operands.n, *shape),))


@rule("permute")
def _permute(op: Op, operands: Operands, axes: Shape) -> Any:
    return run(op, (operands.values[0],), ((0, *(a + 1 for a in axes)),))


@rule("expand")
def _expand(op: Op, operands: Operands, shape: Shape) -> Any:
    x = operands.values[0]
    gap = len(shape) - (x.ndim - 1)
    if gap:
        x = x.reshape((operands.n, *(1,) * gap, *x.shape[1:]))
    return run(op, (x,), ((operands.n, *shape),))


@rule("flip")
def _flip(op: Op, operands: Operands, axes: Shape) -> Any:
    return run(op, (operands.values[0],), (tuple(a + 1 for a in axes),))


@rule("repeat")
def _repeat(op: Op, operands: Operands, times: Shape) -> Any:
    x = operands.values[0]
    gap = len(times) - (x.ndim - 1)
    if gap > 0:
        x = x.reshape((operands.n, *(1,) * gap, *x.shape[1:]))
    return run(op, (x,), ((1, *times),))


@rule("constant_pad_nd")
def _pad(op: Op, operands: Operands, widths: Any, value: Any) -> Any:
    if max(sizes((value,), operands.level)):
        return NotImplemented
    return run(op, (operands.values[0],), (((0, 0), *widths), value))


@rule("diagonal")
def _diagonal(op: Op, operands: Operands, offset: int, axis1: int, axis2: int) -> Any:
    return run(op, (operands.values[0],), (offset, axis1 + 1, axis2 + 1))


@rule("diagonal_backward")
def _diagonal_backward(op: Op, operands: Operands, shape: Shape, offset: int, axis1: int, axis2: int) -> Any:
    return run(op, (operands.values[0],), ((operands.n, *shape), offset, axis1 + 1, axis2 + 1))


@rule("unfold_backward")
def _unfold_backward(op: Op, operands: Operands, shape: Shape, axis: int, size: int, step: int) -> Any:
    if not shape:
        return NotImplemented
    return run(op, (operands.values[0],), ((operands.n, *shape), axis + 1, size, step))


@rule("join")
def _join(op: Op, operands: Operands, axis: int, edges: Any, shape: Shape, which: Any) -> Any:
    return axis_rule(0)(op, operands, axis, edges, (operands.n, *shape), which)


@rule("pile")
def _pile(op: Op, operands: Operands, axis: int, shape: Shape, which: Any) -> Any:
    xs = [operands.front(i) for i in range(len(operands.values))]
    return run(op, xs, (axis + 1, (operands.n, *shape), which))


@rule("stack")
def _stack(op: Op, operands: Operands, axis: int) -> Any:
    return run(op, [operands.front(i) for i in range(len(operands.values))], (axis + 1,))


@rule("arg_extreme")
def _arg_extreme(op: Op, operands: Operands, method: str, axis: int | None, keepdim: bool) -> Any:
    x = operands.values[0]
    if x.ndim == 1 or axis is None and keepdim:
        return NotImplemented
    if axis is None:
        return run(op, (x.reshape((operands.n, -1)),), (method, 1, False))
    return run(op, (x,), (method, axis + 1, keepdim))


@rule("ties")
def _ties(op: Op, operands: Operands, axes: Shape, keepdim: bool) -> Any:
    return run(op, (operands.front(0), operands.front(1)), (tuple(a + 1 for a in axes), keepdim))


# ---------------------------------------------------------------- products
def _swap(x: Any) -> Any:
    return x.transpose((*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@rule("matmul")
def _matmul(op: Op, operands: Operands, tx: bool, ty: bool) -> Any:
    x, y = operands.values
    rank = operands.rank()
    if rank == 2 and operands.flags == [True, False] and not tx:  # one product over the rows of all samples
        n, rows, k = x.shape
        r = run(op, (x.reshape((n * rows, k)), y), (False, ty))
        return r.reshape((n, rows, r.shape[1]))
    return run(op, operands.aligned(), (tx, ty))


@rule("linear")
def _linear(op: Op, operands: Operands) -> Any:
    x, w, b = operands.values
    by_x, by_w, by_b = operands.flags
    if not by_w:
        y = run(op, (x, w, None if by_b else b), ())
        if not by_b:
            return y
        rank = x.ndim - by_x
        return y + b.reshape((operands.n, *(1,) * (rank - 1), b.shape[-1]))
    s = x.shape[by_x:]
    rows = prod(s[:-1])
    flat = x.reshape((*x.shape[:by_x], rows, s[-1]))
    y = run(PRIMITIVES["matmul"], (flat, w), (False, True))  # (n, rows, in) @ (n, in, out)
    if b is not None:
        y = y + (b.reshape((operands.n, 1, b.shape[-1])) if by_b else b)
    return y.reshape((operands.n, *s[:-1], w.shape[1]))


@rule("fold_gemm")
def _fold_gemm(op: Op, operands: Operands) -> Any:
    x, y = (
        v.reshape((*v.shape[:f], prod(v.shape[f:-1]), v.shape[-1]))
        for v, f in zip(operands.values, operands.flags, strict=True)
    )
    return run(PRIMITIVES["matmul"], (x, y), (True, False))


@rule("dot")
def _dot(op: Op, operands: Operands) -> Any:
    x, y = operands.values
    rank = x.ndim - operands.flags[0]
    return run(PRIMITIVES["sum"], (x * y,), (tuple(range(1, rank + 1)), False))


@rule("contract")
def _contract(op: Op, operands: Operands, lx: Shape, ly: Shape, lo: Shape) -> Any:
    new = max((*lx, *ly, *lo), default=0) + 1
    labels = [(new, *names) if f else names for names, f in zip((lx, ly), operands.flags, strict=True)]
    return run(op, operands.values, (*labels, (new, *lo)))


@rule("mse")
def _mse(op: Op, operands: Operands, reduction: str) -> Any:
    x, y = operands.aligned()
    if reduction == "none":
        return run(op, (x, y), (reduction,))
    d = x - y
    rank = operands.rank()
    r = run(PRIMITIVES["sum"], (d * d,), (tuple(range(1, rank + 1)), False))
    return r / max(1, prod(d.shape[1:])) if reduction == "mean" else r


# ---------------------------------------------------------------- convolutions and pools
def _fold(x: Any) -> Any:
    """(n, N, ...) as (n N, ...)."""
    return x.reshape((x.shape[0] * x.shape[1], *x.shape[2:]))


def _unfold(y: Any, n: int) -> Any:
    return y.reshape((n, y.shape[0] // n, *y.shape[1:]))


def _side(x: Any) -> Any:
    """(n, N, C, *S) as (N, n C, *S): the samples become groups of channels."""
    n, rows, c = x.shape[:3]
    return x.transpose((1, 0, *range(2, x.ndim))).reshape((rows, n * c, *x.shape[3:]))


def _unside(y: Any, n: int) -> Any:
    """The inverse of `_side`."""
    rows, c = y.shape[:2]
    y = y.reshape((rows, n, c // n, *y.shape[2:]))
    return y.transpose((1, 0, *range(2, y.ndim)))


@rule("conv")
def _conv(op: Op, operands: Operands, lo: Any, o: Any, s: Any, d: Any, groups: int) -> Any:
    x, w, b = operands.values
    n, (_by_x, by_w, by_b) = operands.n, operands.flags
    if not by_w and not by_b:
        return _unfold(run(op, (_fold(x), w, b), (lo, o, s, d, groups)), n)
    x, w, b = (operands.front(i) for i in range(3))
    b = None if b is None else _fold(b)
    return _unside(run(op, (_side(x), _fold(w), b), (lo, o, s, d, n * groups)), n)


@rule("conv_gx")
def _conv_gx(op: Op, operands: Operands, lo: Any, x: Any, s: Any, d: Any, groups: int) -> Any:
    g, w = operands.values
    n = operands.n
    if not operands.flags[1]:
        return _unfold(run(op, (_fold(g), w), (lo, x, s, d, groups)), n)
    return _unside(run(op, (_side(operands.front(0)), _fold(w)), (lo, x, s, d, n * groups)), n)


@rule("conv_gw")
def _conv_gw(op: Op, operands: Operands, lo: Any, k: Any, s: Any, d: Any, groups: int) -> Any:
    n = operands.n
    x, g = _side(operands.front(0)), _side(operands.front(1))
    return _unfold(run(op, (x, g), (lo, k, s, d, n * groups)), n)


@rule("avg_pool", "max_pool", "max_pool_index", "adaptive_max_index")
def _pool(op: Op, operands: Operands, *p: Any) -> Any:
    x = operands.values[0]
    if x.ndim < 3:
        return NotImplemented
    return _unfold(run(op, (_fold(x),), p), operands.n)


@rule("max_pool_back", "max_pool_pick")
def _max_pool_back(op: Op, operands: Operands, *p: Any) -> Any:
    xs = [operands.front(i) for i in range(3)]
    if xs[0].ndim < 3:
        return NotImplemented
    return _unfold(run(op, [_fold(x) for x in xs], p), operands.n)


# ---------------------------------------------------------------- normalisation
@rule("layer_norm")
def _layer_norm(op: Op, operands: Operands, n: int, eps: float, center: bool) -> Any:
    by_x, by_w, by_b = operands.flags
    x, w, b = operands.values
    if not by_x:
        return NotImplemented
    own = by_w or by_b
    y, mean, rstd = run(op, (x, None if own else w, None if own else b), (n, eps, center))
    if own:
        y = y if w is None else y * _weight(w, by_w, x, n)
        y = y if b is None else y + _weight(b, by_b, x, n)
    return y, _rows(mean, operands.n), _rows(rstd, operands.n)


def _weight(w: Any, by: bool, x: Any, n: int) -> Any:
    """A weight over the last n dimensions of x (samples, ...)."""
    return w.reshape((w.shape[0], *(1,) * (x.ndim - 1 - n), *w.shape[1:])) if by else w


def _rows(v: Any, n: int) -> Any:
    """The statistics (rows, 1) of all samples as those of each; where there are none, (0,)."""
    return v.reshape((n, v.shape[0] // n, 1)) if v.ndim == 2 else v.reshape((n, 0))


@rule("layer_norm_back")
def _layer_norm_back(
    op: Op, operands: Operands, n: int, eps: float, center: bool, want: Any, mean: Any, rstd: Any
) -> Any:
    mean, rstd = (batched_value(v, operands.level) for v in (mean, rstd))
    if not (mean[1] and rstd[1]):
        return NotImplemented
    g, x, w = operands.front(0), operands.front(1), operands.values[2]
    gx = gw = gb = None
    lead = tuple(range(1, x.ndim - n))
    stats = [_flat(v) for v, _ in (mean, rstd)]
    if want[0]:
        gy = g if w is None else g * _weight(w, operands.flags[2], x, n)
        gx = run(op, (gy, x, None), (n, eps, center, (True, False, False), *stats))[0]
    if want[1]:
        shape = (*x.shape[: x.ndim - n], *(1,) * n)
        y = (x - stats[0].reshape(shape) if stats[0].size else x) * stats[1].reshape(shape)
        gw = run(PRIMITIVES["sum"], (g * y,), (lead, False))
    if want[2]:
        gb = run(PRIMITIVES["sum"], (g,), (lead, False))
    none = g.reshape((g.shape[0], prod(g.shape[1:])))[:, :0]  # what the primitive gives for what is not wanted
    return tuple(none if v is None else v for v in (gx, gw, gb))


def _flat(v: Any) -> Any:
    return v.reshape((v.shape[0] * v.shape[1], *v.shape[2:]))


@rule("batch_norm")
def _batch_norm(op: Op, operands: Operands, eps: float) -> Any:
    n = operands.n
    x, w, b = (operands.front(i) for i in range(3))
    y, *rest = run(op, (_side(x), None if w is None else _flat(w), None if b is None else _flat(b)), (eps,))
    return (_unside(y, n), *(_unfold(v, n) for v in rest))


@rule("batch_norm_back")
def _batch_norm_back(op: Op, operands: Operands, eps: float, mean: Any, rstd: Any) -> Any:
    n = operands.n
    stats = [batched_value(v, operands.level) for v in (mean, rstd)]
    if not all(f for _, f in stats):
        return NotImplemented
    g, x, w = (operands.front(i) for i in range(3))
    r = run(op, (_side(g), _side(x), None if w is None else _flat(w)), (eps, *(_flat(v) for v, _ in stats)))
    return _unside(r[0], n), _unfold(r[1], n), _unfold(r[2], n)
