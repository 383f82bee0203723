"""Reading and writing along one dimension by an index tensor: gather, scatter, index_select, index_add, take, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import backend
from ..core import TensorBase, as_tensor_arg, wrap
from ..errors import DtypeError, RangeError, ShapeError
from ..generic import cast
from ..layouts import strided
from ..op import public
from ..samples import call, raises, t
from .args import into, one_dim, same_library
from .index import dtype_error, index_put_p, index_select_p
from .parts import broadcast
from .shape import expand_p, getitem_p, reshape_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "gather", "index_add", "index_copy", "index_fill", "index_select", "scatter", "scatter_add", "take",
    "take_along_dim",
]  # fmt: skip

_ROWS = [0, 2]
_GRID = [[0, 1, 2], [2, 0, 0]]
_WRONG = [[0, 1, 3], [2, 0, 0]]


# ---------------------------------------------------------------- arguments
def index_arg(index: Any, x: Any, op: str) -> Any:
    """An index tensor as a raw array on the device of tensor x; DtypeError unless int32 or int64."""
    i = as_tensor_arg(index, op)
    if not i._data.size and not i._dtype.is_floating_point:  # an empty index names nothing, whatever its type
        return same_library(i._data.astype("int64"), backend.xp_of(x._data), op, "index")
    if i._dtype.name not in ("int64", "int32"):
        raise DtypeError(f"{op}: index must be a tensor of int64 or int32, got {i._dtype.name}; write index.long()")
    return same_library(i._data, backend.xp_of(x._data), op, "index")


def check_range(index: Any, n: int, dim: int, op: str) -> None:
    """IndexError for an index outside 0 to n - 1. On the CPU only: a device would have to be waited for."""
    if index.size and backend.of(index).device_type == "cpu":
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= n:
            bad = low if low < 0 else high
            raise RangeError(f"{op}: index {bad} is out of range for dimension {dim} with size {n}")


def _along(index: Any, dim: int) -> tuple[Any, ...]:
    """The index tuple that reads `index` along dim and every other dimension in place."""
    xp, n = backend.xp_of(index), index.ndim
    grid = [xp.arange(s).reshape((1,) * i + (s,) + (1,) * (n - 1 - i)) for i, s in enumerate(index.shape)]
    grid[dim] = index
    return tuple(grid)


def _places(x: Any, dim: Any, index: Any, op: str) -> tuple[int, Any]:
    """dim and the raw index of gather and scatter, checked against x (1-d when 0-d is meant)."""
    d = one_dim(dim, len(x._shape), op)
    i = index_arg(index, x, op)
    i = i.reshape(1) if not i.ndim else i
    shape = tuple(x._shape) or (1,)
    if i.size and i.ndim != len(shape):
        raise ShapeError(
            f"{op}: index has {i.ndim} dimensions {tuple(i.shape)} but input {len(shape)} {shape}; as many are expected"
        )
    for k, (a, b) in enumerate(zip(i.shape, shape, strict=False)):
        if k != d and a > b and i.size:
            raise ShapeError(
                f"{op}: index of shape {tuple(i.shape)} is larger than input of shape {shape} in dimension {k}; "
                f"only dim {d} may be"
            )
    check_range(i, shape[d], d, op)
    return d, i


# ---------------------------------------------------------------- gather
@public(
    samples=lambda: [
        call(t(3, 3), 0, t(2, 3, dtype="int64", values=_GRID)), call(t(3, 3), 1, t(2, 3, dtype="int64", values=_GRID)),
        call(t(2, 3), -1, t(2, 1, dtype="int64", values=[[2], [0]])), call(t(4), 0, t(6, dtype="int64", low=0, high=4)),
        call(t(), 0, t(dtype="int64", values=0)), call(t(2, 3), 1, t(2, 0, dtype="int64")),
    ],
    errors=lambda: [
        raises(
            IndexError, r"gather: index 3 is out of range for dimension 1 with size 3", t(2, 3), 1,
            t(2, 3, dtype="int64", values=_WRONG),
        ),
        raises(IndexError, r"index -1 is out of range", t(3), 0, t(1, dtype="int64", values=[-1])),
        raises(ShapeError, r"index has 1 dimensions \(2,\) but input 2", t(2, 3), 1, t(2, dtype="int64", values=_ROWS)),
        raises(
            ShapeError, r"larger than input of shape \(2, 3\) in dimension 0", t(2, 3), 1,
            t(3, 1, dtype="int64", low=0, high=3),
        ),
        raises(DtypeError, r"index must be a tensor of int64", t(2, 3), 1, t(2, 3)),
    ],
)  # fmt: skip
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None) -> Tensor:
    """`input` read along `dim` at `index`: in three dimensions with dim=1, out[i, j, k] = input[i, index[i, j, k], k].

    index (int64) has as many dimensions as input and is not larger except in `dim`; the result has its shape.
    sparse_grad is accepted and ignored. Raises IndexError naming index, dimension and size.

    >>> import retrograd as rg
    >>> rg.gather(rg.tensor([[1, 2], [3, 4]]), 1, rg.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    x = as_tensor_arg(input, "gather")
    if isinstance(out, TensorBase) and out._dtype is not x._dtype:
        raise DtypeError(f"gather: out is {out._dtype.name}, but input {x._dtype.name}; give an out of its dtype")
    d, i = _places(x, dim, index, "gather")
    shape = tuple(as_tensor_arg(index, "gather")._shape)
    x = x if x._shape else reshape_p(x, (1,))
    if not i.size:  # may have another number of dimensions
        r = reshape_p(getitem_p(reshape_p(x, (-1,) if x._data.size else (0,)), (slice(0),)), shape)
    else:
        r = getitem_p(x, _along(i, d))
        r = reshape_p(r, shape) if not shape else r
    return r if out is None else into(out, r, "gather")


@public(
    samples=lambda: [
        call(t(2, 3), t(2, 1, dtype="int64", values=[[2], [0]]), 1),
        call(t(2, 3), t(1, 2, dtype="int64", values=[[2, 0]]), dim=1),
        call(t(2, 3), t(4, dtype="int64", values=[5, 0, 2, 2])),
        call(t(2, 1), t(1, 3, dtype="int64", values=[[0, 1, 0]]), 0),
    ],
    errors=lambda: [
        raises(
            ShapeError, r"take_along_dim: .* must have as many dimensions", t(2, 3), t(2, dtype="int64", values=_ROWS),
            1,
        ),
    ],
)  # fmt: skip
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """`gather` with broadcasting of the other dimensions; without dim, `input` and `indices` are flattened.

    >>> import retrograd as rg
    >>> x = rg.tensor([[3, 1, 2]])
    >>> rg.take_along_dim(x, rg.argsort(x, dim=1), dim=1)
    tensor([[1, 2, 3]])
    """
    x, i = as_tensor_arg(input, "take_along_dim"), as_tensor_arg(indices, "take_along_dim")
    if dim is None:
        return take_along_dim(reshape_p(x, (x._data.size,)), reshape_p(i, (i._data.size,)), 0, out=out)
    if len(x._shape) != len(i._shape):
        raise ShapeError(
            f"take_along_dim: input {tuple(x._shape)} and indices {tuple(i._shape)} must have as many dimensions; "
            "unsqueeze one, or leave dim away"
        )
    d = one_dim(dim, len(x._shape), "take_along_dim")
    a, b = list(x._shape), list(i._shape)
    a[d : d + 1] = b[d : d + 1] = [1]
    both = list(broadcast("take_along_dim", tuple(a), tuple(b)))
    a, b = both[:], both[:]
    a[d], b[d] = x._shape[d], i._shape[d]
    if i._dtype.kind == "i":  # from the end, as in PyTorch
        xp = backend.xp_of(i._data)
        i = wrap(xp.where(i._data < 0, i._data + x._shape[d], i._data))
    return gather(expand_p(x, tuple(a)), d, expand_p(i, tuple(b)), out=out)


# ---------------------------------------------------------------- scatter
def source(x: Any, src: Any, i: Any, op: str) -> Any:
    """The part of src that the index speaks of, checked."""
    s = as_tensor_arg(src, op)
    if s._dtype is not x._dtype:
        raise dtype_error(x, s, op, "src")
    s = s if s._shape else reshape_p(s, (1,))
    if len(s._shape) != i.ndim or any(a > b for a, b in zip(i.shape, s._shape, strict=True)):
        raise ShapeError(
            f"{op}: src of shape {tuple(s._shape)} is smaller than index of shape {tuple(i.shape)}; "
            "it needs as many dimensions, none of them smaller"
        )
    return s if s._shape == i.shape else getitem_p(s, tuple(slice(n) for n in i.shape))


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 5), 0, t(1, 4, dtype="int64", values=[[0, 1, 2, 1]]), t(2, 5), torch=False),
        call(t(3, 3), 1, t(2, 2, dtype="int64", values=[[0, 1], [2, 0]]), t(2, 2)),
        call(t(3, 3), -1, t(2, 1, dtype="int64", values=[[0], [2]]), 0.5),
        call(t(3), 0, t(1, dtype="int64", values=[1]), value=2.0),
        call(t(3), 0, t(0, dtype="int64"), t(2), torch=False),
    ],
    errors=lambda: [
        raises(
            IndexError, r"scatter: index 3 is out of range for dimension 1 with size 3", t(2, 3), 1,
            t(2, 3, dtype="int64", values=_WRONG), t(2, 3),
        ),
        raises(
            ShapeError, r"src of shape \(1, 3\) is smaller", t(3, 3), 1, t(2, 3, dtype="int64", values=_GRID), t(1, 3),
        ),
        raises(TypeError, r"src or value", t(3), 0, t(1, dtype="int64", values=[1])),
        raises(ValueError, r"reduce must be", t(3), 0, t(1, dtype="int64", values=[1]), t(1), reduce="max"),
    ],
)  # fmt: skip
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Tensor | float | None = None, *, value: float | None = None,
    reduce: str | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A copy of `input` with src written along `dim` at `index`: with dim=1, out[i, index[i, j], k...] = src[i, j].

    The reverse of `gather`. src is a tensor at least as large as index, or a number. Elements named more than once keep
    one of their values; `reduce="add"` or `"multiply"` combines them (see also scatter_add and scatter_reduce).

    >>> import retrograd as rg
    >>> rg.scatter(rg.zeros(2, 3), 1, rg.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    x = as_tensor_arg(input, "scatter")
    given = value if src is None else src
    if given is None or (src is not None and value is not None):
        raise TypeError("scatter: give exactly one of src or value")
    if reduce is not None:
        from .scatter_reduce import scatter_reduce

        if reduce not in ("add", "multiply"):
            raise ValueError(f"scatter: reduce must be 'add' or 'multiply', got {reduce!r}; see rg.scatter_reduce")
        if not isinstance(given, TensorBase):
            i = as_tensor_arg(index, "scatter")
            given = expand_p(_number(given, x), tuple(i._shape))
        return scatter_reduce(x, dim, index, given, "sum" if reduce == "add" else "prod", out=out)
    d, i = _places(x, dim, index, "scatter")
    s = source(x, given, i, "scatter") if isinstance(given, TensorBase) else _number(given, x)
    return into(out, _put(x, s, d, i, False), "scatter")


def _number(v: Any, x: Any, op: str = "scatter") -> Any:
    from .index import _value

    return _value(v, x, op)


def _put(x: Any, s: Any, d: int, i: Any, add: bool) -> Tensor:
    if not i.size:
        return (
            index_put_p((x, reshape_p(s, (-1,) if s._data.size else (0,))), (slice(0), ...), False)
            if x._shape
            else x.clone()
        )
    if x._shape:
        return index_put_p((x, s), _along(i, d), add)
    return reshape_p(index_put_p((reshape_p(x, (1,)), s), (i,), add), ())


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 5), 0, t(1, 4, dtype="int64", values=[[0, 1, 2, 1]]), t(2, 5), torch=False),
        call(t(3, 3), 1, t(2, 3, dtype="int64", values=_GRID), t(2, 3)),
        call(t(3), -1, t(5, dtype="int64", values=[0, 0, 2, 0, 2]), t(5)),
        call(t(), 0, t(dtype="int64", values=0), t()),
    ],
    errors=lambda: [
        raises(
            IndexError, r"scatter_add: index 3 is out of range", t(2, 3), 1, t(2, 3, dtype="int64", values=_WRONG),
            t(2, 3),
        ),
        raises(DtypeError, r"index must be", t(2, 3), 1, t(2, 3), t(2, 3)),
    ],
)  # fmt: skip
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of `input` with src added along `dim` at `index`; elements named more than once receive all values.

    >>> import retrograd as rg
    >>> rg.scatter_add(rg.zeros(3), 0, rg.tensor([0, 0, 2]), rg.tensor([1.0, 2.0, 3.0]))
    tensor([3., 0., 3.])
    """
    x = as_tensor_arg(input, "scatter_add")
    d, i = _places(x, dim, index, "scatter_add")
    return into(out, _put(x, source(x, src, i, "scatter_add"), d, i, True), "scatter_add")


# ---------------------------------------------------------------- whole slices along one dimension
def _slices(x: Any, dim: Any, index: Any, op: str) -> tuple[int, Any]:
    d = one_dim(dim, len(x._shape), op)
    i = index_arg(index, x, op)
    if i.ndim > 1:
        raise ShapeError(f"{op}: index must have one dimension, got shape {tuple(i.shape)}; flatten() it")
    i = i.reshape(1) if not i.ndim else i
    check_range(i, x._shape[d] if x._shape else 1, d, op)
    return d, i


@public(
    samples=lambda: [
        call(t(3, 4), 0, t(2, dtype="int64", values=_ROWS)), call(t(3, 4), -1, t(3, dtype="int64", values=[3, 3, 0])),
        call(t(3, 4), 1, t(2, dtype="int32", values=_ROWS)), call(t(), 0, t(1, dtype="int64", values=[0])),
        call(t(3, 4), 0, t(dtype="int64", values=1)), call(t(3, 4), 0, t(0, dtype="int64")),
    ],
    errors=lambda: [
        raises(
            IndexError, r"index_select: index 10 is out of range for dimension 0 with size 3", t(3, 4), 0,
            t(1, dtype="int64", values=[10]),
        ),
        raises(ShapeError, r"index must have one dimension", t(3, 4), 0, t(1, 1, dtype="int64", values=[[0]])),
    ],
    ref=lambda x, d, i: x.take(i.reshape(-1), axis=d) if x.ndim else x,
)  # fmt: skip
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices of dimension `dim` that the one-dimensional index names, as a copy.

    >>> import retrograd as rg
    >>> rg.index_select(rg.tensor([[1, 2], [3, 4]]), 1, rg.tensor([1, 1, 0]))
    tensor([[2, 2, 1],
            [4, 4, 3]])
    """
    x = as_tensor_arg(input, "index_select")
    if x.layout is not strided:
        return x.index_select(dim, index)  # the method of sparse tensors
    d, i = _slices(x, dim, index, "index_select")
    r = index_select_p(x, d, i) if x._shape else reshape_p(index_select_p(reshape_p(x, (1,)), 0, i[:1]), ())
    return r if out is None else into(out, r, "index_select")


def _with_slices(x: Any, dim: Any, index: Any, source: Any, op: str, add: bool) -> Tensor:
    """index_add and index_copy."""
    s = as_tensor_arg(source, op)
    d, i = _slices(x, dim, index, op)
    if s._dtype is not x._dtype:
        raise dtype_error(x, s, op, "source")
    shape = tuple(x._shape)
    want = (*shape[:d], i.size, *shape[d + 1 :]) if shape else (i.size,)
    if s._shape != want and not (not s._shape and want == (1,)):
        raise ShapeError(
            f"{op}: source has shape {tuple(s._shape)}; {want} is expected (input {shape}, {i.size} indices in dim {d})"
        )
    return reshape_p(index_put_p((x if shape else reshape_p(x, (1,)), s), (*(slice(None),) * d, i), add), shape)


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4), 0, t(3, dtype="int64", values=[0, 2, 0]), t(3, 4)),
        call(t(3, 4), -1, t(2, dtype="int64", values=_ROWS), t(3, 2), alpha=2.0),
        call(t(), 0, t(1, dtype="int64", values=[0]), t()),
    ],
    errors=lambda: [
        raises(
            ShapeError, r"source has shape \(2, 3\); \(2, 4\) is expected", t(3, 4), 0,
            t(2, dtype="int64", values=_ROWS), t(2, 3),
        ),
        raises(IndexError, r"index 2 is out of range", t(2, 4), 0, t(2, dtype="int64", values=_ROWS), t(2, 4)),
    ],
)  # fmt: skip
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """A copy of `input` with alpha * source added to the slices of `dim` that the index names, repeated ones adding up.

    >>> import retrograd as rg
    >>> rg.index_add(rg.zeros(3), 0, rg.tensor([0, 0, 2]), rg.tensor([1.0, 2.0, 3.0]))
    tensor([3., 0., 3.])
    """
    x = as_tensor_arg(input, "index_add")
    s = as_tensor_arg(source, "index_add")
    return into(out, _with_slices(x, dim, index, s if alpha == 1 else s * alpha, "index_add", True), "index_add")


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4), 0, t(2, dtype="int64", values=_ROWS), t(2, 4)),
        call(t(3, 4), -1, t(2, dtype="int64", values=_ROWS), t(3, 2)),
    ],
    errors=lambda: [
        raises(ShapeError, r"index_copy: source has shape", t(3, 4), 0, t(2, dtype="int64", values=_ROWS), t(2, 3)),
    ],
)  # fmt: skip
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of `input` in which the slices of `dim` that the index names are those of source.

    >>> import retrograd as rg
    >>> rg.index_copy(rg.zeros(3), 0, rg.tensor([2, 0]), rg.tensor([1.0, 2.0]))
    tensor([2., 0., 1.])
    """
    r = _with_slices(as_tensor_arg(input, "index_copy"), dim, index, source, "index_copy", False)
    return into(out, r, "index_copy")


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4), 0, t(2, dtype="int64", values=_ROWS), 0.5),
        call(t(3, 4), -1, t(2, dtype="int64", values=_ROWS), t()),
    ],
    errors=lambda: [
        raises(IndexError, r"index_fill: index 2 is out of range", t(2, 4), 0, t(2, dtype="int64", values=_ROWS), 1.0),
        raises(ShapeError, r"value must be a number or a 0-d tensor", t(3), 0, t(2, dtype="int64", values=_ROWS), t(2)),
    ],
)  # fmt: skip
def index_fill(input: Tensor, dim: int, index: Tensor, value: float | Tensor) -> Tensor:
    """A copy of `input` in which the slices of `dim` that the index names are filled with a number or 0-d tensor.

    >>> import retrograd as rg
    >>> rg.index_fill(rg.zeros(3), 0, rg.tensor([2, 0]), 5.0)
    tensor([5., 0., 5.])
    """
    x = as_tensor_arg(input, "index_fill")
    d, i = _slices(x, dim, index, "index_fill")
    if isinstance(value, complex) and not x._dtype.is_complex:
        raise DtypeError(f"index_fill: the complex number {value} does not fit into {x._dtype.name}; write value.real")
    v: Any = _number(value, x, "index_fill")
    if v._shape:
        raise ShapeError(f"index_fill: value must be a number or a 0-d tensor, got shape {tuple(v._shape)}")
    v, shape = cast(v, x._dtype), tuple(x._shape)
    return reshape_p(index_put_p((x if shape else reshape_p(x, (1,)), v), (*(slice(None),) * d, i), False), shape)


@public(
    samples=lambda: [
        call(t(2, 3), t(4, dtype="int64", values=[5, 0, 2, 2])),
        call(t(2, 3), t(2, 1, dtype="int64", values=[[-1], [1]])),
        call(t(), t(dtype="int64", values=0)),
    ],
    errors=lambda: [
        raises(
            IndexError, r"take: index 6 is out of range for a tensor with 6 elements", t(2, 3),
            t(1, dtype="int64", values=[6]),
        ),
    ],
)  # fmt: skip
def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements of the flattened input at `index`, in the shape of the index; negative ones count from the end.

    >>> import retrograd as rg
    >>> rg.take(rg.tensor([[1, 2], [3, 4]]), rg.tensor([3, 0]))
    tensor([4, 1])
    """
    x = as_tensor_arg(input, "take")
    i, n = index_arg(index, x, "take"), x._data.size
    if i.size and backend.of(i).device_type == "cpu" and (int(i.max()) >= n or int(i.min()) < -n):
        bad = int(i.max()) if int(i.max()) >= n else int(i.min())
        raise IndexError(f"take: index {bad} is out of range for a tensor with {n} elements")
    r = index_select_p(reshape_p(x, (n,)), 0, i.reshape(-1))
    return into(out, reshape_p(r, tuple(i.shape)) if i.ndim != 1 else r, "take")
