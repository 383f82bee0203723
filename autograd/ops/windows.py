"""Window functions of the front door: hann_window, hamming_window, blackman_window, bartlett_window, kaiser_window.

All windows are computed in float64 on the host (they are short, and made once) and rounded to their dtype; the formulas
here serve `retrograd.signal.windows` as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..op import public
from ..samples import D, call, raises, t
from .args import as_int
from .create import finish, place

if TYPE_CHECKING:
    from ..device import device as Device
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = [
    "bartlett_window", "blackman_window", "cosine_sum", "hamming_window", "hann_window", "kaiser", "kaiser_window",
    "triangle", "window",
]  # fmt: skip


# ---------------------------------------------------------------- formulas
def _places(n: int, periodic: bool) -> np.ndarray:
    """0 ... n - 1 as fractions of the window's span (n,): a periodic window spans one more point than it has."""
    return np.arange(n) / (n if periodic else n - 1) if n > 1 else np.zeros(n)


def cosine_sum(n: int, periodic: bool, a: Sequence[float]) -> np.ndarray:
    """sum_i (-1)^i a[i] cos(2 pi i k / (n - 1)) (n,); 1 for a window of one point."""
    if n == 1:
        return np.ones(1)
    x = 2 * np.pi * _places(n, periodic)
    w = np.zeros(n)
    for i, c in enumerate(a):
        w += (-1) ** i * c * np.cos(i * x)
    return w


def triangle(n: int, periodic: bool) -> np.ndarray:
    """1 - |2 k / (n - 1) - 1| (n,)."""
    return np.ones(1) if n == 1 else 1 - np.abs(2 * _places(n, periodic) - 1)


def kaiser(n: int, periodic: bool, beta: float) -> np.ndarray:
    """I0(beta sqrt(1 - (2 k / (n - 1) - 1)^2)) / I0(beta) (n,)."""
    if n == 1:
        return np.ones(1)
    x = 2 * _places(n, periodic) - 1
    return np.i0(beta * np.sqrt(np.maximum(1 - x * x, 0.0))) / np.i0(beta)


def window(op: str, w: np.ndarray, dtype: Any, device: Any, layout: Any, requires_grad: bool) -> Tensor:
    """The tensor of these values."""
    d, xp = place(op, dtype, device, layout)
    w = w.astype(d.np)
    return finish(op, w if xp is np else xp.asarray(w), device, requires_grad)


# ---------------------------------------------------------------- public functions
def _length(n: Any, dtype: Any, op: str) -> int:
    n = as_int(n, op, "window_length")
    if n < 0:
        raise ShapeError(f"{op}: window_length must not be negative, got {n}")
    d, _ = place(op, dtype, None)
    if d.kind != "f":
        raise DtypeError(f"{op}: dtype is {d.name}; a floating-point dtype is expected")
    return n


def _samples(*more: Any) -> Any:
    return lambda: [
        call(5), call(6, False), call(4, periodic=True), call(1), call(0), call(3, dtype=D("float64")), *more,
    ]  # fmt: skip


def _errors(name: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{name}: window_length must not be negative, got -1", -1),
        raises(RuntimeError, rf"{name}: dtype is int64; a floating-point dtype is expected", 5, dtype=D("int64")),
        raises(TypeError, rf"{name}: window_length must be an int", 5.0),
        raises(TypeError, rf"{name}: window_length must be an int", t(2)),
    ]


def _ref(name: str) -> Any:
    def ref(n: int, periodic: bool = True, *p: Any, dtype: Any = None, **named: Any) -> np.ndarray:
        from scipy.signal import get_window

        more = p or tuple(named.values()) or ((12.0,) if name == "kaiser" else ())
        return np.ones(n) if n < 2 else np.asarray(get_window((name, *more) if more else name, n, periodic))

    return ref


_kinds: dict[str, Any] = {"method": False, "differentiable": False}


@public(samples=_samples(), errors=_errors("hann_window"), ref=_ref("hann"), **_kinds)
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | None = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Hann window w[k] = (1 - cos(2 pi k / (N - 1))) / 2, a tensor of shape `(window_length,)`.

    periodic: for spectral analysis: N = window_length + 1, and the last point is left away; else symmetric. Raises
    ShapeError for a negative length, DtypeError for a dtype that is not floating-point.

    >>> import retrograd as rg
    >>> rg.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    w = cosine_sum(_length(window_length, dtype, "hann_window"), periodic, (0.5, 0.5))
    return window("hann_window", w, dtype, device, layout, requires_grad)


@public(
    samples=_samples(call(5, True, 0.6), call(5, False, alpha=0.5, beta=0.3)),
    errors=_errors("hamming_window"),
    ref=lambda n, periodic=True, alpha=0.54, beta=0.46, dtype=None: (
        np.ones(n) if n < 2 else alpha - beta * np.cos(2 * np.pi * np.arange(n) / (n if periodic else n - 1))
    ),
    **_kinds,
)
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Dtype | None = None,
    layout: Any = None, device: Device | str | None = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Hamming window w[k] = alpha - beta cos(2 pi k / (N - 1)), a tensor of shape `(window_length,)`.

    periodic and errors as for `hann_window`.

    >>> import retrograd as rg
    >>> rg.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    w = cosine_sum(_length(window_length, dtype, "hamming_window"), periodic, (alpha, beta))
    return window("hamming_window", w, dtype, device, layout, requires_grad)


@public(samples=_samples(), errors=_errors("blackman_window"), ref=_ref("blackman"), **_kinds)
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | None = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Blackman window w[k] = 0.42 - 0.5 cos(2 pi k / (N - 1)) + 0.08 cos(4 pi k / (N - 1)): `(window_length,)`.

    periodic and errors as for `hann_window`.

    >>> import retrograd as rg
    >>> rg.blackman_window(4)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """
    w = cosine_sum(_length(window_length, dtype, "blackman_window"), periodic, (0.42, 0.5, 0.08))
    return window("blackman_window", w, dtype, device, layout, requires_grad)


@public(
    samples=_samples(), errors=_errors("bartlett_window"),
    ref=lambda n, periodic=True, dtype=None: np.ones(n) if n < 2 else np.bartlett(n + periodic)[:n],
    **_kinds,
)  # fmt: skip
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | None = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Bartlett window w[k] = 1 - |2 k / (N - 1) - 1|, a triangle: a tensor of shape `(window_length,)`.

    periodic and errors as for `hann_window`.

    >>> import retrograd as rg
    >>> rg.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    w = triangle(_length(window_length, dtype, "bartlett_window"), periodic)
    return window("bartlett_window", w, dtype, device, layout, requires_grad)


@public(
    samples=_samples(call(5, True, 3.0), call(5, False, beta=0.0)),
    errors=_errors("kaiser_window"), ref=_ref("kaiser"), **_kinds,
)  # fmt: skip
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | None = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Kaiser window w[k] = I0(beta sqrt(1 - (2 k / (N - 1) - 1)^2)) / I0(beta): a tensor `(window_length,)`.

    I0 is the modified Bessel function of order 0. periodic and errors as for `hann_window`.

    >>> import retrograd as rg
    >>> rg.kaiser_window(4, beta=3.0)
    tensor([0.2049, 0.7269, 1.0000, 0.7269])
    """
    w = kaiser(_length(window_length, dtype, "kaiser_window"), periodic, float(beta))
    return window("kaiser_window", w, dtype, device, layout, requires_grad)
