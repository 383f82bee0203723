"""kl_divergence: how far one distribution is from another, in closed form.

`register_kl` adds pairs. The formulas of the pairs that are known are in `kl_same` (of one kind) and `kl_pairs`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ...autograd import Tensor
from .distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

_REGISTRY: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}
_FOUND: dict[tuple[type, type], Callable[[Any, Any], Tensor] | None] = {}  # what was looked up before


def register_kl(type_p: type, type_q: type) -> Any:
    """A decorator that registers a function (p, q) -> KL(p || q) for two classes of distributions.

    `kl_divergence` takes the most specific match; where two are equally specific it warns (RuntimeWarning), and a third,
    for both derived classes, settles it. Raises TypeError for what is no Distribution.

    >>> import retrograd as rg
    >>> d = rg.distributions
    >>> class Point(d.Distribution):
    ...     arg_constraints = {}
    >>> @d.register_kl(Point, Point)
    ... def _kl(p, q):
    ...     return rg.tensor(0.0)
    >>> d.kl_divergence(Point(), Point())
    tensor(0.)
    """
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def decorator(fun: Any) -> Any:
        _REGISTRY[type_p, type_q] = fun
        _FOUND.clear()  # a lookup may now have another result
        return fun

    return decorator


def _dispatch(type_p: type, type_q: type) -> Callable[[Any, Any], Tensor] | None:
    """The function of the most derived pair, by the class of p first; a warning where that of q first finds another."""
    pairs = [(p, q) for p, q in _REGISTRY if issubclass(type_p, p) and issubclass(type_q, q)]
    if not pairs:
        return None
    order_p, order_q = type_p.__mro__.index, type_q.__mro__.index
    left = min(pairs, key=lambda m: (order_p(m[0]), order_q(m[1])))
    right = min(pairs, key=lambda m: (order_q(m[1]), order_p(m[0])))
    if _REGISTRY[left] is not _REGISTRY[right]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
            f"Please register_kl({left[0].__name__}, {right[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The Kullback-Leibler divergence KL(p || q), the mean of log p(x) - log q(x) for x drawn from p; of batch shape.

    Raises NotImplementedError for pairs of classes that are not registered.

    >>> import retrograd as rg
    >>> d = rg.distributions
    >>> d.kl_divergence(d.Normal(0.0, 1.0), d.Normal(1.0, 1.0))
    tensor(0.5000)
    """
    kinds = (type(p), type(q))
    if kinds not in _FOUND:
        _FOUND[kinds] = _dispatch(*kinds)
    fun = _FOUND[kinds]
    if fun is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {kinds[0].__name__} and q type {kinds[1].__name__}"
        )
    return fun(p, q)
