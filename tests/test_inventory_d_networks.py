"""Losses of images, regions, sequences, networks and penalties: the facts of rows D5 to D9, under their numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import retrograd as rg
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


def cross_entropy(scores, y):
    return -np.log(softmax(scores))[np.arange(len(y)), y].mean()


# ---------------------------------------------------------------- D5: images
def gaussian_window():
    at = np.arange(11) - 5
    g = np.exp(-(at**2) / (2 * 1.5**2))
    return np.outer(g, g) / np.outer(g, g).sum()


def ssim_maps(x, y, span=1.0, k1=0.01, k2=0.03):
    """SSIM as published, window by window: the maps of l * cs and of cs of two images (H, W)."""
    w, c1, c2 = gaussian_window(), (k1 * span) ** 2, (k2 * span) ** 2
    shape = (x.shape[0] - 10, x.shape[1] - 10)
    both, cs = np.empty(shape), np.empty(shape)
    for i in range(shape[0]):
        for j in range(shape[1]):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            ma, mb = (w * a).sum(), (w * b).sum()
            va, vb, cab = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum(), (w * (a - ma) * (b - mb)).sum()
            cs[i, j] = (2 * cab + c2) / (va + vb + c2)
            both[i, j] = cs[i, j] * (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
    return both, cs


def test_d5_ssim_equals_the_published_definition(rng):
    x = rng.random((2, 3, 16, 20))
    y = np.clip(x + 0.2 * rng.standard_normal(x.shape), 0, 1)
    expected = [np.mean([ssim_maps(x[n, c], y[n, c])[0].mean() for c in range(3)]) for n in range(2)]
    np.testing.assert_allclose(nn.ssim(t(x), t(y), reduction="none").numpy(), expected, rtol=1e-11)
    assert nn.ssim(t(x * 255), t(y * 255), data_range=255).item() == pytest.approx(np.mean(expected), rel=1e-11)
    assert nn.SSIMLoss()(t(x), t(y)).item() == pytest.approx(1 - np.mean(expected), rel=1e-10)
    assert nn.ssim(t(x), t(x)).item() == pytest.approx(1, abs=1e-14)
    assert nn.ssim(t(x), t(y)).item() == pytest.approx(nn.ssim(t(y), t(x)).item(), rel=1e-14)  # symmetric


def test_d5_multi_scale_ssim_multiplies_the_scales(rng):
    x = rng.random((26, 25))
    y = np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1)
    weights = (0.4, 0.6)
    fine = ssim_maps(x, y)[1].mean()

    def half(a):
        a = np.pad(a, ((0, a.shape[0] % 2), (0, a.shape[1] % 2)), mode="symmetric")
        return (a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]) / 4

    coarse = ssim_maps(half(x), half(y))[0].mean()
    ours = nn.ms_ssim(t(x[None]), t(y[None]), weights=weights)
    assert ours.item() == pytest.approx(fine**0.4 * coarse**0.6, rel=1e-11)
    assert nn.MSSSIMLoss().weights == (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # the paper's
    big = t(rng.random((1, 1, 161, 161)))
    assert nn.MSSSIMLoss()(big, big).item() == pytest.approx(0, abs=1e-12)


def test_d5_total_variation(rng):
    x = rng.standard_normal((2, 3, 5, 6))
    down, right = np.diff(x, axis=2), np.diff(x, axis=3)
    expected = np.abs(down).sum((1, 2, 3)) + np.abs(right).sum((1, 2, 3))
    np.testing.assert_allclose(nn.total_variation(t(x), reduction="none").numpy(), expected, rtol=1e-13)
    assert nn.TotalVariationLoss()(rg.full((1, 4, 4), 0.3)).item() == 0  # nothing varies
    down, right = np.pad(down, ((0, 0), (0, 0), (0, 1), (0, 0))), np.pad(right, ((0, 0), (0, 0), (0, 0), (0, 1)))
    expected = np.sqrt(down**2 + right**2).sum((1, 2, 3))
    ours = nn.total_variation(t(x), isotropic=True, reduction="none")
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-13)


def test_d5_content_and_gram_matrix_style(rng):
    x, y = rng.standard_normal((2, 1, 3, 4, 5))
    assert nn.ContentLoss()(t(x), t(y)).item() == pytest.approx(((x - y) ** 2).sum() / 2, rel=1e-13)
    grams = []
    for maps in (x[0], y[0]):
        gram = np.zeros((3, 3))
        for i, j in itertools.product(range(3), repeat=2):
            gram[i, j] = (maps[i] * maps[j]).sum()
        grams.append(gram)
    np.testing.assert_allclose(nn.gram_matrix(t(x))[0].numpy(), grams[0], rtol=1e-12)
    expected = ((grams[0] - grams[1]) ** 2).sum() / (4 * 3**2 * 20**2)
    assert nn.StyleLoss()(t(x), t(y)).item() == pytest.approx(expected, rel=1e-12)
    # style does not see where things are, content does
    moved = x.reshape(1, 3, 20)[:, :, rng.permutation(20)].reshape(x.shape)
    assert nn.StyleLoss()(t(x), t(moved)).item() == pytest.approx(0, abs=1e-25)
    assert nn.ContentLoss()(t(x), t(moved)).item() > 1


# ---------------------------------------------------------------- D6: overlap
def masks(rng, n=2, c=3, pixels=12):
    p = softmax(rng.standard_normal((n, pixels, c))).transpose(0, 2, 1)
    return p, np.arange(n * pixels).reshape(n, pixels) % c


def test_d6_tversky_at_one_half_is_dice_and_at_one_is_jaccard(rng):
    p, y = masks(rng)
    for smooth in (0.0, 1.0):
        dice, half = nn.DiceLoss(smooth=smooth, reduction="none"), nn.TverskyLoss(0.5, 0.5, smooth=smooth)
        half.reduction = "none"
        np.testing.assert_allclose(half(t(p), t(y)).numpy(), dice(t(p), t(y)).numpy(), rtol=1e-13)
    whole, jaccard = nn.TverskyLoss(1.0, 1.0, smooth=0.0), nn.JaccardLoss(smooth=0.0)
    assert whole(t(p), t(y)).item() == pytest.approx(jaccard(t(p), t(y)).item(), rel=1e-13)


def test_d6_dice_of_hard_masks_is_the_f1_score_and_jaccard_scikit_learns(rng):
    metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    truth, guess = rng.integers(0, 3, (2, 40))
    hard = np.eye(3)[guess].T[None]
    f1 = metrics.f1_score(truth, guess, average=None)
    np.testing.assert_allclose(1 - nn.DiceLoss(smooth=0, reduction="none")(t(hard), t(truth[None])).numpy()[0], f1)
    jaccard = metrics.jaccard_score(truth, guess, average="macro")
    assert 1 - nn.JaccardLoss(smooth=0)(t(hard), t(truth[None])).item() == pytest.approx(jaccard)


def test_d6_generalised_dice_weighs_by_the_inverse_squared_size(rng):
    p, _ = masks(rng, 1, 3, 10)
    y = np.array([[0, 0, 0, 0, 0, 0, 0, 1, 1, 2]])
    one_hot = np.eye(3)[y].transpose(0, 2, 1)
    w = [1 / one_hot[0, k].sum() ** 2 for k in range(3)]
    above = sum(w[k] * (p[0, k] * one_hot[0, k]).sum() for k in range(3))
    below = sum(w[k] * (p[0, k] + one_hot[0, k]).sum() for k in range(3))
    assert nn.GeneralizedDiceLoss(smooth=0)(t(p), t(y)).item() == pytest.approx(1 - 2 * above / below, rel=1e-13)


def test_d6_iou_losses_of_boxes():
    a, b = leaf([[0.0, 0.0, 4.0, 4.0]]), t([[2.0, 2.0, 6.0, 6.0]])  # 4 of 28 in common
    assert nn.IoULoss(eps=0)(a, b).item() == pytest.approx(1 - 1 / 7)
    assert nn.IoULoss("log", eps=0)(a, b).item() == pytest.approx(math.log(7))
    assert nn.GIoULoss(eps=0)(a, b).item() == pytest.approx(1 - 1 / 7 + 8 / 36)
    apart = t([[9.0, 9.0, 10.0, 10.0]])
    for loss, moves in ((nn.IoULoss(), False), (nn.GIoULoss(), True)):  # what GIoU was made for
        a.grad = None
        loss(a, apart).backward()
        assert bool((a.grad != 0).any()) is moves


# ---------------------------------------------------------------- D7: CTC
def collapse(path):
    return tuple(k for k, _ in itertools.groupby(path) if k != 0)


@pytest.mark.parametrize("label", [(1,), (1, 2), (2, 2), (1, 2, 1)])
def test_d7_ctc_equals_the_sum_over_all_paths(label, rng):
    steps, classes = 5, 3
    logits = leaf(rng.standard_normal((steps, 1, classes)))
    p = softmax(logits.detach().numpy())[:, 0]
    paths = [path for path in itertools.product(range(classes), repeat=steps) if collapse(path) == label]
    weights = [math.prod(p[i, k] for i, k in enumerate(path)) for path in paths]
    loss = nn.CTCLoss(reduction="sum")(logits.log_softmax(2), t([label]), t([steps]), t([len(label)]))
    assert loss.item() == pytest.approx(-math.log(sum(weights)), rel=1e-12)
    # and so does the gradient: softmax minus the share of the paths that pass through each label
    loss.backward()
    passing = np.zeros((steps, classes))
    for path, weight in zip(paths, weights, strict=True):
        passing[np.arange(steps), path] += weight / sum(weights)
    np.testing.assert_allclose(logits.grad.numpy()[:, 0], p - passing, atol=1e-12)


def test_d7_ctc_in_log_space_survives_long_sequences():
    logp = rg.full((2000, 1, 50), -math.log(50), dtype=D)  # each path has probability 50^-2000: no float
    loss = nn.CTCLoss(reduction="sum")(logp, t([[1, 2, 3]]), t([2000]), t([3]))
    assert 0 < loss.item() < 2000 * math.log(50) and math.isfinite(loss.item())


# ---------------------------------------------------------------- D8: networks' own losses
def test_d8_capsule_margin_and_reconstruction(rng):
    v, x, r = rng.standard_normal((4, 5, 3)), rng.random((4, 28, 28)), rng.random((4, 28, 28))
    y = np.array([0, 4, 2, 2])
    total = 0.0
    for i in range(4):
        for c in range(5):
            length = np.linalg.norm(v[i, c])
            total += max(0, 0.9 - length) ** 2 if c == y[i] else 0.5 * max(0, length - 0.1) ** 2
    assert nn.CapsuleMarginLoss()(t(v), t(y)).item() == pytest.approx(total / 4, rel=1e-12)
    whole = nn.CapsuleLoss()(t(v), t(y), t(r), t(x)).item()
    assert whole == pytest.approx(total / 4 + 0.392 * ((r - x) ** 2).mean(), rel=1e-12)  # 0.0005 * 784


def test_d8_gan_minimax_value_of_the_best_discriminator(rng):
    """For D = p / (p + q) the value of the game is 2 JSD(p, q) - log 4; -log 4 for equal distributions."""
    p, q = softmax(rng.standard_normal((2, 6)))
    scores = np.log(p / q)  # the logit of p / (p + q)
    game, sure = nn.MinimaxGANLoss(reduction="none"), rg.full((6,), 1e3, dtype=D)
    of_data, of_samples = game.discriminator(t(scores), -sure), game.discriminator(sure, t(scores))  # one part each
    value = -(of_data.numpy() * p).sum() - (of_samples.numpy() * q).sum()
    mean = (p + q) / 2
    jsd = ((p * np.log(p / mean)).sum() + (q * np.log(q / mean)).sum()) / 2
    assert value == pytest.approx(2 * jsd - math.log(4), rel=1e-12)
    assert nn.MinimaxGANLoss().discriminator(rg.zeros(3), rg.zeros(3)).item() == pytest.approx(math.log(4))


def test_d8_gan_the_non_saturating_form_keeps_its_gradient():
    """Where the discriminator rejects a sample surely the minimax gradient vanishes, the other is at its strongest."""
    gradients = []
    for loss in (nn.MinimaxGANLoss(), nn.NonSaturatingGANLoss()):
        score = leaf([-20.0])
        loss.generator(score).backward()
        gradients.append(score.grad.item())
    assert -1e-8 < gradients[0] < 0 and gradients[1] == pytest.approx(-1)


def test_d8_gradient_penalty_differentiates_the_gradient(rng):
    """For D(x) = w . x the penalty is (|w| - 1)^2, and its gradient 2 (|w| - 1) w / |w|: a second derivative of D."""
    w = leaf([3.0, 4.0])
    penalty = nn.GradientPenalty(weight=10.0)(lambda x: x @ w, t(rng.random((5, 2))), t(rng.random((5, 2))))
    penalty.backward()
    assert penalty.item() == pytest.approx(10 * (5 - 1) ** 2)
    np.testing.assert_allclose(w.grad.numpy(), 10 * 2 * 4 * np.array([0.6, 0.8]), rtol=1e-12)


def test_d8_mmd_equals_the_kernel_means(rng):
    kernels = pytest.importorskip("sklearn.metrics.pairwise", reason="compares with scikit-learn")
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((9, 3)) + 0.5
    k = lambda a, b: kernels.rbf_kernel(a, b, gamma=1 / (2 * 1.3**2))
    biased = k(x, x).mean() + k(y, y).mean() - 2 * k(x, y).mean()
    assert nn.MMDLoss(bandwidth=1.3)(t(x), t(y)).item() == pytest.approx(biased, rel=1e-12)
    unbiased = (
        (k(x, x).sum() - 12) / (12 * 11) + (k(y, y).sum() - 9) / (9 * 8) - 2 * k(x, y).mean()
    )  # k(x, x) = 1 left out
    assert nn.MMDLoss(bandwidth=1.3, unbiased=True)(t(x), t(y)).item() == pytest.approx(unbiased, rel=1e-11)
    linear = nn.MMDLoss(kernel="linear")(t(x), t(y)).item()
    assert linear == pytest.approx(((x.mean(0) - y.mean(0)) ** 2).sum(), rel=1e-12)
    assert nn.MMDLoss()(t(x), t(x)).item() == pytest.approx(0, abs=1e-15)
    assert nn.MMDLoss()(t(x), t(y + 2)).item() > nn.MMDLoss()(t(x), t(y)).item() > 0


def test_d8_distillation_at_a_high_temperature_matches_logits(rng):
    """Hinton et al.: for large T and centred logits the gradient of the soft part is (s - t) / C."""
    s, teacher = rng.standard_normal((2, 1, 5))
    s, teacher = s - s.mean(), teacher - teacher.mean()
    student = leaf(s)
    nn.DistillationLoss(temperature=1e4, alpha=1.0)(student, t(teacher)).backward()
    np.testing.assert_allclose(student.grad.numpy(), (s - teacher) / 5, rtol=1e-3)


def test_d8_distillation_mixes_soft_and_hard_answers(rng):
    s, teacher, y = rng.standard_normal((6, 4)), rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    p, q = softmax(teacher / 3), softmax(s / 3)
    soft = 9 * (p * np.log(p / q)).sum(1).mean()
    ours = nn.DistillationLoss(temperature=3.0, alpha=0.7)(t(s), t(teacher), t(y))
    assert ours.item() == pytest.approx(0.7 * soft + 0.3 * cross_entropy(s, y), rel=1e-12)


def test_d8_td_error_is_bellmans(rng):
    q, after = leaf(rng.standard_normal((5, 3))), leaf(rng.standard_normal((5, 3)))
    action, reward = rng.integers(0, 3, 5), rng.standard_normal(5)
    done = np.array([False, True, False, False, True])
    target = reward + 0.9 * np.where(done, 0, after.detach().numpy().max(1))
    own = q.detach().numpy()[np.arange(5), action]
    loss = nn.QLearningLoss(gamma=0.9, reduction="sum")(q, t(action), t(reward), after, t(done))
    assert loss.item() == pytest.approx(((target - own) ** 2).sum() / 2, rel=1e-12)
    loss.backward()
    expected = np.zeros((5, 3))
    expected[np.arange(5), action] = own - target  # a step of size 1 puts Q(s, a) onto Bellman's target
    np.testing.assert_allclose(q.grad.numpy(), expected, rtol=1e-12)
    assert after.grad is None


def yolo_loops(x, y, b, coord=5.0, noobj=0.5):
    """The published sum, cell by cell and box by box."""
    s, total = x.shape[0], 0.0

    def overlap(p, q):
        sides = []
        for k in (0, 1):
            low = max(p[k] / s - p[k + 2] / 2, q[k] / s - q[k + 2] / 2)
            sides.append(max(0.0, min(p[k] / s + p[k + 2] / 2, q[k] / s + q[k + 2] / 2) - low))
        shared = sides[0] * sides[1]
        return shared / (p[2] * p[3] + q[2] * q[3] - shared)

    for i, j in itertools.product(range(s), repeat=2):
        boxes, truth = x[i, j, : 5 * b].reshape(b, 5), y[i, j]
        scores = [overlap(box, truth) for box in boxes] if truth[4] else [0.0] * b
        best = int(np.argmax(scores)) if truth[4] else -1
        for k, box in enumerate(boxes):
            if k == best:
                total += coord * ((box[:2] - truth[:2]) ** 2).sum()
                total += coord * ((np.sqrt(box[2:4]) - np.sqrt(truth[2:4])) ** 2).sum() + (box[4] - scores[k]) ** 2
            else:
                total += noobj * box[4] ** 2
        if truth[4]:
            total += ((x[i, j, 5 * b :] - truth[5:]) ** 2).sum()
    return total


def test_d8_yolo_multi_part_loss(rng):
    b, c, s = 2, 3, 4
    x = rng.uniform(0.05, 0.95, (2, s, s, 5 * b + c))
    y = np.zeros((2, s, s, 5 + c))
    for n, i, j in ((0, 1, 2), (0, 3, 0), (1, 0, 0)):
        y[n, i, j, :5] = [*rng.uniform(0.2, 0.8, 4), 1]
        y[n, i, j, 5 + rng.integers(c)] = 1
    ours = nn.YOLOLoss(b, c, reduction="none")(t(x), t(y))
    np.testing.assert_allclose(ours.numpy(), [yolo_loops(x[n], y[n], b) for n in range(2)], rtol=1e-12)


def test_d8_rpn_multi_task_loss(rng):
    logits, offsets, wanted = rng.standard_normal((2, 7)), *(2 * rng.standard_normal((2, 2, 7, 4)))
    labels = rng.integers(-1, 2, (2, 7))
    cls = reg = 0.0
    for at in np.ndindex(2, 7):
        if labels[at] >= 0:
            p = 1 / (1 + math.exp(-logits[at]))
            cls -= math.log(p if labels[at] else 1 - p)
        if labels[at] == 1:
            d = np.abs(offsets[at] - wanted[at])
            reg += np.where(d < 1, d**2 / 2, d - 0.5).sum()
    loss = nn.RPNLoss(lambda_reg=10.0, n_cls=256, n_reg=2400)
    ours = loss(t(logits), t(offsets), t(labels), t(wanted)).item()
    assert ours == pytest.approx(cls / 256 + 10 * reg / 2400, rel=1e-12)
    sampled = (labels >= 0).sum()
    ours = nn.RPNLoss()(t(logits), t(offsets), t(labels), t(wanted)).item()
    assert ours == pytest.approx((cls + reg) / sampled, rel=1e-12)


def test_d8_fast_rcnn_multi_task_loss(rng):
    scores, offsets, wanted = (
        rng.standard_normal((4, 3)),
        2 * rng.standard_normal((4, 3, 4)),
        rng.standard_normal((4, 4)),
    )
    labels = np.array([0, 2, 1, 0])
    expected = cross_entropy(scores, labels)
    for i, u in enumerate(labels):
        if u >= 1:
            d = np.abs(offsets[i, u] - wanted[i])
            expected += np.where(d < 1, d**2 / 2, d - 0.5).sum() / 4
    assert nn.FastRCNNLoss()(t(scores), t(offsets), t(labels), t(wanted)).item() == pytest.approx(expected, rel=1e-12)


# ---------------------------------------------------------------- D9: penalties
def test_d9_l1_and_l2_penalties_and_their_gradients():
    w = leaf([3.0, -4.0, 0.0])
    nn.L1Penalty(0.5)(w).backward()
    np.testing.assert_array_equal(w.grad.numpy(), [0.5, -0.5, 0.0])  # lambda sign(w)
    w.grad = None
    l2 = nn.L2Penalty(0.5)(w)
    l2.backward()
    assert l2.item() == 0.5 / 2 * 25
    np.testing.assert_array_equal(w.grad.numpy(), [1.5, -2.0, 0.0])  # lambda w


def test_d9_l2_penalty_is_weight_decay_of_sgd(rng):
    runs = []
    for decay in (0.0, 0.1):
        rg.manual_seed(0)
        layer = nn.Linear(3, 2, dtype=D)
        step = rg.optim.SGD(layer.parameters(), lr=0.1, weight_decay=decay)
        x = t(np.random.default_rng(1).standard_normal((5, 3)))
        for _ in range(4):
            step.zero_grad()
            loss = (layer(x) ** 2).mean()
            (loss if decay else loss + nn.L2Penalty(0.1, biases=True)(layer)).backward()
            step.step()
        runs.append([p.detach().numpy() for p in layer.parameters()])
    for a, b in zip(*runs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_d9_attention_is_to_visit_every_place(rng):
    a = softmax(rng.standard_normal((2, 5, 4)))  # sums to 1 over the places at each of 5 steps
    expected = [sum((1 - sum(a[n, s, i] for s in range(5))) ** 2 for i in range(4)) for n in range(2)]
    np.testing.assert_allclose(nn.DoublyStochasticPenalty(reduction="none")(t(a)).numpy(), expected, rtol=1e-12)
    uniform = rg.full((1, 4, 4), 0.25)
    assert nn.DoublyStochasticPenalty()(uniform).item() == 0


def test_d9_activity_penalties(rng):
    a = rng.standard_normal((3, 4, 2))
    assert nn.ActivityPenalty(0.1)(t(a)).item() == pytest.approx(0.1 * np.abs(a).sum() / 3, rel=1e-12)
    assert nn.ActivityPenalty(0.1, p=2)(t(a)).item() == pytest.approx(0.1 * (a**2).sum() / 3, rel=1e-12)
    s = rng.uniform(0.05, 0.95, (6, 4))
    r = s.mean(0)
    kl = (0.1 * np.log(0.1 / r) + 0.9 * np.log(0.9 / (1 - r))).sum()
    assert nn.SparsityPenalty(rho=0.1, weight=3.0)(t(s)).item() == pytest.approx(3 * kl, rel=1e-12)
    assert nn.SparsityPenalty(rho=0.25)(rg.full((5, 3), 0.25, dtype=D)).item() == pytest.approx(0, abs=1e-15)
