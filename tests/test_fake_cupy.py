"""The stand-in for CuPy is as strict as CuPy: names, arguments, types, memory, and what makes the host wait."""

from __future__ import annotations

import operator

import fake_cupy
import numpy as np
import pytest
from fake_cupy import cupy as cp
from fake_cupy import cupyx, special


def arr(*values, dtype="float32"):
    return cp.asarray(np.array(values, dtype))


# ---------------------------------------------------------------- names
def test_the_list_is_cupys():
    """Against CuPy itself where it is installed (no GPU is needed)."""
    cupy = pytest.importorskip("cupy")
    if cupy.__version__ != fake_cupy.NAMES["version"]:
        pytest.skip(f"the list is of {fake_cupy.NAMES['version']}, installed is {cupy.__version__}")
    missing = [n for n in fake_cupy.NAMES["cupy"] if not hasattr(cupy, n)]
    missing += [n for n in fake_cupy.NAMES["methods"] if not hasattr(cupy.ndarray, n)]
    assert not missing


def test_the_array_has_no_more_than_cupys():
    names = {n for n in vars(fake_cupy.ndarray) if not n.startswith("_")}
    assert names <= {*fake_cupy.NAMES["methods"], *fake_cupy.NAMES["attributes"]}
    python = {"__slots__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__",
              "__annotations__", "__getattr__", "__type_params__"}  # fmt: skip
    dunders = {n for n in vars(fake_cupy.ndarray) if n.startswith("__")} - python
    assert dunders <= set(fake_cupy.NAMES["special"]) | {"__hash__"}


@pytest.mark.parametrize("name", ["vecdot", "block", "geomspace", "insert", "unstack", "nanquantile", "frompyfunc"])
def test_what_cupy_lacks_is_missing(name):
    assert hasattr(np, name) or name in ("vecdot", "unstack")
    with pytest.raises(AttributeError, match="has no attribute"):
        getattr(cp, name)


def test_erf_is_special_only():
    assert not hasattr(cp, "erf")
    np.testing.assert_allclose(special.erf(arr(0.5)).get(), [0.5204999], rtol=1e-6)


def test_arguments_are_cupys():
    x = arr(1.0, 2.0)
    for f in (lambda: x.sum(where=True), lambda: cp.sum(x, initial=0), lambda: x.std(mean=1), lambda: cp.clip(x)):
        with pytest.raises(TypeError, match="CuPy's parameters"):
            f()
    for f in (lambda: cp.sort(x, kind="quicksort"), lambda: x.argsort(kind="heapsort")):
        with pytest.raises(ValueError, match="stable"):
            f()


# ---------------------------------------------------------------- no mixing, no conversion
HOST = np.ones(2, "f4")
MIXING = {
    "operator": lambda x: x + HOST,
    "reflected": lambda x: HOST + x,
    "in place": lambda x: operator.iadd(x, HOST),
    "comparison": lambda x: x < HOST,
    "numpy scalar first": lambda x: np.float32(2) * x,
    "ufunc": lambda x: cp.add(x, HOST),
    "host only": lambda x: cp.exp(HOST),
    "list": lambda x: x + [1.0, 2.0],
    "function": lambda x: cp.concatenate([x, HOST]),
    "where": lambda x: cp.where(x > 0, x, HOST),
    "matmul": lambda x: x @ HOST,
    "out": lambda x: cp.add(x, x, out=HOST),
    "host index": lambda x: x[np.array([0])],
    "list index": lambda x: x[[0]],
    "assignment": lambda x: operator.setitem(x, slice(None), HOST),
    "np ufunc": lambda x: np.exp(x),
    "np function": lambda x: np.sum(x),
    "np.asarray": lambda x: np.asarray(x),
    "np.array": lambda x: np.array(x),
    "host target": lambda x: operator.setitem(HOST.copy(), slice(None), x),
    "device slice": lambda x: x[: cp.asarray(1)],
    "index()": lambda x: operator.index(cp.asarray(1)),
}


@pytest.mark.parametrize("what", MIXING)
def test_nothing_is_converted_or_mixed(what):
    with pytest.raises(TypeError):
        MIXING[what](arr(1.0, 2.0))


def test_numbers_are_weak_and_loops_are_cupys():
    x = arr(1.0)
    assert (x * 2).dtype == (2.5 * x).dtype == np.float32 and (x * np.float64(2)).dtype == np.float64
    assert (arr(1, dtype="int32") * 1.5).dtype == np.float64 and (x * 1j).dtype == np.complex64
    assert cp.sqrt(arr(4, dtype="int64")).dtype == np.float64
    for f in (lambda: cp.bitwise_and(x, x), lambda: cp.fmod(x * 1j, x), lambda: special.erf(x * 1j)):
        with pytest.raises(TypeError, match="Wrong type"):
            f()


def test_ufunc_methods_are_cupys():
    x = arr(1.0, 3.0, 2.0)
    assert float(cp.add.reduce(x)) == 6 and cp.add.accumulate(x).tolist() == [1, 4, 6]
    first = arr(0, dtype="int64")
    for f in (lambda: cp.maximum.accumulate(x), lambda: cp.maximum.reduce(x), lambda: cp.multiply.at(x, first, 2.0)):
        with pytest.raises(NotImplementedError, match="not supported"):
            f()


# ---------------------------------------------------------------- results
def test_reductions_are_arrays():
    x = arr(1.0, 2.0)
    for r in (x.sum(), cp.max(x), x[0], x.mean(), cp.argmax(x), x @ x, cp.add.reduce(x), (x > 0).all()):
        assert type(r) is fake_cupy.ndarray and r.shape == ()


def test_out_of_range_index_arrays_wrap():
    x, i = arr(10.0, 20.0, 30.0), arr(4, -1, 3, dtype="int64")
    assert x[i].tolist() == [20, 30, 10] == x.take(i).tolist() == cp.take_along_axis(x, i, 0).tolist()
    x[i] = 0.0
    assert x.tolist() == [0, 0, 0]
    with pytest.raises(IndexError):
        x[5]


def test_batched_bfloat16_products_are_refused():
    import ml_dtypes

    a = cp.ones((2, 3, 3), ml_dtypes.bfloat16)
    with pytest.raises(TypeError, match="bfloat16"):
        a @ a
    assert (a[0] @ a[0]).dtype == a.dtype


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "uint64", "float16", "float32", "float64"])
def test_scatter_adds_up(dtype):
    x = cp.zeros(3, dtype)
    cupyx.scatter_add(x, arr(0, 2, 0, 5, dtype="int64"), 1)
    assert x.tolist() == [2, 0, 2]


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "uint8", "bfloat16"])
def test_scatter_has_no_other_types(dtype):
    import ml_dtypes

    x = cp.zeros(3, ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    with pytest.raises(TypeError, match="atomic"):
        cupyx.scatter_add(x, arr(0, dtype="int64"), 1)


def test_views_share_memory_and_know_their_root():
    x = cp.zeros((2, 3))
    wide = cp.broadcast_to(x, (4, 2, 3))
    for v in (x[0], x.T, x.reshape(3, 2), x[:, 1:], x.ravel(), x[0][1:], x.diagonal(), x.view("i8"), wide):
        assert v.base is x and not v.flags.owndata and cp.may_share_memory(v, x)
    for c in (x.copy(), x + 0, x[cp.asarray(np.array([0]))], x.T.ravel(), x.astype("f4")):
        assert c.base is None and c.flags.owndata
    x[0, 1:].fill(7.0)
    x.diagonal()[...] = 3.0
    assert x.tolist() == [[3, 7, 7], [0, 3, 0]] and x.data.ptr == x[0].data.ptr == x[1].data.ptr - x.strides[0]
    assert x.flags.c_contiguous and x.T.flags.f_contiguous and not hasattr(x.flags, "writeable")
    assert x.astype("f8", copy=False) is x and cp.asarray(x) is x and cp.ascontiguousarray(x) is x


# ---------------------------------------------------------------- waiting
WAITS = {
    "get": lambda x: x.get(), "asnumpy": lambda x: cp.asnumpy(x), "item": lambda x: x[0].item(),
    "float": lambda x: float(x[0]), "int": lambda x: int(x[0]), "bool": lambda x: bool(x[0]),
    "if": lambda x: 1 if x.any() else 0,
    "tolist": lambda x: x.tolist(), "repr": lambda x: repr(x), "nonzero": lambda x: x.nonzero(),
    "np nonzero": lambda x: cp.nonzero(x), "flatnonzero": lambda x: cp.flatnonzero(x), "argwhere": lambda x: cp.argwhere(x),
    "where": lambda x: cp.where(x), "unique": lambda x: cp.unique(x), "mask": lambda x: x[x > 1],
    "mask assignment": lambda x: operator.setitem(x, x > 1, 0.0), "compress": lambda x: cp.compress(x > 1, x),
    "extract": lambda x: cp.extract(x > 1, x), "bincount": lambda x: cp.bincount(x.astype("i8")),
    "list of arrays": lambda x: cp.array([x[0], x[1]]), "repeat": lambda x: cp.repeat(x, x.astype("i8")),
    "inv": lambda x: cp.linalg.inv(cp.eye(2)), "synchronize": lambda x: cp.cuda.Device().synchronize(),
}  # fmt: skip
DOES_NOT_WAIT = {
    "arithmetic": lambda x: (x + x * 2) / x, "sum": lambda x: x.sum(), "index": lambda x: x[x.astype("i8") - 1],
    "where": lambda x: cp.where(x > 1, x, 0.0), "sort": lambda x: cp.sort(x), "upload": lambda x: cp.asarray(HOST),
    "copyto": lambda x: cp.copyto(x, 0.0, where=x > 1), "slices": lambda x: operator.setitem(x, slice(1), 5.0),
    "repeat": lambda x: cp.repeat(x, 2), "iteration": lambda x: list(x), "len": len, "allclose": lambda x: cp.allclose(x, x),
}  # fmt: skip


@pytest.mark.parametrize("what", WAITS)
def test_waiting_is_counted(what):
    with fake_cupy.sync_counter() as c:
        WAITS[what](arr(1.0, 2.0))
    assert c.count == 1 and "test_fake_cupy.py" in c.events[0], c


@pytest.mark.parametrize("what", DOES_NOT_WAIT)
def test_what_does_not_wait_is_not_counted(what):
    with fake_cupy.sync_counter() as c:
        DOES_NOT_WAIT[what](arr(1.0, 2.0))
    assert not c.count, c


def test_other_devices():
    x = arr(1.0)
    with cp.cuda.Device(1):
        y = cp.ones(1)
        with pytest.raises(ValueError, match="different from the current device"):
            x + y
        z = x.copy()
    assert (x.device.id, y.device.id, z.device.id) == (0, 1, 1)
    with pytest.raises(ValueError, match="different from the current device"):
        y.sum()
