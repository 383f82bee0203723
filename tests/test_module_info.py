"""Every class of torch.nn against PyTorch: outputs, gradients by parameters and inputs, state, printed form, errors.

PyTorch's own table of modules says what to compare; the modules without a row are in module_cases.py.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from typing import Any

import module_cases
import module_compare as mc
import pytest

import retrograd as rg

torch = pytest.importorskip("torch", reason="the comparison needs torch")
pytest.importorskip("expecttest", reason="PyTorch's tables need expecttest")
common = pytest.importorskip("torch.testing._internal.common_modules", reason="the comparison needs PyTorch's tables")

ROWS = {info.name.removeprefix("nn."): info for info in common.module_db}
CLASSES = {n for n, c in vars(torch.nn).items() if inspect.isclass(c) and issubclass(c, torch.nn.Module)}
# Modules whose output is drawn at random in training: compared in eval mode only.
RANDOM = {"FractionalMaxPool2d", "FractionalMaxPool3d"}
# How many of a row's inputs are compared in the ordinary run, evenly spread over the row; the soak run takes all.
SOME = 5
DTYPES = (torch.float64, torch.float32)
MODES = [(name, training) for name in sorted(ROWS) for training in (False, True) if not (training and name in RANDOM)]

pytestmark = [pytest.mark.filterwarnings("ignore")]


# ---------------------------------------------------------------- the listings
def test_every_class_of_torch_nn_exists():
    assert len(CLASSES) > 160
    missing = [n for n in sorted(CLASSES) if not inspect.isclass(getattr(rg.nn, n, None))]
    assert missing == []
    assert [n for n in sorted(CLASSES) if not issubclass(getattr(rg.nn, n), rg.nn.Module)] == []


def test_every_class_has_a_row_or_four_cases():
    own = {**module_cases.OWN, **module_cases.BUILT}
    assert sorted(CLASSES - set(ROWS) - set(own)) == []
    assert [n for n, cases in own.items() if len(cases) < 4] == []
    assert set(own) <= CLASSES


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_constructors_and_forwards_take_the_same_arguments(name):
    """Names, order and defaults; ours may have more at the end."""
    for method in ("__init__", "forward"):
        theirs, ours = (inspect.signature(getattr(getattr(lib, name), method)) for lib in (torch.nn, rg.nn))
        expected = {k: p.default for k, p in theirs.parameters.items()}
        found = {k: p.default for k, p in ours.parameters.items()}
        if any(p.kind is p.VAR_POSITIONAL for p in theirs.parameters.values()):
            continue
        assert list(found)[: len(expected)] == list(expected), method
        for k, default in expected.items():
            if callable(default) or isinstance(default, torch.dtype):  # a function of the library
                continue
            assert found[k] == default or k in ("device", "dtype"), (method, k)


@pytest.mark.parametrize(
    "names", ["utils", "init", "utils.parametrizations", "utils.parametrize", "utils.prune", "utils.rnn"]
)
def test_every_function_of_the_utilities_exists(names):
    theirs, ours = (importlib.import_module(f"{lib}.nn.{names}") for lib in ("torch", "retrograd"))
    public = [
        n for n, v in vars(theirs).items()
        if not n.startswith("_") and getattr(v, "__module__", "").startswith("torch.nn")
        and (inspect.isfunction(v) or inspect.isclass(v)) and n not in ("Module", "PackedSequence_", "bind")
    ]  # fmt: skip
    assert public
    assert [n for n in public if not hasattr(ours, n)] == []
    for n in public:
        f, g = getattr(theirs, n), getattr(ours, n)
        if inspect.isfunction(f) and not any(
            p.kind is p.VAR_POSITIONAL for p in inspect.signature(f).parameters.values()
        ):
            expected, found = inspect.signature(f).parameters, inspect.signature(g).parameters
            assert list(found)[: len(expected)] == list(expected), n
            assert [found[k].default for k in expected if not callable(expected[k].default)] == [
                p.default for p in expected.values() if not callable(p.default)
            ], n


# ---------------------------------------------------------------- PyTorch's table
def inputs_of(name: str, dtype: Any, training: bool) -> list[Any]:
    info = ROWS[name]
    torch.default_generator.manual_seed(0)
    given = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training)
    return [g for g in given if g.forward_input is not None]


def dtypes_of(name: str) -> list[Any]:
    return [d for d in DTYPES if d in (*ROWS[name].dtypes, *ROWS[name].dtypesIfMPS)]


def compare(name: str, g: Any, dtype: Any, training: bool) -> None:
    made, forward = g.constructor_input, g.forward_input
    mc.compare(name, made.args, made.kwargs, [list(forward.args), forward.kwargs], dtype, training)


@pytest.mark.parametrize(("name", "training"), MODES)
def test_row(name, training):
    """A sample of the inputs in double precision, and in evaluation mode one of them in single."""
    double, *single = dtypes_of(name)
    given = inputs_of(name, double, training)
    assert given
    for g in given[:: -(-len(given) // SOME)]:
        compare(name, g, double, training)
    for dtype in () if training else single:
        given = inputs_of(name, dtype, training)
        compare(name, given[len(given) // 2], dtype, training)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "training"), MODES)
def test_row_in_full(name, training):
    for dtype in dtypes_of(name):
        for g in inputs_of(name, dtype, training):
            compare(name, g, dtype, training)


def errors_of(name: str) -> list[Any]:
    options = {"device": "cpu", "dtype": torch.float64, "requires_grad": False, "training": False}
    return list(ROWS[name].module_error_inputs_func(ROWS[name], **options))


# Where ours converts what PyTorch refuses: class weights of another dtype than the input.
ACCEPTED = {("NLLLoss", 0)}
ERRORS = [
    (name, i)
    for name, info in sorted(ROWS.items())
    if info.module_error_inputs_func is not None
    for i in range(len(errors_of(name)))
    if (name, i) not in ACCEPTED
]


@pytest.mark.parametrize(("name", "i"), ERRORS)
def test_errors(name, i):
    """Where PyTorch's table says that a module raises, ours raises the same kind of error, with an explanation."""
    error = errors_of(name)[i]
    given = error.module_error_input
    made, forward = given.constructor_input, given.forward_input
    memo: dict[int, Any] = {}

    def construct() -> Any:
        return getattr(rg.nn, name)(*mc.ours(list(made.args), memo), **mc.ours(made.kwargs, memo))

    expected = error.error_type
    if error.error_on is common.ModuleErrorEnum.CONSTRUCTION_ERROR:
        with pytest.raises(expected) as caught:
            construct()
    else:
        with pytest.raises(expected) as caught:
            construct()(*mc.ours(list(forward.args), memo), **mc.ours(forward.kwargs, memo))
    assert len(str(caught.value)) > 15


# ---------------------------------------------------------------- the modules without a row
@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("name", sorted(module_cases.OWN))
def test_own_cases(name, dtype):
    for case in module_cases.OWN[name]:
        for training in case.modes:
            given = case.given(dtype)
            mc.compare(name, case.args, case.kwargs, given, dtype, training, close=case.close)


@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("name", sorted(module_cases.BUILT))
def test_containers(name, dtype):
    for build in module_cases.BUILT[name]:
        our, their = build(rg).to(mc.ours(dtype, {})), build(torch).to(dtype)
        assert repr(our).replace("retrograd.", "torch.") == repr(their)
        callable_ = type(their).forward is not torch.nn.Module.forward
        given = [[torch.randn(3, 4, dtype=dtype, requires_grad=True)], {}] if callable_ else None
        for training in (False, True):
            mc.check(our, their, given, dtype, training)


def test_bases_cannot_be_called():
    for base in (rg.nn.RNNCellBase(2, 3, True, 4), rg.nn.Module(), rg.nn.ModuleList()):
        with pytest.raises(NotImplementedError):
            base(rg.ones(1, 2))


def test_the_gradient_of_cross_map_normalization_is_the_derivative():
    rg.manual_seed(0)
    for size in (1, 2, 3, 5):
        x = rg.randn(1, 6, 2, 1, dtype=rg.float64, requires_grad=True)
        assert rg.autograd.gradcheck(rg.nn.CrossMapLRN2d(size, alpha=0.5), (x,))
    with pytest.raises(RuntimeError, match="Expected input to be 4D"):
        rg.nn.CrossMapLRN2d(3)(rg.ones(2, 3))


def test_containers_warn_that_they_are_old():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        rg.nn.Container(a=rg.nn.ReLU())
    assert [w.category for w in seen] == [FutureWarning]
    assert seen[0].filename == __file__


@pytest.mark.parametrize("kwargs", [{}, {"label_smoothing": 0.1}, {"weight": [1.0, 2.0, 3.0]}])
def test_ignored_labels_get_no_gradient_even_if_there_are_no_others(kwargs):
    """The mean over nothing is NaN; a gradient of NaN would spoil the weights at the first such batch."""
    grads = []
    for lib in (torch, rg):
        x = lib.zeros(2, 3, requires_grad=True)
        options = {k: lib.tensor(v) if isinstance(v, list) else v for k, v in kwargs.items()}
        loss = lib.nn.CrossEntropyLoss(ignore_index=1, **options)(x, lib.tensor([1, 1]))
        loss.backward()
        assert bool(loss.isnan())
        grads.append(x.grad.tolist())
    assert grads[0] == grads[1] == [[0.0] * 3] * 2
