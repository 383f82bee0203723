"""Spatial layers that PyTorch lacks: RBF, locally connected, separable, deformable; each against a plain loop."""

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


def round_trip(make, *inputs, seed=0):
    """The state of one instance, loaded into another, gives the same output."""
    rg.manual_seed(seed)
    one, two = make().eval(), make().eval()
    assert two.load_state_dict(one.state_dict()).missing_keys == []
    a, b = one(*inputs), two(*inputs)
    for x, y in zip(*(((v,) if isinstance(v, rg.Tensor) else v) for v in (a, b)), strict=True):
        np.testing.assert_array_equal(x.detach().numpy(), y.detach().numpy())


# ---------------------------------------------------------------- radial basis functions
def test_rbf_is_the_gaussian_of_the_distance():
    rg.manual_seed(0)
    layer = nn.RBF(3, 4, dtype=D)
    layer.log_widths.data.copy_(rg.tensor([0.0, 0.5, -0.5, 1.0]))
    x = np.random.default_rng(0).standard_normal((2, 5, 3))
    mu, sigma = layer.centers.detach().numpy(), layer.widths.detach().numpy()
    want = np.exp(-(((x[:, :, None] - mu) ** 2).sum(-1)) / (2 * sigma**2))
    np.testing.assert_allclose(layer(rg.tensor(x)).detach().numpy(), want, rtol=1e-13)
    assert tuple(layer(rg.tensor(x[0, 0])).shape) == (4,)
    assert repr(layer) == "RBF(in_features=3, num_kernels=4)"


def test_rbf_gradients():
    rng = np.random.default_rng(1)
    rg.manual_seed(1)
    layer = nn.RBF(2, 3, dtype=D)
    x = randn(rng, 4, 2, grad=True)
    f = lambda x, c, w: rg.func.functional_call(layer, {"centers": c, "log_widths": w}, (x,))
    c, w = layer.centers.detach().requires_grad_(), randn(rng, 3, grad=True)
    assert gradcheck(f, (x, c, w)) and gradgradcheck(f, (x, c, w))
    # at its own centre a kernel is at its maximum: derivative 0, second derivative finite
    at = layer.centers.detach().clone().requires_grad_()
    assert gradgradcheck(f, (at, c, w))


def test_k_means_finds_separate_clusters_from_any_seed():
    rng = np.random.default_rng(0)
    means = np.array([[0.0, 0], [20, 0], [0, 20], [20, 20], [40, 40]])
    x = rg.tensor((means[:, None] + rng.standard_normal((5, 30, 2))).reshape(-1, 2))
    want = x.reshape(5, 30, 2).mean(1).numpy()
    found = 0
    for seed in range(10):
        g = rg.Generator().manual_seed(seed)
        layer = nn.RBF(2, 5, dtype=D).fit_centers(x, generator=g)
        centers = layer.centers.detach().numpy()
        found += all(np.abs(centers - m).sum(1).min() < 1e-9 for m in want)
    assert found >= 8, found  # uniform seeds find all five clusters in about one of four runs


def test_k_means_seeds_follow_the_squared_distance():
    """k-means++: the second seed is x with probability D(x)^2 / sum D^2, here 1/10 and 9/10 after the seed 0."""
    x = rg.tensor([[0.0], [1.0], [3.0]])
    seconds = []
    for seed in range(300):
        centers = nn.RBF(1, 2).fit_centers(x, max_iter=0, generator=rg.Generator().manual_seed(seed)).centers
        first, second = centers.flatten().tolist()
        if first == 0:
            seconds.append(second)
    assert 70 < len(seconds) < 130  # a third of the runs start at 0
    assert abs(np.mean(np.array(seconds) == 3.0) - 0.9) < 0.1


def test_every_sample_a_centre_and_repeated_samples():
    x = rg.tensor([[0.0], [2.0], [5.0], [9.0]])
    layer = nn.RBF(1, 4).fit_centers(x)
    assert sorted(layer.centers.flatten().tolist()) == [0, 2, 5, 9]
    layer = nn.RBF(1, 3).fit_centers(rg.ones(5, 1))  # fewer places than kernels
    assert layer.centers.flatten().tolist() == [1, 1, 1] and layer.widths.tolist() == [1, 1, 1]


def test_widths_from_the_nearest_centres():
    layer = nn.RBF(1, 4, dtype=D)
    layer.centers.data.copy_(rg.tensor([[0.0], [1.0], [3.0], [10.0]]))
    np.testing.assert_allclose(layer.fit_widths(2, scale=2.0).widths.detach(), [4, 3, 5, 16])
    np.testing.assert_allclose(layer.fit_widths(9).widths.detach(), [14 / 3, 4, 4, 26 / 3])  # all there are


def test_weights_are_those_of_ridge_regression_and_the_lasso():
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is the reference")
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 6, (40, 1)), rng.standard_normal((40, 2))
    for bias in (True, False):
        rg.manual_seed(0)
        model = nn.RBFNetwork(1, 8, 2, bias=bias, dtype=D)
        model.rbf.fit_centers(rg.tensor(x))
        phi = model.rbf(rg.tensor(x)).detach().numpy()
        for l2, l1, theirs in (
            (0.1, 0.0, linear.Ridge(alpha=0.1 * 40, fit_intercept=bias, solver="cholesky")),
            # scikit-learn minimizes 1/(2N) |y - Xw|^2 + alpha |w|_1
            (0.0, 0.02, linear.Lasso(alpha=0.01, fit_intercept=bias, tol=1e-12, max_iter=10**6)),
        ):
            model.fit_weights(rg.tensor(x), rg.tensor(y), l2=l2, l1=l1)
            theirs.fit(phi, y)
            np.testing.assert_allclose(model.linear.weight.detach(), theirs.coef_, atol=2e-6)
            if bias:
                np.testing.assert_allclose(model.linear.bias.detach(), theirs.intercept_, atol=2e-6)
            elif l1:
                assert (model.linear.weight.detach().numpy() == 0).any()


def test_three_phases_improve_on_two():
    rng = np.random.default_rng(0)
    x = rg.tensor(rng.uniform(0, 6, (60, 1)))
    y = x.sin()
    rg.manual_seed(0)
    model = nn.RBFNetwork(1, 3, 1, dtype=D)
    before = None

    def optimizer(params):
        nonlocal before
        params = list(params)
        before = [p.detach().clone() for p in params]
        return rg.optim.Adam(params, lr=0.02)

    losses = model.fit_three_phases(x, y, optimizer, steps=60, generator=rg.Generator().manual_seed(0))
    two = nn.RBFNetwork(1, 3, 1, dtype=D).fit_two_phases(x, y, generator=rg.Generator().manual_seed(0))
    assert losses[0] == pytest.approx(((two(x) - y) ** 2).mean().item())
    assert losses[-1] < 0.5 * losses[0]
    assert all((p.detach() != b).any() for p, b in zip(model.parameters(), before, strict=True))  # all parameters train
    still = lambda params: rg.optim.SGD(params, lr=0.0)
    (value,) = model.fit_three_phases(x, y[:, 0], still, 1, l2=0.1, l1=0.2, loss=nn.L1Loss())
    w = model.linear.weight.detach()
    assert value == pytest.approx(((model(x) - y).abs().mean() + 0.1 * (w * w).sum() + 0.2 * w.abs().sum()).item())


def test_rbf_errors_and_state():
    x = rg.zeros(3, 2)
    with pytest.raises(rg.ShapeError, match=r"expected an input \(\*, 3\)"):
        nn.RBF(3, 2)(x)
    with pytest.raises(rg.ShapeError, match="4 kernels need as many samples, got 3"):
        nn.RBF(2, 4).fit_centers(x)
    with pytest.raises(ValueError, match="neighbors and scale"):
        nn.RBF(2, 4).fit_widths(0)
    with pytest.raises(ValueError, match="positive sizes"):
        nn.RBF(0, 4)
    with pytest.raises(ValueError, match="must not be negative"):
        nn.RBFNetwork(2, 2, 1).fit_weights(x, rg.zeros(3), l2=-1.0)
    with pytest.raises(rg.ShapeError, match=r"y \(N, 1\)"):
        nn.RBFNetwork(2, 2, 1).fit_weights(x, rg.zeros(3, 2))
    round_trip(lambda: nn.RBFNetwork(2, 3, 2), x)
    assert list(nn.RBFNetwork(2, 3, 1).state_dict()) == [
        "rbf.centers", "rbf.log_widths", "linear.weight", "linear.bias",
    ]  # fmt: skip


# ---------------------------------------------------------------- locally connected
def local_loop(x, weight, bias, stride, pads, dilation):
    """y[n, o, i, j] = bias[o, i, j] + sum weight[i, j, o] * (the window of padded x at i, j)."""
    (top, bottom), (left, right) = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    oh, ow, o, _, kh, kw = weight.shape
    out = np.zeros((x.shape[0], o, oh, ow))
    for i, j in itertools.product(range(oh), range(ow)):
        r, s = i * stride[0], j * stride[1]
        window = x[
            :, :, r : r + dilation[0] * (kh - 1) + 1 : dilation[0], s : s + dilation[1] * (kw - 1) + 1 : dilation[1]
        ]
        out[:, :, i, j] = np.einsum("nckl,ockl->no", window, weight[i, j])
    return out if bias is None else out + bias


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "pads"),
    [
        ((5, 6), (3, 2), (1, 1), 0, (1, 1), ((0, 0), (0, 0))),
        ((7, 6), (3, 3), (2, 1), (1, 0), (1, 2), ((1, 1), (0, 0))),
        ((4, 5), (2, 3), (1, 1), "same", (1, 2), ((0, 1), (2, 2))),
        ((4, 4), (2, 2), (3, 2), "valid", (1, 1), ((0, 0), (0, 0))),
    ],
)
def test_locally_connected_2d(size, kernel, stride, padding, dilation, pads):
    rg.manual_seed(0)
    layer = nn.LocallyConnected2d(2, 3, size, kernel, stride, padding, dilation, dtype=D)
    x = np.random.default_rng(0).standard_normal((2, 2, *size))
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    want = local_loop(x, weight, bias, stride, pads, dilation)
    np.testing.assert_allclose(layer(rg.tensor(x)).detach().numpy(), want, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer(rg.tensor(x[1])).detach().numpy(), want[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 2), (1, "same", 1)])
def test_locally_connected_1d_with_equal_weights_is_a_convolution(stride, padding, dilation):
    rg.manual_seed(0)
    layer = nn.LocallyConnected1d(2, 3, 9, 3, stride, padding, dilation, dtype=D)
    conv = nn.Conv1d(2, 3, 3, stride, padding, dilation, dtype=D)
    layer.weight.data.copy_(conv.weight.detach().expand_as(layer.weight))
    layer.bias.data.copy_(conv.bias.detach().unsqueeze(1).expand_as(layer.bias))
    x = randn(np.random.default_rng(0), 4, 2, 9)
    np.testing.assert_allclose(layer(x).detach(), conv(x).detach(), rtol=1e-12, atol=1e-13)


def test_locally_connected_gradients_errors_and_state():
    rg.manual_seed(0)
    rng = np.random.default_rng(0)
    layer = nn.LocallyConnected2d(1, 2, 3, 2, dtype=D)
    f = lambda x, w, b: rg.func.functional_call(layer, {"weight": w, "bias": b}, (x,))
    args = (
        randn(rng, 2, 1, 3, 3, grad=True),
        randn(rng, *layer.weight.shape, grad=True),
        randn(rng, 2, 2, 2, grad=True),
    )
    assert gradcheck(f, args) and gradgradcheck(f, args)
    with pytest.raises(rg.ShapeError, match="weights for this size only"):
        layer(rg.zeros(2, 1, 4, 3))
    with pytest.raises(rg.ShapeError, match="smaller than the kernel"):
        nn.LocallyConnected1d(1, 1, 3, 5)
    with pytest.raises(ValueError, match="needs stride 1"):
        nn.LocallyConnected1d(1, 1, 3, 3, stride=2, padding="same")
    with pytest.raises(ValueError, match="padding must be numbers"):
        nn.LocallyConnected1d(1, 1, 3, 3, padding="full")
    with pytest.raises(rg.ShapeError, match="2 number"):
        nn.LocallyConnected2d(1, 1, (3, 3, 3), 3)
    round_trip(lambda: nn.LocallyConnected1d(2, 3, 7, 3), rg.ones(1, 2, 7))
    shown = repr(nn.LocallyConnected1d(2, 3, 7, 3, padding=1, bias=False))
    assert shown == (
        "LocallyConnected1d(2, 3, input_size=(7,), kernel_size=(3,), stride=(1,), padding=(1,), bias=False)"
    )
    bound = 1 / math.sqrt(2 * 9)
    values = nn.LocallyConnected2d(2, 8, 12, 3).weight.detach().numpy()
    assert np.abs(values).max() <= bound and abs(values.std() - bound / math.sqrt(3)) < 0.01 * bound


# ---------------------------------------------------------------- separable
def test_separable_is_a_convolution_with_a_product_kernel():
    """depthwise then pointwise: the kernel of the pair (o, c) is pointwise[o, c] * depthwise[c]."""
    rg.manual_seed(0)
    rng = np.random.default_rng(0)
    two = nn.DepthwiseSeparableConv2d(3, 4, (3, 2), (2, 1), 1, (1, 2), bias=False, dtype=D)
    weight = two.pointwise.weight.reshape(4, 3, 1, 1) * two.depthwise.weight.reshape(1, 3, 3, 2)
    x = randn(rng, 2, 3, 7, 8)
    want = nn.functional.conv2d(x, weight, None, (2, 1), 1, (1, 2))
    np.testing.assert_allclose(two(x).detach(), want.detach(), rtol=1e-12, atol=1e-13)
    one = nn.DepthwiseSeparableConv1d(3, 4, 3, padding="same", dtype=D)
    wide = one.pointwise.weight.reshape(4, 3, 1) * one.depthwise.weight.reshape(1, 3, 3)
    x = randn(rng, 2, 3, 7)
    bias = one.pointwise.weight[:, :, 0] @ one.depthwise.bias + one.pointwise.bias
    want = nn.functional.conv1d(x, wide, bias, padding="same")
    np.testing.assert_allclose(one(x).detach(), want.detach(), rtol=1e-12, atol=1e-13)


def test_factorized_is_a_convolution_with_a_kernel_of_low_rank():
    rg.manual_seed(0)
    layer = nn.FactorizedConv2d(2, 3, (3, 5), (2, 1), (1, 2), (1, 2), mid_channels=4, bias=False, dtype=D)
    kernel = rg.einsum("omi,mcj->ocij", layer.column.weight[..., 0], layer.row.weight[:, :, 0])
    x = randn(np.random.default_rng(0), 2, 2, 9, 12)
    want = nn.functional.conv2d(x, kernel, None, (2, 1), (1, 2), (1, 2))
    np.testing.assert_allclose(layer(x).detach(), want.detach(), rtol=1e-12, atol=1e-13)
    same = nn.FactorizedConv2d(2, 3, 3, padding="same")
    assert tuple(same(rg.zeros(2, 5, 6)).shape) == (3, 5, 6)
    with pytest.raises(rg.ShapeError, match="a number or a pair"):
        nn.FactorizedConv2d(2, 3, (3, 3, 3))
    round_trip(lambda: nn.FactorizedConv2d(2, 3, 3), rg.ones(1, 2, 5, 5))


def test_depthwise_multiplies_each_channel():
    layer = nn.DepthwiseConv2d(3, 2, depth_multiplier=2, bias=False)
    x = rg.zeros(1, 3, 2, 2)
    x[0, 1] = 1.0
    out = layer(x).flatten().detach()
    assert (out[2:4] != 0).all() and (out[:2] == 0).all() and (out[4:] == 0).all()
    assert tuple(nn.DepthwiseConv1d(3, 2, depth_multiplier=2).weight.shape) == (6, 1, 2)


# ---------------------------------------------------------------- deformable
def deform_loop(x, offset, weight, bias, stride, padding, dilation, mask):
    """The formula of the papers, element by element."""
    n, c, h, w = x.shape
    out, per, kh, kw = weight.shape
    _, channels, oh, ow = offset.shape
    groups, parts = channels // (2 * kh * kw), c // per

    def pixel(img, i, j):
        return img[i, j] if 0 <= i < h and 0 <= j < w else 0.0

    def sample(img, y, x):
        i, j = math.floor(y), math.floor(x)
        a, b = y - i, x - j
        upper = (1 - b) * pixel(img, i, j) + b * pixel(img, i, j + 1)
        return (1 - a) * upper + a * ((1 - b) * pixel(img, i + 1, j) + b * pixel(img, i + 1, j + 1))

    y = np.zeros((n, out, oh, ow))
    for m, o, i, j, q, k, l in itertools.product(*map(range, (n, out, oh, ow, per, kh, kw))):
        channel = o // (out // parts) * per + q
        g, at = channel // (c // groups), k * kw + l
        down, right = offset[m, (g * kh * kw + at) * 2 : (g * kh * kw + at) * 2 + 2, i, j]
        v = sample(
            x[m, channel],
            i * stride[0] - padding[0] + k * dilation[0] + down,
            j * stride[1] - padding[1] + l * dilation[1] + right,
        )
        y[m, o, i, j] += weight[o, q, k, l] * v * (1 if mask is None else mask[m, g * kh * kw + at, i, j])
    return y if bias is None else y + bias[:, None, None]


@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize(
    ("groups", "offset_groups", "stride", "padding", "dilation"),
    [
        (1, 1, (1, 1), (0, 0), (1, 1)),
        (2, 1, (2, 1), (1, 0), (1, 2)),
        (1, 2, (1, 2), (1, 1), (2, 1)),
        (2, 4, (2, 2), (0, 2), (1, 1)),
    ],
)
def test_deformable_convolution(groups, offset_groups, stride, padding, dilation, modulated):
    rng = np.random.default_rng(0)
    x, weight, bias = (
        rng.standard_normal((2, 4, 5, 6)),
        rng.standard_normal((4, 4 // groups, 2, 3)),
        rng.standard_normal(4),
    )
    oh, ow = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip((5, 6), padding, dilation, (2, 3), stride, strict=True)
    )
    offset = 1.5 * rng.standard_normal((2, 2 * offset_groups * 6, oh, ow))
    mask = rng.uniform(size=(2, offset_groups * 6, oh, ow)) if modulated else None
    want = deform_loop(x, offset, weight, bias, stride, padding, dilation, mask)
    t = rg.tensor
    given = None if mask is None else t(mask)
    got = nn.deform_conv2d(t(x), t(offset), t(weight), t(bias), stride, padding, dilation, given)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    layer = nn.DeformConv2d(4, 4, (2, 3), stride, padding, dilation, groups, dtype=D)
    layer.load_state_dict({"weight": t(weight), "bias": t(bias)})
    np.testing.assert_allclose(layer(t(x), t(offset), given).detach(), want, rtol=1e-12, atol=1e-12)
    single = layer(t(x)[0], t(offset)[0], None if given is None else given[0])
    np.testing.assert_allclose(single.detach(), want[0], rtol=1e-12, atol=1e-12)


def test_deformable_gradients():
    rng = np.random.default_rng(0)
    args = (
        randn(rng, 1, 2, 2, 2, grad=True), randn(rng, 1, 8, 1, 2, grad=True), randn(rng, 1, 2, 2, 1, grad=True),
        randn(rng, 1, grad=True), randn(rng, 1, 4, 1, 2, grad=True),
    )  # fmt: skip
    f = lambda x, o, w, b, m: nn.deform_conv2d(x, o, w, b, mask=m)
    assert gradcheck(f, args) and gradgradcheck(f, args)


def test_deformable_derivative_at_a_pixel_is_the_one_to_the_right():
    """Offsets start at 0: the convention there is torchvision's floor."""
    x = rg.tensor([[[[0.0, 1.0, 5.0]]]], dtype=D)
    offset = rg.zeros(1, 2, 1, 3, dtype=D, requires_grad=True)
    nn.deform_conv2d(x, offset, rg.ones(1, 1, 1, 1, dtype=D)).sum().backward()
    assert offset.grad[0, 1].tolist() == [[1, 4, -5]]


def test_deformable_far_and_not_a_number():
    x, w = rg.ones(1, 1, 2, 2, dtype=D), rg.ones(1, 1, 1, 1, dtype=D)
    offset = rg.zeros(1, 2, 2, 2, dtype=D)
    offset[0, 0] = rg.tensor([[1e30, -1e30], [math.nan, math.inf]], dtype=D)
    out = nn.deform_conv2d(x, offset, w).flatten().tolist()
    assert out[:2] == [0, 0] and math.isnan(out[2])


def test_deformable_errors_and_repr():
    x, w = rg.zeros(1, 4, 5, 5), rg.zeros(4, 4, 3, 3)
    offset = rg.zeros(1, 18, 3, 3)
    with pytest.raises(rg.ShapeError, match=r"offset must have shape \(1, 18, 3, 3\)"):
        nn.deform_conv2d(x, rg.zeros(1, 17, 3, 3), w)
    with pytest.raises(rg.ShapeError, match="offset must have shape"):
        nn.deform_conv2d(x, rg.zeros(1, 18, 4, 3), w)
    with pytest.raises(rg.ShapeError, match="mask must have shape"):
        nn.deform_conv2d(x, offset, w, mask=rg.zeros(1, 18, 3, 3))
    with pytest.raises(rg.ShapeError, match="do not fit"):
        nn.deform_conv2d(x, offset, rg.zeros(4, 3, 3, 3))
    with pytest.raises(rg.DtypeError, match="offset is"):
        nn.deform_conv2d(x, offset.double(), w)
    with pytest.raises(rg.ShapeError, match="larger than the padded input"):
        nn.deform_conv2d(x, offset, rg.zeros(4, 4, 6, 3))
    with pytest.raises(rg.ShapeError, match="expected an input"):
        nn.deform_conv2d(rg.zeros(5, 5), offset, w)
    with pytest.raises(ValueError, match="divisible by groups"):
        nn.DeformConv2d(4, 3, 3, groups=2)
    shown = repr(nn.DeformConv2d(4, 4, 3, padding=1, dilation=2, groups=2, bias=False))
    assert shown == (
        "DeformConv2d(4, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), dilation=(2, 2), groups=2, bias=False)"
    )
    round_trip(lambda: nn.DeformConv2d(4, 4, 3), x, offset)
