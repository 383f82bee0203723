"""Complex tensors against PyTorch: values and gradients in its convention, views of the parts, mixed operands."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")


def on(name, *args):
    return lambda lib, x: getattr(lib, name)(x, *args)


def both(name):
    return lambda lib, x, y: getattr(lib, name)(x, y)


ONE = {
    **{n: on(n) for n in (
        "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "sqrt",
        "rsqrt", "reciprocal", "square", "neg", "abs", "angle", "sgn", "conj", "real", "imag", "sigmoid", "log2", "log10",
        "log1p", "expm1", "exp2", "positive", "sum", "mean", "prod", "var", "std", "norm", "view_as_real", "diag",
    )},
    "cumsum": on("cumsum", 0), "cumprod": on("cumprod", 0), "flip": on("flip", (0,)), "roll": on("roll", 1),
    "norm 1": lambda lib, x: x.norm(1),
    "x ** 2": lambda lib, x: x**2, "x ** 0.5": lambda lib, x: x**0.5, "x ** z": lambda lib, x: x ** (1 + 0.5j),
    "2 ** x": lambda lib, x: 2**x, "z * x": lambda lib, x: 1j * x, "x / z": lambda lib, x: x / (1 + 1j),
    "z / x": lambda lib, x: (2 - 1j) / x, "z - x": lambda lib, x: 1j - x,
    "squared modulus": lambda lib, x: x.real**2 + x.imag**2, "x * conj(x)": lambda lib, x: x * x.conj(),
    "mH": lambda lib, x: x.reshape(1, -1).mH, "indexing": lambda lib, x: x[lib.tensor([0, 0, 2])],
    "pairs and back": lambda lib, x: lib.view_as_complex(lib.view_as_real(x) * 2),
    "masked_fill": lambda lib, x: x.masked_fill(x.real > 0, 1j), "to real": lambda lib, x: x.to(lib.float64),
    "to complex64": lambda lib, x: x.to(lib.complex64).to(lib.complex128),
    "prod with a zero": lambda lib, x: lib.prod(x * lib.tensor([1, 0, 1])),
    "cumprod with a zero": lambda lib, x: lib.cumprod(x * lib.tensor([1, 0, 1]), 0),
    "abs at 0": lambda lib, x: (x * 0).abs(), "sgn at 0": lambda lib, x: lib.sgn(x * 0),
    "angle at 0": lambda lib, x: lib.angle(x * 0),
    "polar": lambda lib, x: lib.polar(x.abs(), x.angle()), "complex": lambda lib, x: lib.complex(x.imag, x.real),
}  # fmt: skip
TWO = {
    **{n: both(n) for n in (
        "add", "sub", "mul", "div", "pow", "matmul", "dot", "vdot", "outer", "inner", "logaddexp",
    )},
    "lerp": lambda lib, x, y: lib.lerp(x, y, 0.3), "addcmul": lambda lib, x, y: lib.addcmul(x, x, y, value=2),
    "addcdiv": lambda lib, x, y: lib.addcdiv(x, x, y, value=1j), "alpha": lambda lib, x, y: lib.add(x, y, alpha=1 + 2j),
    "stack": lambda lib, x, y: lib.stack([x, y]), "cat": lambda lib, x, y: lib.cat([x, y]),
    "where": lambda lib, x, y: lib.where(x.real > 0, x, y), "einsum": lambda lib, x, y: lib.einsum("i,j->ij", x, y),
    "broadcast": lambda lib, x, y: x[:, None] * y, "in place": lambda lib, x, y: (x * 1).mul_(y),
}  # fmt: skip
# PyTorch fails in backward, or wants one dtype, when one operand is real.
ONLY_BOTH = {"logaddexp", "where", "einsum", "lerp", "addcdiv", "dot", "vdot", "inner", "matmul", "in place", "addcmul"}


def draw(rng, kind, n=3):
    if kind == "c":
        return rng.normal(size=n) + 1j * rng.normal(size=n)
    return rng.uniform(0.5, 1.5, n)


def run(lib, f, arrays):
    xs = [lib.tensor(a, requires_grad=True) for a in arrays]
    r = f(lib, *xs)
    rng = np.random.default_rng(1)
    g = rng.normal(size=tuple(r.shape))
    if r.is_complex():
        g = g + 1j * rng.normal(size=tuple(r.shape))
    grad = torch.autograd.grad if lib is torch else rg.autograd.grad
    return r, grad(r, xs, lib.tensor(g, dtype=r.dtype))


def agree(f, arrays):
    (ours, our_grads), (theirs, their_grads) = run(rg, f, arrays), run(torch, f, arrays)
    for a, b in zip([ours, *our_grads], [theirs, *their_grads], strict=True):
        assert a.dtype.name == str(b.dtype).removeprefix("torch.")
        np.testing.assert_allclose(np.array(a.tolist()), np.array(b.tolist()), rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Casting complex values")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", sorted(set(ONE) - {"acosh"}))
def test_one_operand(name, seed):
    agree(ONE[name], [draw(np.random.default_rng(seed), "c")])


@pytest.mark.parametrize("kinds", ["cc", "cr", "rc"])
@pytest.mark.parametrize("name", TWO)
def test_two_operands(name, kinds):
    if kinds != "cc" and name in ONLY_BOTH:
        pytest.skip("PyTorch wants both complex")
    rng = np.random.default_rng(0)
    agree(TWO[name], [draw(rng, k) for k in kinds])


def test_acosh_has_the_derivative_of_its_own_branch():
    """PyTorch's has the sign of the other branch where the real part is negative; differences settle it."""
    z, h = np.array([-0.7 + 0.4j, -1.2 - 0.3j, 0.5 + 2j]), 1e-6
    x = rg.tensor(z, requires_grad=True)
    (g,) = rg.autograd.grad(rg.acosh(x), x, rg.ones(3, dtype=rg.complex128))
    np.testing.assert_allclose(g.numpy(), np.conj((np.arccosh(z + h) - np.arccosh(z - h)) / (2 * h)), rtol=1e-8)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_matrices(dtype):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(2, 3, 3)) + 1j * rng.normal(size=(2, 3, 3)) for _ in range(2))
    for f in (
        lambda lib, x, y: x @ y,
        lambda lib, x, y: lib.bmm(x, y.mH),
        lambda lib, x, y: lib.einsum("bij,bjk->bik", x, y),
        lambda lib, x, y: (x @ y).sum((0, 1)),
        lambda lib, x, y: lib.addmm(x[0], x[1], y[0], beta=1j, alpha=2 - 1j),
        lambda lib, x, y: lib.stack([lib.trace(x[0]), lib.trace(y[1])]),
    ):
        agree(lambda lib, x, y, f=f: f(lib, x.to(getattr(lib, dtype)), y.to(getattr(lib, dtype))), [x, y])


@pytest.mark.parametrize(
    "name", ["exp", "log", "sin", "tanh", "sqrt", "reciprocal", "abs", "angle", "sgn", "x ** z", "prod"]
)
def test_gradcheck_first_and_second_order(name):
    x = rg.tensor(draw(np.random.default_rng(3), "c"), requires_grad=True)
    f = ONE[name]
    assert rg.autograd.gradcheck(lambda x: f(rg, x), (x,))
    assert rg.autograd.gradgradcheck(lambda x: f(rg, x), (x,))


@pytest.mark.parametrize("op", ["mul", "div", "add", "sub", "pow"])
def test_the_gradient_of_a_real_operand_is_real(op):
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    z = rg.tensor([1 + 1j, 2 - 1j], requires_grad=True)
    getattr(rg, op)(x, z).abs().sum().backward()
    assert x.grad.dtype is rg.float32
    assert z.grad.dtype is rg.complex64


# ---------------------------------------------------------------- the parts are views
def test_writes_through_the_parts_reach_the_tensor():
    z = rg.tensor([1 + 2j, 3 - 1j])
    z.real.mul_(10)
    z.imag[0] = 7
    assert z.tolist() == [10 + 7j, 30 - 1j]
    rg.view_as_real(z)[0, 0] = -1
    assert z.tolist() == [-1 + 7j, 30 - 1j]
    z.real = rg.tensor([5.0, 6.0])
    z.imag = rg.zeros(2)
    assert z.tolist() == [5, 6]
    pairs = rg.tensor([[1.0, 2.0], [3.0, 4.0]])
    rg.view_as_complex(pairs)[0] = 9j
    assert pairs.tolist() == [[0, 9], [3, 4]]
    assert z.real.data_ptr() == z.data_ptr()
    assert rg.view_as_real(z).shape == (2, 2)


WRITES = {
    "scaled real part": lambda lib, y: y.real.mul_(3),
    "overwritten imaginary element": lambda lib, y: y.imag.__setitem__(0, 3.0),
    "added to the imaginary part": lambda lib, y: y.imag.add_(y.real.detach()),
    "pairs": lambda lib, y: lib.view_as_real(y)[:, 1].mul_(-2),
    "an element": lambda lib, y: y.__setitem__(1, 2j),
    "a slice, scaled": lambda lib, y: y[1:].mul_(1 + 1j),
    "the part of a slice": lambda lib, y: y[1:].imag.mul_(5),
}


@pytest.mark.parametrize("name", WRITES)
def test_gradients_through_writes_into_the_parts(name):
    grads = []
    for lib in (rg, torch):
        w = lib.tensor([1 + 2j, 3 - 1j, -2 + 0.5j], dtype=lib.complex128, requires_grad=True)
        y = w * (1 + 0.5j)
        WRITES[name](lib, y)
        (y * y).imag.sum().backward()
        grads.append(np.array(w.grad.tolist()))
    np.testing.assert_allclose(*grads)


def test_a_complex_output_needs_a_gradient():
    z = rg.tensor([1 + 1j], requires_grad=True)
    with pytest.raises(RuntimeError, match="complex64 output needs an explicit gradient"):
        (z * 2).sum().backward()
    (z * z).sum().backward(rg.tensor(1 + 0j))
    assert z.grad.tolist() == [2 - 2j]


@pytest.mark.parametrize(
    "call",
    [
        lambda: rg.imag(rg.ones(2)), lambda: rg.view_as_real(rg.ones(2)), lambda: rg.view_as_complex(rg.ones(3)),
        lambda: rg.view_as_complex(rg.ones(3, 2).half()), lambda: rg.complex(rg.ones(2), rg.ones(2).double()),
        lambda: rg.tensor([1j]) < 1, lambda: rg.tensor([1j]).max(), lambda: rg.tensor([1j]).clamp(0, 1),
        lambda: rg.tensor([1j]).sign(), lambda: rg.tensor([1j]).floor(), lambda: float(rg.tensor(1j)),
        lambda: int(rg.tensor(1j)), lambda: rg.tensor([1.0]).mul_(1j), lambda: rg.deg2rad(rg.tensor([1j])),
        lambda: rg.isposinf(rg.tensor([1j])), lambda: rg.tensor([1j]).round(), lambda: rg.tensor([1j]).sort(),
    ],
)  # fmt: skip
def test_what_complex_numbers_cannot_do(call):
    with pytest.raises(RuntimeError):
        call()
