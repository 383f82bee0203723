"""Parameters for every distribution, in both libraries, for the tests of distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

import retrograd as rg

_rng = np.random.default_rng(5)
SIMPLEX = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
LOGITS = np.array([[0.4, -1.0, 2.0], [0.0, 0.7, -0.3]])
P = np.array([0.15, 0.4, 0.85])
_A = _rng.normal(size=(2, 3, 3))
COVARIANCE = _A @ _A.transpose(0, 2, 1) + 0.5 * np.eye(3)
TRIL = np.linalg.cholesky(COVARIANCE)
VECTOR = np.array([0.3, -1.2, 0.8])
FACTOR = _rng.normal(size=(2, 3, 2))
LOC, SCALE = np.array([[0.5], [-1.5]]), np.array([0.4, 1.0, 2.5])
POSITIVE, OTHER = np.array([[0.7], [2.5]]), np.array([0.6, 1.3, 4.0])

# Class -> calls: keyword arguments that are arrays (parameters with a gradient), numbers, or `plain(...)`.
CASES: dict[str, list[dict[str, Any]]] = {
    "Bernoulli": [{"probs": P}, {"logits": LOGITS}, {"probs": 0.3}],
    "Beta": [{"concentration1": POSITIVE, "concentration0": OTHER}, {"concentration1": 2.0, "concentration0": 3.5}],
    "Binomial": [{"total_count": 7, "probs": P}, {"total_count": 4, "logits": LOGITS}],
    "Categorical": [{"probs": SIMPLEX}, {"logits": LOGITS}, {"probs": SIMPLEX[0] * 3}],
    "Cauchy": [{"loc": LOC, "scale": SCALE}, {"loc": 0.0, "scale": 2.0}],
    "Chi2": [{"df": OTHER}, {"df": np.array(3.0)}],
    "ContinuousBernoulli": [{"probs": np.array([0.15, 0.4995, 0.5, 0.85])}, {"logits": LOGITS}],
    "Dirichlet": [{"concentration": SIMPLEX * 6 + 0.1}, {"concentration": OTHER}],
    "Exponential": [{"rate": OTHER}, {"rate": 0.7}],
    "FisherSnedecor": [{"df1": POSITIVE * 3, "df2": OTHER * 3}, {"df1": 5.0, "df2": 9.0}],
    "Gamma": [{"concentration": POSITIVE, "rate": OTHER}, {"concentration": 2.0, "rate": 3.0}],
    "GeneralizedPareto": [
        {"loc": LOC, "scale": SCALE, "concentration": np.array([-0.4, 0.0, 0.3])},
        {"loc": 1.0, "scale": 2.0, "concentration": 0.7},
    ],
    "Geometric": [{"probs": P}, {"logits": LOGITS}, {"probs": 0.3}],
    "Gumbel": [{"loc": LOC, "scale": SCALE}, {"loc": 0.5, "scale": 2.0}],
    "HalfCauchy": [{"scale": SCALE}, {"scale": 2.0}],
    "HalfNormal": [{"scale": SCALE}, {"scale": 2.0}],
    "InverseGamma": [{"concentration": POSITIVE, "rate": OTHER}, {"concentration": 2.5, "rate": 3.0}],
    "Kumaraswamy": [{"concentration1": POSITIVE, "concentration0": OTHER}],
    "LKJCholesky": [{"dim": 3, "concentration": OTHER}, {"dim": 2, "concentration": np.array(1.0)}],
    "Laplace": [{"loc": LOC, "scale": SCALE}, {"loc": 0.0, "scale": 2.0}],
    "LogNormal": [{"loc": LOC, "scale": SCALE}, {"loc": 0.5, "scale": 0.3}],
    "LogisticNormal": [{"loc": LOGITS, "scale": SCALE}],
    "LowRankMultivariateNormal": [
        {"loc": VECTOR, "cov_factor": FACTOR, "cov_diag": OTHER},
        {"loc": VECTOR, "cov_factor": FACTOR[0], "cov_diag": OTHER},
    ],
    "Multinomial": [{"total_count": 5, "probs": SIMPLEX}, {"total_count": 3, "logits": LOGITS}],
    "MultivariateNormal": [
        {"loc": VECTOR, "covariance_matrix": COVARIANCE},
        {"loc": LOGITS, "scale_tril": TRIL[0]},
        {"loc": VECTOR, "precision_matrix": COVARIANCE},
    ],
    "NegativeBinomial": [{"total_count": np.array([2.5, 4.0, 1.0]), "probs": P}, {"total_count": 3, "logits": LOGITS}],
    "Normal": [{"loc": LOC, "scale": SCALE}, {"loc": 0.0, "scale": 2.0}, {"loc": np.array([1.0]), "scale": 2.0}],
    "OneHotCategorical": [{"probs": SIMPLEX}, {"logits": LOGITS}],
    "OneHotCategoricalStraightThrough": [{"probs": SIMPLEX}],
    "Pareto": [{"scale": POSITIVE, "alpha": OTHER}, {"scale": 1.5, "alpha": 3.0}],
    "Poisson": [{"rate": OTHER}, {"rate": 15.0}],
    "RelaxedBernoulli": [
        {"temperature": np.array([0.7]), "probs": P},
        {"temperature": np.array([2.0]), "logits": LOGITS},
    ],
    "RelaxedOneHotCategorical": [
        {"temperature": np.array(0.7), "probs": SIMPLEX},
        {"temperature": np.array(2.0), "logits": LOGITS},
    ],
    "StudentT": [{"df": OTHER, "loc": LOC, "scale": SCALE}, {"df": 5.0}],
    "Uniform": [{"low": LOC, "high": LOC + SCALE}, {"low": -1.0, "high": 2.0}],
    "VonMises": [{"loc": LOC, "concentration": OTHER}, {"loc": 0.0, "concentration": np.array(20.0)}],
    "Weibull": [{"scale": POSITIVE, "concentration": OTHER}, {"scale": 1.0, "concentration": 1.5}],
    "Wishart": [
        {"df": np.array([4.0, 6.5]), "covariance_matrix": COVARIANCE},
        {"df": np.array(5.0), "scale_tril": TRIL[0]},
        {"df": np.array(5.0), "precision_matrix": COVARIANCE[0]},
    ],
}
EVERY = [(name, i) for name in sorted(CASES) for i in range(len(CASES[name]))]


def parameters(library: Any, name: str, i: int, grad: bool = False, dtype: str = "float64") -> dict[str, Any]:
    """The arguments of case i, arrays as tensors of the library."""
    made = {}
    for key, value in CASES[name][i].items():
        if isinstance(value, np.ndarray):
            value = library.tensor(value.tolist(), dtype=getattr(library, dtype), requires_grad=grad)
        made[key] = value
    return made


def make(library: Any, name: str, i: int, **kwargs: Any) -> Any:
    """Case i of a distribution of the library."""
    return getattr(library.distributions, name)(**parameters(library, name, i), **kwargs)


def ours(t: Any) -> Any:
    """A tensor of PyTorch as one of retrograd's."""
    return rg.from_numpy(np.array(t.detach().numpy()))
