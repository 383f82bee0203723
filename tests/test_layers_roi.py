"""Regions of interest: pooling, align, and their position-sensitive forms, against plain loops of the papers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.autograd import gradcheck, gradgradcheck

D = rg.float64


def randn(rng, *shape, grad=False):
    return rg.tensor(rng.standard_normal(shape), requires_grad=grad)


def half_up(v):
    return int(math.copysign(math.floor(abs(v) + 0.5), v))


def pool_loop(x, rois, size, scale):
    """Fast R-CNN's pooling, bin by bin."""
    (ph, pw), (_, c, h, w) = size, x.shape
    out = np.zeros((len(rois), c, ph, pw))
    for k, (b, *box) in enumerate(rois):
        x1, y1, x2, y2 = (half_up(v * scale) for v in box)
        bin_h, bin_w = max(y2 - y1 + 1, 1) / ph, max(x2 - x1 + 1, 1) / pw
        for i, j in itertools.product(range(ph), range(pw)):
            top, bottom = (np.clip(y1 + f, 0, h) for f in (math.floor(i * bin_h), math.ceil((i + 1) * bin_h)))
            left, right = (np.clip(x1 + f, 0, w) for f in (math.floor(j * bin_w), math.ceil((j + 1) * bin_w)))
            if bottom > top and right > left:
                out[k, :, i, j] = x[int(b), :, top:bottom, left:right].max((1, 2))
    return out


def ps_pool_loop(x, rois, size, scale):
    """R-FCN's pooling, bin by bin, over boxes inside of the image."""
    (ph, pw), c = size, x.shape[1] // (size[0] * size[1])
    out = np.zeros((len(rois), c, ph, pw))
    for k, (b, *box) in enumerate(rois):
        x1, y1, x2, y2 = (half_up(v * scale) for v in box)
        bin_h, bin_w = max(y2 - y1, 1) / ph, max(x2 - x1, 1) / pw
        for o, i, j in itertools.product(range(c), range(ph), range(pw)):
            rows = slice(y1 + math.floor(i * bin_h), y1 + math.ceil((i + 1) * bin_h))
            columns = slice(x1 + math.floor(j * bin_w), x1 + math.ceil((j + 1) * bin_w))
            out[k, o, i, j] = x[int(b), (o * ph + i) * pw + j, rows, columns].mean()
    return out


def align_loop(x, rois, size, scale, ratio, aligned, sensitive=False):
    """Mask R-CNN's align, sample by sample."""
    (ph, pw), (_, c, h, w) = size, x.shape
    c = c // (ph * pw) if sensitive else c

    def at(img, y, x):
        if not (-1 <= y <= h and -1 <= x <= w):
            return 0.0
        y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
        i, j = min(int(y), h - 1), min(int(x), w - 1)
        i2, j2, a, b = min(i + 1, h - 1), min(j + 1, w - 1), y - i, x - j
        return (1 - a) * ((1 - b) * img[i, j] + b * img[i, j2]) + a * ((1 - b) * img[i2, j] + b * img[i2, j2])

    out = np.zeros((len(rois), c, ph, pw))
    for k, (n, *box) in enumerate(rois):
        x1, y1, x2, y2 = (v * scale - (0.5 if aligned else 0) for v in box)
        height, width = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1), max(x2 - x1, 1))
        gh, gw = (ratio, ratio) if ratio > 0 else (math.ceil(height / ph), math.ceil(width / pw))
        for o, i, j in itertools.product(range(c), range(ph), range(pw)):
            img = x[int(n), (o * ph + i) * pw + j if sensitive else o]
            values = [
                at(img, y1 + (i + (a + 0.5) / gh) * height / ph, x1 + (j + (b + 0.5) / gw) * width / pw)
                for a, b in itertools.product(range(gh), range(gw))
            ]
            out[k, o, i, j] = np.mean(values) if values else 0.0
    return out


def case(size=(2, 3), inside=False, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 2 * size[0] * size[1], 8, 9))
    low, high = (0, 7) if inside else (-3, 11)
    corners = np.sort(rng.uniform(low, high, (6, 2, 2)), axis=1)  # (K, corner, x and y)
    return x, np.concatenate([rng.integers(0, 2, (6, 1)), corners.reshape(6, 4)], 1)


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("size", [(1, 1), (2, 3)])
def test_roi_pool(size, scale):
    x, rois = case(size)
    rois[:, 1:] /= scale
    want = pool_loop(x, rois, size, scale)
    got = nn.roi_pool(rg.tensor(x), rg.tensor(rois), size, scale)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(nn.RoIPool(size, scale)(rg.tensor(x), rg.tensor(rois)), want)


def test_roi_pool_in_several_chunks(monkeypatch):
    from retrograd.nn.layers import roi

    x, rois = case()
    monkeypatch.setattr(roi, "_AT_ONCE", 1)
    np.testing.assert_array_equal(nn.roi_pool(rg.tensor(x), rg.tensor(rois), (2, 3)), pool_loop(x, rois, (2, 3), 1.0))


def test_roi_pool_gradient_goes_to_the_first_maximum():
    x = rg.zeros(1, 1, 3, 3, requires_grad=True)  # all equal, as behind a ReLU
    nn.roi_pool(x, rg.tensor([[0.0, 0.0, 0.0, 2.0, 2.0]]), 1).sum().backward()
    assert x.grad.flatten().tolist() == [1] + [0] * 8
    x = rg.zeros(1, 1, 3, 3, requires_grad=True)
    nn.roi_pool(x, rg.tensor([[0.0, 20.0, 20.0, 30.0, 30.0]]), 1).sum().backward()  # empty: nothing
    assert x.grad.sum().item() == 0


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_ps_roi_pool(scale):
    x, rois = case(inside=True)
    rois[:, 1:] /= scale
    want = ps_pool_loop(x, rois, (2, 3), scale)
    np.testing.assert_allclose(nn.ps_roi_pool(rg.tensor(x), rg.tensor(rois), (2, 3), scale), want, rtol=1e-12)
    layer = nn.PSRoIPool((2, 3), scale)
    np.testing.assert_allclose(layer(rg.tensor(x), rg.tensor(rois)), want, rtol=1e-12)


def test_ps_roi_pool_leaves_out_the_last_row_and_column():
    """Torchvision's number for the box that covers the whole map: the mean of its 3 x 3 upper left pixels."""
    x = rg.arange(16.0).reshape(1, 1, 4, 4)
    assert nn.ps_roi_pool(x, rg.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]]), 1).item() == 5.0


@pytest.mark.parametrize("ratio", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("aligned", [False, True])
def test_roi_align(ratio, aligned):
    x, rois = case()
    rois[:, 1:] *= 2
    want = align_loop(x, rois, (2, 3), 0.5, ratio, aligned)
    got = nn.roi_align(rg.tensor(x), rg.tensor(rois), (2, 3), 0.5, ratio, aligned)
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)
    layer = nn.RoIAlign((2, 3), 0.5, ratio, aligned)
    np.testing.assert_allclose(layer(rg.tensor(x), rg.tensor(rois)), want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("ratio", [-1, 2])
def test_ps_roi_align(ratio):
    x, rois = case()
    want = align_loop(x, rois, (2, 3), 1.0, ratio, True, sensitive=True)
    got = nn.ps_roi_align(rg.tensor(x), rg.tensor(rois), (2, 3), 1.0, ratio)
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)
    layer = nn.PSRoIAlign((2, 3), 1.0, ratio)
    np.testing.assert_allclose(layer(rg.tensor(x), rg.tensor(rois)), want, rtol=1e-11, atol=1e-12)


ROI = {
    "roi_pool": lambda x, r: nn.roi_pool(x, r, (2, 3)),
    "ps_roi_pool": lambda x, r: nn.ps_roi_pool(x, r, (2, 3)),
    "roi_align": lambda x, r: nn.roi_align(x, r, (2, 3), sampling_ratio=2),
    "roi_align adaptive": lambda x, r: nn.roi_align(x, r, (2, 3), aligned=True),
    "ps_roi_align": lambda x, r: nn.ps_roi_align(x, r, (2, 3)),
}


@pytest.mark.parametrize("name", sorted(ROI))
def test_roi_boxes_as_a_list_no_boxes_and_errors(name):
    f, (x, rois) = ROI[name], case(inside=True)
    rois = rois[np.argsort(rois[:, 0], kind="stable")]
    x, joined = rg.tensor(x, requires_grad=True), rg.tensor(rois)
    split = [rg.tensor(rois[rois[:, 0] == i, 1:]) for i in range(2)]
    np.testing.assert_array_equal(f(x, joined).detach(), f(x, split).detach())
    none = f(x, [rg.zeros(0, 4, dtype=D), rg.zeros(0, 4, dtype=D)])
    channels = x.shape[1] // 6 if name.startswith("ps") else x.shape[1]
    assert tuple(none.shape) == (0, channels, 2, 3)
    none.sum().backward()
    assert x.grad.abs().sum() == 0
    with pytest.raises(rg.ShapeError, match=r"must have shape \(K, 5\)"):
        f(x, joined[:, 1:])
    with pytest.raises(rg.ShapeError, match=r"must have shape \(L, 4\)"):
        f(x, [joined])
    with pytest.raises(TypeError, match="boxes must be a tensor"):
        f(x, [[0, 0, 1, 1]])
    with pytest.raises(rg.DtypeError, match="boxes are"):
        f(x, joined.float())
    with pytest.raises(IndexError, match="not among the 2 of the input"):
        f(x, rg.tensor([[2.0, 0, 0, 1, 1]], dtype=D))
    with pytest.raises(rg.ShapeError, match="expected an input"):
        f(x[0], joined)
    if name.startswith("ps"):
        with pytest.raises(rg.ShapeError, match="a multiple of 2 [*] 3 channels"):
            f(x[:, :5], joined)


def test_roi_sizes_and_repr():
    with pytest.raises(ValueError, match="output_size"):
        nn.roi_pool(rg.zeros(1, 1, 4, 4), rg.zeros(0, 5), 0)
    assert repr(nn.RoIAlign(7, 0.5, 2)) == (
        "RoIAlign(output_size=7, spatial_scale=0.5, sampling_ratio=2, aligned=False)"
    )
    assert repr(nn.RoIPool((7, 7), 0.5)) == "RoIPool(output_size=(7, 7), spatial_scale=0.5)"
    assert repr(nn.PSRoIAlign(7, 0.5, 2)) == "PSRoIAlign(output_size=7, spatial_scale=0.5, sampling_ratio=2)"
    assert repr(nn.PSRoIPool(7, 0.5)) == "PSRoIPool(output_size=7, spatial_scale=0.5)"


@pytest.mark.parametrize("name", ["roi_align", "roi_align adaptive", "ps_roi_align"])
def test_roi_align_gradients_to_input_and_boxes(name):
    rng = np.random.default_rng(0)
    x = randn(rng, 2, 6 if name == "ps_roi_align" else 1, 3, 3, grad=True)
    boxes = rg.tensor([[0.1, 0.2, 1.7, 1.9]], dtype=D, requires_grad=True)
    ids = rg.ones(1, 1, dtype=D)
    f = lambda x, b: ROI[name](x, rg.cat([ids, b], 1))
    assert gradcheck(f, (x, boxes))
    assert gradgradcheck(lambda b: f(x.detach(), b).tanh(), (boxes,))
