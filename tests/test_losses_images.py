"""Losses of images, regions and boxes: SSIM, style, variation, overlap, IoU of boxes, detectors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

D = rg.float64


def t(a):
    return rg.tensor(np.asarray(a))


def leaf(a):
    return rg.tensor(np.asarray(a, dtype=np.float64), requires_grad=True)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


# ---------------------------------------------------------------- structural similarity
def test_ssim_through_scipys_filter(rng):
    """Moments by `scipy.ndimage.gaussian_filter` with the window cut at 3.5 sigma, as scikit-image computes them."""
    ndimage = pytest.importorskip("scipy.ndimage", reason="compares with SciPy's filter")
    x = rng.random((24, 20)) * 255
    y = np.clip(x + 20 * rng.standard_normal(x.shape), 0, 255)
    blur = lambda a: ndimage.gaussian_filter(a, 1.5, truncate=3.5)[5:-5, 5:-5]
    mx, my = blur(x), blur(y)
    vx, vy, cxy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = ((2 * mx * my + c1) * (2 * cxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean()
    assert nn.ssim(t(x[None]), t(y[None]), data_range=255).item() == pytest.approx(expected, rel=1e-10)


def test_ssim_of_images_without_structure_is_the_luminance_term():
    a, b = rg.full((1, 12, 12), 0.2, dtype=D), rg.full((1, 12, 12), 0.6, dtype=D)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert nn.ssim(a, b).item() == pytest.approx(expected, rel=1e-10)


def test_ssim_single_images_and_batches(rng):
    x, y = rng.random((2, 3, 2, 12, 13))
    each = nn.ssim(t(x), t(y), reduction="none").numpy()
    for n in range(3):
        assert nn.ssim(t(x[n]), t(y[n])).item() == pytest.approx(each[n], rel=1e-13)
    assert nn.SSIMLoss(reduction="none")(t(x[0]), t(y[0])).shape == ()
    multi = nn.ms_ssim(t(x[0]), t(y[0]), window_size=3, weights=(0.5, 0.5))
    assert multi.ndim == 0 and nn.MSSSIMLoss(window_size=3, weights=(0.5, 0.5), reduction="none")(t(x), t(y)).shape == (
        3,
    )


def test_ssim_training_restores_an_image(rng):
    x = t(rng.random((1, 1, 16, 16)))
    guess = leaf(np.full((1, 1, 16, 16), 0.5) + 0.01 * rng.standard_normal((1, 1, 16, 16)))
    step, loss = rg.optim.Adam([guess], lr=0.05), nn.SSIMLoss()
    start = loss(guess, x).item()
    for _ in range(60):
        step.zero_grad()
        loss(guess, x).backward()
        step.step()
    assert loss(guess, x).item() < 0.2 * start


def test_multi_scale_ssim_of_opposite_images_is_zero_with_a_gradient():
    x = leaf(np.indices((30, 30)).sum(0)[None] % 2)
    loss = nn.MSSSIMLoss(weights=(0.5, 0.5))(x, 1 - x.detach())  # a negative structure term: its power is not real
    loss.backward()
    assert loss.item() == 1 and np.isfinite(x.grad.numpy()).all()


def test_ssim_settings_are_checked():
    x = rg.zeros(1, 1, 20, 20)
    with pytest.raises(ValueError, match="window_size must be odd"):
        nn.SSIMLoss(window_size=8)
    with pytest.raises(ValueError, match="data_range must be greater than 0"):
        nn.ssim(x, x, data_range=0)
    with pytest.raises(ValueError, match="weights are exponents above 0"):
        nn.MSSSIMLoss(weights=(0.5, -0.5))
    with pytest.raises(rg.ShapeError, match="20 by 20 pixels are too small; a window of 11 on 5 scales needs 161"):
        nn.MSSSIMLoss()(x, x)
    with pytest.raises(rg.ShapeError, match="8 by 20 pixels are too small; a window of 11 needs 11"):
        nn.SSIMLoss()(x[..., :8, :], x[..., :8, :])
    with pytest.raises(rg.ShapeError, match=r"images \(N, C, H, W\) or \(C, H, W\) are expected, got \(20, 20\)"):
        nn.SSIMLoss()(x[0, 0], x[0, 0])


# ---------------------------------------------------------------- content, style, variation
def test_gram_matrix_of_single_maps_and_its_scale(rng):
    x = rng.standard_normal((3, 4, 5))
    expected = np.einsum("ihw,jhw->ij", x, x)
    np.testing.assert_allclose(nn.gram_matrix(t(x)).numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(nn.gram_matrix(t(x), normalize=True).numpy(), expected / 60, rtol=1e-12)


def test_layers_are_weighted(rng):
    xs = [t(rng.standard_normal(s)) for s in ((2, 3, 4, 4), (2, 5, 2, 2))]
    ys = [t(rng.standard_normal(s)) for s in ((2, 3, 4, 4), (2, 5, 2, 2))]
    for kind in (nn.ContentLoss, nn.StyleLoss):
        parts = [kind(reduction="none")(x, y).numpy() for x, y in zip(xs, ys, strict=True)]
        both = kind((0.25, 2.0), reduction="none")(xs, ys).numpy()
        np.testing.assert_allclose(both, 0.25 * parts[0] + 2 * parts[1], rtol=1e-12)
        with pytest.raises(rg.ShapeError, match="2 layers of input, 1 of target and 2 layer_weights"):
            kind((1.0, 1.0))(xs, ys[:1])
    with pytest.raises(rg.ShapeError, match="differ in more than the size of the image"):
        nn.StyleLoss()(xs[0], ys[1])


def test_style_of_an_image_of_another_size(rng):
    tile = rng.standard_normal((1, 3, 4, 4))
    assert nn.StyleLoss()(t(tile), t(np.tile(tile, (1, 1, 2, 3)))).item() == pytest.approx(0, abs=1e-25)


def test_total_variation_with_powers(rng):
    x = rng.standard_normal((3, 5, 6))
    down, right = np.diff(x, axis=1), np.diff(x, axis=2)
    squared = nn.total_variation(t(x), power=2)
    assert squared.item() == pytest.approx((down**2).sum() + (right**2).sum(), rel=1e-12)
    down, right = np.pad(down, ((0, 0), (0, 1), (0, 0))), np.pad(right, ((0, 0), (0, 0), (0, 1)))
    both = nn.TotalVariationLoss(0.5, isotropic=True, power=3)(t(x))
    assert both.item() == pytest.approx(0.5 * ((down**2 + right**2) ** 1.5).sum(), rel=1e-12)
    flat = leaf(np.ones((1, 4, 4)))
    nn.total_variation(flat, isotropic=True).backward()
    assert (flat.grad == 0).all()  # the root's slope at 0 is infinite
    with pytest.raises(rg.ShapeError, match="feature maps"):
        nn.total_variation(t(x[0]))


# ---------------------------------------------------------------- overlap
def test_dice_takes_logits_masks_indices_and_whole_batches(rng):
    x, y = rng.standard_normal((2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5))
    one_hot = np.eye(3)[y].transpose(0, 3, 1, 2)
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    s = lambda a: a.sum((2, 3))
    dice = (2 * s(p * one_hot) + 1) / (s(p) + s(one_hot) + 1)
    for target in (y, one_hot):
        ours = nn.DiceLoss("softmax", smooth=1.0, reduction="none")(t(x), t(target))
        np.testing.assert_allclose(ours.numpy(), 1 - dice, rtol=1e-12)
    q = 1 / (1 + np.exp(-x))
    squared = 2 * s(q * one_hot) / (s(q * q) + s(one_hot))
    ours = nn.DiceLoss("sigmoid", smooth=0, squared=True)(t(x), t(one_hot)).item()
    assert ours == pytest.approx(1 - squared.mean(), rel=1e-12)
    s = lambda a: a.sum((0, 2, 3))
    ours = nn.DiceLoss(smooth=0, batch=True, reduction="none")(t(p), t(y))
    np.testing.assert_allclose(ours.numpy(), [1 - 2 * s(p * one_hot) / (s(p) + s(one_hot))], rtol=1e-12)


@pytest.mark.parametrize("kind", [nn.DiceLoss, nn.JaccardLoss, nn.TverskyLoss, nn.GeneralizedDiceLoss])
def test_overlap_ignores_and_counts_nothing_as_perfect(kind, rng):
    p = rng.random((1, 2, 6))
    y = np.array([[0, 1, 1, 9, 0, 9]])
    kept = y[0] != 9
    whole = kind(ignore_index=9)(t(p), t(y)).item()
    assert whole == pytest.approx(kind()(t(p[..., kept]), t(y[:, kept])).item(), rel=1e-12)
    x = leaf(np.zeros((1, 1, 4)))
    loss = kind(smooth=0.0)(x, rg.zeros(1, 1, 4))
    loss.backward()
    assert loss.item() == 0 and np.isfinite(x.grad.numpy()).all()
    assert kind()(t(np.eye(2)[y[:, kept]].transpose(0, 2, 1)), t(y[:, kept])).item() == pytest.approx(0, abs=1e-6)
    with pytest.raises(TypeError, match="ignore_index=9 needs a target of class indices"):
        kind(ignore_index=9)(t(p), t(p))
    with pytest.raises(rg.ShapeError, match=r"give masks of the input's shape or class indices \(1, 6\)"):
        kind()(t(p), rg.zeros(1, 3, 6))
    with pytest.raises(ValueError, match="activation must be None, 'softmax' or 'sigmoid'"):
        kind(activation="tanh")
    with pytest.raises(ValueError, match="smooth must not be negative"):
        kind(smooth=-1)


def test_tversky_weighs_false_positives_by_alpha_and_misses_by_beta():
    p, y = t([[[1.0, 1, 1, 0, 0, 0]]]), t([[[1.0, 0, 0, 1, 0, 0]]])  # 1 hit, 2 false, 1 missed
    assert nn.TverskyLoss(0.3, 0.7, smooth=0)(p, y).item() == pytest.approx(1 - 1 / (1 + 2 * 0.3 + 0.7))
    focal = nn.TverskyLoss(0.3, 0.7, gamma=0.75, smooth=0)(p, y).item()
    assert focal == pytest.approx((1 - 1 / 2.3) ** 0.75)
    with pytest.raises(ValueError, match="alpha and beta must not be negative"):
        nn.TverskyLoss(-0.5)


@pytest.mark.parametrize("weighting", ["square", "simple", "uniform"])
def test_generalised_dice_gives_an_absent_class_the_largest_weight(weighting, rng):
    p, y = rng.random((1, 3, 6)), np.array([[0, 0, 0, 0, 1, 1]])
    size = np.array([4.0, 2.0, np.nan])
    w = {"square": 1 / size**2, "simple": 1 / size, "uniform": np.ones(3)}[weighting]
    w[2] = w[1]
    truth = np.eye(3)[y].transpose(0, 2, 1)
    expected = 1 - 2 * (w * (p * truth).sum(2)).sum() / (w * (p + truth).sum(2)).sum()
    assert nn.GeneralizedDiceLoss(smooth=0, weighting=weighting)(t(p), t(y)).item() == pytest.approx(
        expected, rel=1e-12
    )
    with pytest.raises(ValueError, match="weighting must be"):
        nn.GeneralizedDiceLoss(weighting="cubic")


# ---------------------------------------------------------------- boxes
def random_boxes(rng, n):
    corner = rng.uniform(0, 4, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(0.5, 3, (n, 2))], 1)


def box_terms(a, b):
    """IoU, GIoU, DIoU and CIoU of two boxes, from their papers."""
    w, h = max(0.0, min(a[2], b[2]) - max(a[0], b[0])), max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = lambda c: (c[2] - c[0]) * (c[3] - c[1])
    union = area(a) + area(b) - w * h
    iou = w * h / union
    hull = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
    giou = iou - (area(hull) - union) / area(hull)
    centre = ((a[0] + a[2] - b[0] - b[2]) ** 2 + (a[1] + a[3] - b[1] - b[3]) ** 2) / 4
    diou = iou - centre / ((hull[2] - hull[0]) ** 2 + (hull[3] - hull[1]) ** 2)
    angle = lambda c: math.atan((c[2] - c[0]) / (c[3] - c[1]))
    v = 4 / math.pi**2 * (angle(b) - angle(a)) ** 2
    return iou, giou, diou, diou - v * v / (1 - iou + v)


def test_box_losses_against_their_papers(rng):
    a, b = random_boxes(rng, 20), random_boxes(rng, 20)
    expected = np.array([box_terms(x, y) for x, y in zip(a, b, strict=True)])
    for i, kind in enumerate((nn.IoULoss, nn.GIoULoss, nn.DIoULoss, nn.CIoULoss)):
        ours = kind(eps=0.0, reduction="none")(t(a), t(b))
        np.testing.assert_allclose(ours.numpy(), 1 - expected[:, i], rtol=1e-11)
        assert kind()(t(a), t(a)).item() == pytest.approx(0, abs=1e-6)
    pairs = nn.box_iou(t(a), t(b[:7])).numpy()
    np.testing.assert_allclose(pairs, [[box_terms(x, y)[0] for y in b[:7]] for x in a], rtol=1e-12)
    with pytest.raises(rg.ShapeError, match=r"boxes \(N, 4\) and \(M, 4\)"):
        nn.box_iou(t(a[0]), t(b))
    with pytest.raises(rg.ShapeError, match=r"input \(\.\.\., 4\) is expected, got \(20, 3\)"):
        nn.IoULoss()(t(a[:, :3]), t(b))


def test_empty_boxes_are_no_division_by_zero():
    point = leaf([[1.0, 1.0, 1.0, 1.0]])
    for kind in (nn.IoULoss, nn.GIoULoss, nn.DIoULoss):
        loss = kind()(point, t([[1.0, 1.0, 1.0, 1.0]]))
        loss.backward()
        assert np.isfinite(loss.item()) and np.isfinite(point.grad.numpy()).all()


def test_giou_training_moves_a_box_onto_its_target():
    box, target = leaf([5.0, 5.0, 6.0, 6.0]), t([0.0, 0.0, 2.0, 3.0])
    step = rg.optim.Adam([box], lr=0.1)
    for _ in range(300):
        step.zero_grad()
        nn.GIoULoss()(box, target).backward()
        step.step()
    np.testing.assert_allclose(box.detach().numpy(), target.numpy(), atol=0.2)


def test_box_offsets_are_girshicks_and_invert(rng):
    boxes, anchors = random_boxes(rng, 9), random_boxes(rng, 9)
    size = lambda c: (c[:, 2] - c[:, 0], c[:, 3] - c[:, 1])
    (w, h), (wa, ha) = size(boxes), size(anchors)
    expected = np.stack([
        (boxes[:, 0] + w / 2 - anchors[:, 0] - wa / 2) / wa, (boxes[:, 1] + h / 2 - anchors[:, 1] - ha / 2) / ha,
        np.log(w / wa), np.log(h / ha),
    ], 1)  # fmt: skip
    offsets = nn.encode_boxes(t(boxes), t(anchors))
    np.testing.assert_allclose(offsets.numpy(), expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(nn.decode_boxes(offsets, t(anchors)).numpy(), boxes, rtol=1e-12)
    with pytest.raises(rg.ShapeError, match=r"boxes \(9, 4\), anchors \(3, 4\) have different shapes"):
        nn.encode_boxes(t(boxes), t(anchors[:3]))


# ---------------------------------------------------------------- detectors
def test_yolo_only_the_best_box_answers_and_its_overlap_is_a_constant():
    x = leaf(np.zeros((1, 1, 1, 11)))
    x.data[..., :5] = t([0.5, 0.5, 0.4, 0.4, 0.3])
    x.data[..., 5:10] = t([0.5, 0.5, 0.1, 0.1, 0.2])
    y = t([[[[0.5, 0.5, 0.4, 0.1, 1.0, 1.0]]]])  # IoU 1/4 with either: the first stays responsible
    loss = nn.YOLOLoss(2, 1)(x, y)
    size = (math.sqrt(0.4) - math.sqrt(0.1)) ** 2
    assert loss.item() == pytest.approx(5 * size + (0.3 - 0.25) ** 2 + 0.5 * 0.2**2 + 1)
    loss.backward()
    g = x.grad.numpy()[0, 0, 0]
    assert g[4] == pytest.approx(2 * (0.3 - 0.25)) and g[9] == pytest.approx(0.2)
    assert (g[5:9] == 0).all() and g[3] == pytest.approx(5 * (math.sqrt(0.4) - math.sqrt(0.1)) / math.sqrt(0.4))


def test_yolo_sizes_as_roots_and_negative_sizes(rng):
    x, y = rng.uniform(0.1, 0.9, (2, 3, 3, 8)), np.zeros((2, 3, 3, 8))
    y[:, 1, 1] = [0.5, 0.4, 0.3, 0.6, 1, 0, 1, 0]
    roots = x.copy()
    roots[..., 2:4] = np.sqrt(x[..., 2:4])
    plain, rooted = nn.YOLOLoss(1, 3)(t(x), t(y)), nn.YOLOLoss(1, 3, sqrt_sizes=True)(t(roots), t(y))
    assert rooted.item() == pytest.approx(plain.item(), rel=1e-12)
    x[:, 1, 1, 2] = -0.2
    shrunk = leaf(x)
    nn.YOLOLoss(1, 3)(shrunk, t(y)).backward()
    assert np.isfinite(shrunk.grad.numpy()).all() and (shrunk.grad[:, 1, 1, 2] < 0).all()  # it leads back above 0


def test_yolo_ignores_what_stands_in_cells_without_an_object(rng):
    x, y = t(rng.uniform(0.1, 0.9, (1, 2, 2, 8))), np.zeros((1, 2, 2, 8))
    wild = y.copy()
    wild[..., 2] = -3.0
    assert nn.YOLOLoss(1, 3)(x, t(wild)).item() == nn.YOLOLoss(1, 3)(x, t(y)).item()
    with pytest.raises(ValueError, match="object flag 2 at position"):
        nn.YOLOLoss(1, 3)(x, t(y + 2))
    with pytest.raises(
        rg.ShapeError, match=r"input \(N, S, S, 30\) and target \(N, S, S, 25\) are expected for 2 boxes"
    ):
        nn.YOLOLoss()(x, t(y))


def test_rpn_takes_anything_where_no_object_is(rng):
    labels = np.array([1, 0, -1])
    wanted = np.full((3, 4), np.nan)
    wanted[0] = 0.5
    offsets = leaf(rng.standard_normal((3, 4)))
    loss = nn.RPNLoss()(leaf([0.1, 0.2, 0.3]), offsets, t(labels), t(wanted))
    loss.backward()
    assert np.isfinite(loss.item()) and np.isfinite(offsets.grad.numpy()).all() and (offsets.grad[1:] == 0).all()
    nothing = nn.RPNLoss()(rg.zeros(3), rg.zeros(3, 4), rg.full((3,), -1), rg.zeros(3, 4))
    assert nothing.item() == 0
    with pytest.raises(rg.ShapeError, match=r"offsets have shape \(3, 3\) but the anchors ask for \(3, 4\)"):
        nn.RPNLoss()(rg.zeros(3), rg.zeros(3, 3), t(labels), rg.zeros(3, 3))
    with pytest.raises(ValueError, match="n_cls must be greater than 0"):
        nn.RPNLoss(n_cls=0)


def test_fast_rcnn_with_offsets_that_all_classes_share(rng):
    scores, offsets, wanted = (
        t(rng.standard_normal((4, 3))),
        rng.standard_normal((4, 4)),
        t(rng.standard_normal((4, 4))),
    )
    labels, each = t([0, 2, 1, 0]), np.repeat(offsets[:, None], 3, 1)
    shared, own = (nn.FastRCNNLoss(2.0)(scores, t(o), labels, wanted).item() for o in (offsets, each))
    assert shared == pytest.approx(own, rel=1e-13)
    with pytest.raises(rg.ShapeError, match=r"offsets \(4, 3, 4\) or \(4, 4\)"):
        nn.FastRCNNLoss()(scores, t(offsets[:2]), labels, wanted)
    with pytest.raises(rg.ShapeError, match=r"scores \(R, C\)"):
        nn.FastRCNNLoss()(scores[0], t(offsets), labels, wanted)
    with pytest.raises(IndexError, match="label 3 at position 1"):
        nn.FastRCNNLoss()(scores, t(offsets), t([0, 3, 1, 0]), wanted)
