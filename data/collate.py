"""Making a batch out of samples: `default_collate`, `default_convert`, and the table that extends them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..autograd.dtypes import float64
from ..autograd.errors import ShapeError
from ..autograd.ops.create import as_tensor, tensor
from ..autograd.ops.join import stack

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

CollateMap = dict[type | tuple[type, ...], Callable[..., Any]]


def default_convert(data: Any) -> Any:
    """Turn the NumPy arrays and scalars inside a sample into tensors; what a DataLoader does with batch_size=None.

    Tensors stay; mappings, tuples (which become lists), named tuples and sequences are converted inside; anything else
    is returned as it is.

    >>> import numpy as np
    >>> from retrograd.utils.data import default_convert
    >>> default_convert({"x": np.array([1, 2]), "name": "a"})
    {'x': tensor([1, 2]), 'name': 'a'}
    """
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(d) for d in data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(d) for d in data])
    return data


def collate(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """Make a batch out of a list of samples, by the type of the first one.

    collate_fn_map: type (or tuple of types) -> `f(batch, collate_fn_map=...)`; exact types are looked up first, then
    subclasses in order. Mappings, named tuples and sequences are collated inside.

    Raises RuntimeError for sequences of unequal length, TypeError for a type that is not in the table.

    >>> from retrograd.utils.data import collate
    >>> collate(["a", "b"], collate_fn_map={str: lambda batch, collate_fn_map: "".join(batch)})
    'ab'
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        if kind in collate_fn_map:
            return collate_fn_map[kind](batch, collate_fn_map=collate_fn_map)
        for known, function in collate_fn_map.items():
            if isinstance(first, known):
                return function(batch, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        merged = {key: collate([d[key] for d in batch], collate_fn_map=collate_fn_map) for key in first}
        return _like_mapping(first, merged)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        lengths = [len(sample) for sample in batch]
        if any(n != lengths[0] for n in lengths):
            odd = next(i for i, n in enumerate(lengths) if n != lengths[0])
            raise RuntimeError(
                "each element in list of batch should be of equal size: "
                f"sample 0 has {lengths[0]} elements, sample {odd} has {lengths[odd]}; give a collate_fn that pads"
            )
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)]
        return columns if isinstance(first, tuple) else _like_sequence(first, columns)
    raise TypeError(_refusal(kind))


def default_collate(batch: Sequence[Any]) -> Any:
    """Make a batch out of a list of samples: equal parts are stacked along a new first dimension.

    Tensors and NumPy arrays are stacked, numbers become a tensor (float: float64, int: int64), strings and bytes stay a
    list; mappings, named tuples, tuples (which become lists) and sequences are collated inside. Extend
    `default_collate_fn_map` for other types.

    Raises ShapeError (a RuntimeError) when shapes differ, TypeError for other types.

    >>> import retrograd as rg
    >>> from retrograd.utils.data import default_collate
    >>> default_collate([(rg.tensor([1, 2]), 0), (rg.tensor([3, 4]), 1)])
    [tensor([[1, 2],
            [3, 4]]), tensor([0, 1])]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


# ---------------------------------------------------------------- the table
def collate_tensor_fn(batch: Sequence[Tensor], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """Stack tensors of equal shape."""
    _check_shapes([tuple(t.shape) for t in batch])
    return stack(list(batch), 0)


def collate_numpy_array_fn(batch: Sequence[np.ndarray], *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stack arrays of numbers of equal shape."""
    if batch[0].dtype.kind in "SUO":
        raise TypeError(_refusal(batch[0].dtype))
    _check_shapes([np.shape(a) for a in batch])
    if len({type(a) for a in batch}) > 1:
        return collate([as_tensor(a) for a in batch], collate_fn_map=collate_fn_map)
    return as_tensor(np.stack(batch))


def collate_numpy_scalar_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """A tensor of NumPy scalars, with their dtype."""
    return as_tensor(np.asarray(batch))


def collate_float_fn(batch: Sequence[float], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """A float64 tensor."""
    return tensor(batch, dtype=float64)


def collate_int_fn(batch: Sequence[int], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """A tensor of integers (int64) or of bools."""
    return tensor(batch)


def collate_str_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Sequence[Any]:
    """Strings and bytes stay as they are."""
    return batch


default_collate_fn_map: CollateMap = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


# ---------------------------------------------------------------- helpers
def _refusal(kind: Any) -> str:
    return (
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {kind}; convert it "
        "in the dataset, or give a collate_fn"
    )


def _check_shapes(shapes: list[tuple[int, ...]]) -> None:
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise ShapeError(
                f"default_collate: stack expects each tensor to be equal size, but got {list(shapes[0])} at entry 0 "
                f"and {list(shape)} at entry {i}; crop or pad the samples, or give a collate_fn that does"
            )


def _like_mapping(model: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """`values` in a mapping of the model's type, which may have more to it than its items; else a dictionary."""
    try:
        if isinstance(model, MutableMapping):
            clone = copy.copy(model)
            clone.update(values)
            return clone
        return type(model)(values)  # type: ignore[call-arg]
    except TypeError:  # the type cannot be copied, updated, or built from a dictionary
        return values


def _like_sequence(model: Sequence[Any], values: list[Any]) -> Any:
    """`values` in a sequence of the model's type; else a list."""
    try:
        if isinstance(model, MutableSequence):
            clone = copy.copy(model)
            for i, value in enumerate(values):
                clone[i] = value
            return clone
        return type(model)(values)  # type: ignore[call-arg]
    except TypeError:  # such as range, which is not built from its elements
        return values
