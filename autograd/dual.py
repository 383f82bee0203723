"""The rule of dual arrays: every primitive gives the tangent of its result, as its record says."""

from __future__ import annotations

from typing import Any

from .core import TensorBase, tls, wrap
from .forward import jvp_of
from .hooks import core_no_grad
from .lifted import Dual, Level, Lifted, levels_of, zeros_like
from .lifted_run import run
from .registry import Op

__all__ = ["apply_dual", "run_dual"]


def _strip(v: Any, level: Level) -> Any:
    """A parameter without the tangents of a level: masks and indices have none to give."""
    if isinstance(v, Dual) and v.level is level:
        return v.primal
    if type(v) is tuple:
        return tuple([_strip(a, level) for a in v])
    if type(v) is list:
        return [_strip(a, level) for a in v]
    return v


def _has_dual(a: Any) -> bool:
    return isinstance(a, Lifted) and any(v.kind is Dual for v in levels_of(a))


def run_dual(op: Op, arrays: Any, p: tuple[Any, ...], level: Level) -> Any:
    """The forward of `op` (with its extras) on arrays of which some are dual at `level`."""
    primals, tangents, co = [], [], False
    for a in arrays:
        if isinstance(a, Dual) and a.level is level:
            if op.view and a.tangent is None and not a.co and not levels_of(a.primal):
                a.room()  # a write through the view must reach the array
            primals.append(a.primal)
            tangents.append(a.tangent)
            co = co or a.co
        else:
            primals.append(a)
            tangents.append(None)
    p = _strip(p, level) if p else p
    full = run(op, primals, p)
    several = op.outputs != 1
    if not op.differentiable:
        return full
    outs = full if several or op.extras else (full,)
    extras = outs[len(outs) - op.extras :] if op.extras else ()
    outs = outs[: len(outs) - op.extras]
    found: Any = (None,) * len(outs)
    if any(t is not None for t in tangents):
        s = tls.state
        was, s.grad = s.grad, False
        try:
            # extras are constants to a formula: where they have tangents at an older level, the transposed vjp knows
            derived = bool(op.extras) and callable(op.jvp) and any(map(_has_dual, primals))
            found = jvp_of(op, primals, tangents, full, p, "transpose" if derived else op.jvp)
        finally:
            s.grad = was
        found = found if several else (found,)
    made = tuple(
        Dual(level, o, t, co) if o.dtype.kind in "fc" and (t is not None or co) else o
        for o, t in zip(outs, found, strict=True)
    )
    return (*made, *extras) if several or op.extras else made[0]


# ---------------------------------------------------------------- autograd.Function
def apply_dual(cls: Any, args: tuple[Any, ...], result: Any) -> Any:
    """The result of a user's Function on dual tensors with the tangents that its `jvp` gives, or its backward, transposed.

    result: that of its forward on the dual tensors, recorded; backward runs on dual tensors as on any other.
    """
    from .function import Function
    from .lifting import dual_levels, new_dual, part_of

    level = dual_levels(args)[-1]
    mine = [isinstance(a, TensorBase) and level in levels_of(a._data) for a in args]
    primals = tuple(
        wrap(part_of(a._data, level, 0) if m else a._data) if isinstance(a, TensorBase) else a
        for a, m in zip(args, mine, strict=True)
    )
    tangents = [wrap(part_of(a._data, level, 1)) if m else None for a, m in zip(args, mine, strict=True)]
    if cls.jvp is not Function.jvp:
        with core_no_grad():
            out, ctx = cls._run(primals)
            if ctx._for_forward is not None:
                ctx._to_save, ctx._node = ctx._for_forward, None
            given = cls.jvp(ctx, *tangents)
    else:
        out, given = _transposed(cls, primals, tangents)
    several = isinstance(out, (tuple, list))
    for r, o, t in zip(
        result if several else [result],
        out if several else [out],
        given if isinstance(given, (tuple, list)) else [given],
        strict=True,
    ):
        if isinstance(r, TensorBase) and t is not None and r._dtype.kind in "fc":
            r._data = new_dual(o._data, t._data, level)
    return result


def _transposed(cls: Any, primals: tuple[Any, ...], tangents: list[Any]) -> tuple[Any, Any]:
    """(output, tangents) by the Function's backward, which is linear in its cotangents: the transpose of that map."""
    from .func import linearize

    which = [i for i, t in enumerate(tangents) if t is not None]
    kind: list[Any] = []

    def f(*xs: Any) -> Any:
        args = list(primals)
        for i, x in zip(which, xs, strict=True):
            args[i] = x
        out = cls.apply(*args)
        outs = list(out) if isinstance(out, (tuple, list)) else [out]
        kind[:] = [type(out) if isinstance(out, (tuple, list)) else None, outs]
        return tuple(o for o in outs if _differentiable(o))

    outs, jvp_fn = linearize(f, *(primals[i] for i in which))
    ts = iter(jvp_fn(*(tangents[i] for i in which)))
    values = iter(outs)
    final, found = [], []
    for o in kind[1]:
        if _differentiable(o):
            final.append(next(values))
            found.append(next(ts))
        else:
            final.append(wrap(o._data) if isinstance(o, TensorBase) else o)
            found.append(wrap(zeros_like(o._data)) if isinstance(o, TensorBase) else None)
    return (kind[0](final), found) if kind[0] is not None else (final[0], found)


def _differentiable(o: Any) -> bool:
    return isinstance(o, TensorBase) and o._dtype.kind in "fc"
