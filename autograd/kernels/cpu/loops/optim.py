"""Loops of the optimizers: one call updates all tensors of a group, and clipping reads and scales all gradients.

Tensors come as addresses. Those of gradients, which are new arrays at each step, are read from the array objects
themselves (`PyArrayObject_fields`, NumPy's public binary interface), 50 times faster than `array.ctypes.data`; what the
object says of dtype, layout and shape is compared with the parameter's before anything is read or written.

Every operation of an update is the NumPy formula's, in its order; products and sums are fused where the CPU can.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from .jit import bound, exact, exact_loop, loop, part
from .share import divide, each
from .views import view

# Where an array object keeps what is needed, after the head that all Python objects have.
_HEAD = object.__basicsize__
_DATA, _NDIM, _SHAPE, _DTYPE, _FLAGS = (_HEAD + i for i in (0, 8, 16, 40, 48))
_LAYOUT = 0x1 | 0x100  # C-contiguous and aligned
_PIECE = np.int64(1024)  # elements of two temporary arrays that stay in the first cache
BLOCK = np.int64(4096)  # elements of one partial sum


def _word_at(typing: Any, address: Any) -> Any:
    """The 64-bit integer at an address."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(types.int64)
        return builder.load(builder.inttoptr(args[0], kind.as_pointer()))

    return types.int64(address), make


_word: Any = intrinsic(_word_at)


@exact_loop
def look(ids, objects, dtype, sizes, itemsize, begins, ends, at, starts):
    """Write the addresses of the gradients `ids` (0: none) to `at`, or 0 for those that are not as their parameter.

    objects: the parameters' arrays; dtype: the address of their dtype; begins, ends: of all memory that is written, in
    order. starts: the number of elements before each tensor that takes part, and of all. Returns how many gradients do
    not fit, or -1 if one lies in the memory of another tensor.
    """
    odd = 0
    starts[0] = 0
    for i in range(ids.size):
        at[i] = 0
        starts[i + 1] = starts[i]
        a, b = ids[i], objects[i]
        if a == 0:
            continue
        data, ndim = _word(a + _DATA), _word(a + _NDIM) & 0xFFFFFFFF
        good = _word(a + _DTYPE) == dtype and _word(a + _FLAGS) & _LAYOUT == _LAYOUT
        good = good and ndim == _word(b + _NDIM) & 0xFFFFFFFF
        if good:
            p, q = _word(a + _SHAPE), _word(b + _SHAPE)
            for j in range(ndim):
                good = good and _word(p + 8 * j) == _word(q + 8 * j)
        if not good:
            odd += 1
            continue
        low, high = 0, ends.size  # find the first span that ends after the gradient begins
        while low < high:
            middle = (low + high) // 2
            if ends[middle] > data:
                high = middle
            else:
                low = middle + 1
        if low < begins.size and begins[low] < data + sizes[i] * itemsize:
            return -1
        at[i] = data
        starts[i + 1] += sizes[i]
    return odd


@exact
def _cut(starts, t, nt):
    # Where the share of thread t begins: at a multiple of 256 elements of a tensor, so that the same elements are left
    # over from vectors (where products and sums may be fused otherwise) for any number of threads.
    n = starts[-1]
    if t == nt:
        return n
    at = n * t // nt
    i = np.int64(0)
    while starts[i + 1] <= at and i + 2 < starts.size:
        i += 1
    return starts[i] + (at - starts[i]) // 256 * 256


# ---------------------------------------------------------------- Adam
@exact
def _adam_plain(p, g, m, v, top, sign, decay, wd, k1, b2, k2, e, s):
    for i in range(p.size):
        d = sign * g[i]
        a = m[i] + (d - m[i]) * k1
        m[i] = a
        w = v[i] * b2 + d * d * k2
        v[i] = w
        p[i] = p[i] * decay - a / (np.sqrt(w) + e) * s


@exact
def _adam_coupled(p, g, m, v, top, sign, decay, wd, k1, b2, k2, e, s):
    for i in range(p.size):
        d = p[i] * wd + sign * g[i]
        a = m[i] + (d - m[i]) * k1
        m[i] = a
        w = v[i] * b2 + d * d * k2
        v[i] = w
        p[i] = p[i] - a / (np.sqrt(w) + e) * s


@exact
def _adam_max(p, g, m, v, top, sign, decay, wd, k1, b2, k2, e, s):
    for i in range(p.size):
        d = sign * g[i]
        if wd != 0:
            d = p[i] * wd + d
        a = m[i] + (d - m[i]) * k1
        m[i] = a
        w = v[i] * b2 + d * d * k2
        v[i] = w
        u = top[i]
        w = u if u >= w or u != u else w
        top[i] = w
        p[i] = p[i] * decay - a / (np.sqrt(w) + e) * s


update: Any = None  # these two names stand for others in what `bound` makes of the templates
run: Any = None


def _adam_share(t, nt, one, at, places, starts, first, scale, sign, decay, wd, b1, b2):
    lo, hi = _cut(starts, t, nt), _cut(starts, t + 1, nt)  # elements of all
    number = one.dtype.type
    z = one.itemsize
    k1, c2, k2 = number(1.0 - b1), number(b2), number(1.0 - b2)
    i = 0
    while i < at.size and starts[i + 1] <= lo:
        i += 1
    while i < at.size and starts[i] < hi:
        a, b = max(lo, starts[i]), min(hi, starts[i + 1])
        if b > a:
            skip, n = (a - starts[i]) * z, b - a
            p, g = view(places[0, i] + skip, n, one[0]), view(at[i] + skip, n, one[0])
            m, v = view(places[1, i] + skip, n, one[0]), view(places[2, i] + skip, n, one[0])
            top = view(places[places.shape[0] - 1, i] + skip, n, one[0])
            e, s = number(first[i]), number(scale[i])
            update(p, g, m, v, top, number(sign), number(decay), number(wd), k1, c2, k2, e, s)
        i += 1


@exact_loop
def count(at, counters, wide, lr, b1, b2, eps, first, scale):
    """One more step for each tensor that takes part, and the two numbers that depend on how many it has made."""
    t0, e, s = -1.0, 0.0, 0.0
    for i in range(at.size):
        if at[i] == 0:
            continue
        if wide[i]:
            c = view(counters[i], np.int64(1), np.float64(0))
            t = c[0] + 1.0
            c[0] = t
        else:
            d = view(counters[i], np.int64(1), np.float32(0))
            t = np.float64(d[0]) + 1.0
            d[0] = np.float32(t)
        if t != t0:
            root = math.sqrt(1.0 - b2**t)
            t0, e, s = t, eps * root, lr * root / (1.0 - b1**t)
        first[i] = e
        scale[i] = s


def _adam_loop(nt, one, at, starts, places, first, scale, b1, b2, wd, decay, sign):
    each(run, nt, (one, at, places, starts, first, scale, sign, decay, wd, b1, b2))


def _adam(name: str, update: Any) -> Any:
    """One step of Adam for all tensors; one: an array of one number of their type; first, scale: from `count`.

    places: (3 or 4, n) addresses of parameters, both averages and, for AMSGrad, the largest second one. decay: what
    parameters are multiplied by; wd: times the parameter is added to the gradient.
    """
    return loop(bound(_adam_loop, name, run=exact(bound(_adam_share, f"{name}_share", update=update))))


# One loop each, since few programs need two of them, and compiling takes its time.
adam, adam_coupled = _adam("adam", _adam_plain), _adam("adam_coupled", _adam_coupled)
adam_max = _adam("adam_max", _adam_max)


# ---------------------------------------------------------------- SGD
@exact
def _sgd_plain(p, g, sign, wd, lr):
    if wd == 0:
        for i in range(p.size):
            p[i] = p[i] - g[i] * (lr * sign)
    else:
        for i in range(p.size):
            p[i] = p[i] - (p[i] * wd + sign * g[i]) * lr


@exact
def _sgd_momentum(p, g, b, begin, sign, wd, lr, momentum, share, nesterov, lr_b):
    for i in range(p.size):
        d = sign * g[i]
        if wd != 0:
            d = p[i] * wd + d
        c = d if begin else b[i] * momentum + d * share
        b[i] = c
        p[i] = p[i] - d * lr - c * lr_b if nesterov else p[i] - c * lr


@exact
def _sgd_share(t, nt, one, at, places, starts, begin, sign, wd, lr, momentum, dampening, nesterov):
    lo, hi = _cut(starts, t, nt), _cut(starts, t + 1, nt)
    number = one.dtype.type
    z = one.itemsize
    i = 0
    while i < at.size and starts[i + 1] <= lo:
        i += 1
    while i < at.size and starts[i] < hi:
        a, b = max(lo, starts[i]), min(hi, starts[i + 1])
        if b > a:
            skip, n = (a - starts[i]) * z, b - a
            p, g = view(places[0, i] + skip, n, one[0]), view(at[i] + skip, n, one[0])
            if places.shape[0] == 1:
                _sgd_plain(p, g, number(sign), number(wd), number(lr))
            else:
                _sgd_momentum(
                    p, g, view(places[1, i] + skip, n, one[0]), begin[i], number(sign), number(wd), number(lr),
                    number(momentum), number(1.0 - dampening), nesterov, number(lr * momentum),
                )  # fmt: skip
        i += 1


@loop
def sgd(nt, one, at, starts, places, begin, lr, momentum, dampening, wd, nesterov, sign):
    """One step of SGD for all tensors. places: (1 or 2, n) addresses of parameters and momentum buffers.

    begin: whether a buffer is only to be filled, with the gradient.
    """
    each(_sgd_share, nt, (one, at, places, starts, begin, sign, wd, lr, momentum, dampening, nesterov))


# ---------------------------------------------------------------- RMSprop
@exact
def _rmsprop(p, g, v, mean, b, d, w, q, sign, wd, lr, alpha, k, eps, momentum, centered, rolling):
    # A piece of a tensor, in passes over d, w and q, so that each pass is one that vectorises. The square of the mean is
    # stored before it is subtracted: fused, the two would be finite where the formula has infinity minus infinity.
    n = p.size
    for i in range(n):
        d[i] = sign * g[i]
    if wd != 0:
        for i in range(n):
            d[i] = p[i] * wd + d[i]
    for i in range(n):
        s = v[i] * alpha + d[i] * d[i] * k
        v[i] = s
        w[i] = s
    if centered:
        for i in range(n):
            c = mean[i] + (d[i] - mean[i]) * k
            mean[i] = c
            q[i] = c * c
        for i in range(n):
            w[i] = w[i] - q[i]
    for i in range(n):
        w[i] = d[i] / (np.sqrt(w[i]) + eps)
    if rolling:
        for i in range(n):
            c = b[i] * momentum + w[i]
            b[i] = c
            w[i] = c
    for i in range(n):
        p[i] = p[i] - w[i] * lr


@exact
def _rmsprop_share(t, nt, one, at, places, starts, sign, wd, lr, alpha, eps, momentum, centered, rolling):
    lo, hi = _cut(starts, t, nt), _cut(starts, t + 1, nt)
    number = one.dtype.type
    z = one.itemsize
    d, w, q = np.empty(_PIECE, one.dtype), np.empty(_PIECE, one.dtype), np.empty(_PIECE, one.dtype)
    i = 0
    while i < at.size and starts[i + 1] <= lo:
        i += 1
    while i < at.size and starts[i] < hi:
        a, end = max(lo, starts[i]), min(hi, starts[i + 1])
        while a < end:
            skip, n = (a - starts[i]) * z, min(end - a, _PIECE)
            p, g = view(places[0, i] + skip, n, one[0]), view(at[i] + skip, n, one[0])
            v = view(places[1, i] + skip, n, one[0])
            roll = view(places[2, i] + skip, n, one[0]) if rolling else v
            mean = view(places[places.shape[0] - 1, i] + skip, n, one[0]) if centered else v
            _rmsprop(
                p, g, v, mean, roll, d, w, q, number(sign), number(wd), number(lr), number(alpha), number(1.0 - alpha),
                number(eps), number(momentum), centered, rolling,
            )  # fmt: skip
            a += n
        i += 1


@loop
def rmsprop(nt, one, at, starts, places, lr, alpha, eps, wd, momentum, centered, rolling, sign):
    """One step of RMSprop for all tensors. places: addresses of parameters, averages of squares, then momentum buffers
    if `rolling`, then averages of the gradient if `centered`.
    """
    each(_rmsprop_share, nt, (one, at, places, starts, sign, wd, lr, alpha, eps, momentum, centered, rolling))


# ---------------------------------------------------------------- clipping
@part
def _squares(x):
    s = x.dtype.type(0)
    for i in range(x.size):
        s += x[i] * x[i]
    return s


@part
def _largest(x):
    # the largest absolute value, or NaN: in a maximum alone NaN could get lost
    s, bad = x.dtype.type(0), x.dtype.type(0)
    for i in range(x.size):
        a = abs(x[i])
        s = max(s, a)
        bad += x[i] * x.dtype.type(0)  # 0, or NaN for NaN and infinity
    if bad != bad:
        for i in range(x.size):
            if x[i] != x[i]:
                return x[i]
    return s


@part
def _block_sums(lo, hi, one, places, sizes, blocks, largest, sums):
    # of the blocks [lo, hi) of all; blocks: the number of blocks before each tensor
    i = np.int64(0)
    for k in range(lo, hi):
        while blocks[i + 1] <= k:
            i += 1
        at = (k - blocks[i]) * BLOCK
        x = view(places[i] + at * one.itemsize, min(BLOCK, sizes[i] - at), one[0])
        sums[k] = _largest(x) if largest else _squares(x)


@loop
def norms(nt, one, places, sizes, blocks, largest, sums, out):
    """out: for each tensor its 2-norm, or its largest absolute value. sums: one number for each block.

    Blocks have one size, so that the sum does not depend on the number of threads.
    """
    n = blocks[-1]
    divide(_block_sums, nt, n, (one, places, sizes, blocks, largest, sums))
    _total(blocks, largest, sums, out)


@exact
def _total(blocks, largest, sums, out):
    for i in range(out.size):
        s = 0.0
        for k in range(blocks[i], blocks[i + 1]):
            v = np.float64(sums[k])
            if not largest:
                s += v
            elif v > s or v != v:
                s = v
            if s != s:
                break
        out[i] = s if largest else math.sqrt(out.dtype.type(s))


@part
def _scaled(lo, hi, one, places, sizes, blocks, factor):
    i = np.int64(0)
    for k in range(lo, hi):
        while blocks[i + 1] <= k:
            i += 1
        at = (k - blocks[i]) * BLOCK
        x = view(places[i] + at * one.itemsize, min(BLOCK, sizes[i] - at), one[0])
        for j in range(x.size):
            x[j] *= factor


@loop
def scale(nt, one, places, sizes, blocks, factor):
    """Multiply all tensors by factor, a number of their type."""
    n = blocks[-1]
    divide(_scaled, nt, n, (one, places, sizes, blocks, factor))
