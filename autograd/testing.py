"""`retrograd.testing`: comparing results with a tolerance that fits the dtype, and tensors for tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import dtypes
from .core import TensorBase, wrap
from .dtypes import dtype

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

# relative and absolute tolerance for each dtype: PyTorch's
TOLERANCES = {
    dtypes.float16: (1e-3, 1e-5), dtypes.bfloat16: (1.6e-2, 1e-5), dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7), dtypes.complex64: (1.3e-6, 1e-5), dtypes.complex128: (1e-7, 1e-7),
}  # fmt: skip


def default_tolerances(*inputs: Any) -> tuple[float, float]:
    """The largest (rtol, atol) among the dtypes of the inputs; exact for integers and bools."""
    found = [TOLERANCES.get(x if isinstance(x, dtype) else x._dtype, (0.0, 0.0)) for x in inputs]
    return max(r for r, _ in found), max(a for _, a in found)


class _Options:
    def __init__(self, **given: Any) -> None:
        self.rtol, self.atol, self.equal_nan = given["rtol"], given["atol"], given["equal_nan"]
        self.check_dtype, self.check_device = given["check_dtype"], given["check_device"]
        self.check_stride, self.subclasses = given["check_stride"], given["allow_subclasses"]


def _host(t: Any) -> Any:
    a = t.detach().cpu()._data
    return a.astype(np.float64) if t._dtype in (dtypes.float16, dtypes.bfloat16) else a


def _tensor(x: Any) -> Any:
    return x if isinstance(x, TensorBase) else wrap(np.asarray(x))


def _is_leaf(x: Any) -> bool:
    return isinstance(x, TensorBase | np.ndarray | np.generic | int | float | complex | bool)


def _place(path: tuple[Any, ...]) -> str:
    return "" if not path else f"\n\nThe failure occurred for item {''.join(f'[{p!r}]' for p in path)}"


def _compare(x: Any, y: Any, o: _Options, path: tuple[Any, ...]) -> None:
    if isinstance(x, Mapping) and isinstance(y, Mapping):
        if set(x) != set(y):
            missing, extra = sorted(set(y) - set(x), key=repr), sorted(set(x) - set(y), key=repr)
            raise AssertionError(
                f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {missing}\n"
                f"Missing keys in the expected mapping: {extra}{_place(path)}"
            )
        for k in x:
            _compare(x[k], y[k], o, (*path, k))
        return
    several = [isinstance(v, Sequence) and not isinstance(v, str | bytes) for v in (x, y)]
    if all(several):
        if len(x) != len(y):
            raise AssertionError(f"The length of the sequences mismatch: {len(x)} != {len(y)}{_place(path)}")
        for i, (a, b) in enumerate(zip(x, y, strict=True)):
            _compare(a, b, o, (*path, i))
        return
    if x is None and y is None:
        return
    if not (_is_leaf(x) and _is_leaf(y)):
        raise TypeError(
            f"assert_close: tensors, arrays, numbers, or sequences and mappings of them are expected, got "
            f"{type(x).__name__} and {type(y).__name__}{_place(path)}"
        )
    if isinstance(x, TensorBase) != isinstance(y, TensorBase) or (not o.subclasses and type(x) is not type(y)):
        raise TypeError(
            f"assert_close: {type(x).__name__} and {type(y).__name__} are not of one kind; convert one{_place(path)}"
        )
    numbers = not isinstance(x, TensorBase | np.ndarray)
    _leaves(_tensor(x), _tensor(y), o, path, numbers)


def _leaves(x: Any, y: Any, o: _Options, path: tuple[Any, ...], numbers: bool) -> None:
    if x._shape != y._shape:
        raise AssertionError(f"The values for attribute 'shape' do not match: {x.shape} != {y.shape}.{_place(path)}")
    if o.check_device and x.device != y.device:
        raise AssertionError(f"The values for attribute 'device' do not match: {x.device} != {y.device}.{_place(path)}")
    if o.check_dtype and not numbers and x._dtype is not y._dtype:
        raise AssertionError(f"The values for attribute 'dtype' do not match: {x.dtype} != {y.dtype}.{_place(path)}")
    if o.check_stride and x.stride() != y.stride():
        raise AssertionError(
            f"The values for attribute 'stride()' do not match: {x.stride()} != {y.stride()}.{_place(path)}"
        )
    rtol, atol = default_tolerances(x, y) if o.rtol is None else (o.rtol, o.atol)
    a, b = _host(x), _host(y)
    with np.errstate(all="ignore"):
        if a.dtype.kind in "biu" and b.dtype.kind in "biu" and not rtol and not atol:
            good = a == b
            distance = np.abs(a.astype(np.float64) - b.astype(np.float64))
        else:
            a, b = (v.astype(np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64) for v in (a, b))
            distance = np.abs(a - b)
            good = (a == b) | (np.isfinite(b) & np.isfinite(a) & (distance <= atol + rtol * np.abs(b)))
            if o.equal_nan:
                good |= np.isnan(a) & np.isnan(b)
        relative = np.where(good, 0.0, distance / np.abs(b))
    if good.all():
        return
    distance = np.where(good, 0.0, distance)
    what = "close" if rtol or atol else "equal"
    if a.ndim == 0:
        detail = _detail(distance, relative, rtol, atol)
        raise AssertionError(
            f"Scalars are not {what}!\n\nExpected {b.item()} but got {a.item()}.{detail}{_place(path)}"
        )
    bad = int((~good).sum())
    share = f"Mismatched elements: {bad} / {good.size} ({100 * bad / good.size:.1f}%)"
    raise AssertionError(
        f"Tensor-likes are not {what}!\n\n{share}{_detail(distance, relative, rtol, atol, True)}{_place(path)}"
    )


def _detail(distance: Any, relative: Any, rtol: float, atol: float, where: bool = False) -> str:
    def greatest(v: Any) -> tuple[float, Any]:
        i = int(np.argmax(np.where(np.isnan(v), np.inf, v)))
        return float(v.reshape(-1)[i]), tuple(int(k) for k in np.unravel_index(i, v.shape))

    lines = []
    for name, v, allowed in (("absolute", distance, atol), ("relative", relative, rtol)):
        value, index = greatest(v)
        at = f" at index {index}" if where else ""
        limit = f" (up to {allowed} allowed)" if rtol or atol else ""
        lines.append(f"\n{'Greatest ' + name if where else name.capitalize()} difference: {value}{at}{limit}")
    return "".join(lines)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere, with equal shapes, dtypes, devices.

    Tensors, arrays, numbers, and sequences and mappings of them. rtol and atol: both or neither; by default those of the
    dtype (float32: 1.3e-6 and 1e-5; float64: 1e-7 and 1e-7; integers: equal). msg: the text instead of ours, or a
    function of it.

    >>> import retrograd as rg
    >>> rg.testing.assert_close(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 2.0000001]))
    >>> rg.testing.assert_close({"a": 1.0}, {"a": 1.5})
    Traceback (most recent call last):
    ...
    AssertionError: Scalars are not close!
    ...
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: rtol and atol must be given together, or neither")
    options = _Options(
        rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=check_dtype, check_device=check_device,
        check_stride=check_stride, allow_subclasses=allow_subclasses,
    )  # fmt: skip
    try:
        _compare(actual, expected, options, ())
    except AssertionError as e:
        if msg is None:
            raise
        raise AssertionError(msg(str(e)) if callable(msg) else msg) from None


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older form of `assert_close`: dtypes and devices may differ, and NaN equals NaN.

    >>> import retrograd as rg
    >>> rg.testing.assert_allclose(rg.tensor([1.0]), [1.0])
    """
    x, y = (v if isinstance(v, TensorBase) else wrap(np.asarray(v)) for v in (actual, expected))
    if rtol is None or atol is None:
        rtol, atol = default_tolerances(x, y)
    assert_close(
        x, y, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=False, check_dtype=False, msg=msg or None
    )


def make_tensor(
    *shape: Any,
    dtype: dtype,
    device: Any = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Any:
    """A tensor of random numbers in [low, high): by default [-9, 9) for floats, [-9, 10) for integers, and 0 or 1 for bools.

    noncontiguous: every other element of a twice as long one. exclude_zero: zeros become the smallest number above.

    >>> import retrograd as rg
    >>> tuple(rg.testing.make_tensor((2, 3), dtype=rg.int64, low=0, high=3).shape)
    (2, 3)
    """
    from .ops.create import full
    from .ops.random import rand, randint

    size = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], list | tuple) else tuple(shape)
    integral = not (dtype.is_floating_point or dtype.is_complex)
    lo, hi = ((0, 2) if dtype is dtypes.bool_ else (-9, 10)) if integral else (-9.0, 9.0)
    if dtype.name == "uint8" or (integral and not dtype.is_signed and dtype is not dtypes.bool_):
        lo = 0
    lo, hi = (lo if low is None else low), (hi if high is None else high)
    if not lo < hi:
        raise ValueError(f"make_tensor: low must be below high, got {lo} and {hi}")
    drawn = (*size[:-1], 2 * size[-1]) if noncontiguous and size else size
    if integral:
        t = randint(math.floor(lo), math.ceil(hi), drawn, device=device).to(dtype)
    elif dtype.is_complex:
        real = dtypes.float64 if dtype is dtypes.complex128 else dtypes.float32
        t = (rand(drawn, dtype=real, device=device) + 1j * rand(drawn, dtype=real, device=device)) * (hi - lo)
        t = (t + complex(lo, lo)).to(dtype)
    else:
        t = (rand(drawn, dtype=dtypes.float64, device=device) * (hi - lo) + lo).to(dtype)
    if exclude_zero:
        tiny = 1 if integral else dtypes.finfo(dtype).tiny
        t = t.where(t != 0, full((), tiny, dtype=dtype, device=device))
    if noncontiguous and size:
        t = t[..., ::2]
    return t.requires_grad_() if requires_grad else t
