"""Fourier transforms along one dimension: fft, ifft, rfft, irfft, hfft, ihfft, and the frequencies of their bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..op import public
from ..samples import D, call, raises, t
from .args import as_int
from .complex import conj_physical
from .create import finish, place
from .fourier_core import (
    c2c_p,
    hermitian,
    place_dim,
    points,
    prepared,
    r2c_p,
    real_from_half,
    resized,
    scale,
    written,
)

if TYPE_CHECKING:
    from ..device import device as Device
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = ["fft", "fftfreq", "hfft", "ifft", "ihfft", "irfft", "rfft", "rfftfreq"]


def _samples(z: str | None) -> Any:
    """Calls of every argument; z: the dtype of the input (None: the floating-point one under test)."""
    return lambda: [
        call(t(5, dtype=z)),
        call(t(4, dtype=z), 6),
        call(t(2, 5, dtype=z), n=3),
        call(t(3, 2, dtype=z), dim=0),
        call(t(2, 3, 2, dtype=z), 4, -2, "ortho"),
        call(t(2, 5, dtype=z), norm="forward"),
        call(t(4, dtype=z), norm="backward"),
        call(t(2, dtype=z), 1),
        call(t(0, 3, dtype=z), torch=False),  # PyTorch's library fails there
    ]


def _errors(name: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{name}: a transform of 0 points is not possible", t(3), 0),
        raises(RuntimeError, rf"{name}: a transform of -1 points is not possible", t(3), n=-1),
        raises(IndexError, rf"{name}: dim 2 is out of range", t(2, 3), dim=2),
        raises(IndexError, rf"{name}: a tensor with 0 dimensions has no dim -1", t(), 3),
        raises(RuntimeError, rf"{name}: norm must be 'backward', 'forward', 'ortho' or None, got 'n'", t(3), norm="n"),
        raises(TypeError, rf"{name}: n must be an int", t(3), 2.5),
        raises(RuntimeError, rf"{name}: float16 is not supported", t(3, dtype="float16", grad=False)),
    ]


def _real_errors(name: str) -> Any:
    return lambda: [
        *_errors(name)(),
        raises(
            RuntimeError,
            rf"{name}: a real input tensor is expected, got complex64",
            t(3, dtype="complex64", grad=False),
        ),
    ]


def _ref(name: str) -> Any:
    return lambda x, n=None, dim=-1, norm=None: getattr(np.fft, name)(
        x.astype("c16" if x.dtype.kind == "c" else "f8"), n, dim, norm
    )


def _plain_samples() -> Any:
    return [*_samples("complex128")(), call(t(4)), call(t(3, dtype="int64", low=-3, high=3, grad=False))]


def _complex(x: Any, n: Any, dim: Any, norm: Any, out: Any, forward: bool, op: str) -> Any:
    x = prepared(x, op, "complex")
    by, d = scale(norm, forward, op), place_dim(dim, x, op)
    n = points(n, x._shape[d], op)
    return written(out, c2c_p(resized(x, (d,), (n,)), (d,), forward, by), op)


@public(where="fft", method=False, samples=_plain_samples, errors=_errors("fft"), ref=_ref("fft"))
def fft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The discrete Fourier transform along dim: X[k] = sum_j x[j] exp(-2 pi i j k / n).

    n: the input is cut, or filled up with zeros, to n points. norm: "backward" (None: no factor), "ortho" (1 / sqrt(n)),
    "forward" (1 / n). Shapes: `(*, N, *)` to `(*, n, *)`. Real numbers become complex, integers the default dtype; half
    types are refused with a DtypeError, as are lengths below 1 with a ShapeError (both are RuntimeErrors).

    >>> import retrograd as rg
    >>> rg.fft.fft(rg.tensor([1.0, 0.0, -1.0, 0.0]))
    tensor([0.+0.j, 2.+0.j, 0.+0.j, 2.+0.j])
    """
    return _complex(input, n, dim, norm, out, True, "fft")


@public(where="fft", method=False, samples=_plain_samples, errors=_errors("ifft"), ref=_ref("ifft"))
def ifft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `fft`: x[j] = 1 / n sum_k X[k] exp(2 pi i j k / n).

    norm: "backward" (None: divided by n), "ortho" (by sqrt(n)), "forward" (no factor). The other arguments, shapes,
    types and errors are those of `fft`.

    >>> import retrograd as rg
    >>> rg.fft.ifft(rg.tensor([0.0, 2.0, 0.0, 2.0]))
    tensor([ 1.+0.j,  0.+0.j, -1.+0.j,  0.+0.j])
    """
    return _complex(input, n, dim, norm, out, False, "ifft")


def _from_real(x: Any, n: Any, dim: Any, norm: Any, forward: bool, op: str) -> Any:
    x = prepared(x, op, "real")
    by, d = scale(norm, forward, op), place_dim(dim, x, op)
    n = points(n, x._shape[d], op)
    return r2c_p(resized(x, (d,), (n,)), d, by)


@public(where="fft", method=False, samples=_samples(None), errors=_real_errors("rfft"), ref=_ref("rfft"))
def rfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The first n // 2 + 1 values of `fft` of a real tensor: the others are their conjugates, X[n - k] = conj(X[k]).

    Shapes: `(*, N, *)` to `(*, n // 2 + 1, *)`. Arguments, types and errors as for `fft`; a complex input is refused with
    a DtypeError.

    >>> import retrograd as rg
    >>> rg.fft.rfft(rg.tensor([1.0, 0.0, -1.0, 0.0]))
    tensor([0.+0.j, 2.+0.j, 0.+0.j])
    """
    return written(out, _from_real(input, n, dim, norm, True, "rfft"), "rfft")


@public(where="fft", method=False, samples=_samples(None), errors=_real_errors("ihfft"), ref=_ref("ihfft"))
def ihfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `hfft`: the first n // 2 + 1 values of `ifft` of a real tensor.

    Shapes: `(*, N, *)` to `(*, n // 2 + 1, *)`. Arguments, types and errors as for `ifft`; a complex input is refused
    with a DtypeError.

    >>> import retrograd as rg
    >>> rg.fft.ihfft(rg.tensor([1.0, 2.0, 3.0, 2.0]))
    tensor([ 2.0000-0.j, -0.5000-0.j,  0.0000-0.j])
    """
    return written(out, conj_physical(_from_real(input, n, dim, norm, False, "ihfft")), "ihfft")


def _half_samples() -> Any:
    # the imaginary part of bin 0 is not read: (n // 2 + 1) values stand for n real ones
    return [
        *_samples("complex128")()[:-2],
        call(t(3, dtype="complex128"), 5),
        call(t(0, 3, dtype="complex128"), torch=False),
        call(t(4)),
    ]


def _half_errors(name: str) -> Any:
    return lambda: [*_errors(name)(), raises(RuntimeError, rf"{name}: a transform of 0 points", t(1))]


def _to_real(x: Any, n: Any, dim: Any, norm: Any, out: Any, forward: bool, op: str) -> Any:
    x = prepared(x, op, "complex")
    by, d = scale(norm, forward, op), place_dim(dim, x, op)
    n = points(n, 2 * (x._shape[d] - 1), op)
    x = resized(x, (d,), (n // 2 + 1,))
    return written(out, (hermitian if forward else real_from_half)(x, (d,), n, by), op)


@public(where="fft", method=False, samples=_half_samples, errors=_half_errors("irfft"), ref=_ref("irfft"))
def irfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `rfft`: n real points from the first n // 2 + 1 values of their transform.

    n: the number of points of the result (default 2 (N - 1); give it where it is odd). The imaginary parts of the bins 0
    and n / 2 are not read. Shapes: `(*, N, *)` to `(*, n, *)`. norm, types and errors as for `ifft`.

    >>> import retrograd as rg
    >>> rg.fft.irfft(rg.tensor([0.0, 2.0, 0.0]))
    tensor([ 1.,  0., -1.,  0.])
    """
    return _to_real(input, n, dim, norm, out, False, "irfft")


@public(where="fft", method=False, samples=_half_samples, errors=_half_errors("hfft"), ref=_ref("hfft"))
def hfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fft` of a signal that is Hermitian, x[n - j] = conj(x[j]), given by its first n // 2 + 1 values: n real values.

    n: the number of points of the result (default 2 (N - 1); give it where it is odd). Shapes: `(*, N, *)` to
    `(*, n, *)`. norm, types and errors as for `fft`.

    >>> import retrograd as rg
    >>> rg.fft.hfft(rg.tensor([2.0, -0.5, 0.0]))
    tensor([1., 2., 3., 2.])
    """
    return _to_real(input, n, dim, norm, out, True, "hfft")


# ---------------------------------------------------------------- frequencies
def _frequencies(
    n: Any, d: Any, half: bool, out: Any, dtype: Any, layout: Any, device: Any, requires_grad: bool, op: str
) -> Any:
    n = as_int(n, op, "n")
    if n < 0:
        raise ShapeError(f"{op}: n must not be negative, got {n}")
    kind, xp = place(op, dtype, device, layout, default=None if out is None else out._dtype)
    if kind.kind != "f":
        raise DtypeError(f"{op}: dtype is {kind.name}; a floating-point dtype is expected")
    if half:
        k = xp.arange(n // 2 + 1, dtype="float64")
    else:
        k = xp.arange(n, dtype="float64")
        k[(n + 1) // 2 :] -= n
    step = n * float(d)
    return finish(op, (k * (1.0 / step if step else float("inf"))).astype(kind.np), device, requires_grad, out)


@public(
    where="fft",
    method=False,
    differentiable=False,
    samples=lambda: [call(5), call(6, 0.5), call(n=4, d=2.0), call(3, dtype=D("float64"))],
    errors=lambda: [
        raises(RuntimeError, r"fftfreq: n must not be negative, got -5", -5),
        raises(RuntimeError, r"fftfreq: dtype is int64; a floating-point dtype is expected", 5, dtype=D("int64")),
        raises(TypeError, r"fftfreq: n must be an int", 5.0),
    ],
    ref=lambda n, d=1.0, dtype=None: np.fft.fftfreq(n, d),
)
def fftfreq(
    n: int, d: float = 1.0, *, out: Tensor | None = None, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The frequencies of the n values of `fft` of samples at distance d: [0, 1, ..., -2, -1] / (d n).

    Raises ShapeError for a negative n, DtypeError for a dtype that is not floating-point.

    >>> import retrograd as rg
    >>> rg.fft.fftfreq(5)
    tensor([ 0.0000,  0.2000,  0.4000, -0.4000, -0.2000])
    """
    return _frequencies(n, d, False, out, dtype, layout, device, requires_grad, "fftfreq")


@public(
    where="fft",
    method=False,
    differentiable=False,
    samples=lambda: [call(5), call(6, 0.5), call(n=4, d=2.0), call(3, dtype=D("float64"))],
    errors=lambda: [
        raises(RuntimeError, r"rfftfreq: n must not be negative, got -5", -5),
        raises(RuntimeError, r"rfftfreq: dtype is int64; a floating-point dtype is expected", 5, dtype=D("int64")),
    ],
    ref=lambda n, d=1.0, dtype=None: np.fft.rfftfreq(n, d),
)
def rfftfreq(
    n: int, d: float = 1.0, *, out: Tensor | None = None, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The frequencies of the n // 2 + 1 values of `rfft` of n samples at distance d: [0, 1, ..., n // 2] / (d n).

    Raises ShapeError for a negative n, DtypeError for a dtype that is not floating-point.

    >>> import retrograd as rg
    >>> rg.fft.rfftfreq(5)
    tensor([0.0000, 0.2000, 0.4000])
    """
    return _frequencies(n, d, True, out, dtype, layout, device, requires_grad, "rfftfreq")
