"""Every distribution against PyTorch's, on the same parameters and values: numbers, gradients, shapes, repr."""

from __future__ import annotations

import numpy as np
import pytest
from distribution_cases import CASES, EVERY, make, ours, parameters

import retrograd as rg

torch = pytest.importorskip("torch")
every_case = pytest.mark.parametrize(("name", "i"), EVERY)

# PyTorch's Wishart warns of singular samples where there are none.
pytestmark = pytest.mark.filterwarnings("ignore:Singular sample:UserWarning:torch.*")


@pytest.fixture(autouse=True)
def _float64():
    """Numbers as parameters have the default dtype."""
    rg.set_default_dtype(rg.float64)
    torch.set_default_dtype(torch.float64)
    yield
    rg.set_default_dtype(rg.float32)
    torch.set_default_dtype(torch.float32)


def values(name, i, shape=(4,)):
    """Values inside the support, drawn by PyTorch."""
    torch.manual_seed(3)
    return make(torch, name, i).sample(shape).detach()


def both(name, i, f):
    """What f gives for PyTorch's distribution and for ours, each with its parameters; None where neither has it."""
    found = []
    for library in (torch, rg):
        ps = parameters(library, name, i, grad=True)
        d = getattr(library.distributions, name)(**ps)
        try:
            found.append((f(library, d), [p for p in ps.values() if isinstance(p, library.Tensor)]))
        except NotImplementedError:
            found.append(None)
    if found[0] is None or found[1] is None:
        assert found == [None, None], "one of the two libraries does not implement it"
        return None
    return found


def compare(found, rtol=1e-9, atol=1e-11, gradients=True):
    (theirs, their_ps), (mine, my_ps) = found
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert str(mine.dtype).rpartition(".")[2] == str(theirs.dtype).rpartition(".")[2]
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=rtol, atol=atol)
    if not (gradients and theirs.requires_grad):
        return
    weights = np.random.default_rng(0).uniform(0.5, 1.5, theirs.shape)
    theirs = torch.autograd.grad((theirs * torch.tensor(weights)).sum(), their_ps, allow_unused=True)
    mine = rg.autograd.grad((mine * rg.tensor(weights)).sum(), my_ps, allow_unused=True)
    for a, b in zip(theirs, mine, strict=True):
        b = None if b is None else b.numpy()
        zero = np.zeros(1)
        np.testing.assert_allclose(zero if b is None else b, zero if a is None else a, rtol=1e-7, atol=1e-9)


# PyTorch's polynomials for Bessel functions have 7 digits; its Kumaraswamy.mode takes the logarithm of negative numbers.
ROUGH = {"VonMises"}


def tolerances(name):
    return {"rtol": 1e-6, "atol": 1e-6, "gradients": False} if name in ROUGH else {}


@every_case
def test_log_prob(name, i):
    v = values(name, i)
    found = both(name, i, lambda lib, d: d.log_prob(v if lib is torch else ours(v)))
    compare(found, **tolerances(name))


@every_case
@pytest.mark.parametrize("what", ["mean", "mode", "variance", "stddev"])
def test_moments(name, i, what):
    if (name, what) == ("Kumaraswamy", "mode"):
        pytest.skip("checked against the density below")
    found = both(name, i, lambda lib, d: getattr(d, what))
    if found is not None:
        compare(found, **tolerances(name))


@every_case
def test_entropy(name, i):
    found = both(name, i, lambda lib, d: d.entropy())
    if found is not None:
        compare(found)
        compare(both(name, i, lambda lib, d: d.perplexity()))


@every_case
def test_cdf_and_icdf(name, i):
    v = values(name, i)
    found = both(name, i, lambda lib, d: d.cdf(v if lib is torch else ours(v)))
    if found is not None:  # PyTorch's igamma has no derivative with respect to the first argument: neither has ours
        compare(found, gradients=name not in ("Chi2", "Gamma", "InverseGamma"))
    p = np.random.default_rng(1).uniform(0.02, 0.98, v.shape)
    found = both(name, i, lambda lib, d: d.icdf(lib.tensor(p)))
    if found is not None:
        compare(found)


def test_kumaraswamy_mode_is_where_the_density_is_largest():
    d = rg.distributions.Kumaraswamy(rg.tensor([2.0, 3.0, 0.5]), rg.tensor([3.0, 1.5, 2.0]))
    x = rg.linspace(0.001, 0.999, 999)
    best = x[d.log_prob(x.unsqueeze(-1)).argmax(0)]
    np.testing.assert_allclose(d.mode[:2].numpy(), best[:2].numpy(), atol=1e-3)
    assert d.mode[2].isnan()


@every_case
def test_shapes_flags_and_repr(name, i):
    theirs, mine = make(torch, name, i), make(rg, name, i)
    assert tuple(mine.batch_shape) == tuple(theirs.batch_shape)
    assert tuple(mine.event_shape) == tuple(theirs.event_shape)
    assert isinstance(mine.batch_shape, rg.Size) and isinstance(mine.event_shape, rg.Size)
    assert (mine.has_rsample, mine.has_enumerate_support) == (
        theirs.has_rsample or name == "RelaxedBernoulli",
        theirs.has_enumerate_support,
    )
    assert repr(mine).replace("retrograd.", "torch.") == repr(theirs)
    assert repr(mine.support).replace("retrograd.", "torch.") == repr(theirs.support)
    assert sorted(mine.arg_constraints) == sorted(theirs.arg_constraints)
    for key in sorted(mine.arg_constraints):
        assert repr(mine.arg_constraints[key]).replace("retrograd.", "torch.") == repr(theirs.arg_constraints[key])


@every_case
def test_expand(name, i):
    theirs, mine = make(torch, name, i), make(rg, name, i)
    batch = (2, *theirs.batch_shape)
    theirs, mine = theirs.expand(batch), mine.expand(batch)
    assert tuple(mine.batch_shape) == batch
    assert repr(mine).replace("retrograd.", "torch.") == repr(theirs)
    assert tuple(mine.sample((5,)).shape) == (5, *batch, *theirs.event_shape)
    v = values(name, i, (2,))
    tolerance = 1e-6 if name in ROUGH else 1e-10
    np.testing.assert_allclose(
        mine.log_prob(ours(v)).numpy(), theirs.log_prob(v).numpy(), rtol=tolerance, atol=tolerance
    )


@every_case
def test_samples_have_the_shape_and_lie_in_the_support(name, i):
    rg.manual_seed(0)
    mine = make(rg, name, i)
    for shape in ((), (3,), (2, 4), (0,)):
        x = mine.sample(shape)
        assert tuple(x.shape) == (*shape, *mine.batch_shape, *mine.event_shape)
        assert not x.requires_grad and bool(mine.support.check(x).all())
        assert tuple(mine.log_prob(x).shape) == (*shape, *mine.batch_shape)
    assert str(mine.sample().dtype).rpartition(".")[2] == str(make(torch, name, i).sample().dtype).rpartition(".")[2]


@every_case
def test_rsample_has_a_gradient(name, i):
    ps = parameters(rg, name, i, grad=True)
    d = getattr(rg.distributions, name)(**ps)
    if not d.has_rsample:
        with pytest.raises(NotImplementedError, match="rsample"):
            d.rsample()
        return
    x = d.rsample((3,))
    tensors = [p for p in ps.values() if isinstance(p, rg.Tensor)]
    if not tensors:
        return
    assert x.requires_grad
    loss = (x * x.detach().cos()).sum()
    for g in rg.autograd.grad(loss, tensors):
        assert bool(g.isfinite().all()) and bool((g != 0).any())


@pytest.mark.parametrize("name", ["Bernoulli", "Binomial", "Categorical", "OneHotCategorical"])
@pytest.mark.parametrize("expand", [True, False])
def test_enumerate_support(name, expand):
    for i in range(len(CASES[name])):
        theirs, mine = make(torch, name, i), make(rg, name, i)
        a, b = theirs.enumerate_support(expand), mine.enumerate_support(expand)
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_array_equal(b.numpy(), a.numpy())
        total = mine.log_prob(b).exp().sum(0)
        np.testing.assert_allclose(total.numpy(), np.ones(total.shape), rtol=1e-12)


@every_case
def test_float32_stays_float32(name, i):
    rg.set_default_dtype(rg.float32)
    args = parameters(rg, name, i, dtype="float32")
    d = getattr(rg.distributions, name)(**args)
    x = d.sample()
    assert x.dtype in (rg.float32, rg.int64) and d.log_prob(x).dtype == rg.float32
    assert bool(d.support.check(x).all())


def test_second_derivatives():
    """The Fisher information of a normal distribution, by differentiating log_prob twice."""
    scale = rg.tensor(2.0, dtype=rg.float64, requires_grad=True)
    h = rg.func.hessian(lambda s: rg.distributions.Normal(0.0, s).entropy())(scale)
    np.testing.assert_allclose(h.item(), -1 / 4)
    a = rg.tensor([0.8, 3.0], dtype=rg.float64, requires_grad=True)
    assert rg.autograd.gradgradcheck(lambda a: rg.distributions.Gamma(a, a * 2).entropy(), (a,))
    assert rg.autograd.gradgradcheck(lambda a: rg.distributions.Dirichlet(a).log_prob(rg.tensor([0.3, 0.7])), (a,))


def test_the_names_are_pytorchs():
    assert set(torch.distributions.__all__) <= set(rg.distributions.__all__)
    missing = [n for n in rg.distributions.__all__ if not hasattr(rg.distributions, n)]
    assert missing == []
    tested = set(CASES) | {"Distribution", "ExponentialFamily", "Independent", "MixtureSameFamily"}
    tested |= {"TransformedDistribution", "biject_to", "transform_to", "kl_divergence", "register_kl"}
    assert {n for n in rg.distributions.__all__ if "ransform" not in n or n in tested} <= tested


@pytest.mark.parametrize(
    "name",
    sorted(
        n
        for n in vars(torch.distributions)
        if hasattr(vars(torch.distributions)[n], "__path__") or type(vars(torch.distributions)[n]).__name__ == "module"
    ),
)
def test_the_modules_are_pytorchs(name):
    module = __import__(f"retrograd.distributions.{name}", fromlist=["x"])
    theirs = getattr(torch.distributions, name)
    if name not in ("torch", "constraint_registry"):
        assert [n for n in getattr(theirs, "__all__", []) if not hasattr(module, n)] == []
