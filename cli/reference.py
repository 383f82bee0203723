"""``python -m retrograd reference``: the table of all functions in docs/reference.md, computed by running their samples.

Every fact comes from a run: derivatives by taking them, forward mode by a dual tensor, the rules of vmap from the
primitives that a call reaches, kernels from the names that it asks for. Differences from PyTorch are those of
docs/differences.md whose first column names the function.
"""

from __future__ import annotations

import fnmatch
import importlib
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import retrograd as rg
from retrograd.autograd import samples as spec
from retrograd.autograd.backend import numpy_backend
from retrograd.autograd.batching import has_rule
from retrograd.autograd.core import tls
from retrograd.autograd.hooks import Watcher
from retrograd.autograd.kernels.cpu import KERNELS
from retrograd.autograd.ops import load_all
from retrograd.autograd.registry import FUNCTIONS, PRIMITIVES, Function
from retrograd.autograd.sampled import sample_by_sample
from retrograd.autograd.samples import call, t

__all__ = ["Difference", "Facts", "differences", "facts", "main", "matching", "page"]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "differences.md"
YES, NO, NONE = "yes", "no", ""

# where the registry puts a function -> the heading of its table
PLACES = {
    "": "retrograd",
    "Tensor": "Tensor: methods only",
    "nn.functional": "retrograd.nn.functional",
    "linalg": "retrograd.linalg",
    "fft": "retrograd.fft",
    "special": "retrograd.special",
    "signal.windows": "retrograd.signal.windows",
}

_matrix, _images = t(3, 3), t(1, 2, 4, 4)
_drawn = [call(t(2, 3, low=0.2, high=0.8), 0.5)]
_dropped = [call(t(2, 3, 4), 0.5, True)]

# What to call functions with that have no samples: their values are random, or they only take another form of tensor.
CALLS: dict[str, list[spec.Call]] = {
    "alpha_dropout": _dropped,
    "alpha_dropout_": _dropped,
    "asarray": [call(t(3))],
    "bernoulli": [call(t(3, low=0.1, high=0.9))],
    "binomial": [call(t(3, low=1.0, high=5.0), t(3, low=0.1, high=0.9))],
    "cosine_similarity": [call(t(2, 3), t(2, 3))],
    "dropout": _dropped,
    "dropout_": _dropped,
    "embedding_renorm_": [call(t(3, 2), t(2, dtype="int64", low=0, high=3), 0.5, 2.0)],
    "feature_alpha_dropout": _dropped,
    "feature_alpha_dropout_": _dropped,
    "feature_dropout": _dropped,
    "feature_dropout_": _dropped,
    "multinomial": [call(t(3, low=0.1), 2)],
    "native_dropout": _dropped,
    "nn.functional.alpha_dropout": _dropped,
    "nn.functional.dropout": _dropped,
    "nn.functional.dropout1d": _dropped,
    "nn.functional.dropout2d": [call(_images)],
    "nn.functional.dropout3d": [call(t(1, 2, 2, 2, 2))],
    "nn.functional.feature_alpha_dropout": [call(_images)],
    "nn.functional.gumbel_softmax": [call(t(2, 3))],
    "nn.functional.upsample": [call(_images, scale_factor=2)],
    "nn.functional.upsample_bilinear": [call(_images, scale_factor=2)],
    "nn.functional.upsample_nearest": [call(_images, scale_factor=2)],
    "normal": [call(t(3), t(3, low=0.5))],
    "pairwise_distance": [call(t(2, 3), t(2, 3))],
    "pca_lowrank": [call(_matrix, 2)],
    "poisson": [call(t(3, low=1.0))],
    "rand": [call(3)],
    "rand_like": [call(t(3))],
    "randint": [call(5, (3,))],
    "randint_like": [call(t(3), 5)],
    "randn": [call(3)],
    "randn_like": [call(t(3))],
    "randperm": [call(3)],
    "svd_lowrank": [call(_matrix, 2)],
    **{
        f"Tensor.{name}_": _drawn
        for name in ("bernoulli", "cauchy", "exponential", "geometric", "log_normal", "normal", "uniform")
    },
    "Tensor.random_": [call(t(3), 5)],
    **{f"Tensor.to_sparse{form}": [call(_matrix)] for form in ("", "_coo", "_csr", "_csc")},
    "Tensor.sparse_mask": [call(_matrix, _matrix)],
}
# Methods that only sparse tensors have: what makes their last operand.
SPARSE = {
    **{
        f"Tensor.{n}": "to_sparse" for n in ("coalesce", "indices", "is_coalesced", "sparse_mask", "to_dense", "values")
    },
    **{f"Tensor.{n}": "to_sparse" for n in ("dense_dim", "sparse_dim")},
    **{f"Tensor.{n}": "to_sparse_csr" for n in ("col_indices", "crow_indices")},
    **{f"Tensor.{n}": "to_sparse_csc" for n in ("ccol_indices", "row_indices")},
}


# ---------------------------------------------------------------- the differences
class Difference(NamedTuple):
    """A row of docs/differences.md."""

    anchor: str
    what: str
    theirs: str
    ours: str
    why: str
    test: str

    @property
    def names(self) -> list[str]:
        """The functions that its first column names: code that is one name (or a pattern), and names that are called."""
        found = []
        for code in re.findall(r"`([^`]+)`", self.what):
            code = re.sub(r'"[^"]*"', "", code)
            whole = re.fullmatch(r"[\w.*]+", code)
            found += [code] if whole else re.findall(r"([A-Za-z_][\w.]*)\(", code)
        return [re.sub(r"^x\.", "", name).removesuffix("_") for name in found]


def differences(text: str) -> list[Difference]:
    """The rows of the page's first table."""
    found = []
    for line in text.splitlines():
        m = re.match(r'\| <a id="([^"]*)"></a>(.*)', line)
        if m:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", m[2].rstrip(" |"))]
            what, theirs, ours, why, test = cells
            found.append(Difference(m[1], what, theirs, ours, why, test.strip("`")))
    return found


def matching(name: str) -> list[str]:
    """The paths of the functions that a name or pattern means: a path or the last part of one, in place or not."""
    load_all()
    found = ((path, f.name.removesuffix("_")) for path, f in FUNCTIONS.items())
    return [path for path, last in found if any(fnmatch.fnmatchcase(p, name) for p in (path, last))]


# ---------------------------------------------------------------- the facts
class Facts(NamedTuple):
    """What a function can do: "yes", "no", or "" where the question makes no sense."""

    differentiable: str
    second: str
    forward: str
    vmap: str
    kernels: tuple[str, ...]


class _Seen(Watcher):
    """Which primitives run."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.names: set[str] = set()

    def saw(self, op: Any, xs: Any, p: Any, node: Any, r: Any, index: int = 0) -> None:
        super().saw(op, xs, p, node, r, index)
        self.names.add(op.name)


class _Asked(dict[str, Any]):
    """A table of kernels that notes the names it is asked for, and has none, so that nothing is compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return default


class _Run:
    """One sample of a function, and what happens in it."""

    def __init__(self, f: Function, number: int, sample: spec.Call, every: bool = False) -> None:
        self.f, self.every = f, every  # every: also operands whose gradient the tests leave out
        self.inplace = f.name.endswith("_")
        self.rng = np.random.default_rng(number)
        self.drawn: list[tuple[bool, np.ndarray]] = []
        self.args = spec.build(sample.args, self._draw, lambda name: getattr(rg, name))
        self.kwargs = spec.build(sample.kwargs, self._draw, lambda name: getattr(rg, name))

    def _draw(self, s: spec.TensorSpec) -> _Slot:
        a = s.draw(self.rng, "float64")
        self.drawn.append(((s.grad or self.every) and a.dtype.kind in "fc", a))
        return _Slot(len(self.drawn) - 1)

    def tensors(self, grad: bool) -> list[Any]:
        """The operands; those that may require grad do if `grad`."""
        return [rg.tensor(a, requires_grad=grad and wanted) for wanted, a in self.drawn]

    def __call__(self, tensors: list[Any]) -> list[Any]:
        """The tensors among the results."""
        if self.inplace:  # writes into a leaf are refused
            tensors = [tensors[0].clone(), *tensors[1:]]
        call = self.f.call
        if self.f.path in SPARSE:
            tensors = [*tensors[:-1], getattr(tensors[-1], SPARSE[self.f.path])()]
            call = getattr(type(tensors[0]), self.f.name)
        result = call(*_fill(self.args, tensors), **_fill(self.kwargs, tensors))
        found = [r for r in _flat(result) if isinstance(r, rg.Tensor)]
        return [r if r.layout is rg.strided else r.to_dense() for r in found]

    def seen(self) -> tuple[set[str], set[str]]:
        """(primitives that run, kernels that are asked for) in the call and in its gradient."""
        state, was, kernels = tls.state, tls.state.grad, numpy_backend.kernels
        watcher, asked = _Seen(was), _Asked()
        state.grad, numpy_backend.kernels = watcher, asked
        try:
            outs = [r for r in self(self.tensors(True)) if r.requires_grad]
            primitives = set(watcher.names)
            if outs:
                rg.autograd.backward(outs, [rg.ones_like(r) for r in outs])
        finally:
            state.grad, numpy_backend.kernels = was, kernels
        return primitives, asked.names & set(KERNELS)

    def derivatives(self) -> tuple[str, str]:
        """(whether there is a first derivative, a second one)."""
        tensors = self.tensors(True)
        outs = [r for r in self(tensors) if r.requires_grad]
        ins = [x for x in tensors if x.requires_grad]
        if not outs:
            return NO, NONE
        first = _gradient(outs, ins)
        if first is None:
            return NO, NONE
        again = [g for g in first if g is not None and g.requires_grad]
        return YES, NO if again and _gradient(again, ins) is None else YES

    def forward(self) -> str:
        """Whether tangents go through."""
        ad = rg.autograd.forward_ad
        with ad.dual_level():
            pairs = zip(self.drawn, self.tensors(False), strict=True)
            duals = [ad.make_dual(x, rg.ones_like(x)) if wanted else x for (wanted, _), x in pairs]
            return YES if any(ad.unpack_dual(r).tangent is not None for r in self(duals)) else NO

    def mapped(self) -> bool:
        """Whether vmap takes the function."""
        twice = [rg.stack([x, x]) for x in self.tensors(False)]
        rg.vmap(lambda *xs: tuple(self(list(xs))), randomness="different")(*twice)
        return True


class _Slot(int):
    """The place of a drawn tensor among the arguments."""


def _fill(v: Any, tensors: list[Any]) -> Any:
    if isinstance(v, _Slot):
        return tensors[v]
    if isinstance(v, (list, tuple)):
        return type(v)(_fill(a, tensors) for a in v)
    return {k: _fill(a, tensors) for k, a in v.items()} if isinstance(v, dict) else v


def _flat(r: Any) -> Iterator[Any]:
    if isinstance(r, (list, tuple)):
        for v in r:
            yield from _flat(v)
    else:
        yield r


def _gradient(outs: list[Any], ins: list[Any]) -> list[Any] | None:
    """The gradients, recorded; None where an operation says that it has none."""
    try:
        return list(rg.autograd.grad(outs, ins, [rg.ones_like(r) for r in outs], create_graph=True, allow_unused=True))
    except rg.GraphError:
        return None


def _each(runs: list[_Run], ask: Callable[[_Run], Any]) -> list[Any]:
    """The answers of the samples that the question can be put to."""
    found = []
    for run in runs:
        try:
            found.append(ask(run))
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            continue
    return found


_LOOP = sample_by_sample(len).__code__  # of every function so marked


def facts(f: Function) -> Facts:
    """What samples of a function show; where it says itself that it has no derivatives, they are not asked for."""
    calls = f.samples() if f.samples is not None else CALLS.get(f.path, [call(_matrix)] if f.path in SPARSE else [])
    with rg.fork_rng(), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = [_Run(f, i, sample) for i, sample in enumerate(calls)]
        first = second = forward = NO
        for every in (False, True) if f.differentiable else ():
            tried = [_Run(f, i, sample, every) for i, sample in enumerate(calls)]
            able = [pair for pair in _each(tried, _Run.derivatives) if pair[0] == YES]
            if able:
                first, second = YES, NO if any(pair[1] == NO for pair in able) else YES
                forward = YES if YES in _each(tried, _Run.forward) else NO
                break
        seen = _each(runs, _Run.seen)
        kernels = set().union(*(names for _, names in seen))
        vmap = _mapping(f, [names for names, _ in seen], runs) if any(run.drawn for run in runs) else NONE
    return Facts(
        first, second if first == YES else NONE, forward if first == YES else NONE, vmap, tuple(sorted(kernels))
    )


def _mapping(f: Function, seen: list[set[str]], runs: list[_Run]) -> str:
    """How vmap runs it: "rule", "loop", "in part" where some samples need the loop; "no" where it raises."""
    if not _each(runs, _Run.mapped):
        return NO
    if f.call.__code__ is _LOOP:
        return "loop"
    looped = [any(not has_rule(PRIMITIVES[name]) for name in names & set(PRIMITIVES)) for names in seen]
    return "loop" if looped and all(looped) else "in part" if any(looped) else "rule"


# ---------------------------------------------------------------- the page
def aliases() -> dict[str, list[str]]:
    """path -> the other names of the same function, those of other places in full: `retrograd.special.expit` of `sigmoid`."""
    own = {id(f.call): p for p, f in FUNCTIONS.items()}
    found: dict[str, list[str]] = {}
    for where in PLACES:
        home = (
            rg.Tensor if where == "Tensor" else importlib.import_module(f"retrograd.{where}" if where else "retrograd")
        )
        for name in [] if where == "Tensor" else getattr(home, "__all__", ()):
            path, full = own.get(id(getattr(home, name))), f"{where}.{name}" if where else name
            if path is not None and full not in FUNCTIONS:
                here = FUNCTIONS[path].where == where
                found.setdefault(path, []).append(name if here else f"retrograd.{full}")
    return found


def _forms(f: Function, others: list[str]) -> str:
    """The other ways to call it: method, in-place method, aliases."""
    forms = []
    if f.method and f.where == "" and hasattr(rg.Tensor, f.name):
        forms.append(f"Tensor.{f.name}")
    if f.inplace:
        forms.append(f"Tensor.{f.name}_")
    return ", ".join(f"`{name}`" for name in [*forms, *sorted(others)])


def page(differences_text: str = "") -> str:
    """The text of docs/reference.md."""
    load_all()
    noted: dict[str, list[str]] = {}
    for row in differences(differences_text):
        for path in {path for name in row.names for path in matching(name)}:
            noted.setdefault(path, []).append(f"[{row.anchor}](differences.md#{row.anchor})")
    with rg.use_backend("numba" if "numba" in rg.available_backends() else "numpy"):  # that may ask for kernels
        known = {path: facts(f) for path, f in FUNCTIONS.items() if not f.name.startswith("_")}
    counts = Counter(fact.differentiable for fact in known.values())
    rules = Counter(fact.vmap for fact in known.values())
    lines = [
        "# Reference of functions",
        "",
        "Made by `python -m retrograd reference > docs/reference.md`; a test compares. Everything here is computed by "
        "running the functions' samples.",
        "",
        f"{len(known)} functions, {counts[YES]} of them differentiable. The columns:",
        "",
        "- *Also*: the method, the in-place method, other names of the same function.",
        "- *First*, *second*: whether derivatives exist; a second one that exists can be differentiated on. *Forward*: "
        "whether forward mode (`jvp`, dual tensors) does.",
        f"- *vmap*: `rule`, all samples at once ({rules['rule']} functions); `loop`, one after the other inside the "
        f"operation, with the same result ({rules['loop']}); `in part`, by the arguments ({rules['in part']}); `no`, an "
        "error. Empty: no tensor to map over.",
        "- *Kernels*: the compiled kernels of the backend `numba` that it may use; NumPy or CuPy computes the rest.",
        "- *Differs*: where PyTorch does otherwise, as [differences.md](differences.md) explains.",
        "",
        "`help(retrograd.NAME)` has arguments, shapes and an example of each.",
    ]
    others = aliases()
    for where, title in PLACES.items():
        rows = sorted((FUNCTIONS[path] for path in known if FUNCTIONS[path].where == where), key=lambda f: f.name)
        lines += ["", f"## {title}", "", "| Name | Also | First | Second | Forward | vmap | Kernels | Differs |"]
        lines.append("|---|---|---|---|---|---|---|---|")
        for f in rows:
            fact = known[f.path]
            kernels = ", ".join(f"`{name}`" for name in fact.kernels)
            cells = [
                f"`{f.name}`", _forms(f, others.get(f.path, [])), fact.differentiable, fact.second, fact.forward, fact.vmap,
                kernels, ", ".join(noted.get(f.path, [])),
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def main(argv: list[str], prog: str) -> int:
    """Print the page."""
    import argparse

    parser: Any = argparse.ArgumentParser(prog=prog, description="The table of all functions, as Markdown.")
    parser.add_argument("--differences", type=Path, default=PAGE, help="the page with the differences from PyTorch")
    given = parser.parse_args(argv)
    if not given.differences.is_file():
        if given.differences != PAGE:  # a wheel has no docs
            print(f"{prog}: there is no file {given.differences}", file=sys.stderr)
            return 1
        print(page(), end="")
        return 0
    print(page(given.differences.read_text(encoding="utf-8")), end="")
    return 0
