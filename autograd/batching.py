"""The rules of vmap: how a primitive runs on all samples at once, and the loop for those that have no rule.

A rule sees operands whose samples lie along axis 0 (or that are the same for all samples), and gives results with the
samples in front. Elementwise primitives need none of their own; the others are in two tables: here what is told by the
kind of a parameter (an axis, several axes, a shape), in `batching_rules` the rest. `run_batched` runs a primitive that
is in neither sample by sample, which is right for every primitive, and slow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import TransformError
from .lifted import Batched, Level
from .lifted_run import run, sample, sizes, stack
from .registry import BINARY, PRIMITIVES, UNARY, Op

__all__ = ["RULES", "Operands", "batched_value", "has_rule", "rule", "run_batched"]


class Operands:
    """What a rule is given. values: arrays; flags: whether the samples lie along axis 0; n: how many; level."""

    __slots__ = ("flags", "level", "n", "values")

    def __init__(self, values: list[Any], flags: list[bool], n: int, level: Level) -> None:
        self.values, self.flags, self.n, self.level = values, flags, n, level

    def rank(self) -> int:
        """The largest number of dimensions of a sample."""
        return max(v.ndim - f for v, f in zip(self.values, self.flags, strict=True) if hasattr(v, "ndim"))

    def aligned(self) -> list[Any]:
        """The values so that they broadcast: the samples in front of as many dimensions as the largest has."""
        return [align(v, self.rank()) if f else v for v, f in zip(self.values, self.flags, strict=True)]

    def front(self, i: int) -> Any:
        """Operand i with the samples along axis 0, repeated without a copy where they were the same."""
        v = self.values[i]
        if v is None or self.flags[i]:
            return v
        return run(PRIMITIVES["expand"], (v,), ((self.n, *v.shape),))


def align(v: Any, rank: int) -> Any:
    """v (n, *s) with as many ones between n and s as make `rank` dimensions of a sample."""
    gap = rank - (v.ndim - 1)
    return v.reshape((v.shape[0], *(1,) * gap, *v.shape[1:])) if gap > 0 else v


Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}
_loaded = False


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter the rule of primitives: f(op, operands, *parameters) -> results with the samples in front, or NotImplemented."""

    def enter(f: Rule) -> Rule:
        for name in names:
            RULES[name] = f
        return f

    return enter


def _rules() -> dict[str, Rule]:
    global _loaded
    if not _loaded:
        from . import batching_index, batching_rules

        _loaded = bool(batching_rules and batching_index)
    return RULES


def has_rule(op: Op) -> bool:
    """Whether the primitive runs on all samples at once (else sample by sample)."""
    return op.arity in (UNARY, BINARY) or op.name in _rules()


def batched_value(v: Any, level: Level) -> tuple[Any, bool]:
    """(array, whether the samples of `level` lie along its axis 0)."""
    if isinstance(v, Batched) and v.level is level:
        return (v.value[0], False) if v.value.shape[0] == 1 else (v.value, True)
    return v, False


# ---------------------------------------------------------------- running
def run_batched(op: Op, arrays: Any, p: tuple[Any, ...], level: Level) -> Any:
    """The forward of `op` (with its extras) on arrays or parameters of which some are batched at `level`."""
    values, flags = [], []
    for a in arrays:
        v, f = batched_value(a, level)
        values.append(v)
        flags.append(f)
    n = max(sizes(p, level)) if p else 0
    if not any(flags) and n <= 1:  # the same for all samples: computed once
        r = run(op, values, _once(p, level))
        return _wrap(r, level, True)
    for v, f in zip(values, flags, strict=True):
        if f:
            n = v.shape[0]
            break
    operands = Operands(values, flags, n, level)
    r = NotImplemented
    if op.arity == UNARY:
        r = run(op, values)
    elif op.arity == BINARY:
        r = run(op, operands.aligned())
    else:
        f = _rules().get(op.name)
        if f is not None:
            r = f(op, operands, *p)
    if r is NotImplemented:
        r = _loop(op, operands, p)
    return _wrap(r, level, False)


def _once(p: tuple[Any, ...], level: Level) -> tuple[Any, ...]:
    return tuple(sample(v, 0, level) for v in p)


def _wrap(r: Any, level: Level, same: bool) -> Any:
    if isinstance(r, tuple):
        return tuple(_wrap(v, level, same) for v in r)
    return r if r is None else Batched(level, r[None] if same else r)


def _loop(op: Op, operands: Operands, p: tuple[Any, ...]) -> Any:
    """Sample by sample: what is right for every primitive whose results have one shape for all of them."""
    level, n = operands.level, operands.n
    empty = n == 0
    rows = []
    for i in range(max(n, 1)):
        if empty:
            xs = [
                v.sum(0) if f and v.dtype.kind != "b" else v
                for v, f in zip(operands.values, operands.flags, strict=True)
            ]
        else:
            xs = [v[i] if f else v for v, f in zip(operands.values, operands.flags, strict=True)]
        rows.append(run(op, xs, tuple(sample(v, i, level) for v in p)))
    if not isinstance(rows[0], tuple):
        return _pile(rows, op, empty)
    return tuple(_pile(list(column), op, empty) for column in zip(*rows, strict=True))


def _pile(rows: list[Any], op: Op, empty: bool) -> Any:
    if rows[0] is None:
        return None
    if any(v.shape != rows[0].shape for v in rows):
        raise TransformError(
            f"vmap: {op.name} gives results of different shapes {[tuple(v.shape) for v in rows[:3]]} for the samples, "
            "because they depend on the values; mask the values with where() instead of selecting them"
        )
    r = stack(rows)
    return r[:0] if empty else r


# ---------------------------------------------------------------- by the kind of a parameter
def _shift(axes: Any, rank: int) -> tuple[int, ...]:
    """Axes of a sample as axes of all samples."""
    return tuple(range(1, rank + 1)) if axes is None else tuple(a + 1 for a in axes)


def _with(p: tuple[Any, ...], k: int, value: Any) -> tuple[Any, ...]:
    return (*p[:k], value, *p[k + 1 :])


def _plain(p: tuple[Any, ...], operands: Operands) -> bool:
    return max(sizes(p, operands.level)) == 0


def axes_rule(k: int) -> Rule:
    """Parameter k is a tuple of axes (None: all)."""

    def f(op: Op, operands: Operands, *p: Any) -> Any:
        rank = operands.rank()
        if rank == 0 or not _plain(p, operands):  # what () means to a primitive, it says for the sample alone
            return NotImplemented
        return run(op, operands.aligned(), _with(p, k, _shift(p[k], rank)))

    return f


def axis_rule(k: int) -> Rule:
    """Parameter k is one axis."""

    def f(op: Op, operands: Operands, *p: Any) -> Any:
        if p[k] is None or operands.rank() == 0 or not _plain(p, operands):
            return NotImplemented
        xs = [None if v is None else operands.front(i) for i, v in enumerate(operands.values)]
        return run(op, xs, _with(p, k, p[k] + 1))

    return f


def front_rule(op: Op, operands: Operands, *p: Any) -> Any:
    """Operands of one shape: every one gets the samples in front."""
    if not _plain(p, operands):
        return NotImplemented
    return run(op, [operands.front(i) for i in range(len(operands.values))], p)


def same_rule(op: Op, operands: Operands, *p: Any) -> Any:
    """Elementwise, or over leading dimensions of any number: the samples are one more of them."""
    return run(op, operands.aligned(), p) if _plain(p, operands) else NotImplemented


_AXES = (  # by the place of the parameter
    "all amax amin any count_nonzero count_numbers logsumexp mean nansum prod std sum var",
    "norm roll",
)
_AXIS = (
    "argsort cat cummax_indices cumprod cumsum log_softmax logcumsumexp median_index recurrence resample shift softmax "
    "split split_with_sizes tensor_split unbind unfold",
    "topk_indices",
)
_SAME = (
    "cast clamp clamp_tensors clone contiguous elu elu_slope gelu gelu_slope hardshrink hardsigmoid hardswish "
    "hardswish_slope hardtanh identity imag inv leaky_relu logsigmoid mish nan_to_num plus_eye polar_step real round silu "
    "silu_slope smooth_l1 softplus softplus_slope softshrink softsign threshold to_backend to_complex to_device tril triu "
    "view_as_complex view_as_real"
)
for _make, _table in ((axes_rule, _AXES), (axis_rule, _AXIS)):
    for _k, _names in enumerate(_table):
        RULES.update(dict.fromkeys(_names.split(), _make(_k)))
RULES.update(dict.fromkeys(_SAME.split(), same_rule))
RULES["slope"] = front_rule
