"""Python numbers written into tensors: which wrap around, which are cut, and which are refused, as in PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")

INTEGERS = ["int16", "int32", "int64", "int8", "uint16", "uint32", "uint64", "uint8"]
DTYPES = ["bfloat16", "bool", "float16", "float32", "float64", *INTEGERS]
NUMBERS = [0, 1, -1, -2, 300, -300, 0.5, 1.7, -1.7, 255.5, 300.5, 1e10, 1e19, 1e20, 70000.0, 1e39, -1e39]
NUMBERS += [math.inf, -math.inf, math.nan, 2 + 0j, 1j]
NUMBERS += [sign * 2**bits + k for bits in (7, 8, 15, 16, 31, 32, 63, 64) for sign in (1, -1) for k in (-1, 0, 1)]


def written(x, index, v):
    x[index] = v
    return x


WRITES = {
    "fill_": lambda lib, d, v: lib.zeros(1, dtype=d).fill_(v),
    "full": lambda lib, d, v: lib.full((1,), v, dtype=d),
    "full_like": lambda lib, d, v: lib.full_like(lib.zeros(1, dtype=d), v),
    "index_fill": lambda lib, d, v: lib.zeros(1, dtype=d).index_fill(0, lib.tensor([0]), v),
    "masked_fill": lambda lib, d, v: lib.zeros(1, dtype=d).masked_fill(lib.tensor([True]), v),
    "new_full": lambda lib, d, v: lib.zeros(1, dtype=d).new_full((1,), v),
    "scalar_tensor": lambda lib, d, v: lib.scalar_tensor(v, dtype=d),
    "scatter": lambda lib, d, v: lib.zeros(1, dtype=d).scatter(0, lib.tensor([0]), v),
    "setitem": lambda lib, d, v: written(lib.zeros(2, dtype=d), 0, v),
    "setitem array": lambda lib, d, v: written(lib.zeros(2, dtype=d), lib.tensor([1]), v),
    "setitem mask": lambda lib, d, v: written(lib.zeros(2, dtype=d), lib.tensor([True, False]), v),
    "tensor": lambda lib, d, v: lib.tensor(v, dtype=d),
    "tensor list": lambda lib, d, v: lib.tensor([[v, 0], [0, v]], dtype=d),
}
# Data of these kinds NumPy reads without a word, where PyTorch refuses them.
READ = {("tensor", v) for v in (0.5, 255.5)} | {("tensor list", v) for v in (0.5, 255.5)}


def outcome(write, lib, dtype, v):
    """The values, or the kind of error."""
    try:
        return write(lib, getattr(lib, dtype), v).tolist()
    except NotImplementedError:
        return None
    except (RuntimeError, ValueError, OverflowError, TypeError) as e:
        return next(kind for kind in (RuntimeError, ValueError, OverflowError, TypeError) if isinstance(e, kind))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(WRITES))
@pytest.mark.filterwarnings("ignore")
def test_numbers_are_stored_or_refused_like_torch(name, dtype):
    wrong = []
    for v in NUMBERS:
        theirs = outcome(WRITES[name], torch, dtype, v)
        from_data = name.startswith("tensor")
        if theirs is None or (from_data and isinstance(v, float) and dtype in ("uint8", "uint64", "uint16", "uint32")):
            continue  # not in PyTorch, or NumPy's reading of fractional data
        if from_data and dtype == "bfloat16" and abs(v) > 2**60:
            continue  # ml_dtypes takes no such integers
        mine = outcome(WRITES[name], rg, dtype, v)
        same = mine is theirs if isinstance(theirs, type) else not isinstance(mine, type) and _equal(mine, theirs)
        if not same:
            wrong.append((v, mine, theirs))
    assert not wrong


def _equal(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)


def test_the_examples_that_were_wrong():
    assert rg.tensor([-1], dtype=rg.uint8).tolist() == [255] and rg.full((1,), -1, dtype=rg.uint8).item() == 255
    x = rg.zeros(2, dtype=rg.uint8)
    for v in (300, -256, 1e10, math.nan):
        with pytest.raises(RuntimeError, match="uint8"):
            x[0] = v
    with pytest.raises(ValueError, match="overflow"):
        x[0] = 2**63
    x[0] = -255
    assert x.tolist() == [1, 0]
    with pytest.raises(RuntimeError, match="int8"):
        rg.tensor([[1, 2], [3, 128]], dtype=rg.int8)


def test_arithmetic_wraps_around():
    for lib in (rg, torch):
        x = lib.tensor([1, 200], dtype=lib.uint8)
        assert (x + 300).tolist() == [45, 244] and (x * 2).tolist() == [2, 144]
