"""`ctc_loss` by brute force, its gradient by PyTorch's and by finite differences; `gumbel_softmax`."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F


def log_probs(t, n, c, seed=0):
    x = np.random.default_rng([seed, t, n, c]).standard_normal((t, n, c))
    return x - np.log(np.exp(x).sum(2, keepdims=True))


def spelled(path, blank):
    return [a for i, a in enumerate(path) if a != blank and (i == 0 or path[i - 1] != a)]


def by_enumeration(p, labels, blank):
    """-log of the summed probabilities of all paths that spell the labels."""
    total = sum(
        np.exp(sum(p[i, a] for i, a in enumerate(path)))
        for path in product(range(p.shape[1]), repeat=len(p))
        if spelled(path, blank) == list(labels)
    )
    return -np.log(total) if total else np.inf


CASES = [
    (4, [1, 2], 0), (4, [1, 1], 0), (3, [1, 1], 0), (2, [1, 1], 0), (5, [], 0), (3, [2, 1, 2], 0), (4, [0, 1], 2),
    (1, [1], 0), (5, [2, 2, 1], 0), (2, [0, 1, 0], 2),
]  # fmt: skip


@pytest.mark.parametrize("steps, labels, blank", CASES, ids=str)
def test_the_loss_is_that_of_all_alignments(steps, labels, blank):
    p = log_probs(steps, 1, 3)
    got = F.ctc_loss(rg.tensor(p), rg.tensor([labels]).long(), [steps], [len(labels)], blank, "none")
    np.testing.assert_allclose(got.item(), by_enumeration(p[:, 0], labels, blank), rtol=1e-12)


def test_a_batch_is_its_samples():
    p = log_probs(6, 3, 4)
    labels, steps, counts = [[1, 2, 3], [2, 2, 0], [3, 0, 0]], [6, 5, 3], [3, 2, 1]
    got = F.ctc_loss(rg.tensor(p), rg.tensor(labels), steps, counts, reduction="none").numpy()
    wanted = [by_enumeration(p[: steps[i], i], labels[i][: counts[i]], 0) for i in range(3)]
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    flat = rg.tensor([1, 2, 3, 2, 2, 3])
    together = F.ctc_loss(rg.tensor(p), flat, rg.tensor(steps), rg.tensor(counts), reduction="none").numpy()
    np.testing.assert_array_equal(together, got)
    mean = F.ctc_loss(rg.tensor(p), flat, tuple(steps), tuple(counts))
    np.testing.assert_allclose(mean.item(), (got / counts).mean(), rtol=1e-12)
    total = F.ctc_loss(rg.tensor(p), flat, tuple(steps), tuple(counts), reduction="sum")
    np.testing.assert_allclose(total.item(), got.sum(), rtol=1e-12)


def test_what_is_behind_the_lengths_counts_nothing():
    p = rg.tensor(log_probs(5, 2, 3), requires_grad=True)
    F.ctc_loss(p, rg.tensor([[1, 2], [2, 99]]), [3, 5], [2, 1], reduction="sum").backward()
    assert p.grad is not None and not p.grad.numpy()[3:, 0].any() and p.grad.numpy()[3:, 1].any()


@pytest.mark.parametrize("zero", [False, True])
def test_impossible_targets(zero):
    p = rg.tensor(log_probs(2, 2, 3), requires_grad=True)
    loss = F.ctc_loss(p, rg.tensor([[1, 1], [1, 2]]), [2, 2], [2, 2], reduction="none", zero_infinity=zero)
    assert loss[0].item() == (0.0 if zero else np.inf) and np.isfinite(loss[1].item())
    loss[1].backward(retain_graph=True)
    F.ctc_loss(p, rg.tensor([[1, 1], [1, 2]]), [2, 2], [2, 2], zero_infinity=True).backward()
    assert p.grad is not None and np.isfinite(p.grad.numpy()).all() and not p.grad.numpy()[:, 0].any()


def test_long_sequences_do_not_underflow():
    t, c = 1000, 50
    p = rg.tensor(np.full((t, 1, c), -np.log(c)), dtype=rg.float32, requires_grad=True)
    loss = F.ctc_loss(p, rg.tensor([[1, 2, 3]]), [t], [3], reduction="sum")
    assert 3000 < loss.item() < 4000
    loss.backward()
    assert p.grad is not None and np.isfinite(p.grad.numpy()).all()
    np.testing.assert_allclose(p.grad.sum((1, 2)).numpy(), -1.0, rtol=1e-3)  # every step is in some state


def test_probabilities_of_zero():
    p = log_probs(4, 1, 3)
    p[1, 0, 1] = -np.inf
    x = rg.tensor(p, requires_grad=True)
    loss = F.ctc_loss(x, rg.tensor([[1, 2]]), [4], [2], reduction="sum")
    np.testing.assert_allclose(loss.item(), by_enumeration(p[:, 0], [1, 2], 0), rtol=1e-12)
    loss.backward()
    assert x.grad is not None and np.isfinite(x.grad.numpy()).all() and x.grad.numpy()[1, 0, 1] == 0


@pytest.mark.parametrize("labels, counts", [([[1, 2], [2, 2]], [2, 2]), ([[1, 1], [3, 0]], [2, 0])], ids=str)
def test_derivatives(labels, counts):
    x = rg.tensor(log_probs(5, 2, 4), requires_grad=True)

    def f(x):
        return F.ctc_loss(x, rg.tensor(labels), [5, 4], counts, reduction="none")

    assert rg.autograd.gradcheck(f, (x,)) and rg.autograd.gradgradcheck(f, (x,))


def test_a_lone_sample():
    p = log_probs(4, 1, 3)
    got = F.ctc_loss(rg.tensor(p[:, 0]), rg.tensor([1, 2]), rg.tensor(4), rg.tensor(2), reduction="none")
    assert got.shape == ()
    np.testing.assert_allclose(got.item(), by_enumeration(p[:, 0], [1, 2], 0), rtol=1e-12)


@pytest.mark.parametrize("error, message, args", [
    (IndexError, r"label 3 of sample 0 at position 1 is out of range for 3 classes", ([[1, 3]], [4], [2])),
    (IndexError, r"label -1 of sample 0 at position 0", ([[-1, 1]], [4], [2])),
    (TypeError, r"targets are float", ([[1.0, 2.0]], [4], [2])),
    (ValueError, r"targets \(1, 1\) has 1 columns, but a target_length is 2", ([[1]], [4], [2])),
    (ValueError, r"target_lengths must not be negative", ([[1]], [4], [-1])),
    (TypeError, r"input_lengths", ([[1]], [4.0], [1])),
], ids=str)  # fmt: skip
def test_what_does_not_fit_is_named(error, message, args):
    targets, steps, counts = args
    with pytest.raises(error, match=message):
        F.ctc_loss(rg.tensor(log_probs(4, 1, 3)), rg.tensor(targets), steps, counts)


def test_behind_log_softmax_the_gradient_is_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for _ in range(40):
        t, n, c, s = (int(v) for v in (rng.integers(1, 9), rng.integers(1, 4), rng.integers(2, 6), rng.integers(1, 5)))
        steps, counts = rng.integers(1, t + 1, n), rng.integers(0, s + 1, n)
        blank = int(rng.integers(c))
        labels = rng.choice([k for k in range(c) if k != blank], (n, s))
        x = rng.standard_normal((t, n, c))
        kw = {"blank": blank, "reduction": ["none", "mean", "sum"][rng.integers(3)], "zero_infinity": True}
        found = []
        for make, f in ((rg.tensor, F.ctc_loss), (torch.tensor, torch.nn.functional.ctc_loss)):
            v = make(x, requires_grad=True)
            loss = f(v.log_softmax(2), make(labels), make(steps), make(counts), **kw)
            loss.sum().backward()
            found.append((loss.detach().numpy(), v.grad.numpy()))
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10, err_msg=str(kw))


# ---------------------------------------------------------------- gumbel_softmax
def test_gumbel_samples_follow_the_distribution():
    p = np.array([0.1, 0.2, 0.7])
    with rg.fork_rng():
        rg.manual_seed(0)
        y = F.gumbel_softmax(rg.tensor(np.log(p)).expand(20000, 3), hard=True)
    assert set(np.unique(y.numpy())) <= {0.0, 1.0}
    np.testing.assert_allclose(y.mean(0).numpy(), p, atol=0.02)


def test_gumbel_soft_samples_sharpen_as_tau_falls():
    with rg.fork_rng():
        rg.manual_seed(0)
        soft, sharp = (F.gumbel_softmax(rg.zeros(1000, 4), tau).max(1).values.mean().item() for tau in (5.0, 0.1))
    assert 0.25 < soft < 0.5 < 0.9 < sharp <= 1.0


def test_gumbel_hard_samples_pass_the_soft_gradient():
    x = rg.tensor(np.random.default_rng(0).standard_normal((3, 4)), requires_grad=True)
    w = rg.tensor(np.random.default_rng(1).standard_normal((3, 4)))
    grads = []
    for hard in (False, True):
        with rg.fork_rng():
            rg.manual_seed(3)
            y = F.gumbel_softmax(x, 0.7, hard, dim=0)
        np.testing.assert_allclose(y.sum(0).detach().numpy(), 1.0)
        grads.append(rg.autograd.grad((y * w).sum(), x)[0].numpy())
    np.testing.assert_allclose(grads[0], grads[1])
    assert grads[0].any()


def test_gumbel_eps_is_deprecated():
    with pytest.warns(UserWarning, match="eps"):
        F.gumbel_softmax(rg.zeros(3), eps=1e-3)
