"""Sparse tensors against PyTorch's: results, layouts and gradients of everything that both libraries do."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # PyTorch's, once a process

_rng = np.random.default_rng(0)
A, B = (_rng.normal(size=(4, 5)) * (_rng.random((4, 5)) < 0.5) for _ in range(2))
D = _rng.normal(size=(5, 3))
V = _rng.normal(size=5)
M = _rng.normal(size=(4, 3))
BATCH = np.stack([A, B])

# Programs of (library, sparse x of A, sparse y of B, dense d, dense m): run for COO and for CSR.
BOTH = {
    "x @ d": lambda lib, x, y, d, m: x @ d,
    "mm": lambda lib, x, y, d, m: lib.mm(x, d),
    "matmul": lambda lib, x, y, d, m: lib.matmul(x, d),
    "sparse.mm": lambda lib, x, y, d, m: lib.sparse.mm(x, d),
    "x @ vector": lambda lib, x, y, d, m: x @ d[:, 0],
    "mv": lambda lib, x, y, d, m: lib.mv(x, d[:, 1]),
    "addmm": lambda lib, x, y, d, m: lib.addmm(m, x, d, beta=0.5, alpha=2.0),
    "x + y": lambda lib, x, y, d, m: x + y,
    "x * y": lambda lib, x, y, d, m: x * y,
    "x * 2": lambda lib, x, y, d, m: x * 2,
    "-x": lambda lib, x, y, d, m: -x,
    "abs": lambda lib, x, y, d, m: x.abs(),
    "atan": lambda lib, x, y, d, m: x.atan(),
    "erf": lambda lib, x, y, d, m: lib.erf(x),
    "expm1": lambda lib, x, y, d, m: x.expm1(),
    "log1p": lambda lib, x, y, d, m: x.abs().log1p(),
    "relu": lambda lib, x, y, d, m: lib.relu(x),
    "sin": lambda lib, x, y, d, m: x.sin(),
    "sqrt": lambda lib, x, y, d, m: x.abs().sqrt(),
    "tanh": lambda lib, x, y, d, m: x.tanh(),
    "sum": lambda lib, x, y, d, m: x.sum(),
    "to_dense": lambda lib, x, y, d, m: x.to_dense(),
    "to_sparse": lambda lib, x, y, d, m: x.to_sparse(),
    "float": lambda lib, x, y, d, m: x.to(lib.float32),
    "clone": lambda lib, x, y, d, m: x.clone(),
    "detach": lambda lib, x, y, d, m: x.detach(),
    "values": lambda lib, x, y, d, m: x.values(),
    "linear": lambda lib, x, y, d, m: lib.nn.functional.linear(x, d.t()),
}
COO = {
    "x - y": lambda lib, x, y, d, m: x - y,
    "x / 2": lambda lib, x, y, d, m: x / 2,
    "asin": lambda lib, x, y, d, m: (x / 9).asin(),
    "d.T @ x.T": lambda lib, x, y, d, m: d.t() @ x.t(),
    "x @ y.T": lambda lib, x, y, d, m: x @ y.t(),
    "sparse.mm of two": lambda lib, x, y, d, m: lib.sparse.mm(x, y.t()),
    "sparse.addmm": lambda lib, x, y, d, m: lib.sparse.addmm(m, x, d, beta=0.5, alpha=2.0),
    "sparse.sum": lambda lib, x, y, d, m: lib.sparse.sum(x),
    "sparse.sum over rows": lambda lib, x, y, d, m: lib.sparse.sum(x, 0),
    "sparse.sum over columns": lambda lib, x, y, d, m: lib.sparse.sum(x, dim=1),
    "sparse.sum over both": lambda lib, x, y, d, m: lib.sparse.sum(x, (0, 1)),
    "sum over rows": lambda lib, x, y, d, m: x.sum(0),
    "sparse.softmax": lambda lib, x, y, d, m: lib.sparse.softmax(x, 1),
    "sparse.softmax over rows": lambda lib, x, y, d, m: lib.sparse.softmax(x, 0),
    "sparse.log_softmax": lambda lib, x, y, d, m: lib.sparse.log_softmax(x, 1),
    "m + x": lambda lib, x, y, d, m: (m @ d.t()) + x,
    "m * x": lambda lib, x, y, d, m: (m @ d.t()) * x,
    "x ** 2": lambda lib, x, y, d, m: x**2,
    "add alpha": lambda lib, x, y, d, m: x.add(y, alpha=2),
    "transpose": lambda lib, x, y, d, m: x.transpose(0, 1),
    "permute": lambda lib, x, y, d, m: x.permute(1, 0),
    "index_select": lambda lib, x, y, d, m: x.index_select(0, lib.tensor([1, 1, 3])),
    "index_select of columns": lambda lib, x, y, d, m: lib.index_select(x, 1, lib.tensor([4, 0])),
    "select": lambda lib, x, y, d, m: x.select(0, 1),
    "x[1]": lambda lib, x, y, d, m: x[1],
    "x[1, 2]": lambda lib, x, y, d, m: x[1, 2],
    "unsqueeze": lambda lib, x, y, d, m: x.unsqueeze(1),
    "cat": lambda lib, x, y, d, m: lib.cat([x, y]),
    "cat of columns": lambda lib, x, y, d, m: lib.cat([x, y], 1),
    "stack": lambda lib, x, y, d, m: lib.stack([x, y]),
    "hstack": lambda lib, x, y, d, m: lib.hstack([x, y]),
    "vstack": lambda lib, x, y, d, m: lib.vstack([x, y]),
    "narrow_copy": lambda lib, x, y, d, m: x.narrow_copy(0, 1, 2),
    "sparse_mask": lambda lib, x, y, d, m: (m @ d.t()).sparse_mask(y.detach()),
    "sparse_mask of a sparse one": lambda lib, x, y, d, m: x.sparse_mask(y.detach()),
    "to_sparse_csr": lambda lib, x, y, d, m: x.to_sparse_csr(),
    "coalesce": lambda lib, x, y, d, m: (x + y).coalesce(),
    "norm": lambda lib, x, y, d, m: x.norm(),
    "floor_divide": lambda lib, x, y, d, m: x.detach() // 0.3,
    "any": lambda lib, x, y, d, m: x.any(),
    "isnan": lambda lib, x, y, d, m: x.isnan(),
    "sign": lambda lib, x, y, d, m: x.sign(),
    "add_": lambda lib, x, y, d, m: x.clone().add_(y),
    "mul_": lambda lib, x, y, d, m: x.detach().mul_(3),
    "sin_": lambda lib, x, y, d, m: x.detach().sin_(),
    "neg_": lambda lib, x, y, d, m: x.detach().neg_(),
    "zero_": lambda lib, x, y, d, m: x.detach().zero_(),
    "copy_": lambda lib, x, y, d, m: x.detach().copy_(y.detach()),
    "d.add_(x)": lambda lib, x, y, d, m: (m @ d.t()).add_(x),
    "zeros_like": lambda lib, x, y, d, m: lib.zeros_like(x),
    "zeros": lambda lib, x, y, d, m: lib.zeros(2, 3, layout=lib.sparse_coo, dtype=lib.float64),
    "spdiags": lambda lib, x, y, d, m: lib.sparse.spdiags(m[:2], lib.tensor([0, -1]), (3, 3)),
    "linear with a sparse weight": lambda lib, x, y, d, m: lib.nn.functional.linear(m @ d.t(), x),
}
CSR = {
    "x @ y.T": lambda lib, x, y, d, m: x @ y.to_dense().t().to_sparse_csr(),
    "sum over rows": lambda lib, x, y, d, m: x.detach().sum(0, keepdim=True),
    "sum over columns": lambda lib, x, y, d, m: x.detach().sum(1, keepdim=True),
    "crow_indices": lambda lib, x, y, d, m: x.crow_indices(),
    "col_indices": lambda lib, x, y, d, m: x.col_indices(),
    "to_sparse_csc": lambda lib, x, y, d, m: x.to_sparse_csc().ccol_indices(),
    "to_sparse_coo": lambda lib, x, y, d, m: x.to_sparse_coo().indices(),
    "sparse_mask": lambda lib, x, y, d, m: (m @ d.t()).detach().sparse_mask(y.detach()),
    "sampled_addmm": lambda lib, x, y, d, m: lib.sparse.sampled_addmm(x, m, d.t(), beta=0.5, alpha=2.0),
    "mm with mean": lambda lib, x, y, d, m: lib.sparse.mm(x, d, "mean"),
    "mm with amax": lambda lib, x, y, d, m: lib.sparse.mm(x, d, "amax"),
    "linear with a bias": lambda lib, x, y, d, m: lib.nn.functional.linear(x, d.t(), m[0]),
}  # fmt: skip
PROGRAMS = {
    **{f"coo: {k}": ("to_sparse", f) for k, f in {**BOTH, **COO}.items()},
    **{f"csr: {k}": ("to_sparse_csr", f) for k, f in {**BOTH, **CSR}.items()},
}


def run(lib, name):
    """(result, dense leaves) of a program."""
    sparse, f = PROGRAMS[name]
    leaves = [lib.tensor(v, requires_grad=True) for v in (A, B, D, M)]
    a, b, d, m = leaves
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f(lib, getattr(a, sparse)(), getattr(b, sparse)(), d, m), leaves


def dense(x):
    return x.to_dense() if str(x.layout).rpartition(".")[2] != "strided" else x


def gradients(lib, r, leaves):
    """Those of a weighted sum of the result; None where the library cannot."""
    r = dense(r)
    weights = lib.tensor(np.random.default_rng(1).uniform(0.5, 1.5, tuple(r.shape)), dtype=r.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lib.autograd.grad((r * weights).sum(), leaves, allow_unused=True)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_results_equal_pytorchs(name):
    theirs, their_leaves = run(torch, name)
    mine, my_leaves = run(rg, name)
    assert str(mine.layout).rpartition(".")[2] == str(theirs.layout).rpartition(".")[2]
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert mine.dtype.name == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_allclose(dense(mine).detach().numpy(), dense(theirs).detach().numpy(), rtol=1e-6, atol=1e-12)
    if not theirs.requires_grad or theirs.dtype is torch.float32:
        return
    assert mine.requires_grad
    found = gradients(rg, mine, my_leaves)
    try:
        wanted = gradients(torch, theirs, their_leaves)
    except RuntimeError:  # PyTorch has no such gradient
        wanted = None
    if wanted is not None:
        for a, b, leaf in zip(found, wanted, my_leaves, strict=True):
            # PyTorch says of some operations what a number would have contributed at a place that is empty
            stored = leaf.detach().numpy() != 0
            a, b = (np.zeros(leaf.shape) if g is None else dense(g).numpy() for g in (a, b))
            np.testing.assert_allclose(a[stored], b[stored], rtol=1e-9, atol=1e-12)
            assert not a[~stored].any()


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_derivatives_of_first_and_second_order(name):
    """Against finite differences at the places: the derivative of what is stored."""
    sparse, f = PROGRAMS[name]
    made = [getattr(rg.tensor(v), sparse)() for v in (A, B)]

    def result(p, q, d, m):
        x, y = (_with(s, v) for s, v in zip(made, (p, q), strict=True))
        return dense(f(rg, x, y, d, m))

    xs = [s.values().detach().requires_grad_() for s in made] + [rg.tensor(v, requires_grad=True) for v in (D, M)]
    r = result(*xs)
    if not r.requires_grad or r.dtype is rg.float32:
        return
    assert rg.autograd.gradcheck(result, xs, atol=1e-6)
    if name.partition(": ")[2] in ("mm with amax", "x @ d", "x @ y.T", "sparse.softmax", "sampled_addmm", "x * y"):
        assert rg.autograd.gradgradcheck(result, xs, atol=1e-5)


def _with(s, values):
    if s.layout is rg.sparse_coo:
        return rg.sparse_coo_tensor(s.indices(), values, s.shape, is_coalesced=True)
    return rg.sparse_csr_tensor(s.crow_indices(), s.col_indices(), values, s.shape)


@pytest.mark.parametrize("order", ["sparse first", "dense first"])
def test_batches_of_matrices(order):
    d = np.stack([D, D + 1])
    found = []
    for lib in (torch, rg):
        x = lib.tensor(BATCH, requires_grad=True)
        y = lib.tensor(d, requires_grad=True)
        r = lib.bmm(x.to_sparse(), y)
        (r * r).sum().backward()
        found.append((r.detach().numpy(), y.grad.numpy()))
        if lib is rg:  # PyTorch has the gradient of the dense operand only
            expected = 2 * found[0][0] @ np.swapaxes(d, 1, 2) * (BATCH != 0)
            np.testing.assert_allclose(x.grad.numpy(), expected)
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b)
    with pytest.raises(RuntimeError, match="matrices"):
        rg.bmm(rg.tensor(d.swapaxes(1, 2)), rg.tensor(BATCH.swapaxes(1, 2)).to_sparse())


@pytest.mark.parametrize("uncoalesced", [False, True])
def test_gradients_of_sparse_leaves(uncoalesced):
    index = [[0, 1, 1, 3], [2, 0, 0 if uncoalesced else 4, 1]]
    found = []
    for lib in (torch, rg):
        values = lib.tensor([1.0, 2.0, 3.0, 4.0])
        s = lib.sparse_coo_tensor(lib.tensor(index), values, (4, 5), requires_grad=True, check_invariants=True)
        r = s @ lib.tensor(D).to(lib.float32)
        (r * r).sum().backward()
        (s.to_dense() ** 2).sum().backward()
        found.append(dense(s.grad).numpy())
    assert s.is_leaf and s.grad.is_sparse
    places = found[1] != 0
    np.testing.assert_allclose(found[1][places], found[0][places], rtol=1e-5)
    assert places.sum() == (3 if uncoalesced else 4)


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.sparse_coo_tensor(lib.tensor([[0, 1, 1], [2, 0, 2]]), lib.tensor([3.0, 4.0, 5.0]), (2, 3)),
        lambda lib: lib.sparse_coo_tensor(lib.tensor([[0, 1]]), lib.tensor([[1, 2], [3, 4]])),
        lambda lib: lib.sparse_csr_tensor(lib.tensor([0, 1, 3]), lib.tensor([2, 0, 2]), lib.tensor([3.0, 4.0, 5.0])),
        lambda lib: lib.tensor([[0.0, 1.0], [2.0, 0.0]]).to_sparse_csc(),
        lambda lib: lib.tensor([[0.0, 1.0], [2.0, 0.0]]).to_sparse().requires_grad_(),
    ],
)
def test_how_they_print(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = repr(make(torch)).replace("torch.", "retrograd.")
    assert repr(make(rg)).split() == theirs.split()  # lines break elsewhere: "retrograd" is longer than "torch"


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x, c: x.values() if not x.is_coalesced() else lib.nothing,
        lambda lib, x, c: x.indices() if not x.is_coalesced() else lib.nothing,
        lambda lib, x, c: lib.tensor([1.0]).indices(),
        lambda lib, x, c: lib.tensor([1.0]).values(),
        lambda lib, x, c: lib.tensor([1.0]).coalesce(),
        lambda lib, x, c: x.crow_indices(),
        lambda lib, x, c: c.indices(),
        lambda lib, x, c: x @ lib.ones(7),
        lambda lib, x, c: x + 1,
        lambda lib, x, c: x + lib.tensor(A).to_sparse().t(),
        lambda lib, x, c: x / lib.ones(4, 5),
        lambda lib, x, c: x.numpy(),
        lambda lib, x, c: x.exp(),
        lambda lib, x, c: x.cos(),
        lambda lib, x, c: x.sort(),
        lambda lib, x, c: lib.tensor(A).to_sparse(3),
        lambda lib, x, c: lib.tensor(A).sparse_mask(lib.tensor(D).to_sparse()),
        lambda lib, x, c: lib.sparse_coo_tensor(lib.tensor([[0, 5]]), lib.tensor([1.0, 2.0]), (3,), check_invariants=True),
        lambda lib, x, c: lib.sparse_coo_tensor(lib.tensor([[0, 1]]), lib.tensor([1.0]), (3,)),
        lambda lib, x, c: lib.sparse_coo_tensor(lib.tensor([[0, 1]]), lib.tensor([1.0, 2.0]), (3, 3)),
        lambda lib, x, c: lib.sparse_csr_tensor(
            lib.tensor([0, 2]), lib.tensor([0]), lib.tensor([1.0]), (1, 2), check_invariants=True
        ),
        lambda lib, x, c: lib.sparse.sampled_addmm(c, lib.ones(4, 2), lib.ones(3, 5)),
        lambda lib, x, c: lib.sparse.softmax(x, 5),
        lambda lib, x, c: x.requires_grad_().mul_(2),
        lambda lib, x, c: x[0, 7],
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_in_both(call):
    for lib in (torch, rg):
        with warnings.catch_warnings(), pytest.raises((RuntimeError, TypeError, IndexError, ValueError)):
            warnings.simplefilter("ignore")
            x = lib.sparse_coo_tensor(lib.tensor([[0, 0], [1, 1]]), lib.tensor([1.0, 2.0]), (4, 5))
            call(lib, x, lib.tensor(A).to_sparse_csr())
