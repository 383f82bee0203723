"""`nn.functional.interpolate`: images, signals and volumes resampled to another size."""

from __future__ import annotations

import warnings
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..dtypes import float32
from ..errors import DtypeError, ShapeError
from ..generic import cast, widened
from ..op import public
from ..samples import call, raises, t
from .args import as_int
from .clamp import clamp_p
from .interpolate_core import resample_p, taps
from .pool_adaptive import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .rounding import round_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

    Sizes = int | Sequence[int] | None
    Factors = float | Sequence[float] | None

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

# mode -> (number of spatial dimensions, or 0 for any; the map along each of them)
_MODES = {
    "nearest": (0, "nearest"),
    "nearest-exact": (0, "nearest-exact"),
    "area": (0, ""),
    "linear": (1, "linear"),
    "bilinear": (2, "linear"),
    "trilinear": (3, "linear"),
    "bicubic": (2, "cubic"),
    "lanczos": (2, "lanczos"),
}
_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


# ---------------------------------------------------------------- arguments
def _listed(value: Any, shape: tuple[int, ...], name: str) -> list[Any]:
    """One entry for each spatial dimension."""
    if not isinstance(value, (tuple, list)):
        return [value] * len(shape)
    if len(value) != len(shape):
        raise ValueError(
            f"interpolate: {name} {tuple(value)} has {len(value)} entries but the input has {len(shape)} spatial "
            f"dimension(s) {shape}; input (N, C, d1, ...) and one entry for each of d1, ... are expected"
        )
    return list(value)


def _plan(
    shape: tuple[int, ...], size: Any, scale_factor: Any, recompute: Any
) -> tuple[tuple[int, ...], list[float | None]]:
    """The output sizes, and the scale factors that are used as they were given (None: the quotient of the sizes)."""
    if size is not None and scale_factor is not None:
        raise ValueError("interpolate: size and scale_factor are both given; give only one of them")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor has no meaning with size; leave one of them away")
        return tuple(as_int(v, "interpolate", "size") for v in _listed(size, shape, "size")), [None] * len(shape)
    if scale_factor is None:
        raise ValueError("interpolate: size or scale_factor is needed")
    factors = [float(v) for v in _listed(scale_factor, shape, "scale_factor")]
    out = tuple(int(n * f) for n, f in zip(shape, factors, strict=True))
    return out, [None] * len(shape) if recompute else [f if f > 0 else None for f in factors]


def _checked(input: Any, mode: str, align: bool | None, antialias: bool) -> Tensor:
    x = as_tensor_arg(input, "interpolate")
    if mode not in _MODES:
        raise NotImplementedError(f"interpolate: mode must be one of {', '.join(map(repr, _MODES))}, got {mode!r}")
    dims = len(x._shape) - 2
    if align is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(f"interpolate: align_corners has no meaning for mode {mode!r}; it is for the linear and cubic")
    if antialias and (mode not in ("bilinear", "bicubic", "lanczos") or dims != 2):
        raise ValueError(
            f"interpolate: antialias is for modes 'bilinear', 'bicubic' and 'lanczos' and an input (N, C, H, W), got "
            f"mode {mode!r} and input {x._shape}"
        )
    wanted = _MODES[mode][0]
    if dims not in (1, 2, 3) or wanted not in (0, dims):
        expected = f"{wanted + 2} dimensions" if wanted else "3, 4 or 5 dimensions: (N, C, d1, ...)"
        raise NotImplementedError(f"interpolate: mode {mode!r} needs an input with {expected}, got {x._shape}")
    if mode == "lanczos" and (align or not antialias):
        raise ValueError("interpolate: mode 'lanczos' needs antialias=True and align_corners=False")
    return x


def _ref(
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
    recompute_scale_factor: Any = None,
) -> Any:
    """Nearest and linear resampling by their definition, in NumPy."""
    if mode == "area":
        mode, recompute_scale_factor = "", True
    shape = x.shape[2:]
    n = len(shape)
    given = size if size is not None else scale_factor
    given = given if isinstance(given, (tuple, list)) else [given] * n
    for i, m in enumerate(shape):
        o = int(given[i]) if size is not None else int(m * given[i])
        step = m / o if size is not None or recompute_scale_factor else 1 / given[i]
        axis = i + 2
        if not mode:
            parts = [x.take(range(j * m // o, -(-(j + 1) * m // o)), axis).mean(axis) for j in range(o)]
            x = np.stack(parts, axis)
            continue
        at = np.arange(o)
        if mode.startswith("nearest"):
            at = np.floor((at + (0.5 if mode.endswith("exact") else 0.0)) * step)
            x = x.take(np.minimum(at, m - 1).astype(int), axis)
            continue
        at = at * ((m - 1) / (o - 1) if o > 1 else 0.0) if align_corners else (at + 0.5) * step - 0.5
        at = np.clip(at, 0, m - 1)
        lines = np.apply_along_axis(lambda v, at=at, m=m: np.interp(at, np.arange(m), v), axis, x)
        x = lines.astype(x.dtype)
    return x


# ---------------------------------------------------------------- public
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 5), 8),
        call(t(2, 3, 5), scale_factor=2.0),
        call(t(1, 2, 4, 6), scale_factor=(0.5, 1.5), mode="nearest-exact"),
        call(t(1, 2, 2, 3, 2), (3, 2, 4), mode="nearest"),
        call(t(2, 3, 5), 3, mode="linear"),
        call(t(2, 3, 5), 9, mode="linear", align_corners=True),
        call(t(2, 2, 4, 5), (7, 3), mode="bilinear"),
        call(t(2, 2, 4, 5), scale_factor=1.7, mode="bilinear", align_corners=False),
        call(t(2, 2, 4, 5), scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
        call(t(1, 2, 4, 5), (8, 10), mode="bilinear", align_corners=True),
        call(t(1, 2, 3, 2, 3), (4, 3, 2), mode="trilinear"),
        call(t(1, 2, 6, 7), (3, 5), mode="area"),
        call(t(1, 2, 6), scale_factor=0.5, mode="area"),
    ],
    errors=lambda: [
        raises(ValueError, r"size and scale_factor are both given", t(1, 1, 4), 2, 2.0),
        raises(ValueError, r"size or scale_factor is needed", t(1, 1, 4)),
        raises(ValueError, r"size \(2, 3\) has 2 entries", t(1, 1, 4), (2, 3)),
        raises(ValueError, r"align_corners has no meaning for mode 'nearest'", t(1, 1, 4), 2, align_corners=True),
        raises(NotImplementedError, r"'bilinear' needs an input with 4 dimensions", t(1, 1, 4), 2, mode="bilinear"),
        raises(NotImplementedError, r"mode must be one of", t(1, 1, 4), 2, mode="spline"),
        raises(ValueError, r"antialias is for modes", t(1, 1, 4, 4), 2, antialias=True),
        raises(RuntimeError, r"output size \(0,\)", t(1, 1, 4), 0),
    ],
    ref=_ref,
)
def interpolate(
    input: Tensor,
    size: Sizes = None,
    scale_factor: Factors = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resample (N, C, L), (N, C, H, W) or (N, C, D, H, W) to a `size`, or by a `scale_factor` (the size is floored).

    mode: "nearest", "nearest-exact" (as Pillow's and scikit-image's), "area" (adaptive averages), "linear" (3-D
    inputs), "bilinear", "bicubic", "lanczos" (4-D) or "trilinear" (5-D). align_corners: the corner elements' centres
    coincide, else the corners of the corner elements do. Sampling uses scale_factor as given, or with
    recompute_scale_factor the quotient of the sizes. antialias: the kernel widens when shrinking, as in Pillow.
    uint8 images are rounded and cut off at 0 and 255. Keys 1981 (bicubic, a = -0.75; -0.5 with antialias).

    >>> import retrograd as rg
    >>> rg.nn.functional.interpolate(rg.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    x = _checked(input, mode, align_corners, antialias)
    shape = x._shape[2:]
    out, factors = _plan(shape, size, scale_factor, recompute_scale_factor or mode == "area" and size is None)
    if any(v < 1 for v in out) or 0 in shape:
        raise ShapeError(f"interpolate: input {x._shape} to output size {out}: both must be at least 1 everywhere")
    if not x._shape[1]:
        raise ShapeError(f"interpolate: input {x._shape} has no channels; only the batch may be empty")
    if mode == "area":
        half, (x,) = widened(x)
        y = _AREA[len(shape)](x, out)
        return y if half is None else cast(y, half)
    axis_mode = _MODES[mode][1]
    whole = x._dtype.kind in "biu"
    if whole and not mode.startswith("nearest"):
        if x._dtype.name != "uint8":
            raise DtypeError(
                f"interpolate: input is {x._dtype.name}; mode {mode!r} needs floating-point numbers or uint8"
            )
        y = cast(x, float32)
        y = clamp_p(round_p(_resampled(y, out, factors, axis_mode, bool(align_corners), antialias), 0), 0, 255)
        return cast(y, x._dtype)
    half, (x,) = widened(x)
    y = _resampled(x, out, factors, axis_mode, bool(align_corners), antialias)
    return y if half is None else cast(y, half)


def _resampled(x: Any, out: Any, factors: Any, mode: str, align: bool, antialias: bool) -> Any:
    shape = x._shape[2:]
    if mode == "nearest" and len(shape) == 2:  # as in PyTorch, images of the same or the double size do without
        factors = [None if o in (n, 2 * n) else f for n, o, f in zip(shape, out, factors, strict=True)]
    same = all(a == b and f in (None, 1.0) for a, b, f in zip(shape, out, factors, strict=True))
    if same or not prod(x._shape[:2]):
        return x.clone() if same else x.new_empty((*x._shape[:2], *out))
    # the axis that shrinks most first: the others then have less to do
    for i in sorted(range(len(shape)), key=lambda i: out[i] / shape[i]):
        if shape[i] != out[i] or factors[i] not in (None, 1.0) and not antialias:
            x = resample_p(x, i + 2, taps(mode, shape[i], out[i], factors[i], align, antialias))
    return x


@public(
    where="nn.functional",
    method=False,
    errors=lambda: [raises(ValueError, r"size or scale_factor is needed", t(1, 1, 4))],
)
def upsample(
    input: Tensor, size: Sizes = None, scale_factor: Factors = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """The former name of `interpolate`; warns that it is deprecated.

    >>> import retrograd as rg, warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     rg.nn.functional.upsample(rg.tensor([[[1.0, 3.0]]]), 4)
    tensor([[[1., 1., 3., 3.]]])
    """
    warnings.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", UserWarning, stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


@public(
    where="nn.functional",
    method=False,
    errors=lambda: [raises(ValueError, r"size or scale_factor is needed", t(1, 1, 4))],
)
def upsample_nearest(input: Tensor, size: Sizes = None, scale_factor: Factors = None) -> Tensor:
    """The former name of `interpolate` with mode "nearest"; warns that it is deprecated.

    >>> import retrograd as rg, warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     rg.nn.functional.upsample_nearest(rg.tensor([[[1.0, 3.0]]]), 4)
    tensor([[[1., 1., 3., 3.]]])
    """
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.",
        UserWarning,
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode="nearest")


@public(
    where="nn.functional",
    method=False,
    errors=lambda: [raises(NotImplementedError, r"'bilinear' needs an input with 4", t(1, 1, 4), 2)],
)
def upsample_bilinear(input: Tensor, size: Sizes = None, scale_factor: Factors = None) -> Tensor:
    """The former name of `interpolate` with mode "bilinear" and align_corners=True; warns that it is deprecated.

    >>> import retrograd as rg, warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     rg.nn.functional.upsample_bilinear(rg.tensor([[[[1.0, 3.0]]]]), (1, 3))
    tensor([[[[1., 2., 3.]]]])
    """
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.",
        UserWarning,
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
