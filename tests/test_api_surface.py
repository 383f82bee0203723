"""The symbols that 210 independent PyTorch programs use (api_surface.txt): each exists here, takes the keywords seen, and
is compared with PyTorch, in the parity suite or elsewhere.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import retrograd as rg

ROWS = [
    line.rstrip("\n").split("\t")
    for line in (Path(__file__).parent / "api_surface.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PROGRAMS = {row[0]: int(row[1]) for row in ROWS}
KEYWORDS = {row[0]: row[2].split(", ") for row in ROWS if len(row) > 2}

HEADS = {
    "torch": "retrograd", "nn": "retrograd.nn", "F": "retrograd.nn.functional", "optim": "retrograd.optim",
    "data": "retrograd.utils.data",
}  # fmt: skip

# Symbols that are not PyTorch's: the search that made the list took a program's own variable for a module.
OTHERS = {
    "data.device": "a variable called data",
    "data.get_dataloader": "a program's own module called data",
    "data.shape": "a variable called data",
    "data.std": "a variable called data",
    "data.train_dataloader": "a program's own module called data",
    "data.val_dataloader": "a program's own module called data",
}

# Keywords seen that PyTorch's function of the name does not take either: those of another object's method.
OTHER_KEYWORDS = {
    "Tensor.add": {"encoder", "decoder"},
    "Tensor.multinomial": {"size"},
    "Tensor.repeat": {"axis"},
}

# Names of the list that are not part of this release, each used by a single program.
MISSING: dict[str, str] = {
    "Tensor.int_repr": "quantised tensors do not exist here",
    "torch.ByteStorage.from_buffer": "storages are read through a tensor: retrograd.frombuffer",
    "torch.serialization.safe_globals": "nothing is unpickled by name, so there is no list of what may be",
    "torch.sparse.torch.eye": "the sparse module's own import of torch",
}


def resolve(symbol: str) -> list[Any]:
    """What the symbol names here; two things where the list says Tensor|Module."""
    if symbol.startswith("Tensor|Module."):
        name = symbol.split(".", 1)[1]
        return [getattr(rg.Tensor, name), getattr(rg.nn.Module, name)]
    head, *parts = symbol.split(".")
    if head in ("Tensor", "Optimizer"):
        found: Any = {"Tensor": rg.Tensor, "Optimizer": rg.optim.Optimizer}[head]
        if symbol == "Optimizer.param_groups":  # an attribute of instances
            return [rg.optim.SGD([rg.zeros(1, requires_grad=True)], lr=0.1).param_groups]
    else:
        found = importlib.import_module(HEADS[head])
    for part in parts:
        if inspect.ismodule(found) and not hasattr(found, part):
            found = importlib.import_module(f"{found.__name__}.{part}")
        else:
            found = getattr(found, part)
    return [found]


@pytest.mark.parametrize("symbol", sorted(set(PROGRAMS) - set(OTHERS) - set(MISSING)))
def test_symbol_exists_and_takes_the_keywords_seen(symbol):
    for found in resolve(symbol):
        wanted = set(KEYWORDS.get(symbol, [])) - OTHER_KEYWORDS.get(symbol, set())
        if wanted:
            parameters = inspect.signature(found).parameters
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                assert wanted <= set(parameters), f"{symbol} does not take {sorted(wanted - set(parameters))}"


def test_only_rare_symbols_are_missing():
    assert all(PROGRAMS[symbol] == 1 for symbol in MISSING)
    assert all(reason for reason in MISSING.values())
    for symbol in MISSING:
        with pytest.raises((AttributeError, ImportError)):
            resolve(symbol)


# ---------------------------------------------------------------- each means the same as in PyTorch
def _upsampled(lib):
    x = lib.arange(8.0).reshape(1, 2, 2, 2)
    return [
        lib.nn.Upsample(scale_factor=2)(x),
        lib.nn.Upsample(size=(3, 5), mode="bilinear", align_corners=True)(x),
        repr(lib.nn.Upsample(scale_factor=2, mode="bicubic")),
    ]


def _lazily_normalised(lib):
    layer = lib.nn.LazyBatchNorm2d(momentum=0.5)
    y = layer(lib.arange(16.0).reshape(2, 2, 2, 2))
    return [y, layer.running_mean, layer.running_var, sorted(layer.state_dict()), type(layer).__name__]


def _asserted(lib):
    lib._assert(True, "not raised")
    with pytest.raises(AssertionError, match="the text"):
        lib._assert(False, "the text")
    return []


def _with_gradients(lib):
    x = lib.ones(2, requires_grad=True)
    with lib.no_grad():
        with lib.enable_grad():
            inside = (x * 2).requires_grad
        return [inside, (x * 2).requires_grad, lib.enable_grad()(lambda: (x * 2).requires_grad)()]


def _sparse_product(lib):
    s = lib.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3), check_invariants=True)
    return [lib.spmm(s, lib.arange(6.0).reshape(3, 2))]


def _deterministic(lib):
    # PyTorch's own test modules forbid the assignment once they are imported, apart from this.
    with getattr(lib.backends, "__allow_nonbracketed_mutation", contextlib.nullcontext)():
        before = lib.backends.cudnn.deterministic
        lib.backends.cudnn.deterministic = True
        found = [before, lib.backends.cudnn.deterministic]
        lib.backends.cudnn.deterministic = before
    return found


def _no_matrix(lib):
    with pytest.raises(lib._C._LinAlgError) as e:
        lib.linalg.inv(lib.zeros(2, 2))
    return [isinstance(e.value, RuntimeError)]


# Used by two programs or more, and in no other test that compares with PyTorch.
COMPARED_HERE = {
    "nn.LazyBatchNorm2d": _lazily_normalised,
    "nn.Upsample": _upsampled,
    "torch._C._LinAlgError": _no_matrix,
    "torch._assert": _asserted,
    "torch.backends.cudnn.deterministic": _deterministic,
    "torch.enable_grad": _with_gradients,
    "torch.spmm": _sparse_product,
}
LATER = "raises an error that says that it is not part of this release; see AbsentParts in test_differences_training.py"
# Used by two programs or more, and not to be compared: why.
EXCEPTIONS = {
    "torch.cuda.set_device": "needs a device; the CUDA path runs in test_fake_cupy.py",
    "torch.distributed.all_reduce": LATER,
    "torch.distributed.init_process_group": LATER,
    "torch.fx": LATER,
    "torch.multiprocessing": LATER,
}


@pytest.mark.parametrize("symbol", sorted(COMPARED_HERE))
def test_symbol_means_the_same(symbol):
    torch = pytest.importorskip("torch", reason="the comparison needs torch")
    ours, theirs = (COMPARED_HERE[symbol](lib) for lib in (rg, torch))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if hasattr(b, "shape"):
            assert tuple(a.shape) == tuple(b.shape) and str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1]
            assert a.detach().numpy() == pytest.approx(b.detach().numpy(), rel=1e-5, abs=1e-6)
        else:
            assert a == b


def compared() -> tuple[set[str], set[str], set[str]]:
    """(last parts of the operations of the parity suites, PyTorch's module samples, words of tests that use PyTorch)."""
    pytest.importorskip("torch", reason="the parity suites compare with PyTorch")
    pytest.importorskip("expecttest", reason="PyTorch's sample tables need it")
    import opinfo
    import opinfo_tiers
    import optable
    from torch.testing._internal.common_modules import module_db

    infos = [opinfo.table()[full] for full in opinfo.present()]
    paths = {op.name for op in infos} | {alias.name for op in infos for alias in op.aliases}
    paths |= {*opinfo_tiers.TIER_1, *opinfo_tiers.TIER_2, *optable.SAMPLED}
    words: set[str] = set()
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        text = file.read_text(encoding="utf-8")
        if file.name != Path(__file__).name and 'importorskip("torch"' in text:
            words.update(re.findall(r"\w+", text))
    return {path.rpartition(".")[2] for path in paths}, {info.name for info in module_db}, words


def test_every_symbol_is_compared_with_pytorch():
    operations, modules, words = compared()
    missing = []
    for symbol in sorted(s for s, n in PROGRAMS.items() if n > 1 and s not in OTHERS):
        head, last = symbol.partition(".")[0], symbol.rpartition(".")[2]
        known = head in ("torch", "F", "Tensor", "Tensor|Module") and {last, last.rstrip("_")} & operations
        if not known and symbol not in modules and last not in words and symbol not in COMPARED_HERE:
            missing.append(symbol)
    assert sorted(set(missing) - set(EXCEPTIONS)) == [], "in no test that compares with PyTorch, and not excused"
    assert sorted(set(EXCEPTIONS) - set(missing)) == [], "excused, and compared after all"
