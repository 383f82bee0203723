"""Regular values: arange, linspace, logspace, eye, one_hot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import backend
from ..core import TensorBase, as_tensor_arg
from ..dtypes import get_default_dtype, int64
from ..errors import DtypeError, ShapeError
from ..op import public
from ..samples import D, call, raises, t
from .args import as_int
from .create import finish, place

if TYPE_CHECKING:
    from ..device import device as Device
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = ["arange", "eye", "linspace", "logspace", "one_hot", "range_"]


def _number(v: Any, op: str, what: str) -> Any:
    """A bound as a Python number."""
    v = v._data if isinstance(v, TensorBase) else v
    if backend.is_array(v):
        if v.shape != ():
            raise ShapeError(f"{op}: {what} must be a number or a 0-d tensor, got shape {tuple(v.shape)}")
        v = v.item()
    if isinstance(v, bool):
        return int(v)
    if not isinstance(v, (int, float)):
        raise TypeError(f"{op}: {what} must be a number, got {type(v).__name__}")
    return v


@public(
    method=False,
    differentiable=False,
    samples=lambda: [
        call(5), call(2, 6), call(2, 11, 3), call(0, 1, 0.25), call(5.0), call(5, 0, -2), call(1, 1),
        call(0, 5, dtype=D("float64")),
        call(0.5, 3), call(end=4), call(start=1, end=4, step=2), call(3, dtype=D("int32")),
        call(0.5, 7.7, 2.5, dtype=D("int64")),
    ],
    errors=lambda: [
        raises(ShapeError, r"arange: step must not be 0", 0, 5, 0),
        raises(ShapeError, r"a step of 1 does not lead from 5 to 1", 5, 1),
        raises(TypeError, r"end must be a number, got str", "a"),
    ],
)  # fmt: skip
def arange(
    start: float | Tensor = 0, end: float | Tensor | None = None, step: float | Tensor = 1, *,
    out: Tensor | None = None, dtype: Dtype | None = None, layout: Any = None, device: Device | str | int | None = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The numbers start, start + step, ... before end: `arange(end)`, `arange(start, end)`, `arange(start, end, step)`.

    int64 if all three are ints, else the default dtype. There are ceil((end - start) / step) of them.

    >>> import retrograd as rg
    >>> rg.arange(1, 7, 2), rg.arange(0, 1, 0.25)
    (tensor([1, 3, 5]), tensor([0.0000, 0.2500, 0.5000, 0.7500]))
    """
    if end is None:
        start, end = 0, start
    a, b, s = _number(start, "arange", "start"), _number(end, "arange", "end"), _number(step, "arange", "step")
    if s == 0:
        raise ShapeError("arange: step must not be 0")
    if (b - a) * s < 0:
        raise ShapeError(f"arange: a step of {s} does not lead from {a} to {b}; use a step of the other sign")
    if not (math.isfinite(a) and math.isfinite(b)):
        raise ShapeError(f"arange: the bounds must be finite, got {a} and {b}")
    whole = type(a) is type(b) is type(s) is int
    default = (int64 if whole else get_default_dtype()) if out is None else out._dtype
    d, xp = place("arange", dtype, device, layout, default=default)
    if d.kind in "iu":  # as in PyTorch: bounds and step are converted first
        a, b, s = int(a), int(b), int(s)
        if s == 0:
            raise ShapeError(f"arange: step {step} is 0 as {d.name}")
        r = (a + s * xp.arange(max(-(-(b - a) // s), 0))).astype(d.np)
    else:
        n = -(-(b - a) // s) if whole else math.ceil((b - a) / s)
        r = (a + s * xp.arange(n, dtype="float64")).astype(d.np)
    return finish("arange", r, device, requires_grad, out)


@public(
    name="range",
    method=False,
    differentiable=False,
    samples=lambda: [call(1, 4), call(0, 1, 0.25)],
    errors=lambda: [raises(ShapeError, r"range: a step of 1 does not lead from 5 to 1", 5, 1)],
)
def range_(start: float = 0, end: float | None = None, step: float = 1, **options: Any) -> Tensor:
    """`rg.range(start, end, step)`: as `arange`, but with the end, in the default dtype; deprecated in PyTorch.

    >>> import retrograd as rg
    >>> rg.range(1, 3)
    tensor([1., 2., 3.])
    """
    if end is None:
        start, end = 0, start
    a, b, s = _number(start, "range", "start"), _number(end, "range", "end"), _number(step, "range", "step")
    if s == 0 or (b - a) * s < 0:
        raise ShapeError(f"range: a step of {s} does not lead from {a} to {b}")
    n = math.floor((b - a) / s) + 1
    options.setdefault("dtype", get_default_dtype())
    return arange(a, a + (n - 0.5) * s, s, **options)


def _steps(steps: Any, op: str) -> int:
    n = as_int(steps, op, "steps")
    if n < 0:
        raise ShapeError(f"{op}: steps must not be negative, got {n}")
    return n


def _line(xp: Any, a: Any, b: Any, n: int) -> Any:
    """n numbers from a to b (n,), float64: both ends exact, symmetric about the middle, as PyTorch computes them."""
    at = xp.arange(n, dtype="float64")
    if n < 2:
        return at + a
    step = (b - a) / (n - 1)
    return xp.where(at < n // 2, a + step * at, b - step * (n - 1 - at))


@public(
    method=False,
    differentiable=False,
    samples=lambda: [
        call(0, 1, 5), call(3.0, -2.0, 6), call(0, 1, 1), call(0, 1, 0), call(0, 10, 4, dtype=D("int64")),
        call(start=0, end=1, steps=3),
        call(0, 1, 5, dtype=D("float64")),
    ],
    errors=lambda: [raises(ShapeError, r"steps must not be negative, got -1", 0, 1, -1)],
    ref=lambda start, end, steps, dtype=None: __import__("numpy").linspace(start, end, steps, dtype=dtype),
)  # fmt: skip
def linspace(
    start: float | Tensor, end: float | Tensor, steps: int, *, out: Tensor | None = None, dtype: Dtype | None = None,
    layout: Any = None, device: Device | str | int | None = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers at equal distances from start to end, both included, in the default dtype.

    >>> import retrograd as rg
    >>> rg.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    a, b, n = _number(start, "linspace", "start"), _number(end, "linspace", "end"), _steps(steps, "linspace")
    d, xp = place("linspace", dtype, device, layout, default=None if out is None else out._dtype)
    if d.kind in "iu":
        a, b = int(a), int(b)
    return finish("linspace", _line(xp, a, b, n).astype(d.np), device, requires_grad, out)


@public(
    method=False,
    differentiable=False,
    samples=lambda: [
        call(0, 2, 3), call(-1.0, 1.0, 5), call(0, 3, 4, base=2), call(0, 3, 4, base=2.0, dtype=D("int32")),
        call(0, 1, 0), call(2, 1, 1),
    ],
    errors=lambda: [raises(ShapeError, r"logspace: steps must not be negative", 0, 1, -1)],
    ref=lambda a, b, n, base=10.0, dtype=None: __import__("numpy").logspace(a, b, n, base=base, dtype=dtype or "f4"),
)  # fmt: skip
def logspace(
    start: float | Tensor, end: float | Tensor, steps: int, base: float = 10.0, *, out: Tensor | None = None,
    dtype: Dtype | None = None, layout: Any = None, device: Device | str | int | None = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from base ** start to base ** end at equal ratios, in the default dtype.

    >>> import retrograd as rg
    >>> rg.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    a, b, n = _number(start, "logspace", "start"), _number(end, "logspace", "end"), _steps(steps, "logspace")
    d, xp = place("logspace", dtype, device, layout, default=None if out is None else out._dtype)
    if d.kind in "iu":  # as PyTorch: the exponents at the ends are of the type that is asked for
        a, b = int(a), int(b)
    return finish("logspace", xp.power(float(base), _line(xp, a, b, n)).astype(d.np), device, requires_grad, out)


@public(
    method=False,
    differentiable=False,
    samples=lambda: [call(3), call(2, 3), call(3, 2, dtype=D("bool")), call(0), call(n=2, m=4)],
    errors=lambda: [raises(ShapeError, r"eye: n and m must not be negative, got -1 and -1", -1)],
    ref=lambda n, m=None, dtype=None: __import__("numpy").eye(n, m),
)
def eye(
    n: int, m: int | None = None, *, out: Tensor | None = None, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | int | None = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The matrix (n, m), by default square, with ones on the main diagonal and zeros elsewhere.

    >>> import retrograd as rg
    >>> rg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    rows = as_int(n, "eye", "n")
    columns = rows if m is None else as_int(m, "eye", "m")
    if rows < 0 or columns < 0:
        raise ShapeError(f"eye: n and m must not be negative, got {rows} and {columns}")
    d, xp = place("eye", dtype, device, layout, default=None if out is None else out._dtype)
    return finish("eye", xp.eye(rows, columns, dtype=d.np), device, requires_grad, out)


@public(
    where="nn.functional",
    method=False,
    differentiable=False,
    samples=lambda: [
        call(t(3, dtype="int64", values=[0, 2, 1])), call(t(2, 2, dtype="int64", values=[[0, 1], [3, 0]]), 5),
        call(t(dtype="int64", values=1), num_classes=3), call(t(0, dtype="int64"), 3),
    ],
    errors=lambda: [
        raises(ShapeError, r"class 3 is not below num_classes=3", t(1, dtype="int64", values=[3]), 3),
        raises(ShapeError, r"class -1 is negative", t(1, dtype="int64", values=[-1])),
        raises(DtypeError, r"an int64 tensor of classes is expected, got float", t(2)),
        raises(ShapeError, r"num_classes cannot be inferred", t(0, dtype="int64")),
    ],
)  # fmt: skip
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Classes (*) of int64 as rows of 0 and a single 1, (*, num_classes) of int64; -1 infers max + 1.

    Raises ShapeError for negative classes and for those that are not below num_classes.

    >>> import retrograd as rg
    >>> import retrograd.nn.functional as F
    >>> F.one_hot(rg.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    x = as_tensor_arg(tensor, "one_hot")
    if x._dtype is not int64:
        raise DtypeError(f"one_hot: an int64 tensor of classes is expected, got {x._dtype.name}; write x.long()")
    a, n = x._data, as_int(num_classes, "one_hot", "num_classes")
    if n < -1:
        raise ShapeError(f"one_hot: num_classes must be -1 (inferred) or not negative, got {n}")
    if a.size == 0 and n <= 0:
        raise ShapeError("one_hot: num_classes cannot be inferred from an empty tensor; give it")
    xp = backend.xp_of(a)
    if a.size and (n == -1 or backend.of(a).device_type == "cpu"):  # with num_classes a device is not waited for
        low, high = int(a.min()), int(a.max())
        if low < 0:
            raise ShapeError(f"one_hot: class {low} is negative")
        n = high + 1 if n == -1 else n
        if high >= n:
            raise ShapeError(f"one_hot: class {high} is not below num_classes={n}")
    return finish("one_hot", (a[..., None] == xp.arange(n)).astype("int64"), None, False)
