"""What the Fourier transforms share: three linear primitives, their arguments, and the types they are computed in.

The primitives are a complex transform along several dimensions, and the two between a real dimension and the half of its
spectrum that is independent. All are linear, so each is the other's derivative up to weights, to any order. NumPy and
CuPy compute complex64 in single precision, as PyTorch does.
"""

from __future__ import annotations

from typing import Any

from ..core import as_tensor_arg
from ..dtypes import get_default_dtype
from ..errors import DtypeError, ShapeError
from ..generic import cast
from ..op import param
from .args import as_int, into, one_dim, quiet
from .complex import conj_physical
from .pad import pad_p
from .shape import getitem_p

__all__ = [
    "c2c_p", "c2r_p", "hermitian", "inner_bins_p", "lengths", "place_dim", "points", "prepared", "r2c_p",
    "real_from_half", "resized", "scale", "written",
]  # fmt: skip

# How a transform is scaled: by 1, by 1 / sqrt(n) or by 1 / n, where n is the number of points.
ONE, ROOT, ALL = "one", "root", "all"
_FORWARD = {ONE: "backward", ROOT: "ortho", ALL: "forward"}  # NumPy's names for exp(-i ...)
_INVERSE = {ONE: "forward", ROOT: "ortho", ALL: "backward"}  # and for exp(+i ...)


# ---------------------------------------------------------------- primitives
@quiet
def _c2c(xp: Any, x: Any, dims: tuple[int, ...], forward: bool, by: str) -> Any:
    if not x.size:
        return x.copy()
    if forward:
        return xp.fft.fftn(x, axes=dims, norm=_FORWARD[by])
    return xp.fft.ifftn(x, axes=dims, norm=_INVERSE[by])


c2c_p: Any = param(
    "fft_c2c",
    _c2c,
    lambda g, x, o, dims, forward, by: c2c_p(g, dims, not forward, by),
    dtypes="same",
    jvp="linear",
    holomorphic=False,
    doc="The transform of complex x over dims, with exp(-i ...) if forward; its adjoint is that of the other sign.",
)


def _bins(xp: Any, x: Any, dim: int, n: int, factor: float) -> Any:
    w = xp.full(n // 2 + 1, factor, x.real.dtype)
    w[0] = 1
    if n % 2 == 0:
        w[-1] = 1
    return x * w.reshape((-1,) + (1,) * (x.ndim - dim - 1))


inner_bins_p: Any = param(
    "fft_inner_bins",
    _bins,
    lambda g, x, o, dim, n, factor: inner_bins_p(g, dim, n, factor),
    dtypes="same",
    jvp="linear",
    holomorphic=False,
    doc="Half a spectrum of n points times factor, but for the bins that have no mirror image: 0, and n / 2 if n is even.",
)


@quiet
def _r2c(xp: Any, x: Any, dim: int, by: str) -> Any:
    if not x.size:
        shape = (*x.shape[:dim], x.shape[dim] // 2 + 1, *x.shape[dim + 1 :])
        return xp.zeros(shape, "complex64" if x.dtype == "float32" else "complex128")
    return xp.fft.rfft(x, axis=dim, norm=_FORWARD[by])


r2c_p: Any = param(
    "fft_r2c",
    _r2c,
    lambda g, x, o, dim, by: c2r_p(inner_bins_p(g, dim, x[dim], 0.5), dim, x[dim], by),
    dtypes="fixed",
    jvp="linear",
    holomorphic=False,
    doc="The first n // 2 + 1 values of the forward transform of real x along dim.",
)


@quiet
def _c2r(xp: Any, x: Any, dim: int, n: int, by: str) -> Any:
    if not x.size:
        return xp.zeros((*x.shape[:dim], n, *x.shape[dim + 1 :]), "float32" if x.dtype == "complex64" else "float64")
    return xp.fft.irfft(x, n, axis=dim, norm=_INVERSE[by])


c2r_p: Any = param(
    "fft_c2r",
    _c2r,
    lambda g, x, o, dim, n, by: inner_bins_p(r2c_p(g, dim, by), dim, n, 2.0),
    dtypes="fixed",
    jvp="linear",
    holomorphic=False,
    doc="The n real points whose spectrum begins with x (n // 2 + 1 values along dim): the transform with exp(+i ...).",
)


# ---------------------------------------------------------------- arguments
def prepared(input: Any, op: str, kind: str) -> Any:
    """The tensor to transform: complex for kind "complex", real for "real", either for "any"; never half types."""
    x = as_tensor_arg(input, op)
    d = x._dtype
    if d.kind in "biu":
        d = get_default_dtype()
    if d.kind == "c" and kind == "real":
        raise DtypeError(
            f"{op}: a real input tensor is expected, got {d.name}; give x.real, or use the complex transform"
        )
    if d.kind == "f" and d.itemsize < 4:
        raise DtypeError(f"{op}: {d.name} is not supported; use float32, as in x.float()")
    return cast(x, d.to_complex() if kind == "complex" else d)


def check_norm(norm: Any, op: str) -> str:
    """The name of a normalisation; None is "backward"."""
    if norm is None:
        return "backward"
    if norm not in ("backward", "forward", "ortho"):
        raise ShapeError(f"{op}: norm must be 'backward', 'forward', 'ortho' or None, got {norm!r}")
    return norm


def scale(norm: Any, forward: bool, op: str) -> str:
    """By what a transform in this direction is scaled: the direction that the norm names is divided by n."""
    name = check_norm(norm, op)
    return ROOT if name == "ortho" else ALL if (name == "forward") is forward else ONE


def place_dim(dim: Any, x: Any, op: str) -> int:
    """One dimension, non-negative; 0-d tensors have none."""
    n = len(x._shape)
    if not n:
        raise IndexError(f"{op}: a tensor with 0 dimensions has no dim {dim}; give x.reshape(1)")
    return one_dim(dim, n, op)


def points(n: Any, default: int, op: str) -> int:
    """The number of points, at least 1."""
    n = default if n is None else as_int(n, op, "n")
    if n < 1:
        raise ShapeError(f"{op}: a transform of {n} points is not possible; at least 1 is expected")
    return n


def _ints(v: Any, op: str, what: str) -> tuple[int, ...]:
    return tuple(as_int(k, op, what) for k in v) if isinstance(v, (tuple, list)) else (as_int(v, op, what),)


def lengths(x: Any, s: Any, dim: Any, op: str, half: bool = False) -> tuple[tuple[int, ...], list[int], int]:
    """(dims, points along each, points of the last one in the output) of a transform over several dimensions.

    half: the input is half a spectrum along the last dimension, so its points are n // 2 + 1 for an output of n.
    """
    ndim = len(x._shape)
    sizes = None if s is None else _ints(s, op, "s")
    if dim is not None:
        given = _ints(dim, op, "dim")
        if not ndim and given:
            raise IndexError(f"{op}: a tensor with 0 dimensions has no dim {given[0]}; give x.reshape(1)")
        dims = tuple(one_dim(d, ndim, op) for d in given)
        if len(set(dims)) != len(dims):
            raise ShapeError(f"{op}: dims must be unique, got {given} of a tensor with {ndim} dimensions")
        if sizes is not None and len(sizes) != len(dims):
            raise ShapeError(f"{op}: s and dim must have the same length, got s={sizes} and dim={given}")
    else:
        if sizes is not None and len(sizes) > ndim:
            raise ShapeError(f"{op}: s has {len(sizes)} values, but the tensor has only {ndim} dimensions")
        dims = tuple(range(ndim - (ndim if sizes is None else len(sizes)), ndim))
    n = [x._shape[d] for d in dims]
    if sizes is not None:
        n = [have if want == -1 else want for have, want in zip(n, sizes, strict=True)]
    if min(n, default=1) < 1:
        raise ShapeError(f"{op}: a transform of {min(n)} points is not possible; at least 1 is expected")
    last = n[-1] if n else 0
    if half and n:
        if sizes is None or sizes[-1] == -1:
            last = 2 * (n[-1] - 1)
        if last < 1:
            raise ShapeError(f"{op}: a transform of {last} points is not possible; at least 1 is expected")
        n[-1] = last // 2 + 1
    return dims, n, last


def resized(x: Any, dims: tuple[int, ...], n: Any) -> Any:
    """x cut, or filled up with zeros at the end, to n points along each of dims."""
    shape = x._shape
    cut = {d: slice(0, k) for d, k in zip(dims, n, strict=True) if k < shape[d]}
    if cut:
        x = getitem_p(x, tuple(cut.get(d, slice(None)) for d in range(len(shape))))
    more = {d: (0, k - shape[d]) for d, k in zip(dims, n, strict=True) if k > shape[d]}
    return pad_p(x, tuple(more.get(d, (0, 0)) for d in range(len(shape))), 0) if more else x


# ---------------------------------------------------------------- transforms of a real or Hermitian dimension
def real_from_half(x: Any, dims: tuple[int, ...], last: int, by: str) -> Any:
    """irfft over dims: the complex ones first, then the real one."""
    *others, real = dims
    if others:
        x = c2c_p(x, tuple(others), False, by)
    return c2r_p(x, real, last, by)


def hermitian(x: Any, dims: tuple[int, ...], last: int, by: str) -> Any:
    """hfft over dims: as `real_from_half`, with exp(-i ...)."""
    *others, real = dims
    if others:
        x = c2c_p(x, tuple(others), True, by)
    return c2r_p(conj_physical(x), real, last, by)


def written(out: Any, r: Any, op: str) -> Any:
    """The result in `out`, which must be of exactly its type."""
    dtype = getattr(out, "_dtype", r._dtype)
    if dtype.kind != r._dtype.kind:
        kinds = {"c": "complex", "f": "floating-point"}
        raise DtypeError(f"{op}: out is {dtype.name}; a {kinds[r._dtype.kind]} output tensor is expected")
    return into(out, r, op)
