"""Losses of classification and of distances: focal, hinge, angular margins, contrastive, triplets and their mining."""

from __future__ import annotations

import itertools
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
    return np.random.default_rng(3)


# ---------------------------------------------------------------- 0-1 and powers of the error
def test_zero_one_loss_takes_scores_or_classes(rng):
    scores, y = rng.standard_normal((6, 4, 3)), rng.integers(0, 4, (6, 3))
    wrong = scores.argmax(1) != y
    assert nn.zero_one_loss(t(scores), t(y)).item() == pytest.approx(wrong.mean())
    assert nn.zero_one_loss(t(scores.argmax(1)), t(y), reduction="sum").item() == wrong.sum()
    np.testing.assert_array_equal(nn.zero_one_loss(t(scores), t(y), reduction="none").numpy(), wrong)
    with pytest.raises(rg.ShapeError, match=r"labels have shape \(6, 2\) but the scores ask for \(6, 3\)"):
        nn.zero_one_loss(t(scores), t(y[:, :2]))
    with pytest.raises(rg.ShapeError, match=r"predictions \(6,\) and target \(6, 3\) do not fit"):
        nn.zero_one_loss(t(y[:, 0]), t(y))
    with pytest.raises(IndexError, match="label 4 at position"):
        nn.zero_one_loss(t(scores), t(y) + 4 * (t(y) == 0))


@pytest.mark.parametrize("q", [0.5, 1, 1.5, 2, 3])
def test_powers_of_no_error_have_no_gradient(q):
    x = leaf([1.0, 2.0])
    nn.LqLoss(q)(x, t([1.0, 5.0])).backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, -q * 3 ** (q - 1) / 2])
    for bad in (0, -1, math.nan):
        with pytest.raises(ValueError, match="q must be greater than 0"):
            nn.LqLoss(bad)


def test_rmse_of_an_exact_fit_has_the_gradient_zero():
    x = leaf([1.0, 2.0])
    loss = nn.RMSELoss()(x, t([1.0, 2.0]))
    loss.backward()
    assert loss.item() == 0
    np.testing.assert_array_equal(x.grad.numpy(), [0, 0])


# ---------------------------------------------------------------- focal
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_sigmoid_focal_loss_against_its_formula(alpha, gamma, rng):
    x, y = rng.standard_normal((5, 3)), rng.random((5, 3)).round()
    y[0] = 0.3  # a mixture, as in torchvision
    p = 1 / (1 + np.exp(-x))
    pt = p * y + (1 - p) * (1 - y)
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)) * (1 - pt) ** gamma
    if alpha is not None:
        expected *= alpha * y + (1 - alpha) * (1 - y)
    ours = nn.SigmoidFocalLoss(alpha, gamma, reduction="none")(t(x), t(y))
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12)


def test_focal_loss_against_its_formula(rng):
    x, y, w = rng.standard_normal((6, 4)), rng.integers(0, 4, 6), rng.uniform(0.5, 2, 4)
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    pt = p[np.arange(6), y]
    expected = -w[y] * (1 - pt) ** 2 * np.log(pt)
    loss = nn.FocalLoss(2.0, t(w))
    assert loss(t(x), t(y)).item() == pytest.approx(expected.sum() / w[y].sum(), rel=1e-12)
    one = nn.FocalLoss(2.0)(t(x[0]), t(y[0])).item()  # a single sample (C,)
    assert one == pytest.approx(expected[0] / w[y[0]], rel=1e-12)


def test_focal_losses_of_sure_answers_are_finite_with_their_gradients():
    """1 - p loses all its digits in float32 at a logit of 20, and is 0 at 200: neither may give 0 or NaN for the rest."""
    for gamma in (0.0, 0.5, 1.5, 2.0):
        for size in (20.0, 200.0):
            z = rg.tensor([size, -size, size], requires_grad=True)
            nn.SigmoidFocalLoss(None, gamma, "sum")(z, rg.tensor([1.0, 0.0, 0.0])).backward()
            assert np.isfinite(z.grad.numpy()).all() and z.grad[2].item() == pytest.approx(1, abs=1e-3)
            x = rg.tensor([[size, 0.0], [0.0, size]], requires_grad=True)
            nn.FocalLoss(gamma)(x, rg.tensor([0, 0])).backward()
            assert np.isfinite(x.grad.numpy()).all() and x.grad[1, 1].item() == pytest.approx(0.5, abs=1e-3)
    tiny = nn.SigmoidFocalLoss(None, 1.0)(rg.tensor([20.0]), rg.tensor([1.0])).item()
    assert tiny == pytest.approx(math.exp(-20) ** 2, rel=1e-4)


def test_focal_loss_refuses_what_it_cannot_use():
    x, y = rg.zeros(2, 4), rg.tensor([0, 1])
    with pytest.raises(ValueError, match="gamma must not be negative"):
        nn.FocalLoss(-1.0)
    with pytest.raises(ValueError, match=r"alpha must lie in \[0, 1\]"):
        nn.SigmoidFocalLoss(alpha=2.0)
    with pytest.raises(rg.ShapeError, match=r"weight has shape \(3,\); one for each of the 4 classes"):
        nn.FocalLoss(weight=rg.ones(3))(x, y)
    loss = nn.FocalLoss(weight=rg.ones(4))
    assert list(loss.state_dict()) == ["weight"] and repr(loss) == "FocalLoss(gamma=2.0, ignore_index=-100)"


# ---------------------------------------------------------------- hinge
def test_squared_hinge(rng):
    x, y = rng.standard_normal(9), np.where(rng.random(9) > 0.5, 1, -1)
    ours = nn.HingeLoss(margin=0.5, squared=True)(t(x), t(y)).item()
    assert ours == pytest.approx((np.maximum(0, 0.5 - y * x) ** 2).mean(), rel=1e-13)


def test_multi_class_hinge_of_one_sample_and_its_forms():
    x = t([1.0, 3.0, 2.5])
    assert nn.MultiClassHingeLoss()(x, t(0)).item() == pytest.approx(3 + 2.5)
    assert nn.MultiClassHingeLoss(form="max")(x, t(0)).item() == pytest.approx(3)
    assert nn.MultiClassHingeLoss(form="max")(x, t(1)).item() == pytest.approx(0.5)
    with pytest.raises(ValueError, match="form must be 'sum' or 'max', got 'all'"):
        nn.MultiClassHingeLoss(form="all")
    with pytest.raises(rg.ShapeError, match="at least 2 classes"):
        nn.MultiClassHingeLoss()(rg.zeros(3, 1), rg.zeros(3, dtype=rg.int64))


# ---------------------------------------------------------------- angular margins
def test_sphere_face_psi_falls_from_the_first_to_the_last_angle():
    theta = np.linspace(0, np.pi, 200)
    for m in (1, 2, 3, 4):
        loss = nn.SphereFaceLoss(2, 2, margin=m, dtype=D)
        loss.weight.data = rg.eye(2, dtype=D)
        x = t(np.stack([np.cos(theta), np.sin(theta)], 1))
        psi = loss.logits(x, rg.zeros(200, dtype=rg.int64))[:, 0].detach().numpy()
        assert psi[0] == pytest.approx(1) and psi[-1] == pytest.approx(1 - 2 * m)
        assert (np.diff(psi) < 1e-12).all() and np.abs(np.diff(psi)).max() < 0.1  # no jump between the pieces


def test_sphere_face_annealing_mixes_in_the_plain_cosine(rng):
    x, y = t(rng.standard_normal((5, 3))), t(rng.integers(0, 4, 5))
    loss = nn.SphereFaceLoss(3, 4, margin=3, dtype=D)
    hard, plain = loss.logits(x, y), loss.logits(x)
    loss.annealing = 5.0
    np.testing.assert_allclose(
        loss.logits(x, y).detach().numpy(), ((5 * plain + hard) / 6).detach().numpy(), rtol=1e-12
    )


def test_arc_face_goes_on_falling_beyond_pi():
    theta = np.linspace(0, np.pi, 100)
    x, y = t(np.stack([np.cos(theta), np.sin(theta)], 1)), rg.zeros(100, dtype=rg.int64)
    for easy in (False, True):
        loss = nn.ArcFaceLoss(2, 2, scale=1.0, margin=0.5, easy_margin=easy, dtype=D)
        loss.weight.data = rg.eye(2, dtype=D)
        scores = loss.logits(x, y)[:, 0].detach().numpy()
        if easy:
            expected = np.where(theta < np.pi / 2, np.cos(theta + 0.5), np.cos(theta))
        else:
            expected = np.where(theta + 0.5 < np.pi, np.cos(theta + 0.5), np.cos(theta) - 0.5 * np.sin(0.5))
            assert (np.diff(scores) < 1e-9).all()
        np.testing.assert_allclose(scores, expected, atol=2e-6)


@pytest.mark.parametrize("kind", [nn.CosFaceLoss, nn.ArcFaceLoss, nn.SphereFaceLoss])
def test_angular_losses_as_modules(kind):
    rg.manual_seed(0)
    loss = kind(3, 4)
    assert list(loss.state_dict()) == ["weight"] and loss.weight.dtype is rg.float32
    other = kind(3, 4)
    other.load_state_dict(loss.state_dict())
    x = rg.tensor([[1.0, 0.0, 0.0]]) * rg.tensor([[2.0], [0.5]])  # the same direction at two lengths
    y = rg.tensor([1, 1])
    assert other(x, y).item() == loss(x, y).item()
    before = loss.weight.detach().clone()
    loss.reset_parameters()
    assert (before != loss.weight).all()
    scores = loss.logits(x).detach()
    assert bool((scores[0] == scores[1]).all()) is (kind is not nn.SphereFaceLoss)  # it keeps the embedding's length
    # embeddings that lie on a class's direction, where the angle has no derivative, and at the origin
    at = rg.cat([loss.weight.detach()[:1], rg.zeros(1, 3)]).requires_grad_()
    loss(at, rg.tensor([0, 1])).backward()
    assert np.isfinite(at.grad.numpy()).all() and np.isfinite(loss.weight.grad.numpy()).all()
    with pytest.raises(rg.ShapeError, match=r"embeddings \(N, 3\) are expected, got \(2, 5\)"):
        loss(rg.zeros(2, 5), y)
    assert "embedding_dim=3, num_classes=4" in repr(loss)


def test_angular_settings_are_checked():
    with pytest.raises(ValueError, match="scale must be greater than 0"):
        nn.CosFaceLoss(3, 4, scale=0.0)
    with pytest.raises(ValueError, match="an angle in radians"):
        nn.ArcFaceLoss(3, 4, margin=28.6)
    with pytest.raises(ValueError, match="integer of at least 1, got 1.5"):
        nn.SphereFaceLoss(3, 4, margin=1.5)
    with pytest.raises(ValueError, match="num_classes must be greater than 0"):
        nn.CosFaceLoss(3, 0)


def test_arc_face_training_parts_the_classes(rng):
    rg.manual_seed(1)
    x, y = t(rng.standard_normal((30, 2)) * 0.3), t(np.arange(30) % 3)
    x = x + rg.stack([rg.tensor([math.cos(2 * k), math.sin(2 * k)]) for k in range(3)]).to(D)[y]
    loss = nn.ArcFaceLoss(2, 3, scale=8.0, margin=0.3, dtype=D)
    step = rg.optim.Adam(loss.parameters(), lr=0.1)
    for _ in range(60):
        step.zero_grad()
        loss(x, y).backward()
        step.step()
    assert nn.zero_one_loss(loss.logits(x), y).item() < 0.1


# ---------------------------------------------------------------- pairs and triplets
def test_contrastive_pairs_at_one_place_have_no_gradient_and_far_ones_none():
    a = leaf([[1.0, 2.0], [1.0, 2.0], [9.0, 9.0]])
    loss = nn.ContrastiveLoss(reduction="none")(a, t([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]]), t([1, 0, 0]))
    np.testing.assert_array_equal(loss.detach().numpy(), [0, 0.5, 0])
    loss.sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), np.zeros((3, 2)))
    single = nn.ContrastiveLoss(margin=2.0)(t([0.0, 1.0]), t([0.0, 0.0]), t(0)).item()
    assert single == pytest.approx(0.5)
    with pytest.raises(rg.ShapeError, match=r"inputs \(N, D\) with target \(N,\)"):
        nn.ContrastiveLoss()(a, a, rg.zeros(3, 1))


def test_squared_triplets_on_the_sphere(rng):
    a, p, n = rng.standard_normal((3, 6, 4))
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, p, n)]
    expected = np.maximum(0, ((unit[0] - unit[1]) ** 2).sum(1) - ((unit[0] - unit[2]) ** 2).sum(1) + 0.2)
    ours = nn.SquaredTripletLoss(normalize=True, reduction="none")(t(a), t(p), t(n))
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-11)


def semi_hard_loops(d, y):
    found = []
    for a, p in itertools.permutations(range(len(y)), 2):
        others = [n for n in range(len(y)) if y[n] != y[a]]
        if y[a] != y[p] or not others:
            continue
        beyond = [n for n in others if d[a, n] > d[a, p]]
        n = min(beyond, key=lambda k: d[a, k]) if beyond else max(others, key=lambda k: d[a, k])
        found.append((a, p, n))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_semi_hard_triplets_equal_a_search(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((14, 2)), rng.integers(0, 4, 14)
    d = np.linalg.norm(x[:, None] - x[None], axis=2)
    ours = [v.tolist() for v in nn.semi_hard_triplets(t(d), t(y))]
    expected = semi_hard_loops(d, y)
    assert list(zip(*ours, strict=True)) == expected
    hinge = np.array([max(0.0, d[a, p] ** 2 - d[a, n] ** 2 + 0.2) for a, p, n in expected])
    loss = nn.BatchTripletLoss(0.2, "semi-hard", "squared")(t(x), t(y))
    assert loss.item() == pytest.approx(hinge.mean(), rel=1e-9)


def test_a_negative_as_far_as_the_positive_is_not_beyond_it():
    x = t([[0.0], [2.0], [-2.0], [3.0]])
    a, p, n = nn.semi_hard_triplets(rg.cdist(x, x), t([0, 0, 1, 2]))
    assert (a.tolist(), p.tolist(), n.tolist()) == ([0, 1], [1, 0], [3, 2])


@pytest.mark.parametrize("mining", ["hard", "semi-hard"])
def test_batches_without_a_triplet(mining):
    x = leaf(np.arange(6.0).reshape(3, 2))
    for labels in ([0, 0, 0], [0, 1, 2]):  # nobody to part from; nobody to belong to
        loss = nn.BatchTripletLoss(mining=mining)(x, t(labels))
        loss.backward()
        assert loss.item() == 0
    np.testing.assert_array_equal(x.grad.numpy(), 0)
    assert nn.BatchTripletLoss(mining=mining, reduction="none")(x, t([0, 1, 2])).shape == (0,)


def test_lone_members_are_no_anchors():
    x = t([[0.0], [1.0], [5.0]])
    a, p, n = nn.batch_hard_triplets(rg.cdist(x, x), t([7, 7, 3]))
    assert (a.tolist(), p.tolist(), n.tolist()) == ([0, 1], [1, 0], [2, 2])


def test_soft_margin_triplets(rng):
    x, y = rng.standard_normal((8, 3)), np.arange(8) % 2
    d = np.linalg.norm(x[:, None] - x[None], axis=2)
    same = y[:, None] == y[None]
    far = np.where(same, d, -1).max(1)
    near = np.where(same, np.inf, d).min(1)
    loss = nn.BatchTripletLoss("soft")(t(x), t(y))
    assert loss.item() == pytest.approx(np.log1p(np.exp(far - near)).mean(), rel=1e-12)


def test_collapsed_embeddings_have_a_finite_gradient():
    x = rg.zeros(4, 3, requires_grad=True)
    loss = nn.BatchTripletLoss(0.2)(x, t([0, 0, 1, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(0.2) and np.isfinite(x.grad.numpy()).all()


def test_batch_triplet_settings_are_checked():
    for wrong, message in (
        ({"mining": "all"}, "mining must be"), ({"distance": "cosine"}, "distance must be"),
        ({"margin": "hard"}, "a number or 'soft'"), ({"margin": 0.0}, "margin must be greater than 0"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            nn.BatchTripletLoss(**wrong)
    with pytest.raises(rg.ShapeError, match=r"labels have shape \(3,\) but there are 4 embeddings"):
        nn.BatchTripletLoss()(rg.zeros(4, 2), t([0, 1, 1]))
    with pytest.raises(rg.ShapeError, match=r"embeddings \(B, D\) are expected, got \(4,\)"):
        nn.BatchTripletLoss()(rg.zeros(4), t([0, 1, 1, 1]))
    with pytest.raises(TypeError, match="labels are float32"):
        nn.BatchTripletLoss()(rg.zeros(4, 2), rg.zeros(4))


def test_hard_negative_mask_takes_the_largest_losses_of_each_image(rng):
    losses, positive = rng.random((3, 20)), rng.random((3, 20)) < 0.15
    positive[2] = False
    mask = nn.hard_negative_mask(t(losses), t(positive), ratio=3.0, minimum=2).numpy()
    for i in range(3):
        wanted = max(3 * positive[i].sum(), 2)
        negatives = sorted(np.flatnonzero(~positive[i]), key=lambda k: -losses[i, k])[:wanted]
        assert set(np.flatnonzero(mask[i])) == {*negatives, *np.flatnonzero(positive[i])}
    assert nn.hard_negative_mask(t(losses), t(np.ones((3, 20), dtype=bool))).all()
    with pytest.raises(TypeError, match="a mask of bool"):
        nn.hard_negative_mask(t(losses), t(losses))
    with pytest.raises(rg.ShapeError, match="must have one shape"):
        nn.hard_negative_mask(t(losses), t(positive[0]))
