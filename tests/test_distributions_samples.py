"""Samples of distributions: against SciPy by Kolmogorov and Smirnov's and chi-squared tests, by moments; pathwise gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats as st
from distribution_cases import COVARIANCE, FACTOR, OTHER, SIMPLEX, VECTOR, make

import retrograd as rg

D = rg.distributions
N = 20000
LIMIT = 1e-3  # the seeds are fixed: a correct sampler passes always, once it has passed


@pytest.fixture(autouse=True)
def _seed():
    rg.manual_seed(20)


def t(*values):
    return rg.tensor(values, dtype=rg.float64)


def draw(d, n=N):
    return d.sample((n,)).numpy()


# ---------------------------------------------------------------- continuous numbers
CONTINUOUS = {
    "beta": (lambda: D.Beta(t(0.4, 2.0), t(0.7, 5.0)), lambda: [st.beta(0.4, 0.7), st.beta(2, 5)]),
    "cauchy": (lambda: D.Cauchy(t(1.0), t(2.0)), lambda: [st.cauchy(1, 2)]),
    "chi2": (lambda: D.Chi2(t(0.5, 7.0)), lambda: [st.chi2(0.5), st.chi2(7)]),
    "exponential": (lambda: D.Exponential(t(2.0)), lambda: [st.expon(scale=0.5)]),
    "f": (lambda: D.FisherSnedecor(t(3.0), t(8.0)), lambda: [st.f(3, 8)]),
    "gamma": (
        lambda: D.Gamma(t(0.05, 0.9, 1.0, 3.0, 200.0), t(1.0, 2.0, 0.5, 1.0, 10.0)),
        lambda: [st.gamma(a, scale=1 / b) for a, b in ((0.05, 1), (0.9, 2), (1, 0.5), (3, 1), (200, 10))],
    ),
    "generalized_pareto": (
        lambda: D.GeneralizedPareto(t(1.0), t(2.0), t(-0.3, 0.0, 0.4)),
        lambda: [st.genpareto(c, 1, 2) for c in (-0.3, 0, 0.4)],
    ),
    "gumbel": (lambda: D.Gumbel(t(1.0), t(2.0)), lambda: [st.gumbel_r(1, 2)]),
    "half_cauchy": (lambda: D.HalfCauchy(t(2.0)), lambda: [st.halfcauchy(scale=2)]),
    "half_normal": (lambda: D.HalfNormal(t(2.0)), lambda: [st.halfnorm(scale=2)]),
    "inverse_gamma": (lambda: D.InverseGamma(t(3.0), t(2.0)), lambda: [st.invgamma(3, scale=2)]),
    "laplace": (lambda: D.Laplace(t(1.0), t(2.0)), lambda: [st.laplace(1, 2)]),
    "log_normal": (lambda: D.LogNormal(t(0.5), t(0.7)), lambda: [st.lognorm(0.7, scale=math.exp(0.5))]),
    "normal": (lambda: D.Normal(t(1.0), t(2.0)), lambda: [st.norm(1, 2)]),
    "pareto": (lambda: D.Pareto(t(1.5), t(3.0)), lambda: [st.pareto(3, scale=1.5)]),
    "student_t": (lambda: D.StudentT(t(0.8, 4.0), 1.0, 2.0), lambda: [st.t(0.8, 1, 2), st.t(4, 1, 2)]),
    "uniform": (lambda: D.Uniform(t(-1.0), t(2.0)), lambda: [st.uniform(-1, 3)]),
    "von_mises": (lambda: D.VonMises(t(0.0), t(0.3, 4.0, 100.0)), lambda: [st.vonmises(k) for k in (0.3, 4, 100)]),
    "weibull": (lambda: D.Weibull(t(2.0), t(1.5)), lambda: [st.weibull_min(1.5, scale=2)]),
}


@pytest.mark.parametrize("name", sorted(CONTINUOUS))
def test_kolmogorov_smirnov(name):
    made, references = CONTINUOUS[name]
    x = draw(made()).reshape(N, -1)
    assert x.shape[1] == len(references())
    for k, reference in enumerate(references()):
        assert st.kstest(x[:, k], reference.cdf).pvalue > LIMIT, (name, k)


@pytest.mark.parametrize("name", ["ContinuousBernoulli", "Kumaraswamy", "RelaxedBernoulli"])
def test_against_the_own_distribution_function(name):
    """Where SciPy has none: F(x), which is tested against PyTorch's, is uniform. RelaxedBernoulli: a logistic logit."""
    d = make(rg, name, 0)
    x = d.sample((N,))
    if name == "RelaxedBernoulli":
        u = rg.sigmoid(rg.logit(x) * d.temperature - d.logits)
    else:
        u = d.cdf(x)
    for column in u.numpy().reshape(N, -1).T:
        assert st.kstest(column, "uniform").pvalue > LIMIT


# ---------------------------------------------------------------- counts
COUNTS = {
    "bernoulli": (lambda: D.Bernoulli(t(0.3)), st.bernoulli(0.3)),
    "binomial": (lambda: D.Binomial(12, t(0.3)), st.binom(12, 0.3)),
    "binomial_many": (lambda: D.Binomial(300, logits=t(0.5)), st.binom(300, 1 / (1 + math.exp(-0.5)))),
    "geometric": (lambda: D.Geometric(t(0.25)), st.geom(0.25, loc=-1)),
    "negative_binomial": (lambda: D.NegativeBinomial(2.5, t(0.4)), st.nbinom(2.5, 0.6)),
    "poisson": (lambda: D.Poisson(t(3.3)), st.poisson(3.3)),
}


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_chi_squared(name):
    made, reference = COUNTS[name]
    x = draw(made()).reshape(-1)
    edges = np.unique(reference.ppf(np.linspace(0.02, 0.98, 15)))
    seen = np.histogram(x, np.concatenate([[-np.inf], edges + 0.5, [np.inf]]))[0]
    chance = np.diff(np.concatenate([[0], reference.cdf(edges), [1]]))
    assert st.chisquare(seen[chance > 0], N * chance[chance > 0]).pvalue > LIMIT


@pytest.mark.parametrize("name", ["Categorical", "OneHotCategorical"])
@pytest.mark.parametrize("form", ["probs", "logits"])
def test_categories(name, form):
    value = SIMPLEX if form == "probs" else np.log(SIMPLEX) + 3.0
    x = draw(getattr(D, name)(**{form: rg.tensor(value)}))
    if name == "OneHotCategorical":
        assert (x.sum(-1) == 1).all()
        x = x.argmax(-1)
    for row in range(2):
        seen = np.bincount(x[:, row], minlength=3)
        assert st.chisquare(seen, N * SIMPLEX[row]).pvalue > LIMIT


def test_multinomial_counts():
    x = draw(D.Multinomial(6, rg.tensor(SIMPLEX)))
    assert (x.sum(-1) == 6).all()
    for row in range(2):
        for k in range(3):
            seen = np.bincount(x[:, row, k].astype(int), minlength=7)
            chance = st.binom(6, SIMPLEX[row, k]).pmf(np.arange(7))
            many = N * chance > 5
            counts = [seen[many], N * chance[many]]
            if not many.all():
                counts = [np.append(counts[0], seen[~many].sum()), np.append(counts[1], N * chance[~many].sum())]
            assert st.chisquare(*counts).pvalue > LIMIT


# ---------------------------------------------------------------- vectors and matrices, by moments
def close(sample, mean, name=""):
    """The mean of a sample, within five of its standard errors."""
    error = np.std(sample, axis=0) / math.sqrt(len(sample)) + 1e-12
    far = np.abs(np.mean(sample, axis=0) - mean) / error
    assert (far < 5).all(), (name, far)


def test_normal_vectors():
    ds = [
        D.MultivariateNormal(rg.tensor(VECTOR), rg.tensor(COVARIANCE)),
        D.MultivariateNormal(rg.tensor(VECTOR), precision_matrix=rg.tensor(np.linalg.inv(COVARIANCE))),
        D.LowRankMultivariateNormal(rg.tensor(VECTOR), rg.tensor(FACTOR), rg.tensor(OTHER)),
    ]
    covariances = [COVARIANCE, COVARIANCE, FACTOR @ FACTOR.transpose(0, 2, 1) + np.diag(OTHER)]
    for d, covariance in zip(ds, covariances, strict=True):
        x = draw(d)
        close(x, VECTOR)
        y = x - VECTOR
        close(y[..., None] * y[..., None, :], covariance)
        white = np.linalg.solve(np.linalg.cholesky(covariance), y[..., None])[..., 0]
        assert st.kstest(white.reshape(-1), "norm").pvalue > LIMIT


def test_dirichlet():
    a = rg.tensor([[0.2, 0.5, 0.9], [2.0, 1.0, 7.0]], dtype=rg.float64)
    x = draw(D.Dirichlet(a))
    np.testing.assert_allclose(x.sum(-1), 1, rtol=1e-12)
    for row in range(2):
        for k in range(3):
            first, rest = a[row, k].item(), (a[row].sum() - a[row, k]).item()
            assert st.kstest(x[:, row, k], st.beta(first, rest).cdf).pvalue > LIMIT


def test_tiny_concentrations():
    """No zeros and no NaN: gamma draws are made of logarithms."""
    x = D.Dirichlet(rg.full((1000, 3), 1e-3)).sample()
    assert bool(x.isfinite().all()) and bool(((x.sum(-1) - 1).abs() < 1e-6).all()) and bool((x > 0).all())
    assert abs((x > 0.99).float().mean().item() - 1 / 3) < 0.03
    assert bool((D.Gamma(rg.full((1000,), 1e-3), 1.0).sample() > 0).all())


def test_wishart():
    d = D.Wishart(rg.tensor(4.5, dtype=rg.float64), rg.tensor(COVARIANCE[0]))
    x = draw(d)
    close(x, d.mean.numpy())
    close((x - d.mean.numpy()) ** 2, d.variance.numpy())
    assert np.linalg.eigvalsh(x).min() > 0
    close(-d.log_prob(rg.tensor(x)).numpy(), d.entropy().numpy())


@pytest.mark.parametrize(("dim", "concentration"), [(2, 1.0), (3, 0.5), (4, 3.0)])
def test_lkj_correlations_have_beta_marginals(dim, concentration):
    x = draw(D.LKJCholesky(dim, rg.tensor(concentration, dtype=rg.float64)), 5000)
    r = x @ x.transpose(0, 2, 1)
    np.testing.assert_allclose(np.diagonal(r, axis1=1, axis2=2), 1, rtol=1e-6)
    b = concentration + (dim - 2) / 2
    for i in range(dim):
        for j in range(i):
            assert st.kstest((r[:, i, j] + 1) / 2, st.beta(b, b).cdf).pvalue > LIMIT


def test_mixture():
    d = D.MixtureSameFamily(D.Categorical(t(0.3, 0.7)), D.Normal(t(-2.0, 1.0), t(0.5, 1.0)))
    x = draw(d)
    assert st.kstest(x, lambda v: 0.3 * st.norm.cdf(v, -2, 0.5) + 0.7 * st.norm.cdf(v, 1, 1)).pvalue > LIMIT
    close(x, d.mean.item())
    close((x - d.mean.item()) ** 2, d.variance.item())


def test_mixture_of_batches_and_vectors():
    mix = D.Categorical(rg.tensor([[1.0, 3.0], [2.0, 2.0]]))
    parts = D.Independent(D.Normal(rg.randn(2, 2, 3), 0.5), 1)
    d = D.MixtureSameFamily(mix, parts)
    x = draw(d)
    assert x.shape == (N, 2, 3)
    close(x, d.mean.numpy())
    close((x - d.mean.numpy()) ** 2, d.variance.numpy())
    one = D.MixtureSameFamily(D.Categorical(rg.ones(2)), parts)  # one mixture for a batch of components
    assert one.sample((5,)).shape == (5, 2, 3) and one.log_prob(one.sample()).shape == (2,)


def test_relaxed_categories_tend_to_the_corners():
    d = D.RelaxedOneHotCategorical(t(0.05), rg.tensor(SIMPLEX))
    x = draw(d)
    np.testing.assert_allclose(x.sum(-1), 1, rtol=1e-9)
    for row in range(2):
        assert st.chisquare(np.bincount(x[:, row].argmax(-1), minlength=3), N * SIMPLEX[row]).pvalue > LIMIT


def test_seeds_repeat():
    for name in ("Gamma", "Dirichlet", "StudentT", "VonMises", "Wishart", "LKJCholesky", "Multinomial"):
        a, b = [(rg.manual_seed(1), make(rg, name, 0).sample((2,)))[1] for _ in range(2)]
        assert bool((a == b).all()), name


# ---------------------------------------------------------------- pathwise gradients
def slope(quantile, x, *a, k=0, rel=1e-4):
    """The derivative of a quantile function with respect to parameter k, at the probability of x."""
    step = rel * a[k]
    up, down = (
        [v if i != k else v + step for i, v in enumerate(a)],
        [v if i != k else v - step for i, v in enumerate(a)],
    )
    return (quantile(x, *up) - quantile(x, *down)) / (2 * step)


@pytest.mark.parametrize("a", [0.1, 0.7, 1.0, 1.9, 2.1, 12.0, 500.0])
def test_gamma_gradient_is_that_of_the_quantile(a):
    c = rg.full((40,), a, dtype=rg.float64, requires_grad=True)
    x = D.Gamma(c, 1.0).rsample()
    x.sum().backward()
    p = st.gamma.cdf(x.detach().numpy(), a)
    expected = slope(st.gamma.ppf, p, a)
    np.testing.assert_allclose(c.grad.numpy(), expected, rtol=2e-5, atol=1e-9)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.4), (0.5, 6.0), (1.5, 1.0), (3.0, 0.7), (5.0, 9.0), (80.0, 200.0)])
def test_beta_gradients_are_those_of_the_quantile(a, b):
    first, second = (rg.full((40,), v, dtype=rg.float64, requires_grad=True) for v in (a, b))
    x = D.Beta(first, second).rsample()
    x.sum().backward()
    p = st.beta.cdf(x.detach().numpy(), a, b)
    inner = (p > 1e-6) & (p < 1 - 1e-6)
    for k, c in enumerate((first, second)):
        expected = slope(st.beta.ppf, p[inner], a, b, k=k)
        np.testing.assert_allclose(c.grad.numpy()[inner], expected, rtol=1e-4, atol=1e-7)


def test_chi2_gradient_is_that_of_the_quantile():
    df = rg.full((40,), 3.0, dtype=rg.float64, requires_grad=True)
    x = D.Chi2(df).rsample()
    x.sum().backward()
    expected = slope(st.chi2.ppf, st.chi2.cdf(x.detach().numpy(), 3.0), 3.0)
    np.testing.assert_allclose(df.grad.numpy(), expected, rtol=2e-5)


def test_gradients_of_means():
    """The mean gradient of samples is the gradient of the mean: what reparameterisation is for."""
    a = rg.tensor([0.4, 2.0, 7.0], dtype=rg.float64, requires_grad=True)

    def per_sample(f, n=4000):
        rows = a.detach().expand(n, 3).clone().requires_grad_()
        (g,) = rg.autograd.grad(f(rows).sum(), rows)
        return g.numpy()

    g = per_sample(lambda c: D.Dirichlet(c).rsample()[:, 0])
    (expected,) = rg.autograd.grad((a / a.sum())[0], a)
    close(g, expected.numpy(), "Dirichlet")
    g = per_sample(lambda c: D.Gamma(c, 2.0).rsample() ** 2)
    (expected,) = rg.autograd.grad(((a + a * a) / 4).sum(), a)
    close(g, expected.numpy(), "Gamma")
    g = per_sample(lambda c: D.StudentT(c + 3.0).rsample().abs().clamp(max=2.0))
    e = 1e-4
    mean = lambda v: np.array([st.t(d + 3.0).expect(lambda x: min(abs(x), 2.0), lb=-60, ub=60) for d in v])
    close(g, (mean(a.detach().numpy() + e) - mean(a.detach().numpy() - e)) / (2 * e), "StudentT")


def test_second_derivative_through_a_sample():
    a = rg.tensor([0.4, 1.5, 2.5, 30.0], dtype=rg.float64, requires_grad=True)
    x = D.Gamma(a, 1.0).rsample()
    (g,) = rg.autograd.grad(x.sum(), a, create_graph=True)
    (h,) = rg.autograd.grad(g.sum(), a)
    c = a.detach().numpy()
    p, e = st.gamma.cdf(x.detach().numpy(), c), 1e-3
    expected = (st.gamma.ppf(p, c + e) - 2 * st.gamma.ppf(p, c) + st.gamma.ppf(p, c - e)) / e**2
    np.testing.assert_allclose(h.numpy(), expected, rtol=1e-3, atol=1e-5)


def test_forward_mode_through_a_sample():
    a = rg.tensor([0.4, 3.0], dtype=rg.float64)
    v = rg.tensor([1.0, -2.0], dtype=rg.float64)
    rg.manual_seed(4)
    x, tangent = rg.func.jvp(lambda a: D.Gamma(a, 2.0).rsample(), (a,), (v,))
    expected = slope(st.gamma.ppf, st.gamma.cdf(x.numpy() * 2, a.numpy()), a.numpy()) / 2 * v.numpy()
    np.testing.assert_allclose(tangent.numpy(), expected, rtol=1e-4)


def test_inside_vmap():
    loc = rg.randn(5, 2)
    x = rg.func.vmap(lambda m: D.Normal(m, 1.0).rsample(), randomness="different")(loc)
    assert x.shape == (5, 2)
    lp = rg.func.vmap(lambda m, v: D.Normal(m, 1.0).log_prob(v))(loc, x)
    np.testing.assert_allclose(lp.numpy(), D.Normal(loc, 1.0).log_prob(x).numpy(), rtol=1e-6)
    g = rg.func.vmap(rg.func.grad(lambda a: D.Gamma(a, 1.0).rsample()), randomness="different")(rg.full((5,), 3.0))
    assert bool((g > 0).all()) and len(set(g.tolist())) == 5
    with pytest.raises(ValueError, match="scale"):
        rg.func.vmap(lambda s: D.Normal(0.0, s).entropy())(rg.tensor([1.0, -1.0]))


def test_reinforce_and_reparameterisation_agree():
    """d/dm E (x - 3)^2 for x ~ N(m, 1), which is 2 (m - 3), by both estimators."""
    n = 20000
    m = rg.zeros(n, dtype=rg.float64, requires_grad=True)
    x = D.Normal(m, 1.0).rsample()
    (path,) = rg.autograd.grad(((x - 3) ** 2).sum(), m)
    x = x.detach()
    (score,) = rg.autograd.grad((((x - 3) ** 2 - 10) * D.Normal(m, 1.0).log_prob(x)).sum(), m)
    close(path.numpy(), -6.0)
    close(score.numpy(), -6.0)
