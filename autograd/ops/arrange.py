"""Copies in another arrangement: repeat, tile, repeat_interleave, flip, roll, rot90, meshgrid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import backend
from ..core import TensorBase, as_tensor_arg, wrap
from ..errors import DtypeError, ShapeError
from ..op import param, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import as_int, one_dim, shape_arg
from .index import index_select_p
from .shape import expand_p, permute_p, reshape_p, sum_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "cartesian_prod", "flip", "fliplr", "flipud", "meshgrid", "repeat", "repeat_interleave", "roll", "rot90", "tile",
]  # fmt: skip

Shape = tuple[int, ...]


# ---------------------------------------------------------------- repeat and tile
def _repeat_vjp(g: Any, x: Shape, o: Any, times: Shape) -> Any:
    """Each dimension of g is (times, size): sum over the times."""
    x_full = (1,) * (len(times) - len(x)) + tuple(x)
    pairs = tuple(n for pair in zip(times, x_full, strict=True) for n in pair)
    return reshape_p(sum_p(reshape_p(g, pairs), tuple(range(0, len(pairs), 2)), False), x)


repeat_p: Any = param(
    "repeat",
    lambda xp, x, times: xp.tile(x, times),
    _repeat_vjp,
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="x repeated times[i] times along dimension i; times has at least as many entries as x has dimensions.",
)


def _times(given: tuple[Any, ...], named: Any, op: str) -> Shape:
    times = shape_arg(given if named is None else (named,), op)
    if any(k < 0 for k in times):
        raise ShapeError(f"{op}: repeats {times} must not be negative")
    return times


@public(
    where="Tensor",
    samples=lambda: [
        call(t(2, 3), 2, 3), call(t(2, 3), (2, 1, 2)), call(t(3), 2), call(t(), 3), call(t(2, 3), 1, 0), call(t(), ()),
    ],
    errors=lambda: [
        raises(ShapeError, r"repeat: 1 repeats \(2,\) are too few for shape \(2, 3\)", t(2, 3), 2),
        raises(ShapeError, r"must not be negative", t(3), -1),
    ],
)  # fmt: skip
def repeat(input: Tensor, *sizes: int | Sequence[int], repeats: Sequence[int] | None = None) -> Tensor:
    """A copy in which the whole tensor is repeated so many times along each dimension; new dimensions go in front.

    Unlike `expand` it copies; see `repeat_interleave` for repeated elements.

    >>> import retrograd as rg
    >>> rg.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    x = as_tensor_arg(input, "repeat")
    times = _times(sizes, repeats, "repeat")
    if len(times) < len(x._shape):
        raise ShapeError(
            f"repeat: {len(times)} repeats {times} are too few for shape {tuple(x._shape)}; give one a dimension, "
            "or use tile"
        )
    return repeat_p(x, times)


@public(
    samples=lambda: [
        call(t(2, 3), (2, 3)),
        call(t(2, 3), (2,)),
        call(t(3), (2, 1)),
        call(t(), (3,)),
        call(t(2, 3), ()),
    ],
    errors=lambda: [raises(ShapeError, r"tile: repeats \(-1,\) must not be negative", t(3), (-1,))],
    ref=lambda x, dims: __import__("numpy").tile(x, dims),
)
def tile(input: Tensor, *sizes: int | Sequence[int], dims: Sequence[int] | None = None) -> Tensor:
    """As `repeat`, but missing repeats count as 1: `rg.tile(x, (2,))` repeats the last dimension.

    >>> import retrograd as rg
    >>> rg.tile(rg.tensor([[1, 2], [3, 4]]), (2,))
    tensor([[1, 2, 1, 2],
            [3, 4, 3, 4]])
    """
    x = as_tensor_arg(input, "tile")
    times = _times(sizes, dims, "tile")
    return repeat_p(x, (1,) * (len(x._shape) - len(times)) + times)


@public(
    samples=lambda: [
        call(t(2, 3), 2), call(t(2, 3), 2, dim=1), call(t(2, 3), 3, -2), call(t(2, 3), 0, 0),
        call(t(2, 3), t(3, dtype="int64", values=[1, 0, 2], grad=False), dim=1),
        call(t(2, 3), t(1, dtype="int64", values=[2], grad=False), dim=0),
        call(t(3), t(3, dtype="int64", values=[1, 0, 2], grad=False), output_size=3), call(t(), 2),
        call(t(3, dtype="int64", values=[1, 0, 2], grad=False)),
    ],
    errors=lambda: [
        raises(
            ShapeError, r"repeats has 2 elements, dim 1 has size 3", t(2, 3), t(2, dtype="int64", values=[1, 2]), dim=1,
        ),
        raises(ShapeError, r"must not be negative", t(2, 3), -1),
        raises(
            ShapeError, r"output_size is 4 but the repeats add up to 3", t(2), t(2, dtype="int64", values=[1, 2]), 0,
            output_size=4,
        ),
        raises(DtypeError, r"repeats must be int64 or int32", t(2), t(2), 0),
    ],
)  # fmt: skip
@sample_by_sample
def repeat_interleave(
    input: Tensor, repeats: int | Tensor | None = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element of dimension `dim` repeated in place: `repeats` times, or as often as a tensor says for each.

    Without dim the input is flattened. `repeat_interleave(repeats)` alone gives the indices 0, 0, 1, ... themselves.

    >>> import retrograd as rg
    >>> rg.repeat_interleave(rg.tensor([1, 2]), rg.tensor([1, 2]))
    tensor([1, 2, 2])
    """
    op = "repeat_interleave"
    x = as_tensor_arg(input, op)
    if repeats is None:
        return wrap(_interleaved(x, x._shape[0] if x._shape else 1, 0, output_size, op))
    if dim is None:
        x, d = reshape_p(x, (x._data.size,)), 0
    else:
        d = one_dim(dim, len(x._shape), op)
        x = x if x._shape else reshape_p(x, (1,))
    n = x._shape[d]
    if isinstance(repeats, TensorBase) or backend.is_array(repeats) or isinstance(repeats, (list, tuple)):
        from .create import as_tensor

        index = _interleaved(as_tensor(repeats, device=x.device), n, d, output_size, op)
        return index_select_p(x, d, index)
    k = as_int(repeats, op, "repeats")
    if k < 0:
        raise ShapeError(f"{op}: repeats must not be negative, got {k}")
    if output_size is not None and output_size != n * k:
        raise ShapeError(f"{op}: output_size is {output_size} but the repeats add up to {n * k}")
    before, after = tuple(x._shape[: d + 1]), tuple(x._shape[d + 1 :])
    x = expand_p(reshape_p(x, (*before, 1, *after)), (*before, k, *after))  # its gradient is a sum, not a scatter
    return reshape_p(x, (*before[:-1], n * k, *after))


def _interleaved(repeats: Any, n: int, d: int, output_size: int | None, op: str) -> Any:
    """The indices 0 ... n - 1, each as often as repeats says."""
    if repeats._dtype.name not in ("int64", "int32"):
        raise DtypeError(f"{op}: repeats must be int64 or int32, got {repeats._dtype.name}; write repeats.long()")
    if len(repeats._shape) > 1:
        raise ShapeError(f"{op}: repeats must have one dimension, got shape {tuple(repeats._shape)}")
    a = repeats._data
    xp = backend.xp_of(a)
    if a.size not in (1, n):
        raise ShapeError(f"{op}: repeats has {a.size} elements, dim {d} has size {n}; as many (or one) are expected")
    times = backend.of(a).to_numpy(a)  # CuPy's repeat takes no array of counts
    if times.size and int(times.min()) < 0:
        raise ShapeError(f"{op}: repeats must not be negative, got {int(times.min())}")
    total = int(times.sum()) * (1 if times.size == n else n)
    if output_size is not None and output_size != total:
        raise ShapeError(f"{op}: output_size is {output_size} but the repeats add up to {total}")
    import numpy as np

    index = np.repeat(np.arange(n), times.reshape(-1) if times.size else 0)
    return index if xp is np else backend.by_xp(xp).from_numpy(index, None)


# ---------------------------------------------------------------- flip, roll, rot90
flip_p: Any = param(
    "flip",
    lambda xp, x, axes: xp.flip(x, axes).copy(),
    lambda g, x, o, axes: flip_p(g, axes),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="x with the order of the elements along each axis reversed, as a copy.",
)

roll_p: Any = param(
    "roll",
    lambda xp, x, shifts, axes: xp.roll(x, shifts, axes),
    lambda g, x, o, shifts, axes: roll_p(g, tuple(-s for s in shifts), axes),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="x rolled by shifts[i] along axes[i]: what leaves at one end enters at the other.",
)


def _distinct(dims: Any, ndim: int, op: str) -> Shape:
    """Dimensions, in the order given, each at most once."""
    given = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
    found = tuple(one_dim(d, ndim, op) for d in given)
    for d in found:
        if found.count(d) > 1:
            raise ShapeError(f"{op}: dim {d} appears more than once in {given}; name every dimension once")
    return found if ndim else ()


@public(
    samples=lambda: [
        call(t(2, 3), (0,)), call(t(2, 3), (0, -1)), call(t(2, 3), [1]), call(t(3), ()), call(t(), (0,)),
        call(t(0, 2), (0,)),
    ],
    errors=lambda: [
        raises(ShapeError, r"flip: dim 0 appears more than once", t(2, 3), (0, -2)),
        raises(IndexError, r"flip: dim 2 is out of range", t(2, 3), (2,)),
    ],
    ref=lambda x, dims: __import__("numpy").flip(x, tuple(dims)) if x.ndim else x,
)  # fmt: skip
def flip(input: Tensor, *order: int | Sequence[int], dims: Sequence[int] | None = None) -> Tensor:
    """A copy with the order of the elements along each dimension of `dims` reversed (for a view use `x[::-1]`).

    >>> import retrograd as rg
    >>> rg.flip(rg.tensor([1, 2, 3]), (0,))
    tensor([3, 2, 1])
    """
    x = as_tensor_arg(input, "flip")
    return flip_p(x, _distinct(shape_arg(order if dims is None else (dims,), "flip"), len(x._shape), "flip"))


@public(
    samples=lambda: [call(t(2, 3)), call(t(2, 3, 2))],
    errors=lambda: [raises(ShapeError, r"at least 2 dimensions", t(3))],
)
def fliplr(input: Tensor) -> Tensor:
    """A copy flipped left to right: dimension 1 reversed.

    >>> import retrograd as rg
    >>> rg.fliplr(rg.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    x = as_tensor_arg(input, "fliplr")
    if len(x._shape) < 2:
        raise ShapeError(f"fliplr: at least 2 dimensions are expected, got shape {tuple(x._shape)}; use flip")
    return flip_p(x, (1,))


@public(samples=lambda: [call(t(2, 3)), call(t(3))], errors=lambda: [raises(ShapeError, r"at least 1 dimension", t())])
def flipud(input: Tensor) -> Tensor:
    """A copy flipped upside down: dimension 0 reversed.

    >>> import retrograd as rg
    >>> rg.flipud(rg.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    x = as_tensor_arg(input, "flipud")
    if not x._shape:
        raise ShapeError("flipud: at least 1 dimension is expected, got a 0-d tensor")
    return flip_p(x, (0,))


@public(
    samples=lambda: [
        call(t(2, 3), 1), call(t(2, 3), -4), call(t(2, 3), 1, 1), call(t(2, 3), (1, 2), (0, 1)),
        call(t(2, 3), shifts=(1, 1), dims=(-1, -1)),
        call(t(0), 1), call(t(5), 7, 0),
    ],
    errors=lambda: [
        raises(ShapeError, r"roll: 2 shifts and 1 dims", t(2, 3), (1, 2), (0,)),
        raises(ShapeError, r"roll: 2 shifts need as many dims", t(2, 3), (1, 2)),
        raises(IndexError, r"roll: dim 2 is out of range", t(2, 3), 1, 2),
    ],
    ref=lambda x, shifts, dims=None: __import__("numpy").roll(x, shifts, dims),
)  # fmt: skip
def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """A copy rolled along dimensions: what leaves at one end enters at the other. Without dims, the flattened tensor.

    >>> import retrograd as rg
    >>> rg.roll(rg.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    x = as_tensor_arg(input, "roll")
    by = shape_arg((shifts,), "roll")
    if dims is None or (isinstance(dims, (tuple, list)) and not dims):
        if len(by) != 1:
            raise ShapeError(f"roll: {len(by)} shifts need as many dims; without dims give one shift")
        return reshape_p(roll_p(reshape_p(x, (x._data.size,)), by, (0,)), tuple(x._shape))
    axes = tuple(one_dim(d, len(x._shape), "roll") for d in shape_arg((dims,), "roll"))
    if len(by) != len(axes):
        raise ShapeError(f"roll: {len(by)} shifts and {len(axes)} dims; give as many of each")
    return roll_p(x, by, axes) if x._shape else roll_p(x, (), ())


@public(
    samples=lambda: [
        call(t(2, 3)), call(t(2, 3), 2), call(t(2, 3), -1), call(t(2, 3, 4), k=1, dims=(1, 2)),
        call(t(2, 3), 4, [1, 0]),
    ],
    errors=lambda: [
        raises(ShapeError, r"rot90: two dims are expected", t(2, 3), 1, (0,)),
        raises(ShapeError, r"appears more than once", t(2, 3), 1, (0, -2)),
    ],
    ref=lambda x, k=1, dims=(0, 1): __import__("numpy").rot90(x, k, dims),
)  # fmt: skip
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """A copy rotated k times by 90 degrees in the plane of two dimensions, from the first towards the second.

    >>> import retrograd as rg
    >>> rg.rot90(rg.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    x = as_tensor_arg(input, "rot90")
    if len(dims) != 2:
        raise ShapeError(f"rot90: two dims are expected, got {tuple(dims)}")
    a, b = _distinct(dims, len(x._shape), "rot90") or (0, 1)
    turns = as_int(k, "rot90", "k") % 4
    if turns == 2:
        return flip_p(x, (a, b))
    if not turns:
        return x.clone()
    axes = list(range(len(x._shape)))
    axes[a], axes[b] = b, a
    return permute_p(flip_p(x, (b,)), tuple(axes)) if turns == 1 else flip_p(permute_p(x, tuple(axes)), (b,))


# ---------------------------------------------------------------- grids
@public(
    method=False,
    samples=lambda: [
        call(t(2), t(3), indexing="ij"), call(t(2), t(3), t(4), indexing="xy"), call([t(2), t()], indexing="xy"),
        call(t(3), indexing="ij"),
    ],
    errors=lambda: [
        raises(ShapeError, r"tensor 1 has shape \(3, 1\); at most one dimension", t(2), t(3, 1)),
        raises(ValueError, r"indexing must be 'ij' or 'xy'", t(2), indexing="xx"),
        raises(ShapeError, r"at least one tensor"),
        raises(DtypeError, r"meshgrid: all tensors must have one dtype", t(2), t(2, dtype="int64")),
    ],
)  # fmt: skip
def meshgrid(*tensors: Tensor | Sequence[Tensor], indexing: str | None = None) -> tuple[Tensor, ...]:
    """The grids of coordinates of one-dimensional tensors, as views: grid i holds tensor i along dimension i.

    indexing "ij" (also the default) gives shape (N_0, N_1, ...); "xy", as in plots, exchanges the first two dimensions.

    >>> import retrograd as rg
    >>> x, y = rg.meshgrid(rg.tensor([1, 2]), rg.tensor([3, 4, 5]), indexing="ij")
    >>> y
    tensor([[3, 4, 5],
            [3, 4, 5]])
    """
    given: Any = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    if not given:
        raise ShapeError("meshgrid: at least one tensor is expected")
    if indexing not in (None, "ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    xs = [as_tensor_arg(x, "meshgrid") for x in given]
    for k, x in enumerate(xs):
        if len(x._shape) > 1:
            raise ShapeError(f"meshgrid: tensor {k} has shape {tuple(x._shape)}; at most one dimension is expected")
        if x._dtype is not xs[0]._dtype:
            raise DtypeError(
                f"meshgrid: all tensors must have one dtype, but tensor 0 is {xs[0]._dtype.name} and "
                f"tensor {k} is {x._dtype.name}"
            )
    places = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        places[:2] = [1, 0]
    shape = [0] * len(xs)
    for k, x in zip(places, xs, strict=True):
        shape[k] = x._data.size
    grids = []
    for k, x in zip(places, xs, strict=True):
        row = [1] * len(xs)
        row[k] = x._data.size
        grids.append(expand_p(reshape_p(x, tuple(row)), tuple(shape)))
    return tuple(grids)


@public(method=False, samples=lambda: [call(t(2), t(3)), call(t(2)), call(t(2), t(1), t(3))])
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element from each one-dimensional tensor, as the rows of a matrix (N, len(tensors)).

    >>> import retrograd as rg
    >>> rg.cartesian_prod(rg.tensor([1, 2]), rg.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    from .join import stack

    tensors = tuple(as_tensor_arg(x, "cartesian_prod") for x in tensors)
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape_p(x, (x._data.size,)) for x in meshgrid(*tensors, indexing="ij")], dim=1)
