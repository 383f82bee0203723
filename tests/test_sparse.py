"""Sparse tensors by themselves: making them, what they say about themselves, SciPy, copies, and what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse

import retrograd as rg

DENSE = np.array([[0.0, 2.0, 0.0], [3.0, 0.0, 4.0]])


def coo(**kwargs):
    return rg.sparse_coo_tensor([[0, 1, 1], [1, 0, 2]], [2.0, 3.0, 4.0], (2, 3), dtype=rg.float64, **kwargs)


def csr(**kwargs):
    return rg.sparse_csr_tensor([0, 1, 3], [1, 0, 2], [2.0, 3.0, 4.0], (2, 3), dtype=rg.float64, **kwargs)


def csc(**kwargs):
    return rg.sparse_csc_tensor([0, 1, 2, 3], [1, 0, 1], [3.0, 2.0, 4.0], (2, 3), dtype=rg.float64, **kwargs)


MAKERS = {"coo": coo, "csc": csc, "csr": csr}
every_layout = pytest.mark.parametrize("name", sorted(MAKERS))


# ---------------------------------------------------------------- making them
@every_layout
def test_all_layouts_hold_the_same_matrix(name):
    x = MAKERS[name]()
    np.testing.assert_array_equal(x.to_dense().numpy(), DENSE)
    assert (x.shape, x.dtype, x._nnz(), x.layout) == ((2, 3), rg.float64, 3, getattr(rg, f"sparse_{name}"))
    assert (x.is_sparse, x.is_sparse_csr) == (name == "coo", name == "csr")
    assert (x.dim(), x.numel(), len(x), x.sparse_dim(), x.dense_dim()) == (2, 6, 2, 2, 0)


@every_layout
@pytest.mark.parametrize("other", ["strided", "sparse_coo", "sparse_csr", "sparse_csc"])
def test_conversions_keep_values_and_gradients(name, other):
    x = MAKERS[name](requires_grad=True)
    y = x.to_sparse(layout=getattr(rg, other))
    assert y.layout is getattr(rg, other)
    dense = y if other == "strided" else y.to_dense()
    np.testing.assert_array_equal(dense.detach().numpy(), DENSE)
    (dense * rg.tensor(DENSE)).sum().backward()
    np.testing.assert_array_equal(x.grad.to_dense().numpy(), DENSE)
    assert x.grad.layout is x.layout


def test_elements_without_a_size_and_a_size_without_elements():
    assert rg.sparse_coo_tensor([[0, 4]], [1.0, 2.0]).shape == (5,)
    assert rg.sparse_csr_tensor([0, 1], [6], [1.0]).shape == (1, 7)
    x = rg.sparse_coo_tensor((2, 3))
    assert (x.shape, x._nnz(), x.dtype) == ((2, 3), 0, rg.float32) and not x.to_dense().any()
    assert rg.sparse_coo_tensor([[], []], [], (2, 2)).to_dense().tolist() == [[0, 0], [0, 0]]
    for layout in (rg.sparse_coo, rg.sparse_csr):
        z = rg.zeros(2, 3, layout=layout, dtype=rg.int64)
        assert z.layout is layout and z._nnz() == 0 and z.dtype is rg.int64


def test_dense_dimensions():
    x = rg.sparse_coo_tensor([[0, 2]], [[1.0, 2.0], [3.0, 4.0]], (3, 2), requires_grad=True)
    assert (x.sparse_dim(), x.dense_dim()) == (1, 1)
    assert x.to_dense().tolist() == [[1, 2], [0, 0], [3, 4]]
    y = rg.tensor([[0.0, 0.0], [5.0, 0.0]]).to_sparse(1)
    assert y.indices().tolist() == [[1]] and y.values().tolist() == [[5, 0]]
    assert y[:, 0].to_dense().tolist() == [0, 5] and y[1, 0].item() == 5
    assert rg.tensor([[True, False], [False, False]]).to_sparse(1).to_dense().tolist() == [
        [True, False],
        [False, False],
    ]


def test_values_share_memory_and_history():
    values = rg.tensor([1.0, 2.0], requires_grad=True)
    x = rg.sparse_coo_tensor([[0, 1]], values, (3,))
    assert x.requires_grad and not x.is_leaf
    (x.to_dense() * rg.tensor([5.0, 6.0, 7.0])).sum().backward()
    assert values.grad.tolist() == [5, 6]
    data = rg.tensor([1.0, 2.0])
    y = rg.sparse_coo_tensor([[0, 1]], data, (3,), is_coalesced=True)
    data[0] = 9.0
    assert y.to_dense().tolist() == [9, 2, 0]


# ---------------------------------------------------------------- coalescing
def test_coalescing_adds_equal_places_up_in_order():
    x = rg.sparse_coo_tensor([[2, 0, 2]], [1.0, 2.0, 4.0], (3,), requires_grad=True)
    assert not x.is_coalesced() and x._indices().tolist() == [[2, 0, 2]]
    y = x.coalesce()
    assert y.is_coalesced() and y.indices().tolist() == [[0, 2]] and y.values().tolist() == [2, 5]
    assert y.coalesce() is y
    (y.values() * rg.tensor([10.0, 20.0])).sum().backward()
    assert x.grad.to_dense().tolist() == [10, 0, 20]
    with pytest.raises(RuntimeError, match="uncoalesced"):
        x.values()
    assert rg.sparse_coo_tensor([[1, 1]], [True, True], (2,)).coalesce().values().tolist() == [True]


def test_functions_of_an_element_work_on_the_sum_at_its_place():
    x = rg.sparse_coo_tensor([[1, 1]], [3.0, 4.0], (2,))
    assert rg.sin(x).to_dense()[1].item() == pytest.approx(np.sin(7))
    assert (-x)._nnz() == 2  # linear ones need not add up first
    assert (x * x).to_dense().tolist() == [0, 49]


# ---------------------------------------------------------------- SciPy
@pytest.mark.parametrize("kind", ["coo", "csr", "csc", "lil"])
def test_scipys_matrices_come_and_go(kind):
    m = scipy.sparse.coo_array(DENSE).asformat(kind)
    x = rg.sparse.from_scipy(m, requires_grad=True)
    assert x.layout is getattr(rg, f"sparse_{'coo' if kind == 'lil' else kind}") and x.is_leaf
    back = rg.sparse.to_scipy(x)
    assert back.format == ("coo" if kind == "lil" else kind)
    np.testing.assert_array_equal(back.toarray(), DENSE)
    (x @ rg.ones(3, 1, dtype=rg.float64)).sum().backward()
    np.testing.assert_array_equal(x.grad.to_dense().numpy(), DENSE != 0)


def test_what_is_no_scipy_matrix():
    with pytest.raises(TypeError, match="SciPy"):
        rg.sparse.from_scipy(DENSE)
    with pytest.raises(RuntimeError, match="to_sparse"):
        rg.sparse.to_scipy(rg.tensor(DENSE))


# ---------------------------------------------------------------- copies, types, writes
@every_layout
@pytest.mark.parametrize("how", ["clone", "deepcopy", "pickle"])
def test_copies_are_equal_and_apart(name, how):
    x = MAKERS[name](requires_grad=True)
    ways = {
        "clone": lambda: x.clone(),
        "deepcopy": lambda: copy.deepcopy(x),
        "pickle": lambda: pickle.loads(pickle.dumps(x)),
    }
    y = ways[how]()
    assert y.layout is x.layout and y.requires_grad and y.is_leaf == (how != "clone")
    with rg.no_grad():
        y.mul_(0)
    np.testing.assert_array_equal(x.to_dense().detach().numpy(), DENSE)


@every_layout
def test_types(name):
    x = MAKERS[name]()
    assert x.float().dtype is rg.float32 and x.to(rg.complex128).is_complex() and x.to(x.dtype) is x
    assert x.float().layout is x.layout
    assert x.bool()._values().tolist() == [True] * 3


def test_writes():
    x = coo()
    for write, expected in [
        (lambda: x.mul_(2), DENSE * 2),
        (lambda: x.add_(coo()), DENSE * 3),
        (lambda: x.neg_(), -DENSE * 3),
        (lambda: x.abs_(), DENSE * 3),
        (lambda: x.div_(3), DENSE),
        (lambda: x.copy_(coo().neg()), -DENSE),
        (lambda: x.zero_(), DENSE * 0),
    ]:
        assert write() is x
        np.testing.assert_array_equal(x.to_dense().numpy(), expected)
    leaf = coo(requires_grad=True)
    with pytest.raises(RuntimeError, match="no_grad"):
        leaf.mul_(2)
    with rg.no_grad():
        leaf.mul_(2)
    assert leaf.is_leaf and leaf.requires_grad and leaf._values().tolist() == [4, 6, 8]


def test_gradients_can_be_set_and_hooked():
    x = coo(requires_grad=True)
    x.grad = rg.tensor(DENSE)
    assert x.grad.is_sparse and x.grad.values().tolist() == [2, 3, 4]
    x.grad = None
    seen = []
    handle = x.register_hook(lambda g: seen.append(g.is_sparse) or g * 2)
    x.backward(rg.tensor(DENSE))
    handle.remove()
    assert seen == [True] and x.grad.values().tolist() == [4, 6, 8]
    with pytest.raises(RuntimeError, match="scalar"):
        (x * 2).backward()
    (g,) = rg.autograd.grad((x * x).sum(), x)
    assert g.is_sparse and g.values().tolist() == [4, 6, 8]


def test_products_under_vmap_and_jvp():
    x = csr()
    ds = rg.randn(4, 3, 2, dtype=rg.float64)
    found = rg.func.vmap(lambda d: x @ d)(ds)
    np.testing.assert_allclose(found.numpy(), DENSE @ ds.numpy())
    value, tangent = rg.func.jvp(lambda d: x @ d, (ds[0],), (ds[1],))
    np.testing.assert_allclose(value.numpy(), DENSE @ ds[0].numpy())
    np.testing.assert_allclose(tangent.numpy(), DENSE @ ds[1].numpy())


# ---------------------------------------------------------------- checks
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: rg.sparse_coo_tensor([[0, 5]], [1.0, 2.0], (3,)), "for dim 0, size is 3 but found index 5"),
        (lambda: rg.sparse_coo_tensor([[0, -1]], [1.0, 2.0], (3,)), "negative index -1"),
        (lambda: rg.sparse_coo_tensor([[0, 1]], [1.0], (3,)), "same nnz"),
        (lambda: rg.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (3, 3)), "sparse_dim"),
        (lambda: rg.sparse_csr_tensor([0, 2, 1], [0], [1.0], (2, 2)), "rise from 0"),
        (lambda: rg.sparse_csr_tensor([0, 1], [4], [1.0], (1, 2)), "col_indices < 2"),
        (lambda: rg.sparse_csr_tensor([0, 2], [1, 0], [1.0, 2.0], check_invariants=True), "sorted"),
        (lambda: rg.sparse.sampled_addmm(coo(), rg.ones(2, 2), rg.ones(2, 3)), "to_sparse_csr"),
        (lambda: coo() @ rg.ones(4, dtype=rg.float64), "3 columns"),
        (lambda: coo() + coo().t(), "same size"),
        (lambda: rg.tensor(DENSE).to_sparse(3), "between 1 and"),
        (lambda: rg.ones(2, 2, 2).to_sparse_csr(), "matrix"),
        (lambda: coo().reshape(5), "5"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit(call, says):
    with pytest.raises(RuntimeError, match=says):
        call()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: x.exp(), "exp"),
        (lambda x: x.cos(), "cos"),
        (lambda x: x.sort(), "sort"),
        (lambda x: x.numpy(), "numpy"),
        (lambda x: x + 1, "add"),
        (lambda x: rg.softmax(x, 0), "softmax"),
        (lambda x: x[rg.tensor([0])], "getitem"),
        (lambda x: rg.sparse_bsr_tensor(), "sparse_bsr_tensor"),
    ],
)
def test_what_is_not_available_says_so_by_name(call, name):
    with pytest.raises(NotImplementedError, match=f"^{name}: "):
        call(coo())


def test_invariants_are_checked_on_request_only():
    check = rg.sparse.check_sparse_tensor_invariants
    unsorted = lambda: rg.sparse_csr_tensor([0, 2], [1, 0], [1.0, 2.0])
    assert not check.is_enabled() and not unsorted()._data.coalesced
    with check():
        with pytest.raises(RuntimeError, match="sorted"):
            unsorted()
        with check(False):
            unsorted()
    check.enable()
    assert check.is_enabled()
    check.disable()
    assert not check.is_enabled()
    assert unsorted().to_sparse_coo().coalesce().indices().tolist() == [[0, 0], [0, 1]]


def test_indices_lie_inside():
    x = coo()
    assert x[-1, 2].item() == 4 and x[0].to_dense().tolist() == [0, 2, 0]
    for index in ((0, 3), 2, (-3,)):
        with pytest.raises(IndexError, match="out of range"):
            x[index]


def test_old_names_of_types():
    x = rg.sparse.FloatTensor(rg.tensor([[0, 1]]), rg.tensor([1.0, 2.0]), (3,))
    assert isinstance(x, rg.sparse.FloatTensor) and not isinstance(x, rg.sparse.DoubleTensor)
    assert x.type() == "retrograd.sparse.FloatTensor"


# ---------------------------------------------------------------- on a device
def test_on_a_device(cuda_fake):
    w = rg.tensor(np.ones((4, 2))).cuda().requires_grad_()
    rg.nn.functional.embedding(rg.tensor([1, 2, 1]).cuda(), w, padding_idx=2, sparse=True).sum().backward()
    assert w.grad.is_sparse and w.grad.device.type == "cuda"
    assert w.grad.coalesce().to_dense().cpu().tolist() == [[0, 0], [2, 2], [0, 0], [0, 0]]
    w.sum().backward()
    rg.nn.functional.embedding(rg.tensor([0]).cuda(), w, sparse=True).sum().backward()
    assert w.grad.cpu().tolist() == [[2, 2], [3, 3], [1, 1], [1, 1]]
    x = rg.tensor(DENSE).cuda().to_sparse()
    for y, expected in [
        (x + x, DENSE * 2),
        (x * x, DENSE**2),
        (x.sin(), np.sin(DENSE)),
        (x.t(), DENSE.T),
        (x[1], DENSE[1]),
        (x[:, 1:], DENSE[:, 1:]),
        (x.reshape(3, 2), DENSE.reshape(3, 2)),
        (rg.sparse.sum(x, 0), DENSE.sum(0)),
        (x.sum(1, keepdim=True), DENSE.sum(1, keepdims=True)),
        (x.to_sparse_csr(), DENSE),
        (rg.cat([x, x], 1), np.concatenate([DENSE, DENSE], 1)),
        (x.index_select(1, rg.tensor([2, 0]).cuda()), DENSE[:, [2, 0]]),
        (rg.tensor(DENSE + 1).cuda().sparse_mask(x), (DENSE + 1) * (DENSE != 0)),
        (
            rg.sparse.sampled_addmm(x.to_sparse_csr(), rg.ones(2, 2).double().cuda(), rg.ones(2, 3).double().cuda()),
            None,
        ),
    ]:
        y = y.to_dense()
        assert y.device.type == "cuda"
        np.testing.assert_allclose(y.cpu().numpy(), DENSE + 2 * (DENSE != 0) if expected is None else expected)
