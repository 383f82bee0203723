"""vmap: every batching rule against the loop, every public function against stack(map(f)), and what vmap says and refuses."""

from __future__ import annotations

import numpy as np
import optable as ot
import pytest

import retrograd as rg
from retrograd.autograd.batching import RULES, Operands, _loop, has_rule
from retrograd.autograd.core import TensorBase
from retrograd.autograd.errors import TransformError
from retrograd.autograd.lifted import Batched, Level
from retrograd.autograd.lifted_run import run
from retrograd.autograd.registry import FUNCTIONS, PRIMITIVES
from retrograd.func import grad, jvp, vmap

N = 3  # samples
REFUSED = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)  # what refusals raise here

# Results whose shape depends on the values cannot be batched: these samples must be refused, not be wrong.
DATA_DEPENDENT = {
    "argwhere", "masked_select", "nonzero", "unique", "unique_consecutive", "where", "Tensor.nonzero", "Tensor.unique",
    "Tensor.unique_consecutive", "Tensor.argwhere", "Tensor.masked_select", "bincount", "Tensor.bincount",
    "combinations", "repeat_interleave", "Tensor.repeat_interleave", "tensor_split",
}  # fmt: skip
# Functions over the memory of a tensor, which a dual tensor has two of.
NO_FORWARD = {
    "as_strided", "as_strided_copy", "as_strided_scatter", "Tensor.as_strided", "Tensor.as_strided_scatter",
}  # fmt: skip


def values(a: np.ndarray, spec, rng) -> np.ndarray:
    """N versions of one drawn array, the first being it."""
    rows = [a]
    for _ in range(N - 1):
        if spec.values is not None or not a.size:
            rows.append(a.copy())
        elif a.dtype.kind in "fc":
            rows.append(a + rng.uniform(-0.04, 0.04, a.shape).astype(a.dtype))
        else:
            rows.append(spec.draw(rng, "float64"))
    return np.stack(rows)


def close(got, rows, what):
    want = [ot.to_np(r) for r in rows]
    np.testing.assert_allclose(ot.to_np(got), np.stack(want), rtol=1e-8, atol=1e-8, err_msg=what)


# ---------------------------------------------------------------- rules against the loop
ELEMENTWISE = sorted(n for n, op in PRIMITIVES.items() if op.arity <= 2)


def parts(r):
    return [v for v in (r if isinstance(r, tuple) else (r,)) if v is not None]


def check_rule(name):
    op = PRIMITIVES[name]
    seen = ot.primitives_seen("float64").get(name, [])
    if not seen:
        pytest.skip("no sample reaches it")
    level = Level(Batched, N)
    rng = np.random.default_rng(0)
    tried = 0
    for call in seen[:24]:
        arrays = [i for i, x in enumerate(call.xs) if isinstance(x, np.ndarray)]
        for batched in {tuple(arrays), *((i,) for i in arrays)}:
            xs, flat, flags = [], [], []
            for i, x in enumerate(call.xs):
                if i in batched:
                    scale = rng.uniform(0.98, 1.02, (N, *x.shape)) if x.dtype.kind == "f" else 1
                    v = (np.stack([x] * N) * scale).astype(x.dtype)
                    xs.append(Batched(level, v))
                    flat.append(v)
                else:
                    xs.append(x)
                    flat.append(x)
                flags.append(i in batched)
            try:
                want = _loop(op, Operands(flat, flags, N, level), call.p)
            except TransformError:
                continue
            got = run(op, xs, call.p)
            tried += 1
            for g, w in zip(parts(got), parts(want), strict=True):
                assert isinstance(g, Batched)
                assert g.shape == w.shape[1:], repr(call)
                full = np.broadcast_to(g.value, w.shape)
                if op.view or name != "layer_norm_back":
                    np.testing.assert_allclose(full, w, rtol=1e-9, atol=1e-9, err_msg=repr(call))
    assert tried


@pytest.mark.parametrize("name", sorted(set(RULES) | {"reshape", "getitem"}))
def test_rule_equals_the_loop(name):
    if name not in PRIMITIVES:
        pytest.fail(f"a rule for {name}, which is no primitive")
    check_rule(name)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_primitives_broadcast_over_the_samples(name):
    check_rule(name)


def test_elementwise_primitives_and_the_common_ones_have_rules():
    for name in (
        "exp",
        "add",
        "sum",
        "matmul",
        "linear",
        "conv",
        "softmax",
        "getitem",
        "layer_norm",
        "max_pool",
        "where",
    ):
        assert has_rule(PRIMITIVES[name]), name


# ---------------------------------------------------------------- public functions
def modes(count):
    """Which arguments are batched: all, and (of several) the first and the last alone."""
    every = [tuple(range(count))]
    return every if count == 1 else [*every, (0,), (count - 1,)]


def each_mode(path):
    for s in ot.samples(path, "float64"):
        if s.inplace or not s.drawn:
            continue
        rng = np.random.default_rng(s.number)
        batched = [values(a, spec, rng) for spec, a in s.drawn]
        for which in modes(len(batched)):
            dims = tuple(0 if i in which else None for i in range(len(batched)))
            ins = [rg.tensor(b if d == 0 else b[0]) for b, d in zip(batched, dims, strict=True)]
            yield s, ins, dims


def single(ins, dims, i):
    return [x if d is None else x[i] for x, d in zip(ins, dims, strict=True)]


@pytest.mark.parametrize("path", ot.SAMPLED)
def test_function_equals_stacked_map(path):
    tried = 0
    for s, ins, dims in each_mode(path):

        def f(*xs, s=s):
            return tuple(ot.tensors_of(s.run(list(xs))))

        rows = []
        try:
            rows = [f(*single(ins, dims, i)) for i in range(N)]
        except REFUSED:  # values that the function refuses
            continue
        if not rows[0]:
            continue
        ragged = any(len(r) != len(rows[0]) for r in rows) or any(
            a._shape != b._shape for r in rows for a, b in zip(r, rows[0], strict=True)
        )
        if ragged or path in DATA_DEPENDENT:
            try:
                got = vmap(f, in_dims=dims)(*ins)
            except RuntimeError:
                continue
            assert not ragged, repr(s)
        else:
            got = vmap(f, in_dims=dims)(*ins)
        tried += 1
        for k, g in enumerate(got):
            assert g._dtype is rows[0][k]._dtype
            close(g, [r[k] for r in rows], f"{s!r} {dims}")
    if not tried:
        pytest.skip("no sample with tensors to batch")


@pytest.mark.parametrize("path", [p for p in ot.SAMPLED if FUNCTIONS[p].differentiable])
def test_gradients_and_tangents_of_the_samples(path):
    tried = 0
    for s, ins, dims in each_mode(path):
        wanted = tuple(i for i in s.differentiable("f") if ins[i]._dtype is rg.float64)
        if s.number > 3 or not wanted or path in DATA_DEPENDENT:
            continue

        def f(*xs, s=s):
            return [r for r in ot.tensors_of(s.run(list(xs))) if r._dtype.kind == "f"]

        def loss(*xs, f=f):
            total = rg.zeros((), dtype=rg.float64)
            for r in f(*xs):
                total = total + (r * r.detach().cos()).sum()
            return total

        try:
            gradient = grad(loss, wanted)
            rows = [gradient(*single(ins, dims, i)) for i in range(N)]
        except REFUSED:  # not differentiable there
            continue
        if not any(bool((g != 0).any()) for g in rows[0]):
            continue
        tried += 1
        got = vmap(gradient, in_dims=dims)(*ins)
        for k, g in enumerate(got):
            close(g, [r[k] for r in rows], f"gradient of {s!r} {dims}")
        if path in NO_FORWARD:
            continue

        def tangent(*xs, f=f, wanted=wanted):
            def moved(*ys):
                zs = list(xs)
                for i, y in zip(wanted, ys, strict=True):
                    zs[i] = y
                return tuple(f(*zs))

            points = tuple(xs[i] for i in wanted)
            directions = tuple(
                rg.linspace(0.5, 1.5, max(x.numel(), 1)).double()[: x.numel()].reshape(x.shape) for x in points
            )
            return jvp(moved, points, directions)[1]

        rows = [tangent(*single(ins, dims, i)) for i in range(N)]
        got = vmap(tangent, in_dims=dims)(*ins)
        for k, g in enumerate(got):
            close(g, [r[k] for r in rows], f"tangent of {s!r} {dims}")
    if not tried:
        pytest.skip("no sample with a gradient")


# ---------------------------------------------------------------- the transform
def test_dims_of_inputs_and_outputs():
    x, y = rg.randn(2, 3, 5), rg.randn(5, 2)
    got = vmap(lambda a, b: (a @ b, {"t": a}), in_dims=(1, None), out_dims=(1, {"t": -1}))(x.movedim(1, 1), y[:, 0])
    np.testing.assert_allclose(got[0].numpy(), (x @ y[:, 0]).numpy(), rtol=1e-5)
    assert got[1]["t"].shape == (2, 5, 3)
    np.testing.assert_array_equal(got[1]["t"].numpy(), x.numpy().transpose(0, 2, 1))


def test_nested_containers_and_negative_dims():
    tree = {"a": rg.arange(6.0).reshape(2, 3), "b": [rg.ones(3), rg.tensor(2.0)]}
    got = vmap(lambda t: t["a"].sum() * t["b"][0] * t["b"][1], in_dims=({"a": -1, "b": [0, None]},))(tree)
    np.testing.assert_array_equal(got.numpy(), [6, 10, 14])


def test_nested_vmap_is_the_outer_product():
    x, y = rg.randn(3, dtype=rg.float64), rg.randn(4, dtype=rg.float64)
    got = vmap(lambda a: vmap(lambda b: a * b)(y))(x)
    np.testing.assert_allclose(got.numpy(), np.outer(x.numpy(), y.numpy()))


def test_results_that_do_not_depend_on_the_samples_are_repeated():
    got = vmap(lambda x: (rg.ones(2), x))(rg.zeros(3))
    assert got[0].shape == (3, 2)
    assert vmap(lambda x: rg.ones(2), out_dims=None)(rg.zeros(3)).shape == (2,)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
def test_chunks_change_nothing(chunk):
    x, w = rg.randn(7, 4), rg.randn(4)
    f = lambda a, b: ((a * b).sum(), a + b)
    want, got = vmap(f, (0, None))(x, w), vmap(f, (0, None), chunk_size=chunk)(x, w)
    for a, b in zip(want, got, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ((0, 0, 0), "does not fit"), ((None, None), "at least one input"), ((0, 5), "does not exist"), ("a", "must be an int"),
        (((0,), 0), "does not fit"), ((0, "x"), "ints and None"), ((0, 1), "differ in size"),
    ],
)  # fmt: skip
def test_wrong_in_dims(dims, message):
    with pytest.raises(ValueError, match=message):
        vmap(lambda a, b: a, in_dims=dims)(rg.ones(2, 3), rg.ones(2, 3))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="no arguments"):
        vmap(lambda: 1)()
    with pytest.raises(ValueError, match="must return Tensors"):
        vmap(lambda x: 1)(rg.ones(2))
    with pytest.raises(ValueError, match="cannot be mapped over"):
        vmap(lambda x, y: x)(rg.ones(2), 3)
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(lambda x: x, randomness="maybe")
    with pytest.raises(ValueError, match="out_dims has None"):
        vmap(lambda x: x, out_dims=None)(rg.ones(2))
    with pytest.raises(ValueError, match="does not fit the structure"):
        vmap(lambda x: (x, x), out_dims=(0, 0, 0))(rg.ones(2))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * x.sum().item(),
        lambda x: x[x > 0],
        lambda x: rg.nonzero(x > 0),
        lambda x: x * float(x.sum()),
        lambda x: rg.tensor(x.numpy()),
        lambda x: rg.ones(int(x.sum())),
    ],
)
def test_decisions_by_values_are_refused(f):
    with pytest.raises(RuntimeError, match="vmap"):
        vmap(f)(rg.randn(3, 4))


def test_batched_tensors_print_what_they_are():
    seen = []
    vmap(lambda x: (seen.append(repr(x)), x)[1])(rg.tensor([1, 2]))
    assert seen == ["BatchedTensor(lvl=1, bdim=0, value=tensor([1, 2]))"]


# ---------------------------------------------------------------- in place
def test_writes_in_place_reach_the_sample():
    def f(x):
        y = x.clone()
        y[0] = 5.0
        y[1:].mul_(2).add_(x[0])
        return y

    x = rg.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(vmap(f)(x).numpy(), rg.stack([f(v) for v in x]).numpy())


def test_writes_through_views_reach_the_base():
    def f(x):
        y = x * 1
        row = y.reshape(2, 2)[1]
        row.zero_()
        return y

    np.testing.assert_array_equal(vmap(f)(rg.ones(3, 4)).numpy(), [[1, 1, 0, 0]] * 3)


def test_a_batched_value_does_not_fit_into_an_unbatched_tensor():
    def f(x):
        y = rg.zeros(2)
        y[0] = x
        return y

    with pytest.raises(RuntimeError, match="vmap: setitem cannot write a batched value"):
        vmap(f)(rg.ones(3))


def test_gradients_of_writes_in_place():
    def f(x):
        y = x.clone()
        y[0] = x[1] * x[2]
        return (y * y).sum()

    x = rg.randn(4, 3, dtype=rg.float64)
    want = rg.stack([grad(f)(v) for v in x])
    np.testing.assert_allclose(vmap(grad(f))(x).numpy(), want.numpy())


# ---------------------------------------------------------------- indexing
def test_indices_that_differ_from_sample_to_sample():
    table, x = rg.randn(5, 3), rg.randn(4, 5, 3)
    i, j = rg.tensor([4, 0, 2, 2]), rg.tensor([[0, 1], [2, 2], [1, 0], [0, 0]])
    np.testing.assert_array_equal(vmap(lambda k: table[k])(i).numpy(), table[i].numpy())
    np.testing.assert_array_equal(
        vmap(lambda v, k: v[k])(x, i).numpy(), rg.stack([x[n][i[n]] for n in range(4)]).numpy()
    )
    np.testing.assert_array_equal(vmap(lambda k: table[:, k])(j).numpy(), rg.stack([table[:, k] for k in j]).numpy())
    np.testing.assert_array_equal(
        vmap(lambda v, k: v[:, k])(x, j).numpy(), rg.stack([v[:, k] for v, k in zip(x, j, strict=True)]).numpy()
    )
    np.testing.assert_array_equal(
        vmap(lambda v, k: v[k, k])(x, j).numpy(), rg.stack([v[k, k] for v, k in zip(x, j, strict=True)]).numpy()
    )


def test_gradients_by_batched_indices_stay_with_their_sample():
    table, ids = rg.randn(5, 3, dtype=rg.float64), rg.tensor([[0, 1], [2, 2], [4, 0]])
    f = lambda w, k: (rg.nn.functional.embedding(k, w) ** 2).sum()
    got = vmap(grad(f), (None, 0))(table, ids)
    np.testing.assert_allclose(got.numpy(), rg.stack([grad(f)(table, k) for k in ids]).numpy())


# ---------------------------------------------------------------- random numbers
@pytest.mark.parametrize(
    "draw",
    [
        lambda x: rg.rand(3) + x, lambda x: rg.randn_like(x.expand(3)), lambda x: rg.randperm(50)[:3] + x,
        lambda x: rg.nn.functional.dropout(x.expand(3) + 1, 0.5), lambda x: (x.expand(3) * 0 + 0.5).bernoulli(),
        lambda x: rg.randint(0, 1000, (3,)) + x, lambda x: rg.normal(x.expand(3), 1.0),
        lambda x: x.expand(3).clone().uniform_(),
    ],
)  # fmt: skip
def test_randomness(draw):
    x = rg.zeros(16)
    with pytest.raises(RuntimeError, match="randomness='error'"):
        vmap(draw)(x)
    different = vmap(draw, randomness="different")(x).numpy()
    assert len({tuple(r) for r in different}) > 1
    if "uniform_" not in str(draw.__code__.co_names):
        same = vmap(draw, randomness="same")(x).numpy()
        assert (same == same[0]).all()


def test_different_numbers_follow_the_seed():
    f = vmap(lambda x: rg.randn(2) + x, randomness="different")
    rg.manual_seed(3)
    first = f(rg.zeros(4))
    rg.manual_seed(3)
    assert bool((f(rg.zeros(4)) == first).all())


# ---------------------------------------------------------------- gradients and custom functions
def test_gradients_flow_through_vmap_to_what_is_outside():
    w = rg.randn(4, dtype=rg.float64, requires_grad=True)
    x = rg.randn(5, 4, dtype=rg.float64, requires_grad=True)
    vmap(lambda v: (v * w).sin().sum())(x).sum().backward()
    gw, gx = w.grad.clone(), x.grad.clone()
    w.grad = x.grad = None
    (x * w).sin().sum().backward()
    np.testing.assert_allclose(gw.numpy(), w.grad.numpy())
    np.testing.assert_allclose(gx.numpy(), x.grad.numpy())


def test_custom_functions_are_mapped():
    class Cube(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x**3 * w

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return g * 3 * x**2 * w, g * x**3

    x, w = rg.randn(4, 2, dtype=rg.float64), rg.randn(2, dtype=rg.float64, requires_grad=True)
    got = vmap(grad(lambda v, u: Cube.apply(v, u).sum()), (0, None))(x, w.detach())
    np.testing.assert_allclose(got.numpy(), (3 * x**2 * w).detach().numpy())
    vmap(lambda v: Cube.apply(v, w))(x).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), (x**3).sum(0).numpy())


# ---------------------------------------------------------------- parity
@pytest.mark.parametrize(
    "f",
    [
        lambda m, x, y: m.vmap(lambda a, b: (a * b).cumsum(0).softmax(-1))(x, y),
        lambda m, x, y: m.vmap(lambda a: m.einsum("i,ji->j", a, y))(x),
        lambda m, x, y: m.vmap(lambda a, b: m.cat([a, b[:1]]).flip(0).roll(2), in_dims=(0, 1), out_dims=1)(x, y.T),
        lambda m, x, y: m.vmap(m.vmap(lambda a, b: m.where(a > b, a, b * 2)))(x, y),
        lambda m, x, y: m.vmap(lambda a, b: m.outer(a, b).triu().T.contiguous().view(-1))(x, y),
        lambda m, x, y: m.vmap(lambda a: a.sort(descending=True)[0].topk(2)[0])(x),
        lambda m, x, y: m.vmap(lambda a: m.nn.functional.pad(a[None], (1, 2)).unfold(1, 2, 1))(x),
        lambda m, x, y: m.vmap(lambda a, b: m.addmm(m.eye(4).double(), m.outer(a, b), m.outer(b, a)))(x, y),
    ],
)
def test_programs_agree_with_pytorch(f):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    np.testing.assert_allclose(
        f(rg, rg.tensor(x), rg.tensor(y)).numpy(), f(torch, torch.tensor(x), torch.tensor(y)).numpy(), rtol=1e-12
    )


def test_every_rule_is_of_a_primitive():
    assert set(RULES) <= set(PRIMITIVES)
    assert all(isinstance(v, TensorBase) for v in (vmap(lambda x: x)(rg.ones(1)),))
