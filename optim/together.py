"""Updating all tensors of a parameter group by one call of a kernel, instead of one formula for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, is_, itemgetter
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..autograd.backend import kernels_enabled
from ..autograd.core import TensorBase, wrap
from ..autograd.kernels.cpu import optim as kernels

__all__ = ["Together"]

_data = attrgetter("_data")


class Together:
    """What is known about the groups of an optimizer between steps: where their parameters and state lie.

    A group is looked at anew when one of its tensors, or of their state, has become another array.
    """

    def __init__(self) -> None:
        self._groups: dict[int, _Group] = {}

    def step(
        self,
        group: dict[str, Any],
        state: Mapping[Any, Any],
        names: tuple[str, ...],
        run: Callable[[Any, list[int], Any], Any],
        written: list[Any],
        *,
        begin: Callable[[Tensor, dict[str, Any], dict[str, Any]], None] | None = None,
        late: bool = False,
    ) -> Sequence[Tensor]:
        """Update what a kernel can; returns the parameters that are left, and adds the others to `written`.

        names: the state tensors that the kernel takes, after `step` where there is a `begin`, which fills the state of
        a parameter before its first step. late: state that is missing is made by the kernel. run(table, ids, fresh):
        call the kernel for a `Table`; fresh: for each row whether its state is to be made.
        """
        if not kernels_enabled():
            return group["params"]
        known = self._groups.get(id(group))
        if known is None or not known.current(group, state, names):
            known = self._groups[id(group)] = _Group(group, state, names, begin, late)
        left = known.run(run, written)
        if known.stale:
            del self._groups[id(group)]
        return left


class _Group:
    """A parameter group: `served`, the parameters that kernels update, in tables by dtype; `idle`, those without
    gradient and state; `odd`, the others."""

    def __init__(self, group: Any, state: Any, names: tuple[str, ...], begin: Any, late: bool) -> None:
        self.group, self.names = group, names  # the group is kept, so that its id stays its own
        self.keys = (*(("step",) if begin else ()), *names)
        self.get: Any = itemgetter(*self.keys) if self.keys else None  # a tuple, or for one key its value
        self.params: list[Tensor] = list(group["params"])
        self.idle: list[Tensor] = []
        self.odd: list[Tensor] = []
        self.stale = False
        rows: dict[str, list[_Row]] = {"f": [], "d": []}
        for p in self.params:
            row = _row(p, group, state, names, begin, late)
            if row is None:
                self.idle.append(p)
            elif not row.arrays:
                self.odd.append(p)
            else:
                rows[row.arrays[0].dtype.char].append(row)
        self.tables: list[tuple[Any, list[_Row], Any]] = []
        found = [row for part in rows.values() for row in part]
        work = sum(row.arrays[0].size for row in found)
        if found and kernels.worthwhile(work, len(found)):
            for part in rows.values():
                if part:
                    counters = [row.counter for row in part] if begin else None
                    table = kernels.Table([row.arrays for row in part], counters)
                    self.tables.append((table, part, np.array([row.fresh for row in part], np.bool_)))
            if not self._apart(found):
                self.tables = []
        self.served = [row.p for _, part, _ in self.tables for row in part]
        if not self.tables:
            self.odd = [*self.odd, *(row.p for row in found)]
        self.arrays = [a for _, part, _ in self.tables for row in part for a in row.all()]
        self.odd_arrays = [p._data for p in self.odd]

    def _apart(self, found: list[_Row]) -> bool:
        # Updates in turn may be done at once only if no parameter shares memory with another, or comes twice.
        tables = [table for table, _, _ in self.tables]
        if len({id(p) for p in self.params}) < len(self.params) or not all(t.apart for t in tables):
            return False
        rest = [p._data for p in (*self.odd, *self.idle) if type(p._data) is np.ndarray]
        if len(tables) == 2:
            rest += [a for row in self.tables[1][1] for a in row.all()]
            if any(tables[1].covers(a) for a in rest[: len(self.odd) + len(self.idle)]):
                return False
        return not any(tables[0].covers(a) for a in rest)

    def current(self, group: Any, state: Any, names: tuple[str, ...]) -> bool:
        """Whether all parameters and their state are the arrays they were, and none has become active."""
        params = group["params"]
        if self.names != names or len(params) != len(self.params) or not all(map(is_, params, self.params)):
            return False
        for p in self.idle:
            if getattr(p, "_grad", None) is not None:
                return False
        if self.odd and not all(map(is_, map(_data, self.odd), self.odd_arrays)):
            return False
        tensors: list[Any] = []
        get, several = self.get, len(self.keys) > 1
        try:
            for p in self.served:
                tensors.append(p)
                if several:
                    tensors += get(state[p])
                elif self.keys:
                    tensors.append(get(state[p]))
            return all(map(is_, map(_data, tensors), self.arrays))
        except (KeyError, AttributeError):
            return False

    def run(self, call: Any, written: list[Any]) -> Sequence[Tensor]:
        """Update; returns the parameters that are left."""
        if not self.tables:
            return self.params
        missed: set[int] = set()
        for table, part, fresh in self.tables:
            ids: list[int] = []
            kept: list[Any] = []  # the gradients, so that no other thread can free them
            active: list[Tensor] = []
            for row in part:
                p = row.p
                g: Any = getattr(p, "_grad", None)
                if g is None:
                    ids.append(0)
                    continue
                a = g._data
                active.append(p)
                if type(a) is np.ndarray:
                    ids.append(id(a))
                    kept.append(a)
                else:
                    ids.append(0)
            done = call(table, ids, fresh)
            if done is NotImplemented:
                missed.update(map(id, active))
                self.stale = self.stale or bool(fresh.any())
                continue
            if done or len(kept) < len(active):
                left = {id(part[i].p) for i in table.left()}
                missed |= left.intersection(map(id, active))
                active = [p for p in active if id(p) not in left]
            if fresh.any():
                self._made(part, fresh, {id(p) for p in active})
            written += active
        if not missed and not self.odd:
            return ()
        missed.update(map(id, self.odd))
        return [p for p in self.params if id(p) in missed]

    def _made(self, part: list[_Row], fresh: Any, served: set[int]) -> None:
        for i, row in enumerate(part):
            if fresh[i] and id(row.p) in served:
                fresh[i] = False
                for name, a in zip(self.names, row.arrays[1:], strict=True):
                    row.state[name] = wrap(a)
        self.stale = self.stale or bool(fresh.any())  # the formula makes that state: look again


class _Row:
    """A parameter and the arrays of its update; none where no kernel serves it."""

    __slots__ = ("arrays", "counter", "fresh", "p", "state")

    def __init__(self, p: Tensor, arrays: list[Any], counter: Any, fresh: bool, state: Any) -> None:
        self.p, self.arrays, self.counter, self.fresh, self.state = p, arrays, counter, fresh, state

    def all(self) -> list[Any]:
        """The parameter's array, its counter and its state, in the order of a group's keys."""
        return [self.arrays[0], *(() if self.counter is None else (self.counter,)), *self.arrays[1:]]


def _row(p: Tensor, group: Any, state: Any, names: tuple[str, ...], begin: Any, late: bool) -> _Row | None:
    """What is known about parameter p; None while it has neither gradient nor state."""
    grad: Any = getattr(p, "_grad", None)
    a = p._data
    odd = _Row(p, [], None, False, None)
    needs = bool(names) or begin is not None
    # the state of parameters appears in their order, whoever updates them
    s: Any = None if not needs else state.get(p) if grad is None or type(grad._data) is not np.ndarray else state[p]
    if grad is None and not s:
        return None
    if not kernels.servable((a,)) or (not s and grad is not None and type(grad._data) is not np.ndarray):
        return odd
    if not s and begin is not None:
        begin(p, s, group)
    kept: list[Any] = [s.get(name) for name in names] if needs else []
    fresh = late and bool(names) and all(k is None for k in kept)
    if fresh:
        if grad is None:
            return None
        arrays = [a, *(np.empty_like(a) for _ in names)]
    elif all(isinstance(k, TensorBase) for k in kept):
        arrays = [a, *(k._data for k in kept)]
    else:
        return odd
    if not kernels.servable(arrays):
        return odd
    counter = None
    if begin is not None:
        count = s.get("step")
        counter = count._data if isinstance(count, TensorBase) else None
        if type(counter) is not np.ndarray or counter.shape or not kernels.fits(counter):
            return odd
    return _Row(p, arrays, counter, fresh, s)
