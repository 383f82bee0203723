"""Orthogonal polynomials: Chebyshev's four kinds (also shifted), Hermite's two, Laguerre's and Legendre's.

All come from a recurrence p[n + 1] = (a x + b) p[n] - c p[n - 1]. Differentiated k times it is
p[n + 1]^(k) = (a x + b) p[n]^(k) + k a p[n]^(k - 1) - c p[n - 1]^(k): the derivatives of any order, exact at -1 and 1 too,
where the closed formulas divide by 0. The degree has no derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import dtypes
from ..backend import is_array, xp_of
from ..core import TensorBase, as_tensor_arg, wrap
from ..errors import DtypeError
from ..generic import cast
from ..info import result_type
from ..op import param, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import into, same_library
from .parts import broadcast
from .shape import sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
    "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
]  # fmt: skip

# family -> (a, b, c) of the step from degree n to n + 1; that from 0 to 1 has no c
Step = Callable[[int], tuple[float, float, float]]


def _chebyshev(first: float, constant: float) -> Step:
    """p[1] = first x + constant, and p[n + 1] = 2 x p[n] - p[n - 1]."""
    return lambda n: (2.0, 0.0, 1.0) if n else (first, constant, 0.0)


def _shifted(step: Step) -> Step:
    """The same polynomials of 2 x - 1."""

    def shifted(n: int) -> tuple[float, float, float]:
        a, b, c = step(n)
        return 2 * a, b - a, c

    return shifted


_STEPS: dict[str, Step] = {
    "t": _chebyshev(1.0, 0.0),
    "u": _chebyshev(2.0, 0.0),
    "v": _chebyshev(2.0, -1.0),
    "w": _chebyshev(2.0, 1.0),
    "h": lambda n: (2.0, 0.0, 2.0 * n),
    "he": lambda n: (1.0, 0.0, float(n)),
    "l": lambda n: (-1 / (n + 1), (2 * n + 1) / (n + 1), n / (n + 1)),
    "p": lambda n: ((2 * n + 1) / (n + 1), 0.0, n / (n + 1)),
}
_STEPS.update({"shifted_" + kind: _shifted(_STEPS[kind]) for kind in "tuvw"})


def _polynomial(xp: Any, x: Any, n: Any, kind: str, order: int) -> Any:
    """The derivative of that order; n: an int, or a raw int64 array that broadcasts with x."""
    highest = int(n.max()) if is_array(n) and n.size else 0 if is_array(n) else n
    step = _STEPS[kind]
    zero = x * 0
    before, now = [zero] * (order + 1), [zero + 1] + [zero] * order
    one = not is_array(n)
    out = now[order] if one and n == 0 else xp.zeros(x.shape, x.dtype)
    if not one:
        out = xp.where(n == 0, now[order], out)
    for d in range(max(highest, 0)):
        a, b, c = step(d)
        line = x * a + b if b else x * a
        after = []
        for k in range(order + 1):
            v = line * now[k]
            if k:
                v = v + now[k - 1] * (k * a)
            after.append(v - before[k] * c if c else v)
        before, now = now, after
        out = now[order] if one else xp.where(n == d + 1, now[order], out)
    return out


def _slope(g: Any, x: Any, n: Any, kind: str, order: int) -> Any:
    return g * polynomial_p(x, n, kind, order + 1)


polynomial_p: Any = param(
    "orthogonal_polynomial",
    _polynomial,
    lambda g, x, o, n, kind, order: sum_to(_slope(g, x, n, kind, order), tuple(x.shape)),
    saves="x",
    jvp=lambda ts, xs, o, n, kind, order: _slope(ts[0], xs[0], n, kind, order),
    doc="A derivative of the orthogonal polynomial of a family, of the degrees in a raw array (or int) n.",
)


@sample_by_sample
def _evaluate(op: str, kind: str, input: Any, n: Any, out: Any) -> Any:
    if not isinstance(input, TensorBase) and not isinstance(n, TensorBase):
        raise TypeError(f"{op}: at least one Tensor is expected, got {type(input).__name__} and {type(n).__name__}")
    input, n = (v if isinstance(v, (bool, int, float, complex)) else as_tensor_arg(v, op) for v in (input, n))
    d = result_type(input, n)
    if d.kind == "c":
        raise DtypeError(f"{op}: not defined for complex tensors; use .real")
    if d.kind in "biu":
        d = dtypes.get_default_dtype()
    xp = xp_of((input if isinstance(input, TensorBase) else n)._data)
    x = cast(input, d) if isinstance(input, TensorBase) else wrap(xp.asarray(input, dtype=d.np))
    if isinstance(n, TensorBase):
        broadcast(op, tuple(x._shape), tuple(n._shape))
        degree = same_library(n._data, xp, op, "n").astype("int64")
    else:
        degree = int(n)
    return into(out, polynomial_p(x, degree, kind, 0), op)


# ---------------------------------------------------------------- what all of them share
def _samples(low: float, high: float) -> Any:
    def samples() -> list[Any]:
        found = []
        degrees = t(4, values=[0, 1, 2, 5], dtype="int64")
        for grad in (False, True):  # PyTorch has the values only
            kw: Any = {"low": low, "high": high, "grad": grad}
            rest = {"torch": not grad}
            found += [
                call(t(3, 4, **kw), degrees, **rest),
                call(t(3, 1, **kw), degrees, **rest),
                call(t(5, **kw), 3, **rest),
                call(t(**kw), t(2, values=[-1, 8], dtype="int64"), **rest),
                call(t(3, values=[-1.0, 0.0, 1.0], grad=grad), 4, **rest),
                call(t(0, 3, **kw), 2, **rest),
            ]
        return [
            *found,
            call(0.5, degrees),
            call(t(3, low=low, high=high, grad=False), t(3, values=[1.0, 2.0, 3.5], grad=False)),
            call(t(3, dtype="int64", low=0, high=3), 2),
        ]

    return samples


def _errors(name: str) -> Any:
    return lambda: [
        raises(TypeError, f"{name}: at least one Tensor", 0.5, 3),
        raises(ValueError, f"{name}: .* do not broadcast", t(2, grad=False), t(3, grad=False)),
        raises(TypeError, "not defined for complex", t(2, dtype="complex64", grad=False), 3),
    ]


def _reference(name: str, argument: Any = lambda x: x, factor: Any = None) -> Any:
    """SciPy's eval_<name>; in double precision, and 0 for negative degrees."""

    def ref(x: Any, n: Any) -> Any:
        import numpy as np
        import scipy.special

        x, n = np.asarray(x), np.trunc(n)
        d = np.result_type(x, np.float32) if x.dtype.kind in "iu" or not x.ndim else x.dtype
        if isinstance(n, np.ndarray) and n.dtype.kind == "f" and not x.ndim:
            d = n.dtype
        u = argument(x.astype("f8"))
        v = getattr(scipy.special, f"eval_{name}")(np.maximum(n, 0).astype("i8"), u)
        if factor is not None:
            v = factor(u, np.maximum(n, 0).astype("i8"), v)
        return np.where(n < 0, 0.0, v).astype(d)

    return ref


def _third(u: Any, n: Any, v: Any) -> Any:
    """V[n] = U[n] - U[n - 1]."""
    import numpy as np
    import scipy.special

    return v - np.where(n > 0, scipy.special.eval_chebyu(np.maximum(n - 1, 0), u), 0)


def _fourth(u: Any, n: Any, v: Any) -> Any:
    """W[n] = U[n] + U[n - 1]."""
    return 2 * v - _third(u, n, v)


def _register(name: str, low: float, high: float, ref: Any) -> Any:
    return public(
        name=name, where="special", method=False, samples=_samples(low, high), errors=_errors(name), ref=ref
    )  # fmt: skip


def _twice(x: Any) -> Any:
    return 2 * x - 1


# ---------------------------------------------------------------- public functions
@_register("chebyshev_polynomial_t", -1.5, 1.5, _reference("chebyt"))
def chebyshev_polynomial_t(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The Chebyshev polynomial of the first kind, T[n](cos a) = cos(n a).

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.chebyshev_polynomial_t(rg.tensor([0.5, 1.0]), 3)
    tensor([-1.,  1.])
    """
    return _evaluate("chebyshev_polynomial_t", "t", input, n, out)


@_register("chebyshev_polynomial_u", -1.5, 1.5, _reference("chebyu"))
def chebyshev_polynomial_u(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The Chebyshev polynomial of the second kind, U[n](cos a) = sin((n + 1) a) / sin(a).

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.chebyshev_polynomial_u(rg.tensor([0.5, 1.0]), 3)
    tensor([-1.,  4.])
    """
    return _evaluate("chebyshev_polynomial_u", "u", input, n, out)


@_register("chebyshev_polynomial_v", -1.5, 1.5, _reference("chebyu", factor=_third))
def chebyshev_polynomial_v(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The Chebyshev polynomial of the third kind, V[n](cos a) = cos((n + 1/2) a) / cos(a / 2).

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.chebyshev_polynomial_v(rg.tensor([0.5, 1.0]), 3)
    tensor([-1.,  1.])
    """
    return _evaluate("chebyshev_polynomial_v", "v", input, n, out)


@_register("chebyshev_polynomial_w", -1.5, 1.5, _reference("chebyu", factor=_fourth))
def chebyshev_polynomial_w(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The Chebyshev polynomial of the fourth kind, W[n](cos a) = sin((n + 1/2) a) / sin(a / 2).

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.chebyshev_polynomial_w(rg.tensor([0.5, 1.0]), 3)
    tensor([-1.,  7.])
    """
    return _evaluate("chebyshev_polynomial_w", "w", input, n, out)


@_register("shifted_chebyshev_polynomial_t", -0.25, 1.25, _reference("chebyt", _twice))
def shifted_chebyshev_polynomial_t(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The Chebyshev polynomial of the first kind of 2 x - 1, orthogonal on [0, 1].

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.shifted_chebyshev_polynomial_t(rg.tensor([0.25, 1.0]), 3)
    tensor([1., 1.])
    """
    return _evaluate("shifted_chebyshev_polynomial_t", "shifted_t", input, n, out)


@_register("shifted_chebyshev_polynomial_u", -0.25, 1.25, _reference("chebyu", _twice))
def shifted_chebyshev_polynomial_u(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The Chebyshev polynomial of the second kind of 2 x - 1, orthogonal on [0, 1].

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.shifted_chebyshev_polynomial_u(rg.tensor([0.25, 1.0]), 3)
    tensor([1., 4.])
    """
    return _evaluate("shifted_chebyshev_polynomial_u", "shifted_u", input, n, out)


@_register("shifted_chebyshev_polynomial_v", -0.25, 1.25, _reference("chebyu", _twice, _third))
def shifted_chebyshev_polynomial_v(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The Chebyshev polynomial of the third kind of 2 x - 1, orthogonal on [0, 1].

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.shifted_chebyshev_polynomial_v(rg.tensor([0.25, 1.0]), 3)
    tensor([1., 1.])
    """
    return _evaluate("shifted_chebyshev_polynomial_v", "shifted_v", input, n, out)


@_register("shifted_chebyshev_polynomial_w", -0.25, 1.25, _reference("chebyu", _twice, _fourth))
def shifted_chebyshev_polynomial_w(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The Chebyshev polynomial of the fourth kind of 2 x - 1, orthogonal on [0, 1].

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.shifted_chebyshev_polynomial_w(rg.tensor([0.25, 1.0]), 3)
    tensor([1., 7.])
    """
    return _evaluate("shifted_chebyshev_polynomial_w", "shifted_w", input, n, out)


@_register("hermite_polynomial_h", -2.0, 2.0, _reference("hermite"))
def hermite_polynomial_h(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The (physicists') Hermite polynomial, H[n + 1](x) = 2 x H[n](x) - 2 n H[n - 1](x).

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.hermite_polynomial_h(rg.tensor([0.5, 1.0]), 3)
    tensor([-5., -4.])
    """
    return _evaluate("hermite_polynomial_h", "h", input, n, out)


@_register("hermite_polynomial_he", -2.0, 2.0, _reference("hermitenorm"))
def hermite_polynomial_he(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The (probabilists') Hermite polynomial, He[n + 1](x) = x He[n](x) - n He[n - 1](x).

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.hermite_polynomial_he(rg.tensor([0.5, 1.0]), 3)
    tensor([-1.3750, -2.0000])
    """
    return _evaluate("hermite_polynomial_he", "he", input, n, out)


@_register("laguerre_polynomial_l", -1.0, 5.0, _reference("laguerre"))
def laguerre_polynomial_l(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The Laguerre polynomial, (n + 1) L[n + 1](x) = (2 n + 1 - x) L[n](x) - n L[n - 1](x).

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.laguerre_polynomial_l(rg.tensor([0.5, 1.0]), 3)
    tensor([-0.1458, -0.6667])
    """
    return _evaluate("laguerre_polynomial_l", "l", input, n, out)


@_register("legendre_polynomial_p", -1.5, 1.5, _reference("legendre"))
def legendre_polynomial_p(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
    """The Legendre polynomial, (n + 1) P[n + 1](x) = (2 n + 1) x P[n](x) - n P[n - 1](x).

    input and the degree n broadcast; either may be a number. Fractions of n are cut off; 0 for negative n. Integers become
    the default dtype. The gradient goes to input. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.legendre_polynomial_p(rg.tensor([0.5, 1.0]), 3)
    tensor([-0.4375,  1.0000])
    """
    return _evaluate("legendre_polynomial_p", "p", input, n, out)
