"""Comparisons, logic and tests of values: bool tensors without gradients; equal, isclose and allclose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..dtypes import bool_
from ..errors import DtypeError, ShapeError
from ..op import binary, public, unary
from ..samples import call, raises, t

if TYPE_CHECKING:
    from ..tensor import Tensor


def _two() -> list[Any]:
    same = t(3, values=[1.0, 2.0, 3.0])
    return [
        call(t(3, 4), t(4)),
        call(same, t(3, values=[1.0, 3.0, 2.0])),
        call(t(3), 0.5),
        call(t(), t()),
        call(t(3, dtype="int64", low=0, high=3), t(3, dtype="int64", low=0, high=3)),
        call(t(3, dtype="int64", low=0, high=3), 0.5),
    ]


def _misfit() -> list[Any]:
    return [raises(ShapeError, "do not broadcast", t(2, 3), t(4))]


def _compare(name: str, ufunc: str, doc: str, ordered: bool = True) -> Any:
    def forward(xp: Any, x: Any, y: Any) -> Any:
        if getattr(x, "dtype", bool_.np).kind == "c":
            raise DtypeError(f"{name}: complex numbers have no order; compare abs() or .real")
        return getattr(xp, ufunc)(x, y)

    return binary(
        name, forward if ordered else ufunc, dtypes="bool", samples=_two, errors=_misfit, ref=getattr(np, ufunc),
        inplace=True, doc=doc,
    )  # fmt: skip


eq = _compare(
    "eq",
    "equal",
    """Whether x == y, elementwise.

    >>> import retrograd as rg
    >>> rg.eq(rg.tensor([1, 2]), 2)
    tensor([False,  True])
    """,
    ordered=False,
)
ne = _compare(
    "ne",
    "not_equal",
    """Whether x != y, elementwise.

    >>> import retrograd as rg
    >>> rg.ne(rg.tensor([1, 2]), 2)
    tensor([ True, False])
    """,
    ordered=False,
)
lt = _compare(
    "lt",
    "less",
    """Whether x < y, elementwise.

    >>> import retrograd as rg
    >>> rg.lt(rg.tensor([1, 2]), 2)
    tensor([ True, False])
    """,
)
le = _compare(
    "le",
    "less_equal",
    """Whether x <= y, elementwise.

    >>> import retrograd as rg
    >>> rg.le(rg.tensor([1, 2]), 2)
    tensor([True, True])
    """,
)
gt = _compare(
    "gt",
    "greater",
    """Whether x > y, elementwise.

    >>> import retrograd as rg
    >>> rg.gt(rg.tensor([1, 2]), 1)
    tensor([False,  True])
    """,
)
ge = _compare(
    "ge",
    "greater_equal",
    """Whether x >= y, elementwise.

    >>> import retrograd as rg
    >>> rg.ge(rg.tensor([1, 2]), 2)
    tensor([False,  True])
    """,
)


def _logical(name: str, doc: str) -> Any:
    return binary(
        name, name, dtypes="bool", inplace=True, ref=getattr(np, name), doc=doc, errors=_misfit,
        samples=lambda: [
            call(t(3, 4, dtype="bool"), t(4, dtype="bool")),
            call(t(3, values=[0.0, 1.0, 2.0]), t(3, values=[0.0, 0.0, 1.0])),
        ],
    )  # fmt: skip


logical_and = _logical(
    "logical_and",
    """Whether both are non-zero, elementwise.

    >>> import retrograd as rg
    >>> rg.logical_and(rg.tensor([True, True]), rg.tensor([True, False]))
    tensor([ True, False])
    """,
)
logical_or = _logical(
    "logical_or",
    """Whether either is non-zero, elementwise.

    >>> import retrograd as rg
    >>> rg.logical_or(rg.tensor([True, False]), rg.tensor([False, False]))
    tensor([ True, False])
    """,
)
logical_xor = _logical(
    "logical_xor",
    """Whether exactly one is non-zero, elementwise.

    >>> import retrograd as rg
    >>> rg.logical_xor(rg.tensor([True, True]), rg.tensor([True, False]))
    tensor([False,  True])
    """,
)
logical_not = unary(
    "logical_not", "logical_not", dtypes="bool", inplace=True, ref=np.logical_not, doc="""Whether x is zero, elementwise.

    >>> import retrograd as rg
    >>> rg.logical_not(rg.tensor([True, False]))
    tensor([False,  True])
    """,
    samples=lambda: [call(t(3, dtype="bool")), call(t(3, values=[0.0, 1.0, 2.0]))],
)  # fmt: skip


def _integers(name: str, ufunc: str) -> Any:
    def forward(xp: Any, x: Any, y: Any) -> Any:
        for v in (x, y):
            d = np.dtype(float) if isinstance(v, float) else getattr(v, "dtype", bool_.np)
            if d.kind not in "biu":
                raise DtypeError(f"{name}: integer or bool tensors are expected, got {d}")
        return getattr(xp, ufunc)(x, y)

    return forward


def _bitwise(name: str, ufunc: str, doc: str, shift: bool = False) -> Any:
    whole = t(3, dtype="int64", low=0, high=9)
    few = t(3, dtype="int64", low=0, high=5)
    return binary(
        name, _integers(name, ufunc), differentiable=False, inplace=True, ref=getattr(np, ufunc), doc=doc,
        samples=lambda: [call(whole, few)] if shift else [
            call(whole, few), call(t(3, dtype="bool"), t(3, dtype="bool")), call(whole, 3),
        ],
        errors=lambda: [raises(TypeError, "integer or bool tensors", t(3), t(3))],
    )  # fmt: skip


bitwise_and = _bitwise(
    "bitwise_and",
    "bitwise_and",
    """x & y on integers, logical and on bools.

    >>> import retrograd as rg
    >>> rg.bitwise_and(rg.tensor([6, 5]), 3)
    tensor([2, 1])
    """,
)
bitwise_or = _bitwise(
    "bitwise_or",
    "bitwise_or",
    """x | y on integers, logical or on bools.

    >>> import retrograd as rg
    >>> rg.bitwise_or(rg.tensor([6, 5]), 3)
    tensor([7, 7])
    """,
)
bitwise_xor = _bitwise(
    "bitwise_xor",
    "bitwise_xor",
    """x ^ y on integers, logical exclusive or on bools.

    >>> import retrograd as rg
    >>> rg.bitwise_xor(rg.tensor([6, 5]), 3)
    tensor([5, 6])
    """,
)
bitwise_left_shift = _bitwise(
    "bitwise_left_shift",
    "left_shift",
    """x << y on integers.

    >>> import retrograd as rg
    >>> rg.bitwise_left_shift(rg.tensor([1, 3]), 2)
    tensor([ 4, 12])
    """,
    shift=True,
)
bitwise_right_shift = _bitwise(
    "bitwise_right_shift",
    "right_shift",
    """x >> y on integers.

    >>> import retrograd as rg
    >>> rg.bitwise_right_shift(rg.tensor([8, 5]), 1)
    tensor([4, 2])
    """,
    shift=True,
)


def _invert(xp: Any, x: Any) -> Any:
    if x.dtype.kind not in "biu":
        raise DtypeError(f"bitwise_not: integer or bool tensors are expected, got {x.dtype}")
    return xp.invert(x)


bitwise_not = unary(
    "bitwise_not", _invert, dtypes="same", differentiable=False, inplace=True, ref=np.invert,
    doc="""~x on integers, logical not on bools.

    >>> import retrograd as rg
    >>> rg.bitwise_not(rg.tensor([0, 5]))
    tensor([-1, -6])
    """,
    samples=lambda: [call(t(3, dtype="int64", low=0, high=9)), call(t(3, dtype="bool"))],
    errors=lambda: [raises(TypeError, "integer or bool", t(3))],
)  # fmt: skip


_SPECIAL = [0.0, float("nan"), float("inf"), -float("inf")]


def _test(name: str, forward: Any, doc: str) -> Any:
    return unary(
        name, forward, dtypes="bool", ref=getattr(np, name), doc=doc,
        samples=lambda: [call(t(4, values=_SPECIAL)), call(t(3, dtype="int64", low=0, high=3)), call(t())],
    )  # fmt: skip


def _signed(x: Any) -> Any:
    if x.dtype.kind == "c":
        raise DtypeError("isposinf, isneginf: complex infinities have no sign; use isinf()")
    return x


isnan = _test(
    "isnan",
    lambda xp, x: x != x,
    """Whether each element is NaN.

    >>> import retrograd as rg
    >>> rg.isnan(rg.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """,
)
isinf = _test(
    "isinf",
    lambda xp, x: xp.isinf(x),
    """Whether each element is infinite.

    >>> import retrograd as rg
    >>> rg.isinf(rg.tensor([1.0, float("inf")]))
    tensor([False,  True])
    """,
)
isfinite = _test(
    "isfinite",
    lambda xp, x: xp.isfinite(x),
    """Whether each element is neither NaN nor infinite.

    >>> import retrograd as rg
    >>> rg.isfinite(rg.tensor([1.0, float("inf")]))
    tensor([ True, False])
    """,
)
isposinf = _test(
    "isposinf",
    lambda xp, x: _signed(x) == float("inf"),
    """Whether each element is +infinity.

    >>> import retrograd as rg
    >>> rg.isposinf(rg.tensor([1.0, float("inf")]))
    tensor([False,  True])
    """,
)
isneginf = _test(
    "isneginf",
    lambda xp, x: _signed(x) == -float("inf"),
    """Whether each element is -infinity.

    >>> import retrograd as rg
    >>> rg.isneginf(rg.tensor([1.0, -float("inf")]))
    tensor([False,  True])
    """,
)
signbit = unary(
    "signbit", lambda xp, x: xp.signbit(x) if x.dtype.kind == "f" else x < 0, dtypes="bool",
    samples=lambda: [call(t(3, values=[-0.0, 0.0, -1.0]))], ref=np.signbit, doc="""Whether the sign bit is set.

    >>> import retrograd as rg
    >>> rg.signbit(rg.tensor([-0.0, 1.0]))
    tensor([ True, False])
    """,
)  # fmt: skip


@public(
    samples=lambda: [
        call(t(3), t(3)),
        call(t(2, values=[1.0, float("nan")]), t(2, values=[1.0 + 1e-9, float("nan")]), equal_nan=True),
        call(t(2, values=[1.0, float("inf")]), t(2, values=[1.1, float("inf")]), rtol=0.2),
    ],
    ref=lambda x, y, rtol=1e-5, atol=1e-8, equal_nan=False: np.isclose(x, y, rtol, atol, equal_nan),
    differentiable=False,
)
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether |x - y| <= atol + rtol * |y|, elementwise; infinities are close to themselves.

    >>> import retrograd as rg
    >>> rg.isclose(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    x, y = as_tensor_arg(input, "isclose"), as_tensor_arg(other, "isclose")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: tolerances are not negative, got rtol={rtol} and atol={atol}")
    if x._dtype is not y._dtype:
        raise RuntimeError(f"isclose: dtypes differ ({x._dtype.name} and {y._dtype.name}); convert one of them")
    from ..core import wrap

    a, b = x._data, y._data
    near = a == b
    if x._dtype.kind in "fc":
        finite = (abs(a) < float("inf")) & (abs(b) < float("inf"))
        near = near | finite & (abs(a - b) <= atol + abs(rtol * b))
        if equal_nan:
            near = near | (a != a) & (b != b)
    else:
        near = near | (abs(a.astype("f8") - b) <= atol + abs(rtol * b))
    return wrap(np.asarray(near) if isinstance(near, np.generic) else near)


@public(samples=lambda: [call(t(3), t(3))], ref=np.allclose, differentiable=False)
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close (see `isclose`); reads the result back, which synchronises a GPU.

    >>> import retrograd as rg
    >>> rg.allclose(rg.tensor([1.0]), rg.tensor([1.0 + 1e-7]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan)._data.all())


@public(samples=lambda: [call(t(3), t(3)), call(t(2), t(3))], ref=np.array_equal, differentiable=False)
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and elements.

    >>> import retrograd as rg
    >>> rg.equal(rg.ones(2), rg.ones(2))
    True
    """
    x, y = as_tensor_arg(input, "equal"), as_tensor_arg(other, "equal")
    if x._dtype is not y._dtype and x._dtype.kind != y._dtype.kind:
        raise RuntimeError(f"equal: dtypes differ ({x._dtype.name} and {y._dtype.name}); convert one of them")
    return x._shape == y._shape and bool((x._data == y._data).all())


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge
__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "eq", "equal", "ge", "greater", "greater_equal", "gt", "isclose", "isfinite", "isinf", "isnan", "isneginf",
    "isposinf", "le", "less", "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "ne",
    "not_equal", "signbit",
]  # fmt: skip
