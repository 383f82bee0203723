"""`retrograd.testing` against `torch.testing`: what passes, what fails, and what the message says."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd.testing import assert_allclose, assert_close, make_tensor


def cases(lib):
    """(actual, expected, keywords) that both libraries judge."""
    t = lib.tensor
    f, d, i = lib.float32, lib.float64, lib.int64
    return [
        (t([1.0, 2.0]), t([1.0, 2.0]), {}),
        (t([1.0, 2.0]), t([1.0, 2.00001]), {}),
        (t([1.0, 2.0]), t([1.0, 2.001]), {}),
        (t([1.0], dtype=d), t([1.0 + 1e-8], dtype=d), {}),
        (t([1.0], dtype=d), t([1.0 + 1e-5], dtype=d), {}),
        (t([1.0], dtype=d), t([1.0], dtype=f), {}),
        (t([1.0], dtype=d), t([1.0], dtype=f), {"check_dtype": False}),
        (t([1, 2]), t([1, 3]), {}),
        (t([1, 2]), t([1, 3]), {"rtol": 0.5, "atol": 0.0}),
        (t([float("nan")]), t([float("nan")]), {}),
        (t([float("nan")]), t([float("nan")]), {"equal_nan": True}),
        (t([float("inf")]), t([float("inf")]), {}),
        (t([float("inf")]), t([-float("inf")]), {}),
        (t([1.0, 2.0]), t([[1.0, 2.0]]), {}),
        (t(1.0), t(1.5), {}),
        (1.0, 1.5, {}),
        (1, 1, {}),
        ([t([1.0]), 2], [t([1.0]), 2], {}),
        ([t([1.0]), 2], [t([1.0]), 3], {}),
        ([1.0], [1.0, 2.0], {}),
        ({"a": t([1.0])}, {"a": t([2.0])}, {}),
        ({"a": 1.0}, {"b": 1.0}, {}),
        (t([True]), t([False]), {}),
        (t([1 + 1j]), t([1 + 1.00000001j]), {}),
        (t([[1.0, 2.0], [3.0, 4.0]]).t(), t([[1.0, 3.0], [2.0, 4.0]]), {"check_stride": True}),
        (t([], dtype=i), t([], dtype=i), {}),
    ]


def judge(compare, actual, expected, given) -> str:
    try:
        compare(actual, expected, **given)
    except (AssertionError, TypeError) as e:
        return type(e).__name__ + ": " + str(e).split("\n")[0].replace("torch.", "").replace("retrograd.", "")
    return "passes"


@pytest.mark.parametrize("i", range(len(cases(rg))))
def test_agrees_with_pytorch(i):
    torch = pytest.importorskip("torch", reason="the comparison needs torch")
    mine, theirs = judge(assert_close, *cases(rg)[i]), judge(torch.testing.assert_close, *cases(torch)[i])
    if "equal!" in mine and "equal!" in theirs:  # PyTorch names the kind of scalars
        return
    assert mine == theirs


def test_messages_name_the_worst_element_and_the_place():
    with pytest.raises(AssertionError) as e:
        assert_close({"w": [rg.tensor([1.0, 2.0, 4.0])]}, {"w": [rg.tensor([1.0, 2.5, 8.0])]})
    text = str(e.value)
    assert "Mismatched elements: 2 / 3 (66.7%)" in text
    assert "Greatest absolute difference: 4.0 at index (2,) (up to 1e-05 allowed)" in text
    assert "Greatest relative difference: 0.5 at index (2,)" in text
    assert "item ['w'][0]" in text
    with pytest.raises(AssertionError, match="^mine$"):
        assert_close(1.0, 2.0, msg="mine")
    with pytest.raises(AssertionError, match="^seen: Scalars"):
        assert_close(1.0, 2.0, msg=lambda m: "seen: " + m)
    with pytest.raises(ValueError, match="together"):
        assert_close(1.0, 1.0, rtol=0.1)
    with pytest.raises(TypeError, match="not of one kind"):
        assert_close(rg.tensor(1.0), 1.0)


def test_assert_allclose_is_lenient_about_dtypes():
    assert_allclose(rg.tensor([1.0]), np.array([1.0]))
    with pytest.raises(AssertionError):
        assert_allclose(rg.tensor([1.0]), [1.1])


@pytest.mark.parametrize("name", ["bfloat16", "bool", "complex64", "float16", "float32", "float64", "int64", "uint8"])
def test_make_tensor(name):
    d = getattr(rg, name)
    t = make_tensor(20, 30, dtype=d, low=0 if name in ("bool", "uint8") else -3, high=2 if name == "bool" else 4)
    assert t.shape == (20, 30) and t.dtype is d
    if not d.is_complex:
        assert t.double().min() >= -3 and t.double().max() <= 4
    s = make_tensor((4, 3), dtype=d, noncontiguous=True)
    assert s.shape == (4, 3) and not s.is_contiguous()
    if name != "bool":
        assert bool((make_tensor(500, dtype=d, exclude_zero=True) != 0).all())
    with pytest.raises(ValueError, match="low must be below high"):
        make_tensor(2, dtype=d, low=3, high=3)
