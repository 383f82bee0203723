"""What the tests that are generated from the registry share: how samples become tensors, and what operations were seen.

Every tensor is made by `make`, and read by `to_np`, so that the same tests run on another array library: `on(name)`
moves what is made there.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional
from retrograd.autograd import samples as spec
from retrograd.autograd.backend import is_array, of, xp_of
from retrograd.autograd.core import Node, TensorBase, tls, wrap
from retrograd.autograd.hooks import Watcher
from retrograd.autograd.ops import load_all
from retrograd.autograd.passes import order_shared
from retrograd.autograd.registry import FUNCTIONS, Function

load_all()
# Whether one operation or several of them compute a result depends on what is recorded: equal to rounding (values of
# size 1 in float64), not to the bit.
ROUNDED = {"nn.functional.scaled_dot_product_attention": 1e-15}
SAMPLED = sorted(p for p, f in FUNCTIONS.items() if f.samples is not None)
FLOATS = ("float64", "float32")
# relative and absolute: rounding of a few operations, and of sums of a hundred terms
TOLERANCE = {"float64": (1e-9, 1e-10), "float32": (3e-5, 3e-5)}

# These change what a tensor stands over, and refuse one that requires grad, as in PyTorch.
UNRECORDED = {"Tensor.resize_", "Tensor.resize_as_", "Tensor.set_"}

_place: list[Callable[[Any], Any]] = []  # moves a tensor to the array library under test; empty: NumPy


@contextlib.contextmanager
def on(move: Callable[[Any], Any] | None) -> Iterator[None]:
    """Have `make` move its tensors with `move` (such as `lambda t: t.cuda()`)."""
    before = list(_place)
    _place[:] = [] if move is None else [move]
    try:
        yield
    finally:
        _place[:] = before


# How to move a tensor to each array library that the generated tests run on.
BACKENDS: dict[str, Callable[[Any], Any] | None] = {"numpy": None}


@pytest.fixture(params=sorted(BACKENDS), autouse=True)
def backend(request):
    """Runs every test of the module that imports it once on each array library."""
    with on(BACKENDS[request.param]):
        yield request.param


# ---------------------------------------------------------------- making and reading tensors
def _strided(a: Any) -> Any:
    """The same values, every other element of a larger array in every dimension."""
    if not a.ndim:
        return a
    wide = xp_of(a).zeros(tuple(2 * n for n in a.shape), dtype=a.dtype)
    view = wide[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


def _negative(a: Any) -> Any:
    """The same values, stored backwards in every dimension."""
    back = (slice(None, None, -1),) * a.ndim
    return a[back].copy()[back] if a.ndim else a


def _transposed(a: Any) -> Any:
    """The same values, stored column by column."""
    return a.T.copy().T if a.ndim else a


LAYOUTS = {"strided": _strided, "negative": _negative, "transposed": _transposed}


def make(a: np.ndarray, grad: bool = False, layout: str = "") -> Any:
    """A tensor of these values on the backend under test."""
    t = wrap(np.asarray(a))
    for move in _place:
        t = move(t)
    if layout:
        t = wrap(LAYOUTS[layout](t._data))
    return t.requires_grad_() if grad and t._dtype.kind in "fc" else t


def to_np(t: Any) -> np.ndarray:
    """The values of a tensor or array on the host."""
    a = t._data if isinstance(t, TensorBase) else t
    return np.asarray(of(a).to_numpy(a)) if is_array(a) else np.asarray(a)


# ---------------------------------------------------------------- samples
class Sample:
    """One sample of one function, with its drawn values."""

    def __init__(self, f: Function, number: int, call: spec.Call, dtype: str) -> None:
        self.f, self.number, self.call, self.dtype = f, number, call, dtype
        rng = np.random.default_rng([zlib.crc32(f.path.encode()), number])
        self.drawn: list[tuple[spec.TensorSpec, np.ndarray]] = []

        def draw(s: spec.TensorSpec) -> int:
            self.drawn.append((s, s.draw(rng, dtype)))
            return _Slot(len(self.drawn) - 1)

        self._args = spec.build(call.args, draw, spec.DtypeSpec)
        self._kwargs = spec.build(call.kwargs, draw, spec.DtypeSpec)

    def __repr__(self) -> str:
        return f"{self.f.path} sample {self.number} {self.call!r} in {self.dtype}"

    @property
    def inplace(self) -> bool:
        """Whether the function overwrites its first argument."""
        return self.f.name.endswith("_")

    def differentiable(self, kinds: str = "fc") -> list[int]:
        """Which of the tensors a gradient may be asked for."""
        if self.f.path in UNRECORDED:
            return []
        return [i for i, (s, a) in enumerate(self.drawn) if s.grad and a.dtype.kind in kinds]

    def inputs(self, wanted: Any = None, layout: str = "") -> list[Any]:
        """The tensors; those in `wanted` (None: all that may) require grad."""
        wanted = self.differentiable() if wanted is None else wanted
        return [make(a, i in wanted, layout) for i, (_, a) in enumerate(self.drawn)]

    def fill(self, tensors: Any, dtype_of: Any) -> tuple[Any, Any]:
        """args and kwargs with these tensors in the places of the drawn ones."""
        return _fill(self._args, tensors, dtype_of), _fill(self._kwargs, tensors, dtype_of)

    def run(self, tensors: Any) -> Any:
        """The function's result on these tensors."""
        if self.inplace:  # writes into a leaf are refused
            tensors = [tensors[0].clone(), *tensors[1:]]
        args, kwargs = self.fill(tensors, lambda name: getattr(rg, name))
        return self.f.call(*args, **kwargs)

    def reference(self) -> Any:
        """What the independent reference gives on the arrays."""
        args, kwargs = self.fill([a.copy() for _, a in self.drawn], np.dtype)
        return self.f.ref(*args, **kwargs)


class _Slot(int):
    """The place of a drawn tensor among the arguments."""


def _fill(v: Any, tensors: Any, dtype_of: Any) -> Any:
    if isinstance(v, _Slot):
        return tensors[v]
    if isinstance(v, spec.DtypeSpec):
        return dtype_of(v.name)
    if isinstance(v, (list, tuple)):
        return type(v)(_fill(a, tensors, dtype_of) for a in v)
    if isinstance(v, dict):
        return {k: _fill(a, tensors, dtype_of) for k, a in v.items()}
    return v


def samples(path: str, dtype: str) -> list[Sample]:
    """The samples of the function at `path`, their floating-point tensors in `dtype`."""
    f = FUNCTIONS[path]
    return [Sample(f, i, c, dtype) for i, c in enumerate(f.samples())]


def each(path: str, dtype: str, check: Callable[[Sample], None]) -> None:
    """Run `check` on every sample; all that fail are named in the error of the first."""
    failed: list[tuple[Sample, Exception]] = []
    for s in samples(path, dtype):
        try:
            check(s)
        except Exception as e:
            failed.append((s, e))
    if failed:
        for s, e in failed:
            failed[0][1].add_note(f"failed: {s!r}: {type(e).__name__} {str(e).strip().splitlines()[:1]}")
        raise failed[0][1]


def flat(r: Any) -> list[Any]:
    """The results of a function, nested sequences opened."""
    if isinstance(r, (list, tuple)) and not isinstance(r, rg.Size):
        return [a for v in r for a in flat(v)]
    return [r]


def tensors_of(r: Any) -> list[Any]:
    """The tensors among the results."""
    return [a for a in flat(r) if isinstance(a, TensorBase)]


def recorded(r: Any) -> list[Any]:
    """The results that a gradient can be asked of."""
    return [a for a in tensors_of(r) if a._node is not None]


def cotangents(outs: list[Any], seed: int = 0) -> list[Any]:
    """Random cotangents for these tensors, from the same seed the same."""
    rng = np.random.default_rng(seed)
    found = []
    for o in outs:
        g = rng.uniform(0.5, 1.5, o._shape) * rng.choice([-1.0, 1.0], o._shape)
        if o._dtype.kind == "c":
            g = g + 1j * rng.uniform(0.5, 1.5, o._shape)
        found.append(make(np.asarray(g).astype(o._dtype.np)))
    return found


def gradients(s: Sample, tensors: list[Any], create_graph: bool = False) -> tuple[Any, list[Any]]:
    """The result, and the gradients of those tensors that require one (None where unused)."""
    r = s.run(tensors)
    outs = recorded(r)
    ins = [t for t in tensors if t._node is not None]
    if not outs or not ins:
        return r, []
    gs = rg.autograd.grad(outs, ins, cotangents(outs), create_graph=create_graph, allow_unused=True)
    return r, list(gs)


def nodes_of(outs: list[Any]) -> list[Any]:
    """The recorded operations below these tensors."""
    return [n for n in order_shared([o._node for o in outs]) if type(n) is Node]


def close(a: Any, b: Any, dtype: str, what: str) -> None:
    """Values agree within the tolerance of the dtype."""
    rtol, atol = TOLERANCE[dtype]
    x, y = to_np(a), to_np(b)
    if x.dtype.kind in "biu" and y.dtype.kind in "biu":
        np.testing.assert_array_equal(x, y, err_msg=what)
        return
    assert x.shape == y.shape, f"{what}: shapes {x.shape} and {y.shape}"
    if x.dtype.name == "bfloat16":
        x, y = x.astype("f4"), y.astype("f4")
    np.testing.assert_allclose(x, y, rtol=rtol, atol=atol, err_msg=what)


# ---------------------------------------------------------------- primitives seen while samples run
class Seen:
    """One call of a primitive: operands as arrays, parameters, and which sample made it."""

    def __init__(self, op: Any, xs: list[Any], p: tuple[Any, ...], sample: Sample) -> None:
        self.op, self.xs, self.p, self.sample = op, xs, p, sample

    def __repr__(self) -> str:
        shapes = [tuple(x.shape) if is_array(x) else x for x in self.xs]
        return f"{self.op.name} on {shapes} {self.p!r} from {self.sample!r}"

    def run(self, wanted: Any = None) -> tuple[list[Any], list[Any]]:
        """Recorded again, on leaves (those in `wanted` require grad): operands and outputs."""
        ys = []
        for i, x in enumerate(self.xs):
            if not is_array(x):
                ys.append(x)
                continue
            y = wrap(x)
            if (wanted is None or i in wanted) and y._dtype.kind in "fc":
                y.requires_grad_()
            ys.append(y)
        r = self.op.call(ys, *self.p) if self.op.arity == 4 else self.op.call(*ys, *self.p)
        return ys, list(r) if isinstance(r, (tuple, list)) else [r]


class _Recorder(Watcher):
    def __init__(self, inner: Any, sample: Sample, into: dict[str, list[Seen]], limit: int) -> None:
        super().__init__(inner)
        self.sample, self.into, self.limit = sample, into, limit
        self.known: set[Any] = set()

    def saw(self, op: Any, xs: Any, p: Any, node: Any, r: Any, index: int = 0) -> None:
        super().saw(op, xs, p, node, r, index)
        seen = self.into.setdefault(op.name, [])
        if index or len(seen) >= self.limit:
            return
        arrays = [x._data if isinstance(x, TensorBase) else x for x in xs]
        if any(type(a) is int or type(a) is float for a in arrays[:1]):
            return  # a number on the left: its array is what other calls show
        key = (op.name, tuple((x.shape, x.dtype.name) if is_array(x) else x for x in arrays), repr(p))
        if key in self.known:
            return
        self.known.add(key)
        from retrograd.autograd.registry import PRIMITIVES

        if PRIMITIVES.get(op.name) is not None:  # the record itself, not its twin for complex values
            seen.append(Seen(PRIMITIVES[op.name], [x.copy() if is_array(x) else x for x in arrays], p, self.sample))


def watch(s: Sample, into: dict[str, list[Seen]], limit: int) -> None:
    """Enter every primitive that a sample calls: forward, in its recorded backward, and in the backward of that."""
    state = tls.state
    was = state.grad
    state.grad = _Recorder(was, s, into, limit)
    try:
        tensors = s.inputs()
        ins = [t for t in tensors if t._node is not None]
        outs = recorded(s.run(tensors))
        for _ in range(2):
            if not outs or not ins:
                return
            gs = cotangents(outs)
            for g in gs:
                g.requires_grad_()
            found = rg.autograd.grad(outs, ins, gs, create_graph=True, allow_unused=True)
            outs = [g for g in found if g is not None and g._node is not None]
            ins = [*ins, *gs]
    finally:
        state.grad = was


# Random functions have no samples (their values differ from library to library), but primitives to be checked.
RANDOM = {
    "nn.functional.dropout": [spec.call(spec.t(3, 4), 0.5)],
    "nn.functional.alpha_dropout": [spec.call(spec.t(3, 4), 0.5, True)],
    "bernoulli": [spec.call(spec.t(3, 4, low=0.1, high=0.9))],
    "poisson": [spec.call(spec.t(3, 4, low=1.0, high=4.0))],
    "_standard_gamma": [spec.call(spec.t(3, 4, low=0.5, high=4.0))],
    "_sample_dirichlet": [spec.call(spec.t(3, 4, low=0.5, high=4.0))],
    "normal": [spec.call(spec.t(3, 4), spec.t(3, 4, low=0.5)), spec.call(spec.t(3), 2.0)],
}

_seen: dict[tuple[Any, str], dict[str, list[Seen]]] = {}


def primitives_seen(dtype: str, limit: int = 48) -> dict[str, list[Seen]]:
    """Name -> calls of each primitive that the samples of all functions reach; computed once a process."""
    key = (tuple(_place), dtype)
    if key not in _seen:
        found: dict[str, list[Seen]] = {}
        with rg.fork_rng():
            for path, calls in RANDOM.items():
                for i, c in enumerate(calls):
                    watch(Sample(FUNCTIONS[path], i, c, dtype), found, limit)
        for path in SAMPLED:
            for s in samples(path, dtype):
                with contextlib.suppress(Exception):  # a sample that fails does so in its own test
                    watch(s, found, limit)
        _seen[key] = found
    return _seen[key]
