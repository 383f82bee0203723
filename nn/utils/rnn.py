"""Sequences of different lengths as one batch: padded, or packed so that no step is computed for padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...autograd import Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.create import as_tensor, full, tensor
from ...autograd.ops.gather import index_select
from ...autograd.ops.join import cat, stack

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences sorted by falling length and packed step by step; made by `pack_padded_sequence`, read by recurrent layers.

    data (R, *): all first steps, then all second steps, and so on; batch_sizes (T,) on the CPU: how many sequences have
    each step; sorted_indices, unsorted_indices: the order that sorts the batch, and the one that undoes it (None for a
    batch that came sorted).

    >>> import retrograd as rg
    >>> from retrograd.nn.utils.rnn import pack_sequence
    >>> packed = pack_sequence([rg.tensor([1, 2, 3]), rg.tensor([4, 5])])
    >>> packed.data.tolist(), packed.batch_sizes.tolist()
    ([1, 4, 2, 5, 3], [2, 2, 1])
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            raise ValueError("PackedSequence: batch_sizes is missing; make one with pack_padded_sequence")
        if batch_sizes.device.type != "cpu":
            raise ValueError(f"PackedSequence: batch_sizes must be on the CPU, they are on {batch_sizes.device}")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with its data moved or cast, as `Tensor.to`."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        move = {"device": data.device}
        order = [None if i is None else i.to(**move) for i in (self.sorted_indices, self.unsorted_indices)]
        return PackedSequence(data, self.batch_sizes, *order)

    def cpu(self) -> PackedSequence:
        """On the CPU."""
        return self.to("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On the GPU."""
        return self.to("cuda")

    def double(self) -> PackedSequence:
        """Data as float64."""
        return PackedSequence(self.data.double(), *self[1:])

    def float(self) -> PackedSequence:
        """Data as float32."""
        return PackedSequence(self.data.float(), *self[1:])

    def half(self) -> PackedSequence:
        """Data as float16."""
        return PackedSequence(self.data.half(), *self[1:])

    def long(self) -> PackedSequence:
        """Data as int64."""
        return PackedSequence(self.data.long(), *self[1:])

    def int(self) -> PackedSequence:
        """Data as int32."""
        return PackedSequence(self.data.int(), *self[1:])

    def pin_memory(self) -> PackedSequence:
        """Itself: host memory is not pinned."""
        return self

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """False: host memory is not pinned."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The order that undoes a permutation (N,); None for None.

    >>> import retrograd as rg
    >>> rg.nn.utils.rnn.invert_permutation(rg.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    from ...autograd.ops.sort import argsort

    return argsort(permutation)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch (T, N, *), or (N, T, *) with batch_first, of sequences of these lengths (N,).

    enforce_sorted: lengths must fall (RuntimeError otherwise); without it the batch is sorted, and recurrent layers give
    their states back in the batch's own order. Raises RuntimeError for lengths that are not positive or exceed T.

    >>> import retrograd as rg
    >>> x = rg.tensor([[1.0, 2.0], [3.0, 0.0]])
    >>> rg.nn.utils.rnn.pack_padded_sequence(x, [2, 1], batch_first=True).data
    tensor([1., 3., 2.])
    """
    x = as_tensor(input)
    if x.ndim < 2:
        raise ShapeError(f"pack_padded_sequence: a batch (T, N, *) is expected, got shape {tuple(x.shape)}")
    n = np.asarray(lengths.tolist() if isinstance(lengths, Tensor) else list(lengths), np.int64)
    if isinstance(lengths, Tensor) and lengths.device.type != "cpu":
        raise RuntimeError(
            f"pack_padded_sequence: lengths must be on the CPU, they are on {lengths.device}; call .cpu()"
        )
    if batch_first:
        x = x.transpose(0, 1)
    steps, batch = x.shape[:2]
    if n.shape != (batch,):
        raise RuntimeError(f"pack_padded_sequence: {batch} sequences in the batch but {n.size} lengths")
    order = None
    if not enforce_sorted:
        order = np.argsort(-n, kind="stable")
        n = n[order]
    elif np.any(n[1:] > n[:-1]):
        raise RuntimeError(
            "pack_padded_sequence: lengths must fall from sequence to sequence; sort the batch, or pass enforce_sorted=False"
        )
    if n.size == 0 or n[-1] <= 0:
        raise RuntimeError("pack_padded_sequence: each sequence needs a length of at least 1")
    if n[0] > steps:
        raise RuntimeError(f"pack_padded_sequence: a length is {n[0]}, but the batch has only {steps} steps")
    indices = None if order is None else tensor(order.tolist(), device=x.device)
    if indices is not None:
        x = index_select(x, 1, indices)
    sizes = (n[None, :] > np.arange(int(n[0]))[:, None]).sum(1)
    rows = np.concatenate([t * batch + np.arange(size) for t, size in enumerate(sizes)])
    flat = x.reshape(steps * batch, *x.shape[2:])
    return PackedSequence(
        index_select(flat, 0, tensor(rows.tolist(), device=x.device)), tensor(sizes.tolist()), indices
    )


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Undo the packing: the padded batch (T, N, *), or (N, T, *), in its own order, and the lengths (N,).

    total_length: pad to so many steps; ValueError if a sequence is longer.

    >>> import retrograd as rg
    >>> from retrograd.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> pad_packed_sequence(pack_sequence([rg.tensor([1, 2]), rg.tensor([3])]), batch_first=True)
    (tensor([[1, 2],
            [3, 0]]), tensor([2, 1]))
    """
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"pad_packed_sequence: a PackedSequence is expected, got {type(sequence).__name__}")
    data, sizes = sequence.data, np.asarray(sequence.batch_sizes.tolist(), np.int64)
    steps, batch = len(sizes), int(sizes[0])
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                f"pad_packed_sequence: total_length is {total_length}, but the longest sequence has {steps} steps"
            )
        steps = total_length
    rows = np.concatenate([t * batch + np.arange(size) for t, size in enumerate(sizes)])
    flat = full((steps * batch, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device)
    index = tensor(rows.tolist(), device=data.device)
    out = flat.index_copy(0, index, data).reshape(steps, batch, *data.shape[1:])
    lengths = tensor((sizes[:, None] > np.arange(batch)).sum(0).tolist())
    if sequence.unsorted_indices is not None:
        out = index_select(out, 1, sequence.unsorted_indices)
        lengths = index_select(lengths, 0, sequence.unsorted_indices.cpu())
    return (out.transpose(0, 1) if batch_first else out), lengths


def pad_sequence(
    sequences: Tensor | Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences (L_i, *) into one batch (T, N, *), or (N, T, *), padded to the longest.

    >>> import retrograd as rg
    >>> rg.nn.utils.rnn.pad_sequence([rg.tensor([1, 2]), rg.tensor([3])], batch_first=True, padding_value=-1)
    tensor([[ 1,  2],
            [ 3, -1]])
    """
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: padding_side must be 'left' or 'right', got {padding_side!r}")
    parts = list(sequences)
    if not parts:
        raise RuntimeError("pad_sequence: no sequence was given")
    if not isinstance(parts[0], Tensor):
        raise RuntimeError(f"pad_sequence: tensors are expected, got {type(parts[0]).__name__}")
    steps, rest = max(p.shape[0] for p in parts), parts[0].shape[1:]
    padded = []
    for p in parts:
        if p.shape[1:] != rest:
            raise ShapeError(
                f"pad_sequence: all but the first dimension must agree: {tuple(rest)} and {tuple(p.shape[1:])}"
            )
        if p.shape[0] < steps:
            fill = full((steps - p.shape[0], *rest), padding_value, dtype=p.dtype, device=p.device)
            p = cat([p, fill] if padding_side == "right" else [fill, p])
        padded.append(p)
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor | Iterable[int], batch_first: bool = False
) -> list[Tensor]:
    """The sequences (L_i, *) of a batch padded on the right.

    >>> import retrograd as rg
    >>> rg.nn.utils.rnn.unpad_sequence(rg.tensor([[1, 2], [3, 0]]), [2, 1], batch_first=True)
    [tensor([1, 2]), tensor([3])]
    """
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    each = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    return [row[:n] for row, n in zip(x, each, strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L_i, *); by falling length unless enforce_sorted is False.

    >>> import retrograd as rg
    >>> rg.nn.utils.rnn.pack_sequence([rg.tensor([1, 2]), rg.tensor([3])]).data
    tensor([1, 3, 2])
    """
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences (L_i, *), in the batch's own order.

    >>> import retrograd as rg
    >>> from retrograd.nn.utils.rnn import pack_sequence, unpack_sequence
    >>> unpack_sequence(pack_sequence([rg.tensor([1, 2]), rg.tensor([3])]))
    [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
