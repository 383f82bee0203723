"""Fourier transforms over two and more dimensions, and the shifts that put frequency 0 into the middle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import public
from ..samples import call, raises, t
from .args import as_int, one_dim
from .arrange import roll
from .complex import conj_physical
from .fourier_core import (
    c2c_p,
    hermitian,
    lengths,
    prepared,
    r2c_p,
    real_from_half,
    resized,
    scale,
    written,
)

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "fft2", "fftn", "fftshift", "hfft2", "hfftn", "ifft2", "ifftn", "ifftshift", "ihfft2", "ihfftn", "irfft2",
    "irfftn", "rfft2", "rfftn",
]  # fmt: skip

Dims = int | Sequence[int] | None


def _samples(z: str | None, two: bool = False, half: bool = False) -> Any:
    def calls() -> Any:
        found = [
            call(t(3, 4, dtype=z)),
            call(t(2, 3, 2, dtype=z), (4, 3)),
            call(t(2, 4, 3, dtype=z), s=(3, -1), dim=(0, 2)),
            call(t(3, 3, dtype=z), dim=(1, 0), norm="ortho"),
            call(t(2, 3, dtype=z), None, (-1, -2), "forward"),
            call(t(2, 0, 3, dtype=z), dim=(0, 2), torch=False),  # PyTorch's library fails there
            call(t(3, 4, dtype=z), dim=(0,)),
        ]
        if not two:
            found += [call(t(2, 3, 2, dtype=z), dim=(2, 0, 1)), call(t(2, 3, 2, dtype=z)), call(t(4, dtype=z))]
        if z is not None and not half:
            found.append(call(t(3, 4)))
        return found

    return calls


def _errors(name: str, real: bool = False) -> Any:
    def calls() -> Any:
        found = [
            raises(RuntimeError, rf"{name}: dims must be unique", t(2, 3), dim=(0, -2)),
            raises(RuntimeError, rf"{name}: s and dim must have the same length", t(2, 3), s=(2, 2), dim=(0,)),
            raises(RuntimeError, rf"{name}: a transform of 0 points", t(2, 3), (0, 2)),
            raises(IndexError, rf"{name}: dim 2 is out of range", t(2, 3), dim=(0, 2)),
            raises(RuntimeError, rf"{name}: norm must be", t(2, 3), norm="n"),
            raises(RuntimeError, rf"{name}: float16 is not supported", t(2, 3, dtype="float16", grad=False)),
        ]
        if name.endswith("n"):
            found.append(raises(RuntimeError, rf"{name}: s has 2 values, but the tensor has only 1", t(3), (2, 2)))
        if name.lstrip("i")[0] in "rh":
            found.append(raises(RuntimeError, rf"{name}: at least one dimension is expected", t(2, 3), dim=()))
        if real:
            z = t(2, 3, dtype="complex64", grad=False)
            found.append(raises(RuntimeError, rf"{name}: a real input tensor is expected, got complex64", z))
        return found

    return calls


def _ref(name: str) -> Any:
    default = (-2, -1) if name.endswith("2") else None

    def ref(x: Any, s: Any = None, dim: Any = default, norm: Any = None) -> Any:
        if dim is None:
            dim = tuple(range(-(x.ndim if s is None else len(s)), 0))
        x = x.astype("c16" if x.dtype.kind == "c" else "f8")
        if not x.size:
            return np.zeros(x.shape[:-1] + (x.shape[-1] // 2 + 1,) if "r" in name else x.shape, "c16")
        return getattr(np.fft, name)(x, s, dim, norm)

    return ref


def _complex(x: Any, s: Any, dim: Any, norm: Any, out: Any, forward: bool, op: str) -> Any:
    x = prepared(x, op, "complex")
    by = scale(norm, forward, op)
    dims, n, _ = lengths(x, s, dim, op)
    r = c2c_p(resized(x, dims, n), dims, forward, by) if dims else x
    return written(out, r, op)


def _some(dims: tuple[int, ...], op: str) -> None:
    if not dims:
        raise ShapeError(f"{op}: at least one dimension is expected; the last one is halved")


def _from_real(x: Any, s: Any, dim: Any, norm: Any, out: Any, forward: bool, op: str) -> Any:
    x = prepared(x, op, "real")
    by = scale(norm, forward, op)
    dims, n, _ = lengths(x, s, dim, op)
    _some(dims, op)
    r = r2c_p(resized(x, dims, n), dims[-1], by)
    if not forward:
        r = conj_physical(r)
    if len(dims) > 1:
        r = c2c_p(r, dims[:-1], forward, by)
    return written(out, r, op)


def _to_real(x: Any, s: Any, dim: Any, norm: Any, out: Any, forward: bool, op: str) -> Any:
    x = prepared(x, op, "complex")
    by = scale(norm, forward, op)
    dims, n, last = lengths(x, s, dim, op, half=True)
    _some(dims, op)
    return written(out, (hermitian if forward else real_from_half)(resized(x, dims, n), dims, last, by), op)


# ---------------------------------------------------------------- n dimensions
@public(where="fft", method=False, samples=_samples("complex128"), errors=_errors("fftn"), ref=_ref("fftn"))
def fftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The discrete Fourier transform over the dimensions dim: `fft` along each.

    s: the number of points along each (-1: as many as there are); the input is cut or filled up with zeros. Without dim
    the last len(s) dimensions, without either all. norm: "backward" (None: no factor), "ortho" (1 / sqrt(n)), "forward"
    (1 / n), where n is the product of the points. Raises ShapeError, DtypeError and IndexError as `fft` does.

    >>> import retrograd as rg
    >>> rg.fft.fftn(rg.eye(2))
    tensor([[2.+0.j, 0.+0.j],
            [0.+0.j, 2.+0.j]])
    """
    return _complex(input, s, dim, norm, out, True, "fftn")


@public(where="fft", method=False, samples=_samples("complex128"), errors=_errors("ifftn"), ref=_ref("ifftn"))
def ifftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `fftn`, with its arguments; norm "backward" (None) divides by n, "forward" does not.

    >>> import retrograd as rg
    >>> rg.fft.ifftn(2 * rg.eye(2))
    tensor([[1.+0.j, 0.+0.j],
            [0.+0.j, 1.+0.j]])
    """
    return _complex(input, s, dim, norm, out, False, "ifftn")


@public(where="fft", method=False, samples=_samples(None), errors=_errors("rfftn", True), ref=_ref("rfftn"))
def rfftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fftn` of a real tensor, without the values that are conjugates of others: n // 2 + 1 along the last of dim.

    Arguments as for `fftn`. Raises DtypeError for a complex input, ShapeError for dim=().

    >>> import retrograd as rg
    >>> rg.fft.rfftn(rg.eye(2))
    tensor([[2.+0.j, 0.+0.j],
            [0.+0.j, 2.+0.j]])
    """
    return _from_real(input, s, dim, norm, out, True, "rfftn")


@public(where="fft", method=False, samples=_samples("complex128", half=True), errors=_errors("irfftn"))
def irfftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `rfftn`: real points from half their spectrum.

    s: the points of the result (along the last dimension by default 2 (N - 1)). The other arguments are those of `ifftn`.

    >>> import retrograd as rg
    >>> rg.fft.irfftn(2 * rg.eye(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _to_real(input, s, dim, norm, out, False, "irfftn")


@public(where="fft", method=False, samples=_samples("complex128", half=True), errors=_errors("hfftn"))
def hfftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fftn` of a signal that is Hermitian over dim, given by half its values along the last one: a real result.

    s: the points of the result (along the last dimension by default 2 (N - 1)). The other arguments are those of `fftn`.

    >>> import retrograd as rg
    >>> rg.fft.hfftn(rg.eye(2))
    tensor([[2., 0.],
            [0., 2.]])
    """
    return _to_real(input, s, dim, norm, out, True, "hfftn")


@public(where="fft", method=False, samples=_samples(None), errors=_errors("ihfftn", True))
def ihfftn(
    input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `hfftn`: `ifftn` of a real tensor, n // 2 + 1 values along the last of dim.

    Arguments as for `ifftn`. Raises DtypeError for a complex input, ShapeError for dim=().

    >>> import retrograd as rg
    >>> rg.fft.ihfftn(rg.ones(2, 2)).abs()
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _from_real(input, s, dim, norm, out, False, "ihfftn")


# ---------------------------------------------------------------- two dimensions
@public(where="fft", method=False, samples=_samples("complex128", True), errors=_errors("fft2"), ref=_ref("fft2"))
def fft2(
    input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fftn` over the last two dimensions: of images `(*, H, W)`.

    >>> import retrograd as rg
    >>> rg.fft.fft2(rg.eye(2))
    tensor([[2.+0.j, 0.+0.j],
            [0.+0.j, 2.+0.j]])
    """
    return _complex(input, s, dim, norm, out, True, "fft2")


@public(where="fft", method=False, samples=_samples("complex128", True), errors=_errors("ifft2"), ref=_ref("ifft2"))
def ifft2(
    input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`ifftn` over the last two dimensions: the inverse of `fft2`.

    >>> import retrograd as rg
    >>> rg.fft.ifft2(2 * rg.eye(2))
    tensor([[1.+0.j, 0.+0.j],
            [0.+0.j, 1.+0.j]])
    """
    return _complex(input, s, dim, norm, out, False, "ifft2")


@public(where="fft", method=False, samples=_samples(None, True), errors=_errors("rfft2", True), ref=_ref("rfft2"))
def rfft2(
    input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`rfftn` over the last two dimensions: images `(*, H, W)` to `(*, H, W // 2 + 1)`.

    >>> import retrograd as rg
    >>> rg.fft.rfft2(rg.ones(4, 4)).shape
    retrograd.Size([4, 3])
    """
    return _from_real(input, s, dim, norm, out, True, "rfft2")


@public(where="fft", method=False, samples=_samples("complex128", True, True), errors=_errors("irfft2"))
def irfft2(
    input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`irfftn` over the last two dimensions: the inverse of `rfft2`.

    >>> import retrograd as rg
    >>> rg.fft.irfft2(2 * rg.eye(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _to_real(input, s, dim, norm, out, False, "irfft2")


@public(where="fft", method=False, samples=_samples("complex128", True, True), errors=_errors("hfft2"))
def hfft2(
    input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`hfftn` over the last two dimensions.

    >>> import retrograd as rg
    >>> rg.fft.hfft2(rg.eye(2))
    tensor([[2., 0.],
            [0., 2.]])
    """
    return _to_real(input, s, dim, norm, out, True, "hfft2")


@public(where="fft", method=False, samples=_samples(None, True), errors=_errors("ihfft2", True))
def ihfft2(
    input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`ihfftn` over the last two dimensions: the inverse of `hfft2`.

    >>> import retrograd as rg
    >>> rg.fft.ihfft2(rg.ones(2, 2)).abs()
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _from_real(input, s, dim, norm, out, False, "ihfft2")


# ---------------------------------------------------------------- shifts
def _shift(input: Any, dim: Any, back: bool, op: str) -> Any:
    x = as_tensor_arg(input, op)
    if dim is None:
        dims: Any = tuple(range(len(x._shape)))
        if not dims:
            return x.clone()
    else:
        dims = tuple(as_int(d, op, "dim") for d in dim) if isinstance(dim, (tuple, list)) else (as_int(dim, op, "dim"),)
        if not dims:
            raise ShapeError(f"{op}: dim is empty; name the dimensions to shift, or give None for all")
    dims = [one_dim(d, len(x._shape), op) for d in dims]
    return roll(x, [(x._shape[d] + back) // 2 for d in dims], dims)


_shift_samples = lambda: [
    call(t(5)), call(t(4, 3)), call(t(2, 3, 5), dim=1), call(t(2, 3, 5), (0, -1)), call(t(2, dtype="complex128")),
    call(t(4, dtype="int64", low=0, high=9, grad=False)),
]  # fmt: skip
_shift_errors = lambda name: (
    lambda: [
        raises(IndexError, rf"{name}: dim 2 is out of range", t(2, 3), dim=2),
        raises(RuntimeError, rf"{name}: dim is empty", t(2, 3), dim=()),
    ]
)


@public(
    where="fft", method=False, samples=_shift_samples, errors=_shift_errors("fftshift"),
    ref=lambda x, dim=None: np.fft.fftshift(x, dim),
)  # fmt: skip
def fftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """The values of `fft` in the order of their frequencies, 0 in the middle: along dim (None: along every one).

    >>> import retrograd as rg
    >>> rg.fft.fftshift(rg.fft.fftfreq(4))
    tensor([-0.5000, -0.2500,  0.0000,  0.2500])
    """
    return _shift(input, dim, False, "fftshift")


@public(
    where="fft", method=False, samples=_shift_samples, errors=_shift_errors("ifftshift"),
    ref=lambda x, dim=None: np.fft.ifftshift(x, dim),
)  # fmt: skip
def ifftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """The inverse of `fftshift`: frequency 0 first again.

    >>> import retrograd as rg
    >>> rg.fft.ifftshift(rg.fft.fftshift(rg.fft.fftfreq(4)))
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return _shift(input, dim, True, "ifftshift")
