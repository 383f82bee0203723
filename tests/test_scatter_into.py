"""Scatter-into-copy functions, put and index_reduce: derivatives, dtypes, what they leave alone, `out=`, copies of views."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:index_reduce.. is in beta")

FUNCTIONS = {
    "diagonal_scatter": lambda lib, x, v: lib.diagonal_scatter(x, v[:3, 0], -1, 1, 0),
    "index_reduce": lambda lib, x, v: lib.index_reduce(x, 1, lib.tensor([1, 1, 0]), v[:, :3], "mean"),
    "put": lambda lib, x, v: lib.put(x, lib.tensor([[1, -1], [5, 0]]), v[0], False),
    "put accumulate": lambda lib, x, v: lib.put(x, lib.tensor([1, 1, -12, 0]), v[0], accumulate=True),
    "select_scatter": lambda lib, x, v: lib.select_scatter(x, v[1], 0, -1),
    "slice_scatter": lambda lib, x, v: lib.slice_scatter(x, v[:, :2], 1, 0, None, 2),
}


@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_derivatives_like_torch(name, layout):
    a, b = np.random.default_rng(0).normal(size=(2, 3, 4))
    found = []
    for lib in (rg, torch):
        x, v = (lib.tensor(n, requires_grad=True) for n in (a, b))
        y = x if layout == "contiguous" else x.t().clone().t()
        r = FUNCTIONS[name](lib, y, v)
        gs = lib.autograd.grad((r * r * r).sum(), [x, v], create_graph=True)
        hs = lib.autograd.grad((gs[0] * gs[0]).sum() + (gs[1] * gs[1] * gs[1]).sum(), [x, v])
        assert np.array_equal(x.detach().numpy(), a)
        found.append([t.detach().numpy() for t in (r, *gs, *hs)])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_the_source_is_converted_but_not_broadcast():
    for lib in (rg, torch):
        x = lib.zeros((3, 3), dtype=lib.int32)
        v = lib.tensor([2.5, 2.5, 2.5])
        assert lib.select_scatter(x, v, 0, 1).tolist() == [[0, 0, 0], [2, 2, 2], [0, 0, 0]]
        assert lib.slice_scatter(x, v[None], 0, 2).tolist() == [[0, 0, 0], [0, 0, 0], [2, 2, 2]]
        assert lib.diagonal_scatter(x, v).dtype == lib.int32
        for wrong in (
            lambda lib=lib, x=x, v=v: lib.select_scatter(x, v[:1], 0, 1),
            lambda lib=lib, x=x, v=v: lib.slice_scatter(x, v[None], 0, 1),
            lambda lib=lib, x=x, v=v: lib.diagonal_scatter(x, v[:1]),
            lambda lib=lib, x=x, v=v: lib.as_strided_scatter(x, v[:1], (2,), (1,)),
        ):
            with pytest.raises(RuntimeError, match="src"):
                wrong()


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["amax", "amin", "mean", "prod"])
@pytest.mark.parametrize("dtype", ["float64", "int32", "uint8"])
def test_index_reduce_like_torch(dtype, reduce, include_self):
    draw = np.random.default_rng(0)
    a, b = (draw.integers(1, 6, (4, 3)).astype(dtype) for _ in range(2))
    for dim, index in ((0, [3, 0, 3, 3]), (-1, [1, 1, 0])):
        r, t = (
            lib.tensor(a).index_reduce(dim, lib.tensor(index), lib.tensor(b), reduce, include_self=include_self)
            for lib in (rg, torch)
        )
        np.testing.assert_allclose(r.numpy(), t.numpy(), rtol=1e-12)
        assert str(r.dtype).split(".")[1] == str(t.dtype).split(".")[1]


@pytest.mark.parametrize("reduce", ["amax", "amin", "mean", "prod"])
def test_index_reduce_in_place_and_its_gradient(reduce):
    a, b = np.random.default_rng(1).uniform(0.5, 2, size=(2, 4, 3))
    found = []
    for lib in (rg, torch):
        x, v = (lib.tensor(n, requires_grad=True) for n in (a, b))
        y = x * 1
        assert y.index_reduce_(0, lib.tensor([0, 2, 2, 0]), v, reduce) is y
        found.append([g.numpy() for g in lib.autograd.grad((y * y).sum(), [x, v])])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_booleans_accumulate_as_or():
    for lib in (rg, torch):
        x = lib.tensor([False, True, False])
        i, v = lib.tensor([0, 0, 2]), lib.tensor([True, True, False])
        assert x.index_put((i,), v, accumulate=True).tolist() == [True, True, False]
        assert lib.index_add(x, 0, i, v).tolist() == [True, True, False]
        assert x.put(i, v, accumulate=True).tolist() == [True, True, False]


OUT = {
    "index_add": lambda lib, x, i, out: lib.index_add(x, 0, i, x, out=out),
    "index_copy": lambda lib, x, i, out: lib.index_copy(x, 0, i, x, out=out),
    "index_reduce": lambda lib, x, i, out: lib.index_reduce(x, 0, i, x, "amax", out=out),
    "narrow_copy": lambda lib, x, i, out: lib.narrow_copy(x, 0, 0, 3, out=out),
    "permute_copy": lambda lib, x, i, out: lib.permute_copy(x, (0,), out=out),
    "scatter": lambda lib, x, i, out: lib.scatter(x, 0, i, x, out=out),
    "scatter number": lambda lib, x, i, out: lib.scatter(x, 0, i, 7.0, out=out),
    "scatter_add": lambda lib, x, i, out: lib.scatter_add(x, 0, i, x, out=out),
    "scatter_reduce": lambda lib, x, i, out: lib.scatter_reduce(x, 0, i, x, "prod", out=out),
    "take": lambda lib, x, i, out: lib.take(x, i, out=out),
    "take_along_dim": lambda lib, x, i, out: lib.take_along_dim(x, i, 0, out=out),
}


@pytest.mark.parametrize("name", OUT)
def test_results_go_into_out(name):
    found = []
    for lib in (rg, torch):
        x, i, out = lib.tensor([1.0, 2.0, 4.0]), lib.tensor([2, 0, 1]), lib.zeros(3)
        assert OUT[name](lib, x, i, out) is out
        found.append(out.tolist())
    assert found[0] == found[1] and any(found[0])


def test_copies_of_views_do_not_share_memory():
    x = rg.arange(6.0).reshape(2, 3)
    copies = [
        rg.alias_copy(x), rg.detach_copy(x), rg.diagonal_copy(x), rg.expand_copy(x, (2, 2, 3)), rg.narrow_copy(x, 1, 0, 2),
        rg.permute_copy(x, (1, 0)), rg.select_copy(x, 0, 1), rg.slice_copy(x, 1, 1), rg.squeeze_copy(x), rg.t_copy(x),
        rg.transpose_copy(x, 0, 1), rg.unfold_copy(x, 1, 2, 1), rg.unsqueeze_copy(x, 0), rg.view_copy(x, (3, 2)),
        rg.view_copy(x, rg.int32), rg.view_as_complex_copy(x[:, :2].clone()), rg.as_strided_copy(x, (2,), (1,)),
        *rg.split_copy(x, 1), *rg.split_with_sizes_copy(x, [1, 2], 1), *rg.unbind_copy(x),
    ]  # fmt: skip
    for c in copies:
        assert c.is_contiguous() and c._base is None if hasattr(c, "_base") else c.is_contiguous()
        assert not np.shares_memory(c.numpy(), x.numpy())
    into = [rg.zeros(3), rg.zeros(3)]
    assert rg.unbind_copy(x, out=into)[1] is into[1] and into[1].tolist() == [3, 4, 5]
    with pytest.raises(TypeError, match="sequence of 2 tensors"):
        rg.unbind_copy(x, out=into[:1])


def test_take_along_dim_counts_negative_indices_from_the_end():
    for lib in (rg, torch):
        x, i = lib.tensor([[1, 2, 3]]), lib.tensor([[-1, 0, -2]])
        assert lib.take_along_dim(x, i, 1).tolist() == [[3, 1, 2]]
    with pytest.raises(IndexError, match="out of range"):
        rg.take_along_dim(rg.tensor([1, 2]), rg.tensor([-3]), 0)


@pytest.mark.parametrize(
    "name", ["uniform_", "normal_", "exponential_", "bernoulli_", "random_", "cauchy_", "log_normal_"]
)
def test_random_numbers_into_the_result_of_an_operation_cut_its_gradient(name):
    for lib in (rg, torch):
        x = lib.ones((4,), requires_grad=True)
        y = x * 2
        assert getattr(y, name)() is y and y.requires_grad
        y.sum().backward()
        assert x.grad.tolist() == [0.0] * 4
        z = lib.ones((4,), requires_grad=True)
        w = z * 2
        getattr(w[:2], name)()
        w.sum().backward()
        assert z.grad.tolist() == [0.0, 0.0, 2.0, 2.0]


@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (2, 3, 3)])
def test_nuclear_norms_of_infinite_matrices_are_quiet(shape, capfd):
    x = rg.full(shape, rg.inf, requires_grad=True)
    r = x.norm(p="nuc", dim=(-2, -1))
    r.sum().backward()
    assert r.isnan().all() and x.grad.isnan().all()
    assert capfd.readouterr() == ("", "")
    with pytest.raises(RuntimeError, match="NaN"):
        rg.full(shape, rg.nan).norm(p="nuc", dim=(-2, -1))
