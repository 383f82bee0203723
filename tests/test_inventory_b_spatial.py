"""Linear and spatial layers (B1 to B10), row by row: the facts that the source documents state, under their numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F
from retrograd import nn

D = rg.float64


def count(module):
    return sum(p.numel() for p in module.parameters())


def randn(seed, *shape, grad=False):
    return rg.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=grad)


# ---------------------------------------------------------------- B1: linear, bilinear, identity, flatten, embedding
B1 = {
    "Linear": ((3, 4), (2, 3)),
    "Bilinear": ((3, 2, 4), (2, 3), (2, 2)),
    "Identity": ((), (2, 3)),
    "Flatten": ((), (2, 3, 4)),
    "Embedding": ((7, 3, 2), "ids"),
    "EmbeddingBag": ((7, 3), "bags"),
}


@pytest.mark.parametrize("name", sorted(B1))
def test_b1_names_state_dict_keys_and_outputs_are_pytorchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    args, *shapes = B1[name]
    theirs = getattr(torch.nn, name)(*args)
    ours = getattr(nn, name)(*args)
    assert list(ours.state_dict()) == list(theirs.state_dict()) and repr(ours) == repr(theirs)
    ours.load_state_dict({k: rg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    if isinstance(shapes[0], str):
        given = [np.array([[1, 2, 6], [0, 4, 2]])]
    else:
        given = [np.random.default_rng(0).standard_normal(s).astype(np.float32) for s in shapes]
    want = theirs(*map(torch.tensor, given)).detach().numpy()
    np.testing.assert_allclose(ours(*map(rg.tensor, given)).detach(), want, rtol=1e-5, atol=1e-6)


def test_b1_the_padding_row_of_an_embedding_is_zero_and_never_trains():
    layer = nn.Embedding(5, 3, padding_idx=2)
    assert (layer.weight[2] == 0).all()
    layer(rg.tensor([2, 1, 2])).sum().backward()
    assert layer.weight.grad.sum(1).tolist() == [0, 3, 0, 0, 0]
    bag = nn.EmbeddingBag(5, 3, mode="sum", padding_idx=2)
    np.testing.assert_allclose(bag(rg.tensor([[2, 1, 2]])).detach(), bag.weight[1:2].detach())


# ---------------------------------------------------------------- B2: radial basis functions
def b2():
    """30 noisy samples of a sine, one kernel on each; the true function on a fine grid."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 2 * np.pi, 30))[:, None]
    y = np.sin(x) + 0.3 * rng.standard_normal(x.shape)
    rg.manual_seed(0)
    model = nn.RBFNetwork(1, 30, 1, dtype=D)
    model.rbf.fit_centers(rg.tensor(x))
    model.rbf.log_widths.data.fill_(math.log(0.4))
    grid = rg.tensor(np.linspace(0.2, 6.1, 200)[:, None])

    def errors(**penalty):
        model.fit_weights(rg.tensor(x), rg.tensor(y), **penalty)
        with rg.no_grad():
            return (
                (model(rg.tensor(x)) - rg.tensor(y)).pow(2).mean().item(),
                (model(grid) - grid.sin()).pow(2).mean().item(),
                model.linear.weight.detach().numpy().copy(),
            )

    return model, np.sort(x[:, 0]), errors


def test_b2_one_kernel_per_sample_fits_a_noisy_sine_with_penalties():
    model, samples, errors = b2()
    np.testing.assert_allclose(np.sort(model.rbf.centers.detach()[:, 0].numpy()), samples)  # every sample is a centre
    train, test, w = errors()
    train2, test2, w2 = errors(l2=0.01)
    train1, test1, w1 = errors(l1=0.01)
    assert train < 0.02  # without a penalty the noise (variance 0.09) is fitted
    assert train2 > 2 * train and train1 > 2 * train
    assert test2 < 0.045 < test and test1 < 0.045  # with one, the sine: half of the noise is left, or less
    assert np.abs(w2).max() < 0.1 * np.abs(w).max()  # L2: small weights
    assert (w1 == 0).mean() > 0.5 and (w2 != 0).all()  # L1: few weights


def test_b2_centres_and_widths_learn():
    x = randn(0, 20, 2)
    layer = nn.RBF(2, 4, dtype=D)
    layer(x).sum().backward()
    assert (layer.centers.grad != 0).any() and (layer.log_widths.grad != 0).all()


# ---------------------------------------------------------------- B3: convolution sizes and parameters
CONVS = {1: (nn.Conv1d, nn.ConvTranspose1d), 2: (nn.Conv2d, nn.ConvTranspose2d), 3: (nn.Conv3d, nn.ConvTranspose3d)}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("w", "f", "p", "s"), [(7, 3, 0, 1), (7, 3, 1, 2), (8, 2, 3, 3), (5, 5, 2, 1), (9, 4, 0, 5)])
def test_b3_output_size(dims, w, f, p, s):
    layer = CONVS[dims][0](1, 1, f, stride=s, padding=p)
    assert layer(rg.zeros(1, 1, *[w] * dims)).shape[2:] == ((w - f + 2 * p) // s + 1,) * dims


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_b3_parameters(dims):
    layer = CONVS[dims][0](3, 5, (4, 2, 3)[:dims])
    assert count(layer) == (math.prod((4, 2, 3)[:dims]) * 3 + 1) * 5
    assert count(CONVS[dims][0](6, 4, 3, groups=2)) == (3**dims * 3 + 1) * 4


def test_b3_the_parameters_of_lenet_and_padding_words():
    """003: C1 has 156 parameters (6 filters of 5 x 5), C5 has 48,120 (120 filters over 16 maps)."""
    assert count(nn.Conv2d(1, 6, 5)) == 156 and count(nn.Conv2d(16, 120, 5)) == 48_120
    x = rg.zeros(1, 2, 9, 8)
    assert nn.Conv2d(2, 3, (3, 4), padding="same", dilation=2)(x).shape == (1, 3, 9, 8)
    assert nn.Conv2d(2, 3, (3, 4), padding="valid", dilation=2)(x).shape == (1, 3, 5, 2)


# ---------------------------------------------------------------- B4: convolution as a sparse matrix
def toeplitz(kernel, size, stride, pad):
    """The matrix (C_out * H_out * W_out, C_in * H * W) of a convolution, written element by element."""
    out, c, kh, kw = kernel.shape
    oh, ow = ((n + 2 * pad - k) // stride + 1 for n, k in zip(size, (kh, kw), strict=True))
    matrix = np.zeros((out, oh, ow, c, *size))
    for o, i, j, q, k, l in itertools.product(*map(range, (out, oh, ow, c, kh, kw))):
        r, s = i * stride + k - pad, j * stride + l - pad
        if 0 <= r < size[0] and 0 <= s < size[1]:
            matrix[o, i, j, q, r, s] = kernel[o, q, k, l]
    return matrix.reshape(out * oh * ow, -1), (oh, ow)


@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (1, 1), (2, 1)])
def test_b4_convolution_is_its_toeplitz_matrix_and_transposed_convolution_the_transpose(stride, pad):
    kernel, x = randn(0, 3, 2, 3, 2), randn(1, 1, 2, 5, 6, grad=True)
    matrix, (oh, ow) = toeplitz(kernel.numpy(), (5, 6), stride, pad)
    sparse = rg.tensor(matrix).to_sparse_csr()
    assert sparse.values().shape[0] <= kernel.numel() * oh * ow  # few elements, and each a weight of the kernel
    assert set(sparse.values().tolist()) <= set(kernel.flatten().tolist())
    y = F.conv2d(x, kernel, stride=stride, padding=pad)
    np.testing.assert_allclose(y.detach().flatten(), sparse @ x.detach().flatten(), rtol=1e-12, atol=1e-13)
    v = randn(2, 1, 3, oh, ow)
    extra = [(n + 2 * pad - k) % stride for n, k in zip((5, 6), (3, 2), strict=True)]
    back = F.conv_transpose2d(v, kernel, stride=stride, padding=pad, output_padding=tuple(extra))
    np.testing.assert_allclose(back.flatten(), matrix.T @ v.flatten().numpy(), rtol=1e-12, atol=1e-13)
    y.backward(v)  # 003: dL/dx = W^T dL/dy, hence the name
    np.testing.assert_allclose(x.grad.flatten(), matrix.T @ v.flatten().numpy(), rtol=1e-12, atol=1e-13)


def test_b4_the_banded_matrix_of_a_signal():
    """003's matrix: the diagonal has b, the one above c, the one below a, for k = [c, b, a] turned by convolution."""
    a, b, c = 2.0, 3.0, 5.0
    matrix = np.diag([b] * 6) + np.diag([c] * 5, 1) + np.diag([a] * 5, -1)
    f = randn(0, 6)
    np.testing.assert_allclose(
        F.conv1d(f.reshape(1, 1, 6), rg.tensor([[[a, b, c]]], dtype=D), padding=1)[0, 0], matrix @ f.numpy()
    )
    np.testing.assert_allclose(np.convolve(f.numpy(), [c, b, a], "same"), matrix @ f.numpy())


# ---------------------------------------------------------------- B5: the adjoint
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    ("stride", "pad", "dilation", "groups", "extra"),
    [(1, 0, 1, 1, 0), (2, 1, 1, 2, 1), (3, 2, 2, 1, 2), (2, 0, 2, 2, 0)],
)
def test_b5_transposed_convolution_is_the_adjoint(dims, stride, pad, dilation, groups, extra):
    """<conv(x), y> = <x, convT(y)> with the same weight; output_padding names which of the sizes of x is meant."""
    conv, transposed = CONVS[dims]
    one = conv(4, 6, 3, stride, pad, dilation, groups, bias=False, dtype=D)
    back = transposed(6, 4, 3, stride, pad, extra, groups, False, dilation, dtype=D)
    back.load_state_dict(one.state_dict())
    outs = 4
    size = (outs - 1) * stride - 2 * pad + dilation * 2 + 1 + extra
    x, y = randn(0, 2, 4, *[size] * dims), randn(1, 2, 6, *[outs] * dims)
    assert one(x).shape == y.shape and back(y).shape == x.shape
    assert (one(x) * y).sum().item() == pytest.approx((x * back(y)).sum().item(), rel=1e-11)


# ---------------------------------------------------------------- B6: cheaper and dearer convolutions
def test_b6_parameter_counts():
    n, m = 16, 64
    assert count(nn.Conv2d(n, m, 1, bias=False)) == n * m
    assert count(nn.Conv2d(n, n, 3, groups=n, bias=False)) == count(nn.DepthwiseConv2d(n, 3, bias=False)) == 9 * n
    assert count(nn.DepthwiseSeparableConv2d(n, m, 3, bias=False)) == 9 * n + n * m < 9 * n * m
    assert count(nn.DepthwiseSeparableConv2d(n, m, 3)) == 10 * n + (n + 1) * m
    assert count(nn.DepthwiseSeparableConv1d(n, m, 3, bias=False)) == 3 * n + n * m
    local = nn.LocallyConnected2d(3, 5, (8, 9), (4, 2), stride=2)
    assert local.output_size == (3, 4) and count(local) == 3 * 4 * (4 * 2 * 3 + 1) * 5
    assert count(nn.LocallyConnected1d(2, 5, 10, 3)) == 8 * count(nn.Conv1d(2, 5, 3))  # unshared: one kernel a position


@pytest.mark.parametrize("alpha", [1, 4, 9])
def test_b6_factorised_kernels(alpha):
    """003: (3 sqrt(alpha) + 3 alpha sqrt(alpha)) n^2 in place of 9 alpha n^2; -30 % at alpha = 2."""
    n = 12
    root = math.isqrt(alpha)
    factorised = nn.FactorizedConv2d(n, alpha * n, 3, bias=False)
    assert count(factorised) == (3 * root + 3 * alpha * root) * n * n
    assert count(nn.Conv2d(n, alpha * n, 3, bias=False)) == 9 * alpha * n * n
    two = nn.Sequential(nn.Conv2d(n, root * n, 3, bias=False), nn.Conv2d(root * n, alpha * n, 3, bias=False))
    assert count(two) == (9 * root + 9 * alpha * root) * n * n  # in place of 25 alpha n^2


def test_b6_the_savings_at_twice_the_channels():
    """003, at alpha = 2: two 3 x 3 take 24 % less than 5 x 5, and 1 x 3 with 3 x 1 take 30 % less than 3 x 3."""
    layer = nn.FactorizedConv2d(50, 100, 3, bias=False)
    mid = layer.mid_channels
    assert mid == 71  # sqrt(2) * 50
    assert 1 - count(layer) / count(nn.Conv2d(50, 100, 3, bias=False)) == pytest.approx(0.30, abs=0.015)
    two = nn.Sequential(nn.Conv2d(50, mid, 3, bias=False), nn.Conv2d(mid, 100, 3, bias=False))
    assert 1 - count(two) / count(nn.Conv2d(50, 100, 5, bias=False)) == pytest.approx(0.24, abs=0.01)


# ---------------------------------------------------------------- B7: deformable convolution
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1)])
def test_b7_zero_offsets_equal_plain_convolution(stride, padding, dilation, groups):
    plain = nn.Conv2d(4, 6, 3, stride, padding, dilation, groups, dtype=D)
    layer = nn.DeformConv2d(4, 6, 3, stride, padding, dilation, groups, dtype=D)
    layer.load_state_dict(plain.state_dict())
    x = randn(0, 2, 4, 7, 8)
    want = plain(x).detach()
    offset = rg.zeros(2, 18, *want.shape[2:], dtype=D)
    np.testing.assert_allclose(layer(x, offset).detach(), want, rtol=1e-11, atol=1e-12)
    ones = rg.ones(2, 9, *want.shape[2:], dtype=D)
    np.testing.assert_allclose(layer(x, offset, ones).detach(), want, rtol=1e-11, atol=1e-12)  # v2
    half = layer(x, offset, 0.5 * ones).detach() - layer(x, offset, 0 * ones).detach()
    bias = plain.bias.detach().reshape(-1, 1, 1)
    np.testing.assert_allclose(half, 0.5 * (want - bias), rtol=1e-11, atol=1e-12)


def test_b7_whole_offsets_shift_the_image():
    x, w = randn(0, 1, 2, 6, 6), randn(1, 3, 2, 1, 1)
    offset = rg.zeros(1, 2, 6, 6, dtype=D)
    offset[:, 0], offset[:, 1] = 1.0, -2.0  # one down, two left
    want = F.conv2d(F.pad(x, (2, 0, 0, 1))[:, :, 1:, :6], w)
    np.testing.assert_allclose(nn.deform_conv2d(x, offset, w), want, rtol=1e-12, atol=1e-13)


# ---------------------------------------------------------------- B8: pooling
@pytest.mark.parametrize(("w", "k", "s"), [(8, 2, 2), (7, 3, 2), (9, 3, 3), (6, 3, 1)])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_b8_output_size_and_no_parameters(dims, w, k, s):
    x = rg.rand(1, 2, *[w] * dims)
    for kind in ("MaxPool", "AvgPool", "LPPool"):
        args = (2, k, s) if kind == "LPPool" else (k, s)
        layer = getattr(nn, f"{kind}{dims}d")(*args)
        assert layer(x).shape == (1, 2, *[(w - k) // s + 1] * dims) and count(layer) == 0
        up = getattr(nn, f"{kind}{dims}d")(*args, ceil_mode=True)
        assert up(x).shape == (1, 2, *[-(-(w - k) // s) + 1] * dims)
    for layer in (getattr(nn, f"AdaptiveMaxPool{dims}d")(3), getattr(nn, f"AdaptiveAvgPool{dims}d")(3)):
        assert layer(x).shape == (1, 2, *[3] * dims) and count(layer) == 0


def test_b8_values_of_overlapping_global_and_lp_pooling():
    x = randn(0, 2, 3, 7, 6)
    windows = np.lib.stride_tricks.sliding_window_view(x.numpy(), (3, 2), (2, 3))[:, :, ::2, ::1]  # they overlap
    np.testing.assert_array_equal(F.max_pool2d(x, (3, 2), (2, 1)), windows.max((-1, -2)))
    np.testing.assert_allclose(F.avg_pool2d(x, (3, 2), (2, 1)), windows.mean((-1, -2)), rtol=1e-12)
    norms = (np.abs(windows) ** 3).sum((-1, -2)) ** (1 / 3)
    np.testing.assert_allclose(F.lp_pool2d(x.abs(), 3, (3, 2), (2, 1)), norms, rtol=1e-12)
    np.testing.assert_allclose(nn.AdaptiveAvgPool2d(1)(x)[:, :, 0, 0], x.numpy().mean((2, 3)), rtol=1e-12)  # global
    np.testing.assert_array_equal(nn.AdaptiveMaxPool2d(1)(x)[:, :, 0, 0], x.numpy().max((2, 3)))


def test_b8_unpooling_puts_the_maxima_back():
    x = randn(0, 1, 2, 6, 6).abs()
    y, where = nn.MaxPool2d(2, return_indices=True)(x)
    back = nn.MaxUnpool2d(2)(y, where)
    assert back.shape == x.shape
    assert ((back == x) | (back == 0)).all() and (back != 0).sum().item() == y.numel()
    np.testing.assert_array_equal(nn.MaxPool2d(2)(back), y)


# ---------------------------------------------------------------- B9: regions of interest
POOLS = {
    "roi_pool": lambda x, b: nn.roi_pool(x, b, 2),
    "roi_align": lambda x, b: nn.roi_align(x, b, 2, sampling_ratio=2, aligned=True),
    "ps_roi_pool": lambda x, b: nn.ps_roi_pool(x, b, 2),
    "ps_roi_align": lambda x, b: nn.ps_roi_align(x, b, 2, sampling_ratio=2),
}


@pytest.mark.parametrize("name", sorted(POOLS))
def test_b9_gradients_reach_the_feature_map_inside_of_the_box_only(name):
    x = randn(0, 2, 4, 10, 10, grad=True)
    POOLS[name](x, [rg.zeros(0, 4, dtype=D), rg.tensor([[2.0, 3.0, 6.0, 7.0]], dtype=D)]).sum().backward()
    g = x.grad.numpy()
    assert (g[0] == 0).all() and (g[1] != 0).any((1, 2)).all()  # the image of the box, and each channel
    assert (
        (g[1, :, :2] == 0).all()
        and (g[1, :, 8:] == 0).all()
        and (g[1, :, :, :1] == 0).all()
        and (g[1, :, :, 7:] == 0).all()
    )
    assert g.sum() == pytest.approx(4 * (4 if name in ("roi_pool", "roi_align") else 1))  # each bin's weights sum to 1


def test_b9_align_is_continuous_in_the_box_and_pooling_is_not():
    x = randn(0, 1, 4, 10, 10)
    shifts = np.linspace(0, 1, 201)
    jumps = {}
    for name, f in POOLS.items():
        boxes = rg.tensor([[0, 2.1 + s, 3.2 + s, 6.3 + s, 7.4 + s] for s in shifts])
        y = f(x, boxes).flatten(1).numpy()
        jumps[name] = np.abs(np.diff(y, axis=0)).max()
    # bilinear samples of values of about 1 have slopes below 4 or so: 0.02 for a step of 0.005
    assert jumps["roi_align"] < 0.03 and jumps["ps_roi_align"] < 0.03
    assert jumps["roi_pool"] > 0.3 and jumps["ps_roi_pool"] > 0.1


def test_b9_align_of_a_linear_image_is_exact():
    """A plane's mean over a bin is its value at the middle, and pixel i lies at i: no half pixel is lost."""
    i, j = np.mgrid[0:10, 0:10]
    x = rg.tensor((2.0 * i + 3.0 * j)[None, None])
    box = rg.tensor([[0, 1.5, 2.0, 6.5, 7.0]], dtype=D)
    got = nn.roi_align(x, box, 1, aligned=True)
    assert got.item() == pytest.approx(2 * (4.5 - 0.5) + 3 * (4.0 - 0.5))


# ---------------------------------------------------------------- B10: up-sampling and spatial transformers
def test_b10_a_spatial_transformer_trains():
    """A network that regresses the shift of a blob and undoes it by affine_grid and grid_sample, from the image alone."""
    rg.manual_seed(0)
    rng = np.random.default_rng(0)
    grid = np.linspace(-1, 1, 16)
    shifts = rng.uniform(-0.4, 0.4, (24, 2))
    blob = lambda a, b: np.exp(-((grid[None, :] - a) ** 2 + (grid[:, None] - b) ** 2) / 0.08)
    x = rg.tensor(np.stack([blob(a, b) for a, b in shifts])[:, None], dtype=rg.float32)
    target = rg.tensor(blob(0, 0), dtype=rg.float32)
    locate = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 6))
    nn.init.zeros_(locate[-1].weight)
    locate[-1].bias.data.copy_(rg.tensor([1.0, 0, 0, 0, 1, 0]))  # the identity
    descent, losses = rg.optim.Adam(locate.parameters(), lr=0.02), []
    for _ in range(60):
        theta = locate(x).reshape(-1, 2, 3)
        moved = F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=True), align_corners=True)
        loss = ((moved - target) ** 2).mean()
        descent.zero_grad()
        loss.backward()
        descent.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0], (losses[0], losses[-1])
    found = theta[:, :, 2].detach().numpy()
    assert np.abs(found - shifts).max() < 0.15  # the translation that it learned is the shift


def test_b10_upsampling_and_pixel_shuffle():
    i, j = np.mgrid[0:5, 0:5]
    plane = rg.tensor((2.0 * i - j)[None, None])
    for mode in ("bilinear", "bicubic"):  # both reproduce a plane; where the border is not repeated, for bicubic
        fine = F.interpolate(plane, size=(9, 9), mode=mode, align_corners=True)[0, 0]
        a, b = np.mgrid[0:9, 0:9] / 2
        np.testing.assert_allclose(fine[2:-2, 2:-2], (2 * a - b)[2:-2, 2:-2], atol=1e-12)
    near = F.interpolate(plane, scale_factor=3, mode="nearest")
    np.testing.assert_array_equal(near[0, 0], np.kron(plane[0, 0].numpy(), np.ones((3, 3))))
    x = randn(0, 2, 8, 3, 5)
    y = nn.PixelShuffle(2)(x)
    assert y.shape == (2, 2, 6, 10)
    for a, b in itertools.product(range(2), range(2)):
        np.testing.assert_array_equal(y[:, :, a::2, b::2], x.reshape(2, 2, 4, 3, 5)[:, :, 2 * a + b])
    np.testing.assert_array_equal(nn.PixelUnshuffle(2)(y), x)
