"""Drawn calls of the array API standard: creation, types, shapes, searching, sets, sorting, statistics, extensions."""

from __future__ import annotations

import numpy as np
from array_api_draws import KINDS, Dtype, case, pair


# ---------------------------------------------------------------- creation
@case("arange")
def _arange(d):
    if d.flag():
        start, stop, step = d.int(-5, 5), d.int(-5, 5), d.of([-2, -1, 1, 3])
        return d.of([((start, stop, step), {}), ((stop,), {}), ((start, stop), {"dtype": Dtype("float32")})])
    return (0.5, d.int(-3, 3) + 0.25, d.of([0.5, -0.75])), {"dtype": Dtype(d.of(["float32", "float64"]))}


@case("asarray")
def _asarray(d):
    if d.flag():
        x = d.array()
        return (x,), {
            "dtype": Dtype(x.dtype.name if x.dtype.kind != "f" else d.of(KINDS["f"])),
            "copy": d.of([None, True]),
        }
    return ([[1, 2], [3, 4]] if d.flag() else [True, False],), {}


@case("empty", "ones", "zeros")
def _filled(d):
    return (d.of([d.shape(), 3]),), {"dtype": Dtype(d.dtype())}


@case("empty_like", "ones_like", "zeros_like")
def _filled_like(d):
    return (d.array(),), ({"dtype": Dtype(d.dtype())} if d.flag() else {})


@case("full")
def _full(d):
    name = d.dtype()
    return (d.shape(), d.array(shape=(), dtype=name).item()), {"dtype": Dtype(name)}


@case("full_like")
def _full_like(d):
    x = d.array()
    return (x, d.array(shape=(), dtype=x.dtype).item()), {}


@case("eye")
def _eye(d):
    return (d.int(0, 4), d.of([None, 0, 3])), {"k": d.int(-5, 5), "dtype": Dtype(d.dtype())}


@case("linspace")
def _linspace(d):
    name = d.dtype("fc")
    ends = (d.int(-3, 3), d.int(-3, 3)) if name[0] == "f" else (d.int(-3, 3) + 1j, d.int(-3, 3) - 2j)
    return (*ends, d.int(0, 6)), {"dtype": Dtype(name), "endpoint": d.flag()}


@case("meshgrid")
def _meshgrid(d):
    name = d.dtype()
    return tuple(d.array(shape=(d.int(1, 3),), dtype=name) for _ in range(d.int(1, 3))), {
        "indexing": d.of(["xy", "ij"])
    }


@case("tril", "triu")
def _triangle(d):
    return (d.array(shape=(*d.shape(high=1), d.int(1, 4), d.int(1, 4))),), {"k": d.int(-4, 4)}


@case("from_dlpack")
def _from_dlpack(d):
    return (d.array(),), {}


# ---------------------------------------------------------------- types
@case("astype")
def _astype(d):
    x = d.array(low=0)
    target = d.dtype("c" if x.dtype.kind == "c" else "biufc")
    return (x, Dtype(target)), {"copy": d.flag()}


@case("can_cast")
def _can_cast(d):
    a, b = pair(d, "biufc")
    return (Dtype(a), Dtype(b)), {}


@case("result_type")
def _result_type(d):
    a, b = pair(d, "biufc")
    return (Dtype(a), d.array(shape=d.shape(), dtype=b)), {}


@case("isdtype")
def _isdtype(d):
    kinds = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric"]
    return (
        Dtype(d.dtype()),
        d.of([*kinds, (kinds[0], kinds[4]), (Dtype("int8"), Dtype("float32")), Dtype("bool")]),
    ), {}


@case("finfo")
def _finfo(d):
    return (Dtype(d.dtype("fc")),), {}


@case("iinfo")
def _iinfo(d):
    return (Dtype(d.dtype("iu")),), {}


# ---------------------------------------------------------------- shapes
@case("broadcast_arrays")
def _broadcast_arrays(d):
    shape = d.shape()
    return (d.array(shape=shape), d.array(shape=d.fitting(shape))), {}


@case("broadcast_shapes")
def _broadcast_shapes(d):
    shape = d.shape()
    return tuple(d.fitting(shape) for _ in range(d.int(0, 3))), {}


@case("broadcast_to")
def _broadcast_to(d):
    shape = d.shape()
    return (d.array(shape=d.fitting(shape)), shape), {}


@case("concat")
def _concat(d):
    shape = list(d.shape(low=1))
    axis = d.axis(len(shape))
    a, b = pair(d, "biufc")
    other = list(shape)
    other[axis] = d.int(0, 3)
    return ([d.array(shape=tuple(shape), dtype=a), d.array(shape=tuple(other), dtype=b)],), {
        "axis": axis if d.flag() else None
    }


@case("stack")
def _stack(d):
    a, b = pair(d, "biufc")
    shape = d.shape()
    return ([d.array(shape=shape, dtype=a), d.array(shape=shape, dtype=b)],), {"axis": d.axis(len(shape) + 1)}


@case("expand_dims")
def _expand_dims(d):
    x = d.array()
    return (x,), {"axis": d.axis(x.ndim + 1)}


@case("flip")
def _flip(d):
    x = d.array()
    return (x,), {"axis": d.axes(x.ndim)}


@case("moveaxis")
def _moveaxis(d):
    x = d.array(shape=d.shape(low=2))
    return (x, (0, -1), (-1, 0)) if d.flag() else (x, d.axis(x.ndim), d.axis(x.ndim)), {}


@case("permute_dims")
def _permute_dims(d):
    x = d.array()
    return (x, d.order(x.ndim)), {}


@case("repeat")
def _repeat(d):
    x = d.array(shape=d.shape(low=1, side=1))
    axis = d.axis(x.ndim)
    if d.flag():
        return (x, d.int(0, 3)), {"axis": axis if d.flag() else None}
    return (x, d.array(shape=(x.shape[axis],), dtype="int64", low=0)), {"axis": axis}


@case("reshape")
def _reshape(d):
    x = d.array(shape=(2, d.int(1, 3), 2))
    return (x, d.of([(-1,), (4, -1), (x.size,), (2, 2, -1)])), {"copy": d.of([None, True])}


@case("roll")
def _roll(d):
    x = d.array(shape=d.shape(low=1))
    axis = d.axes(x.ndim)
    shift = tuple(d.int(-5, 5) for _ in axis) if isinstance(axis, tuple) else d.int(-5, 5)
    return (x, shift), {"axis": axis}


@case("squeeze")
def _squeeze(d):
    x = d.array(shape=(1, d.int(0, 3), 1))
    return (x, d.of([0, 2, -1, (0, 2), (-3,)])), {}


@case("tile")
def _tile(d):
    return (d.array(), tuple(d.int(0, 3) for _ in range(d.int(0, 4)))), {}


@case("unstack")
def _unstack(d):
    x = d.array(shape=d.shape(low=1))
    return (x,), {"axis": d.axis(x.ndim)}


# ---------------------------------------------------------------- searching, sets, sorting
@case("argmax", "argmin")
def _argextreme(d):
    x = d.array("iuf", shape=d.shape(side=1))
    return (x,), {"axis": d.axis(x.ndim) if x.ndim and d.flag() else None, "keepdims": d.flag()}


@case("count_nonzero", "all", "any")
def _over_axes(d):
    x = d.array("biufc", low=-1, high=1)
    return (x,), {"axis": d.axes(x.ndim), "keepdims": d.flag()}


@case("isin")
def _isin(d):
    a, b = pair(d, "iu")
    x, y = d.array(dtype=a, low=0, high=4), d.array(dtype=b, low=0, high=4)
    return d.of([(x, y), (x, d.int(0, 4)), (d.int(0, 4), y)]), {}


@case("nonzero")
def _nonzero(d):
    return (d.array(shape=d.shape(low=1), low=-1, high=1),), {}


@case("searchsorted")
def _searchsorted(d):
    name = d.dtype("iuf")
    x1, x2 = d.array(shape=(d.int(1, 6),), dtype=name), d.array(dtype=name)
    side = {"side": d.of(["left", "right"])}
    if d.flag():
        return (x1, x2), {**side, "sorter": np.argsort(x1)}
    return (np.sort(x1), x2), side


@case("sort", "argsort")
def _sort(d):
    x = d.array("iuf", shape=d.shape(low=1))
    return (x,), {"axis": d.axis(x.ndim), "descending": d.flag(), "stable": True}


@case("take")
def _take(d):
    x = d.array(shape=d.shape(low=1, side=1))
    axis = d.axis(x.ndim)
    i = d.array(shape=(d.int(0, 4),), dtype=d.of(["int32", "int64"]), low=0, high=x.shape[axis] - 1)
    return (x, i), ({} if x.ndim == 1 and d.flag() else {"axis": axis})


@case("take_along_axis")
def _take_along_axis(d):
    x = d.array(shape=d.shape(low=1, side=1))
    axis = d.axis(x.ndim)
    shape = list(x.shape)
    shape[axis] = d.int(0, 4)
    return (x, d.array(shape=tuple(shape), dtype="int64", low=-x.shape[axis], high=x.shape[axis] - 1)), {"axis": axis}


@case("unique_all", "unique_counts", "unique_inverse", "unique_values")
def _unique(d):
    return (d.array("biuf", low=-1, high=1),), {}


# ---------------------------------------------------------------- statistics
@case("sum", "prod")
def _sum(d):
    x = d.array("iufc", low=-2, high=2)
    same = {"dtype": Dtype(d.of(KINDS[x.dtype.kind]))} if x.dtype.kind in "fc" and d.flag() else {}
    return (x,), {"axis": d.axes(x.ndim), "keepdims": d.flag(), **same}


@case("mean")
def _mean(d):
    x = d.array("fc", shape=d.shape(side=1))
    return (x,), {"axis": d.axes(x.ndim), "keepdims": d.flag()}


@case("std", "var")
def _spread(d):
    x = d.array("f", shape=d.shape(side=2))
    return (x,), {"axis": d.axes(x.ndim), "keepdims": d.flag(), "correction": d.of([0, 0.5, 0.0])}


@case("max", "min")
def _extreme(d):
    x = d.array("iuf", shape=d.shape(side=1), special=True)
    return (x,), {"axis": d.axes(x.ndim), "keepdims": d.flag()}


@case("cumulative_sum", "cumulative_prod")
def _cumulative(d):
    x = d.array("iufc", shape=d.shape(low=1), low=-2, high=2)
    return (x,), {"axis": d.axis(x.ndim), "include_initial": d.flag()}


@case("diff")
def _diff(d):
    x = d.array("iufc", shape=d.shape(low=1, side=3))
    more = {"prepend": x, "append": x} if d.flag() else {}
    return (x,), {"axis": d.axis(x.ndim), "n": d.int(0, 2), **more}


# ---------------------------------------------------------------- linear algebra
@case("matmul", "linalg.matmul")
def _matmul(d):
    a, b = pair(d, "iufc")
    m, k, n = d.int(1, 3), d.int(1, 3), d.int(1, 3)
    shapes = [((m, k), (k, n)), ((k,), (k, n)), ((2, m, k), (k,)), ((2, 1, m, k), (3, k, n)), ((k,), (k,))]
    first, second = d.of(shapes)
    return (d.array(shape=first, dtype=a), d.array(shape=second, dtype=b)), {}


@case("matrix_transpose", "linalg.matrix_transpose")
def _matrix_transpose(d):
    return (d.array(shape=(*d.shape(high=1), d.int(0, 3), d.int(0, 3))),), {}


@case("tensordot", "linalg.tensordot")
def _tensordot(d):
    a, b = pair(d, "iufc")
    x, y = d.array(shape=(2, 3, 4), dtype=a), d.array(shape=(3, 4, 2), dtype=b)
    return (x, y), {"axes": d.of([2, ((1, 2), (0, 1)), ((0,), (-1,)), ((2, 0), (1, 2))])}


@case("vecdot", "linalg.vecdot")
def _vecdot(d):
    a, b = pair(d, "iufc")
    return (d.array(shape=(2, 3, 4), dtype=a), d.array(shape=(3, 4), dtype=b)), {"axis": d.of([-1, -2])}


def square(d, kinds="fc", batch=True):
    """Well-conditioned matrices: larger on the diagonal."""
    n = d.int(1, 3)
    x = d.array(kinds, shape=(*(d.shape(high=1, side=1) if batch else ()), n, n), low=-1, high=1)
    return (x + 4 * np.eye(n, dtype=x.dtype)).astype(x.dtype)


def hermitian(d):
    x = square(d)
    return ((x + np.swapaxes(x, -1, -2).conj()) / 2).astype(x.dtype)


case("linalg.det", "linalg.inv", "linalg.slogdet")(lambda d: ((square(d),), {}))
case("linalg.eig", "linalg.eigvals")(lambda d: ((square(d),), {}))
case("linalg.eigh", "linalg.eigvalsh")(lambda d: ((hermitian(d),), {}))
case("linalg.cholesky")(lambda d: ((hermitian(d),), {"upper": d.flag()}))
case("linalg.matrix_power")(lambda d: ((square(d), d.int(-2, 3)), {}))


def matrices(d, kinds="fc"):
    return d.array(kinds, shape=(*d.shape(high=1, side=1), d.int(1, 3), d.int(1, 3)))


case("linalg.svdvals", "linalg.matrix_rank", "linalg.pinv")(lambda d: ((matrices(d),), {}))
case("linalg.svd")(lambda d: ((matrices(d),), {"full_matrices": d.flag()}))
case("linalg.qr")(lambda d: ((matrices(d),), {"mode": d.of(["reduced", "complete"])}))
case("linalg.diagonal")(lambda d: ((matrices(d, "biufc"),), {"offset": d.int(-3, 3)}))
case("linalg.trace")(lambda d: ((matrices(d, "iufc"),), {"offset": d.int(-3, 3)}))


@case("linalg.matrix_norm")
def _matrix_norm(d):
    return (matrices(d),), {
        "ord": d.of(["fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf")]),
        "keepdims": d.flag(),
    }


@case("linalg.vector_norm")
def _vector_norm(d):
    x = d.array("fc", shape=d.shape(low=1, side=1))
    return (x,), {
        "axis": d.axes(x.ndim),
        "keepdims": d.flag(),
        "ord": d.of([1, 2, 3.5, 0, float("inf"), -float("inf")]),
    }


@case("linalg.outer")
def _outer(d):
    a, b = pair(d, "iufc")
    return (d.array(shape=(d.int(0, 3),), dtype=a), d.array(shape=(d.int(0, 3),), dtype=b)), {}


@case("linalg.cross")
def _cross(d):
    a, b = pair(d, "iufc")
    return (d.array(shape=(2, 3), dtype=a), d.array(shape=d.of([(2, 3), (1, 3)]), dtype=b)), {"axis": -1}


@case("linalg.solve")
def _solve(d):
    x = square(d)
    n = x.shape[-1]
    kind = x.dtype.name
    shape = d.of([(n,), (n, 2), (*x.shape[:-2], n, n), (2, *([1] * (x.ndim - 2)), n, 1)])
    return (x, d.array(shape=shape, dtype=kind)), {}


# ---------------------------------------------------------------- Fourier transforms
def _norm(d):
    return {"norm": d.of(["backward", "ortho", "forward"])}


@case("fft.fft", "fft.ifft", "fft.irfft", "fft.hfft")
def _fft(d):
    x = d.array("c", shape=d.shape(low=1, side=2))
    return (x,), {"n": d.of([None, 3, 6]), "axis": d.axis(x.ndim), **_norm(d)}


@case("fft.rfft", "fft.ihfft")
def _rfft(d):
    x = d.array("f", shape=d.shape(low=1, side=2))
    return (x,), {"n": d.of([None, 3, 6]), "axis": d.axis(x.ndim), **_norm(d)}


def _several(d, kinds):
    x = d.array(kinds, shape=(3, 2, 4))
    s, axes = d.of([(None, None), ((2, 3), (0, 2)), (None, (1, 2)), ((4, 3, 2), (2, 0, 1)), (None, (-1,))])
    return (x,), {"s": s, "axes": axes, **_norm(d)}


case("fft.fftn", "fft.ifftn", "fft.irfftn")(lambda d: _several(d, "c"))
case("fft.rfftn")(lambda d: _several(d, "f"))
case("fft.fftfreq", "fft.rfftfreq")(
    lambda d: ((d.int(1, 7),), {"d": d.of([1.0, 0.5]), "dtype": Dtype(d.of(KINDS["f"]))})
)


@case("fft.fftshift", "fft.ifftshift")
def _fftshift(d):
    x = d.array("fc", shape=d.shape(low=1))
    return (x,), {"axes": d.axes(x.ndim)}
