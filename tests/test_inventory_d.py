"""Losses, row by row: the facts that the source documents and the papers state (D1 to D4), under their numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F
from retrograd import nn

D = rg.float64


def leaf(a):
    return rg.tensor(np.asarray(a, dtype=np.float64), requires_grad=True)


def t(a):
    return rg.tensor(np.asarray(a))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# ---------------------------------------------------------------- D1: regression, 0-1
def test_d1_lq_has_mae_and_mse_as_special_cases(rng):
    x, y = rng.standard_normal((2, 5, 3))
    for q, special in ((1, nn.L1Loss), (2, nn.MSELoss)):
        for reduction in ("mean", "sum", "none"):
            ours, known = nn.LqLoss(q, reduction)(t(x), t(y)), special(reduction=reduction)(t(x), t(y))
            np.testing.assert_allclose(ours.numpy(), known.numpy(), rtol=1e-14)
    for q in (0.5, 1, 1.5, 2, 3):  # 1/N sum_i sum_j |y_ij - f_ij|^q
        expected = sum(abs(y[i, j] - x[i, j]) ** q for i in range(5) for j in range(3)) / 5
        assert nn.LqLoss(q, "batchmean")(t(x), t(y)).item() == pytest.approx(expected, rel=1e-13)


def test_d1_regression_losses_against_their_formulas(rng):
    x, y = rng.standard_normal((2, 40)) * 2
    d = np.abs(x - y)
    cases = {
        nn.MSELoss(): np.mean(d**2),
        nn.L1Loss(): np.mean(d),
        nn.RMSELoss(): math.sqrt(np.mean(d**2)),
        nn.HuberLoss(delta=1.5): np.mean(np.where(d <= 1.5, d**2 / 2, 1.5 * (d - 0.75))),
        nn.SmoothL1Loss(beta=0.5): np.mean(np.where(d < 0.5, d**2, d - 0.25)),
    }
    for loss, expected in cases.items():
        assert loss(t(x), t(y)).item() == pytest.approx(expected, rel=1e-13), loss


def test_d1_huber_is_quadratic_near_and_linear_far():
    x = leaf([0.25, 5.0, -7.0])
    nn.HuberLoss(delta=1.0, reduction="sum")(x, rg.zeros(3, dtype=D)).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.25, 1.0, -1.0])


def test_d1_rmse_and_zero_one_equal_scikit_learn(rng):
    metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    x, y = rng.standard_normal((2, 30, 4))
    columns = metrics.root_mean_squared_error(y, x, multioutput="raw_values")
    np.testing.assert_allclose(nn.RMSELoss(dim=0, reduction="none")(t(x), t(y)).numpy(), columns, rtol=1e-13)
    assert nn.RMSELoss(dim=0)(t(x), t(y)).item() == pytest.approx(metrics.root_mean_squared_error(y, x))
    scores, labels = rng.standard_normal((50, 4)), rng.integers(0, 4, 50)
    assert nn.zero_one_loss(t(scores), t(labels)).item() == pytest.approx(
        metrics.zero_one_loss(labels, scores.argmax(1))
    )
    assert not nn.zero_one_loss(leaf(scores), t(labels)).requires_grad  # it is flat: a metric, not an objective


# ---------------------------------------------------------------- D2: classification
def test_d2_cross_entropy_of_indices_with_weights_ignored_labels_and_smoothing(rng):
    x, w = rng.standard_normal((6, 4)), rng.uniform(0.5, 2, 4)
    y, e = np.array([0, 3, -100, 1, 1, 2]), 0.1
    logp = np.log(softmax(x))
    above = below = 0.0
    for i, label in enumerate(y):
        if label != -100:
            above += -(1 - e) * w[label] * logp[i, label] - e / 4 * (w * logp[i]).sum()
            below += w[label]
    loss = nn.CrossEntropyLoss(t(w), label_smoothing=e)
    assert loss(t(x), t(y)).item() == pytest.approx(above / below, rel=1e-13)


def test_d2_cross_entropy_of_probabilities_and_its_gradient(rng):
    x, p = leaf(rng.standard_normal((6, 4))), softmax(rng.standard_normal((6, 4)))
    loss = nn.CrossEntropyLoss()(x, t(p))
    q = softmax(x.detach().numpy())
    assert loss.item() == pytest.approx(-(p * np.log(q)).sum(1).mean(), rel=1e-13)
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), (q - p) / 6, atol=1e-15)  # softmax minus target


def test_d2_cross_entropy_is_log_softmax_and_nll(rng):
    x, y = t(rng.standard_normal((6, 4, 2))), t(rng.integers(0, 4, (6, 2)))
    both = nn.NLLLoss()(nn.LogSoftmax(dim=1)(x), y)
    assert nn.CrossEntropyLoss()(x, y).item() == pytest.approx(both.item(), rel=1e-14)


def test_d2_binary_forms_agree_and_pos_weight_acts_on_the_ones(rng):
    x, y = rng.standard_normal((2, 5, 3))
    y = (y > 0).astype(float)
    p = 1 / (1 + np.exp(-x))
    plain = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert nn.BCELoss()(t(p), t(y)).item() == pytest.approx(plain.mean(), rel=1e-12)
    assert nn.BCEWithLogitsLoss()(t(x), t(y)).item() == pytest.approx(plain.mean(), rel=1e-12)
    w = np.array([2.0, 0.5, 3.0])
    weighted = -(w * y * np.log(p) + (1 - y) * np.log(1 - p))
    assert nn.BCEWithLogitsLoss(pos_weight=t(w))(t(x), t(y)).item() == pytest.approx(weighted.mean(), rel=1e-12)
    # several labels for a sample: the same, averaged over the classes
    assert nn.MultiLabelSoftMarginLoss()(t(x), t(y)).item() == pytest.approx(plain.mean(1).mean(), rel=1e-12)


def test_d2_kl_divergence_is_cross_entropy_minus_entropy(rng):
    p, q = softmax(rng.standard_normal((2, 5, 4)))
    divergence = nn.KLDivLoss(reduction="batchmean")(t(np.log(q)), t(p)).item()
    assert divergence == pytest.approx((-(p * np.log(q)).sum() + (p * np.log(p)).sum()) / 5, rel=1e-12)
    assert nn.KLDivLoss(reduction="sum")(t(np.log(p)), t(p)).item() == pytest.approx(0, abs=1e-12)
    assert divergence > 0


# ---------------------------------------------------------------- D3: focal, hinge, margins
def test_d3_focal_loss_without_focus_is_cross_entropy(rng):
    x, w = leaf(rng.standard_normal((6, 4, 2))), t(rng.uniform(0.5, 2, 4))
    y = rng.integers(0, 4, (6, 2))
    y[0, 0] = -100
    for reduction in ("mean", "sum", "none"):
        focal, plain = nn.FocalLoss(0.0, w, reduction=reduction), nn.CrossEntropyLoss(w, reduction=reduction)
        np.testing.assert_allclose(focal(x, t(y)).detach().numpy(), plain(x, t(y)).detach().numpy(), rtol=1e-14)
    z, ones = t(rng.standard_normal(9)), t((rng.random(9) > 0.5).astype(float))
    binary = nn.SigmoidFocalLoss(alpha=None, gamma=0.0)(z, ones)
    assert binary.item() == pytest.approx(nn.BCEWithLogitsLoss()(z, ones).item(), rel=1e-14)


def test_d3_focal_loss_counts_sure_samples_less():
    """The paper: with gamma = 2 a sample of p = 0.9 costs 100 times less than under cross-entropy, of 0.968 1000 times."""
    for p, factor in ((0.9, 100), (0.968, 1000)):
        x, y = t([math.log(p / (1 - p))]), t([1.0])
        ratio = nn.BCEWithLogitsLoss()(x, y) / nn.SigmoidFocalLoss(alpha=None)(x, y)
        assert ratio.item() == pytest.approx(factor, rel=0.03)


def test_d3_multi_class_hinge_sums_the_violations(rng):
    x, y = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    expected = sum(max(0.0, x[i, j] - x[i, y[i]] + 1) for i in range(6) for j in range(4) if j != y[i]) / 6
    ours = nn.MultiClassHingeLoss()(t(x), t(y)).item()
    assert ours == pytest.approx(expected, rel=1e-13)
    assert ours == pytest.approx(4 * nn.MultiMarginLoss()(t(x), t(y)).item(), rel=1e-13)


def test_d3_hinge_losses_equal_scikit_learn(rng):
    hinge = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn").hinge_loss
    x, y = rng.standard_normal(20), np.where(rng.random(20) > 0.5, 1, -1)
    assert nn.HingeLoss()(t(x), t(y)).item() == pytest.approx(hinge(y, x), rel=1e-13)
    scores, labels = rng.standard_normal((20, 3)), np.arange(20) % 3
    assert nn.MultiClassHingeLoss(form="max")(t(scores), t(labels)).item() == pytest.approx(hinge(labels, scores))


def test_d3_perceptron_criterion_gives_rosenblatts_rule(rng):
    w, x, y = leaf(rng.standard_normal(3)), rng.standard_normal((8, 3)), np.where(rng.random(8) > 0.5, 1.0, -1.0)
    nn.PerceptronLoss(reduction="sum")(t(x) @ w, t(y)).backward()
    wrong = y * (x @ w.detach().numpy()) < 0
    np.testing.assert_allclose(-w.grad.numpy(), (y[wrong, None] * x[wrong]).sum(0), rtol=1e-13)
    assert 0 < wrong.sum() < 8


def test_d3_multi_label_and_soft_margins(rng):
    x = rng.standard_normal(4)
    labels, others = [3, 0], [1, 2]
    expected = sum(max(0.0, 1 - (x[y] - x[i])) for y in labels for i in others) / 4
    assert nn.MultiLabelMarginLoss()(t(x), t([3, 0, -1, 1])).item() == pytest.approx(expected, rel=1e-13)
    y = np.array([1.0, -1.0, -1.0, 1.0])
    assert nn.SoftMarginLoss()(t(x), t(y)).item() == pytest.approx(np.log1p(np.exp(-y * x)).mean(), rel=1e-13)


# ---------------------------------------------------------------- D4: metric learning
def test_d4_triplet_loss_in_both_formulas(rng):
    a, p, n = rng.standard_normal((3, 7, 4))
    near, far = np.linalg.norm(a - p, axis=1), np.linalg.norm(a - n, axis=1)
    squared = nn.SquaredTripletLoss(margin=0.5, reduction="none")(t(a), t(p), t(n))
    np.testing.assert_allclose(squared.numpy(), np.maximum(0, near**2 - far**2 + 0.5), rtol=1e-12)
    # max(|a - p| - |a - n|, -xi) is the form of plain distances, up to the constant xi
    xi = 0.5
    plain = nn.TripletMarginLoss(margin=xi, eps=0.0, reduction="none")(t(a), t(p), t(n))
    np.testing.assert_allclose(plain.numpy() - xi, np.maximum(near - far, -xi), rtol=1e-12)
    assert 0 < (squared.numpy() > 0).sum() < 7


def test_d4_pairs(rng):
    a, b = rng.standard_normal((2, 6, 3))
    y = np.array([1, 1, 1, -1, -1, -1])
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    expected = np.where(y == 1, 1 - cosine, np.maximum(0, cosine - 0.1)).mean()
    assert nn.CosineEmbeddingLoss(margin=0.1)(t(a), t(b), t(y)).item() == pytest.approx(expected, rel=1e-9)
    u, v = a[:, 0], b[:, 0]
    expected = np.maximum(0, -y * (u - v) + 0.3).mean()
    assert nn.MarginRankingLoss(margin=0.3)(t(u), t(v), t(y)).item() == pytest.approx(expected, rel=1e-12)
    d = np.linalg.norm(a - b, axis=1)
    expected = np.where(y == 1, d**2 / 2, np.maximum(0, 3 - d) ** 2 / 2).mean()
    ours = nn.ContrastiveLoss(margin=3.0)(t(a), t(b), t((y + 1) // 2))
    assert ours.item() == pytest.approx(expected, rel=1e-12)


def angles(x, w):
    cosine = (x @ w.T) / np.linalg.norm(x, axis=1, keepdims=True) / np.linalg.norm(w, axis=1)
    return np.arccos(np.clip(cosine, -1, 1))


def cross_entropy(scores, y):
    return -np.log(softmax(scores))[np.arange(len(y)), y].mean()


ANGULAR = {
    "CosFace": (nn.CosFaceLoss, {"scale": 8.0, "margin": 0.35}, lambda th: np.cos(th) - 0.35, 8.0),
    "ArcFace": (nn.ArcFaceLoss, {"scale": 8.0, "margin": 0.5}, lambda th: np.cos(th + 0.5), 8.0),
    "SphereFace": (
        nn.SphereFaceLoss,
        {"margin": 4},
        lambda th: (-1) ** np.floor(4 * th / np.pi) * np.cos(4 * th) - 2 * np.floor(4 * th / np.pi),
        None,
    ),
}


@pytest.mark.parametrize("name", ANGULAR)
def test_d4_angular_margins(name, rng):
    kind, settings, margin, scale = ANGULAR[name]
    loss = kind(3, 5, **settings, dtype=D)
    x, y = rng.standard_normal((9, 3)), rng.integers(0, 5, 9)
    theta = angles(x, loss.weight.detach().numpy())
    own = np.arange(9), y
    if name == "ArcFace":  # in the range where the cosine of the sum falls
        keep = theta[own] + 0.5 < np.pi
        x, y, theta, own = x[keep], y[keep], theta[keep], (np.arange(keep.sum()), y[keep])
    scores = np.cos(theta)
    plain = scores.copy()
    scores[own] = margin(theta[own])
    assert (scores[own] < plain[own]).all()  # a margin makes the right class harder to reach
    size = np.linalg.norm(x, axis=1, keepdims=True) if scale is None else scale
    assert loss(t(x), t(y)).item() == pytest.approx(cross_entropy(size * scores, y), rel=1e-9)
    np.testing.assert_allclose(loss.logits(t(x)).detach().numpy(), size * plain, rtol=1e-9)
    assert [p.shape for p in loss.parameters()] == [(5, 3)]  # the classes' directions are learned


def test_d4_no_margin_is_normalized_softmax(rng):
    x, y = t(rng.standard_normal((9, 3))), t(rng.integers(0, 5, 9))
    losses = [
        nn.CosFaceLoss(3, 5, scale=2.0, margin=0.0, dtype=D),
        nn.ArcFaceLoss(3, 5, scale=2.0, margin=0.0, dtype=D),
        nn.SphereFaceLoss(3, 5, margin=1, dtype=D),
    ]
    for loss in losses:
        assert loss(x, y).item() == pytest.approx(F.cross_entropy(loss.logits(x), y).item(), rel=1e-12), loss


def test_d4_hard_negatives_are_the_nearest_and_positives_the_furthest(rng):
    x, y = rng.standard_normal((12, 3)), np.arange(12) % 4
    d = np.linalg.norm(x[:, None] - x[None], axis=2)
    expected = []
    for a in range(12):
        positive = max(d[a, p] for p in range(12) if y[p] == y[a] and p != a)
        negative = min(d[a, n] for n in range(12) if y[n] != y[a])
        expected.append(max(0.0, positive - negative + 0.5))
    ours = nn.BatchTripletLoss(margin=0.5, reduction="none")(t(x), t(y))
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12)
    # no triplet of the batch is harder for an anchor than its own
    a, p, n = nn.batch_hard_triplets(t(d), t(y))
    np.testing.assert_array_equal(a.numpy(), np.arange(12))
    assert (y[p.numpy()] == y).all() and (y[n.numpy()] != y).all() and (p.numpy() != np.arange(12)).all()
