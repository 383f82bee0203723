"""einops and opt_einsum: their documented operations on tensors here and in PyTorch, values and gradients; DLPack."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")


def both(f, *shapes, dtype="float64", low=-2.0, high=2.0):
    """f on tensors of both libraries: the same values, shapes and types, and gradients of a weighted sum."""
    rng = np.random.default_rng([len(shapes), *shapes[0]])
    arrays = [rng.uniform(low, high, s).astype(dtype) for s in shapes]
    grad = np.dtype(dtype).kind in "fc"
    ours = [rg.tensor(a, requires_grad=grad) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=grad) for a in arrays]
    r, other = f(*ours), f(*theirs)
    rs, others = (list(v) if isinstance(v, (list, tuple)) else [v] for v in (r, other))
    assert len(rs) == len(others)
    total = other_total = 0
    for a, b in zip(rs, others, strict=True):
        if not isinstance(b, torch.Tensor):
            assert a == b
            continue
        assert type(a) is rg.Tensor and tuple(a.shape) == tuple(b.shape)
        assert a.dtype.name == str(b.dtype).removeprefix("torch.")
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)
        if b.requires_grad:
            w = rng.standard_normal(tuple(b.shape))
            total, other_total = total + (a * rg.tensor(w)).sum(), other_total + (b * torch.tensor(w)).sum()
    if isinstance(other_total, torch.Tensor):
        total.backward()
        other_total.backward()
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------- einops
einops = pytest.importorskip("einops", reason="einops is not installed")

REARRANGE = {  # the patterns of einops' documentation
    "b h w c -> b h w c": {},
    "b h w c -> (b h) w c": {},
    "b h w c -> h (b w) c": {},
    "b h w c -> (b h w c)": {},
    "(b1 b2) h w c -> b1 b2 h w c": {"b1": 2},
    "(b1 b2) h w c -> (b1 h) (b2 w) c": {"b1": 2},
    "b (h h2) (w w2) c -> (h w2) (b w h2) c": {"h2": 2, "w2": 2},
    "b h w c -> b 1 h w 1 c": {},
    "b h (w w2) c -> h w2 b w c": {"w2": 2},
    "b h w c -> b c h w": {},
    "b ... c -> b c ...": {},
    "... -> (...)": {},
}


@pytest.mark.parametrize("pattern", sorted(REARRANGE))
def test_rearrange(pattern):
    both(lambda x: einops.rearrange(x, pattern, **REARRANGE[pattern]), (4, 6, 4, 3))


def test_rearrange_of_a_list_stacks_it():
    both(lambda *xs: einops.rearrange(list(xs), "b h w -> h (b w)"), (2, 3), (2, 3), (2, 3))


@pytest.mark.parametrize("how", ["max", "mean", "min", "prod", "sum"])
@pytest.mark.parametrize(
    ("pattern", "sizes"),
    [
        ("b h w c -> h w c", {}),
        ("b h w c -> (h w) c", {}),
        ("b (h 2) (w 2) c -> b h w c", {}),
        ("b (h h2) (w w2) c -> b h w c", {"h2": 2, "w2": 2}),
        ("b h w c -> b () () c", {}),
        ("b h w c -> ", {}),
        ("b ... c -> b ...", {}),
    ],
)
def test_reduce(how, pattern, sizes):
    both(lambda x: einops.reduce(x, pattern, how, **sizes), (2, 4, 6, 3), low=0.5)


def test_reduce_by_truth_and_by_a_function():
    for how in ("any", "all"):
        mine = einops.reduce(rg.tensor([[True, False], [True, True]]), "a b -> a", how)
        assert mine.tolist() == einops.reduce(torch.tensor([[True, False], [True, True]]), "a b -> a", how).tolist()

    def logsumexp(x, axes):
        return x.logsumexp(axes)

    both(lambda x: einops.reduce(x, "a b c -> b", logsumexp), (2, 3, 4))
    with pytest.raises(NotImplementedError, match="reduce_mean is not available for non-floating tensors"):
        einops.reduce(rg.arange(4), "a -> ", "mean")


@pytest.mark.parametrize(
    ("pattern", "sizes"),
    [
        ("h w -> h w c", {"c": 3}),
        ("h w -> (2 h) w", {}),
        ("h w -> h (w w2)", {"w2": 3}),
        ("h w -> (h h2) (w w2)", {"h2": 2, "w2": 2}),
        ("h w -> b h 1 w", {"b": 2}),
        ("h w -> w (2 h)", {}),
        ("... w -> ... (w r)", {"r": 2}),
    ],
)
def test_repeat(pattern, sizes):
    both(lambda x: einops.repeat(x, pattern, **sizes), (2, 3))


@pytest.mark.parametrize(
    ("pattern", "shapes"),
    [
        ("batch1 n_in, n_out n_in -> batch1 n_out", [(2, 3), (4, 3)]),
        ("b h q d, b h k d -> b h q k", [(2, 2, 3, 4), (2, 2, 5, 4)]),
        ("i i ->", [(3, 3)]),
        ("a ..., a -> ...", [(2, 3, 4), (2,)]),
        ("a b, b c, c d -> a d", [(2, 3), (3, 4), (4, 2)]),
    ],
)
def test_einsum(pattern, shapes):
    both(lambda *xs: einops.einsum(*xs, pattern), *shapes)


def test_pack_unpack_and_parse_shape():
    both(lambda a, b: einops.pack([a, b], "h * c")[0], (2, 3, 4), (2, 4))
    both(lambda x: einops.unpack(x, [(2, 3), ()], "a *"), (5, 7))
    x = rg.zeros(2, 3, 4)
    assert einops.parse_shape(x, "b _ w") == einops.parse_shape(torch.zeros(2, 3, 4), "b _ w") == {"b": 2, "w": 4}
    assert einops.asnumpy(rg.ones(2, requires_grad=True)).tolist() == [1, 1]
    with pytest.raises(einops.EinopsError, match="shape"):
        einops.rearrange(x, "(a b) c d -> a b c d", a=3)


def test_second_derivatives_through_einops():
    x = rg.tensor(np.random.default_rng(0).standard_normal((2, 4)), requires_grad=True)
    f = lambda x: einops.reduce(einops.rearrange(x, "a (b c) -> b a c", c=2) ** 3, "b a c -> a", "mean")
    assert rg.autograd.gradcheck(f, (x,)) and rg.autograd.gradgradcheck(f, (x,))


@pytest.mark.parametrize("order", ["import einops, retrograd", "import retrograd, einops"])
def test_the_order_of_imports_does_not_matter(order):
    code = f"{order}\nprint(einops.rearrange(retrograd.ones(2, 3), 'a b -> b a').shape)\nimport einops._backends as b\n"
    code += "print(b.__spec__.loader.__class__.__name__, b.__loader__ is b.__spec__.loader)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    ).stdout.split("\n")
    assert out[:2] == ["retrograd.Size([3, 2])", "SourceFileLoader True"]


def test_importing_retrograd_does_not_import_einops():
    code = "import retrograd, sys; print([m for m in sys.modules if m.split('.')[0] in ('einops', 'opt_einsum')])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout
        == "[]\n"
    )


# ---------------------------------------------------------------- opt_einsum
CONTRACTIONS = [
    ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 5)]),
    ("ab,bc,cd->da", [(2, 3), (3, 4), (4, 5)]),
    ("ij,jk,ki->", [(2, 3), (3, 4), (4, 2)]),
    ("bij,bjk,bk->bi", [(2, 3, 4), (2, 4, 5), (2, 5)]),
    ("ab,ab->ab", [(2, 3), (2, 3)]),
    ("abc->ca", [(2, 3, 4)]),
    ("ea,fb,abcd,gc,hd->efgh", [(2, 2), (2, 3), (2, 3, 2, 3), (3, 2), (2, 3)]),
    ("a,b->ab", [(2,), (3,)]),
    ("...ij,...jk->...ik", [(2, 1, 3, 4), (3, 4, 5)]),
    ("a,ab,abc->abc", [(2,), (2, 3), (2, 3, 4)]),
    ("ab,cd,ef->", [(2, 3), (3, 2), (2, 2)]),
]
OPTIMIZERS = [
    "auto",
    "auto-hq",
    "branch-2",
    "branch-all",
    "dp",
    "eager",
    "greedy",
    "opportunistic",
    "optimal",
    "random-greedy",
]


@pytest.mark.parametrize(("equation", "shapes"), CONTRACTIONS)
@pytest.mark.parametrize("optimize", OPTIMIZERS)
def test_contract(equation, shapes, optimize):
    oe = pytest.importorskip("opt_einsum", reason="opt_einsum is not installed")
    both(lambda *xs: oe.contract(equation, *xs, optimize=optimize), *shapes)


def test_contract_along_a_path_and_within_a_limit_of_memory():
    oe = pytest.importorskip("opt_einsum", reason="opt_einsum is not installed")
    shapes = [(2, 3), (3, 4), (4, 5)]
    for how in ({"optimize": [(0, 1), (0, 1)]}, {"optimize": [(1, 2), (0, 1)]}, {"memory_limit": "max_input"}):
        both(lambda *xs, how=how: oe.contract("ab,bc,cd->ad", *xs, **how), *shapes)
    both(lambda *xs: oe.contract("ab,bc,cd->ad", *xs, use_blas=False), *shapes)
    ours, theirs = ([lib.ones(*s) for s in shapes] for lib in (rg, torch))
    assert oe.contract_path("ab,bc,cd->ad", *ours)[0] == oe.contract_path("ab,bc,cd->ad", *theirs)[0]


def test_second_derivatives_through_contractions():
    oe = pytest.importorskip("opt_einsum", reason="opt_einsum is not installed")
    rng = np.random.default_rng(4)
    xs = [rg.tensor(rng.standard_normal(s), requires_grad=True) for s in ((2, 3), (3, 2), (2, 2))]
    f = lambda *xs: oe.contract("ab,bc,ca->", *xs) ** 2
    assert rg.autograd.gradcheck(f, xs) and rg.autograd.gradgradcheck(f, xs)


def test_contract_expression_constants_and_sharing():
    oe = pytest.importorskip("opt_einsum", reason="opt_einsum is not installed")
    expression = oe.contract_expression("ab,bc,cd->ad", (2, 3), (3, 4), (4, 5))
    both(lambda *xs: expression(*xs), (2, 3), (3, 4), (4, 5))
    rng = np.random.default_rng(1)
    a, b, c = (rng.standard_normal(s) for s in ((2, 3), (3, 4), (4, 5)))
    fixed = oe.contract_expression("ab,bc,cd->ad", rg.tensor(a), (3, 4), rg.tensor(c), constants=[0, 2])
    x = rg.tensor(b, requires_grad=True)
    r = fixed(x)
    np.testing.assert_allclose(r.detach().numpy(), a @ b @ c)
    r.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.outer(a.sum(0), c.sum(1)))
    with oe.shared_intermediates():
        y = oe.contract("ab,bc,cd->ad", rg.tensor(a), x, rg.tensor(c))
        assert oe.contract("ab,bc,cd->ad", rg.tensor(a), x, rg.tensor(c)).shape == y.shape
    interleaved = oe.contract(rg.tensor(a), (0, 1), rg.tensor(b), (1, 2), (0, 2))
    np.testing.assert_allclose(interleaved.numpy(), a @ b)


# ---------------------------------------------------------------- DLPack
DTYPES = [
    "bool", "complex128", "complex64", "float16", "float32", "float64", "int16", "int32", "int64", "int8", "uint16",
    "uint32", "uint64", "uint8",
]  # fmt: skip


@pytest.mark.parametrize("name", DTYPES)
def test_dlpack_shares_memory_with_numpy_and_torch(name):
    t = rg.zeros(2, 3).to(getattr(rg, name))
    a, b = np.from_dlpack(t), torch.from_dlpack(t)
    assert a.dtype.name == name and str(b.dtype) == f"torch.{name}" and tuple(b.shape) == (2, 3)
    t[0, 1] = 1
    assert a[0, 1] == 1 and b[0, 1] == 1
    for other in (np.zeros((2, 3), name), torch.zeros(2, 3, dtype=getattr(torch, name))):
        r = rg.from_dlpack(other)
        assert type(r) is rg.Tensor and r.dtype.name == name and r.device == rg.device("cpu")
        r[1, 2] = 1
        assert other[1, 2] == 1
        other[0, 0] = 1
        assert r[0, 0].item() == 1


def test_dlpack_keeps_strides_and_offsets():
    t = rg.arange(12).reshape(3, 4)[1:, ::2].T
    b = torch.from_dlpack(t)
    assert b.stride() == t.stride() and b.tolist() == t.tolist()
    x = torch.arange(12).reshape(3, 4)[1:, ::2].T
    assert rg.from_dlpack(x).stride() == x.stride() and rg.from_dlpack(x).tolist() == x.tolist()


def test_dlpack_capsules_and_the_utility_module():
    from retrograd.utils.dlpack import from_dlpack, to_dlpack

    assert from_dlpack is rg.from_dlpack and to_dlpack is rg.to_dlpack and rg.utils.dlpack.to_dlpack is to_dlpack
    t = rg.arange(3)
    b = torch.utils.dlpack.from_dlpack(to_dlpack(t))
    t[0] = 7
    assert b.tolist() == [7, 1, 2]
    capsule = torch.utils.dlpack.to_dlpack(b)
    r = from_dlpack(capsule)
    b[1] = 8
    assert r.tolist() == [7, 8, 2]
    with pytest.raises(ValueError, match="used already"):
        from_dlpack(capsule)
    assert from_dlpack(t.__dlpack__(max_version=(1, 0))).tolist() == [7, 8, 2]


def test_dlpack_of_tensors_copies_and_devices():
    t = rg.ones(2, requires_grad=True)
    r = rg.from_dlpack(t)
    assert not r.requires_grad and r.data_ptr() == t.data_ptr()
    assert rg.from_dlpack(t, copy=True).data_ptr() != t.data_ptr()
    assert rg.from_dlpack(np.ones(2), device="cpu", copy=False).tolist() == [1, 1]
    assert t.detach().__dlpack_device__() == (1, 0)
    copied = np.from_dlpack(t.detach(), copy=True)
    copied[0] = 9
    assert t.tolist() == [1, 1]


def test_what_dlpack_refuses():
    with pytest.raises(BufferError, match="requires grad"):
        np.from_dlpack(rg.ones(2, requires_grad=True))
    with pytest.raises(BufferError, match="bfloat16"):
        np.from_dlpack(rg.ones(2, dtype=rg.bfloat16))
    with pytest.raises(BufferError, match="no streams"):
        rg.ones(2).__dlpack__(stream=1)
    with pytest.raises(TypeError, match="an object with __dlpack__ or a capsule is expected, got list"):
        rg.from_dlpack([1, 2])

    class Elsewhere:
        def __dlpack_device__(self):
            return (10, 0)

        def __dlpack__(self, **kwargs):
            raise AssertionError("must not be asked for")

    with pytest.raises(rg.DeviceError, match="kind 10"):
        rg.from_dlpack(Elsewhere())


def test_writing_to_read_only_memory_is_refused():
    a = np.arange(3.0)
    a.flags.writeable = False
    r = rg.from_dlpack(a)
    assert r.tolist() == [0, 1, 2]
    with pytest.raises((ValueError, RuntimeError)):
        r[0] = 1
