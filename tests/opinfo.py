"""PyTorch's own sample inputs (its OpInfo tables) run in both libraries: conversion and comparison.

`torch.testing._internal` describes every operation of PyTorch by samples, error inputs, dtypes and variants. Here
a sample is run in PyTorch and in retrograd, and values, shapes, dtypes and gradients are compared; `opinfo_checks` says
which samples run, `opinfo_exceptions` what deliberately differs, `opinfo_tiers` which names must agree.
"""

from __future__ import annotations

import functools
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import retrograd as rg
import retrograd.nn.functional
from retrograd.autograd.core import TensorBase, wrap
from retrograd.autograd.dtypes import as_dtype

LOW = ("float32", "float16", "bfloat16")
ERRORS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)

# relative and absolute, the second times the largest value; half types round once per step in PyTorch's composites
TOLERANCE = {
    "float64": (1e-7, 1e-9), "float32": (3e-5, 1e-5), "float16": (4e-3, 4e-3), "bfloat16": (3e-2, 3e-2),
    "complex128": (1e-7, 1e-9), "complex64": (3e-5, 1e-5),
}  # fmt: skip

# Values are drawn or left as they were: shapes and dtypes are compared, and the gradient is not.
RANDOM = frozenset(
    """
    bernoulli cauchy cauchy_ empty empty_like empty_permuted empty_strided exponential exponential_ geometric geometric_
    log_normal log_normal_ multinomial native_dropout_backward new_empty new_empty_strided normal pca_lowrank rand
    rand_like randint randint_like randn randn_like svd_lowrank uniform uniform_ nn.functional.alpha_dropout
    nn.functional.dropout nn.functional.dropout1d nn.functional.dropout2d nn.functional.dropout3d
    nn.functional.feature_alpha_dropout nn.functional.fractional_max_pool2d nn.functional.fractional_max_pool3d
    nn.functional.gumbel_softmax nn.functional.rrelu
    """.split()
)
# Which of several equal elements comes first, or has the gradient, is undefined: where the input has equal ones, indices
# (and gradients) are not compared.
TIES = frozenset("argsort kthvalue median mode msort nanmedian sort topk".split())
# What is defined up to signs or phases: `output_process_fn_grad` of a sample says what of it can be compared.
GAUGE = frozenset("geqrf linalg.eig linalg.eigh linalg.svd svd".split())
# PyTorch differentiates some functions of symmetric or triangular matrices behind a function that makes them so.
WRAPPERS: dict[str, Callable[..., Any]] = {
    "gradcheck_wrapper_hermitian_input": lambda f, x, *args, **kwargs: f(x + x.mH, *args, **kwargs),
    "gradcheck_wrapper_ctc_loss": lambda f, x, *args, **kwargs: f(x.log_softmax(dim=2), *args, **kwargs),
    "gradcheck_wrapper_triangular_input": lambda f, x, *args, upper=False, **kwargs: f(
        x.triu() if upper else x.tril(), *args, upper, **kwargs
    ),
    "gradcheck_wrapper_triangular_input_real_positive_diagonal": lambda f, x, *args, upper=False, **kwargs: f(
        _unit_triangle(x, upper), *args, upper, **kwargs
    ),
}


def _unit_triangle(x: Any, upper: bool) -> Any:
    x = x - rg.diag_embed(x.diagonal(0, -2, -1)) + rg.eye(x.shape[-1], dtype=x.dtype)
    return x.triu() if upper else x.tril()


# Names whose OpInfo takes its arguments in another order than the function, or calls a method or a property.
CALLS: dict[str, Callable[..., Any]] = {
    "einsum": lambda operands, equation: rg.einsum(equation, operands),
    "where": lambda x, condition, other, **kwargs: rg.where(condition, x, other, **kwargs),
    "nn.functional.embedding": lambda weight, ids, **kwargs: rg.nn.functional.embedding(ids, weight, **kwargs),
    "nn.functional.embedding_bag": lambda weight, ids, **kwargs: rg.nn.functional.embedding_bag(ids, weight, **kwargs),
    "linalg.lstsq.grad_oriented": lambda a, b, driver: rg.linalg.lstsq(a, b, driver=driver)[:2],
    "linalg.pinv.singular": lambda a, b: rg.linalg.pinv(a @ b.mT),
    "pca_lowrank": lambda a, b, **kwargs: rg.pca_lowrank(a @ b.mT, **kwargs),
    "svd_lowrank": lambda a, b, **kwargs: rg.svd_lowrank(a @ b.mT, **kwargs),
    "polygamma": lambda x, n, **kwargs: rg.polygamma(n, x, **kwargs),
    "special.polygamma": lambda x, n, **kwargs: rg.special.polygamma(n, x, **kwargs),
    "normal.in_place": lambda x, *args, **kwargs: x.clone().normal_(*args, **kwargs),
    "normal.number_mean": lambda std, mean, *args, **kwargs: rg.normal(mean, std, *args, **kwargs),
    **{
        name: lambda x, *args, name=name, **kwargs: getattr(x.clone(), name)(*args, **kwargs)
        for name in ("resize_", "resize_as_", "zero_")
    },
    **{
        name: lambda x, *args, name=name, **kwargs: getattr(x.clone(), name + "_")(*args, **kwargs)
        for name in ("cauchy", "exponential", "geometric", "log_normal", "uniform")
    },
}


@functools.cache
def table() -> dict[str, Any]:
    """Full name (`norm.fro` is the OpInfo `norm` in its variant `fro`) -> OpInfo, sorted."""
    from torch.testing._internal.common_methods_invocations import op_db

    return dict(sorted((op.full_name, op) for op in op_db))


@functools.cache
def _by_name() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for op in table().values():
        for name in dict.fromkeys((op.name, *(a.name for a in op.aliases))):
            found.setdefault(name, []).append(op)
    return found


def variants(name: str) -> list[Any]:
    """The OpInfos of one name, or of an alias of it."""
    return _by_name().get(name, [])


def find(path: str) -> Any:
    """Our function at a dotted path, our method or property of that name, or None."""
    found: Any = rg
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found) and "." not in path:
        found = getattr(rg.Tensor, path, None)
        if isinstance(found, property):
            return found.fget
    return found if callable(found) else None


def function(op: Any) -> Callable[..., Any] | None:
    """What is run here for an OpInfo."""
    for key in (op.full_name, op.name):
        if key in CALLS:
            return CALLS[key]
    return find(op.name)


@functools.cache
def present() -> list[str]:
    """The full names of the OpInfos whose name exists here."""
    return [full for full, op in table().items() if function(op) is not None]


# ---------------------------------------------------------------- samples
class Unconvertible(Exception):
    """An argument that only PyTorch has, such as a tensor on a device of its own."""


def to_ours(v: Any, memo: dict[int, Any] | None = None) -> Any:
    """A sample's argument for our functions; the same tensor given twice stays one tensor."""
    memo = {} if memo is None else memo
    if isinstance(v, torch.Tensor):
        if id(v) not in memo:
            memo[id(v)] = _tensor(v)
        return memo[id(v)]
    if isinstance(v, torch.dtype):
        try:
            return as_dtype(getattr(rg, str(v).removeprefix("torch.")), "opinfo")
        except (AttributeError, TypeError) as e:
            raise Unconvertible(str(v)) from e
    if isinstance(v, torch.Size):
        return tuple(v)
    if isinstance(v, (torch.device, torch.layout, torch.memory_format)):
        text = str(v).removeprefix("torch.")
        if isinstance(v, torch.device):
            return text
        if not hasattr(rg, text):
            raise Unconvertible(text)
        return getattr(rg, text)
    if isinstance(v, (list, tuple)):
        items = [to_ours(a, memo) for a in v]
        return type(v)(*items) if hasattr(v, "_fields") else type(v)(items)
    if isinstance(v, dict):
        return {k: to_ours(a, memo) for k, a in v.items()}
    if callable(v) and getattr(v, "__module__", "").startswith("torch"):
        for path in (f"nn.functional.{getattr(v, '__name__', '')}", getattr(v, "__name__", "")):
            if find(path) is not None:
                return find(path)
        if isinstance(v, torch.nn.Module):
            return getattr(rg.nn, type(v).__name__)()
        raise Unconvertible(repr(v))
    return v


def array(t: torch.Tensor) -> np.ndarray:
    """The values, in the memory order they have."""
    if t.layout is not torch.strided or t.device.type != "cpu" or t.is_quantized or t.is_nested:
        raise Unconvertible(f"{t.layout} on {t.device}")
    t = torch.zeros(t.shape, dtype=t.dtype) if t._is_zerotensor() else t.detach()
    if t.dtype is torch.bfloat16:
        return t.contiguous().view(torch.int16).numpy().view(rg.bfloat16.np).copy()
    if t.dtype is torch.complex32:
        raise Unconvertible("complex32")
    if t.dim() > 64:
        raise Unconvertible("more dimensions than NumPy has")
    if any(s == 0 and n > 1 for s, n in zip(t.stride(), t.shape, strict=True)):  # expanded, and so here
        one = t[tuple(slice(0, 1) if s == 0 else slice(None) for s in t.stride())]
        return np.broadcast_to(one.numpy(force=True).copy(order="K"), tuple(t.shape))
    return t.numpy(force=True).copy(order="K")


# Layouts of sparse matrices -> their indices in PyTorch, and the function that makes them here.
COMPRESSED = {
    torch.sparse_csr: ("crow_indices", "col_indices", "sparse_csr_tensor"),
    torch.sparse_csc: ("ccol_indices", "row_indices", "sparse_csc_tensor"),
}


def _tensor(t: torch.Tensor) -> Any:
    if t.layout is torch.sparse_coo:
        parts = (wrap(array(t._indices())), wrap(array(t._values())), tuple(t.shape))
        return rg.sparse_coo_tensor(*parts, requires_grad=t.requires_grad, is_coalesced=t.is_coalesced())
    if t.layout in COMPRESSED:
        first, second, make = COMPRESSED[t.layout]
        parts = (getattr(t, part)() for part in (first, second, "values"))
        return getattr(rg, make)(*(wrap(array(p)) for p in parts), tuple(t.shape), requires_grad=t.requires_grad)
    mine = wrap(np.asarray(array(t)))
    return mine.requires_grad_() if t.requires_grad else mine


def fresh(v: Any, memo: dict[int, Any], wide: bool = False) -> Any:
    """The argument with its tensors made leaves of their own (the same tensor given twice stays one), perhaps widened."""
    if isinstance(v, torch.Tensor):
        if id(v) not in memo:
            memo[id(v)] = v.detach().clone().to(_wide(v.dtype) if wide else v.dtype).requires_grad_(v.requires_grad)
        return memo[id(v)]
    if isinstance(v, torch.dtype):
        return _wide(v) if wide else v
    if isinstance(v, (list, tuple)) and not isinstance(v, torch.Size):
        items = [fresh(a, memo, wide) for a in v]
        return type(v)(*items) if hasattr(v, "_fields") else type(v)(items)
    if isinstance(v, dict):
        return {k: fresh(a, memo, wide) for k, a in v.items()}
    return v


def _wide(d: torch.dtype) -> torch.dtype:
    return torch.float64 if d in (torch.float32, torch.float16, torch.bfloat16) else d


def flat(r: Any) -> list[Any]:
    """The results of a function, nested sequences and mappings opened."""
    if isinstance(r, dict):
        return [a for v in r.values() for a in flat(v)]
    if isinstance(r, (list, tuple)) and not isinstance(r, (torch.Size, rg.Size)):
        return [a for v in r for a in flat(v)]
    return [r]


def text(sample: Any) -> str:
    """A sample in one line: shapes and dtypes instead of values."""
    return _text((sample.input, *sample.args, *(f"{k}={_text(v)}" for k, v in sample.kwargs.items())))


def _text(v: Any) -> str:
    if isinstance(v, torch.Tensor):
        dense = v.layout is torch.strided and v.is_contiguous()
        return f"{str(v.dtype).removeprefix('torch.')}{list(v.shape)}{'' if dense else '~'}"
    if isinstance(v, tuple):
        return f"({', '.join(map(_text, v))})"
    if isinstance(v, list):
        return f"[{', '.join(map(_text, v))}]"
    return v if isinstance(v, str) and "=" in v else repr(v)


# ---------------------------------------------------------------- comparison
def dense(v: Any) -> Any:
    """A tensor of either library, one that is sparse made dense."""
    return v.to_dense() if sparse(v) else v


def sparse(v: Any) -> bool:
    """Whether a tensor of either library is sparse."""
    return str(v.layout).rpartition(".")[2] != "strided"


def numpy(v: Any) -> np.ndarray:
    """The values of a tensor of either library."""
    v = dense(v)
    a = array(v) if isinstance(v, torch.Tensor) else np.asarray(v._data)
    return a.astype(np.float32) if a.dtype.name == "bfloat16" else a


def agree(mine: Any, theirs: Any, what: str, values: bool = True) -> None:
    """Both are tensors of one shape, dtype and value, or equal numbers."""
    if not isinstance(theirs, torch.Tensor):
        if isinstance(theirs, torch.dtype):
            theirs = to_ours(theirs)
        if isinstance(theirs, float) and isinstance(mine, float):
            assert np.isclose(mine, theirs, rtol=1e-6, equal_nan=True), f"{what}: {mine!r}, PyTorch {theirs!r}"
            return
        assert not isinstance(mine, TensorBase), f"{what}: a tensor, PyTorch {theirs!r}"
        assert mine == (tuple(theirs) if isinstance(theirs, torch.Size) else theirs), f"{what}: {mine!r}, {theirs!r}"
        return
    assert isinstance(mine, TensorBase), f"{what}: {mine!r}, PyTorch gives a tensor"
    layouts = [str(t.layout).rpartition(".")[2] for t in (mine, theirs)]
    assert layouts[0] == layouts[1], f"{what}: layout {layouts[0]}, PyTorch {layouts[1]}"
    mine, theirs = dense(mine), dense(theirs)
    if mine.dtype.name in LOW and theirs.dtype is torch.float64:
        theirs = theirs.to(getattr(torch, mine.dtype.name))
    assert tuple(mine.shape) == tuple(theirs.shape), f"{what}: shape {tuple(mine.shape)}, not {tuple(theirs.shape)}"
    name = str(theirs.dtype).removeprefix("torch.")
    assert mine.dtype.name == name, f"{what}: {mine.dtype.name}, PyTorch {name}"
    if not values:
        return
    a, b = numpy(mine), numpy(theirs)
    if name in TOLERANCE:
        rtol, atol = TOLERANCE[name]
        finite = np.abs(b[np.isfinite(b)])
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol * max(1.0, float(finite.max(initial=0.0))), err_msg=what)
    else:
        np.testing.assert_array_equal(a, b, err_msg=what)


def agree_all(mine: Any, theirs: Any, what: str, values: bool = True) -> None:
    """`agree` on every result, and as many of them."""
    mine, theirs = flat(mine), flat(theirs)
    assert len(mine) == len(theirs), f"{what}: {len(mine)} results, PyTorch {len(theirs)}"
    for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        agree(a, b, f"{what} {i}" if len(mine) > 1 else what, values)


def agree_gradient(mine: Any, theirs: Any, what: str) -> None:
    """`agree`, where an unused input may have None in one library and zeros in the other."""
    if mine is None or theirs is None:
        rest = theirs if mine is None else mine
        assert rest is None or not np.any(numpy(rest)), f"{what}: None in one library only"
        return
    agree(dense(mine), dense(theirs), what)


class Pair:
    """One sample in both libraries: leaves of its own, results, and gradients."""

    def __init__(
        self, op: Any, sample: Any, run: Callable[..., Any], ours: Callable[..., Any], *, wrapped: bool = False,
        wide: bool = False,
    ) -> None:  # fmt: skip
        memo: dict[int, Any] = {}
        parts = (sample.input, tuple(sample.args), sample.kwargs)
        self.process = sample.output_process_fn_grad
        self.theirs = fresh(parts, memo)
        back: dict[int, Any] = {}
        self.mine = to_ours(self.theirs, back)
        leaves = [t for t in memo.values() if t.requires_grad]
        mine = [back[id(t)] for t in leaves]
        if wide:
            memo = {}
            self.theirs = fresh(parts, memo, wide=True)
            leaves = [t for t in memo.values() if t.requires_grad]
        self.leaves = (leaves, mine)
        self.seed = zlib.crc32(op.full_name.encode())
        if wrapped:
            run = functools.partial(op.gradcheck_wrapper, run)
            ours = functools.partial(WRAPPERS[op.gradcheck_wrapper.__name__], ours)
        self.run = (run, ours)

    def results(self) -> tuple[Any, Any]:
        """Theirs and ours; where theirs raises, ours must raise too, and both are None."""
        out, refused = None, None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                x, args, kwargs = self.theirs
                out = self.run[0](x, *args, **kwargs)
            except Exception as e:
                refused = e
            x, args, kwargs = self.mine
            try:
                mine = self.run[1](x, *args, **kwargs)
            except ERRORS:
                if refused is None:
                    raise
                return None, None
        assert refused is None, f"PyTorch raises {type(refused).__name__} {str(refused)[:120]}, here it works"
        return out, mine

    def live(self, theirs: Any, mine: Any) -> tuple[list[Any], list[Any]]:
        """The results that a gradient can be asked of, in both."""
        pairs = [
            (dense(a), dense(b))
            for a, b in zip(flat(self.process(theirs)), flat(self.process(mine)), strict=True)
            if isinstance(a, torch.Tensor) and a.requires_grad
        ]
        for _, b in pairs:
            assert b.requires_grad, "the result does not require grad, PyTorch's does"
        return [a for a, _ in pairs], [b for _, b in pairs]

    def cotangents(self, outs: list[Any], mine_outs: list[Any], shift: int = 0) -> tuple[list[Any], list[Any]]:
        """Random ones, the same in both."""
        rng = np.random.default_rng([self.seed, shift])
        theirs, mine = [], []
        for a, b in zip(outs, mine_outs, strict=True):
            g = rng.uniform(0.5, 1.5, tuple(a.shape)) * rng.choice([-1.0, 1.0], tuple(a.shape))
            if a.is_complex():
                g = g + 1j * rng.uniform(0.5, 1.5, tuple(a.shape))
            c = torch.tensor(g).to(getattr(torch, b.dtype.name))
            theirs.append(c.to(a.dtype))
            mine.append(to_ours(c))
        return theirs, mine

    def gradients(self, theirs: Any, mine: Any, second: bool) -> bool:
        """Compare gradients of the first, or of the second order; whether there was anything to compare."""
        outs, mine_outs = self.live(theirs, mine)
        ins, mine_ins = self.leaves
        if not outs or not ins:
            return False
        gs, mine_gs = self.cotangents(outs, mine_outs)
        if second:
            gs, mine_gs = [g.requires_grad_() for g in gs], [g.requires_grad_() for g in mine_gs]
        try:
            first = torch.autograd.grad(outs, ins, gs, create_graph=second, allow_unused=True)
        except RuntimeError:  # PyTorch cannot: no formula, or one that it broke itself
            return False
        mine_first = rg.autograd.grad(mine_outs, mine_ins, mine_gs, create_graph=second, allow_unused=True)
        for i, (a, b) in enumerate(zip(mine_first, first, strict=True)):
            agree_gradient(a, b, f"gradient of input {i}")
        if not second:
            return True
        pairs = [
            (a, b)
            for a, b in zip(first, mine_first, strict=True)
            if a is not None and a.requires_grad and b is not None
        ]
        if not pairs:
            return False
        us, mine_us = self.cotangents([a for a, _ in pairs], [b for _, b in pairs], 1)
        try:
            twice = torch.autograd.grad([a for a, _ in pairs], [*ins, *gs], us, allow_unused=True)
        except RuntimeError:
            return False
        live = [(b, u) for (_, b), u in zip(pairs, mine_us, strict=True) if b.requires_grad]
        mine_twice = [None] * len(twice)
        if live:
            mine_twice = rg.autograd.grad(
                [b for b, _ in live], [*mine_ins, *mine_gs], [u for _, u in live], allow_unused=True
            )
        for i, (a, b) in enumerate(zip(mine_twice, twice, strict=True)):
            agree_gradient(a, b, f"second derivative {i}")
        return True
