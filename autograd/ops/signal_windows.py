"""The functions of `retrograd.signal.windows`: symmetric unless `sym=False`, with ValueErrors, as PyTorch's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..op import public
from ..samples import D, call, raises
from .args import as_int
from .create import place
from .windows import cosine_sum, triangle, window
from .windows import kaiser as kaiser_values

if TYPE_CHECKING:
    from ..device import device as Device
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip


def _length(M: Any, dtype: Any, layout: Any, op: str) -> int:
    n = as_int(M, op, "M")
    if n < 0:
        raise ValueError(f"{op}: M, the window's length, must not be negative, got {n}")
    if layout is not None and not str(layout).endswith("strided"):
        raise ValueError(f"{op}: layout {layout} is not supported; tensors are strided")
    d, _ = place(op, dtype, None)
    if d.name not in ("float32", "float64"):
        raise ValueError(f"{op}: dtype is {d.name}; float32 or float64 is expected")
    return n


def _samples(*more: Any, **always: Any) -> Any:
    def named(**own: Any) -> dict[str, Any]:
        return {**always, **own}

    return lambda: [
        call(5, **named()), call(6, **named(sym=False)), call(7, **named(sym=True)), call(1, **named()),
        call(1, **named(sym=False)), call(0, **named()), call(2, **named(dtype=D("float64"))), *more,
    ]  # fmt: skip


def _errors(name: str, *more: Any, **always: Any) -> Any:
    return lambda: [
        raises(ValueError, rf"{name}: M, the window's length, must not be negative, got -1", -1, **always),
        raises(ValueError, rf"{name}: dtype is float16; float32 or float64", 5, dtype=D("float16"), **always),
        raises(ValueError, rf"{name}: layout .* is not supported", 5, layout="sparse_coo", **always),
        raises(TypeError, rf"{name}: M must be an int", 5.0, **always),
        *more,
    ]


def _ref(name: str, *defaults: str) -> Any:
    """SciPy's window of that name; `defaults` are the values of the parameters that SciPy wants."""

    def ref(M: int, *, sym: bool = True, dtype: Any = None, **named: Any) -> np.ndarray:
        from scipy.signal import windows

        if name == "exponential" and M < 2:  # SciPy returns 1 where the centre given is another
            return np.ones(M)
        for d in defaults:
            key, _, value = d.partition("=")
            named.setdefault(key, float(value))
        return getattr(windows, name)(M, sym=sym, **named)

    return ref


_kinds: dict[str, Any] = {"where": "signal.windows", "method": False, "differentiable": False}


@public(samples=_samples(), errors=_errors("bartlett"), ref=_ref("bartlett"), **_kinds)
def bartlett(
    M: int, *, sym: bool = True, dtype: Dtype | None = None, layout: Any = None, device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Bartlett window w[k] = 1 - |2 k / (N - 1) - 1| of shape `(M,)`: a triangle that is 0 at its ends.

    sym: N = M, for the design of filters; else N = M + 1, for spectral analysis. Raises ValueError for a negative M and
    for dtypes other than float32 and float64.

    >>> import retrograd as rg
    >>> rg.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return window(
        "bartlett", triangle(_length(M, dtype, layout, "bartlett"), not sym), dtype, device, layout, requires_grad
    )


def _cosines(op: str, M: Any, a: Any, sym: bool, dtype: Any, layout: Any, device: Any, requires_grad: bool) -> Tensor:
    w = cosine_sum(_length(M, dtype, layout, op), not sym, a)
    return window(op, w, dtype, device, layout, requires_grad)


@public(samples=_samples(), errors=_errors("blackman"), ref=_ref("blackman"), **_kinds)
def blackman(
    M: int, *, sym: bool = True, dtype: Dtype | None = None, layout: Any = None, device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Blackman window, `general_cosine` with a = (0.42, 0.5, 0.08): a tensor `(M,)`.

    sym and errors as for `bartlett`.

    >>> import retrograd as rg
    >>> rg.signal.windows.blackman(4, sym=False)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """
    return _cosines("blackman", M, (0.42, 0.5, 0.08), sym, dtype, layout, device, requires_grad)


@public(samples=_samples(), errors=_errors("hann"), ref=_ref("hann"), **_kinds)
def hann(
    M: int, *, sym: bool = True, dtype: Dtype | None = None, layout: Any = None, device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Hann window w[k] = (1 - cos(2 pi k / (N - 1))) / 2: a tensor `(M,)`.

    sym and errors as for `bartlett`.

    >>> import retrograd as rg
    >>> rg.signal.windows.hann(4, sym=False)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _cosines("hann", M, (0.5, 0.5), sym, dtype, layout, device, requires_grad)


@public(samples=_samples(), errors=_errors("hamming"), ref=_ref("hamming"), **_kinds)
def hamming(
    M: int, *, sym: bool = True, dtype: Dtype | None = None, layout: Any = None, device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Hamming window w[k] = 0.54 - 0.46 cos(2 pi k / (N - 1)): a tensor `(M,)`.

    sym and errors as for `bartlett`.

    >>> import retrograd as rg
    >>> rg.signal.windows.hamming(4, sym=False)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return _cosines("hamming", M, (0.54, 0.46), sym, dtype, layout, device, requires_grad)


@public(
    samples=_samples(call(5, alpha=0.7)), errors=_errors("general_hamming"),
    ref=_ref("general_hamming", "alpha=0.54"), **_kinds,
)  # fmt: skip
def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The generalised Hamming window w[k] = alpha - (1 - alpha) cos(2 pi k / (N - 1)): a tensor `(M,)`.

    sym and errors as for `bartlett`.

    >>> import retrograd as rg
    >>> rg.signal.windows.general_hamming(4, alpha=0.5, sym=False)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _cosines("general_hamming", M, (alpha, 1.0 - alpha), sym, dtype, layout, device, requires_grad)


@public(
    samples=_samples(call(5, a=(0.4, 0.3, 0.2, 0.1), sym=False), a=[0.46, 0.23, 0.31]),
    errors=_errors(
        "general_cosine",
        raises(ValueError, r"general_cosine: a, the coefficients, is empty", 5, a=[]),
        raises(TypeError, r"general_cosine: a must be a list or tuple of coefficients, got int", 5, a=3),
        a=[0.5, 0.5],
    ),
    ref=lambda M, a, sym=True, dtype=None: _ref("general_cosine")(M, a=a, sym=sym),
    **_kinds,
)
def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A sum of cosines w[k] = sum_i (-1)^i a[i] cos(2 pi i k / (N - 1)): a tensor `(M,)`.

    sym and errors as for `bartlett`; TypeError and ValueError for coefficients that are no sequence or empty.

    >>> import retrograd as rg
    >>> rg.signal.windows.general_cosine(4, a=[0.5, 0.5], sym=False)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    n = _length(M, dtype, layout, "general_cosine")
    if not isinstance(a, Iterable):
        raise TypeError(f"general_cosine: a must be a list or tuple of coefficients, got {type(a).__name__}")
    coefficients = [float(c) for c in a]
    if not coefficients:
        raise ValueError("general_cosine: a, the coefficients, is empty; give at least one")
    return window("general_cosine", cosine_sum(n, not sym, coefficients), dtype, device, layout, requires_grad)


@public(samples=_samples(), errors=_errors("nuttall"), ref=_ref("nuttall"), **_kinds)
def nuttall(
    M: int, *, sym: bool = True, dtype: Dtype | None = None, layout: Any = None, device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Nuttall's window, `general_cosine` with a = (0.3635819, 0.4891775, 0.1365995, 0.0106411): a tensor `(M,)`.

    sym and errors as for `bartlett`. Reference: Nuttall, Some Windows with Very Good Sidelobe Behavior, 1981.

    >>> import retrograd as rg
    >>> rg.signal.windows.nuttall(4, sym=False)
    tensor([3.6280e-04, 2.2698e-01, 1.0000e+00, 2.2698e-01])
    """
    a = (0.3635819, 0.4891775, 0.1365995, 0.0106411)
    return _cosines("nuttall", M, a, sym, dtype, layout, device, requires_grad)


@public(samples=_samples(), errors=_errors("cosine"), ref=_ref("cosine"), **_kinds)
def cosine(
    M: int, *, sym: bool = True, dtype: Dtype | None = None, layout: Any = None, device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The cosine window w[k] = sin(pi (k + 1/2) / N), which is not 0 at its ends: a tensor `(M,)`.

    sym and errors as for `bartlett`.

    >>> import retrograd as rg
    >>> rg.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    n = _length(M, dtype, layout, "cosine")
    w = np.sin(np.pi * (np.arange(n) + 0.5) / (n + 1 if not sym and n > 1 else max(n, 1)))
    return window("cosine", w, dtype, device, layout, requires_grad)


@public(
    samples=_samples(call(5, tau=2.5), call(6, center=1.5, sym=False)),
    errors=_errors(
        "exponential",
        raises(ValueError, r"exponential: tau must be positive, got -1", 5, tau=-1),
        raises(ValueError, r"exponential: center must be None for a symmetric window", 5, center=2.0),
    ),
    ref=_ref("exponential"),
    **_kinds,
)
def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Dtype | None = None,
    layout: Any = None, device: Device | str | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The exponential (Poisson) window w[k] = exp(-|k - center| / tau): a tensor `(M,)`.

    center: (N - 1) / 2 by default, and only given with sym=False. sym and errors as for `bartlett`; ValueError for a tau
    that is not positive.

    >>> import retrograd as rg
    >>> rg.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    n = _length(M, dtype, layout, "exponential")
    if tau <= 0:
        raise ValueError(f"exponential: tau must be positive, got {tau}")
    if sym and center is not None:
        raise ValueError("exponential: center must be None for a symmetric window; give sym=False with it")
    middle = (n if not sym and n > 1 else n - 1) / 2 if center is None else center
    return window("exponential", np.exp(-np.abs(np.arange(n) - middle) / tau), dtype, device, layout, requires_grad)


@public(
    samples=_samples(call(5, std=2.5)),
    errors=_errors("gaussian", raises(ValueError, r"gaussian: std must be positive, got 0", 5, std=0)),
    ref=_ref("gaussian", "std=1.0"),
    **_kinds,
)
def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Gaussian window w[k] = exp(-((k - (N - 1) / 2) / std)^2 / 2): a tensor `(M,)`.

    sym and errors as for `bartlett`; ValueError for a std that is not positive.

    >>> import retrograd as rg
    >>> rg.signal.windows.gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    n = _length(M, dtype, layout, "gaussian")
    if std <= 0:
        raise ValueError(f"gaussian: std must be positive, got {std}")
    k = np.arange(n) - (n if not sym and n > 1 else n - 1) / 2
    return window("gaussian", np.exp(-((k / std) ** 2) / 2), dtype, device, layout, requires_grad)


@public(
    samples=_samples(call(5, beta=3.0), call(6, beta=0.0, sym=False)),
    errors=_errors("kaiser", raises(ValueError, r"kaiser: beta must not be negative, got -1", 5, beta=-1)),
    ref=_ref("kaiser", "beta=12.0"),
    **_kinds,
)
def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The Kaiser window w[k] = I0(beta sqrt(1 - (2 k / (N - 1) - 1)^2)) / I0(beta): a tensor `(M,)`.

    sym and errors as for `bartlett`; ValueError for a negative beta.

    >>> import retrograd as rg
    >>> rg.signal.windows.kaiser(4, beta=3.0, sym=False)
    tensor([0.2049, 0.7269, 1.0000, 0.7269])
    """
    n = _length(M, dtype, layout, "kaiser")
    if beta < 0:
        raise ValueError(f"kaiser: beta must not be negative, got {beta}")
    return window("kaiser", kaiser_values(n, not sym, float(beta)), dtype, device, layout, requires_grad)
