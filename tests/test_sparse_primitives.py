"""The primitives of sparse matrices: values against SciPy's, derivatives of every order and mode, chunks, types."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import retrograd as rg
from retrograd.autograd.ops.embedding import embedding_sparse_p
from retrograd.autograd.registry import PRIMITIVES
from retrograd.autograd.sparse import pattern as patterns
from retrograd.autograd.sparse.pattern import Pattern, product_places, sampled_mm_p, sparse_mm_p, sparse_sparse_p
from retrograd.func import jacfwd, jacrev

_rng = np.random.default_rng(3)
N, K, M = 4, 5, 3


def draw(n, m, seed):
    """(pattern in no order, values, the SciPy matrix)."""
    rng = np.random.default_rng(seed)
    rows, cols = np.nonzero(rng.random((n, m)) < 0.45)
    order = rng.permutation(rows.size)
    rows, cols = rows[order].astype(np.int64), cols[order].astype(np.int64)
    values = rng.normal(size=rows.size)
    return Pattern.of(rows, cols, (n, m)), values, scipy.sparse.coo_array((values, (rows, cols)), shape=(n, m))


P, V, A = draw(N, K, 0)
Q, W, B = draw(K, M, 1)
D = _rng.normal(size=(K, M))
G = _rng.normal(size=(N, M))
IDS = np.array([[1, 2, 2], [4, 0, 1]])


def product_pattern():
    rows, cols, _ = product_places(P, Q)
    return Pattern.of(rows, cols, (N, M))


def rows_of(table, padding=None):
    return embedding_sparse_p(table, IDS, padding)


CASES = {
    "sparse_mm": (lambda v, d: sparse_mm_p((v, d), P), (V, D)),
    "sparse_mm transposed": (lambda v, d: sparse_mm_p((v, d), P.T), (V, G)),
    "sampled_mm": (lambda g, d: sampled_mm_p((g, d), P), (G, D)),
    "sampled_mm transposed": (lambda g, d: sampled_mm_p((g, d), P.T), (D, G)),
    "sparse_sparse": (lambda v, w: sparse_sparse_p((v, w), P, Q, product_pattern()), (V, W)),
    "sparse_coo_tensor": (
        lambda v: rg.sparse_coo_tensor(rg.tensor(np.stack([P.rows, P.cols])), v, (N, K)).to_dense(),
        (V,),
    ),
    "sparse_compressed_tensor": (
        lambda v: rg.sparse_csr_tensor(rg.tensor([0, 1, 1, 3]), rg.tensor([2, 0, 1]), v[:3], (3, 4)).to_dense(),
        (V,),
    ),
}
EXPECTED = {
    "sparse_mm": A @ D,
    "sparse_mm transposed": A.T @ G,
    "sampled_mm": (G @ D.T)[P.rows, P.cols],
    "sampled_mm transposed": (D @ G.T)[P.cols, P.rows],
    "sparse_sparse": (A @ B).toarray()[product_pattern().rows, product_pattern().cols],
    "sparse_coo_tensor": A.toarray(),
    "sparse_compressed_tensor": scipy.sparse.csr_array((V[:3], [2, 0, 1], [0, 1, 1, 3]), shape=(3, 4)).toarray(),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_values_equal_scipys(name):
    f, xs = CASES[name]
    np.testing.assert_allclose(f(*(rg.tensor(x) for x in xs)).numpy(), EXPECTED[name], atol=1e-14)


@pytest.mark.parametrize("name", sorted(CASES))
def test_first_and_second_derivatives(name):
    f, xs = CASES[name]
    leaves = tuple(rg.tensor(x, requires_grad=True) for x in xs)
    assert rg.autograd.gradcheck(f, leaves) and rg.autograd.gradgradcheck(f, leaves)


@pytest.mark.parametrize("name", sorted(CASES))
def test_forward_mode_is_the_transpose_of_reverse_mode(name):
    f, xs = CASES[name]
    which = tuple(range(len(xs)))
    leaves = [rg.tensor(x) for x in xs]
    for a, b in zip(jacfwd(f, which)(*leaves), jacrev(f, which)(*leaves), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)
        assert a.abs().max() > 0.1


@pytest.mark.parametrize("padding", [None, 2])
def test_rows_of_a_table(padding):
    table = _rng.normal(size=(5, 2))
    leaf = rg.tensor(table, requires_grad=True)
    out = rows_of(leaf, padding)
    np.testing.assert_array_equal(out.detach().numpy(), table[IDS])
    g = _rng.normal(size=(2, 3, 2))
    expected = np.zeros((5, 2))
    np.add.at(expected, IDS[padding != IDS], g[padding != IDS])
    for record in (False, True):
        (found,) = rg.autograd.grad(rows_of(leaf, padding), leaf, rg.tensor(g), create_graph=record)
        assert found.is_sparse and found._nnz() == (6 if padding is None else 4)
        np.testing.assert_allclose(found.to_dense().detach().numpy(), expected)
    tangent = rg.func.jvp(lambda t: rows_of(t, padding), (rg.tensor(table),), (rg.tensor(table[::-1].copy()),))[1]
    np.testing.assert_array_equal(tangent.numpy(), table[::-1][IDS])


def test_rows_of_a_table_twice_differentiated():
    """The gradient is linear in the cotangent, and so its derivative is the rows again."""
    leaf = rg.tensor(_rng.normal(size=(5, 2)), requires_grad=True)
    f = lambda v: (rg.nn.functional.embedding(rg.tensor(IDS), v, sparse=True) ** 3).sum()
    (g,) = rg.autograd.grad(f(leaf), leaf, create_graph=True)
    (h,) = rg.autograd.grad((g.to_dense() ** 2).sum(), leaf)
    dense = leaf.detach().clone().requires_grad_()
    f = lambda v: (rg.nn.functional.embedding(rg.tensor(IDS), v) ** 3).sum()
    (g,) = rg.autograd.grad(f(dense), dense, create_graph=True)
    (expected,) = rg.autograd.grad((g**2).sum(), dense)
    np.testing.assert_allclose(h.to_dense().numpy(), expected.numpy())
    assert expected.abs().max() > 0.1


def test_these_are_all_of_them():
    found = {n for n in PRIMITIVES if n.startswith(("sparse_", "sampled_")) or n.endswith("_sparse")}
    assert found == {n.partition(" ")[0] for n in CASES} | {"embedding_sparse"}


def test_sampled_products_in_parts(monkeypatch):
    whole = sampled_mm_p((G, D), P)
    monkeypatch.setattr(patterns, "_ROWS_AT_ONCE", 2 * M)
    np.testing.assert_array_equal(sampled_mm_p((G, D), P), whole)


@pytest.mark.parametrize("dtype", ["int64", "float32", "complex128"])
def test_other_types(dtype):
    values, dense = (V * 3).astype(dtype), (D * 3).astype(dtype)
    m = scipy.sparse.coo_array((values, (P.rows, P.cols)), shape=(N, K))
    r = sparse_mm_p((rg.tensor(values), rg.tensor(dense)), P)
    assert r.dtype.name == dtype
    np.testing.assert_allclose(r.numpy(), m.toarray() @ dense, rtol=1e-5)


def test_places_of_a_product_do_not_depend_on_values_that_cancel():
    p = Pattern.of(np.array([0, 0]), np.array([0, 1]), (1, 2))
    q = Pattern.of(np.array([0, 1]), np.array([0, 0]), (2, 1))
    rows, cols, start = product_places(p, q)
    assert rows.tolist() == [0]
    assert cols.tolist() == [0]
    assert start.tolist() == [0, 1]
    r = sparse_sparse_p((np.array([1.0, 1.0]), np.array([2.0, -2.0])), p, q, Pattern.of(rows, cols, (1, 1)))
    assert r.tolist() == [0.0]
