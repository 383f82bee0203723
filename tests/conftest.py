"""What every test shares: one copy of the package, no leaked global state, and the two kinds that do not always run.

There is no `tests/__init__.py`, and there must not be one: with it pytest would take the repository root, which is the
import package, for the parent package of the tests and import it under the folder's name.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores: OpenMP's idle threads must not spin
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import retrograd as rg

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "tests") not in sys.path:  # for the helpers that tests share, in every import mode of pytest
    sys.path.insert(0, str(ROOT / "tests"))


class PlainFolders:
    """Collects the package's folders as plain folders.

    Pytest takes a folder with an `__init__.py` for a test package and imports it. Here that would import the root a
    second time under the checkout folder's name: two `Tensor` classes, and `isinstance` false between them. A hook
    *function* in this file never fires for a folder above it, hence an object registered as a plugin.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        if path == ROOT or ROOT in path.parents:
            return pytest.Dir.from_parent(parent, path=path)
        return None


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(PlainFolders(), "retrograd-plain-folders")
    stale = _stale_file()
    if stale:
        raise pytest.UsageError(
            f"the installed retrograd ({Path(rg.__file__).parent}) is not this checkout: {stale} differs; "
            "install it again with `pip install .`, or once with `pip install -e .`"
        )
    _configure_hypothesis(soak="soak" in config.option.markexpr)


def _stale_file() -> str | None:
    """The first file of an installed copy that is not the checkout's, or None: tests of old code prove nothing."""
    installed = Path(rg.__file__).resolve().parent
    if installed == ROOT:
        return None
    for file in sorted(installed.rglob("*.py")):
        name = file.relative_to(installed)
        if not (ROOT / name).is_file() or (ROOT / name).read_bytes() != file.read_bytes():
            return name.as_posix()
    return None


def _configure_hypothesis(soak: bool) -> None:
    from hypothesis import HealthCheck, settings

    # Derandomized: a red run is red for everyone. No database: it would write into the tree.
    common = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("suite", derandomize=True, **common)
    settings.register_profile("soak", max_examples=10_000, print_blob=True, **common)
    settings.load_profile("soak" if soak else "suite")


def pytest_report_header() -> str:
    return f"retrograd {rg.__version__} from {Path(rg.__file__).parent}, NumPy {np.__version__}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "soak" not in config.option.markexpr:
        soak = [item for item in items if item.get_closest_marker("soak")]
        if soak:
            config.hook.pytest_deselected(items=soak)
            items[:] = [item for item in items if not item.get_closest_marker("soak")]
    if any(item.get_closest_marker("gpu") for item in items) and not _has_cuda():
        skip = pytest.mark.skip(reason="no CUDA device, or CuPy is not installed")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(skip)


def _has_cuda() -> bool:
    try:
        import cupy
    except ImportError:
        return False
    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


@pytest.fixture(autouse=True)
def _seeded_and_restored():
    """Seeds every generator before a test, and fails the test that leaves a global switch changed."""
    random.seed(0)
    np.random.seed(0)
    rg.manual_seed(0)
    before = _switches()
    yield
    after = _switches()
    assert after == before, f"the test left global state changed: {before} before, {after} after"


def _switches() -> dict[str, object]:
    return {
        "grad mode": rg.is_grad_enabled(), "default dtype": rg.get_default_dtype(), "errors": np.geterr(),
        "backend": rg.get_backend(), "default device": rg.get_default_device(), "threads": rg.get_num_threads(),
    }  # fmt: skip


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the CPU kernels that served a call, in order."""
    from retrograd.autograd.kernels.cpu import KERNELS

    names: list[str] = []

    def watch(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            r = kernel(*args)
            if r is not NotImplemented:
                names.append(name)
            return r

        return run

    for name, kernel in list(KERNELS.items()):
        monkeypatch.setitem(KERNELS, name, watch(name, kernel))
    return names


@pytest.fixture
def cuda_fake():
    """The strict stand-in for CuPy serves device "cuda"; the backend's record."""
    import fake_cupy

    with fake_cupy.installed() as backend:
        yield backend


@pytest.fixture
def on_backend(request: pytest.FixtureRequest):
    """The device of the backend that `fake_cupy.backends` names: "numpy", "fake", or "cupy" on a GPU."""
    if request.param == "fake":
        request.getfixturevalue("cuda_fake")
    return "cpu" if request.param == "numpy" else "cuda"
