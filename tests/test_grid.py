"""`grid_sample` and `affine_grid` beyond their samples: what is outside, what is no number, what is kept in memory."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F


def drawn(*shape, low=-1.0, high=1.0, seed=0):
    return np.random.default_rng(seed).uniform(low, high, shape)


def test_the_identity_grid_gives_the_image_back():
    x = rg.tensor(drawn(2, 3, 5, 4))
    theta = rg.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]] * 2, dtype=rg.float64)
    for align in (False, True):
        for mode in ("bicubic", "bilinear", "nearest"):
            y = F.grid_sample(x, F.affine_grid(theta, (2, 3, 5, 4), align), mode, align_corners=align)
            np.testing.assert_allclose(y.numpy(), x.numpy(), atol=1e-12)


def test_a_quarter_turn_is_rot90():
    x = rg.tensor(drawn(1, 2, 4, 4))
    theta = rg.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]], dtype=rg.float64)
    y = F.grid_sample(x, F.affine_grid(theta, x.shape, False), align_corners=False)
    turned = [np.rot90(x.numpy(), k, (2, 3)) for k in (1, 3)]
    assert any(np.allclose(y.numpy(), t) for t in turned)


def test_outside_is_zero_the_border_or_mirrored():
    x = rg.tensor([[[[1.0, 2.0, 4.0]]]])
    at = rg.tensor(
        [[[[-9.0, 0.0], [4.0 / 3.0, 0.0], [9.0, 0.0]]]]
    )  # 4 / 3 is one element right of the last one's centre
    read = {p: F.grid_sample(x, at, padding_mode=p, align_corners=False).numpy().ravel() for p in ("zeros", "border")}
    np.testing.assert_allclose(read["zeros"], [0, 0, 0])
    np.testing.assert_allclose(read["border"], [1, 4, 4])
    mirrored = F.grid_sample(x, at, padding_mode="reflection", align_corners=False).numpy().ravel()
    np.testing.assert_allclose(mirrored[1], 4.0, rtol=1e-6)  # the mirror is at 2.5: element 3 is element 2


def test_what_is_outside_is_not_multiplied_by_zero():
    """An infinite element that no sample reads leaves no NaN behind."""
    x = rg.tensor([[[[float("inf"), 1.0, 1.0]]]])
    y = F.grid_sample(x, rg.tensor([[[[0.5, 0.0], [3.0, 0.0]]]]), align_corners=True)
    assert np.isfinite(y.numpy()).all()


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding", ["border", "reflection", "zeros"])
def test_places_that_are_no_numbers(mode, padding):
    x = rg.tensor(drawn(1, 1, 3, 4))
    grid = rg.tensor([[[[float("nan"), 0.2], [float("inf"), 0.1], [1e30, 0.0], [0.0, 0.0]]]], dtype=rg.float64)
    y = F.grid_sample(x, grid, mode, padding, False).numpy().ravel()
    assert np.isfinite(y[3]) and np.isfinite(y[2])
    assert padding == "zeros" or np.isfinite(y).all()


def test_the_nearest_element_gives_the_grid_a_gradient_of_zeros():
    x, grid = rg.tensor(drawn(1, 1, 3, 3)), rg.tensor(drawn(1, 2, 2, 2), requires_grad=True)
    F.grid_sample(x, grid, "nearest", align_corners=False).sum().backward()
    assert grid.grad is not None and not grid.grad.numpy().any()


def test_nothing_of_the_size_of_taps_times_channels_is_saved():
    """Of 16 taps a sample, backward needs the input and the weights of the two axes only."""
    x = rg.tensor(drawn(1, 64, 8, 8), requires_grad=True)
    grid = rg.tensor(drawn(1, 30, 30, 2), requires_grad=True)
    y = F.grid_sample(x, grid, "bicubic", align_corners=False)
    saved, todo, seen = 0, [y._node], set()
    while todo:
        n = todo.pop()
        if n is None or id(n) in seen or not getattr(n, "saved", None):
            continue
        seen.add(id(n))
        parts = [p for v in n.saved if v is not None for p in (v if isinstance(v, list) else [v])]
        saved += sum(p.size for p in parts if isinstance(p, np.ndarray))
        todo += [n.px, n.py, *(n.many or ())]
    assert saved < 64 * 64 + 60 * 900 < 16 * 64 * 900


@pytest.mark.parametrize("padding", ["border", "reflection", "zeros"])
@pytest.mark.parametrize("mode, nd", [("bicubic", 2), ("bilinear", 2), ("bilinear", 3)])
def test_second_derivatives(mode, nd, padding):
    x = rg.tensor(drawn(1, 2, *(4, 3, 5)[:nd]), requires_grad=True)
    grid = rg.tensor(drawn(1, *(2, 1, 2)[:nd], nd, low=-1.4, high=1.3), requires_grad=True)
    assert rg.autograd.gradgradcheck(lambda a, b: F.grid_sample(a, b, mode, padding, False), (x, grid))


def test_half_types_are_computed_in_single_precision():
    x, grid = drawn(1, 1, 64, 64), drawn(1, 8, 8, 2)
    full = F.grid_sample(rg.tensor(x), rg.tensor(grid).half().double(), align_corners=False)
    half = F.grid_sample(rg.tensor(x).half(), rg.tensor(grid).half(), align_corners=False)
    assert half.dtype is rg.float16
    np.testing.assert_allclose(half.double().numpy(), full.numpy(), atol=2e-3)


def test_numbers_stand_for_modes():
    x, grid = rg.tensor(drawn(1, 1, 4, 4)), rg.tensor(drawn(1, 2, 2, 2, low=-2))
    for i, mode in enumerate(("bilinear", "nearest", "bicubic")):
        for j, padding in enumerate(("zeros", "border", "reflection")):
            np.testing.assert_array_equal(
                rg.grid_sampler(x, grid, i, j, True).numpy(), F.grid_sample(x, grid, mode, padding, True).numpy()
            )
    with pytest.raises(ValueError, match="padding_mode must be one of"):
        rg.grid_sampler(x, grid, 0, 3, True)


def test_align_corners_is_asked_for():
    with pytest.warns(UserWarning, match="align_corners"):
        F.grid_sample(rg.ones(1, 1, 2, 2), rg.zeros(1, 1, 1, 2))
    with pytest.warns(UserWarning, match="align_corners"):
        F.affine_grid(rg.ones(1, 2, 3), (1, 1, 2, 2))


def test_random_grids_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    for _ in range(60):
        nd = int(rng.integers(2, 4))
        mode = ["bilinear", "nearest", "bicubic"][rng.integers(3 if nd == 2 else 2)]
        args = (mode, ["zeros", "border", "reflection"][rng.integers(3)], bool(rng.integers(2)))
        x = rng.standard_normal((2, 2, *rng.integers(1, 6, nd)))
        grid = rng.uniform(-2.5, 2.5, (2, *rng.integers(1, 4, nd), nd))
        grid = np.round(grid) if rng.random() < 0.2 else grid
        ours, theirs = [], []
        for make, f, out in ((rg.tensor, F.grid_sample, ours), (torch.tensor, torch.nn.functional.grid_sample, theirs)):
            a, b = make(x, requires_grad=True), make(grid, requires_grad=True)
            y = f(a, b, *args)
            (y * y).sum().backward()
            out += [v.detach().numpy() for v in (y, a.grad, b.grad)]
        for u, v in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(u, v, rtol=1e-9, atol=1e-10, err_msg=f"{args} {x.shape} {grid.shape}")
