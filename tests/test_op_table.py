"""Every public function of the registry, checked from its samples: nothing here names an operation to test it.

Forward against the independent reference; first and second derivatives and forward mode against finite differences; the
three ways backward can run against one another; strides; methods and in-place forms; errors; the invariants of results.
What is checked of each primitive is in test_op_primitives.py.
"""

from __future__ import annotations

import warnings

import numpy as np
import optable as ot
import pytest
from optable import backend  # noqa: F401 - a fixture

import retrograd as rg
from retrograd.autograd.backend import is_array
from retrograd.autograd.core import TensorBase
from retrograd.autograd.registry import FUNCTIONS
from retrograd.autograd.versions import owner

every_function = pytest.mark.parametrize("path", ot.SAMPLED)
both_floats = pytest.mark.parametrize("dtype", ot.FLOATS)


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
            if (
                given == {"float32"}
                and r._dtype.kind == "f"
                and "float64" not in repr(s.call)
                and path != "float_power"
            ):
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
                bound = ot.ROUNDED.get(path, 0)
                np.testing.assert_allclose(ot.to_np(a), ot.to_np(b), rtol=0, atol=bound)
                np.testing.assert_allclose(ot.to_np(a), ot.to_np(c), rtol=0, atol=bound)
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
                _as_function_of_inputs(s, wanted),
                xs,
                check_grad_dtypes=True,
                check_undefined_grad=False,
                fast_mode=True,
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
                    assert v._dtype is x._dtype and v._shape == x._shape, (
                        f"gradient {v._shape} {v._dtype} of {x._shape} {x._dtype}"
                    )
                    assert v._data.dtype == x._data.dtype and v._data.shape == x._shape
            if g is None or x.grad is None:
                assert h is None or not np.any(ot.to_np(h)), "unused in one way of backward only"
                continue
            ot.close(g, x.grad, dtype, "grad() and backward()")
            ot.close(g, h, dtype, "grad() with and without create_graph")

    ot.each(path, dtype, check)


# ---------------------------------------------------------------- layouts
# Functions about memory itself, which may refuse or answer differently for another layout.
ABOUT_LAYOUT = {
    "Tensor.view",
    "Tensor.view_as",
    "view_as_complex",
    "Tensor.as_strided",
    "Tensor.as_strided_",
    "Tensor.set_",
    "as_strided",
    "as_strided_copy",
    "as_strided_scatter",
    "Tensor.is_contiguous",
}


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
