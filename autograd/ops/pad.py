"""`nn.functional.pad`: constant, reflect, replicate and circular padding, from the last dimension forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import backend
from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import param, public
from ..samples import call, raises, t
from .args import shape_arg
from .index import index_select_p
from .shape import getitem_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["pad", "pad_p"]

Widths = tuple[tuple[int, int], ...]


def _inside(shape: Sequence[int], widths: Widths) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for n, (a, _) in zip(shape, widths, strict=True))


def _pad(xp: Any, x: Any, widths: Widths, value: Any) -> Any:
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
    out = xp.zeros(shape, x.dtype) if value == 0 else xp.full(shape, value, x.dtype)
    out[_inside(x.shape, widths)] = x
    return out


pad_p: Any = param(
    "constant_pad_nd",
    _pad,
    lambda g, x, o, widths, value: getitem_p(g, _inside(x, widths)),
    dtypes="copy",
    holomorphic=False,
    jvp=lambda ts, xs, o, widths, value: pad_p(ts[0], widths, 0),
    doc="x with widths[i] = (before, after) elements of value, a number, around dimension i; no negative widths.",
)


def _sources(xp: Any, n: int, before: int, after: int, mode: str) -> Any:
    """Where the elements -before ... n + after - 1 of a padded dimension come from."""
    at = xp.arange(-before, n + after)
    if mode == "replicate":
        return at.clip(0, max(n - 1, 0))
    if mode == "circular":
        return at % n
    period = max(2 * (n - 1), 1)
    at = at % period
    return xp.minimum(at, period - at) if n > 1 else at * 0


def _check(shape: tuple[int, ...], d: int, before: int, after: int, mode: str) -> None:
    if not before and not after:
        return
    n = shape[d]
    limit = {"reflect": n - 1, "circular": n, "replicate": 0 if n == 0 else max(before, after)}[mode]
    if max(before, after) > limit:
        rule = {
            "reflect": "less than the size of the dimension",
            "circular": "at most the size of the dimension (no wrapping around more than once)",
            "replicate": "nothing for an empty dimension",
        }[mode]
        raise ShapeError(
            f"pad: ({before}, {after}) around dimension {d} of shape {shape} is too much for mode {mode!r}; {rule} fits"
        )


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3), (1, 2)), call(t(2, 3), (1, 0, 2, 1)), call(t(2, 3), (1, 1), "constant", 0.5),
        call(t(2, 3), (-1, 2, 0, -1)),
        call(t(2, 3), [1, 2], value=-1.0), call(t(2, 3), ()), call(t(2, 4), (2, 1), mode="reflect"),
        call(t(2, 3, 4), (1, 2, 2, 0), mode="reflect"), call(t(2, 3, 4), (1, 2, 2, 4), mode="replicate"),
        call(t(1, 2, 3, 4), (1, 2, 2, 0), mode="circular"), call(t(2, 4), (-1, 1), mode="circular"),
        call(t(2, 4), (-1, 1), mode="replicate"), call(t(2, 4), (-1, 1), mode="reflect"),
        call(t(2, 4, dtype="int64", low=0, high=9, grad=False), (1, 1), value=3),
    ],
    errors=lambda: [
        raises(ShapeError, r"pad: 1 widths; a pair for each dimension", t(2, 3), (1,)),
        raises(ShapeError, r"3 pairs .* shape \(2, 3\) has only 2", t(2, 3), (1, 1, 1, 1, 1, 1)),
        raises(ShapeError, r"too much for mode 'reflect'", t(2, 3), (3, 0), mode="reflect"),
        raises(ShapeError, r"too much for mode 'circular'", t(2, 3), (4, 0), mode="circular"),
        raises(ShapeError, r"leave dimension 1 of shape \(2, 3\) with size -1", t(2, 3), (-2, -2)),
        raises(NotImplementedError, r"mode must be", t(2, 3), (1, 1), mode="mirror"),
        raises(ShapeError, r"mode 'reflect' takes no value", t(2, 3), (1, 1), mode="reflect", value=1.0),
    ],
)  # fmt: skip
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """The tensor with elements added around it: pad = (last_before, last_after, one_before_last_before, ...).

    The pairs start with the last dimension, so (1, 1, 2, 2) pads an image (N, C, H, W) by 1 left and right, by 2
    above and below. Negative widths crop. mode: "constant" (value, default 0), "reflect" (without the border itself),
    "replicate" (the border element) or "circular" (wrapped around).

    >>> import retrograd as rg
    >>> import retrograd.nn.functional as F
    >>> F.pad(rg.tensor([1, 2, 3]), (2, 1), mode="replicate")
    tensor([1, 1, 1, 2, 3, 3])
    """
    x: Any = as_tensor_arg(input, "pad")
    given = shape_arg((pad,), "pad")
    shape = tuple(x._shape)
    if len(given) % 2:
        raise ShapeError(f"pad: {len(given)} widths; a pair for each dimension is expected, starting with the last one")
    if len(given) > 2 * len(shape):
        raise ShapeError(f"pad: {len(given) // 2} pairs of widths were given, but shape {shape} has only {len(shape)}")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if mode != "constant" and value is not None and value != 0:
        raise ShapeError(f"pad: mode {mode!r} takes no value, got {value!r}; value is for mode 'constant'")
    widths = [(0, 0)] * len(shape)
    for k in range(len(given) // 2):
        widths[-1 - k] = (given[2 * k], given[2 * k + 1])
    for d, (a, b) in enumerate(widths):
        if shape[d] + a + b < 0 or shape[d] + min(a, 0) + min(b, 0) < 0:
            raise ShapeError(
                f"pad: widths ({a}, {b}) leave dimension {d} of shape {shape} with size {shape[d] + a + b}"
            )
        if mode != "constant":
            if shape[d] + a + b == 0 and (a or b) and mode != "circular":
                raise ShapeError(
                    f"pad: widths ({a}, {b}) leave nothing of dimension {d} of shape {shape} in mode {mode!r}"
                )
            _check(shape, d, max(a, 0), max(b, 0), mode)
    return _padded(x, tuple(widths), mode, 0 if value is None else value)


def _padded(x: Any, widths: Widths, mode: str, value: Any) -> Any:
    """x padded. reflect and replicate start from the border of all of x, the others from that of the cropped."""
    if mode in ("constant", "circular"):
        x = _crop(x, widths)
        widths = tuple((max(a, 0), max(b, 0)) for a, b in widths)
        if mode == "constant":
            return pad_p(x, widths, value)
    xp = backend.xp_of(x._data)
    changed = False
    for d, (a, b) in enumerate(widths):
        if a or b:
            at = _sources(xp, x._shape[d], max(a, 0), max(b, 0), mode)
            at = at[-min(a, 0) : len(at) + min(b, 0)]
            x = index_select_p(x, d, at)
            changed = True
    return x if changed else x.clone()


def _crop(x: Any, widths: Widths) -> Any:
    if all(a >= 0 <= b for a, b in widths):
        return x
    return getitem_p(x, tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x._shape, widths, strict=True)))
