"""Moving tensors between the levels of transforms: the primitives at their borders, with the way back for cotangents.

`batch_p` and `unbatch_p` enter and leave a vmap, `dual_p` and `part_p` a forward-mode level. `lift_p` brings an operand
that needs a gradient to the levels of the others, so that its cotangent can be brought back by `drop_p`: summed over
the samples of a vmap; and of a dual cotangent that came from outside the level, the part that belongs to the value.
They look at lifted arrays as they are, through younger levels where there are any.
"""

from __future__ import annotations

from typing import Any

from .core import TensorBase, tls, wrap
from .errors import TransformError
from .lifted import Batched, Dual, Each, Level, Lifted, active, levels_of, zeros_like
from .lifted_run import STRUCTURAL, run
from .op import nary, param
from .registry import PRIMITIVES

__all__ = [
    "batch_p", "drop_p", "dual_p", "join", "level_up", "lift_p", "missing_levels", "part_p", "stopped", "unbatch_p",
]  # fmt: skip

Levels = tuple[Level, ...]


def _primitive(make: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    STRUCTURAL.add(name)
    return make(name, *args, dtypes="copy", holomorphic=False, **kwargs)


def _move(a: Any, start: int, end: int) -> Any:
    """Array a with axis `start` moved to `end`."""
    if start == end:
        return a
    order = [i for i in range(a.ndim) if i != start]
    order.insert(end, start)
    return a.transpose(tuple(order))


def _expanded(a: Any, shape: tuple[int, ...]) -> Any:
    return a if tuple(a.shape) == shape else run(PRIMITIVES["expand"], (a,), (shape,))


def _summed(a: Any) -> Any:
    return run(PRIMITIVES["sum"], (a,), ((0,), False))


# ---------------------------------------------------------------- lift and drop
def _lift(a: Any, levels: Levels, co: bool) -> Any:
    """Array a at `levels` (oldest first, none of which it has)."""
    if not levels:
        return a
    top = levels[-1]
    if isinstance(a, Lifted) and a.level.number > top.number:
        return a.rebuild(lambda v: _lift(v, levels, co))
    below = _lift(a, levels[:-1], co)
    return Batched(top, below[None]) if top.kind is Batched else Dual(top, below, None, co)


def _drop(g: Any, levels: Levels) -> Any:
    """The adjoint of lifting: g without `levels`."""
    if not levels:
        return g
    top = levels[-1]
    if isinstance(g, Lifted) and g.level.number > top.number:
        return g.rebuild(lambda v: _drop(v, levels))
    rest = levels[:-1]
    if top.kind is Batched:
        if not (isinstance(g, Batched) and g.level is top):  # the same for all samples
            return _drop(g * top.size, rest)
        v = g.value
        return _drop(v[0] * top.size if v.shape[0] == 1 != top.size else _summed(v), rest)
    if not (isinstance(g, Dual) and g.level is top):
        return _drop(g, rest)
    if g.co:
        return _drop(zeros_like(g.primal) if g.tangent is None else g.tangent, rest)
    return Dual(top, _drop(g.primal, rest), None if g.tangent is None else _drop(g.tangent, rest))


def _cotangent_at(g: Any) -> set[Level]:
    """The forward-mode levels that g is a cotangent from outside of."""
    a = g._data if isinstance(g, TensorBase) else g
    found = set()
    while isinstance(a, Lifted):
        if isinstance(a, Dual) and a.co:
            found.add(a.level)
        a = a.primal if isinstance(a, Dual) else a.value
    return found


def _dropped(g: Any, levels: Levels) -> Any:
    """g without `levels`; those that a cotangent of the primal alone never had stay out of its derivative too."""
    have = _cotangent_at(g)
    return drop_p(g, tuple(v for v in levels if v.kind is Batched or v in have))


lift_p: Any = _primitive(
    param,
    "lift",
    lambda xp, x, levels, co: _lift(x, levels, co),
    lambda g, x, o, levels, co: _dropped(g, levels),
    jvp="linear",
    doc="x at more levels: the same for all samples, or without a tangent.",
)
drop_p: Any = _primitive(
    param,
    "drop",
    lambda xp, g, levels: _drop(g, levels),
    lambda g, x, o, levels: lift_p(g, levels, True),
    jvp="linear",
    doc="The adjoint of lift_p: summed over the samples of levels.",
)


# ---------------------------------------------------------------- vmap
def _batch(x: Any, level: Level, dim: int) -> Any:
    if isinstance(x, Lifted) and x.level.number > level.number:
        return x.rebuild(lambda v: _batch(v, level, dim + isinstance(x, Batched)))
    return Batched(level, _move(x, dim, 0))


def _unbatch(x: Any, level: Level, dim: int) -> Any:
    if isinstance(x, Lifted) and x.level.number > level.number:
        return x.rebuild(lambda v: _unbatch(v, level, dim + isinstance(x, Batched)))
    if isinstance(x, Batched) and x.level is level:
        return _move(_expanded(x.value, (level.size, *x.shape)), 0, dim)
    return _move(_expanded(x, (level.size, *x.shape)), 0, dim)


batch_p: Any = _primitive(
    param,
    "batch",
    lambda xp, x, level, dim: _batch(x, level, dim),
    lambda g, x, o, level, dim: unbatch_p(g, level, dim),
    jvp="linear",
    doc="x as one value per sample of a vmap: its dimension dim becomes the samples.",
)
unbatch_p: Any = _primitive(
    param,
    "unbatch",
    lambda xp, x, level, dim: _unbatch(x, level, dim),
    lambda g, x, o, level, dim: batch_p(g, level, dim),
    jvp="linear",
    doc="The samples of a vmap as dimension dim.",
)


# ---------------------------------------------------------------- forward mode
def _dual(x: Any, t: Any, level: Level, co: bool) -> Any:
    top = max((a.level for a in (x, t) if isinstance(a, Lifted)), key=lambda v: v.number, default=None)
    if top is None or top.number < level.number:
        return Dual(level, x, t, co)
    if top.kind is Batched:
        parts = [a.value if isinstance(a, Batched) and a.level is top else a[None] for a in (x, t)]
        n = max(v.shape[0] for v in parts)
        v, w = (_expanded(v, (n, *v.shape[1:])) for v in parts)
        return Batched(top, _dual(v, w, level, co))
    px, tx = (x.primal, x.tangent) if isinstance(x, Dual) and x.level is top else (x, None)
    pt, tt = (t.primal, t.tangent) if isinstance(t, Dual) and t.level is top else (t, None)
    rest = None
    if tx is not None or tt is not None:
        rest = _dual(zeros_like(px) if tx is None else tx, zeros_like(pt) if tt is None else tt, level, co)
    return Dual(top, _dual(px, pt, level, co), rest, any(a.co for a in (x, t) if isinstance(a, Dual)))


def _part(x: Any, level: Level, which: int, swapped: bool) -> Any:
    """The primal (0) or the tangent (1) of x. swapped: only of a cotangent from outside; any other passes as the primal's."""
    if isinstance(x, Lifted) and x.level.number > level.number:
        return x.rebuild(lambda v: _part(v, level, which, swapped))
    if isinstance(x, Dual) and x.level is level and (x.co or not swapped):
        return x.primal if which == 0 else zeros_like(x.primal) if x.tangent is None else x.tangent
    if swapped:
        return x if which == 1 else zeros_like(x)
    return x if which == 0 else zeros_like(x)


def part_of(a: Any, level: Level, which: int) -> Any:
    """The primal (0) or the tangent (1) of an array."""
    return _part(a, level, which, False)


def new_dual(a: Any, t: Any, level: Level) -> Any:
    """The dual array of a value and a tangent."""
    return _dual(a, t, level, False)


def _zero_of(x: Any) -> Any:
    return wrap(zeros_like(x._data)) if isinstance(x, TensorBase) else zeros_like(x)


def _co(g: Any, level: Level, which: int) -> Any:
    """The dual cotangent of what a part of a dual array had cotangent g: the parts are swapped."""
    return dual_p((g, _zero_of(g)) if which == 1 else (_zero_of(g), g), level, True)


def _parts(g: Any, needs: Any, level: Level) -> tuple[Any, Any]:
    """The cotangents of value and tangent: those that a dual cotangent holds, or all of it for the value."""
    if level not in _cotangent_at(g):
        return g if needs[0] else None, None
    return part_p(g, level, 1, True) if needs[0] else None, part_p(g, level, 0, True) if needs[1] else None


dual_p: Any = _primitive(
    nary,
    "dual",
    lambda xp, xs, level, co: _dual(xs[0], xs[1], level, co),
    lambda g, xs, o, needs, level, co: _parts(g, needs, level),
    jvp="linear",
    doc="The dual array of a value and its tangent.",
)
part_p: Any = _primitive(
    param,
    "part",
    lambda xp, x, level, which, swapped: _part(x, level, which, swapped),
    lambda g, x, o, level, which, swapped: _co(g, level, which),
    jvp="linear",
    doc="The primal (0) or the tangent (1) of a dual array.",
)


# ---------------------------------------------------------------- operands
def _sorted(levels: set[Level]) -> Levels:
    return tuple(sorted(levels, key=lambda v: v.number))


def _levels_in(values: Any) -> set[Level]:
    found: set[Level] = set()
    for v in values:
        if isinstance(v, Lifted):
            found |= levels_of(v)
        elif isinstance(v, Each):
            found.add(v.level)
        elif type(v) in (tuple, list):
            found |= _levels_in(v)
    return found


def join(xs: list[Any], p: Any = ()) -> list[Any]:
    """Tensors that need gradients, brought (recorded) to the levels of all operands and parameters."""
    levels = _levels_in([x._data for x in xs if isinstance(x, TensorBase)]) | _levels_in(p)
    joined = []
    for x in xs:
        if isinstance(x, TensorBase) and x._node is not None:
            gone = levels - levels_of(x._data)
            if gone:
                x = lift_p(x, _sorted(gone), False)
        joined.append(x)
    return joined


def level_up(x: Any, values: Any) -> Any:
    """Array x at all levels of the arrays (or tensors) among `values`, for a leaf that is made inside a formula."""
    levels = _levels_in([v._data if isinstance(v, TensorBase) else v for v in values])
    gone = levels - levels_of(x)
    return _lift(x, _sorted(gone), False) if gone else x


def missing_levels(x: Any) -> Levels:
    """The running vmaps that array x is not lifted to."""
    have = levels_of(x) if isinstance(x, Lifted) else set()
    return tuple(v for v in active.levels if v.kind is Batched and v not in have)


def batched_level(tensors: list[Any]) -> Level | None:
    """The youngest vmap that one of the tensors is batched in."""
    found = [v for v in _levels_in([t._data for t in tensors]) if v.kind is Batched]
    return max(found, key=lambda v: v.number, default=None)


def samples_of(t: Any, level: Level) -> Any:
    """Tensor t with the samples of a vmap as dimension 0."""
    if t._node is not None and level not in levels_of(t._data):
        t = lift_p(t, (level,), False)
    return unbatch_p(t, level, 0)


def each_sample(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """f for each sample of its batched arguments, one after the other, and the results batched again."""
    from .ops.join import stack
    from .pytree import tree_flatten, tree_unflatten

    leaves, spec = tree_flatten((args, kwargs))
    tensors = [v for v in leaves if isinstance(v, TensorBase)]
    level = batched_level(tensors)
    if level is None:
        return f(*args, **kwargs)
    whole = [
        samples_of(v, level) if isinstance(v, TensorBase) and level in levels_of(v._data) else None for v in leaves
    ]
    rows = []
    for i in range(max(level.size, 1)):
        given = [v if w is None else w[i] for v, w in zip(leaves, whole, strict=True)]
        a, k = tree_unflatten(given, spec)
        rows.append(tree_flatten(each_sample(f, a, k)))
    out_spec = rows[0][1]
    joined = []
    for column in zip(*(row for row, _ in rows), strict=True):
        if not isinstance(column[0], TensorBase):
            joined.append(column[0])
            continue
        if any(v._shape != column[0]._shape for v in column):
            raise TransformError(
                f"vmap: {f.__name__} gives results of different shapes {[tuple(v._shape) for v in column[:3]]} for the "
                "samples, because they depend on the values; mask the values with where() instead of selecting them"
            )
        joined.append(batch_p(stack(list(column)), level, 0))
    return tree_unflatten(joined, out_spec)


def join_arguments(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a user's Function, the tensors among them joined."""
    it = iter(join([a for a in args if isinstance(a, TensorBase)]))
    return tuple(next(it) if isinstance(a, TensorBase) else a for a in args)


def dual_levels(args: tuple[Any, ...]) -> Levels:
    """The forward-mode levels among tensors, oldest first."""
    return _sorted({v for v in _levels_in([a._data for a in args if isinstance(a, TensorBase)]) if v.kind is Dual})


def text(t: Any, to_text: Any, prefix: str) -> str | None:
    """How a tensor over a lifted array is printed; None for any other."""
    a = t._data
    if not isinstance(a, Lifted):
        return None
    if isinstance(a, Batched):
        return f"BatchedTensor(lvl={active_number(a.level)}, bdim=0, value={to_text(wrap(a.value))})"
    tangent = "" if a.tangent is None else f", tangent={to_text(wrap(a.tangent))}"
    return f"{to_text(wrap(a.primal), prefix)[:-1]}{tangent})"


def active_number(level: Level) -> int:
    """1 for the outermost transform that this thread is in, 2 for the next; 0 for one that has ended."""
    return active.levels.index(level) + 1 if level in active.levels else 0


def stopped(a: Any) -> Any:
    """Array a without tangents, sharing memory: what `detach` gives."""
    if isinstance(a, Dual):
        return stopped(a.primal)
    if isinstance(a, Batched):
        return Batched(a.level, stopped(a.value))
    return a


def _room(a: Any, r: Any, what: str, own: bool = False) -> Any:
    """Array a with room for the tangents that array r has, sharing its memory; a itself if it has it already.

    own: a is a tangent, which may be copied to hold one for each sample.
    """
    if not isinstance(r, Lifted):
        return a
    top = a.level if isinstance(a, Lifted) and a.level.number > r.level.number else r.level
    inside = isinstance(a, Lifted) and a.level is top
    below = r if r.level is not top else None
    if top.kind is Batched:
        if own and (not inside or below is None and a.value.shape[0] < r.value.shape[0]):
            whole = a.value if inside else a[None]
            a, inside = Batched(top, _expanded(whole, (top.size, *whole.shape[1:])).copy()), True
        if not inside:
            raise TransformError(
                f"vmap: {what} cannot write a batched value of shape {r.shape} in place into a tensor that is the same for "
                "all samples; use the version without underscore, or make the tensor with zeros_like of a batched one"
            )
        value = _room(a.value, r.value if below is None else below, what, own)
        return a if value is a.value else Batched(top, value)
    primal, tangent = (a.primal, a.tangent) if inside else (a, None)
    rp, rt = (r.primal, r.tangent) if below is None else (below, None)
    p = _room(primal, rp, what, own)
    t = tangent
    if t is not None or rt is not None:
        t = _room(zeros_like(p) if t is None else t, rt, what, True)
    return a if inside and p is primal and t is tangent else Dual(top, p, t, inside and a.co)


def adopt(x: Any, r: Any, what: str) -> None:
    """Make room for the tangents of array r in tensor x, its base and all their views, before r is written into x."""
    from .views import _follow

    root = getattr(x, "_base", None)
    root = x if root is None else root
    a = _room(root._data, r, what)
    if a is root._data:
        return
    if root is not x and x._path is None:
        raise TransformError(
            f"forward mode: {what} writes a dual value into a view made under no_grad; make it outside"
        )
    root._data = a
    s = tls.state
    was, s.grad = s.grad, False
    try:
        for ref in list(getattr(root, "_views", None) or ()):
            v = ref()
            if v is not None and v._path is not None:
                v._data = _follow(wrap(a), v._path)._data
    finally:
        s.grad = was
