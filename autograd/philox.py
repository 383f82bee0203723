"""Philox4x32-10, the counter-based generator behind every random number: the same words on every backend.

A block of four 32-bit words is a function of a 128-bit counter and a 64-bit key, and of nothing else, so a stream needs
no state but its position, any part of it can be computed without the parts before, and all parts at the same time.
Here the key is a seed, the low half of the counter the number of the block, and the high half the number of the stream.

Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .backend import kernel

__all__ = ["block", "fold", "rows", "words"]

M0, M1 = 0xD2511F53, 0xCD9E8D57  # multipliers
W0, W1 = 0x9E3779B9, 0xBB67AE85  # increments of the key, from round to round
ROUNDS = 10
MASK32, MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF

_CHUNK = 8192  # blocks at a time: the six buffers are 64 KiB each and stay in the second-level cache
_FEW = 16  # up to so many words, Python's integers are faster than 60 calls of NumPy
_LOW, _HIGH = (0, 1) if sys.byteorder == "little" else (1, 0)  # where the halves of a uint64 are


def _round_keys(key: int) -> list[tuple[int, int]]:
    low, high = key & MASK32, key >> 32
    return [((low + r * W0) & MASK32, (high + r * W1) & MASK32) for r in range(ROUNDS)]


def block(key: int, low: int, high: int) -> tuple[int, int, int, int]:
    """The four words of one block, by Python's integers: key and the halves of the counter are 64-bit numbers.

    >>> from retrograd.autograd.philox import block
    >>> [hex(w) for w in block(0, 0, 0)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = low & MASK32, low >> 32, high & MASK32, high >> 32
    k0, k1 = key & MASK32, key >> 32
    for _ in range(ROUNDS):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK32, (p0 >> 32) ^ c3 ^ k1, p0 & MASK32
        k0, k1 = (k0 + W0) & MASK32, (k1 + W1) & MASK32
    return c0, c1, c2, c3


def fold(key: int, *numbers: int) -> int:
    """A new key for each sequence of 64-bit numbers; none at all gives `key` back.

    The numbers are taken as counters of the stream 2^64 - 1, which no generator draws from.

    >>> from retrograd.autograd.philox import fold
    >>> fold(7) == 7, fold(7, 0) != fold(7, 1), fold(7, 1, 2) != fold(7, 2, 1)
    (True, True, True)
    """
    for number in numbers:
        c0, c1, _, _ = block(key, number & MASK64, MASK64)
        key = c0 | c1 << 32
    return key


def words(xp: Any, n: int, key: int, low: int, high: int) -> Any:
    """The first n words of the blocks low, low + 1, ... of stream `high`: an array (n,) of uint32 in namespace xp."""
    fill = kernel(xp, "philox_words")
    if fill is not None:
        out = fill(n, key, low, high)
        if out is not NotImplemented:
            return out
    if n <= _FEW and xp is np:
        few: list[int] = []
        for i in range(-(-n // 4)):
            few.extend(block(key, (low + i) & MASK64, high))
        return np.array(few[:n], dtype=np.uint32)
    n_blocks = -(-n // 4)
    out = xp.empty((n_blocks, 4), dtype=xp.uint32)
    steps = xp.arange(min(n_blocks, _CHUNK), dtype=xp.uint64)
    work = _Work(xp, min(n_blocks, _CHUNK), key)
    for start in range(0, n_blocks, _CHUNK):
        here = work.first(min(_CHUNK, n_blocks - start))
        xp.add(steps[: here.n], np.uint64((low + start) & MASK64), out=here.q1)
        xp.bitwise_and(here.q1, MASK32, out=here.c0)
        xp.right_shift(here.q1, 32, out=here.q1)
        here.c2.fill(high & MASK32)
        here.q0.fill(high >> 32)
        here.rounds(out[start : start + here.n])
    return out.reshape(-1)[:n]


def rows(xp: Any, n: int, key: int, low: int, streams: Any) -> Any:
    """`words` of many streams at once: streams (R,), an array of uint64, gives an array (R, n) of uint32."""
    per_row = -(-n // 4)
    r = streams.shape[0]
    out = xp.empty((r * per_row, 4), dtype=xp.uint32)
    blocks = xp.arange(per_row, dtype=xp.uint64) + np.uint64(low & MASK64)
    step = max(1, _CHUNK // max(per_row, 1))  # rows at a time
    work = _Work(xp, min(step, r) * per_row, key)
    for start in range(0, r, step):
        some = streams[start : start + step]
        here = work.first(some.shape[0] * per_row)
        shape = (some.shape[0], per_row)
        here.c0.reshape(shape)[...] = (blocks & MASK32)[None, :]
        here.q1.reshape(shape)[...] = (blocks >> 32)[None, :]
        here.c2.reshape(shape)[...] = (some & MASK32)[:, None]
        here.q0.reshape(shape)[...] = (some >> 32)[:, None]
        here.rounds(out[start * per_row : start * per_row + here.n])
    return out.reshape(r, 4 * per_row)[:, :n]


class _Work:
    """Buffers for blocks in flight, uint64 (n,) each, and the ten rounds over them.

    c0 and c2 hold 32-bit words of the counter; q1 and q0 hold c1 and c3 in their low halves (they are products of the
    round before). The halves of a product are read as strided uint32 views, which saves the shifts and masks: three
    passes per product, where the plain formula in uint64 takes five.
    """

    def __init__(self, xp: Any, n: int, key: int, buffers: list[Any] | None = None) -> None:
        self.xp, self.n, self.key = xp, n, key
        self.buffers = [xp.empty(n, dtype=xp.uint64) for _ in range(6)] if buffers is None else buffers
        self.c0, self.c2, self.q0, self.q1 = self.buffers[:4]

    def first(self, n: int) -> _Work:
        """The same buffers, for the first n blocks."""
        return self if n == self.n else _Work(self.xp, n, self.key, [b[:n] for b in self.buffers])

    def rounds(self, out: Any) -> None:
        """Run the rounds on c0, q1 (for c1), c2, q0 (for c3) and write the words to out (n, 4)."""
        xp = self.xp
        c0, c2, q0, q1, p0, p1 = self.buffers
        halves = [b.view(xp.uint32) for b in self.buffers]
        c0_low, c2_low, q0_low, q1_low, p0_low, p1_low = [h[_LOW::2] for h in halves]
        _, _, q0_high, q1_high, p0_high, p1_high = [h[_HIGH::2] for h in halves]
        for k0, k1 in _round_keys(self.key):
            xp.multiply(c0, M0, out=p0)
            xp.multiply(c2, M1, out=p1)
            xp.bitwise_xor(p1_high, q1_low, out=c0_low)
            xp.bitwise_xor(c0, k0, out=c0)
            xp.bitwise_xor(p0_high, q0_low, out=c2_low)
            xp.bitwise_xor(c2, k1, out=c2)
            p0, p0_low, p0_high, q0, q0_low, q0_high = q0, q0_low, q0_high, p0, p0_low, p0_high
            p1, p1_low, p1_high, q1, q1_low, q1_high = q1, q1_low, q1_high, p1, p1_low, p1_high
        for lane, word in enumerate((c0_low, q1_low, c2_low, q0_low)):
            out[:, lane] = word
