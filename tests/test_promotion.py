"""PyTorch's promotion on real operations: every pair of types, every way an operand comes, result type and values."""

from __future__ import annotations

import operator
import warnings

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")

BAREBONES = ("uint16", "uint32", "uint64")  # PyTorch computes little with them: see `lenient`
NAMES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
    "complex128", *BAREBONES,
)  # fmt: skip
LEFT, RIGHT = [1, 2, 3, 5], [2, 3, 2, 4]
NUMBERS = (True, 3, -1, 2.5, 1 + 2j)
NUMPY_NUMBERS = (np.float32(2.5), np.float64(2.5), np.int64(2), np.int32(2), np.int8(3))  # PyTorch refuses complex ones


def fn(name, **kw):
    return lambda lib, x, y: getattr(lib, name)(x, y, **kw)


def sign(op):
    return lambda lib, x, y: op(x, y)


def in_place(name):
    return lambda lib, x, y: getattr(x.clone(), name)(y)


OPERATORS = {
    "x + y": sign(operator.add), "x - y": sign(operator.sub), "x * y": sign(operator.mul),
    "x / y": sign(operator.truediv), "x // y": sign(operator.floordiv), "x % y": sign(operator.mod),
    "x ** y": sign(operator.pow), "x & y": sign(operator.and_), "x | y": sign(operator.or_),
    "x ^ y": sign(operator.xor), "x << y": sign(operator.lshift), "x < y": sign(operator.lt),
    "x >= y": sign(operator.ge), "x == y": sign(operator.eq), "x != y": sign(operator.ne),
}  # fmt: skip
FUNCTIONS = {
    "add": fn("add"), "add alpha": fn("add", alpha=2), "sub": fn("sub"), "mul": fn("mul"), "div": fn("div"),
    "div trunc": fn("div", rounding_mode="trunc"), "div floor": fn("div", rounding_mode="floor"),
    "floor_divide": fn("floor_divide"), "remainder": fn("remainder"), "fmod": fn("fmod"), "pow": fn("pow"),
    "maximum": fn("maximum"), "minimum": fn("minimum"), "eq": fn("eq"), "lt": fn("lt"), "atan2": fn("atan2"),
    "hypot": fn("hypot"), "logaddexp": fn("logaddexp"), "logical_and": fn("logical_and"), "lerp": fn("lerp", weight=0.5),
    "addcmul": lambda lib, x, y: lib.addcmul(x, x, y),
    "where": lambda lib, x, y: lib.where(lib.tensor([True, False, True, False]), x, y),
}  # fmt: skip
JOINS = {"cat": lambda lib, x, y: lib.cat([x, y]), "stack": lambda lib, x, y: lib.stack([x, y])}
IN_PLACE = {
    name: in_place(name)
    for name in ("add_", "sub_", "mul_", "div_", "floor_divide_", "remainder_", "pow_", "atan2_", "lt_", "eq_", "copy_")
}


def tensor(lib, name, values):
    d = getattr(lib, name)
    if name == "bool":
        values = [v % 2 == 1 for v in values] if isinstance(values, list) else values % 2 == 1
    return lib.tensor(values, dtype=d)


def outcome(f, lib, x, y):
    try:
        with warnings.catch_warnings():
            if lib is torch:  # it warns of discarded imaginary parts and of its half-precision complex numbers
                warnings.simplefilter("ignore")
            return f(lib, x, y)
    except Exception as e:
        return e


def short(d):
    return str(d).rpartition(".")[2]


TOLERANCE = {
    "float16": 2e-3,
    "bfloat16": 2e-2,
    "float32": 1e-5,
    "complex64": 1e-5,
    "float64": 1e-12,
    "complex128": 1e-12,
}


def lenient(error, *operands):
    """Whether PyTorch only lacks a kernel or an overload: what we give there is by its own rules of promotion.

    Deliberately more generous as well: bools may be subtracted from numbers, numbers may stand where PyTorch's
    functions (not its operators) want tensors.
    """
    text = str(error)
    return (
        isinstance(error, NotImplementedError)
        or "not implemented for" in text
        or "must be Tensor, not" in text
        or "with a bool tensor is not supported" in text
        or "invalid default scalar type for complex" in text
        or "received an invalid combination of arguments" in text
        or any(short(x.dtype) in BAREBONES for x in operands if hasattr(x, "dtype"))
    )


def compare(ours, theirs, what, given):
    """The difference in words, or None."""
    if isinstance(theirs, Exception):
        if isinstance(ours, Exception):
            return None if isinstance(ours, (RuntimeError, TypeError)) else f"{what}: raised {ours!r}"
        return None if lenient(theirs, *given) else f"{what}: {short(ours.dtype)}, but PyTorch raises {theirs}"
    if isinstance(ours, Exception):
        if any(short(x.dtype) in BAREBONES for x in given if hasattr(x, "dtype")) and "have no common type" in str(
            ours
        ):
            return None  # PyTorch combines three operands in another order
        return f"{what}: raised {ours!r}, but PyTorch gives {theirs.dtype}"
    name = short(theirs.dtype)
    if name == "complex32":  # half-precision complex numbers: there are none here, float16 meets complex64
        name = "complex64"
        theirs = theirs.to(torch.complex64)
        tol = 2e-3
    else:
        tol = TOLERANCE.get(name, 0)
    if short(ours.dtype) != name or tuple(ours.shape) != tuple(theirs.shape):
        return f"{what}: {short(ours.dtype)} {tuple(ours.shape)}, PyTorch {name} {tuple(theirs.shape)}"
    a, b = np.array(ours.tolist()), np.array(theirs.tolist())
    if "bfloat16" in what:  # PyTorch divides complex by 0-d bfloat16 numbers through a rounded reciprocal
        tol = max(tol, 2e-2)
    if not np.allclose(a, b, rtol=tol, atol=tol, equal_nan=True):
        return f"{what}: {a}, PyTorch {b}"
    return None


def report(differences):
    differences = [d for d in differences if d]
    assert not differences, f"{len(differences)} differ from PyTorch:\n" + "\n".join(differences[:20])


@pytest.mark.parametrize("label", [*OPERATORS, *FUNCTIONS, *JOINS])
def test_two_tensors(label):
    f = {**OPERATORS, **FUNCTIONS, **JOINS}[label]
    found = []
    for form in ("tt", "t0", "0t", "00"):
        made = [
            {
                n: [tensor(lib, n, v[2] if z == "0" else v) for v, z in zip((LEFT, RIGHT), form, strict=True)]
                for n in NAMES
            }
            for lib in (rg, torch)
        ]
        for a in NAMES:
            for b in NAMES:
                mine, other = ((m[a][0], m[b][1]) for m in made)
                theirs = outcome(f, torch, *other)
                if isinstance(theirs, NotImplementedError):
                    continue
                found.append(compare(outcome(f, rg, *mine), theirs, f"{label} ({form}, {a}, {b})", mine))
    report(found)


@pytest.mark.parametrize("label", [*OPERATORS, *FUNCTIONS])
def test_tensor_and_number(label):
    f = {**OPERATORS, **FUNCTIONS}[label]
    found = []
    for a in NAMES:
        for zero in (False, True):
            x, y = (tensor(lib, a, 3 if zero else LEFT) for lib in (rg, torch))
            for v in (*NUMBERS, *NUMPY_NUMBERS):
                if a in ("uint8", *BAREBONES) and v == -1 and label in ("x ** y", "pow"):
                    continue  # the exponent wraps around here, PyTorch refuses it
                what = f"{label} ({'0-d ' * zero}{a}, {v!r})"
                found.append(compare(outcome(f, rg, x, v), outcome(f, torch, y, v), what, (x,)))
                if label in OPERATORS and not isinstance(v, np.generic):
                    found.append(compare(outcome(f, rg, v, x), outcome(f, torch, v, y), f"reflected {what}", (x,)))
    report(found)


@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow])
@pytest.mark.parametrize("name", ["float16", "float32", "float64", "int32", "complex64"])
def test_numpy_number_on_the_left_is_weak(op, name):
    x = rg.tensor(LEFT, dtype=getattr(rg, name))
    for v in (np.float64(2.0), np.float32(2.0), np.int64(2)):
        r = op(v, x)
        assert isinstance(r, rg.Tensor)
        assert r.dtype is op(v.item(), x).dtype
        assert r.tolist() == op(v.item(), x).tolist()


@pytest.mark.parametrize("label", IN_PLACE)
def test_in_place(label):
    f = IN_PLACE[label]
    found = []
    for a in NAMES[:12]:
        x, y = (tensor(lib, a, LEFT) for lib in (rg, torch))
        for b in NAMES[:12]:
            for zero in (False, True):
                v, w = (tensor(lib, b, 3 if zero else RIGHT) for lib in (rg, torch))
                what = f"{label} ({a}, {'0-d ' * zero}{b})"
                found.append(compare(outcome(f, rg, x, v), outcome(f, torch, y, w), what, (x, v)))
        for v in NUMBERS:
            if a == "uint8" and v == -1 and label == "pow_" or label == "copy_":
                continue
            found.append(compare(outcome(f, rg, x, v), outcome(f, torch, y, v), f"{label} ({a}, {v!r})", (x,)))
    report(found)


def test_in_place_refusal_names_the_types_and_keeps_the_values():
    x = rg.tensor([1, 2])
    with pytest.raises(RuntimeError, match="float32 cannot be stored in a tensor of type int64"):
        x += 2.5
    with pytest.raises(RuntimeError, match=r"convert the target with \.to\(retrograd\.float32\)"):
        x.div_(2)
    assert x.tolist() == [1, 2]


def reduction(name, *args, dtype=None):
    def call(lib, x):
        kw = {} if dtype is None else {"dtype": getattr(lib, dtype)}
        return getattr(lib, name)(x, *args, **kw)

    return call


REDUCTIONS = {
    **{n: reduction(n) for n in (
        "sum", "mean", "prod", "var", "std", "amax", "amin", "max", "min", "median", "nansum", "nanmean", "any", "all",
        "count_nonzero", "norm", "argsort",
    )},
    **{f"{n} dim": reduction(n, 0) for n in (
        "sum", "mean", "prod", "std", "any", "all", "cumsum", "cumprod", "softmax", "log_softmax",
    )},
    **{f"{n} {d}": reduction(n, 0, dtype=d)
       for n in ("sum", "prod", "cumsum", "cumprod") for d in ("int32", "float64", "float16", "complex64")},
    "mean float64": lambda lib, x: lib.mean(x, dtype=lib.float64),
    "softmax float64": lambda lib, x: lib.softmax(x, 0, dtype=lib.float64),
}  # fmt: skip


@pytest.mark.parametrize("label", REDUCTIONS)
def test_reductions(label):
    f = REDUCTIONS[label]
    found = []
    for a in NAMES:
        x, y = (tensor(lib, a, LEFT) for lib in (rg, torch))
        r = outcome(lambda lib, x, y: f(lib, x), rg, x, None)
        s = outcome(lambda lib, x, y: f(lib, x), torch, y, None)
        found.append(compare(r, s, f"{label} ({a})", (x,)))
    report(found)


ONE = {
    n: reduction(n)
    for n in (
        "abs", "neg", "sgn", "sign", "floor", "ceil", "trunc", "round", "exp", "log", "sqrt", "rsqrt", "sin", "tanh",
        "sigmoid", "relu", "reciprocal", "isnan", "isinf", "isfinite", "logical_not", "bitwise_not", "conj", "angle", "real",
        "positive", "signbit", "erf", "deg2rad", "expm1", "log1p", "nan_to_num", "isposinf", "zeros_like", "ones_like",
    )
}  # fmt: skip


@pytest.mark.parametrize("label", ONE)
def test_one_tensor(label):
    f = ONE[label]
    found = []
    for a in NAMES:
        x, y = (tensor(lib, a, LEFT) for lib in (rg, torch))
        r = outcome(lambda lib, x, y: f(lib, x), rg, x, None)
        s = outcome(lambda lib, x, y: f(lib, x), torch, y, None)
        found.append(compare(r, s, f"{label} ({a})", (x,)))
    report(found)


@pytest.mark.parametrize("name", ["float64", "float16"])
def test_default_dtype_decides_what_integers_become(name):
    def results(lib):
        i, b, f, h = (
            lib.tensor([1, 2]),
            lib.tensor([True, False]),
            lib.tensor([0.5]),
            lib.tensor([0.5], dtype=lib.float32),
        )
        return [
            f, i * 0.5, i / 2, b + 1.5, h * 2.5, h + i, lib.exp(i), lib.sqrt(b), i + 1j, lib.tensor([1j]), lib.tensor(1.5),
            lib.zeros(2), lib.ones(1), lib.full((1,), 2.5), lib.full((1,), 2), lib.arange(3.0), lib.arange(3), lib.eye(2),
            lib.linspace(0, 1, 3), lib.mean(f), lib.where(b, i, 0.5), lib.clamp(i, 0.5), i**0.5, lib.tensor([1, 2.5]),
            lib.atan2(i, i), lib.sigmoid(i), lib.as_tensor([0.5]), i.sum() / 3,
        ]  # fmt: skip

    was = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        theirs = results(torch)
    finally:
        torch.set_default_dtype(was)
    with rg.default_dtype(getattr(rg, name)):
        ours = results(rg)
    report(
        [compare(a, b, f"result {i} by default {name}", ()) for i, (a, b) in enumerate(zip(ours, theirs, strict=True))]
    )


def t8(lib, *v, d="int8"):
    return lib.tensor(list(v), dtype=getattr(lib, d))


EDGES = {
    "int8 wraps": lambda lib: t8(lib, 127) + 1,
    "uint8 wraps": lambda lib: t8(lib, 250, d="uint8") + 10,
    "uint8 below zero": lambda lib: t8(lib, 3, d="uint8") - 5,
    "number left of uint8": lambda lib: 5 - t8(lib, 7, d="uint8"),
    "number too large": lambda lib: t8(lib, 1) + 300,
    "factor too large": lambda lib: t8(lib, 2) * 200,
    "int32 wraps": lambda lib: t8(lib, 2**31 - 1, d="int32") * 2,
    "int64 wraps": lambda lib: lib.tensor([2**62]) * 4,
    "negated minimum": lambda lib: -t8(lib, -128),
    "modulus of the minimum": lambda lib: t8(lib, -128).abs(),
    "negated uint8": lambda lib: -t8(lib, 1, d="uint8"),
    "power wraps": lambda lib: t8(lib, 10) ** 3,
    "number to a power": lambda lib: 2 ** t8(lib, 10),
    "equal to what wraps": lambda lib: t8(lib, 1, 44, d="uint8") == 300,
    "less than what wraps": lambda lib: t8(lib, 1, 44) < 300,
    "uint8 equal to -1": lambda lib: t8(lib, 255, d="uint8") == -1,
    "minimum by -1": lambda lib: t8(lib, -128) // -1,
    "trunc of the minimum": lambda lib: lib.div(t8(lib, -128, -127, 127), 3, rounding_mode="trunc"),
    "trunc by negative": lambda lib: lib.div(t8(lib, -7, 7, 6, -6), -3, rounding_mode="trunc"),
    "sum does not wrap": lambda lib: t8(lib, 250, 250, d="uint8").sum(),
    "product does not wrap": lambda lib: t8(lib, 100, 100).prod(),
    "matmul wraps": lambda lib: lib.tensor([[100]], dtype=lib.int8) @ lib.tensor([[100]], dtype=lib.int8),
    "shift": lambda lib: lib.tensor([-8]) >> 1,
    "shift by too much": lambda lib: lib.tensor([-8]) >> 70,
    "float to int": lambda lib: lib.tensor([2.7, -2.7]).to(lib.int32),
    "int to uint8": lambda lib: lib.tensor([300, -1]).to(lib.uint8),
    "complex to float": lambda lib: lib.tensor([1 + 2j]).to(lib.float32),
    "float to bool": lambda lib: lib.tensor([0.0, 0.5, float("nan")]).to(lib.bool),
    "float64 to float32": lambda lib: lib.tensor([1e300], dtype=lib.float64).float(),
    "float32 to float16": lambda lib: lib.tensor([70000.0]).half(),
    "float16 overflows": lambda lib: lib.tensor([60000.0], dtype=lib.float16) * 2,
    "float16 times 1e6": lambda lib: lib.tensor([1.0], dtype=lib.float16) * 1e6,
    "float32 times 1e300": lambda lib: lib.tensor([1.0]) * 1e300,
    "powers at zero": lambda lib: lib.tensor([0.0, -1.0, 2.0]) ** lib.tensor([0.0, 0.5, -1.0]),
    "zero to a negative": lambda lib: lib.tensor([0.0]) ** -1,
    "root of a negative": lambda lib: lib.tensor([-8.0]) ** (1 / 3),
    "floats by zero": lambda lib: lib.tensor([1.0, -1.0, 0.0]) // 0,
    "float remainder by zero": lambda lib: lib.tensor([1.0, -1.0]) % 0,
    "integers truly by zero": lambda lib: lib.tensor([1, -1, 0]) / 0,
    "infinite divisor": lambda lib: lib.tensor([5.0, -5.0]) // float("inf"),
    "remainder by infinity": lambda lib: lib.tensor([5.0, -5.0]) % float("inf"),
    "floor of a quotient": lambda lib: lib.tensor([1.0]) // 0.1,
    "signs of //": lambda lib: lib.tensor([-7, 7]) // lib.tensor([2, -2]),
    "signs of %": lambda lib: lib.tensor([-7, 7]) % lib.tensor([3, -3]),
    "maximum of NaN": lambda lib: lib.maximum(lib.tensor([float("nan"), 1.0]), lib.tensor([1.0, float("nan")])),
    "sign of NaN": lambda lib: lib.sgn(lib.tensor([float("nan"), -0.0, -2.0])),
    "clamp wraps": lambda lib: lib.clamp(t8(lib, 3, d="uint8"), -1),
    "clamp overflows": lambda lib: lib.clamp(t8(lib, 3), max=300),
    "clamp by NumPy's number": lambda lib: lib.clamp(lib.tensor([1.0, 5.0]), max=np.float64(2.5)),
    "fill overflows": lambda lib: t8(lib, 3, d="uint8").fill_(300),
    "fill wraps": lambda lib: t8(lib, 3, d="uint8").fill_(-1),
    "where wraps": lambda lib: lib.where(lib.tensor([True]), t8(lib, 1, d="uint8"), -1),
    "bool + bool": lambda lib: lib.tensor([True]) + lib.tensor([True]),
    "bool - bool": lambda lib: lib.tensor([True]) - lib.tensor([True]),
    "-bool": lambda lib: -lib.tensor([True]),
    "bool alpha": lambda lib: lib.add(lib.tensor([False]), lib.tensor([True]), alpha=2),
    "bool alpha of ints": lambda lib: lib.add(lib.tensor([1]), lib.tensor([1]), alpha=True),
    "float alpha of ints": lambda lib: lib.add(lib.tensor([1]), lib.tensor([1]), alpha=0.5),
    "float & float": lambda lib: lib.tensor([1.0]) & lib.tensor([1.0]),
    "~float": lambda lib: ~lib.tensor([1.0]),
    "complex < complex": lambda lib: lib.tensor([1j]) < lib.tensor([1j]),
    "complex maximum": lambda lib: lib.maximum(lib.tensor([1j]), lib.tensor([1j])),
    "complex //": lambda lib: lib.tensor([1j]) // 2,
    "complex clamp": lambda lib: lib.clamp(lib.tensor([1j]), 0, 1),
    "complex sign": lambda lib: lib.sign(lib.tensor([1j])),
    "complex round": lambda lib: lib.round(lib.tensor([1.5j])),
    "complex max": lambda lib: lib.tensor([1j]).max(),
    "complex sort": lambda lib: lib.sort(lib.tensor([1j]))[0],
    "integer to a negative": lambda lib: lib.tensor([2]) ** -1,
}  # fmt: skip


@pytest.mark.parametrize("label", EDGES)
def test_edges(label):
    r, s = (outcome(lambda lib, x, y: EDGES[label](lib), lib, None, None) for lib in (rg, torch))
    assert isinstance(s, Exception) == isinstance(r, Exception), f"{r!r}, PyTorch {s!r}"
    if isinstance(r, Exception):
        assert isinstance(r, RuntimeError), f"{r!r} is no RuntimeError, PyTorch raises {s!r}"
    report([compare(r, s, label, ())])


@pytest.mark.parametrize(
    "divide",
    [
        lambda x, y: x // y, lambda x, y: x % y, lambda x, y: rg.fmod(x, y),
        lambda x, y: rg.div(x, y, rounding_mode="trunc"), lambda x, y: rg.div(x, y, rounding_mode="floor"),
        lambda x, y: x.clone().floor_divide_(y),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zero", [0, rg.tensor([0]), rg.tensor(0), rg.tensor([1, 0])], ids=repr)
def test_integer_division_by_zero_is_an_error_in_both_languages(divide, zero):
    with pytest.raises(ZeroDivisionError, match="integer division by zero"):
        divide(rg.tensor([4, 5]), zero)
    with pytest.raises(RuntimeError):  # what PyTorch raises
        divide(rg.tensor([4, 5]), zero)
