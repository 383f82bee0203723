"""Every primitive of the registry, on the calls of it that the samples of public functions make.

Each is reached by some sample, forward or in a first or second backward; forward mode is the transpose of reverse mode;
cotangents and tangents have the right types and shapes; 0-d, size 0 and broadcasting; what an operand costs that needs
no gradient; nothing is saved that is not used.
"""

from __future__ import annotations

import contextlib

import numpy as np
import optable as ot
import pytest
from optable import backend  # noqa: F401 - a fixture

import retrograd as rg
from retrograd.autograd import engine, passes
from retrograd.autograd.backend import is_array, xp_of
from retrograd.autograd.core import TensorBase
from retrograd.autograd.forward import jvp_of
from retrograd.autograd.registry import BINARY, NARY, PRIMITIVES, UNARY

every_primitive = pytest.mark.parametrize("name", sorted(PRIMITIVES))
both_floats = pytest.mark.parametrize("dtype", ot.FLOATS)


# ---------------------------------------------------------------- elementwise primitives in unusual shapes
ELEMENTWISE = sorted(n for n, op in PRIMITIVES.items() if op.arity in (UNARY, BINARY))


def _operand(seen, i, shape):
    """Values from operand i of a call that was seen, so that they lie where the operation is defined."""
    flat = next((s.xs[i].reshape(-1) for s in seen if is_array(s.xs[i]) and s.xs[i].size), None)
    if flat is None:
        return None
    n = int(np.prod(shape))
    host = np.resize(ot.to_np(flat), n) if n else np.zeros(0, flat.dtype)
    return ot.make(host.reshape(shape), grad=True)


def _elementwise_case(name):
    seen = [s for s in ot.primitives_seen("float64").get(name, []) if is_array(s.xs[0])]
    if not seen:
        pytest.skip("reached by no sample")
    return PRIMITIVES[name], [s for s in seen if s.xs[0].dtype.kind == seen[0].xs[0].dtype.kind]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_primitives_take_0d_and_size_0(name):
    op, seen = _elementwise_case(name)
    for shape in ((), (0,), (2, 0, 3), (1,), (1, 1)):
        xs = [_operand(seen, i, shape) for i in range(op.arity)]
        if any(x is None for x in xs):
            pytest.skip("its samples have no second tensor")
        r = op.call(*xs)
        assert r._shape == shape and r._data.shape == shape and not isinstance(r._data, np.generic)
        if r._node is not None:
            ins = [x for x in xs if x._node is not None]
            for x, g in zip(ins, rg.autograd.grad([r], ins, ot.cotangents([r]), allow_unused=True), strict=True):
                assert g is None or (g._shape == shape and g._dtype is x._dtype)


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if PRIMITIVES[n].arity == BINARY])
@pytest.mark.parametrize(
    "shapes", [((3, 1), (4,)), ((2, 3), ()), ((), (2, 1)), ((1, 3), (2, 1, 1)), ((0, 1), (3,)), ((1,), (2, 2))]
)
def test_binary_primitives_broadcast(name, shapes):
    """Broadcasting equals expanding first: values, and gradients summed down."""
    op, seen = _elementwise_case(name)
    x, y = (_operand(seen, i, shape) for i, shape in enumerate(shapes))
    if x is None or y is None:
        pytest.skip("its samples have no second tensor")
    whole = np.broadcast_shapes(*shapes)
    big = [ot.make(np.broadcast_to(ot.to_np(v), whole).copy(), grad=True) for v in (x, y)]
    r, expanded = op.call(x, y), op.call(*big)
    np.testing.assert_array_equal(ot.to_np(r), ot.to_np(expanded))
    if r._node is None:
        return
    ins = [v for v in (x, y) if v._node is not None]
    gs = rg.autograd.grad([r], ins, ot.cotangents([r]), allow_unused=True)
    hs = rg.autograd.grad(
        [expanded], [b for b in big if b._node is not None], ot.cotangents([expanded]), allow_unused=True
    )
    for v, g, h in zip(ins, gs, hs, strict=True):
        assert g._shape == v._shape
        np.testing.assert_allclose(ot.to_np(g), passes.sum_raw(ot.to_np(h), v._shape), rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- primitives
# Primitives whose formula refuses, by design and with an error that says so.
LAST_DERIVATIVE = {
    "eig": "what depends on the phase of complex vectors has no derivative",
    "geqrf": "linalg.qr has one",
    "ldl_factor": "has none in PyTorch either",
    "ldl_solve": "has none in PyTorch either",
    "qr_r": "needs Q, which is not computed",
    "gammainc": "the order of igamma has no derivative",
    "polar_step": "the nuclear norm has two derivatives",
    "zeta": "the order of zeta has no derivative",
}


def _calls(name, dtype="float64"):
    if name in LAST_DERIVATIVE:
        pytest.skip(LAST_DERIVATIVE[name])
    seen = ot.primitives_seen(dtype).get(name, [])
    if not seen:
        pytest.skip("reached by no sample")
    return seen


PAIRS = "two modules of a Sequential as one; tests/test_pairs.py tests its derivatives"
# Why a primitive is not reached by the samples of any public function.
LEVELS = "moves values between the levels of function transforms; tests/test_func_levels.py tests its derivatives"
SPARSE = "has sparse operands or results, which samples are not; tests/test_sparse_primitives.py tests its derivatives"
UNREACHED = {
    "to_backend": "moves between array libraries: needs a second one",
    "to_device": "moves between devices: needs a second one",
    **dict.fromkeys(("batch", "drop", "dual", "lift", "part", "unbatch"), LEVELS),
    **dict.fromkeys(
        (
            "embedding_sparse", "sampled_mm", "sparse_compressed_tensor", "sparse_coo_tensor", "sparse_mm", "sparse_sparse",
        ),
        SPARSE,
    ),
    **dict.fromkeys(("batch_norm_relu", "channel_affine_relu", "layer_norm_relu", "linear_relu"), PAIRS),
}  # fmt: skip


@every_primitive
def test_every_primitive_is_reached_by_a_sample(name):
    if name in UNREACHED:
        pytest.skip(UNREACHED[name])
    assert ot.primitives_seen("float64").get(name), (
        f"no sample of a public function calls {name}, forward or in a first or second backward"
    )


def _inner(a, b):
    """The real inner product, under which reverse mode is the transpose of forward mode."""
    a, b = ot.to_np(a), ot.to_np(b)
    return float(np.sum((np.conj(a) * b).real))


def _tangent(a, rng):
    t = rng.uniform(-1, 1, a.shape)
    t = t + 1j * rng.uniform(-1, 1, a.shape) if a.dtype.kind == "c" else t
    return xp_of(a).asarray(np.asarray(t).astype(a.dtype))


@every_primitive
@both_floats
def test_jvp_is_the_transpose_of_vjp(name, dtype):
    """<g, jvp(t)> == <vjp(g), t>, for all operands together and for each alone; tangents have the outputs' types."""
    op = PRIMITIVES[name]
    if not op.differentiable or name == "polar":
        pytest.skip("not differentiable" if name != "polar" else LAST_DERIVATIVE["polar_step"])
    rng = np.random.default_rng(1)
    for seen in _calls(name, dtype)[:24]:
        if not all(
            np.isfinite(ot.to_np(a)).all() for a in (*seen.xs, *(o._data for o in seen.run(())[1])) if is_array(a)
        ):
            continue  # NaN and infinity have their own tests
        floats = [i for i, x in enumerate(seen.xs) if is_array(x) and x.dtype.kind in "fc"]
        for wanted in [floats] + ([[i] for i in floats] if len(floats) > 1 else []):
            ys, outs = seen.run(wanted)
            live = [o for o in outs if o._node is not None]
            if not live:
                continue
            gs = ot.cotangents(live)
            ins = [ys[i] for i in wanted]
            vs = engine.grad_arrays(live, gs, ins, record=True)
            ts = [_tangent(x, rng) if i in wanted else None for i, x in enumerate(seen.xs)]
            node = live[0]._node
            arrays = [o._data for o in outs]
            if op.outputs != 1 or op.extras:
                base = node.many[0] if op.outputs != 1 else node
                o = (*arrays, *(base.saved[2][len(arrays) :] if op.extras else ()))
            else:
                o = arrays[0]
            found = jvp_of(op, seen.xs, ts, o, seen.p)
            found = list(found) if op.outputs != 1 else [found]
            for t, a in zip(found, arrays, strict=True):
                assert t.dtype == a.dtype and t.shape == a.shape, (
                    f"tangent {t.shape} {t.dtype} of {a.shape} {a.dtype}: {seen}"
                )
            pairs = [(g, found[k]) for k, out in enumerate(outs) for g, q in zip(gs, live, strict=True) if q is out]
            ahead = sum(_inner(g, t) for g, t in pairs)
            back = sum(_inner(v, ts[i]) for v, i in zip(vs, wanted, strict=True) if v is not None)
            size = sum(np.abs(ot.to_np(g)).sum() for g in gs) + 1
            single = {x.dtype.name for x in seen.xs if is_array(x)} & {"float32", "complex64"}
            tol = 1e-9 if dtype == "float64" and not single else 2e-4
            assert abs(ahead - back) <= tol * max(size, abs(back)), f"forward {ahead}, reverse {back}: {seen}"


@every_primitive
@both_floats
def test_cotangents_have_the_types_and_shapes_of_the_operands(name, dtype):
    if not PRIMITIVES[name].differentiable:
        pytest.skip("not differentiable")
    for seen in _calls(name, dtype):
        ys, outs = seen.run()
        live = [o for o in outs if o._node is not None]
        ins = [y for y in ys if isinstance(y, TensorBase) and y._node is not None]
        if not live:
            continue
        for record in (True, False):  # the second pass frees
            for y, g in zip(ins, engine.grad_arrays(live, ot.cotangents(live), ins, record=record), strict=True):
                if g is not None:
                    a = g._data if record else g
                    assert a.dtype == y._data.dtype and a.shape == y._shape, f"{a.shape} {a.dtype}: {seen}"


# ---------------------------------------------------------------- cost: work and memory
@every_primitive
def test_operands_without_gradient_get_no_work(name):
    """The formula of an operand that needs no gradient is not called; a joint formula gives None for it."""
    op = PRIMITIVES[name]
    if op.arity not in (BINARY, NARY) or not op.differentiable:
        pytest.skip("has one operand, or no gradient")
    tried = False
    for seen in _calls(name)[:12]:
        floats = [i for i, x in enumerate(seen.xs) if is_array(x) and x.dtype.kind == "f"]
        if len(floats) < 2:
            continue
        for i in floats:
            ys, outs = seen.run([i])
            live = [o for o in outs if o._node is not None]
            if not live:
                continue
            tried = True
            with _counting(op) as calls:
                rg.autograd.grad(live, [ys[i]], ot.cotangents(live), allow_unused=True)
            if op.arity == BINARY:
                assert [c[0] for c in calls] in ([], [i]), f"formulas {calls} ran, only operand {i} needs one: {seen}"
            else:
                for _, given in calls:
                    done = [k for k, v in enumerate(given) if v is not None and k != i]
                    assert not done, f"cotangents of operands {done} were computed, only {i} needs one: {seen}"
    if not tried:
        pytest.skip("no sample has two floating-point operands")


@contextlib.contextmanager
def _counting(op):
    """Replace the formulas of a record by ones that note their calls."""
    calls = []
    kept = (op.vx, op.vy, op.vjp)

    def noted(i, f):
        def formula(*args):
            calls.append((i, None))
            return f(*args)

        return None if f is None else formula

    def joint(*args):
        given = list(kept[2](*args))
        calls.append((None, given))
        return given

    op.vx, op.vy = noted(0, op.vx), noted(1, op.vy)
    op.vjp = joint if op.vjp is not None else None
    try:
        yield calls
    finally:
        op.vx, op.vy, op.vjp = kept


def _saved_places(node):
    """(path, array) of each floating-point array that a node holds."""
    x, y, out = node.saved
    if node.op.arity == BINARY:
        held = [((0,), x), ((1,), y), ((2,), out)]
    elif node.op.arity == NARY:
        held = [((0, i), a) for i, a in enumerate(x)]
        held += [((2, i), a) for i, a in enumerate(out)] if isinstance(out, tuple) else [((2,), out)]
    else:
        held = [((0,), x), ((2,), out)]
    return [(at, a) for at, a in held if is_array(a) and a.size]


def _replaced(saved, at, a):
    """The saved values with `a` at one place."""
    parts = list(saved)
    if len(at) == 1:
        parts[at[0]] = a
    else:
        inner = list(parts[at[0]])
        inner[at[1]] = a
        parts[at[0]] = type(saved[at[0]])(inner)
    return tuple(parts)


def _poisons(a):
    """Arrays of the same shape and type with other values: NaN, and huge ones for what is only compared."""
    xp = xp_of(a)
    if a.dtype.kind in "fc":
        return [xp.full_like(a, v) for v in (np.nan, 1e30, -1e30)]
    return [~a] if a.dtype.kind == "b" else [a[::-1].copy() if a.ndim else a + 1]


def _first_order(ys, live, wanted):
    ins = [ys[i] for i in wanted]
    with np.errstate(all="ignore"):
        gs = rg.autograd.grad(live, ins, ot.cotangents(live), retain_graph=True, allow_unused=True)
    return [None if g is None else ot.to_np(g) for g in gs]


# Primitive -> places among its saved values that the first derivative does not read, each with the reason.
_LAST = "the states after the last step, one row for each sequence, come with the output of all steps"
_AGAIN = "the second derivative repeats the steps from them"
_KERNEL = "the kernel's backward pass reads the largest score and the sum of each row, the formula computes them again"
_WHOLE = "one pass computes the cotangents of q, k and v, and that of v alone reads less"
KEPT = {
    "attention": {(2, 1): _KERNEL, (2, 2): _KERNEL, (0, 2): _WHOLE, (2, 0): _WHOLE},
    "attention_back": {(0, 0): _AGAIN, (0, 3): _AGAIN},
    "channel_affine_back": dict.fromkeys([(0, 0), (0, 1), (0, 2)], _AGAIN),
    "gru": {(2, 1): _LAST, **dict.fromkeys([(0, 0), (0, 1), (0, 2), (0, 4), (0, 5)], _AGAIN)},
    "gru_back": {(0, 0): _AGAIN, (0, 1): _AGAIN},
    "lstm": {
        **dict.fromkeys([(2, 1), (2, 2)], _LAST),
        **dict.fromkeys([(0, 0), (0, 1), (0, 2), (0, 3), (0, 5), (2, 0)], _AGAIN),
    },
    "lstm_back": {(0, 0): _AGAIN, (0, 1): _AGAIN, (0, 2): _AGAIN},
    "rnn": {(2, 1): _LAST, **dict.fromkeys([(0, 0), (0, 1), (0, 2), (0, 4)], _AGAIN)},
    "rnn_back": {(0, 0): _AGAIN, (0, 1): _AGAIN},
}


@every_primitive
def test_nothing_is_saved_that_is_not_used(name):
    """Each saved array, replaced by NaN, changes a cotangent in at least one call: with all operands, and with each alone."""
    op = PRIMITIVES[name]
    if not op.differentiable:
        pytest.skip("not differentiable")
    used, saved = set(), set()
    for seen in _calls(name):
        floats = [i for i, x in enumerate(seen.xs) if is_array(x) and x.dtype.kind in "fc"]
        for wanted in {tuple(floats), *((i,) for i in floats)}:
            whole = len(wanted) == len(floats)
            ys, outs = seen.run(wanted)
            live = [o for o in outs if o._node is not None]
            if not live:
                continue
            node = live[0]._node.many[0] if op.outputs != 1 else live[0]._node
            if node.op.name != name:
                continue  # promoted or rounded on the way: another call of it is seen as such
            right = _first_order(ys, live, wanted)
            kept = node.saved
            places = len(floats) if whole else wanted
            extras = len(node.saved[2]) - op.extras if op.extras else None
            for at, a in _saved_places(node):
                if extras is not None and not whole and at[0] == 2 and at[1] >= extras:
                    continue  # the forward made it anyway
                saved.add((places, at))
                for poison in _poisons(a):
                    node.saved = _replaced(kept, at, poison)
                    try:
                        wrong = _first_order(ys, live, wanted)
                        same = all(
                            (p is None and q is None) or np.array_equal(p, q, equal_nan=True)
                            for p, q in zip(right, wrong, strict=True)
                        )
                    except Exception:
                        same = False
                    finally:
                        node.saved = kept
                    if not same:
                        used.add((places, at))
                        break
    unused = {(places, at) for places, at in saved - used if at not in KEPT.get(name, ())}
    assert not unused, (
        f"saved but read by no formula (operands that need a gradient, place): {sorted(unused, key=repr)}"
    )
