"""Drawn calls of the array API standard: how they are drawn, and the elementwise functions."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

KINDS = {
    "b": ["bool"], "i": ["int8", "int16", "int32", "int64"], "u": ["uint8", "uint16", "uint32", "uint64"],
    "f": ["float32", "float64"], "c": ["complex64", "complex128"],
}  # fmt: skip


# ---------------------------------------------------------------- drawing
class Dtype:
    """Stands for a dtype of the namespace under test."""

    def __init__(self, name):
        self.name = name


class Draw:
    """Shapes, types and arrays of one drawn call."""

    def __init__(self, data):
        self.data = data

    def of(self, choices):
        return self.data.draw(st.sampled_from(list(choices)))

    def int(self, low, high):
        return self.data.draw(st.integers(low, high))

    def flag(self):
        return self.data.draw(st.booleans())

    def dtype(self, kinds="biufc"):
        return self.of([n for k in kinds for n in KINDS[k]])

    def shape(self, low=0, high=3, side=0, most=4):
        return tuple(self.int(side, most) for _ in range(self.int(low, high)))

    def values(self, shape, dtype, low=-3.0, high=3.0, special=False):
        """Quarters between low and high, so that there are ties; with NaN, infinities and zeros of both signs among them."""
        rng = np.random.default_rng(self.int(0, 2**32 - 1))
        d = np.dtype(dtype)
        if d.kind == "b":
            return np.asarray(rng.random(shape) > 0.4)
        if d.kind in "iu":
            return np.asarray(
                rng.integers(max(int(low), 0) if d.kind == "u" else int(low), int(high) + 1, shape)
            ).astype(d)

        def real():
            x = np.asarray(np.round(rng.uniform(low, high, shape) * 4) / 4)
            if special and d.kind == "f" and x.size:
                spots = rng.random(shape) < 0.3
                x[spots] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape)[spots]
            return x

        return np.asarray(real() + 1j * real() if d.kind == "c" else real()).astype(d)

    def array(self, kinds="biufc", *, shape=None, dtype=None, **how):
        shape = self.shape(**{k: how.pop(k) for k in ("side", "most") if k in how}) if shape is None else shape
        return self.values(shape, dtype or self.dtype(kinds), **how)

    def fitting(self, shape):
        """A shape that broadcasts with `shape`."""
        return tuple(1 if self.int(0, 3) == 0 else n for n in shape[self.int(0, len(shape)) :])

    def axis(self, ndim):
        return self.int(-ndim, ndim - 1)

    def axes(self, ndim):
        """None, an axis, or a tuple of different ones."""
        kind = self.int(0, 2)
        if kind == 0 or ndim == 0:
            return None
        if kind == 1:
            return self.axis(ndim)
        return tuple(a - ndim if self.flag() else a for a in self.order(ndim)[: self.int(1, ndim)])

    def order(self, n):
        """0 ... n - 1 in some order."""
        return tuple(self.data.draw(st.permutations(range(n))))


def pair(d, kinds):
    """Two types that the standard promotes."""
    first = d.dtype(kinds)
    group = "iu" if np.dtype(first).kind in "iu" else "fc" if np.dtype(first).kind in "fc" else "b"
    second = d.dtype("".join(k for k in group if k in kinds))
    return (
        (first, first)
        if {first, second} & {"uint64"} and "int" in second + first and first[0] != second[0]
        else (first, second)
    )


CASES = {}


def case(*names):
    def enter(f):
        for name in names:
            assert name not in CASES, name
            CASES[name] = f
        return f

    return enter


def elementwise(names, kinds, **how):
    case(*names.split())(lambda d: ((d.array(kinds, **how),), {}))


elementwise("asinh atan cos cosh exp expm1 sin sinh sqrt tan tanh", "fc", low=-2, high=2)
elementwise("acos asin", "f", low=-1, high=1)
elementwise("atanh", "f", low=-0.75, high=0.75)
elementwise("acosh", "f", low=1)
elementwise("log log10 log2 log1p", "f", low=0.25)
elementwise("ceil floor trunc", "iuf", special=True)
elementwise("isfinite isinf isnan", "iufc", special=True)
elementwise("abs negative positive conj square round real sign", "iufc")
elementwise("imag", "c")
elementwise("reciprocal", "fc", low=0.5)
elementwise("signbit", "f", special=True)
elementwise("logical_not", "b")
elementwise("bitwise_invert", "biu")


def two(names, kinds, **how):
    def draw(d):
        a, b = pair(d, kinds)
        shape = d.shape()
        x = d.array(shape=shape, dtype=a, **how)
        scalar = d.int(0, 4) == 0
        if scalar and np.dtype(a).kind in "iufb":
            v = d.array(shape=(), dtype=a, **{**how, "special": False}).item()
            return ((x, v) if d.flag() else (v, x)), {}
        y = d.array(shape=d.fitting(shape), dtype=b, **how)
        return ((x, y) if d.flag() else (y, x)), {}

    case(*names.split())(draw)


two("add subtract multiply", "iufc")
two("equal not_equal", "biufc", special=True)
two("greater greater_equal less less_equal maximum minimum", "iuf", special=True)
two("atan2 hypot logaddexp copysign nextafter", "f", special=True)
two("divide", "fc", low=0.5)
two("floor_divide remainder", "iuf", low=1)
two("pow", "iufc", low=1)
two("logical_and logical_or logical_xor", "b")
two("bitwise_and bitwise_or bitwise_xor", "biu")
two("bitwise_left_shift bitwise_right_shift", "iu", low=0)


@case("clip")
def _clip(d):
    x = d.array("iuf")
    upper = d.of([None, 1, 2, d.array(shape=d.fitting(x.shape), dtype=x.dtype.name, low=0)])
    lower = d.of([None, 0, -1]) if x.dtype.kind != "u" else d.of([None, 0])
    return (x,), {"min": lower, "max": upper} if lower is not None or upper is not None else {"min": 1}


@case("where")
def _where(d):
    a, b = pair(d, "biufc")
    shape = d.shape()
    return (
        d.array(shape=shape, dtype="bool"),
        d.array(shape=d.fitting(shape), dtype=a),
        d.array(shape=shape, dtype=b),
    ), {}
