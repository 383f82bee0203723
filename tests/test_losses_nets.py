"""Losses of particular networks (capsules, GANs, moment matching, distillation, agents) and penalties."""

from __future__ import annotations

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
    return np.random.default_rng(7)


# ---------------------------------------------------------------- capsules
def test_capsules_vectors_lengths_and_several_labels(rng):
    v = rng.standard_normal((3, 4, 5)) / 2
    y = np.array([3, 0, 0])
    lengths, many = np.linalg.norm(v, axis=2), np.eye(4)[y]
    loss = nn.CapsuleMarginLoss(reduction="none")
    for other in (loss(t(lengths), t(y)), loss(t(v), t(many)), loss(t(v), t(many.astype(bool)))):
        np.testing.assert_allclose(other.numpy(), loss(t(v), t(y)).numpy(), rtol=1e-12)
    many[0, 1] = 1  # two digits on top of each other
    extra = max(0, 0.9 - lengths[0, 1]) ** 2 - 0.5 * max(0, lengths[0, 1] - 0.1) ** 2
    assert (loss(t(v), t(many)) - loss(t(v), t(y)))[0].item() == pytest.approx(extra, rel=1e-10)


def test_a_capsule_of_length_zero_has_a_finite_gradient():
    v = leaf(np.zeros((1, 2, 3)))
    nn.CapsuleMarginLoss()(v, t([0])).backward()
    assert (v.grad == 0).all()


def test_capsule_shapes_are_checked():
    loss = nn.CapsuleLoss()
    with pytest.raises(rg.ShapeError, match=r"capsules \(N, C, D\) or lengths \(N, C\)"):
        loss(rg.zeros(4), t([0]), rg.zeros(1, 2), rg.zeros(1, 2))
    with pytest.raises(rg.ShapeError, match="1 samples of capsules but reconstructions of shape"):
        loss(rg.zeros(1, 4), t([0]), rg.zeros(2, 2), rg.zeros(2, 2))
    with pytest.raises(rg.ShapeError, match=r"reconstruction \(1, 2\), images \(1, 3\) have different shapes"):
        loss(rg.zeros(1, 4), t([0]), rg.zeros(1, 2), rg.zeros(1, 3))
    with pytest.raises(rg.ShapeError, match=r"lengths \(1, 4\), target \(1, 3\)"):
        nn.CapsuleMarginLoss()(rg.zeros(1, 4), rg.zeros(1, 3))


# ---------------------------------------------------------------- GANs
def test_gan_losses_against_their_formulas(rng):
    r, f = rng.standard_normal((2, 8)) * 3
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    cases = {
        nn.MinimaxGANLoss(): (
            -np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean(),
            np.log(1 - sigmoid(f)).mean(),
        ),
        nn.NonSaturatingGANLoss(0.1): (
            -(0.9 * np.log(sigmoid(r)) + 0.1 * np.log(1 - sigmoid(r))).mean() - np.log(1 - sigmoid(f)).mean(),
            -np.log(sigmoid(f)).mean(),
        ),
        nn.LeastSquaresGANLoss(-1, 1, 0): (((r - 1) ** 2).mean() / 2 + ((f + 1) ** 2).mean() / 2, (f**2).mean() / 2),
        nn.WassersteinGANLoss(): (f.mean() - r.mean(), -f.mean()),
        nn.HingeGANLoss(): (np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(), -f.mean()),
    }
    for loss, (discriminator, generator) in cases.items():
        assert loss.discriminator(t(r), t(f)).item() == pytest.approx(discriminator, rel=1e-10), loss
        assert loss.generator(t(f)).item() == pytest.approx(generator, rel=1e-10), loss
        assert loss(t(f), t(r)).item() == loss.discriminator(t(r), t(f)).item()
        assert loss(t(f)).item() == loss.generator(t(f)).item()


def test_gan_losses_stay_finite_for_sure_discriminators():
    for loss in (nn.MinimaxGANLoss(), nn.NonSaturatingGANLoss()):
        r, f = rg.tensor([-500.0], requires_grad=True), rg.tensor([500.0], requires_grad=True)
        (loss.discriminator(r, f) + loss.generator(f)).backward()
        assert loss.discriminator(r, f).item() == 1000 and np.isfinite([r.grad.item(), f.grad.item()]).all()


def test_gan_batches_may_differ_unless_nothing_is_reduced():
    loss = nn.HingeGANLoss()
    assert loss.discriminator(rg.zeros(3), rg.zeros(5)).item() == 2
    loss.reduction = "none"
    with pytest.raises(rg.ShapeError, match=r"real \(3,\), fake \(5,\) have different shapes"):
        loss.discriminator(rg.zeros(3), rg.zeros(5))
    with pytest.raises(ValueError, match="label_smoothing must lie in"):
        nn.MinimaxGANLoss(1.0)


def test_gradient_penalty_equals_finite_differences_of_the_critic(rng):
    rg.manual_seed(0)
    critic = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    real, fake = rng.standard_normal((2, 5, 3))
    g = rg.Generator().manual_seed(1)
    share = rg.rand(5, 1, generator=rg.Generator().manual_seed(1), dtype=D).numpy()
    between = share * real + (1 - share) * fake
    score = lambda x: critic(t(x)).detach().numpy()[:, 0]
    slope = [(score(between + 1e-6 * e) - score(between - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
    norms = np.sqrt((np.array(slope) ** 2).sum(0))
    ours = nn.GradientPenalty(reduction="none")(critic, t(real), t(fake), generator=g)
    np.testing.assert_allclose(ours.detach().numpy(), 10 * (norms - 1) ** 2, rtol=1e-6)
    for settings, expected in (
        ({"one_sided": True, "center": 0.1}, np.maximum(0, norms - 0.1) ** 2), ({"center": 0.0}, norms**2),
    ):  # fmt: skip
        penalty = nn.GradientPenalty(weight=1.0, **settings)
        value = penalty(critic, t(real), t(fake), generator=rg.Generator().manual_seed(1)).item()
        assert value == pytest.approx(expected.mean(), rel=1e-6)


def test_gradient_penalty_has_a_gradient_in_the_critic(rng):
    w = leaf(rng.standard_normal((3, 2)))
    real, fake = t(rng.standard_normal((4, 3))), t(rng.standard_normal((4, 3)))

    def penalty(w):
        critic = lambda x: (x @ w).tanh().sum(1)
        return nn.GradientPenalty()(critic, real, fake, generator=rg.Generator().manual_seed(2))

    assert rg.autograd.gradcheck(penalty, (w,))
    with rg.no_grad():  # its value, as for a report, needs the critic's gradient all the same
        assert penalty(w).item() > 0


def test_gradient_penalty_says_what_is_wrong():
    x, penalty = rg.zeros(4, 2), nn.GradientPenalty()
    with pytest.raises(rg.ShapeError, match=r"real \(4, 2\), fake \(3, 2\)"):
        penalty(lambda v: v.sum(1), x, x[:3])
    with pytest.raises(rg.ShapeError, match=r"the critic gave \(4, 2\) for 4 samples; one score for each"):
        penalty(lambda v: v, x, x)
    with pytest.raises(RuntimeError, match="do not depend on its input"):
        penalty(lambda v: rg.zeros(4), x, x)
    with pytest.raises(rg.ShapeError, match="at least 2 dimensions"):
        penalty(lambda v: v, rg.zeros(4), rg.zeros(4))


# ---------------------------------------------------------------- maximum mean discrepancy
@pytest.mark.parametrize("unbiased", [False, True])
def test_mmd_kernels(unbiased, rng):
    kernels = pytest.importorskip("sklearn.metrics.pairwise", reason="compares with scikit-learn")
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((5, 3))
    d = kernels.euclidean_distances
    cases = {
        "gaussian": lambda a, b: kernels.rbf_kernel(a, b, gamma=1 / 4.5),
        "laplacian": lambda a, b: np.exp(-d(a, b) / 1.5),
        "multiquadric": lambda a, b: 1 / (1 + d(a, b) ** 2 / 2.25),
        "linear": lambda a, b: a @ b.T,
    }
    for name, k in cases.items():
        xx, yy, xy = k(x, x), k(y, y), k(x, y)
        if unbiased:
            within = (xx.sum() - np.trace(xx)) / 42 + (yy.sum() - np.trace(yy)) / 20
        else:
            within = xx.mean() + yy.mean()
        ours = nn.MMDLoss(name, 1.5, unbiased)(t(x), t(y)).item()
        assert ours == pytest.approx(within - 2 * xy.mean(), rel=1e-7, abs=1e-9), name
    own = nn.MMDLoss(lambda a, b: (a @ b.T + 1) ** 2, unbiased=unbiased)(t(x), t(y)).item()
    assert own == pytest.approx(nn.MMDLoss(lambda a, b: (1 + a @ b.T).square(), unbiased=unbiased)(t(x), t(y)).item())


def test_mmd_bandwidths(rng):
    x, y = rng.standard_normal((6, 2)), rng.standard_normal((5, 2))
    each = [nn.MMDLoss(bandwidth=s)(t(x), t(y)).item() for s in (0.5, 1.0, 4.0)]
    assert nn.MMDLoss(bandwidth=(0.5, 1.0, 4.0))(t(x), t(y)).item() == pytest.approx(np.mean(each), rel=1e-12)
    z = np.concatenate([x, y])
    pairs = np.sort(np.linalg.norm(z[:, None] - z[None], axis=2)[np.triu_indices(11, 1)])
    median = pairs[(len(pairs) - 1) // 2]
    assert nn.MMDLoss()(t(x), t(y)).item() == pytest.approx(nn.MMDLoss(bandwidth=median)(t(x), t(y)).item(), rel=1e-12)
    same = rg.zeros(3, 2, requires_grad=True)
    loss = nn.MMDLoss()(same, rg.zeros(3, 2))  # all distances are 0, and so is their median
    loss.backward()
    assert loss.item() == 0 and np.isfinite(same.grad.numpy()).all()


def test_mmd_training_matches_the_distribution(rng):
    data = t(rng.standard_normal((60, 1)) * 0.5 + 3)
    noise, affine = t(rng.standard_normal((60, 1))), leaf([1.0, 0.0])
    step = rg.optim.Adam([affine], lr=0.1)
    for _ in range(150):
        step.zero_grad()
        nn.MMDLoss()(noise * affine[0] + affine[1], data).backward()
        step.step()
    scale, shift = affine.detach().numpy()
    assert abs(shift - 3) < 0.2 and abs(abs(scale) - 0.5) < 0.2


def test_mmd_says_what_is_wrong():
    x = rg.zeros(3, 2)
    with pytest.raises(ValueError, match="kernel must be one of 'gaussian'"):
        nn.MMDLoss("cosine")
    with pytest.raises(ValueError, match="bandwidth must be greater than 0"):
        nn.MMDLoss(bandwidth=(1.0, 0.0))
    with pytest.raises(rg.ShapeError, match=r"got \(3, 2\) and \(3, 1\)"):
        nn.MMDLoss()(x, x[:, :1])
    with pytest.raises(rg.ShapeError, match="at least 2 samples of each are needed, got 3 and 1"):
        nn.MMDLoss(unbiased=True)(x, x[:1])
    with pytest.raises(TypeError, match="input is float32 but target float64"):
        nn.MMDLoss()(x, x.double())


# ---------------------------------------------------------------- distillation, temporal differences
def test_distillation_of_images_and_single_samples(rng):
    s, teacher, y = rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 4, 3)), rng.integers(0, 4, (2, 3))
    each = nn.DistillationLoss(2.0, 0.3, reduction="none")(t(s), t(teacher), t(y)).numpy()
    assert each.shape == (2, 3)
    one = nn.DistillationLoss(2.0, 0.3)(t(s[1, :, 2]), t(teacher[1, :, 2]), t(y[1, 2])).item()
    assert one == pytest.approx(each[1, 2], rel=1e-12)
    soft = nn.DistillationLoss(2.0, 0.3)(t(s), t(teacher)).item()
    assert soft == pytest.approx(nn.DistillationLoss(2.0, 1.0)(t(s), t(teacher), t(y)).item(), rel=1e-12)


def test_distillation_leaves_the_teacher_alone(rng):
    s, teacher = leaf(rng.standard_normal((2, 4))), leaf(rng.standard_normal((2, 4)))
    nn.DistillationLoss()(s, teacher).backward()
    assert teacher.grad is None and s.grad is not None
    with pytest.raises(ValueError, match="alpha is the share of the soft part"):
        nn.DistillationLoss(alpha=1.5)
    with pytest.raises(ValueError, match="temperature must be greater than 0"):
        nn.DistillationLoss(temperature=0)
    with pytest.raises(IndexError, match="label 4 at position 0"):
        nn.DistillationLoss()(s, teacher, t([4, 0]))


def test_td_learning_finds_the_values_of_a_random_walk():
    """Sutton's walk over five states: the chance to leave on the right is 1/6, 2/6, ..., 5/6."""
    values, rng = leaf(np.full(5, 0.5)), np.random.default_rng(0)
    states = rng.integers(0, 5, 4000)
    after = states + np.where(rng.random(4000) > 0.5, 1, -1)
    done, reward = (after < 0) | (after > 4), (after > 4) * 1.0
    step, loss = rg.optim.SGD([values], lr=1.0), nn.TDLoss(gamma=1.0)
    for _ in range(120):
        step.zero_grad()
        loss(values[t(states)], t(reward), values[t(after.clip(0, 4))], t(done)).backward()
        step.step()
    np.testing.assert_allclose(values.detach().numpy(), np.arange(1, 6) / 6, atol=0.06)


def test_td_losses_squared_and_huber(rng):
    v, r, after = rng.standard_normal((3, 6)) * 3
    done = np.array([0, 1, 0, 0, 1, 0.0])
    delta = r + 0.9 * (1 - done) * after - v
    np.testing.assert_allclose(nn.td_error(t(v), t(r), t(after), 0.9, t(done)).numpy(), delta, rtol=1e-13)
    assert nn.TDLoss(0.9)(t(v), t(r), t(after), t(done)).item() == pytest.approx((delta**2).mean() / 2, rel=1e-12)
    huber = np.where(np.abs(delta) < 2, delta**2 / 2, 2 * (np.abs(delta) - 1)).mean()
    assert nn.TDLoss(0.9, "huber", 2.0)(t(v), t(r), t(after), t(done)).item() == pytest.approx(huber, rel=1e-12)


def test_double_q_learning_judges_the_choice_of_the_other_network(rng):
    q, after, chooser = rng.standard_normal((3, 5, 4))
    action, reward = rng.integers(0, 4, 5), rng.standard_normal(5)
    following = after[np.arange(5), chooser.argmax(1)]
    expected = (reward + 0.99 * following - q[np.arange(5), action]) ** 2 / 2
    ours = nn.QLearningLoss(reduction="none")(t(q), t(action), t(reward), t(after), chooser=t(chooser))
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12)


def test_td_says_what_is_wrong():
    q, v = rg.zeros(2, 3), rg.zeros(2)
    with pytest.raises(ValueError, match=r"gamma discounts the future and lies in \[0, 1\], got 99"):
        nn.TDLoss(gamma=99)
    with pytest.raises(ValueError, match="loss must be 'squared' or 'huber'"):
        nn.QLearningLoss(loss="l1")
    with pytest.raises(rg.ShapeError, match=r"value \(2,\), reward \(2, 1\), next_value \(2,\)"):
        nn.TDLoss()(v, v.unsqueeze(1), v)
    with pytest.raises(IndexError, match="QLearningLoss: label 3 at position 1 is out of range for 3 classes"):
        nn.QLearningLoss()(q, t([0, 3]), v, q)
    with pytest.raises(TypeError, match="action is float32"):
        nn.QLearningLoss()(q, v, v, q)
    with pytest.raises(rg.ShapeError, match=r"q \(N, A\) is expected"):
        nn.QLearningLoss()(v, t([0, 1]), v, v)
    with pytest.raises(rg.ShapeError, match=r"q \(2, 3\), next_q \(2, 2\)"):
        nn.QLearningLoss()(q, t([0, 1]), v, q[:, :2])


# ---------------------------------------------------------------- penalties
def test_penalties_leave_biases_and_norms_out():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2, bias=False))
    w = [model[0].weight.detach().numpy(), model[2].weight.detach().numpy()]
    assert nn.L1Penalty(0.5)(model).item() == pytest.approx(0.5 * sum(np.abs(a).sum() for a in w), rel=1e-5)
    every = sum((p.detach().numpy() ** 2).sum() for p in model.parameters())
    assert nn.L2Penalty(0.5, biases=True)(model).item() == pytest.approx(0.25 * every, rel=1e-5)
    both = nn.ElasticNetPenalty(0.1, 0.2)(model).item()
    assert both == pytest.approx(nn.L1Penalty(0.1)(model).item() + nn.L2Penalty(0.2)(model).item(), rel=1e-6)
    model[2].weight.requires_grad_(False)  # frozen weights are nobody's to penalize
    assert nn.L1Penalty(1.0)(model).item() == pytest.approx(np.abs(w[0]).sum(), rel=1e-5)
    listed = nn.L1Penalty(1.0)([model[0].weight, model[2].weight]).item()
    assert listed == pytest.approx(sum(np.abs(a).sum() for a in w), rel=1e-5)


def test_an_l1_penalty_zeroes_what_does_not_matter(rng):
    x = rng.standard_normal((80, 5))
    y = t(x[:, :1] * 2)
    w = leaf(rng.standard_normal((5, 1)) * 0.1)
    step = rg.optim.SGD([w], lr=0.05)
    for _ in range(300):
        step.zero_grad()
        (nn.MSELoss()(t(x) @ w, y) + nn.L1Penalty(0.2)(w)).backward()
        step.step()
    found = np.abs(w.detach().numpy()[:, 0])
    assert found[0] > 1.5 and (found[1:] < 0.03).all()


def test_penalties_say_what_is_wrong():
    with pytest.raises(ValueError, match="the factors must not be negative, got l1=-1"):
        nn.L1Penalty(-1)
    with pytest.raises(ValueError, match="there are no weights to penalize"):
        nn.L2Penalty()(nn.ReLU())
    with pytest.raises(ValueError, match="p must be 1 or 2"):
        nn.ActivityPenalty(p=3)
    with pytest.raises(ValueError, match=r"rho is a rate in \(0, 1\)"):
        nn.SparsityPenalty(rho=1)
    with pytest.raises(rg.ShapeError, match=r"attention \(N, T, L\) or \(T, L\) is expected"):
        nn.DoublyStochasticPenalty()(rg.zeros(3))
    with pytest.raises(rg.ShapeError, match=r"activities \(N, C\)"):
        nn.SparsityPenalty()(rg.zeros(3))


def test_the_sparsity_penalty_of_units_that_never_or_always_fire_is_finite():
    x = leaf([[0.0, 1.0], [0.0, 1.0]])
    loss = nn.SparsityPenalty()(x)
    loss.backward()
    assert np.isfinite(loss.item()) and np.isfinite(x.grad.numpy()).all()


def test_doubly_stochastic_attention_with_a_reachable_target():
    a = rg.full((6, 3), 1 / 3, dtype=D)  # 6 steps over 3 places: each can only sum to 2
    assert nn.DoublyStochasticPenalty()(a).item() == pytest.approx(3)
    assert nn.DoublyStochasticPenalty(target=2.0)(a).item() == pytest.approx(0, abs=1e-15)
