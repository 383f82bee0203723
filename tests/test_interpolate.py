"""`interpolate` beyond its samples: scale factors, every mode against PyTorch, memory, integers, deprecated names."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F
from retrograd.autograd.ops.interpolate_core import taps


def drawn(shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# ---------------------------------------------------------------- the maps
MAPS = sorted(itertools.product(("linear", "cubic", "nearest", "nearest-exact"), (1, 2, 5, 9), (1, 3, 5, 14)))


@pytest.mark.parametrize("mode, n, o", MAPS)
@pytest.mark.parametrize("align", [False, True])
def test_every_row_of_a_map_sums_to_one(mode, n, o, align):
    m = taps(mode, n, o, None, align, False)
    np.testing.assert_allclose(m.apply(np, np.ones((n, 2)), 0), 1.0, rtol=1e-12)
    assert m.apply(np, np.eye(n), 0).shape == (o, n)


@pytest.mark.parametrize("mode, n, o", MAPS)
def test_the_adjoint_of_a_map_is_its_transpose(mode, n, o):
    m = taps(mode, n, o, None, False, False)
    np.testing.assert_allclose(m.transposed.apply(np, np.eye(o), 0), m.apply(np, np.eye(n), 0).T, atol=1e-15)
    assert m.transposed.transposed is m


@pytest.mark.parametrize("mode", ["cubic", "lanczos", "linear"])
def test_antialiasing_reads_all_elements_when_shrinking(mode):
    plain, wide = (
        taps("linear" if mode == "lanczos" else mode, 16, 2, None, False, False),
        taps(mode, 16, 2, None, False, True),
    )
    used = [set(m.columns.tolist()) for m in (plain, wide)]
    assert used[1] == set(range(16)) and len(used[0]) < 16


def test_work_is_proportional_to_the_elements_read():
    """A map keeps the elements that it reads, not a matrix."""
    m = taps("linear", 4096, 8192, None, False, False)
    assert len(m.rows) == 2 * 8192 and len(m.passes) == 2


# ---------------------------------------------------------------- values
def test_infinities_stay_where_they_are():
    x = rg.tensor([[[1.0, float("inf"), 2.0, 3.0, 4.0, 5.0]]])
    y = F.interpolate(x, 12, mode="linear").numpy()[0, 0]
    assert np.isinf(y[1:5]).any() and np.isfinite(y[6:]).all()


def test_uint8_is_rounded_and_cut_off():
    x = rg.tensor([[[[0, 255], [255, 0]]]], dtype=rg.uint8)
    y = F.interpolate(x, (4, 4), mode="bicubic")
    assert y.dtype is rg.uint8 and int(y.min()) == 0 and int(y.max()) == 255
    assert F.interpolate(x, 4).dtype is rg.uint8
    with pytest.raises(TypeError, match="int64; mode 'bilinear' needs floating-point"):
        F.interpolate(x.long(), 4, mode="bilinear")


def test_the_scale_factor_is_used_as_given_unless_recomputed():
    x = rg.arange(5.0).reshape(1, 1, 5)
    given = F.interpolate(x, scale_factor=1.5, mode="linear")
    again = F.interpolate(x, scale_factor=1.5, mode="linear", recompute_scale_factor=True)
    assert given.shape == again.shape == (1, 1, 7)
    assert not np.allclose(given.numpy(), again.numpy())
    np.testing.assert_allclose(again.numpy(), F.interpolate(x, 7, mode="linear").numpy())


def test_a_result_never_shares_memory_with_the_input():
    x = rg.ones(1, 1, 4)
    for mode in ("nearest", "linear", "area"):
        y = F.interpolate(x, 4, mode=mode)
        y.zero_()
        assert float(x.sum()) == 4.0, mode


def test_an_empty_batch_passes():
    assert F.interpolate(rg.ones(0, 2, 4), 8).shape == (0, 2, 8)


def test_half_types_come_back_in_their_type():
    x = rg.rand(1, 2, 4, 4).to(rg.bfloat16)
    assert F.interpolate(x, 7, mode="bilinear").dtype is rg.bfloat16


@pytest.mark.parametrize("call", [
    lambda x: F.upsample(x, 8), lambda x: F.upsample_bilinear(x, 8), lambda x: F.upsample_nearest(x, 8),
])  # fmt: skip
def test_former_names_warn_and_work(call):
    x = rg.rand(1, 1, 4, 4, dtype=rg.float64)
    with pytest.warns(UserWarning, match="interpolate"):
        y = call(x)
    assert y.shape == (1, 1, 8, 8)


def test_former_names_are_what_they_say():
    x = rg.rand(1, 1, 4, 4, dtype=rg.float64)
    with warnings.catch_warnings(action="ignore"):
        np.testing.assert_array_equal(F.upsample(x, 7).numpy(), F.interpolate(x, 7).numpy())
        wanted = F.interpolate(x, 7, mode="bilinear", align_corners=True).numpy()
        np.testing.assert_array_equal(F.upsample_bilinear(x, 7).numpy(), wanted)
        np.testing.assert_array_equal(
            F.upsample_nearest(x, scale_factor=2).numpy(), F.interpolate(x, scale_factor=2).numpy()
        )


# ---------------------------------------------------------------- derivatives
@pytest.mark.parametrize("kw", [
    {"size": (5, 3), "mode": "bicubic"},
    {"size": (3, 2), "mode": "bilinear", "antialias": True},
    {"size": (3, 9), "mode": "lanczos", "antialias": True},
    {"scale_factor": (1.3, 0.7), "mode": "nearest-exact"},
], ids=lambda kw: kw["mode"])  # fmt: skip
def test_derivatives(kw):
    x = rg.tensor(drawn((1, 2, 5, 6)), requires_grad=True)
    assert rg.autograd.gradcheck(lambda v: F.interpolate(v, **kw), (x,))
    assert rg.autograd.gradgradcheck(lambda v: F.interpolate(v, **kw) ** 2, (x,))


# ---------------------------------------------------------------- against PyTorch
_MODES = {
    1: ["nearest", "nearest-exact", "linear", "area"],
    2: ["nearest", "nearest-exact", "bilinear", "bicubic", "area"],
    3: ["nearest", "nearest-exact", "trilinear", "area"],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nd, mode", sorted((n, m) for n, ms in _MODES.items() for m in ms))
def test_random_sizes_agree_with_pytorch(nd, mode, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng([nd, len(mode)])
    for _ in range(25):
        x = rng.standard_normal((2, 2, *rng.integers(2, 12, nd))).astype(dtype)
        kw = {"mode": mode}
        if rng.random() < 0.5:
            kw["size"] = tuple(int(v) for v in rng.integers(2, 20, nd))
        else:
            kw["scale_factor"] = tuple(float(v) for v in rng.uniform(1.0, 3.3, nd))
            kw["recompute_scale_factor"] = bool(rng.random() < 0.3)
        if mode not in ("nearest", "nearest-exact", "area"):
            kw["align_corners"] = bool(rng.random() < 0.5)
        if mode in ("bilinear", "bicubic"):
            kw["antialias"] = bool(rng.random() < 0.5)
        wanted = torch.nn.functional.interpolate(torch.tensor(x), **kw).numpy()
        got = F.interpolate(rg.tensor(x), **kw).numpy()
        tolerance = 1e-4 if dtype == "float32" else 1e-10
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance, err_msg=f"{x.shape} {kw}")
