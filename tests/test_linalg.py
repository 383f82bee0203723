"""Linear algebra: what factors give back, failures and their reports, arguments, names; gradients are in test_linalg_grad."""

from __future__ import annotations

import inspect
import itertools

import fake_cupy
import numpy as np
import pytest
import scipy.linalg

import retrograd as rg
from retrograd.autograd.ops import linalg_lu, linalg_types

DTYPES = ("complex128", "complex64", "float32", "float64")
SHAPES = ((3, 3), (4, 2), (2, 4), (2, 3, 3), (2, 1, 3, 2), (0, 3, 3), (3, 0), (2, 0, 0))


def draw(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return rg.tensor(x.astype(dtype))


def near(a, b, dtype="float64"):
    a, b = (v.numpy() if isinstance(v, rg.Tensor) else np.asarray(v) for v in (a, b))
    assert a.shape == b.shape
    tol = 1e-10 if dtype in ("float64", "complex128") else 2e-4
    np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


def definite(shape, dtype="float64"):
    x = draw(shape, dtype)
    return x @ x.mH + rg.eye(shape[-1], dtype=x.dtype)


# ---------------------------------------------------------------- factors
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_multiply_to_the_matrix(shape, dtype):
    A = draw(shape, dtype)
    U, S, Vh = rg.linalg.svd(A, full_matrices=False)
    near((U * S.to(A.dtype).unsqueeze(-2)) @ Vh, A, dtype)
    k = min(shape[-2:])
    U, S, Vh = rg.linalg.svd(A)
    near((U[..., :k] * S.to(A.dtype).unsqueeze(-2)) @ Vh[..., :k, :], A, dtype)
    near(U.mH @ U, rg.eye(shape[-2], dtype=A.dtype).expand(U.shape), dtype)
    for mode in ("reduced", "complete"):
        Q, R = rg.linalg.qr(A, mode)
        near(Q @ R, A, dtype)
        assert not R.tril(-1).any()
    near(rg.linalg.qr(A, "r").R, rg.linalg.qr(A).R, dtype)
    P, L, U = rg.linalg.lu(A)
    near(P @ L @ U, A, dtype)
    for pivot in (True, False):
        P, L, U = rg.lu_unpack(*rg.linalg.lu_factor_ex(A, pivot=pivot)[:2])
        near(P @ L @ U, A, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [s for s in SHAPES if s[-1] == s[-2]])
def test_square_factors_multiply_to_the_matrix(shape, dtype):
    A, H = draw(shape, dtype), definite(shape, dtype)
    w, V = rg.linalg.eig(A)
    near(A.to(V.dtype) @ V, V * w.unsqueeze(-2), dtype)
    for uplo in ("L", "U"):
        w, V = rg.linalg.eigh(H, uplo)
        near((V * w.to(V.dtype).unsqueeze(-2)) @ V.mH, H, dtype)
        near(rg.linalg.eigvalsh(H, uplo), w, dtype)
    L = rg.linalg.cholesky(H)
    near(L @ L.mH, H, dtype)
    near(rg.linalg.cholesky(H, upper=True), L.mH, dtype)
    B = draw((*shape[:-1], 2), dtype, 1)
    near(H @ rg.cholesky_solve(B, L), B, dtype)
    near(H @ rg.cholesky_solve(B, L.mH, upper=True), B, dtype)
    near(H @ rg.cholesky_inverse(L), rg.eye(shape[-1], dtype=H.dtype).expand(shape), dtype)
    for hermitian, M in ((True, H), (False, A + A.mT)):
        LD, pivots, info = rg.linalg.ldl_factor_ex(M, hermitian=hermitian)
        assert not info.any()
        near(M @ rg.linalg.ldl_solve(LD, pivots, B, hermitian=hermitian), B, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 3), (5, 1)])
def test_reflectors_multiply_to_q(shape, dtype):
    A = draw(shape, dtype)
    a, tau = rg.geqrf(A)
    Q = rg.linalg.householder_product(a, tau)
    near(Q @ a[..., : shape[-1], :].triu(), A, dtype)
    near(rg.orgqr(a, tau), Q, dtype)
    C = draw((*shape[:-1], 2), dtype, 1)
    near(rg.ormqr(a, tau, C, transpose=True)[..., : shape[-1], :], Q.mH @ C, dtype)
    near(rg.ormqr(a, tau, rg.ormqr(a, tau, C, transpose=True)), C, dtype)
    near(rg.ormqr(a, tau, C.mH, left=False), rg.ormqr(a, tau, C, transpose=True).mH, dtype)


def test_elimination_without_a_batched_lapack_is_lapack_s():
    for shape in ((4, 4), (2, 5, 3), (2, 3, 5)):
        a = draw(shape).numpy()
        ours = linalg_lu._eliminate(np, a, True)
        theirs = linalg_lu._factor(np, (a,), True)
        near(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


# ---------------------------------------------------------------- failures
SINGULAR = rg.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 4.0]]])


def test_failures_are_linalg_errors_of_both_worlds():
    assert issubclass(rg.linalg.LinAlgError, RuntimeError) and issubclass(rg.linalg.LinAlgError, np.linalg.LinAlgError)
    for f in (rg.linalg.inv, rg.inverse, lambda A: rg.linalg.solve(A, rg.ones(2, 2)), lambda A: A.matrix_power(-1)):
        with pytest.raises(
            rg.linalg.LinAlgError, match=r"\(batch element 1\) the matrix is singular \(pivot 2 is zero\)"
        ):
            f(SINGULAR)
    with pytest.raises(rg.linalg.LinAlgError, match=r"linalg\.cholesky: .*minor of order 3"):
        rg.linalg.cholesky(rg.diag(rg.tensor([1.0, 2.0, -1.0])))
    with pytest.raises(rg.linalg.LinAlgError, match=r"linalg\.lu_factor: .*pivot 2 of U is zero"):
        rg.linalg.lu_factor(SINGULAR)
    with pytest.raises(rg.linalg.LinAlgError, match=r"linalg\.ldl_factor: block 1 of D is zero"):
        rg.linalg.ldl_factor(rg.zeros(2, 2))
    with pytest.raises(rg.linalg.LinAlgError, match=r"linalg\.lstsq: .*full rank"):
        rg.linalg.lstsq(rg.tensor([[1.0, 0.0], [2.0, 0.0]]), rg.ones(2, 1), driver="gels")
    with pytest.raises(RuntimeError, match="driver='gesvd' is for CUDA"):
        rg.linalg.svd(SINGULAR, driver="gesvd")


def test_reports_name_the_failure_and_spare_the_others():
    inverse, info = rg.linalg.inv_ex(SINGULAR)
    assert info.tolist() == [0, 2] and info.dtype is rg.int32
    near(inverse[0], np.eye(2))
    assert inverse[1].isnan().all()
    x, info = rg.linalg.solve_ex(SINGULAR, rg.ones(2))
    assert info.tolist() == [0, 2] and x[0].tolist() == [1.0, 1.0] and x[1].isnan().all()
    assert rg.linalg.lu_factor_ex(SINGULAR).info.tolist() == [0, 2]
    L, info = rg.linalg.cholesky_ex(rg.stack([rg.eye(2), -rg.eye(2)]))
    assert info.tolist() == [0, 1]
    near(L[0], np.eye(2))
    upper = rg.linalg.cholesky_ex(rg.tensor([[1.0, 2.0], [9.0, 1.0]]), upper=True)
    assert upper.info.item() == 2  # reads the upper triangle: 1 - 2 * 2 < 0
    for f in (rg.linalg.inv_ex, rg.linalg.lu_factor_ex):
        with pytest.raises(rg.linalg.LinAlgError):
            f(SINGULAR, check_errors=True)


def test_singular_matrices_where_an_answer_exists():
    assert rg.linalg.cond(SINGULAR, 1).tolist() == [1.0, float("inf")]
    assert rg.linalg.cond(SINGULAR, "nuc").tolist() == [4.0, float("inf")]
    sign, logabs = rg.linalg.slogdet(SINGULAR)
    assert sign.tolist() == [1.0, 0.0] and logabs.tolist() == [0.0, -float("inf")]
    assert rg.linalg.matrix_rank(SINGULAR).tolist() == [2, 1]
    x = rg.linalg.solve_triangular(rg.tensor([[0.0]]), rg.tensor([[2.0]]), upper=True)
    assert x.item() == float("inf")


@pytest.mark.parametrize("name", ["bfloat16", "bool", "float16", "int64"])
def test_other_types_are_refused_by_name(name):
    A = rg.eye(2).to(getattr(rg, name))
    for f in ("cholesky", "det", "eigh", "inv", "qr", "svd"):
        with pytest.raises(TypeError, match=rf"linalg\.{f}: A is {name}; .*A\.float\(\)"):
            getattr(rg.linalg, f)(A)


# ---------------------------------------------------------------- arguments
def test_tolerances_of_the_rank():
    A = rg.diag(rg.tensor([4.0, 2.0, 1e-3, 0.0]))
    rank = rg.linalg.matrix_rank
    assert rank(A).item() == 3 and rank(A, 1e-2).item() == 2 and rank(A, rtol=0.6).item() == 1
    assert rank(A, atol=3.0).item() == 1 and rank(A, atol=rg.tensor([1e-4, 1e-2, 3.0])).tolist() == [3, 2, 1]
    assert rank(A, atol=1e-2, rtol=0.6).item() == 1
    assert rank(-A, hermitian=True).item() == 3
    near(rg.linalg.pinv(A, atol=1e-2), np.diag([0.25, 0.5, 0.0, 0.0]).astype("f"), "float32")
    near(rg.linalg.pinv(-A, rtol=0.3, hermitian=True), -np.diag([0.25, 0.5, 0.0, 0.0]).astype("f"), "float32")


@pytest.mark.parametrize("driver", ["gels", "gelsd", "gelss", "gelsy"])
def test_least_squares_by_every_driver(driver):
    for dtype in DTYPES:
        A, B = draw((2, 5, 3), dtype), draw((2, 5, 2), dtype, 1)
        got = rg.linalg.lstsq(A, B, driver=driver)
        best = np.stack([np.linalg.lstsq(a, b, rcond=None)[0] for a, b in zip(A.numpy(), B.numpy(), strict=True)])
        near(got.solution, best, dtype)
        assert got.rank.tolist() == ([] if driver == "gels" else [3, 3])
        assert got.singular_values.shape == ((2, 3) if driver in ("gelsd", "gelss") else (0,))
        if driver == "gelsy":
            assert got.residuals.shape == (0,)
        else:
            near(got.residuals, (np.abs(A.numpy() @ best - B.numpy()) ** 2).sum(-2), dtype)


def test_lstsq_of_a_rank_deficient_matrix_gives_the_shortest_solution():
    A, B = rg.ones(3, 2), rg.tensor([[1.0], [2.0], [3.0]])
    for driver in ("gelsd", "gelss", "gelsy"):
        got = rg.linalg.lstsq(A, B, driver=driver)
        near(got.solution, [[1.0], [1.0]], "float32")
        assert got.rank.item() == 1 and got.residuals.shape == (0,)


def test_results_go_into_out():
    A = draw((3, 3))
    out = rg.empty(3, 3, dtype=rg.float64)
    assert rg.linalg.inv(A, out=out) is out
    near(out, np.linalg.inv(A.numpy()))
    q, r = rg.empty(0, dtype=rg.float64), rg.empty(0, dtype=rg.float64)
    got = rg.linalg.qr(A, out=(q, r))
    assert got.Q is q and got.R is r
    near(q @ r, A)
    with pytest.raises(TypeError, match=r"linalg\.slogdet: out must be a tuple of 2 tensors"):
        rg.linalg.slogdet(A, out=q)


def test_the_exponential_of_large_and_single_precision_matrices():
    for scale in (1e-3, 0.1, 0.7, 2.0, 5.0, 40.0):
        A = draw((2, 4, 4), seed=3).numpy() * scale
        want = np.stack([scipy.linalg.expm(a) for a in A])
        np.testing.assert_allclose(rg.linalg.matrix_exp(rg.tensor(A)).numpy(), want, rtol=1e-9)
        single = rg.linalg.matrix_exp(rg.tensor(A.astype("f")))
        assert single.dtype is rg.float32
        if scale < 10:
            np.testing.assert_allclose(single.numpy(), want, rtol=2e-5, atol=1e-6 * np.abs(want).max())


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_the_exponential_takes_half_types(name):
    r = rg.linalg.matrix_exp(rg.eye(2).to(getattr(rg, name)))
    assert r.dtype.name == name
    np.testing.assert_allclose(r.float().numpy(), np.eye(2) * np.e, rtol=1e-2)


def test_multi_dot_multiplies_in_the_cheapest_order():
    sizes = [30, 35, 15, 5, 10, 20, 25]  # Introduction to Algorithms, 15.2: ((A1 (A2 A3)) ((A4 A5) A6))
    from retrograd.autograd.ops.linalg_products import _best_order

    best = _best_order(sizes)
    assert best[0][5] == 2 and best[0][2] == 0 and best[3][5] == 4
    xs = [draw((a, b), seed=i) for i, (a, b) in enumerate(itertools.pairwise(sizes))]
    np.testing.assert_allclose(rg.linalg.multi_dot(xs).numpy(), np.linalg.multi_dot([x.numpy() for x in xs]), rtol=1e-9)


# ---------------------------------------------------------------- few of many
def test_low_rank_decompositions_are_exact_for_low_rank():
    rg.manual_seed(0)
    A, M = draw((2, 6, 2)) @ draw((2, 2, 5), seed=1), draw((6, 5), seed=2)
    for x, shift in ((A, None), (A.mT, None), (A + M, M)):
        U, S, V = rg.svd_lowrank(x, q=2, M=shift)
        near((U * S.unsqueeze(-2)) @ V.mT, A if x is not A.mT and shift is not None else x)
    U, S, V = rg.pca_lowrank(A, q=3)
    near((U * S.unsqueeze(-2)) @ V.mT, A - A.mean(-2, keepdim=True))
    assert rg.pca_lowrank(A)[1].shape == (2, 5) and rg.pca_lowrank(A, center=False, q=2)[1].shape == (2, 2)


@pytest.mark.parametrize("largest", [False, True])
def test_lobpcg_finds_the_extreme_pairs(largest):
    rg.manual_seed(1)
    A, B = definite((2, 12, 12)) + rg.diag(rg.arange(12.0, dtype=rg.float64)), definite((12, 12))
    seen = []
    E, X = rg.lobpcg(A, k=3, largest=largest, tol=1e-11, tracker=seen.append)
    w = np.linalg.eigvalsh(A.numpy())
    np.testing.assert_allclose(E.numpy(), w[:, ::-1][:, :3] if largest else w[:, :3], rtol=1e-9)
    near(A @ X, X * E.unsqueeze(-2), "float32")
    assert len(seen) > 2 and [s.ivars["istep"] for s in seen][:2] == [0, 1] and seen[-1].E.shape == (3,)
    E, X = rg.lobpcg(A[0], k=2, B=B, largest=largest, tol=1e-11, iK=rg.linalg.inv(A[0]))
    w = scipy.linalg.eigh(A[0].numpy(), B.numpy(), eigvals_only=True)
    np.testing.assert_allclose(E.numpy(), w[::-1][:2] if largest else w[:2], rtol=1e-9)
    assert rg.lobpcg(A[0], X=draw((12, 3)), k=1, niter=0)[0].shape == (1,)
    with pytest.raises(ValueError, match="k=3 eigenpairs from 2 columns"):
        rg.lobpcg(A[0], k=3, X=draw((12, 2)))


# ---------------------------------------------------------------- names
def test_named_tuples_have_pytorch_s_fields():
    torch = pytest.importorskip("torch")
    for name in linalg_types.__all__:
        ours = getattr(linalg_types, name)
        assert list(ours._fields) == list(getattr(torch.return_types, name).__match_args__), name


def test_the_namespace_is_pytorch_s():
    torch = pytest.importorskip("torch")
    theirs = {n for n in dir(torch.linalg) if not n.startswith("_")} - {"common_notes", "Tensor", "torch"}
    assert sorted(rg.linalg.__all__) == sorted(theirs & set(dir(torch.linalg)))
    for name in sorted(rg.linalg.__all__):
        assert inspect.getdoc(getattr(rg.linalg, name)), name


def test_removed_functions_name_their_successors():
    A = rg.eye(2)
    for f, successor in (
        (lambda: rg.solve(A, A), "linalg.solve"),
        (lambda: A.lstsq(A), "linalg.lstsq"),
        (lambda: A.symeig(eigenvectors=True), "linalg.eigh"),
        (lambda: rg.eig(A), "linalg.eig"),
        (lambda: rg.matrix_rank(A), "linalg.matrix_rank"),
    ):
        with pytest.raises(RuntimeError, match=rf"removed .*{successor}"):
            f()


# ---------------------------------------------------------------- devices
@pytest.mark.parametrize("on_backend", ["fake", fake_cupy.GPU], indirect=True)
def test_singular_matrices_are_found_on_a_device(on_backend):
    A = SINGULAR.to(on_backend)
    assert rg.linalg.inv_ex(A).info.cpu().tolist() == [0, 2]
    assert rg.linalg.lu_factor_ex(A).info.cpu().tolist() == [0, 2]
    with pytest.raises(rg.linalg.LinAlgError, match=r"linalg\.inv: \(batch element 1\)"):
        rg.linalg.inv(A)
    with pytest.raises(rg.linalg.LinAlgError, match="order 1"):
        rg.linalg.cholesky(-A)
    x = rg.linalg.lstsq(A[1], A[1][:, :1]).solution
    assert x.device.type == "cuda" and x.cpu().shape == (2, 1)
