"""Every function and every primitive of the registry, checked from its record: nothing here names an operation to test it.

Forward against the independent reference; first and second derivatives against finite differences; forward mode as the
transpose of reverse mode; the three ways backward can run against one another; 0-d, size 0, strides, broadcasting; what
an operand costs that needs no gradient; what is saved; errors; the invariants of results.
"""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import optable as ot
import pytest

import retrograd as rg
from retrograd.autograd import engine, passes
from retrograd.autograd.backend import is_array, xp_of
from retrograd.autograd.core import Node, TensorBase, wrap
from retrograd.autograd.forward import jvp_of
from retrograd.autograd.registry import BINARY, FUNCTIONS, NARY, PRIMITIVES, UNARY
from retrograd.autograd.versions import owner

# How to move a tensor to each array library the suite runs on.
BACKENDS = {"numpy": None}

every_function = pytest.mark.parametrize("path", ot.SAMPLED)
every_primitive = pytest.mark.parametrize("name", sorted(PRIMITIVES))
both_floats = pytest.mark.parametrize("dtype", ot.FLOATS)


@pytest.fixture(params=sorted(BACKENDS), autouse=True)
def backend(request):
    with ot.on(BACKENDS[request.param]):
        yield request.param


# ---------------------------------------------------------------- values
@every_function
@both_floats
def test_forward_agrees_with_the_reference(path, dtype):
    f = FUNCTIONS[path]
    if f.ref is None:
        pytest.skip("has no reference in NumPy or SciPy; parity with PyTorch covers it")

    def check(s):
        ours, theirs = ot.flat(s.run(s.inputs(()))), ot.flat(s.reference())
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            double = isinstance(a, TensorBase) and a._dtype.name in ("float64", "complex128")
            ot.close(a, b, "float64" if double else "float32", repr(s))  # integers give the default dtype, float32

    ot.each(path, dtype, check)


@every_function
@both_floats
def test_results_keep_the_invariants_of_tensors(path, dtype):
    def check(s):
        tensors = s.inputs()
        kind = type(tensors[0]._data) if tensors else None
        for r in ot.tensors_of(s.run(tensors)):
            assert type(r) is rg.Tensor
            assert r._dtype.np == r._data.dtype
            assert type(r._shape) is tuple and r._shape == r._data.shape
            assert is_array(r._data) and not isinstance(r._data, np.generic)
            assert kind is None or type(r._data) is kind
            if r._node is not None:
                assert r._dtype.kind in "fc"
            given = {a.dtype.name for _, a in s.drawn if a.dtype.kind in "fc"}
            if given == {"float32"} and r._dtype.kind == "f" and "float64" not in repr(s.call):
                assert r._dtype is rg.float32, f"float32 became {r._dtype}"

    ot.each(path, dtype, check)


@every_function
def test_results_do_not_depend_on_recording(path):
    def check(s):
        recorded = ot.flat(s.run(s.inputs()))
        plain = ot.flat(s.run(s.inputs(())))
        with rg.no_grad():
            quiet = ot.flat(s.run(s.inputs()))
        for a, b, c in zip(recorded, plain, quiet, strict=True):
            if isinstance(a, TensorBase):
                np.testing.assert_array_equal(ot.to_np(a), ot.to_np(b))
                np.testing.assert_array_equal(ot.to_np(a), ot.to_np(c))
                assert b._node is None and (c._node is None or any(c is t for t in ot.flat(c)))
            else:
                assert a == b == c

    ot.each(path, "float64", check)


@every_function
def test_what_is_said_to_be_differentiable_is(path):
    f = FUNCTIONS[path]
    every = [s for s in ot.samples(path, "float64") if not s.inplace]
    if not any(s.differentiable() for s in every):
        pytest.skip("takes no floating-point tensor")
    records = [bool(ot.recorded(s.run(s.inputs()))) for s in every if s.differentiable()]
    kinds = {t._dtype.kind for s in every for t in ot.tensors_of(s.run(s.inputs(())))}
    if not f.differentiable or not kinds & {"f", "c"}:
        assert not any(records), "records a gradient although its results are not differentiable"
    else:
        assert any(records), "no sample records a gradient"


# ---------------------------------------------------------------- derivatives
def _as_function_of_inputs(s, wanted):
    fixed = s.inputs(())

    def f(*xs):
        tensors = list(fixed)
        for i, x in zip(wanted, xs, strict=True):
            tensors[i] = x
        return tuple(r for r in ot.tensors_of(s.run(tensors)) if r._dtype.kind in "fc")

    return f


def _points(s):
    """The inputs that finite differences can be taken in: double precision."""
    wanted = [i for i in s.differentiable() if s.drawn[i][1].dtype.name in ("float64", "complex128")]
    tensors = s.inputs(wanted)
    xs = [tensors[i] for i in wanted]
    outs = ot.recorded(s.run(tensors))
    double = all(o._dtype.name in ("float64", "complex128") for o in outs)
    if not xs or not outs or not double or not all(x.numel() for x in xs):
        return [], []
    return wanted, xs


@every_function
def test_gradcheck(path):
    def check(s):
        wanted, xs = _points(s)
        if xs:
            f = _as_function_of_inputs(s, wanted)
            size = sum(x.numel() for x in xs) + sum(o.numel() for o in f(*xs))
            rg.autograd.gradcheck(f, xs, check_grad_dtypes=True, fast_mode=size > 80)

    ot.each(path, "float64", check)


# Samples with fixed values at ties and at the edge of the domain, where there is no second derivative.
EDGES = {"maximum", "minimum", "pow"}


@every_function
def test_gradgradcheck(path):
    def check(s):
        wanted, xs = _points(s)
        if path in EDGES and any(d.values is not None for d, _ in s.drawn):
            return
        if xs:
            rg.autograd.gradgradcheck(
                _as_function_of_inputs(s, wanted), xs, check_grad_dtypes=True, check_undefined_grad=False, fast_mode=True
            )

    ot.each(path, "float64", check)


@every_function
def test_forward_mode_of_the_whole_function(path):
    def check(s):
        wanted, xs = _points(s)
        if xs:
            f = _as_function_of_inputs(s, wanted)
            rg.autograd.gradcheck(f, xs, check_backward_ad=False, check_forward_ad=True, fast_mode=True)

    ot.each(path, "float64", check)


@every_function
@both_floats
def test_the_ways_of_backward_agree(path, dtype):
    """`backward()` (arrays, in slots), `grad` (arrays, in a dictionary) and `create_graph` (recorded) give one answer.

    And every gradient has the type and shape of its input: float32 stays float32.
    """

    def check(s):
        tensors = s.inputs()
        ins = [t for t in tensors if t._node is not None]
        _, gs = ot.gradients(s, tensors)
        _, recorded = ot.gradients(s, tensors, create_graph=True)
        if not gs:
            return
        outs = ot.recorded(s.run(tensors))
        rg.autograd.backward(outs, ot.cotangents(outs))
        for x, g, h in zip(ins, gs, recorded, strict=True):
            for v in (g, h, x.grad):
                if v is not None:
                    assert v._dtype is x._dtype and v._shape == x._shape, f"gradient {v._shape} {v._dtype} of {x._shape} {x._dtype}"
                    assert v._data.dtype == x._data.dtype and v._data.shape == x._shape
            if g is None or x.grad is None:
                assert h is None or not np.any(ot.to_np(h)), "unused in one way of backward only"
                continue
            ot.close(g, x.grad, dtype, "grad() and backward()")
            ot.close(g, h, dtype, "grad() with and without create_graph")

    ot.each(path, dtype, check)


# ---------------------------------------------------------------- layouts
# Functions about memory itself, which may refuse or answer differently for another layout.
ABOUT_LAYOUT = {"Tensor.view", "Tensor.view_as", "view_as_complex", "Tensor.as_strided", "as_strided", "Tensor.is_contiguous"}


@every_function
@pytest.mark.parametrize("layout", sorted(ot.LAYOUTS))
def test_strides_do_not_matter(path, layout):
    def check(s):
        plain, gs = ot.gradients(s, s.inputs())
        try:
            r, hs = ot.gradients(s, s.inputs(layout=layout))
        except RuntimeError:
            if path in ABOUT_LAYOUT:
                return
            raise
        if path in ABOUT_LAYOUT - {"Tensor.view", "Tensor.view_as", "view_as_complex"}:
            return
        for a, b in zip(ot.flat(plain), ot.flat(r), strict=True):
            ot.close(a, b, "float64", "value")
        for a, b in zip(gs, hs, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                ot.close(a, b, "float64", "gradient")

    ot.each(path, "float64", check)


@every_function
def test_inputs_are_left_alone(path):
    """Neither forward nor backward writes into an input, a cotangent, or what another holds."""

    def check(s):
        tensors = s.inputs()
        before = [ot.to_np(t).copy() for t in tensors]
        outs = ot.recorded(s.run(tensors))
        gs = ot.cotangents(outs)
        held = [ot.to_np(g).copy() for g in gs]
        ins = [t for t in tensors if t._node is not None]
        if outs and ins:
            found = rg.autograd.grad(outs, ins, gs, retain_graph=True, allow_unused=True)
            first = [None if g is None else ot.to_np(g).copy() for g in found]
            again = rg.autograd.grad(outs, ins, gs, allow_unused=True)
            for a, b, c in zip(found, again, first, strict=True):
                if a is not None:
                    np.testing.assert_array_equal(ot.to_np(a), c, err_msg="a gradient changed after it was given")
                    np.testing.assert_array_equal(ot.to_np(a), ot.to_np(b), err_msg="two passes differ")
        for t, a in zip(tensors, before, strict=True):
            if t is not tensors[0] or not s.inplace:
                np.testing.assert_array_equal(ot.to_np(t), a, err_msg="an input was changed")
        for g, a in zip(gs, held, strict=True):
            np.testing.assert_array_equal(ot.to_np(g), a, err_msg="a cotangent was changed")

    ot.each(path, "float64", check)


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
@pytest.mark.parametrize("shapes", [((3, 1), (4,)), ((2, 3), ()), ((), (2, 1)), ((1, 3), (2, 1, 1)), ((0, 1), (3,)), ((1,), (2, 2))])
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
    hs = rg.autograd.grad([expanded], [b for b in big if b._node is not None], ot.cotangents([expanded]), allow_unused=True)
    for v, g, h in zip(ins, gs, hs, strict=True):
        assert g._shape == v._shape
        np.testing.assert_allclose(ot.to_np(g), passes.sum_raw(ot.to_np(h), v._shape), rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- primitives
# Primitives whose formula refuses, by design and with an error that says so.
LAST_DERIVATIVE = {"polar_step": "the nuclear norm has two derivatives"}


def _calls(name, dtype="float64"):
    if name in LAST_DERIVATIVE:
        pytest.skip(LAST_DERIVATIVE[name])
    seen = ot.primitives_seen(dtype).get(name, [])
    if not seen:
        pytest.skip("reached by no sample")
    return seen


# Why a primitive is not reached by the samples of any public function.
UNREACHED = {
    "to_backend": "moves between array libraries: needs a second one",
    "to_device": "moves between devices: needs a second one",
}


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
        if not all(np.isfinite(ot.to_np(a)).all() for a in (*seen.xs, *(o._data for o in seen.run(())[1])) if is_array(a)):
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
                assert t.dtype == a.dtype and t.shape == a.shape, f"tangent {t.shape} {t.dtype} of {a.shape} {a.dtype}: {seen}"
            pairs = [(g, found[k]) for k, out in enumerate(outs) for g, q in zip(gs, live, strict=True) if q is out]
            ahead = sum(_inner(g, t) for g, t in pairs)
            back = sum(_inner(v, ts[i]) for v, i in zip(vs, wanted, strict=True) if v is not None)
            size = sum(np.abs(ot.to_np(g)).sum() for g in gs) + 1
            tol = 1e-9 if dtype == "float64" and "float32" not in {x.dtype.name for x in seen.xs if is_array(x)} else 2e-4
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
    unused = saved - used
    assert not unused, f"saved but read by no formula (operands that need a gradient, place): {sorted(unused, key=repr)}"


@every_function
def test_results_do_not_keep_more_than_they_need(path):
    """A node holds arrays and edges, never tensors."""

    def check(s):
        outs = ot.recorded(s.run(s.inputs()))
        if not outs:
            return
        for n in ot.nodes_of(outs):
            for part in ot.flat(list(n.saved)):
                assert not isinstance(part, TensorBase), f"{n.op.name} saves a tensor"
                if is_array(part):
                    assert owner(part) is not None

    ot.each(path, "float64", check)


# ---------------------------------------------------------------- forms and errors
def _form(s, name, tensors):
    args, kwargs = s.fill(tensors, lambda d: getattr(rg, d))
    return getattr(args[0], name)(*args[1:], **kwargs)


@pytest.mark.parametrize("path", [p for p in ot.SAMPLED if FUNCTIONS[p].method or FUNCTIONS[p].where == "Tensor"])
def test_methods_do_what_functions_do(path):
    f = FUNCTIONS[path]

    def check(s):
        if s.inplace or not s.call.args or type(s.call.args[0]).__name__ != "TensorSpec":
            return
        for a, b in zip(ot.flat(s.run(s.inputs(()))), ot.flat(_form(s, f.name, s.inputs(()))), strict=True):
            if isinstance(a, TensorBase):
                np.testing.assert_array_equal(ot.to_np(a), ot.to_np(b))
            else:
                assert a == b

    ot.each(path, "float64", check)


@pytest.mark.parametrize("path", [p for p in ot.SAMPLED if FUNCTIONS[p].inplace])
def test_inplace_forms_write_the_result_and_its_gradient(path):
    f = FUNCTIONS[path]
    tried = False

    def check(s):
        nonlocal tried
        if type(s.call.args[0]).__name__ != "TensorSpec":
            return
        tensors = s.inputs()
        r, gs = ot.gradients(s, tensors)
        x = tensors[0]
        if r._shape != x._shape or not rg.can_cast(r._dtype, x._dtype):
            return
        tried = True
        target = x.clone()
        same = _form(s, f.name + "_", [target, *tensors[1:]])
        assert same is target
        ot.close(target, r.to(x.dtype), "float64", "value")
        ins = [t for t in tensors if t._node is not None]
        if gs and target._node is not None and r._dtype is x._dtype:
            found = rg.autograd.grad([target], ins, ot.cotangents([target]), allow_unused=True)
            for a, b in zip(gs, found, strict=True):
                assert (a is None) == (b is None)
                if a is not None:
                    ot.close(a, b, "float64", "gradient")

    ot.each(path, "float64", check)
    if all(type(s.call.args[0]).__name__ != "TensorSpec" for s in ot.samples(path, "float64") if s.call.args):
        return
    assert tried, "no sample whose result fits into its first argument"


@pytest.mark.parametrize("path", sorted(p for p, f in FUNCTIONS.items() if f.errors is not None))
def test_errors_are_of_the_declared_type_and_text(path):
    f = FUNCTIONS[path]
    failed = []
    for i, r in enumerate(f.errors()):
        s = ot.Sample(f, i, r.call, "float32")
        try:
            with pytest.raises(r.error, match=r.match), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                s.run(s.inputs(()))
        except BaseException as e:
            failed.append(f"{r!r} matching {r.match!r}: {type(e).__name__}: {e}")
    assert not failed, "\n".join(failed)


def test_tensors_are_made_where_the_backend_says(backend):
    t = ot.make(np.ones(2))
    assert isinstance(t, rg.Tensor) and isinstance(t._node, (Node, type(None)))
    assert wrap(t._data)._shape == (2,)
