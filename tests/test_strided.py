"""as_strided and its relatives: any geometry, gradients through the memory, writes, and new tensors of given strides."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")

GEOMETRIES = {
    "rows": ((2, 2), (4, 1), None),
    "transposed": ((4, 3), (1, 4), None),
    "windows": ((5, 3), (2, 1), 1),
    "interleaving": ((2, 3), (1, 1), 2),
    "repeated": ((3, 2), (0, 3), 4),
    "one element": ((), (), 7),
    "nothing": ((0, 2), (1, 1), 3),
}
LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.t(),
    "part": lambda x: x[1:, 1:3],
    "every second": lambda x: x[:, ::2],
    "expanded": lambda x: x[:1].expand(3, 4),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_any_geometry_of_any_layout_like_torch(name, layout):
    values = np.random.default_rng(0).normal(size=(3, 4))
    size, stride, offset = GEOMETRIES[name]
    found = []
    for lib in (rg, torch):
        x = lib.tensor(values, requires_grad=True)
        w = lib.tensor(np.random.default_rng(1).normal(size=size), requires_grad=True)
        v = LAYOUTS[layout](x * 1.0)
        try:
            y = lib.as_strided(v, size, stride, offset)
        except RuntimeError:
            found.append(None)
            continue
        assert tuple(y.shape) == size
        gs = lib.autograd.grad((y * y * w).sum(), [x, w], create_graph=True)
        # the second derivative of what repeats elements is NaN in PyTorch where an element is not shown
        more = () if layout == "expanded" or 0 in size else lib.autograd.grad((gs[0] * gs[0]).sum(), [x, w])
        found.append([a.detach().numpy() for a in (y, *gs, *more)])
    assert (found[0] is None) == (found[1] is None)
    for a, b in zip(found[0] or (), found[1] or (), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["rows", "transposed", "one element"])
def test_writes_through_a_strided_view_like_torch(name):
    size, stride, offset = GEOMETRIES[name]
    found = []
    for lib in (rg, torch):
        x = lib.arange(12.0, dtype=lib.float64).reshape(3, 4).requires_grad_()
        y = x * 2
        v = y.as_strided(size, stride, offset)
        v.mul_(3)
        y.add_(1)
        loss = (y * y).sum() + v.sum()
        found.append([y.tolist(), v.tolist(), lib.autograd.grad(loss, x)[0].tolist()])
    assert found[0] == found[1]


def test_a_strided_view_of_a_view_reaches_the_whole_memory():
    for lib in (rg, torch):
        x = lib.arange(6)
        v = x[2:4]
        assert v.as_strided((3,), (2,), 0).tolist() == [0, 2, 4] and v.as_strided((4,), (1,)).tolist() == [2, 3, 4, 5]
        v.as_strided((2,), (5,), 0).fill_(9)
        assert x.tolist() == [9, 1, 2, 3, 4, 9]


def test_forward_mode_and_gradcheck_of_overlapping_windows():
    x = rg.arange(6.0, dtype=rg.float64).requires_grad_()

    def windows(x):
        return rg.as_strided(x, (4, 3), (1, 1))

    assert rg.autograd.gradcheck(windows, (x,), check_forward_ad=True) and rg.autograd.gradgradcheck(windows, (x,))


def test_as_strided_in_place_becomes_the_view():
    for lib in (rg, torch):
        x = lib.arange(6)
        y = x.as_strided_((2, 2), (3, 1), 1)
        assert y is x and x.tolist() == [[1, 2], [4, 5]] and x.stride() == (3, 1) and x.storage_offset() == 1


def test_as_strided_scatter_has_the_gradient_that_the_definition_gives():
    x = rg.arange(6.0, dtype=rg.float64).requires_grad_()
    v = rg.ones(2, dtype=rg.float64, requires_grad=True)
    assert rg.autograd.gradcheck(lambda x, v: rg.as_strided_scatter(x, v, (2,), (3,), 1), (x, v))
    r = rg.as_strided_scatter(rg.zeros(2, 3).t(), rg.ones(2), (2,), (3,), 1)
    assert r.tolist() == torch.as_strided_scatter(torch.zeros(2, 3).t(), torch.ones(2), (2,), (3,), 1).tolist()
    part = rg.arange(6)[:3].as_strided_scatter(
        rg.tensor([9, 9]), (2,), (4,)
    )  # the second place is not an element of it
    assert part.tolist() == [9, 1, 2]


@pytest.mark.parametrize(
    "shape, strides", [((2, 3), (1, 2)), ((2, 3), (8, 2)), ((4,), (0,)), ((0, 3), (1, 1)), ((), ())]
)
def test_empty_strided_like_torch(shape, strides):
    x, y = rg.empty_strided(shape, strides), torch.empty_strided(shape, strides)
    assert x.shape == tuple(y.shape) and x.dtype is rg.float32
    assert 0 in shape or x.stride() == tuple(y.stride())
    assert x.untyped_storage().nbytes() == y.untyped_storage().nbytes()
    z = rg.zeros(1, dtype=rg.int16).new_empty_strided(shape, strides)
    assert z.dtype is rg.int16 and z.stride() == x.stride()


def test_empty_permuted_lies_in_the_order_given():
    for order in ((0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2)):
        x, y = rg.empty_permuted((2, 3, 5, 7), order), torch.empty_permuted((2, 3, 5, 7), order)
        assert x.stride() == y.stride() and x.dim_order() == y.dim_order() == order
    with pytest.raises(RuntimeError, match="does not name each of 2"):
        rg.empty_permuted((2, 3), (1, 1))


def test_dim_order_like_torch():
    for make in (
        lambda lib: lib.zeros(2, 3, 4).transpose(0, 2),
        lambda lib: lib.zeros(2, 1, 3),
        lambda lib: lib.zeros(()),
    ):
        assert make(rg).dim_order() == make(torch).dim_order()
    for lib in (rg, torch):
        assert lib.zeros(2, 3).dim_order(ambiguity_check=True) == (0, 1)
        with pytest.raises(RuntimeError, match="unique"):
            lib.zeros(2, 1, 3).dim_order(ambiguity_check=True)


def test_set_takes_a_geometry_like_torch():
    for lib in (rg, torch):
        x, y = lib.arange(6), lib.zeros(1, dtype=lib.int64)
        y.set_(x, 1, (2, 2), (3, 1))
        assert y.tolist() == [[1, 2], [4, 5]] and y.data_ptr() == x.data_ptr() + 8
        y.set_(x.untyped_storage(), 2, (2,))
        assert y.tolist() == [2, 3]
        assert tuple(y.set_().shape) == (0,)
    with pytest.raises(RuntimeError, match=r"set_: .*reach element 7 of a memory that has 6"):
        rg.zeros(1).set_(rg.zeros(6), 1, (3,), (3,))
