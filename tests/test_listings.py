"""The explicit listings (front door, class Tensor, nn.functional) against the registry, and the recipe for an operation."""

from __future__ import annotations

import importlib
import inspect
import re
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

import optable as ot
import pytest
import test_op_primitives as primitives
import test_op_table as table

import retrograd as rg
from retrograd.autograd.gradcheck import GradcheckError
from retrograd.autograd.methods import Methods
from retrograd.autograd.methods_late import LateMethods
from retrograd.autograd.registry import FUNCTIONS, PRIMITIVES, Function

CONTRIBUTING = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"

# Methods that differ from the function of their name: which one they are.
OTHER_METHOD = {"where": "Tensor.where", "relu": "relu", "softmax": "softmax", "log_softmax": "log_softmax"}


def home(f: Function):
    """The module whose attribute the function must be, None for methods only."""
    if f.where == "Tensor":
        return None
    return importlib.import_module(f"retrograd.{f.where}") if f.where else rg


def missing(f: Function) -> list[str]:
    """The listings that the function should be in and is not."""
    found = []
    module = home(f)
    if module is not None:
        if getattr(module, f.name, None) is not f.call:
            found.append(f"{module.__name__}.{f.name}")
        if f.name not in getattr(module, "__all__", [f.name]):
            found.append(f"{module.__name__}.__all__: {f.name}")
    if (f.method and f.where in ("", "Tensor")) or f.where == "Tensor":
        getattr(rg.Tensor, f.name, None)  # has a late method put the function in its place
        own = inspect.getattr_static(rg.Tensor, f.name, None)
        if own is None:
            found.append(f"Tensor.{f.name}")
        elif own is not f.call and f.name not in OTHER_METHOD and not _leads_to(own, f):
            found.append(f"Tensor.{f.name} is another function")
    if f.inplace and not hasattr(rg.Tensor, f.name + "_"):
        found.append(f"Tensor.{f.name}_")
    return found


def _leads_to(own, f: Function) -> bool:
    """Whether a method is written out in class Tensor, for its signature or because it is a property."""
    return f.name in vars(rg.Tensor) and (isinstance(own, property) or inspect.isfunction(own))


@pytest.mark.parametrize("path", sorted(FUNCTIONS))
def test_every_function_is_listed(path):
    assert missing(FUNCTIONS[path]) == []


@pytest.mark.parametrize("path", sorted(FUNCTIONS))
def test_every_function_says_what_it_does(path):
    doc = inspect.getdoc(FUNCTIONS[path].call)
    assert doc and doc.strip(), "has no docstring"
    assert doc.strip().splitlines()[0].rstrip().endswith((".", ":", ";", ",")) or len(doc) > 10


@pytest.mark.parametrize("name", sorted(n for n in rg.__all__ if inspect.isfunction(getattr(rg, n, None))))
def test_every_exported_function_has_a_docstring(name):
    assert (inspect.getdoc(getattr(rg, name)) or "").strip()


def test_every_listed_name_exists():
    assert [n for n in rg.__all__ if not hasattr(rg, n)] == []
    assert len(set(rg.__all__)) == len(rg.__all__)
    functional = importlib.import_module("retrograd.nn.functional")
    assert [n for n in getattr(functional, "__all__", []) if not hasattr(functional, n)] == []


def test_methods_are_registered_functions():
    """Nothing is listed among the generated methods that the registry (and so the tests) does not know."""
    calls = {id(f.call) for f in FUNCTIONS.values()}
    names = {f.name for f in FUNCTIONS.values()}
    unknown = []
    methods = {name: getattr(c, name) for c in (Methods, LateMethods) for name in list(vars(c))}
    for name, own in methods.items():
        if name.startswith("__") or name == "copy_":  # copy_ is the write itself, in autograd/views.py
            continue
        base = name.rstrip("_")
        alias = id(getattr(rg, base, None)) in calls or id(getattr(rg.Tensor, base, None)) in calls
        if id(own) not in calls and base not in names and not alias:
            unknown.append(name)
    assert unknown == []


def test_in_place_methods_have_the_operation_s_name():
    for f in FUNCTIONS.values():
        if f.inplace:
            own = getattr(rg.Tensor, f.name + "_")
            assert own.__name__.endswith("_") and inspect.getdoc(own)


# ---------------------------------------------------------------- the recipe of CONTRIBUTING
@pytest.fixture
def recipe(monkeypatch):
    """The record of the recipe, executed where it says it belongs, and taken out of the registry again."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    code = re.search(r"```python package=(\S+)\n(.*?)```", text, re.DOTALL)
    assert code, "CONTRIBUTING.md has no recipe"
    before = set(FUNCTIONS), set(PRIMITIVES)
    exec(
        compile(code.group(2), "CONTRIBUTING.md", "exec"),
        vars(module_from_spec(ModuleSpec(f"{code.group(1)}.x", None))),
    )
    (path,) = set(FUNCTIONS) - before[0]
    (name,) = set(PRIMITIVES) - before[1]
    monkeypatch.setattr(ot, "SAMPLED", [path])
    monkeypatch.setattr(ot, "RANDOM", {})
    monkeypatch.setattr(ot, "_seen", {})
    yield path, name
    del FUNCTIONS[path], PRIMITIVES[name]


def test_a_new_record_makes_its_tests_and_lacks_only_its_listings(recipe):
    path, name = recipe
    for dtype in ot.FLOATS:
        table.test_forward_agrees_with_the_reference(path, dtype)
        table.test_results_keep_the_invariants_of_tensors(path, dtype)
        table.test_the_ways_of_backward_agree(path, dtype)
        primitives.test_jvp_is_the_transpose_of_vjp(name, dtype)
        primitives.test_cotangents_have_the_types_and_shapes_of_the_operands(name, dtype)
    for layout in ot.LAYOUTS:
        table.test_strides_do_not_matter(path, layout)
    table.test_gradcheck(path)
    table.test_gradgradcheck(path)
    table.test_forward_mode_of_the_whole_function(path)
    primitives.test_nothing_is_saved_that_is_not_used(name)
    primitives.test_elementwise_primitives_take_0d_and_size_0(name)
    assert missing(FUNCTIONS[path]) == [f"retrograd.{name}", f"retrograd.__all__: {name}", f"Tensor.{name}"]


def test_a_wrong_formula_is_found(recipe):
    """What the generated tests are worth: the recipe's formula with a wrong factor, and with a save it does not need."""
    path, name = recipe
    op = PRIMITIVES[name]
    right = op.vx
    try:
        op.vx = lambda g, x, o: right(g, x, o) * 1.01
        with pytest.raises(GradcheckError, match="Jacobian mismatch"):
            table.test_gradcheck(path)
        op.vx = lambda g, x, o: g * 0 + o
        with pytest.raises(AssertionError, match="saved but read by no formula"):
            primitives.test_nothing_is_saved_that_is_not_used(name)
    finally:
        op.vx = right
