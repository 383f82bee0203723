"""`import retrograd`: light, quick, typed, and every name that it promises is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata, resources

import pytest

import retrograd as rg

# Each loads on first use. ml_dtypes (bfloat16) is small and needed from the start.
HEAVY = ["numba", "llvmlite", "scipy", "cupy", "cupyx", "matplotlib", "IPython", "torch", "sklearn", "tqdm"]

PROBE = """
import json, sys, time
import numpy
start = time.perf_counter()
import retrograd
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "modules": sorted(sys.modules)}))
"""


def probe(code: str = PROBE, **kwargs) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy(tmp_path):
    report = json.loads(probe(cwd=tmp_path))
    loaded = [name for name in HEAVY if name in report["modules"]]
    assert not loaded, f"`import retrograd` loads {loaded}"
    # The budget of 100 ms is measured by a benchmark; this only notices a gross mistake on a busy machine.
    assert report["seconds"] < 2.0


def test_import_leaves_no_trace(tmp_path):
    """No change of NumPy's error state, random state, path; one warning filter, for our own modules; nothing printed."""
    code = """
import warnings, random, numpy as np, sys
def state():
    others = [f for f in warnings.filters if "retrograd" not in str(f[3])]
    return np.geterr(), others, random.getstate(), np.random.get_state()[1].tolist(), sys.path[:]
before = state()
import retrograd
assert before == state()
"""
    assert probe(code, cwd=tmp_path) == ""


def test_version_and_types_are_installed():
    assert metadata.version("retrograd") == rg.__version__
    assert resources.files("retrograd").joinpath("py.typed").is_file()
    assert any(entry.value == "retrograd.__main__:main" for entry in metadata.entry_points(name="retrograd"))


def test_front_door_keeps_its_promises():
    assert len(set(rg.__all__)) == len(rg.__all__)
    missing = [name for name in rg.__all__ if not hasattr(rg, name)]
    assert not missing, missing
    assert not set(rg.__all__) - set(dir(rg)), "lazy sub-packages belong in dir() too"


@pytest.mark.parametrize("name", ["nn", "nn.functional", "nn.init", "optim", "optim.lr_scheduler", "data", "autograd"])
def test_sub_packages_load_on_first_use(name, tmp_path):
    probe(f"import retrograd as rg; rg.{name}", cwd=tmp_path)
    probe(f"import retrograd.{name}", cwd=tmp_path)


def test_unknown_names_raise_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = rg.no_such_name


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: a fresh process for each module takes too long")
def test_every_operation_loads_on_its_own(tmp_path):
    """No operation leans on another one's having been used before: each module is the first to load in a process."""
    code = """
import os, sys
import retrograd as rg
from retrograd.autograd.ops.names import LATE
for module, names in sorted(LATE.items()):
    child = os.fork()
    if child == 0:
        for entry in names.split():
            getattr(rg, entry.split("=")[0])
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{module} does not load on its own")
"""
    probe(code, cwd=tmp_path)


def test_late_methods_give_way_to_the_functions(tmp_path):
    code = """
import retrograd as rg
from retrograd.autograd.late import LateMethod
from retrograd.autograd.methods_late import LateMethods
late = [name for name, own in vars(LateMethods).items() if isinstance(own, LateMethod)]
assert len(late) > 200
for name in late:
    own = getattr(rg.Tensor, name)
    assert own is vars(LateMethods)[name] and own.__doc__, name
x = rg.tensor([1.0, 2.0])
assert x.exp_() is x and x.exp_.__name__ == "exp_"
"""
    probe(code, cwd=tmp_path)
