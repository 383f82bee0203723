"""The pieces of split, chunk, unbind and tensor_split: one node, a backward linear in the tensor, and who may write."""

from __future__ import annotations

import time

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd.registry import PRIMITIVES

torch = pytest.importorskip("torch")

PIECES = {
    "chunk": lambda x: x.chunk(3),
    "dsplit": lambda x: x.dsplit(2),
    "hsplit": lambda x: x.hsplit((1, 2)),
    "iter": tuple,
    "split": lambda x: x.split(2),
    "split sizes": lambda x: x.split([1, 0, 5], 0),
    "tensor_split": lambda x: x.tensor_split(4, dim=1),
    "tensor_split indices": lambda x: x.tensor_split((1, 3)),
    "tensor_split overlapping": lambda x: x.tensor_split((4, 2)),
    "unbind": lambda x: x.unbind(1),
    "unsafe_chunk": lambda x: x.unsafe_chunk(3, 1),
    "unsafe_split": lambda x: x.unsafe_split(4),
    "unsafe_split_with_sizes": lambda x: x.unsafe_split_with_sizes([5, 1]),
    "vsplit": lambda x: x.vsplit(3),
}


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("used", ["all", "first", "last two"])
def test_derivatives_like_torch(name, used):
    values = np.random.default_rng(0).normal(size=(6, 3, 4))
    found = []
    for lib in (rg, torch):
        x = lib.tensor(values, requires_grad=True)
        pieces = PIECES[name](x)
        some = {"all": pieces, "first": pieces[:1], "last two": pieces[-2:]}[used]
        loss = sum((p * p * p * (i + 1)).sum() for i, p in enumerate(some))
        (g,) = lib.autograd.grad(loss, x, create_graph=True)
        (h,) = lib.autograd.grad((g * g).sum(), x)
        found.append([len(pieces), *(p.detach().numpy() for p in pieces), g.detach().numpy(), h.numpy()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", PIECES)
def test_every_piece_shares_the_memory(name):
    x = rg.arange(72).reshape(6, 3, 4)
    for p in PIECES[name](x):
        assert p.numel() == 0 or np.shares_memory(p.numpy(), x.numpy())
        p.zero_()
    assert x.count_nonzero() == 0


@pytest.mark.parametrize("name", ["chunk", "split", "tensor_split", "unbind"])
def test_the_pieces_come_from_one_node(name):
    x = rg.ones(6, 3, 4, requires_grad=True)
    nodes = {p.grad_fn for p in PIECES[name](x)}
    (node,) = nodes
    assert [p.output_nr for p in PIECES[name](x)] == list(range(len(PIECES[name](x))))
    assert node.name() == {"chunk": "Split"}.get(name, name.title().replace("_", "")) + "Backward0"
    assert [a for a in node.saved[0] if isinstance(a, np.ndarray)] == []


def test_backward_joins_once(monkeypatch):
    """T pieces of a sequence: the cotangents are put together once, not added up in T arrays of the whole size."""
    joined = []
    op = PRIMITIVES["unbind"]
    vjp = op.vjp
    monkeypatch.setattr(op, "vjp", lambda *args: joined.append(1) or vjp(*args))
    x = rg.ones(50, 2, requires_grad=True)
    y = x * 1.0
    sum(p.sum() for p in y.unbind()).backward()
    assert joined == [1] and x.grad.eq(1).all()


def test_backward_is_linear_in_the_number_of_pieces():
    def seconds(n):
        x = rg.ones(n, 64, requires_grad=True)
        best = np.inf
        for _ in range(3):
            loss = rg.stack([p * 2 for p in x.unbind()]).sum()
            start = time.perf_counter()
            loss.backward()
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(4000) < 60 * seconds(250)  # 16 if linear, 256 if quadratic


WRITES = {
    "base, then a piece is used": lambda lib, y, p: (y.mul_(2), (y.sum() + p[0].sum()))[1],
    "base, pieces not used": lambda lib, y, p: (y.mul_(2), y.sum())[1],
    "another view, then a piece is used": lambda lib, y, p: (y[:1].mul_(2), (y.sum() + p[1].sum()))[1],
    "copy_ of a value with a gradient": lambda lib, y, p: (p[0].copy_(lib.ones((), requires_grad=True)), y.sum())[1],
    "detached piece": lambda lib, y, p: (p[0].detach().mul_(2), y.sum())[1],
    "fill_": lambda lib, y, p: (p[0].fill_(2), y.sum())[1],
    "mul_": lambda lib, y, p: (p[0].mul_(2), y.sum())[1],
    "setitem": lambda lib, y, p: (p[0].__setitem__(0, 3.0), y.sum())[1],
    "zero_": lambda lib, y, p: (p[0].zero_(), y.sum())[1],
    "view of a piece": lambda lib, y, p: (p[0].unsqueeze(0).mul_(2), y.sum())[1],
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("name", ["chunk", "iter", "split", "tensor_split", "unbind", "unsafe_chunk", "unsafe_split"])
def test_writes_are_refused_where_torch_refuses_them(name, write):
    found = []
    for lib in (rg, torch):
        x = lib.ones((6, 3, 4), requires_grad=True)
        y = x * 2
        pieces = PIECES[name](y)
        try:
            WRITES[write](lib, y, pieces).backward()
            found.append(x.grad.tolist())
        except RuntimeError as e:
            assert "inplace" in str(e) or "in-place" in str(e), e
            found.append("refused")
    assert found[0] == found[1]


def test_pieces_of_a_leaf_and_of_no_grad():
    for lib in (rg, torch):
        x = lib.ones((4,), requires_grad=True)
        with pytest.raises(RuntimeError, match="inplace|in-place"):
            x.split(2)[0].mul_(2)
        with lib.no_grad():
            x.split(2)[0].mul_(2)
        assert x.tolist() == [2, 2, 1, 1]


def test_keywords_are_torchs():
    for lib in (rg, torch):
        x = lib.arange(6).reshape(2, 3)
        assert [p.tolist() for p in lib.tensor_split(x, indices=(1,), dim=1)] == [[[0], [3]], [[1, 2], [4, 5]]]
        assert len(lib.tensor_split(x, sections=2)) == 2 and len(lib.hsplit(x, sections=3)) == 3
        assert len(lib.vsplit(x, indices=(1,))) == 2 and len(lib.dsplit(x.reshape(1, 2, 3), indices=[1])) == 2
        assert len(x.split(split_size=1)) == 2 and len(lib.split(x, split_size_or_sections=[1, 1])) == 2
    for wrong in (lambda: rg.tensor_split(rg.arange(3)), lambda: rg.tensor_split(rg.arange(3), 2, sections=2)):
        with pytest.raises(TypeError, match="exactly one"):
            wrong()
    with pytest.raises(TypeError, match="once"):
        rg.arange(3).split()
