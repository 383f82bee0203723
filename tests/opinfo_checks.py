"""What is checked of one of PyTorch's OpInfos, of a name that has none, and a report by name.

`report()` prints it: `python -c "import opinfo_checks; opinfo_checks.report()"` in this folder.
"""

from __future__ import annotations

import functools
import itertools
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import opinfo_own
import torch
from opinfo import (
    ERRORS,
    GAUGE,
    LOW,
    RANDOM,
    TIES,
    WRAPPERS,
    Pair,
    Unconvertible,
    agree,
    agree_all,
    find,
    flat,
    function,
    table,
    text,
    to_ours,
    variants,
)  # fmt: skip
from opinfo_exceptions import DELIBERATE, EXCEPTIONS
from opinfo_tiers import TIER_1, TIER_2
from torch.testing._internal.opinfo.core import ErrorInput, SampleInput

import retrograd as rg
from retrograd.autograd import samples as spec
from retrograd.autograd.core import TensorBase
from retrograd.autograd.registry import FUNCTIONS

# How many samples of one OpInfo run in the suite: those with the main dtype, with each further dtype, twice
# differentiated, and through the method, the in-place method and the aliases. The soak run takes more, the first all.
CAPS = {"float64": 40, "dtype": 4, "second": 3, "variant": 4}
DTYPES = ("float32", "int64", "bool", "complex128", "float16", "bfloat16")
SMALL, MEDIUM = 64, 10_000  # elements of the inputs of a sample that is differentiated twice, preferred and at most
LARGE = 100_000  # of a sample that is left to the soak run


def samples(op: Any, dtype: str, cap: int | None, among: int | None = None) -> list[Any]:
    """The OpInfo's samples in a dtype, thinned out by a fixed stride to at most `cap`; `among` the first ones only."""
    key = (op.full_name, isinstance(op, Own), dtype, among)
    if key not in _samples:
        while len(_samples) > 1:
            del _samples[next(iter(_samples))]
        _samples[key] = _generated(op, dtype, among)
    found = _samples[key] if among is None else [s for s in _samples[key] if _size(s) <= LARGE]
    return found if cap is None else _thinned(found, cap)


def _thinned(found: list[Any], cap: int) -> list[Any]:
    """From the first to the last in even steps: whole steps would meet the same argument of a product every time."""
    if len(found) <= cap:
        return found
    return [found[i * (len(found) - 1) // (cap - 1)] for i in range(cap)]


def _main_samples(op: Any, dtype: str, cap: int | None, soak: bool) -> list[Any]:
    return samples(op, dtype, cap, None if soak else 6 * CAPS["float64"])


# The checks of one OpInfo follow each other, and thousands of samples take their time.
_samples: dict[tuple[Any, ...], list[Any]] = {}


def _generated(op: Any, dtype: str, among: int | None) -> list[Any]:
    # `op.sample_inputs` would seed all generators before each sample, which takes longer than the sample.
    torch.default_generator.manual_seed(zlib.crc32(op.full_name.encode()))
    d = getattr(torch, dtype)
    grad = op.supports_autograd and (d.is_floating_point or d.is_complex)
    return list(itertools.islice(op.sample_inputs_func(op, "cpu", d, grad), among))


class Outcome:
    """What one kind of check found: how many samples ran, which failed and why, which exceptions were met."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.total = 0
        self.failed: list[str] = []
        self.excused: dict[str, int] = {}

    def check(self, what: str, f: Callable[[], Any]) -> None:
        """Count one sample; an exception of the table excuses a failure."""
        try:
            counted = f()
        except Unconvertible:
            return
        except Exception as e:
            counted = True
            why = f"{type(e).__name__}: {' '.join(str(e).split())[:300]}"
            key = excuse(self.name, self.kind, f"{what}: {why}")
            if key is None:
                self.failed.append(f"{self.name} {self.kind} {what}: {why}")
            else:
                self.excused[key] = self.excused.get(key, 0) + 1
        self.total += counted is not False


def excuse(name: str, kind: str, what: str) -> str | None:
    """The key of the exception that covers a sample: `name`, `name/kind`, or `name/kind/part of sample or error`."""
    names = {name, name.rpartition(".")[0]}
    for key in EXCEPTIONS:
        path, _, rest = key.partition("/")
        if path != "*" and path not in names:
            continue
        wanted, _, part = rest.partition("/")
        if (not wanted or wanted == kind) and part in what:
            return key
    return None


def _size(sample: Any) -> int:
    return sum(t.numel() for t in flat((sample.input, sample.args)) if isinstance(t, torch.Tensor))


def _wrapped(op: Any) -> bool:
    """Whether PyTorch differentiates it through a wrapper that makes the input, say, symmetric."""
    return getattr(op.gradcheck_wrapper, "__name__", "") in WRAPPERS


def _ours(op: Any) -> Callable[..., Any]:
    return own_function(op.name) if isinstance(op, Own) else function(op)


def _tied(op: Any, sample: Any) -> bool:
    x = sample.input
    return op.name in TIES and isinstance(x, torch.Tensor) and x.detach().unique().numel() < x.numel()


def _one(op: Any, sample: Any, second: bool = False, gradient: bool = True, wide: bool = False) -> bool:
    """Compare one sample; whether it counts (one that PyTorch does not differentiate twice does not)."""
    pair = Pair(op, sample, op.op, _ours(op), wide=wide)
    theirs, mine = pair.results()
    if theirs is None:
        return not second
    drawn, tied = op.name in RANDOM, _tied(op, sample)
    if tied:
        if op.name != "argsort":
            agree(flat(mine)[0], flat(theirs)[0], "value")
        agree_all(mine, theirs, "value", values=False)
    elif op.name in GAUGE:
        agree_all(mine, theirs, "value", values=False)
        agree_all(pair.process(mine), pair.process(theirs), "value")
    else:
        agree_all(mine, theirs, "value", values=not drawn)
    if drawn or tied or not gradient:
        return not second
    if _wrapped(op):
        pair = Pair(op, sample, op.op, _ours(op), wrapped=True, wide=wide)
        theirs, mine = pair.results()
    found = pair.gradients(theirs, mine, second)
    return found or not second


def _low(op: Any, sample: Any, gradient: bool) -> bool:
    """`_one` in float32 or a half type: as PyTorch in that dtype, or, where it rounds badly, as PyTorch in float64."""
    try:
        return _one(op, sample, gradient=gradient)
    except AssertionError as e:
        try:
            return _one(op, sample, gradient=gradient, wide=True)
        except (AssertionError, *ERRORS):
            raise e from None


def check_values(op: Any, soak: bool = False) -> list[Outcome]:
    """All samples in the main dtype (float64 where it is supported): values and first-order gradients."""
    dtype = "float64" if torch.float64 in op.dtypes else next((d for d in DTYPES if _supports(op, d)), None)
    if dtype is None:
        return []
    outcome = Outcome(op.full_name, "float64")
    for s in _main_samples(op, dtype, None if soak else CAPS["float64"], soak):
        outcome.check(text(s), functools.partial(_one, op, s))
    return [outcome]


def check_second(op: Any, soak: bool = False) -> list[Outcome]:
    """Second-order gradients of a few small samples."""
    if not (op.supports_autograd and op.supports_gradgrad and torch.float64 in op.dtypes):
        return []
    outcome = Outcome(op.full_name, "second")
    cap = CAPS["second"] * (4 if soak else 1)
    every = _main_samples(op, "float64", None, soak)
    small = [s for s in every if _size(s) <= SMALL]
    if sum(_size(s) > 0 for s in small) < cap:  # then the smallest that there are
        small = sorted((s for s in every if 0 < _size(s) <= MEDIUM), key=_size)[:cap] + small[:1]
    for s in _thinned(small, cap):
        outcome.check(text(s), functools.partial(_one, op, s, second=True))
    return [outcome]


def _supports(op: Any, dtype: str) -> bool:
    return getattr(torch, dtype) in op.dtypes


def check_dtypes(op: Any, soak: bool = False) -> list[Outcome]:
    """A few samples in every further dtype: values, and gradients where the dtype has them."""
    found = []
    for dtype in DTYPES:
        if not _supports(op, dtype):
            continue
        outcome = Outcome(op.full_name, dtype)
        gradient = getattr(torch, dtype) in op.backward_dtypes
        cap = CAPS["dtype"] * (10 if soak else 1)
        for s in samples(op, dtype, cap, None if soak else 16 * cap):
            outcome.check(text(s), functools.partial(_low if dtype in LOW else _one, op, s, gradient=gradient))
        found.append(outcome)
    return found


def check_variants(op: Any, soak: bool = False) -> list[Outcome]:
    """The method, the in-place method, and every alias: they exist where PyTorch has them, and agree."""
    found = []
    dtype = "float64" if torch.float64 in op.dtypes else next((d for d in DTYPES if _supports(op, d)), None)
    if dtype is None:
        return []
    chosen = _main_samples(op, dtype, CAPS["variant"] * (10 if soak else 1), soak)
    for kind, theirs, mine in _variants(op):
        outcome = Outcome(op.full_name, kind)
        for s in chosen:
            outcome.check(text(s), functools.partial(_variant, op, s, theirs, mine, kind == "inplace"))
        found.append(outcome)
    return found


def _variants(op: Any) -> Iterator[tuple[str, Any, Any]]:
    method = op.get_method()
    if method is not None and hasattr(torch.Tensor, op.name):
        yield "method", method, functools.partial(_method, op.name)
    inplace = op.get_inplace()
    if inplace is not None:
        if op.name.startswith("nn.functional."):
            yield "inplace", inplace, functools.partial(find(op.name), inplace=True)
        else:
            name = inplace.__name__ if hasattr(torch.Tensor, inplace.__name__) else op.name + "_"
            yield "inplace", inplace, functools.partial(_method, name)
    for alias in op.aliases:
        name = alias.name.removeprefix("torch.")
        yield name, alias.op, functools.partial(_path, name)


def _method(name: str, x: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(x, name)(*args, **kwargs)


def _path(path: str, *args: Any, **kwargs: Any) -> Any:
    f = find(path)
    if f is None:
        raise AttributeError(f"retrograd has no {path}")
    return f(*args, **kwargs)


def _variant(op: Any, sample: Any, run: Any, ours: Any, inplace: bool) -> bool:
    drawn = op.name in RANDOM or op.name in GAUGE or _tied(op, sample)
    if inplace and not isinstance(sample.input, torch.Tensor):
        return False
    if inplace:
        pair = Pair(op, sample, *(functools.partial(_inplace, f) for f in (run, ours)))
    else:
        pair = Pair(op, sample, run, ours)
    theirs, mine = pair.results()
    if theirs is None:
        return True
    agree_all(mine, theirs, "value", values=not drawn)
    if not drawn and not _wrapped(op):
        pair.gradients(theirs, mine, False)
    return True


def _inplace(f: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    x = x.clone()
    r = f(x, *args, **kwargs)
    assert r is x, "the in-place method does not return its tensor"
    return r


def check_errors(op: Any, soak: bool = False) -> list[Outcome]:
    """Every error input raises here too."""
    if op.error_inputs_func is None:
        return []
    outcome = Outcome(op.full_name, "errors")
    torch.default_generator.manual_seed(zlib.crc32(op.full_name.encode()))
    for e in op.error_inputs_func(op, "cpu"):
        outcome.check(f"{text(e.sample_input)} ({e.error_regex})", functools.partial(_refused, op, e.sample_input))
    return [outcome]


def _refused(op: Any, sample: Any) -> None:
    ours = _ours(op)
    x, args, kwargs = to_ours((sample.input, tuple(sample.args), sample.kwargs))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            r = ours(x, *args, **kwargs)
    except ERRORS:
        return
    raise AssertionError(f"no error here, but {[tuple(a.shape) for a in flat(r) if isinstance(a, TensorBase)]}")


# ---------------------------------------------------------------- names without OpInfo, or without its error inputs
class Own:
    """Samples and errors of our own in the shape of an OpInfo."""

    aliases = ()
    supports_autograd = supports_gradgrad = True
    gradcheck_wrapper = staticmethod(lambda f, *args, **kwargs: f(*args, **kwargs))
    dtypes = backward_dtypes = frozenset({torch.float64})

    def __init__(self, name: str) -> None:
        self.name = self.full_name = name
        self.registered = FUNCTIONS.get(name) or FUNCTIONS.get(f"Tensor.{name}")
        self.op = functools.partial(_torch_call, name)

    def sample_inputs_func(self, op: Any, device: str, dtype: torch.dtype, requires_grad: bool) -> list[Any]:
        """The registry's samples that PyTorch has, and those of `opinfo_own`."""
        found = list(self.registered.samples()) if self.registered and self.registered.samples else []
        if self.name not in RANDOM:
            found = [c for c in found if c.torch]
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        return [_sample(c, rng, requires_grad) for c in [*found, *opinfo_own.SAMPLES.get(self.name, ())]]

    def error_inputs_func(self, op: Any, device: str) -> list[Any]:
        """The registry's errors, and those that every function has; only what PyTorch refuses as well."""
        found = [r.call for r in self.registered.errors()] if self.registered and self.registered.errors else []
        found += opinfo_own.ERRORS.get(self.name, opinfo_own.COMMON_ERRORS)
        rng = np.random.default_rng(0)
        made = [_sample(c, rng, False, "float32") for c in found]
        return [ErrorInput(s, error_regex="") for s in made if _torch_refuses(self.op, s)]


def _sample(c: spec.Call, rng: np.random.Generator, grad: bool, dtype: str = "float64") -> Any:
    def make(s: spec.TensorSpec) -> torch.Tensor:
        t = torch.tensor(s.draw(rng, dtype))
        return t.requires_grad_(grad and s.grad and (t.is_floating_point() or t.is_complex()))

    args = spec.build(c.args, make, lambda name: getattr(torch, name))
    kwargs = spec.build(c.kwargs, make, lambda name: getattr(torch, name))
    return SampleInput(*args[:1], args=args[1:], kwargs=kwargs) if args else SampleInput((), kwargs=kwargs)


def _torch_call(name: str, *args: Any, **kwargs: Any) -> Any:
    home: Any = torch
    for part in name.split("."):
        home = getattr(home, part, None)
    return _special_call(torch.Tensor, name, home, *args, **kwargs)


def _special_call(tensor: Any, name: str, f: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    """What writes is given a copy, what iterates is exhausted."""
    f = getattr(tensor, name) if f is None else f
    copy = x.clone() if hasattr(x, "clone") else x
    if name == "__iter__":
        return list(f(x))
    if name.endswith("_") and not name.endswith("__"):
        return f(copy, *args, **kwargs)
    if name.startswith("__i") and name not in ("__index__", "__int__", "__invert__"):
        return f(copy, *args, **kwargs)
    if name == "__setitem__":
        f(copy, *args)
        return copy
    return f(x, *args, **kwargs)


def _torch_refuses(f: Any, sample: Any) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            f(sample.input, *sample.args, **sample.kwargs)
    except (AttributeError, *ERRORS):  # its functions in Python meet a string so
        return True
    return False


def own_function(name: str) -> Callable[..., Any]:
    """Our function of a name without OpInfo, called as `Own.op` calls PyTorch's."""
    found = find(name)
    assert found is not None, f"retrograd has no {name}"
    return functools.partial(_special_call, rg.Tensor, name, found)


@functools.cache
def without_samples() -> list[str]:
    """The names of the tiers that have no OpInfo."""
    return sorted(n for n in [*TIER_1, *TIER_2] if not variants(n))


@functools.cache
def without_errors() -> list[str]:
    """The names of the tiers whose OpInfo has no error inputs, or that have no OpInfo."""
    return sorted(n for n in [*TIER_1, *TIER_2] if not any(op.error_inputs_func for op in variants(n)))


CHECKS = {
    "values": check_values, "second": check_second, "dtypes": check_dtypes, "variants": check_variants,
    "errors": check_errors,
}  # fmt: skip


def check(full: str, soak: bool = False) -> list[Outcome]:
    """Everything about one OpInfo."""
    return [o for f in CHECKS.values() for o in f(table()[full], soak)]


def absent(name: str) -> bool:
    """Whether retrograd has nothing of that name."""
    return find(name) is None and not any(function(op) for op in variants(name))


def check_name(name: str, soak: bool = False) -> list[Outcome]:
    """Everything about one name of the tiers: its OpInfos, or samples of our own; errors of our own where it has none."""
    if absent(name):
        missing = Outcome(name, "missing")
        missing.total = 1
        missing.failed.append(f"{name}: retrograd has no such name")
        return [missing]
    found = [o for op in variants(name) if function(op) for o in check(op.full_name, soak)]
    own = Own(name)
    if not variants(name) or name in opinfo_own.BESIDES:
        found += [*check_values(own, soak), *check_second(own, soak)]
    if name in set(without_errors()):
        found += check_errors(own)
    return found


def counts(outcomes: list[Outcome]) -> tuple[int, int, int]:
    """(samples that agree, samples that should, samples that differ on purpose and are not counted)."""
    apart = sum(n for o in outcomes for key, n in o.excused.items() if EXCEPTIONS[key] in DELIBERATE)
    excused = sum(n for o in outcomes for n in o.excused.values())
    total = sum(o.total for o in outcomes)
    return total - excused - sum(len(o.failed) for o in outcomes), total - apart, apart


def report(soak: bool = False) -> None:
    """Print for every name of the tiers how many of its samples agree, and what does not; a name needs 90 % of them."""
    for title, names in (("tier 1", TIER_1), ("tier 2", TIER_2)):
        agreeing = counted = apart = right = 0
        for name in names:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                outcomes = check_name(name, soak)
            good, total, other = counts(outcomes)
            agreeing, counted, apart = agreeing + good, counted + total, apart + other
            right += good >= 0.9 * total
            on_purpose = f", {other} differ on purpose" if other else ""
            print(f"{title}  {name:45} {good:4} / {total}{on_purpose}")
            for line in [line for o in outcomes for line in o.failed][:3]:
                print(f"          {line[:200]}")
        print(
            f"{title}: {right} of {len(names)} names, {agreeing} of {counted} samples, and {apart} that differ on purpose"
        )
