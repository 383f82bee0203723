"""Gradients of the linear algebra: what depends on no arbitrary sign or phase, against PyTorch and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg

REAL_COMPLEX = ("complex128", "float64")


def draw(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if dtype == "complex128" else x


def modulus2(lib, x):
    return lib.real(x * x.conj()) if x.is_complex() else x * x


def weights(shape):
    return np.linspace(0.5, 2.0, int(np.prod(shape))).reshape(shape)


def weighed(lib, *xs):
    """A real number of tensors, whatever the phases of their elements."""
    total = 0
    for x in xs:
        total = total + (modulus2(lib, x) * lib.tensor(weights(tuple(x.shape)))).sum()
    return total


def same_derivatives(f, *arrays):
    """f(lib, *tensors), a real number, has PyTorch's value, gradient, and gradient of the squared gradient."""
    torch = pytest.importorskip("torch")
    found = []
    for lib in (rg, torch):
        xs = [lib.tensor(a).requires_grad_() for a in arrays]
        y = f(lib, *xs)
        gs = lib.autograd.grad(y, xs, create_graph=True)
        hs = lib.autograd.grad(sum(modulus2(lib, g).sum() for g in gs), xs)
        found.append([v.detach().resolve_conj().numpy() if lib is torch else v.detach().numpy() for v in (y, *gs, *hs)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-8 * max(1.0, np.abs(theirs).max()))


# ---------------------------------------------------------------- against PyTorch
@pytest.mark.parametrize("dtype", REAL_COMPLEX)
@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigh(dtype, uplo):
    same_derivatives(lambda lib, a: weighed(lib, *lib.linalg.eigh(a, UPLO=uplo)), draw((2, 4, 4), dtype))
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.eigh(a, UPLO=uplo)[1]), draw((3, 3), dtype))
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.eigvalsh(a, UPLO=uplo)), draw((2, 4, 4), dtype))


@pytest.mark.parametrize("dtype", REAL_COMPLEX)
def test_eig(dtype):
    same_derivatives(lambda lib, a: weighed(lib, *lib.linalg.eig(a)), draw((2, 4, 4), dtype))
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.eig(a)[1]), draw((3, 3), dtype))

    def trace_of_a_power(lib, a):  # in no order of the eigenvalues
        return lib.real(lib.linalg.eigvals(a) ** 3).sum()

    same_derivatives(trace_of_a_power, draw((2, 4, 4), dtype))


@pytest.mark.parametrize("dtype", REAL_COMPLEX)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 2, 4)])
def test_svd(dtype, shape):
    a = draw(shape, dtype)
    k = min(shape[-2:])
    same_derivatives(lambda lib, a: weighed(lib, *lib.linalg.svd(a, full_matrices=False)), a)
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.svd(a, full_matrices=False)[0]), a)
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.svd(a, full_matrices=False)[2]), a)
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.svd(a)[0][..., :k], lib.linalg.svd(a)[1]), a)
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.svdvals(a)), a)
    same_derivatives(lambda lib, a: weighed(lib, *lib.svd(a)), a)


@pytest.mark.parametrize("dtype", REAL_COMPLEX)
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_and_its_solvers(dtype, upper):
    a = draw((2, 3, 3), dtype)
    a = a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(3)
    f = np.linalg.cholesky(a)
    f = np.conj(np.swapaxes(f, -1, -2)) if upper else f
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.cholesky(a, upper=upper)), a)
    same_derivatives(lambda lib, f: weighed(lib, lib.cholesky_inverse(f, upper)), f)
    same_derivatives(lambda lib, b, f: weighed(lib, lib.cholesky_solve(b, f, upper)), draw((2, 3, 2), dtype, 1), f)


@pytest.mark.parametrize("dtype", REAL_COMPLEX)
def test_products_of_complex_formulas(dtype):
    a, b = draw((3, 3), dtype), draw((2, 3, 2), dtype, 1)
    same_derivatives(lambda lib, a, b: weighed(lib, lib.linalg.solve(a, b)), a, b)
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.matrix_exp(a)), a)
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.det(a)), a)
    same_derivatives(lambda lib, a: weighed(lib, *lib.linalg.slogdet(a)), a)
    same_derivatives(lambda lib, a: weighed(lib, lib.linalg.pinv(a)), b)
    same_derivatives(
        lambda lib, a, b: weighed(lib, *lib.linalg.lstsq(a, b, driver="gels")[:2]), b, draw((2, 3, 1), dtype)
    )
    same_derivatives(lambda lib, a: weighed(lib, *lib.linalg.qr(a)), a)
    same_derivatives(lambda lib, a: weighed(lib, *lib.linalg.lu(a)[1:]), draw((2, 3, 5), dtype))


# ---------------------------------------------------------------- what has no gradient
def test_what_depends_on_a_phase_is_refused():
    a = rg.tensor(draw((3, 3), "complex128"), requires_grad=True)
    for f in (
        lambda: rg.linalg.eigh(a).eigenvectors.real.sum(),
        lambda: rg.linalg.eig(a).eigenvectors.real.sum(),
        lambda: rg.linalg.svd(a).U.real.sum(),
        lambda: rg.linalg.eig(a.real).eigenvectors.imag.sum(),
    ):
        with pytest.raises(RuntimeError, match=r"up to a factor exp\(i phi\)"):
            f().backward()
    U, _, Vh = rg.linalg.svd(a)  # both phases cancel here
    (U @ Vh).real.sum().backward()
    assert a.grad is not None


def test_outputs_without_a_derivative_say_so():
    tall, a = rg.ones(3, 2, requires_grad=True), rg.eye(2, requires_grad=True)
    for f, text in (
        (lambda: rg.linalg.qr(tall, "complete").Q, "mode='complete'"),
        (lambda: rg.linalg.qr(tall, "r").R, "mode='r' has no gradient"),
        (lambda: rg.geqrf(tall).tau, "use linalg.qr"),
        (lambda: rg.linalg.ldl_factor(a).LD, "linalg.ldl_factor: has no gradient"),
        (lambda: rg.linalg.ldl_solve(a, rg.tensor([1, 2]).int(), rg.ones(2, 1)), "linalg.ldl_solve: has no gradient"),
    ):
        with pytest.raises(rg.GraphError, match=text):
            f().sum().backward()
    big, pencil = rg.eye(6, requires_grad=True), rg.eye(6)
    with pytest.raises(rg.GraphError, match="B is given"):
        rg.lobpcg(big, k=1, B=pencil)[0].sum().backward()


# ---------------------------------------------------------------- finite differences
def check(f, *arrays, forward=True):
    xs = [rg.tensor(a).requires_grad_() for a in arrays]
    assert rg.autograd.gradcheck(f, xs, check_forward_ad=forward)
    assert rg.autograd.gradgradcheck(f, xs)


@pytest.mark.parametrize("dtype", REAL_COMPLEX)
def test_hermitian_functions_against_finite_differences(dtype):
    a = draw((3, 3), dtype)

    def hermitian(x):
        return x + x.mH

    check(lambda x: rg.linalg.eigvalsh(hermitian(x)), a)
    check(lambda x: modulus2(rg, rg.linalg.eigh(hermitian(x))[1]), a)
    check(lambda x: rg.linalg.cholesky(x @ x.mH + rg.eye(3, dtype=x.dtype)), a)
    check(lambda x: rg.linalg.pinv(hermitian(x), hermitian=True), a)
    L = np.tril(a) + 2 * np.eye(3)
    check(lambda b, f: rg.cholesky_solve(b, f.tril()), draw((3, 2), dtype, 1), L)
    check(lambda f: rg.cholesky_inverse(f.triu(), True), np.swapaxes(L, 0, 1).copy())


def test_every_condition_number_against_finite_differences():
    a = draw((3, 3))
    for p in (None, 2, -2, "fro", "nuc", 1, -1, np.inf, -np.inf):
        check(lambda x, p=p: rg.linalg.cond(x, p), a)


def test_lobpcg_against_finite_differences():
    a = draw((6, 6))
    a = a + a.T + np.diag(np.arange(6.0) * 3)
    X = rg.tensor(draw((6, 2), seed=1))
    check(lambda x: rg.lobpcg(x, X=X, tol=1e-13)[0], a, forward=False)
    x = rg.tensor(a).requires_grad_()
    f = lambda x: modulus2(rg, rg.lobpcg(x, X=X, tol=1e-13)[1])
    assert rg.autograd.gradcheck(f, (x,))


# ---------------------------------------------------------------- singular matrices
SINGULAR = {
    "rank 2": [[1.0, 2.0, 3.0], [2.0, 4.0, 6.5], [0.5, 1.0, 1.5]],
    "rank 1": [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.5, 1.0, 1.5]],
    "rank 0": [[0.0] * 3] * 3,
    "nearly": [[1.0, 2.0, 3.0], [2.0, 4.0 + 1e-15, 6.0], [0.5, 1.0, 1.5]],
    "complex": [[1.0, 2j, 3.0], [1j, -2.0, 3j], [0.5, 1.0, 1.5]],
}


@pytest.mark.parametrize("name", sorted(SINGULAR))
def test_det_of_singular_matrices_has_the_cofactors_as_gradient(name):
    a = np.array(SINGULAR[name])
    x = rg.tensor(a, requires_grad=True)
    y = rg.linalg.det(x)
    (rg.real(y) if x.is_complex() else y).backward()
    minors = [[np.delete(np.delete(a, i, 0), j, 1) for j in range(3)] for i in range(3)]
    cofactors = [[(-1) ** (i + j) * np.linalg.det(minors[i][j]) for j in range(3)] for i in range(3)]
    np.testing.assert_allclose(x.grad.numpy(), np.conj(cofactors), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", sorted(SINGULAR))
def test_det_of_singular_matrices_has_a_second_derivative(name):
    x = rg.tensor(np.array(SINGULAR[name])).requires_grad_()
    assert rg.autograd.gradgradcheck(rg.linalg.det, (x,))


def test_det_in_single_precision_and_batches():
    a = np.stack([SINGULAR["rank 1"], SINGULAR["rank 2"], np.eye(3)]).astype("f")
    x = rg.tensor(a, requires_grad=True)
    rg.linalg.det(x).sum().backward()
    assert x.grad.dtype is rg.float32
    np.testing.assert_allclose(x.grad[2].numpy(), np.eye(3), atol=1e-6)
    np.testing.assert_allclose(x.grad[0].numpy(), np.zeros((3, 3)), atol=1e-5)
