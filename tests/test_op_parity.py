"""Every function's samples against PyTorch: values, shapes, types, first and second derivatives, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import optable as ot
import pytest

import retrograd as rg
from retrograd.autograd.core import TensorBase
from retrograd.autograd.registry import FUNCTIONS

torch = pytest.importorskip("torch")

every_function = pytest.mark.parametrize("path", ot.SAMPLED)

# (function, part of the sample's text, or "" for all): why its result is deliberately another than PyTorch's.
SINGLE = "PyTorch's is exact to about six decimals only, also in float64"
OTHER_RESULT: dict[tuple[str, str], str] = {
    ("as_strided_scatter", ""): "PyTorch's gradient of input is that of the part replaced, where it should be zero",
    **{(f"special.{name}", ""): SINGLE for name in ("airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1")},
}
FLAT = "the spread is 0, where std has no derivative: ours is 0, PyTorch's NaN"
# ... why its second derivative is.
OTHER_SECOND: dict[tuple[str, str], str] = {
    ("pow", "values=[0.0, 2.0]"): "at exponent 0 PyTorch's mixed second derivative is 0; the right one is 1 / x",
    ("std", "(t(), correction=0)"): FLAT,
    ("std", "(t(2, 1), 1, False)"): FLAT,
    ("std_mean", "(t(), correction=0)"): FLAT,
    ("std_mean", "(t(2, 1), 1, False)"): FLAT,
}
# Functions whose derivative only we have, and those whose second derivative PyTorch cannot take (of empty tensors, say).
ONLY_OURS = {"floor_divide": "zero almost everywhere; PyTorch raises"}
SECOND_ONLY_OURS = {
    "nn.functional.layer_norm": "PyTorch fails without weight, where it is given a cotangent of the mean",
    "nn.functional.embedding": "PyTorch fails for empty indices",
}
# (function, part of the call's text): why we refuse a call that PyTorch takes.
EQUAL_SHAPES = (
    "a loss compares equal shapes: broadcasting the target is nearly always a mistake (PyTorch warns or is silent)"
)
NEGATIVE = "there is no gamma distribution of a negative concentration; PyTorch gives its least number"
STRICTER: dict[tuple[str, str], str] = {
    **{
        (f"nn.functional.{name}", ""): EQUAL_SHAPES
        for name in (
            "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "mse_loss", "multilabel_soft_margin_loss",
            "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
        )
    },
    ("_sample_dirichlet", "-1.0]"): NEGATIVE,
    ("_sample_dirichlet", "(t())"): "a tensor without dimensions has none for the concentrations; PyTorch gives 1",
    ("_standard_gamma", "-1.0]"): NEGATIVE,
    ("multinomial", "(t(3,), 2)"): "PyTorch draws categories of probability 0 when there are no others",
    ("scatter_reduce", "'max'"): "PyTorch takes max and min as undocumented names of amax and amin",
}  # fmt: skip


def excused(table, path, call):
    """The reason given for a deliberate difference, or None."""
    text = f"{call!r} " + " ".join(f"values={s.values}" for s in _specs(call) if s.values is not None)
    return next((why for (p, part), why in table.items() if p == path and part in text), None)


def _specs(call):
    found = []
    ot.spec.build(call.args, found.append, str)
    ot.spec.build(call.kwargs, found.append, str)
    return found


def torch_function(f):
    """PyTorch's function of that name, its method if the name is only a method, or None."""
    home = torch
    for part in f.where.split(".") if f.where not in ("", "Tensor") else ():
        home = getattr(home, part, None)
    found = getattr(home, f.name, None) if f.where != "Tensor" else None
    if found is None and (f.where == "Tensor" or f.where == "") and hasattr(torch.Tensor, f.name):
        found = getattr(torch.Tensor, f.name)
    return found


def torch_tensor(a, grad):
    t = torch.tensor(np.ascontiguousarray(a) if a.ndim else a)
    return t.requires_grad_() if grad and (t.is_floating_point() or t.is_complex()) else t


def theirs(s, wanted):
    """The sample's tensors in PyTorch and the result there."""
    tensors = [torch_tensor(a, i in wanted) for i, (_, a) in enumerate(s.drawn)]
    given = [tensors[0].clone(), *tensors[1:]] if s.inplace else tensors
    args, kwargs = s.fill(given, lambda name: getattr(torch, name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tensors, torch_function(s.f)(*args, **kwargs)


def flat(r):
    if isinstance(r, (list, tuple)) and not isinstance(r, torch.Size):
        return [a for v in r for a in flat(v)]
    return [r]


def value(t):
    return t.numpy(force=True)  # conjugate, negative and zero tensors are lazy there


def agree(ours, other, what):
    """Same shape, same type, same values to the rounding of that type."""
    assert isinstance(other, torch.Tensor), f"{what}: PyTorch gives {other!r}"
    assert tuple(ours.shape) == tuple(other.shape), f"{what}: shape {tuple(ours.shape)}, PyTorch {tuple(other.shape)}"
    name = str(other.dtype).removeprefix("torch.")
    assert ours.dtype.name == name, f"{what}: {ours.dtype.name}, PyTorch {name}"
    if name == "bfloat16":
        ours, other = ours.float(), other.float()
    a, b = ot.to_np(ours), value(other)
    if a.dtype.kind in "fc":
        rtol, atol = ot.TOLERANCE["float64" if a.dtype.name in ("float64", "complex128") else "float32"]
        atol *= max(1.0, float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b))))  # sums of large terms
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=what)
    else:
        np.testing.assert_array_equal(a, b, err_msg=what)


def shared(path, dtype):
    """The samples that PyTorch has too."""
    f = FUNCTIONS[path]
    if torch_function(f) is None:
        pytest.skip("not in PyTorch")
    return [s for s in ot.samples(path, dtype) if s.call.torch and not excused(OTHER_RESULT, path, s.call)]


def each(found, check):
    failed = []
    for s in found:
        try:
            check(s)
        except Exception as e:
            failed.append((s, e))
    if failed:
        for s, e in failed:
            failed[0][1].add_note(f"failed: {s!r}: {type(e).__name__} {str(e).strip().splitlines()[:1]}")
        raise failed[0][1]


@every_function
@pytest.mark.parametrize("dtype", ot.FLOATS)
def test_values_and_gradients_are_pytorchs(path, dtype):
    def check(s):
        wanted = s.differentiable()
        tensors = s.inputs(wanted)
        mine = ot.flat(s.run(tensors))
        others, result = theirs(s, wanted)
        result = flat(result)
        assert len(mine) == len(result), f"{len(mine)} results, PyTorch {len(result)}"
        for a, b in zip(mine, result, strict=True):
            if isinstance(a, TensorBase):
                agree(a, b, "value")
                assert a.requires_grad == b.requires_grad, (
                    f"requires_grad is {a.requires_grad}, in PyTorch {b.requires_grad}"
                )
            else:
                assert a == b, f"{a!r}, PyTorch {b!r}"
        live = [(a, b) for a, b in zip(mine, result, strict=True) if isinstance(a, TensorBase) and a.requires_grad]
        if not live or not wanted or path in ONLY_OURS:
            return
        gs = ot.cotangents([a for a, _ in live])
        ours = rg.autograd.grad([a for a, _ in live], [tensors[i] for i in wanted], gs, allow_unused=True)
        other = torch.autograd.grad(
            [b for _, b in live],
            [others[i] for i in wanted],
            [torch.tensor(ot.to_np(g)) for g in gs],
            allow_unused=True,
        )
        for i, a, b in zip(wanted, ours, other, strict=True):
            same_gradient(a, b, f"gradient of tensor {i}")

    each(shared(path, dtype), check)


def same_gradient(a, b, what):
    """Equal gradients; an unused input may have None in one library and zeros in the other."""
    if a is None or b is None:
        rest = a if b is None else b
        if rest is not None:
            v = ot.to_np(rest) if b is None else value(rest)
            assert not np.any(v), f"{what}: {'None' if a is None else v}, PyTorch {'None' if b is None else v}"
        return
    agree(a, b, what)


@every_function
def test_second_derivatives_are_pytorchs(path):
    """The gradient of sum |grad|^2 with respect to the inputs and the cotangents."""

    def check(s):
        wanted = s.differentiable()
        if not wanted or excused(OTHER_SECOND, path, s.call):
            return
        tensors = s.inputs(wanted)
        others, result = theirs(s, wanted)
        mine = [a for a in ot.tensors_of(s.run(tensors)) if a.requires_grad]
        result = [b for b in flat(result) if isinstance(b, torch.Tensor) and b.requires_grad]
        if not mine:
            return
        us = [g.requires_grad_() for g in ot.cotangents(mine)]
        vs = [torch.tensor(ot.to_np(g), requires_grad=True) for g in us]
        ours = _second(rg, mine, [tensors[i] for i in wanted], us)
        try:
            other = _second(torch, result, [others[i] for i in wanted], vs)
        except RuntimeError as e:
            if path in SECOND_ONLY_OURS or "not implemented" in str(e):
                return
            raise
        for i, (a, b) in enumerate(zip(ours, other, strict=True)):
            same_gradient(a, b, f"second derivative, {'tensor' if i < len(wanted) else 'cotangent'} {i}")

    each(shared(path, "float64"), check)


def _second(lib, outs, ins, gs):
    first = lib.autograd.grad(outs, ins, gs, create_graph=True, allow_unused=True)
    live = [g for g in first if g is not None and g.requires_grad]
    if not live:
        return [None] * (len(ins) + len(gs))
    total = None
    for g in live:
        n = (g * g.conj()).sum() if g.is_complex() else (g * g).sum()
        n = lib.real(n) if n.is_complex() else n
        total = n if total is None else total + n
    return lib.autograd.grad(total, [*ins, *gs], allow_unused=True)


@pytest.mark.parametrize("path", sorted(p for p, f in FUNCTIONS.items() if f.errors is not None))
def test_pytorch_refuses_what_we_refuse(path):
    f = FUNCTIONS[path]
    if torch_function(f) is None:
        pytest.skip("not in PyTorch")
    taken = []
    for i, r in enumerate(f.errors()):
        if excused(STRICTER, path, r.call):
            continue
        s = ot.Sample(f, i, r.call, "float32")
        try:
            theirs(s, ())
        except (RuntimeError, TypeError, ValueError, IndexError):  # NotImplementedError is a RuntimeError
            continue
        taken.append(repr(r))
    assert not taken, f"PyTorch takes {taken}"
