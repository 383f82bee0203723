"""Which operations sparse tensors take part in, and how: what the generic call path asks when it meets one.

A rule works on tensors, and is written in ordinary operations on values; so it is differentiable like they are.
Operations without a rule raise an error that names them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import generic
from ..backend import is_array, xp_of
from ..core import TensorBase, wrap
from ..dtypes import result_type
from ..errors import ShapeError
from ..layouts import sparse_coo
from ..ops import arith
from ..ops.cast import cast_p, clone_p, identity_p
from ..ops.join import cat_p
from ..ops.reduce import any_p
from ..ops.shape import getitem_p, permute_p, reshape_p, sum_p
from .data import SparseData, refuse
from .pattern import Pattern, product_places, sparse_mm_p, sparse_sparse_p
from .places import (
    add_up,
    coalesce,
    find,
    is_sparse,
    keys,
    narrow,
    permute,
    pick_rows,
    select,
    sparse_shape,
    to_dense,
    to_layout,
    unkeys,
)
from .tensor import coordinates, make, pattern_of, with_values

__all__ = ["run", "sum_over", "within"]

# Elementwise operations of one operand that leave zero alone: they work on the values of a coalesced tensor.
KEEP_ZERO = frozenset(
    [
        "abs",
        "angle",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "ceil",
        "conj_physical",
        "conj",
        "deg2rad",
        "erf",
        "erfinv",
        "expm1",
        "fix",
        "floor",
        "frac",
        "imag",
        "isinf",
        "isnan",
        "isneginf",
        "isposinf",
        "log1p",
        "nan_to_num",
        "neg",
        "positive",
        "rad2deg",
        "real",
        "relu",
        "round",
        "sgn",
        "sign",
        "signbit",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "tan",
        "tanh",
        "trunc",
    ]
)
LINEAR = frozenset(["neg", "positive", "conj", "conj_physical", "real", "imag", "deg2rad", "rad2deg"])


def within(xs: Any) -> bool:
    """Whether one of the operands is a sparse tensor."""
    return any(type(getattr(x, "_data", None)) is SparseData for x in xs)


def run(op: Any, xs: Any, p: Any = (), out: Any = None) -> Any:
    """Operation `op` with a sparse tensor among its operands."""
    rule = RULES.get(op.name)
    if rule is not None:
        r = rule(*xs, *p) if op.arity != generic.NARY else rule(xs, *p)
    elif op.name in KEEP_ZERO:
        (x,) = xs
        x = x if op.name in LINEAR else coalesce(x)
        r = with_values(x, op.call(x._data.values, *p))
    else:
        refuse(op.name)
    return r if out is None else generic.into(out, r, op.name)


# ---------------------------------------------------------------- elementwise, two operands
def is_number(x: Any) -> bool:
    """Whether x is a number or a dense tensor without dimensions."""
    return not isinstance(x, TensorBase) and not is_array(x) or not is_sparse(x) and not getattr(x, "shape", ())


def _operand(x: Any) -> Any:
    return (
        x if isinstance(x, TensorBase) or not is_array(x) else wrap(np.asarray(x) if isinstance(x, np.generic) else x)
    )


def _promoted(x: Any, y: Any) -> tuple[Any, Any]:
    if x._dtype is y._dtype:
        return x, y
    d = result_type((x._dtype, len(x._shape) and 2 or 1), (y._dtype, len(y._shape) and 2 or 1))
    return tuple(with_values(v, cast_p(v._data.values, d)) if is_sparse(v) else cast_p(v, d) for v in (x, y))  # type: ignore[return-value]


def _same_places(op: str, x: Any, y: Any) -> None:
    if x._shape != y._shape:
        raise ShapeError(
            f"{op}: sparse operands must have the same size, got {tuple(x._shape)} and {tuple(y._shape)}; sparse tensors do "
            "not broadcast"
        )
    if x.sparse_dim() != y.sparse_dim():
        raise ShapeError(
            f"{op}: operands with {x.sparse_dim()} and {y.sparse_dim()} sparse dimensions; both must have the same number"
        )


def add(x: Any, y: Any) -> Any:
    """x + y of two sparse tensors, or of a sparse and a dense one (dense)."""
    x, y = _operand(x), _operand(y)
    if is_number(x) or is_number(y):
        refuse("add", "of a sparse tensor and a number would fill every place, and is not available")
    if not (is_sparse(x) and is_sparse(y)):
        if x._shape != y._shape:
            raise ShapeError(
                f"add: a dense and a sparse operand must have the same size, got {tuple(x._shape)} and {tuple(y._shape)}; "
                "expand the dense one"
            )
        return arith.add_p(*(to_dense(v) if is_sparse(v) else v for v in (x, y)))
    _same_places("add", x, y)
    x, y = _promoted(x, y)
    home, once = x._data.layout, x._data.coalesced and y._data.coalesced
    a, b = (to_layout(v, sparse_coo, "add")._data for v in (x, y))
    xp = xp_of(a.first._data)
    indices = wrap(xp.concatenate([a.first._data, b.first._data], 1))
    r = make(sparse_coo, indices, None, cat_p((a.values, b.values), 0), x._shape, False)
    return to_layout(coalesce(r) if once else r, home, "add")


def _negative(x: Any) -> Any:
    return with_values(x, arith.neg(x._data.values)) if is_sparse(x) else -x


def sub(x: Any, y: Any) -> Any:
    """x - y."""
    return add(_operand(x), _negative(_operand(y)))


def mul(x: Any, y: Any) -> Any:
    """x * y: by a number, of two sparse tensors, or of a sparse and a dense one; sparse in each case."""
    x, y = _operand(x), _operand(y)
    if not is_sparse(x):
        x, y = y, x
    if is_number(y):
        return with_values(x, arith.mul(x._data.values, y))
    if is_sparse(y):
        _same_places("mul", x, y)
        home = x._data.layout
        x, y = coalesce(x), coalesce(y)
        want = keys(coordinates(x), sparse_shape(x))
        at, there = find(y, want)
        (some,) = xp_of(want).nonzero(there)
        values = arith.mul(getitem_p(x._data.values, (some,)), getitem_p(y._data.values, (at[some],)))
        if some.size == want.size:
            return with_values(x, values)
        r = make(sparse_coo, wrap(coordinates(x)[:, some]), None, values, x._shape, home is sparse_coo)
        return to_layout(r, home, "mul")
    shape = x._shape
    lead = len(shape) - len(y._shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(y._shape, shape[lead:], strict=True)):
        raise ShapeError(
            f"mul: a dense operand of shape {tuple(y._shape)} does not broadcast to the sparse one's {tuple(shape)}"
        )
    k = x.sparse_dim()
    y = reshape_p(y, (1,) * lead + tuple(y._shape))
    indices = coordinates(x)
    at = tuple(indices[i] if y._shape[i] != 1 else indices[i] * 0 for i in range(k))
    return with_values(x, arith.mul(x._data.values, getitem_p(y, at)))


def div(x: Any, y: Any) -> Any:
    """x / y by a number."""
    y = _operand(y)
    if not is_sparse(x) or not is_number(y):
        shape = tuple(getattr(y, "shape", ()))
        raise ShapeError(
            f"div: sparse division requires a scalar or zero-dim dense tensor divisor (got shape {shape} for divisor)"
        )
    return with_values(x, arith.div(x._data.values, y))


def floor_divide(x: Any, y: Any) -> Any:
    """x // y by a number."""
    y = _operand(y)
    if not is_sparse(x) or not is_number(y):
        refuse("floor_divide", "is only available with a number as the divisor")
    x = coalesce(x)
    return with_values(x, arith.floor_divide_p(x._data.values, y))


def power(x: Any, y: Any) -> Any:
    """x ** y for a positive number y."""
    if not is_sparse(x) or not isinstance(y, (int, float)) or y <= 0:
        refuse("pow", "is only available with a sparse base and a positive number as the exponent")
    x = coalesce(x)
    return with_values(x, arith.pow(x._data.values, y))


# ---------------------------------------------------------------- products
def matmul(xs: Any, tx: bool, ty: bool) -> Any:
    """op(x) @ op(y) of matrices, one of them or both sparse."""
    x, y = xs
    if len(x._shape) == len(y._shape) == 3 and is_sparse(x) and x.sparse_dim() == 3 and not is_sparse(y):
        return _batched(permute(x, (0, 2, 1)) if tx else x, permute_p(y, (0, 2, 1)) if ty else y)
    if len(x._shape) != 2 or len(y._shape) != 2:
        raise ShapeError(
            f"matmul: a product with a sparse operand takes matrices and vectors, or a sparse batch of matrices and a dense "
            f"one, got shapes {tuple(x._shape)} and {tuple(y._shape)}; use to_dense()"
        )
    if is_sparse(x) and is_sparse(y):
        return _sparse_sparse(permute(x, (1, 0)) if tx else x, permute(y, (1, 0)) if ty else y)
    if is_sparse(x):
        pattern = pattern_of(x, "matmul")
        return sparse_mm_p((x._data.values, permute_p(y, (1, 0)) if ty else y), pattern.T if tx else pattern)
    pattern = pattern_of(y, "matmul")  # x @ y = (y.T @ x.T).T
    r = sparse_mm_p((y._data.values, x if tx else permute_p(x, (1, 0))), pattern if ty else pattern.T)
    return permute_p(r, (1, 0))


def _sparse_sparse(x: Any, y: Any) -> Any:
    a, b = pattern_of(x, "matmul"), pattern_of(y, "matmul")
    shape = (x._shape[0], y._shape[1])
    rows, cols, start = product_places(a, b)
    out = Pattern.of(rows, cols, shape)
    values = sparse_sparse_p((x._data.values, y._data.values), a, b, out)
    if x._data.layout is sparse_coo:
        r = make(sparse_coo, wrap(xp_of(rows).stack([rows, cols])), None, values, shape, True)
    else:
        from ..layouts import sparse_csr

        r = make(sparse_csr, wrap(start), wrap(cols), values, shape, True)
    r._data.pattern = out
    return r


def _batched(x: Any, y: Any) -> Any:
    """Matrices (B, N, K) times dense ones (B, K, M): one product with the matrix that has them on its diagonal."""
    b, n, k = x._shape
    at, rows, cols = coordinates(x)
    pattern = Pattern.of(at * n + rows, at * k + cols, (b * n, b * k))
    r = sparse_mm_p((x._data.values, reshape_p(y, (b * k, y._shape[2]))), pattern)
    return reshape_p(r, (b, n, y._shape[2]))


def linear(xs: Any) -> Any:
    """x @ w.T + b for a sparse x."""
    x, w, b = xs
    r = matmul((x, w), False, True)
    return r if b is None else arith.add(r, b)


# ---------------------------------------------------------------- reductions and structure
def sum_over(x: Any, axes: Any, keepdims: bool) -> Any:
    """The sum over dimensions: dense if no sparse dimension is left, else sparse."""
    n, k = len(x._shape), x.sparse_dim()
    axes = tuple(range(n)) if axes is None else tuple(axes)
    if len(axes) == n and not keepdims:
        return sum_p(x._data.values, None, False)
    home = x._data.layout
    x = to_layout(x, sparse_coo, "sum")
    d = x._data
    values = d.values
    dense = tuple(a - k + 1 for a in axes if a >= k)
    if dense:
        values = sum_p(values, dense, keepdims)
    stay = [i for i in range(k) if i not in axes]
    shape = tuple(1 if i in axes else m for i, m in enumerate(d.shape) if keepdims or i not in axes)
    indices = d.first._data
    if len(stay) == k:
        return make(sparse_coo, d.first, None, values, shape, d.coalesced)
    if not stay and not keepdims:
        return sum_p(values, (0,), False)
    if keepdims:
        indices = indices.copy()
        for i in range(k):
            if i in axes:
                indices[i] = 0
        places = shape[:k]
    else:
        indices, places = pick_rows(indices, stay), tuple(d.shape[i] for i in stay)
    found, at = xp_of(indices).unique(keys(indices, places), return_inverse=True)
    values = add_up(values, at.reshape(-1), found.size)
    r = make(sparse_coo, wrap(unkeys(found, places)), None, values, shape, True)
    return to_layout(r, home, "sum") if home is not sparse_coo and len(shape) == 2 else r


def any_of(x: Any, axes: Any, keepdims: bool) -> Any:
    """Whether an element is not zero."""
    if axes is not None and len(axes) != len(x._shape) or keepdims:
        refuse("any", "over some of the dimensions is not available for sparse tensors")
    return any_p(coalesce(x)._data.values, None, False)


def reshape(x: Any, shape: tuple[int, ...]) -> Any:
    """A COO tensor of numbers in another shape: its places are numbered anew."""
    d = x._data
    if shape == d.shape:
        return x
    if math.prod(shape) != math.prod(d.shape):
        raise ShapeError(f"reshape: shape {d.shape} has {math.prod(d.shape)} elements, {shape} {math.prod(shape)}")
    if d.layout is not sparse_coo or x.dense_dim():
        refuse("reshape", "takes sparse COO tensors without dense dimensions")
    places = unkeys(keys(d.first._data, d.shape), shape)
    return make(sparse_coo, wrap(places), None, d.values, shape, d.coalesced)


def cast(x: Any, d: Any, source: Any) -> Any:
    """In another dtype."""
    return with_values(x, cast_p(x._data.values, d))


def clone(x: Any) -> Any:
    """A copy of the values; places are never written."""
    return with_values(x, clone_p(x._data.values))


def getitem(x: Any, index: Any) -> Any:
    """x[i, j:k, ...] by numbers and slices."""
    dots = [i for i, k in enumerate(index) if k is Ellipsis]
    if dots:
        whole = (slice(None),) * (len(x._shape) - len(index) + 1)
        index = (*index[: dots[0]], *whole, *index[dots[0] + 1 :])
    index = [int(k) if isinstance(k, np.integer) else k for k in index]
    if any(type(k) is not int and type(k) is not slice or type(k) is slice and k.step not in (None, 1) for k in index):
        refuse("getitem", "takes numbers and slices without step, or index_select, where the tensor is sparse")
    if len(index) > len(x._shape):
        raise IndexError(f"getitem: {len(index)} indices for a tensor with {len(x._shape)} dimensions")
    for i, k in reversed(list(enumerate(index))):
        if k != slice(None):
            n, many = x._shape[i], x.sparse_dim()
            if type(k) is int and not -n <= k < n:
                raise IndexError(f"getitem: index {k} is out of range for dimension {i} with size {n}")
            if i >= many:
                values = getitem_p(x._data.values, (*(slice(None),) * (i - many + 1), k))
                x = make(
                    sparse_coo, x._data.first, None, values, x._shape[:many] + values._shape[1:], x._data.coalesced
                )
            else:
                x = narrow(x, i, *k.indices(n)[:2]) if isinstance(k, slice) else select(x, i, k + n if k < 0 else k)
    return x


def cat(xs: Any, axis: int) -> Any:
    """COO tensors one after another along a sparse dimension."""
    if not all(is_sparse(x) and x._data.layout is sparse_coo for x in xs):
        refuse("cat", "takes sparse COO tensors, or dense ones, not both")
    first = xs[0]
    k = first.sparse_dim()
    rest = [x._shape[:axis] + x._shape[axis + 1 :] for x in xs]
    if any(r != rest[0] for r in rest) or any(x.sparse_dim() != k for x in xs):
        raise ShapeError(
            f"cat: sparse tensors of shapes {[tuple(x._shape) for x in xs]} do not fit along dimension {axis}"
        )
    shape = (*first._shape[:axis], sum(x._shape[axis] for x in xs), *first._shape[axis + 1 :])
    if axis >= k:
        refuse("cat", "along a dense dimension is not available for sparse tensors")
    xp = xp_of(first._data.first._data)
    parts, before = [], 0
    for x in xs:
        indices = x._data.first._data.copy()
        indices[axis] += before
        before += x._shape[axis]
        parts.append(indices)
    once = axis == 0 and all(x._data.coalesced for x in xs)
    values = cat_p([x._data.values for x in xs], 0)
    return make(sparse_coo, wrap(xp.concatenate(parts, 1)), None, values, shape, once)


def stack(xs: Any, axis: int) -> Any:
    """COO tensors along a new sparse dimension."""
    from .places import unsqueeze

    return cat([unsqueeze(x, axis) if is_sparse(x) else x for x in xs], axis)


RULES: dict[str, Callable[..., Any]] = {
    "add": add, "any": any_of, "floor_divide": floor_divide, "reshape": reshape,
    "sub": sub, "mul": mul, "div": div, "pow": power, "matmul": matmul, "linear": linear, "sum": sum_over,
    "permute": permute, "cast": cast, "clone": clone, "getitem": getitem, "cat": cat, "stack": stack,
    "identity": lambda x: with_values(x, identity_p(x._data.values)),
}  # fmt: skip
