"""Fractional max pooling, and max pooling under the names that always return the places too."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from ..backend import xp_of
from ..core import as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..op import param, public
from ..samples import call, raises, t
from .args import same_library
from .conv import sizes
from .pool import max_pool1d, max_pool2d, max_pool3d, take_places
from .pool_adaptive import adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d
from .random import rand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

    IntOrTuple = int | Sequence[int]
    Sizes = int | None | Sequence[int | None]
    Ratios = float | Sequence[float] | None

__all__ = [
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices",
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices", "max_pool1d_with_indices", "max_pool2d_with_indices",
    "max_pool3d_with_indices",
]  # fmt: skip

Ints = tuple[int, ...]


# ---------------------------------------------------------------- fractional pooling
def _starts(xp: Any, u: Any, n: int, k: int, o: int) -> Any:
    """The first element of each window along one axis, (*u.shape, o), from a number u in [0, 1) for each channel."""
    if o == 1:
        return xp.full((*u.shape, 1), n - k, "int64")
    alpha = u.dtype.type((n - k) / (o - 1))
    at = ((xp.arange(o - 1).astype(u.dtype) + u[..., None]) * alpha).astype("int64")
    at -= (u * alpha).astype("int64")[..., None]
    return xp.concatenate((at, xp.full((*u.shape, 1), n - k, "int64")), -1)


def _places(xp: Any, x: Any, starts: Any, k: Ints) -> Any:
    """Where the maximum of each window is: the first one, or the last NaN."""
    nd = len(k)
    lead, shape = x.shape[:-nd], x.shape[-nd:]
    o = tuple(v.shape[-1] for v in starts)
    flat = x.reshape(*lead, prod(shape))
    corner = None
    for i, v in enumerate(starts):
        v = v.reshape(*lead, *(o[i] if i == j else 1 for j in range(nd)))
        corner = v if corner is None else corner * shape[i] + v
    assert corner is not None
    corner = xp.broadcast_to(corner, (*lead, *o)).reshape(*lead, prod(o))
    best = where = None
    for tap in product(*(range(n) for n in k)):
        offset = 0
        for i, n in zip(tap, shape, strict=True):
            offset = offset * n + i
        at = corner + offset
        v = xp.take_along_axis(flat, at, -1)
        if best is None:
            best, where = v, at
            continue
        better = (v > best) | (v != v)
        best, where = xp.where(better, v, best), xp.where(better, at, where)
    return where.reshape(*lead, *o)  # type: ignore[union-attr]


fractional_index_p: Any = param(
    "fractional_max_index",
    _places,
    dtypes="fixed",
    differentiable=False,
    doc="The place of the maximum of each window k, which begin at starts, counted over the flattened pooled dimensions.",
)


def _output(op: str, nd: int, shape: Ints, size: Any, ratio: Any) -> Ints:
    if size is None and ratio is None:
        raise ValueError(f"{op}: output_size or output_ratio is needed")
    if size is not None:
        return sizes(size, nd, op, "output_size")
    ratios = tuple(ratio) if isinstance(ratio, (tuple, list)) else (ratio,) * nd
    if len(ratios) != nd:
        raise ValueError(f"{op}: output_ratio {ratios} has {len(ratios)} entries; a number or {nd} are expected")
    return tuple(int(n * float(r)) for n, r in zip(shape, ratios, strict=True))


def _fractional(nd: int, input: Any, kernel_size: Any, size: Any, ratio: Any, samples: Any) -> tuple[Tensor, Tensor]:
    op = f"fractional_max_pool{nd}d"
    x = as_tensor_arg(input, op)
    if len(x._shape) not in (nd + 1, nd + 2) or 0 in x._shape[-nd - 1 :]:
        raise ShapeError(
            f"{op}: input (N, C, ...) or (C, ...) with {nd} spatial dimensions, only N of which may be 0, is expected, "
            f"got {x._shape}"
        )
    if not x._dtype.is_floating_point:
        raise DtypeError(f"{op}: input is {x._dtype.name}; a floating-point dtype is expected, as in x.float()")
    shape = x._shape[-nd:]
    k, o = sizes(kernel_size, nd, op, "kernel_size"), _output(op, nd, shape, size, ratio)
    for i, (n, kk, oo) in enumerate(zip(shape, k, o, strict=True)):
        if oo < 1 or oo + kk - 1 > n:
            raise ShapeError(
                f"{op}: {oo} windows of {kk} do not fit into dimension {i - nd} with size {n}; output_size + kernel_size "
                f"- 1 may be at most {n}"
            )
    lead = x._shape[:-nd]
    batch = 1 if len(lead) == 1 else lead[0]
    if samples is None:
        samples = rand(batch, lead[-1], nd, dtype=x._dtype, device=x.device)
    u = as_tensor_arg(samples, op)
    if u._dtype is not x._dtype:
        raise DtypeError(f"{op}: _random_samples are {u._dtype.name} but input {x._dtype.name}; they must be equal")
    if len(u._shape) != 3 or u._shape[0] < batch or u._shape[1] < lead[-1] or u._shape[2] != nd:
        raise ShapeError(f"{op}: _random_samples have shape {u._shape}; ({batch}, {lead[-1]}, {nd}) is expected")
    xp = xp_of(x._data)
    draws = same_library(u._data, xp, op, "_random_samples")[:batch, : lead[-1]].reshape(*lead, nd)
    # in two dimensions the first number is for the width, in three the first one is for the depth
    order = (1, 0) if nd == 2 else (0, 1, 2)
    starts = [_starts(xp, draws[..., order[i]], shape[i], k[i], o[i]) for i in range(nd)]
    places = fractional_index_p(x, starts, k)
    return take_places(x, places, nd), places


def _samples(nd: int, size: Any, ratio: Any, **kw: Any) -> list[Any]:
    shape = (7, 6, 5)[:nd]
    u = [[[(0.3 * c + 0.25 * i + 0.1) % 1 for i in range(nd)] for c in range(2)]]
    given = t(1, 2, nd, values=u, grad=False)
    return [
        call(t(1, 2, *shape), 2, output_size=size, _random_samples=given, **kw),
        call(t(2, *shape), 2, output_ratio=ratio, _random_samples=given, **kw),
    ]


def _errors(nd: int) -> Any:
    image = (1, 1, 5, 5, 5)[: nd + 2]
    return lambda: [
        raises(ValueError, r"output_size or output_ratio is needed", t(*image), 2),
        raises(RuntimeError, r"5 windows of 2 do not fit into dimension", t(*image), 2, 5),
        raises(RuntimeError, rf"fractional_max_pool{nd}d: input \(N, C", t(4, 4), 2, 2),
    ]


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [*_samples(2, (3, 4), (0.5, 0.5)), *_samples(2, 4, (0.6, 0.7), return_indices=True)],
    errors=_errors(2),
)
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: IntOrTuple,
    output_size: IntOrTuple | None = None,
    output_ratio: Ratios = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The maximum of windows at pseudo-random steps that give the output size wanted: (N, C, H, W) or (C, H, W).

    output_size, or output_ratio of the input's size (floored). The windows of each channel begin at floor((i + u) a) -
    floor(u a), a = (H - kernel) / (H' - 1), with u from the default generator, or `_random_samples` (N, C, 2).
    return_indices: also the places, counted over H * W. ShapeError where the windows do not fit.

    Graham: "Fractional max-pooling" (2014).

    >>> import retrograd as rg
    >>> tuple(rg.nn.functional.fractional_max_pool2d(rg.rand(1, 1, 8, 8), 2, output_ratio=0.7).shape)
    (1, 1, 5, 5)
    """
    found = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


@public(where="nn.functional", method=False, samples=lambda: _samples(2, (3, 4), (0.5, 0.5)), errors=_errors(2))
def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: IntOrTuple,
    output_size: IntOrTuple | None = None,
    output_ratio: Ratios = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool2d` that always returns the pair (values, places).

    >>> import retrograd as rg
    >>> values, places = rg.nn.functional.fractional_max_pool2d_with_indices(rg.rand(1, 8, 8), 2, 5)
    >>> tuple(places.shape)
    (1, 5, 5)
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [*_samples(3, (3, 4, 2), 0.5), *_samples(3, 2, (0.6, 0.7, 0.6), return_indices=True)],
    errors=_errors(3),
)
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: IntOrTuple,
    output_size: IntOrTuple | None = None,
    output_ratio: Ratios = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """`fractional_max_pool2d` of volumes (N, C, D, H, W) or (C, D, H, W); `_random_samples` are (N, C, 3).

    >>> import retrograd as rg
    >>> tuple(rg.nn.functional.fractional_max_pool3d(rg.rand(1, 1, 8, 8, 8), 2, output_size=(5, 4, 3)).shape)
    (1, 1, 5, 4, 3)
    """
    found = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


@public(where="nn.functional", method=False, samples=lambda: _samples(3, (3, 4, 2), 0.5), errors=_errors(3))
def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: IntOrTuple,
    output_size: IntOrTuple | None = None,
    output_ratio: Ratios = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool3d` that always returns the pair (values, places).

    >>> import retrograd as rg
    >>> values, places = rg.nn.functional.fractional_max_pool3d_with_indices(rg.rand(1, 8, 8, 8), 2, 5)
    >>> tuple(places.shape)
    (1, 5, 5, 5)
    """
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


# ---------------------------------------------------------------- the pools that always return the places
def _pool(nd: int, f: Any) -> Any:
    def pool(
        input: Tensor,
        kernel_size: IntOrTuple,
        stride: IntOrTuple | None = None,
        padding: IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> tuple[Tensor, Tensor]:
        return f(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    pool.__name__ = pool.__qualname__ = f"max_pool{nd}d_with_indices"
    image = "rg.arange(4.0).reshape(1" + ", 1" * (nd - 1) + ", 4)"
    window = "2" if nd == 1 else "(" + "1, " * (nd - 1) + "2)"
    pool.__doc__ = f"""`max_pool{nd}d` that always returns the pair (values, places), whatever return_indices is.

    >>> import retrograd as rg
    >>> values, places = rg.nn.functional.max_pool{nd}d_with_indices({image}, {window})
    >>> places.flatten()
    tensor([1, 3])
    """
    shape = (2, 3, 4, 5, 4)[: nd + 2]
    enter = public(
        where="nn.functional",
        method=False,
        samples=lambda: [call(t(*shape), 2), call(t(*shape), 3, 2, 1, 1, True), call(t(*shape[1:]), 2, stride=1)],
        errors=lambda: [raises(RuntimeError, rf"max_pool{nd}d: input", t(4), 2)],
    )
    return enter(pool)


max_pool1d_with_indices = _pool(1, max_pool1d)
max_pool2d_with_indices = _pool(2, max_pool2d)
max_pool3d_with_indices = _pool(3, max_pool3d)


def _adaptive(nd: int, f: Any) -> Any:
    def pool(input: Tensor, output_size: Sizes, return_indices: bool = False) -> tuple[Tensor, Tensor]:
        return f(input, output_size, True)

    pool.__name__ = pool.__qualname__ = f"adaptive_max_pool{nd}d_with_indices"
    image = "rg.arange(4.0).reshape(1" + ", 1" * (nd - 1) + ", 4)"
    size = "2" if nd == 1 else "(" + "1, " * (nd - 1) + "2)"
    pool.__doc__ = f"""`adaptive_max_pool{nd}d` that always returns the pair (values, places), whatever return_indices is.

    >>> import retrograd as rg
    >>> values, places = rg.nn.functional.adaptive_max_pool{nd}d_with_indices({image}, {size})
    >>> places.flatten()
    tensor([1, 3])
    """
    shape = (2, 3, 4, 5, 4)[: nd + 2]
    enter = public(
        where="nn.functional",
        method=False,
        samples=lambda: [call(t(*shape), 2), call(t(*shape[1:]), 3)],
        errors=lambda: [raises(RuntimeError, rf"adaptive_max_pool{nd}d: input", t(4), 2)],
    )
    return enter(pool)


adaptive_max_pool1d_with_indices = _adaptive(1, adaptive_max_pool1d)
adaptive_max_pool2d_with_indices = _adaptive(2, adaptive_max_pool2d)
adaptive_max_pool3d_with_indices = _adaptive(3, adaptive_max_pool3d)
