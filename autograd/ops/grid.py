"""`grid_sample` and `affine_grid`: images and volumes read at the places that another tensor gives."""

from __future__ import annotations

import warnings
from math import prod
from typing import TYPE_CHECKING, Any

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..dtypes import float32
from ..errors import DtypeError, ShapeError
from ..generic import HALF, cast
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import as_int
from .grid_core import Places, sample_p
from .join import stack
from .matmul import matmul
from .shape import keep_p, reshape_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

__all__ = ["affine_grid", "affine_grid_generator", "grid_sample", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d"]

_MODES = ("bilinear", "nearest", "bicubic")
_PADDING = ("zeros", "border", "reflection")


# ---------------------------------------------------------------- where the samples are
def _folded(xp: Any, x: Any, n: int, padding: str, align: bool) -> tuple[Any, Any]:
    """(a, b): a * x + b is the place x along an axis of n elements brought inside; a is 0 where it is cut off."""
    one, zero = xp.ones_like(x), xp.zeros_like(x)
    if padding == "zeros":
        return one, zero
    a, b = one, zero
    if padding == "reflection":
        low, span = (0.0, float(n - 1)) if align else (-0.5, float(n))
        if not span:
            return zero, zero
        away = xp.where(x < low, -1.0, 1.0).astype(x.dtype)  # the sign of the way from the lower edge
        distance = xp.abs(x - low)
        flips = xp.floor(distance / span)
        even = flips % 2 == 0
        # even: low + distance - flips * span; odd: low + (flips + 1) * span - distance
        a = xp.where(even, away, -away)
        b = xp.where(even, low - away * low - flips * span, low + away * low + (flips + 1) * span)
        b = b.astype(x.dtype)
        x = a * x + b
    inside = (x > 0) & (x < n - 1)
    edge = xp.where(x >= n - 1, n - 1, 0).astype(x.dtype)
    return xp.where(inside, a, zero), xp.where(inside, b, edge)


def _positions(coordinate: Any, n: int, align: bool) -> Any:
    """Coordinates from -1 to 1 in elements."""
    return (coordinate + 1) * ((n - 1) / 2) if align else ((coordinate + 1) * n - 1) * 0.5


def _brought_in(x: Any, n: int, padding: str, align: bool) -> Any:
    if padding == "zeros":
        return x
    xp = xp_of(x._data)
    a, b = _folded(xp, x._data, n, padding, align)
    return keep_p(x, a != 0, True) * wrap(a) + wrap(b)  # infinities and NaN are cut off too


def _whole(xp: Any, x: Any, n: int) -> Any:
    """Integer places as indices, -1 where outside (or not a number)."""
    inside = (x >= 0) & (x <= n - 1)
    return xp.where(inside, x, -1).astype("int64")


def _axis_taps(coordinate: Any, n: int, mode: str, padding: str, align: bool) -> tuple[Any, Any]:
    """The places (taps, N, P), raw, and their weights, a tensor, along one axis."""
    xp = xp_of(coordinate._data)
    x = _positions(coordinate, n, align)
    if mode == "bicubic":
        low = xp.floor(x._data)
        f = x - wrap(low)
        places = []
        for k in range(-1, 3):
            at = low + k
            if padding != "zeros":
                a, b = _folded(xp, at, n, padding, align)
                at = xp.rint(a * at + b)
            places.append(_whole(xp, at, n))
        return xp.stack(places), _cubic_weights(f)
    x = _brought_in(x, n, padding, align)
    if mode == "nearest":
        # weights of 1 that depend on the grid with a derivative of 0, so that it gets a gradient of zeros
        ones = keep_p(x, xp.zeros((), bool), True) + 1.0
        return _whole(xp, xp.rint(x._data), n)[None], stack([ones])
    low = xp.floor(x._data)
    f = x - wrap(low)
    return xp.stack([_whole(xp, low, n), _whole(xp, low + 1, n)]), stack([1 - f, f])


def _cubic_weights(f: Any) -> Any:
    """Keys' cubic convolution with a = -0.75 at distances 1 + f, f, 1 - f and 2 - f."""
    a = -0.75

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return stack([far(f + 1), near(f), near(1 - f), far(2 - f)])


def _sampled(input: Any, grid: Any, mode: str, padding: str, align: bool) -> Tensor:
    op = "grid_sample"
    x, g = as_tensor_arg(input, op), as_tensor_arg(grid, op)
    s, at = x._shape, g._shape
    if len(s) not in (4, 5) or len(at) != len(s):
        raise ShapeError(
            f"{op}: input (N, C, H, W) and grid (N, H', W', 2), or (N, C, D, H, W) and (N, D', H', W', 3), are "
            f"expected, got {s} and {at}"
        )
    axes = len(s) - 2
    if s[0] != at[0]:
        raise ShapeError(f"{op}: input {s} and grid {at} have different batch sizes, {s[0]} and {at[0]}")
    if at[-1] != axes:
        raise ShapeError(f"{op}: the grid's last dimension must be {axes} for input {s}, got grid {at}")
    if 0 in s[2:]:
        raise ShapeError(f"{op}: the input's spatial dimensions must not be empty, got {s}")
    if mode == "bicubic" and axes == 3:
        raise ShapeError(f"{op}: mode 'bicubic' is for 4-D input, got {s}; use 'bilinear' for volumes")
    if not x._dtype.is_floating_point or x._dtype is not g._dtype:
        raise DtypeError(
            f"{op}: input is {x._dtype.name} and grid {g._dtype.name}; the same floating-point dtype is expected, cast "
            "one with .to(...)"
        )
    if x._dtype in HALF:  # places rounded to half precision would be a fraction of an element off
        return cast(_sampled(cast(x, float32), cast(g, float32), mode, padding, align), x._dtype)
    points = reshape_p(g, (at[0], prod(at[1:-1]), axes))
    index, weights = [], []
    for axis in range(axes):  # the grid's last dimension is (x, y) or (x, y, z): the last axis comes first
        i, w = _axis_taps(points[..., axes - 1 - axis], s[2 + axis], mode, padding, align)
        index.append(i)
        weights.append(w)
    flat = reshape_p(x, (*s[:2], prod(s[2:])))
    found = sample_p[axes]((flat, *weights), 0, Places(index, s[2:], s[1]))
    return reshape_p(found, (*s[:2], *at[1:-1]))


def _warn_default(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            "grid_sample and affine_grid: align_corners is not given, False is used (PyTorch before 1.3 used True); "
            "pass it explicitly",
            UserWarning,
            stacklevel=3,
        )
    return bool(align_corners)


def _by_number(value: Any, names: tuple[str, ...], what: str, op: str) -> str:
    i = as_int(value, op, what)
    if not 0 <= i < len(names):
        raise ValueError(f"{op}: {what} must be one of {dict(enumerate(names))}, got {i}")
    return names[i]


# ---------------------------------------------------------------- public
def _near(*shape: int) -> Any:
    return t(*shape, low=-0.93, high=0.91)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 4, 5), _near(2, 3, 2, 2), align_corners=False),
        call(t(2, 3, 4, 5), _near(2, 3, 2, 2), align_corners=True),
        call(t(1, 2, 4, 5), t(1, 3, 4, 2, low=-1.7, high=1.6), align_corners=False),
        call(t(1, 2, 4, 5), t(1, 3, 4, 2, low=-1.7, high=1.6), padding_mode="border", align_corners=False),
        call(t(1, 2, 4, 5), t(1, 3, 4, 2, low=-2.7, high=2.6), padding_mode="reflection", align_corners=False),
        call(t(1, 2, 4, 5), t(1, 3, 4, 2, low=-2.7, high=2.6), padding_mode="reflection", align_corners=True),
        call(t(1, 2, 4, 5), t(1, 3, 4, 2, low=-1.7, high=1.6), "nearest", "zeros", False),
        call(t(1, 2, 4, 5), t(1, 3, 4, 2, low=-1.7, high=1.6), "nearest", "border", True),
        call(t(1, 2, 4, 5), t(1, 3, 4, 2, low=-1.3, high=1.4), "bicubic", "zeros", False),
        call(t(1, 2, 4, 5), t(1, 3, 4, 2, low=-1.3, high=1.4), "bicubic", "border", True),
        call(t(1, 2, 4, 5), t(1, 3, 4, 2, low=-1.3, high=1.4), "bicubic", "reflection", False),
        call(t(1, 2, 3, 4, 2), t(1, 2, 2, 2, 3, low=-1.2, high=1.1), align_corners=False),
        call(t(1, 2, 3, 4, 2), t(1, 2, 2, 2, 3, low=-1.2, high=1.1), "bilinear", "reflection", True),
        call(t(1, 2, 3, 4, 2), t(1, 2, 2, 2, 3, low=-1.2, high=1.1), "nearest", "border", False),
    ],
    errors=lambda: [
        raises(ValueError, r"mode must be", t(1, 1, 2, 2), t(1, 1, 1, 2), mode="cubic"),
        raises(ValueError, r"padding_mode must be", t(1, 1, 2, 2), t(1, 1, 1, 2), padding_mode="wrap"),
        raises(RuntimeError, r"different batch sizes, 2 and 1", t(2, 1, 2, 2), t(1, 1, 1, 2), align_corners=True),
        raises(RuntimeError, r"last dimension must be 2", t(1, 1, 2, 2), t(1, 1, 1, 3), align_corners=True),
        raises(RuntimeError, r"input \(N, C, H, W\) and grid", t(1, 2, 2), t(1, 1, 2), align_corners=True),
        raises(RuntimeError, r"must not be empty", t(1, 1, 0, 2), t(1, 1, 1, 2), align_corners=True),
        raises(RuntimeError, r"'bicubic' is for 4-D", t(1, 1, 2, 2, 2), t(1, 1, 1, 1, 3), "bicubic", align_corners=True),
        raises(
            RuntimeError, r"input is float\d+ and grid int64", t(1, 1, 2, 2), t(1, 1, 1, 2, dtype="int64"),
            align_corners=True,
        ),
    ],
)  # fmt: skip
@sample_by_sample
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """`input` (N, C, H, W) read at grid (N, H', W', 2): (N, C, H', W'); in 3-D (N, C, D, H, W) and (N, D', H', W', 3).

    The grid holds (x, y) or (x, y, z) from -1 (the left, upper, front end) to 1; with align_corners these are the
    centres of the corner elements, else their corners. mode: "bilinear" (trilinear in 3-D), "nearest" or "bicubic"
    (2-D). padding_mode for places outside: "zeros", "border" (the nearest element) or "reflection" (mirrored at the
    ends). Differentiable in both, to any order. ShapeError and DtypeError for operands that do not fit.

    Jaderberg et al.: "Spatial transformer networks" (NIPS 2015).

    >>> import retrograd as rg
    >>> x = rg.arange(4.0).reshape(1, 1, 2, 2)
    >>> rg.nn.functional.grid_sample(x, rg.zeros(1, 1, 1, 2), align_corners=False)
    tensor([[[[1.5000]]]])
    """
    if mode not in _MODES:
        raise ValueError(f"grid_sample: mode must be 'bilinear', 'nearest' or 'bicubic', got {mode!r}")
    if padding_mode not in _PADDING:
        raise ValueError(f"grid_sample: padding_mode must be 'zeros', 'border' or 'reflection', got {padding_mode!r}")
    return _sampled(input, grid, mode, padding_mode, _warn_default(align_corners))


@public(
    method=False,
    samples=lambda: [
        call(t(1, 2, 4, 5), _near(1, 3, 4, 2), 0, 0, False),
        call(t(1, 2, 3, 4, 2), t(1, 2, 2, 2, 3, low=-1.2, high=1.1), 1, 1, True),
    ],
    errors=lambda: [raises(RuntimeError, r"different batch sizes", t(2, 1, 2, 2), t(1, 1, 1, 2), 0, 0, True)],
)
@sample_by_sample
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`nn.functional.grid_sample` with numbers: mode 0 bilinear, 1 nearest, 2 bicubic; padding 0 zeros, 1 border,
    2 reflection.

    >>> import retrograd as rg
    >>> rg.grid_sampler(rg.arange(4.0).reshape(1, 1, 2, 2), rg.zeros(1, 1, 1, 2), 0, 0, False)
    tensor([[[[1.5000]]]])
    """
    mode = _by_number(interpolation_mode, _MODES, "interpolation_mode", "grid_sampler")
    return _sampled(
        input, grid, mode, _by_number(padding_mode, _PADDING, "padding_mode", "grid_sampler"), align_corners
    )


@public(method=False, samples=lambda: [call(t(1, 2, 4, 5), _near(1, 3, 4, 2), 2, 1, False)])
@sample_by_sample
def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sampler` of images (N, C, H, W).

    >>> import retrograd as rg
    >>> rg.grid_sampler_2d(rg.arange(4.0).reshape(1, 1, 2, 2), rg.zeros(1, 1, 1, 2), 0, 0, False)
    tensor([[[[1.5000]]]])
    """
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


@public(method=False, samples=lambda: [call(t(1, 2, 3, 4, 2), t(1, 2, 2, 2, 3, low=-1.2, high=1.1), 0, 1, False)])
@sample_by_sample
def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sampler` of volumes (N, C, D, H, W).

    >>> import retrograd as rg
    >>> rg.grid_sampler_3d(rg.arange(8.0).reshape(1, 1, 2, 2, 2), rg.zeros(1, 1, 1, 1, 3), 0, 0, False).item()
    3.5
    """
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def _grid(theta: Any, size: tuple[int, ...], align: bool) -> Tensor:
    """The places (..., x, y[, z], 1) @ theta^T."""
    space = size[2:]
    xp = xp_of(theta._data)
    base = xp.ones((*space, len(space) + 1), theta._data.dtype)
    for axis, n in enumerate(space):
        line = xp.linspace(-1, 1, n) if n > 1 else xp.zeros(1)
        if not align:
            line = line * ((n - 1) / n)
        base[..., len(space) - 1 - axis] = line.reshape(-1, *(1,) * (len(space) - axis - 1))
    flat = wrap(base.reshape(-1, len(space) + 1))
    return reshape_p(matmul(flat, theta.transpose(1, 2)), (size[0], *space, len(space)))


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 2, 3), (2, 3, 4, 5), align_corners=False),
        call(t(2, 2, 3), [2, 3, 4, 5], align_corners=True),
        call(t(1, 3, 4), (1, 2, 3, 2, 4), align_corners=True),
        call(t(1, 3, 4), (1, 2, 3, 2, 4), align_corners=False),
    ],
    errors=lambda: [
        raises(ValueError, r"theta is int64", t(1, 2, 3, dtype="int64"), (1, 1, 2, 2), align_corners=False),
        raises(ValueError, r"theta \(N, 2, 3\) is expected", t(1, 3, 4), (1, 1, 2, 2), align_corners=False),
        raises(ValueError, r"theta \(N, 3, 4\) is expected", t(1, 2, 3), (1, 1, 2, 2, 2), align_corners=False),
        raises(NotImplementedError, r"4 or 5 entries", t(1, 2, 3), (1, 1, 2), align_corners=False),
        raises(ValueError, r"size must be positive", t(1, 2, 3), (1, 1, 0, 2), align_corners=False),
    ],
)
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid (N, H, W, 2) for `grid_sample` of the affine maps theta (N, 2, 3) of the image's coordinates.

    size: of the result of grid_sample, (N, C, H, W), or (N, C, D, H, W) with theta (N, 3, 4), which gives (N, D, H, W,
    3). align_corners: as in grid_sample, which should get the same. ValueError for a theta that does not fit.

    >>> import retrograd as rg
    >>> theta = rg.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> rg.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=False)
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    align = _warn_default(align_corners)
    th = as_tensor_arg(theta, "affine_grid")
    if not th._dtype.is_floating_point:
        raise ValueError(
            f"affine_grid: theta is {th._dtype.name}; a floating-point dtype is expected, as in theta.float()"
        )
    sizes = tuple(as_int(n, "affine_grid", "size") for n in size)
    if len(sizes) not in (4, 5):
        raise NotImplementedError(
            f"affine_grid: size needs 4 or 5 entries, (N, C, H, W) or (N, C, D, H, W), got {sizes}"
        )
    n = len(sizes) - 2
    if len(th._shape) != 3 or th._shape[1:] != (n, n + 1):
        raise ValueError(f"affine_grid: theta (N, {n}, {n + 1}) is expected for size {sizes}, got shape {th._shape}")
    if align and min(sizes[2:]) == 1:
        warnings.warn(
            "affine_grid: a dimension of size 1 with align_corners=True has its only place at 0", stacklevel=2
        )
    elif min(sizes) <= 0:
        raise ValueError(f"affine_grid: size must be positive everywhere, got {sizes}")
    return _checked_grid(th, sizes, align)


def _checked_grid(th: Any, sizes: tuple[int, ...], align: bool) -> Tensor:
    if th._shape[0] != sizes[0]:
        raise ShapeError(f"affine_grid: theta {th._shape} and size {sizes} have different batch sizes")
    return _grid(th, sizes, align)


@public(method=False, samples=lambda: [call(t(2, 2, 3), (2, 3, 4, 5), False), call(t(1, 3, 4), (1, 2, 3, 2, 4), True)])
def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """`nn.functional.affine_grid` under the name of its kernel.

    >>> import retrograd as rg
    >>> rg.affine_grid_generator(rg.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]), (1, 1, 1, 1), False)
    tensor([[[[0.5000, 0.0000]]]])
    """
    return affine_grid(theta, size, bool(align_corners))
