"""Philox4x32-10 by Numba: the words of `autograd.philox`, and what is made of them in the same pass.

About 1 ns a word on one core, where the NumPy version takes 8. The loops run on one thread on purpose: they are then
safe in any thread, with the interpreter lock released, under every threading layer of Numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import exact_loop, inlined

_MASK = np.uint64(0xFFFFFFFF)
_S = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def _rounds(low: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    c0, c1 = low & _MASK, low >> _S
    for _ in range(10):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (p1 >> _S) ^ c1 ^ k0, p1 & _MASK, (p0 >> _S) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


_block = inlined(_rounds)  # inlined by Numba, or LLVM does not vectorise the loops: 1 ns a word or 4


@exact_loop
def _words(out: Any, key: Any, low: Any, high: Any) -> None:
    n = out.size // 4
    c2, c3, k0, k1 = high & _MASK, high >> _S, key & _MASK, key >> _S
    for i in range(n):
        a, b, c, d = _block(low + np.uint64(i), c2, c3, k0, k1)
        out[4 * i] = a
        out[4 * i + 1] = b
        out[4 * i + 2] = c
        out[4 * i + 3] = d
    if 4 * n < out.size:
        last = _block(low + np.uint64(n), c2, c3, k0, k1)
        for j in range(4 * n, out.size):
            out[j] = last[j - 4 * n]


@exact_loop
def _uniform32(out: Any, key: Any, low: Any, high: Any) -> None:
    n = out.size // 4
    c2, c3, k0, k1 = high & _MASK, high >> _S, key & _MASK, key >> _S
    scale, s = np.float32(2.0**-24), np.uint64(8)
    for i in range(n):
        a, b, c, d = _block(low + np.uint64(i), c2, c3, k0, k1)
        out[4 * i] = np.float32(np.int32(a >> s)) * scale
        out[4 * i + 1] = np.float32(np.int32(b >> s)) * scale
        out[4 * i + 2] = np.float32(np.int32(c >> s)) * scale
        out[4 * i + 3] = np.float32(np.int32(d >> s)) * scale
    if 4 * n < out.size:
        last = _block(low + np.uint64(n), c2, c3, k0, k1)
        for j in range(4 * n, out.size):
            out[j] = np.float32(np.int32(last[j - 4 * n] >> s)) * scale


@exact_loop
def _uniform64(out: Any, key: Any, low: Any, high: Any) -> None:
    n = out.size // 2
    c2, c3, k0, k1 = high & _MASK, high >> _S, key & _MASK, key >> _S
    scale, s = 2.0**-53, np.uint64(11)
    for i in range(n):
        a, b, c, d = _block(low + np.uint64(i), c2, c3, k0, k1)
        out[2 * i] = np.float64(np.int64((a | b << _S) >> s)) * scale
        out[2 * i + 1] = np.float64(np.int64((c | d << _S) >> s)) * scale
    if 2 * n < out.size:
        a, b, _c, _d = _block(low + np.uint64(n), c2, c3, k0, k1)
        out[2 * n] = np.float64(np.int64((a | b << _S) >> s)) * scale


@exact_loop
def _below(out: Any, threshold: Any, key: Any, low: Any, high: Any) -> None:
    n = out.size // 4
    c2, c3, k0, k1 = high & _MASK, high >> _S, key & _MASK, key >> _S
    for i in range(n):
        a, b, c, d = _block(low + np.uint64(i), c2, c3, k0, k1)
        out[4 * i] = a < threshold
        out[4 * i + 1] = b < threshold
        out[4 * i + 2] = c < threshold
        out[4 * i + 3] = d < threshold
    if 4 * n < out.size:
        last = _block(low + np.uint64(n), c2, c3, k0, k1)
        for j in range(4 * n, out.size):
            out[j] = last[j - 4 * n] < threshold


def words(n: int, key: int, low: int, high: int) -> np.ndarray:
    """`philox.words`."""
    out = np.empty(n, np.uint32)
    _words(out, np.uint64(key), np.uint64(low), np.uint64(high))
    return out


def uniform(n: int, dtype: Any, key: int, low: int, high: int) -> np.ndarray:
    """Uniform numbers in [0, 1): float32 of one word each, float64 of two."""
    out = np.empty(n, dtype)
    (_uniform32 if out.itemsize == 4 else _uniform64)(out, np.uint64(key), np.uint64(low), np.uint64(high))
    return out


def below(n: int, threshold: int, key: int, low: int, high: int) -> np.ndarray:
    """The words that are less than threshold, as bool."""
    out = np.empty(n, np.bool_)
    _below(out, np.uint64(threshold), np.uint64(key), np.uint64(low), np.uint64(high))
    return out
