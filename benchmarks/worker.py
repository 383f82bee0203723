"""One library in one process: prepares workloads and times blocks of their steps, as asked over stdin and stdout.

Requests and answers are JSON, one a line. Started by harness.py: ``python worker.py LIBRARY THREADS``, where LIBRARY is
a key of `MODULES` and may carry a backend or a device: ``retrograd:cupy``, ``torch:cuda``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    import resource
except ImportError:  # not on Windows
    resource = None

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    "torch": "workloads_torch_api",
    "retrograd": "workloads_torch_api",
    "autograd": "workloads_autograd",
    "mygrad": "workloads_mygrad",
    "jax": "workloads_jax",
    "tinygrad": "workloads_tinygrad",
    "machine": "workloads_machine",
}
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def leave_root() -> None:
    """Take the repository root off the path: its folder `autograd` would be imported in place of HIPS autograd."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]


def set_threads(library: str, threads: int) -> None:
    """Torch takes its own setting; NumPy, Numba and JAX follow the environment and the CPUs that the harness allows."""
    if library == "torch":
        import torch

        torch.set_num_threads(threads)


def describe(library: str, module: Any) -> dict[str, Any]:
    """Version, where it was imported from, and the BLAS it computes with."""
    about = {"version": getattr(module, "__version__", None), "file": getattr(module, "__file__", None)}
    if about["version"] is None:
        about["version"] = importlib.metadata.version(library)
    about["environment"] = [name for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE") if name in os.environ]
    if importlib.util.find_spec("threadpoolctl"):
        import threadpoolctl

        keys = ("user_api", "internal_api", "version", "architecture", "num_threads")
        about["pools"] = [{key: pool.get(key) for key in keys} for pool in threadpoolctl.threadpool_info()]
    return about


def memory() -> dict[str, float]:
    """MiB resident now, and at most so far; nothing where the system does not tell."""
    if not STATUS.exists():
        return {}
    fields = dict(line.split(":", 1) for line in STATUS.read_text(encoding="utf-8").splitlines())
    return {key: int(fields[name].split()[0]) / 1024 for key, name in (("now", "VmRSS"), ("peak", "VmHWM"))}


def forget_peak() -> None:
    """Let the peak start again from what is resident now, where that is allowed."""
    with contextlib.suppress(OSError):
        CLEAR.write_text("5", encoding="utf-8")


class Prepared:
    """A workload ready to run: `step()` does one step and returns its loss, or None."""

    def __init__(self, step: Callable[[], float | None], block: float, warmup: float) -> None:
        self.step = step
        began = time.perf_counter()
        self.losses = [step()]  # compiles, and fills caches
        self.first = time.perf_counter() - began
        self.warm = memory()
        forget_peak()
        self.losses += [step() for _ in range(2)]  # the first losses are compared between libraries
        began = time.perf_counter()
        count = 0
        while (taken := time.perf_counter() - began) < warmup or count == 0:
            step()
            count += 1
        self.steps = max(1, round(block * count / taken))

    def block(self) -> dict[str, float]:
        """Seconds, page faults and CPU seconds per step over one block, after an untimed step that wakes the threads."""
        self.step()
        before = usage()
        began = time.perf_counter()
        for _ in range(self.steps):
            self.step()
        seconds = time.perf_counter() - began
        after = usage()
        per_step = {key: (after[key] - before[key]) / self.steps for key in after}
        return {"seconds": seconds / self.steps, **per_step}

    def memory(self) -> dict[str, dict[str, float]]:
        """MiB after the first step, and from then on."""
        return {"warm": self.warm, "steady": memory()}


def usage() -> dict[str, float]:
    """Minor page faults and CPU seconds of this process so far; nothing where the system does not tell."""
    if resource is None:
        return {}
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"faults": used.ru_minflt, "cpu": used.ru_utime + used.ru_stime}


def serve(library: str, backend: str | None, threads: int, answers: Any) -> None:
    leave_root()
    workloads = importlib.import_module(MODULES[library])
    began = time.perf_counter()
    module = workloads.load(library, backend)
    imported = time.perf_counter() - began
    set_threads(library, threads)
    level = memory()
    prepared: dict[str, Prepared] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        try:
            if request["do"] == "describe":
                answer = {**describe(library, module), "import": imported}
            elif request["do"] == "variants":
                answer = {"variants": workloads.variants(module, request["workload"])}
            elif request["do"] == "prepare":
                step = workloads.make(module, request["workload"], request["variant"], request["size"])
                ready = prepared[request["key"]] = Prepared(step, request["block"], request["warmup"])
                answer = {"losses": ready.losses, "steps": ready.steps, "first": ready.first}
            elif request["do"] == "work":
                step = prepared[request["key"]].step
                answer = workloads.work(module, step) if hasattr(workloads, "work") else {}
            elif request["do"] == "forget":
                answer = {"forgotten": prepared.pop(request["key"], None) is not None}
            elif request["do"] == "memory":
                answer = {"imported": level, **prepared[request["key"]].memory()}
            else:
                answer = prepared[request["key"]].block()
        except Exception as error:  # whatever the library raised belongs in the report, not in a dead pipe
            first = str(error).partition("\n")[0]
            answer = {"error": traceback.format_exc(), "why": f"{type(error).__name__}: {first}"}
        print(json.dumps(answer), file=answers, flush=True)


def main() -> int:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    library, _, backend = sys.argv[1].partition(":")
    try:
        serve(library, backend or None, int(sys.argv[2]), answers)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
