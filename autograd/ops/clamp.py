"""Moving elements into an interval: clamp and its relatives, nan_to_num."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import TensorBase, as_tensor_arg
from ..dtypes import get_default_dtype, int64
from ..errors import DtypeError
from ..generic import cast, into
from ..op import nary, param, public
from ..samples import call, raises, t
from .args import fitting
from .arith import raw
from .shape import keep_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["clamp", "clamp_max", "clamp_min", "clip", "nan_to_num"]  # fmt: skip


def _between(x: Any, low: Any, high: Any) -> Any:
    x = raw(x)
    if low is None:
        return x <= high
    return x >= low if high is None else (x >= low) & (x <= high)


def _clip(xp: Any, x: Any, low: Any, high: Any) -> Any:
    if low is not None and high is not None and low > high:
        return xp.where(x == x, x.dtype.type(high), x)  # PyTorch: min > max gives max
    return xp.clip(x, low, high)


clamp_p = param(
    "clamp", _clip, lambda g, x, o, low, high: keep_p(g, _between(x, low, high), True), saves="x", dtypes="same"
)


def _clamp_tensors(xp: Any, xs: Any) -> Any:
    x, low, high = xs
    x = x if low is None else xp.maximum(x, low)
    return x if high is None else xp.minimum(x, high)


def _clamp_tensors_vjp(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    x, low, high = (None if v is None else raw(v) for v in xs)
    from .shape import sum_to

    def part(i: int, mask: Any) -> Any:
        return None if needs[i] is None else sum_to(keep_p(g, mask, True), tuple(xs[i].shape))

    inside = _between(x, low, high) if low is not None or high is not None else None
    under = None if low is None else (x < low) if high is None else (x < low) & (low < high)
    over = None if high is None else (x > high) if low is None else (x > high) | (low >= high)
    if low is not None and high is not None:
        inside = inside & ~(low >= high) | (x == low) & (low == high)
        over = over & ~((x == low) & (low == high))
    return part(0, inside), part(1, under), part(2, over)


clamp_tensors_p = nary("clamp_tensors", _clamp_tensors, _clamp_tensors_vjp, saves="012", dtypes="same")


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4), -1, 1),
        call(t(3, 4), min=-0.5),
        call(t(3, 4), max=0.5),
        call(t(3, 4), t(3, 4, low=-1, high=0), t(4, low=0.1, high=1)),
        call(t(3, 4), min=t(3, 1)),
        call(t(3, dtype="int64", low=-5, high=5), 0, 2),
        call(t(3, dtype="int64", low=-5, high=5), min=0.5),
    ],
    errors=lambda: [raises(RuntimeError, "at least one of min or max", t(3))],
    ref=lambda x, min=None, max=None: np.clip(x, min, max),
)
def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Each element moved into [min, max]; the bounds are numbers or tensors. The gradient passes where min <= x <= max.

    >>> import retrograd as rg
    >>> rg.clamp(rg.tensor([-2.0, 0.5, 2.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    x = as_tensor_arg(input, "clamp")
    if x._dtype.kind == "c" or isinstance(min, complex) or isinstance(max, complex):
        raise DtypeError("clamp: complex numbers have no order; clamp .real and .imag, or abs()")
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min or max is expected, got neither")
    if isinstance(min, TensorBase) or isinstance(max, TensorBase):
        from .create import as_tensor

        low, high = (v if v is None or isinstance(v, TensorBase) else as_tensor(v) for v in (min, max))
        r = clamp_tensors_p((x, low, high))
    else:
        low, high = (v.item() if isinstance(v, np.generic) else v for v in (min, max))
        if x._dtype.kind in "biu":
            if isinstance(low, float) or isinstance(high, float):
                x = cast(x, get_default_dtype())
            else:
                d = x._dtype if x._dtype.kind != "b" else int64
                x = cast(x, d)
                low, high = (v if v is None else fitting(v, d, "clamp") for v in (low, high))
        r = clamp_p(x, low, high)
    return r if out is None else into(out, r, "clamp")


@public(inplace=True, samples=lambda: [call(t(3, 4), -0.5), call(t(3), t(3))], ref=lambda x, min: np.maximum(x, min))
def clamp_min(input: Tensor, min: Any, *, out: Tensor | None = None) -> Tensor:
    """Each element, at least `min`.

    >>> import retrograd as rg
    >>> rg.clamp_min(rg.tensor([1.0, 3.0]), 2)
    tensor([2., 3.])
    """
    return clamp(input, min, out=out)


@public(inplace=True, samples=lambda: [call(t(3, 4), 0.5), call(t(3), t(3))], ref=lambda x, max: np.minimum(x, max))
def clamp_max(input: Tensor, max: Any, *, out: Tensor | None = None) -> Tensor:
    """Each element, at most `max`.

    >>> import retrograd as rg
    >>> rg.clamp_max(rg.tensor([1.0, 3.0]), 2)
    tensor([1., 2.])
    """
    return clamp(input, None, max, out=out)


def _nan_to_num(xp: Any, x: Any, nan: float, posinf: Any, neginf: Any) -> Any:
    if x.dtype.kind in "biu":
        return x.copy()
    return xp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


nan_to_num_p = param(
    "nan_to_num",
    _nan_to_num,
    lambda g, x, o, *p: keep_p(g, raw(x) - raw(x) == 0, True),  # finite: infinity - infinity is NaN
    saves="x",
    dtypes="same",
)


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, values=[float("nan"), 1.0, 2.0])),
        call(t(4, values=[float("nan"), float("inf"), -float("inf"), 2.0]), nan=1.0, posinf=2.0, neginf=-3.0),
    ],
    ref=lambda x, nan=0.0, posinf=None, neginf=None: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
)
def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None,
    *, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """NaN and infinities replaced by numbers: by default 0, and the largest and smallest finite ones.

    >>> import retrograd as rg
    >>> rg.nan_to_num(rg.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    r = nan_to_num_p(as_tensor_arg(input, "nan_to_num"), 0.0 if nan is None else nan, posinf, neginf)
    return r if out is None else into(out, r, "nan_to_num")


clip = clamp
