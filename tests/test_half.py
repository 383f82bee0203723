"""float16 and bfloat16: stored as they are, computed in float32 and rounded, as PyTorch does on the CPU."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import optable as ot
import pytest
import test_op_parity as parity

import retrograd as rg
import retrograd.nn.functional as F

torch = pytest.importorskip("torch")

HALVES = ("float16", "bfloat16")
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
TINY = {"float16": 2.0**-14, "bfloat16": 2.0**-126}

# Composed of several operations that each round: how many units in the last place of the largest value they may be off.
SEVERAL_STEPS = {
    "addmm": 2, "addmv": 2, "addr": 2, "addbmm": 2, "baddbmm": 2, "einsum": 4, "nn.functional.batch_norm": 4,
    "nn.functional.instance_norm": 4, "nn.functional.group_norm": 4, "nn.functional.rms_norm": 2,
    "nn.functional.adaptive_avg_pool2d": 4, "nn.functional.embedding_bag": 8, "nn.functional.huber_loss": 3,
    "nn.functional.mse_loss": 2, "nn.functional.nll_loss": 2, "nn.functional.glu": 2, "scatter_reduce": 4,
    "nn.functional.conv_transpose1d": 2, "nn.functional.conv_transpose2d": 2, "nn.functional.conv_transpose3d": 2,
    "nn.functional.adaptive_avg_pool1d": 4, "nn.functional.adaptive_avg_pool3d": 4, "gradient": 2,
    "nn.functional.multi_head_attention_forward": 8, "nn.functional.affine_grid": 2,
}  # fmt: skip
COMPLEX = {"complex", "view_as_complex", "view_as_complex_copy", "polar"}  # complex half numbers exist in PyTorch only
# PyTorch refuses the half types in these too, but only where there is something to compute: neither matrices without
# elements, powers that are products, counts of no numbers, nor permutations that are only unpacked.
REFUSED = {
    "cholesky", "histogram", "histogramdd", "linalg.cholesky", "linalg.cond", "linalg.det", "linalg.eigh",
    "linalg.eigvalsh", "linalg.ldl_factor", "linalg.ldl_factor_ex", "linalg.lu", "linalg.lu_factor",
    "linalg.lu_factor_ex", "linalg.lu_solve", "linalg.matrix_power", "linalg.solve", "linalg.svd", "linalg.svdvals",
    "lu_unpack", "matrix_power",
}  # fmt: skip
RANDOM = {"bernoulli", "multinomial", "normal", "poisson"}


# Where the regions begin is a product with the samples, rounded to the half type, in PyTorch too.
REGIONS = {"nn.functional.fractional_max_pool3d", "nn.functional.fractional_max_pool3d_with_indices"}


def ulp(x, half):
    """The distance to the next number of the type, at x."""
    exponent = np.floor(np.log2(np.maximum(np.abs(x), TINY[half])))
    return 2.0**exponent * EPS[half]


def in_half(arrays, lib, half):
    d = getattr(lib, half)
    return [lib.tensor(a).to(d) if a.dtype == np.float32 else lib.tensor(a) for a in arrays]


def theirs(s, tensors):
    args, kwargs = s.fill(tensors, lambda name: getattr(torch, name))
    return parity.flat(parity.torch_function(s.f)(*args, **kwargs))


def check(s, half):
    arrays = [a for _, a in s.drawn]
    if parity.torch_function(s.f) is None or not any(a.dtype == np.float32 for a in arrays):
        return
    given = in_half(arrays, torch, half)
    try:
        known = theirs(s, given)
        exact = theirs(s, [t.double() if t.dtype == getattr(torch, half) else t for t in in_half(arrays, torch, half)])
    except Exception:  # PyTorch has no kernel for the type, or refuses the call
        return
    if s.f.path in REFUSED:
        with pytest.raises(rg.DtypeError, match=half):
            s.run(in_half(arrays, rg, half))
        return
    ours = ot.flat(s.run(in_half(arrays, rg, half)))
    for a, b, e in zip(ours, known, exact, strict=True):
        if not isinstance(b, torch.Tensor):
            continue
        assert a.dtype.name == str(b.dtype).removeprefix("torch."), f"{s}: {a.dtype.name}, PyTorch {b.dtype}"
        if a.dtype.name != half or not b.numel():
            continue
        a, b, rounded, e = a.double().numpy(), b.double().numpy(), e.to(b.dtype).double().numpy(), e.double().numpy()
        with np.errstate(invalid="ignore"):
            error, their_error = np.abs(a - e), np.abs(b - e)
        scale = np.abs(e) if s.f.path not in SEVERAL_STEPS else np.nanmax(np.abs(e))
        allowed = SEVERAL_STEPS.get(s.f.path, 1) * ulp(scale, half) + 1e-6
        same = (a == b) | (a == rounded) | (np.isnan(a) & np.isnan(b))
        good = same | (error <= allowed) | (error <= their_error)
        assert good.all(), f"{s} in {half}: {a[~good]}, exactly {e[~good]}, PyTorch {b[~good]}"


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("path", sorted(set(ot.SAMPLED) - COMPLEX - RANDOM))
def test_within_one_unit_of_the_exact_value_or_no_worse_than_pytorch(path, half):
    ot.each(path, "float32", lambda s: check(s, half))


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("path", sorted(set(ot.SAMPLED) - COMPLEX - RANDOM - REGIONS))
def test_gradients_are_of_the_half_type_and_near_those_of_float32(path, half):
    def near(s):
        wanted = [i for i in s.differentiable() if s.drawn[i][1].dtype == np.float32]
        if not wanted or s.inplace:
            return
        arrays = [a for _, a in s.drawn]
        low = in_half(arrays, rg, half)
        high = [t.float() if t.dtype is getattr(rg, half) else t for t in low]
        found = []
        for tensors in (low, high):
            for i in wanted:
                tensors[i].requires_grad_()
            try:
                outs = ot.recorded(s.run(tensors))
            except RuntimeError:
                return
            if not outs:
                return
            ones = [rg.ones_like(o) for o in outs]
            found.append(rg.autograd.grad(outs, [tensors[i] for i in wanted], ones, allow_unused=True))
        for g, h in zip(*found, strict=True):
            assert (g is None) == (h is None)
            if g is None or not g.numel():
                continue
            assert g.dtype is getattr(rg, half)
            g, h = g.double().numpy(), h.double().numpy()
            finite = np.isfinite(h) & (np.abs(h) < 6e4)
            if finite.any():
                np.testing.assert_allclose(
                    g[finite], h[finite], rtol=0.05, atol=0.05 * max(1.0, np.abs(h[finite]).max())
                )

    ot.each(path, "float32", near)


@pytest.mark.parametrize("half", HALVES)
def test_fused_arithmetic_rounds_once(half):
    rng = np.random.default_rng(0)
    x, y, z = (rng.normal(size=1000).astype("f4") for _ in range(3))
    for f in (
        lambda lib, x, y, z: lib.add(x, y, alpha=1.3), lambda lib, x, y, z: lib.sub(x, y, alpha=-0.7),
        lambda lib, x, y, z: lib.addcmul(x, y, z, value=0.3), lambda lib, x, y, z: lib.lerp(x, y, 0.3),
        lambda lib, x, y, z: lib.addcdiv(x, y, z + 9, value=0.3),
    ):  # fmt: skip
        ours = f(rg, *in_half([x, y, z], rg, half)).double().numpy()
        other = f(torch, *in_half([x, y, z], torch, half)).double().numpy()
        exact = f(torch, *(t.double() for t in in_half([x, y, z], torch, half))).numpy()
        off = np.abs(ours - exact) > np.maximum(np.abs(other - exact), ulp(exact, half) * 0.5001 + 1e-7)
        assert off.mean() < 0.01


# ---------------------------------------------------------------- networks
@pytest.mark.parametrize("half", HALVES)
def test_a_network_in_half_runs_and_learns(half):
    d = getattr(rg, half)
    rg.manual_seed(0)
    net = rg.nn.Sequential(
        rg.nn.Conv2d(1, 4, 3, padding=1), rg.nn.BatchNorm2d(4), rg.nn.ReLU(), rg.nn.MaxPool2d(2), rg.nn.Flatten(),
        rg.nn.Linear(4 * 4 * 4, 16), rg.nn.LayerNorm(16), rg.nn.GELU(), rg.nn.Dropout(0.0), rg.nn.Linear(16, 3),
    ).to(d)  # fmt: skip
    x, y = rg.randn(8, 1, 8, 8).to(d), rg.randint(0, 3, (8,))
    optimizer = rg.optim.SGD(net.parameters(), lr=0.05)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        assert loss.dtype is d
        loss.backward()
        assert all(p.grad.dtype is d and p.dtype is d for p in net.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert {b.dtype for b in net.buffers()} == {d, rg.int64}


@pytest.mark.parametrize("half", HALVES)
def test_networks_agree_with_pytorch(half):
    a, b = rg.nn.Linear(5, 3), torch.nn.Linear(5, 3)
    b.load_state_dict({k: torch.tensor(v.detach().numpy()) for k, v in a.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("f4")
    ours = a.to(getattr(rg, half))(rg.tensor(x).to(getattr(rg, half)))
    other = b.to(getattr(torch, half))(torch.tensor(x).to(getattr(torch, half)))
    np.testing.assert_allclose(ours.tolist(), other.tolist(), rtol=2 * EPS[half], atol=EPS[half])


# ---------------------------------------------------------------- storage
def test_bfloat16_rounds_to_nearest_even():
    values = [1.0, 3.14159, 1e-3, 65504.0, 3e38, 1.00390625, 1.01171875, float("inf"), -0.0, 1e-40]
    assert rg.tensor(values).bfloat16().tolist() == torch.tensor(values).bfloat16().tolist()
    assert rg.tensor(values).half().tolist() == torch.tensor(values).half().tolist()
    assert np.isnan(rg.tensor(float("nan")).bfloat16().item())


@pytest.mark.parametrize("half", HALVES)
def test_conversions(half):
    d = getattr(rg, half)
    x = rg.tensor([1.5, -2.25, 0.0], dtype=d)
    assert x.dtype is d and x.element_size() == 2 and x.nbytes == 6
    assert type(x[0].item()) is float and x.tolist() == [1.5, -2.25, 0.0]
    assert all(type(v) is float for v in x.tolist())
    assert x.numpy().dtype.name == half and x.numpy().astype("f4").tolist() == x.tolist()
    assert rg.from_numpy(x.numpy()).dtype is d
    assert rg.as_tensor(x.numpy()).data_ptr() == x.data_ptr()
    assert x.long().tolist() == [1, -2, 0] and x.bool().tolist() == [True, True, False]
    for other in ("float32", "float64", "int8", "uint8", "complex64", *HALVES):
        if other == "uint8":
            x = x.abs()
        assert x.to(getattr(rg, other)).dtype.name == other
    assert rg.zeros(2, dtype=d).dtype is d and rg.full((2,), 1.5, dtype=d).tolist() == [1.5, 1.5]
    assert rg.arange(3, dtype=d).tolist() == [0, 1, 2] and rg.linspace(0, 1, 3, dtype=d).tolist() == [0, 0.5, 1]
    assert rg.rand(3, dtype=d).dtype is d and rg.randn(3, dtype=d).dtype is d


@pytest.mark.parametrize("half", HALVES)
def test_printing(half):
    values = [1.5, -2.25, 1000.0]
    ours, other = rg.tensor(values, dtype=getattr(rg, half)), torch.tensor(values, dtype=getattr(torch, half))
    assert repr(ours) == repr(other).replace("torch.", "retrograd.")


@pytest.mark.parametrize("half", HALVES)
def test_copies_pickles_and_indexing(half):
    x = rg.tensor([[1.5, 2.0], [3.0, -4.0]], dtype=getattr(rg, half), requires_grad=True)
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone(), x[:], x.T.T, x.reshape(4).view(2, 2)):
        assert y.dtype is x.dtype and y.tolist() == x.tolist()
    y = x * 1
    y[0] = 7.0
    y[:, 1] += 1
    y.sum().backward()
    assert x.grad.dtype is x.dtype and x.grad.tolist() == [[0, 0], [1, 1]]
    assert x.sort()[0].dtype is x.dtype and x.max().item() == 3.0 and (x > 0).tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("half", HALVES)
def test_sums_are_added_in_float32(half):
    x = rg.full((5000,), 1.0, dtype=getattr(rg, half))
    assert x.sum().item() == (5000 if half == "float16" else 4992)
    assert x.mean().item() == 1.0 and x.cumsum(0)[-1].item() == x.sum().item()
    assert rg.full((3,), 300.0, dtype=getattr(rg, half)).norm().item() == pytest.approx(519.6, rel=0.01)
    assert (rg.full((4, 70000), 1.0, dtype=rg.float16).mean(1) == 1).all()
