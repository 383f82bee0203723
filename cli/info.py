"""``python -m retrograd info``: what is installed, what it runs on, what is missing and how to install it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import Any

REQUIRED = ("numpy", "scipy", "numba", "ml_dtypes", "safetensors", "tqdm")
# (distribution, module, what it gives, the line that installs it)
OPTIONAL = (
    ("scikit-learn", "sklearn", "the digits of `train`", 'pip install "retrograd[demo]"'),
    ("matplotlib", "matplotlib", "the pictures of `train`", 'pip install "retrograd[demo]"'),
    ("threadpoolctl", "threadpoolctl", "details of BLAS below", "pip install threadpoolctl"),
)
CUPY = ("cupy-cuda12x", "cupy-cuda13x", "cupy")
CUPY_LINE = 'pip install "retrograd[cuda12]"  # or [cuda13], as the driver asks'
# What changes speed or device from outside the program.
VARIABLES = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMBA_THREADING_LAYER",
    "NUMBA_DISABLE_JIT",
    "NUMBA_CACHE_DIR",
    "CUDA_VISIBLE_DEVICES",
    "RETROGRAD_KERNELS",
)


def version(distribution: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def usable_cpus() -> int:
    """CPUs this process may run on (a container or taskset may allow fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def blas_lines() -> list[str]:
    """One line per BLAS library in use: version, kernels, threads."""
    import numpy as np
    import scipy.linalg  # noqa: F401  SciPy brings a BLAS of its own, which the list below sees only once loaded

    if importlib.util.find_spec("threadpoolctl") is None:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return [f"{blas['name']} {blas['version']} (NumPy's build; threads and kernels: pip install threadpoolctl)"]
    import threadpoolctl

    lines = []
    for pool in threadpoolctl.threadpool_info():
        if pool["user_api"] != "blas":
            continue
        kernels = f", {pool['architecture']} kernels" if pool.get("architecture") else ""
        owner = Path(pool["filepath"]).parent.name.removesuffix(".libs")
        threads = f"{pool['num_threads']} thread{'s' if pool['num_threads'] > 1 else ''}"
        lines.append(f"{pool['internal_api']} {pool['version']}{kernels}, {threads} (of {owner})")
    return lines or ["none that threadpoolctl knows"]


def numba_line() -> str:
    """Numba's threads and the threading layers that load here."""
    if importlib.util.find_spec("numba") is None:
        return "not installed"
    import numba

    layers = []
    for layer, module in (("tbb", "tbbpool"), ("omp", "omppool"), ("workqueue", "workqueue")):
        try:
            importlib.import_module(f"numba.np.ufunc.{module}")
        except ImportError:
            continue
        layers.append(layer)
    return f"{numba.config.NUMBA_NUM_THREADS} threads, layers {', '.join(layers) or 'none'}"  # type: ignore[attr-defined]


def cuda_lines() -> list[str]:
    """One line per CUDA device, or one that says why there is none."""
    import retrograd as rg

    if importlib.util.find_spec("cupy") is None:
        return ["cuda: none (CuPy is not installed)"]
    from retrograd.autograd.backend_cupy import device_count

    count = device_count()
    if "cupy" not in rg.available_backends() or count == 0:
        return ["cuda: none (CuPy is installed, but finds no driver or no GPU)"]
    import cupy  # type: ignore[import-not-found]

    runtime = cupy.cuda.runtime
    lines = []
    for index in range(count):
        properties = runtime.getDeviceProperties(index)
        name, memory = properties["name"].decode(), properties["totalGlobalMem"] / 2**30
        lines.append(f"cuda:{index}: {name}, {memory:.0f} GiB, compute {properties['major']}.{properties['minor']}")
    driver, toolkit = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    lines.append(f"CUDA driver {_dotted(driver)}, runtime {_dotted(toolkit)}")
    return lines


def _dotted(number: int) -> str:
    """CUDA writes 12.4 as 12040."""
    return f"{number // 1000}.{number % 1000 // 10}"


def report() -> str:
    """The whole report as text."""
    import retrograd as rg

    sections: list[tuple[str, list[str]]] = []
    sections.append((f"retrograd {rg.__version__}", [f"in {Path(rg.__file__).parent}"]))
    total = os.cpu_count() or 1
    cpus = f"{usable_cpus()} usable" + (f" of {total}" if total != usable_cpus() else "")
    python = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    sections.append(("system", [f"python      {python}", f"platform    {platform.platform()}", f"CPUs        {cpus}"]))

    packages, missing = [], []
    for name in REQUIRED:
        found = version(name)
        packages.append(f"{name:<14}{found or 'missing'}")
        if found is None:
            missing.append(f"pip install {name}")
    for name, module, purpose, line in OPTIONAL:
        found = version(name) if importlib.util.find_spec(module) else None
        packages.append(f"{name:<14}{found or f'missing ({purpose})'}")
        if found is None:
            missing.append(line)
    cupy = next((f"{version(name)} ({name})" for name in CUPY if version(name)), None)
    packages.append(f"{'cupy':<14}{cupy or 'missing (GPU)'}")
    if cupy is None:
        missing.append(CUPY_LINE)
    sections.append(("packages", packages))

    sections.append(("BLAS", blas_lines()))
    sections.append(("Numba", [numba_line()]))
    sections.append(("devices", ["cpu", *cuda_lines()]))
    backends = [f"{name} (in use)" if name == rg.get_backend() else name for name in rg.available_backends()]
    sections.append(("backends", [", ".join(backends)]))
    variables = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    if "OPENBLAS_CORETYPE" in os.environ:
        variables.append("OPENBLAS_CORETYPE pins the kernels of BLAS; unset it unless they crash: others may be faster")
    if variables:
        sections.append(("environment", variables))
    sections.append(("missing", list(dict.fromkeys(missing)) or ["nothing"]))
    return "\n".join(f"{title}\n" + "".join(f"  {line}\n" for line in lines) for title, lines in sections)


def main(argv: list[str], prog: str) -> int:
    """Print the report; there are no options."""
    import argparse

    parser: Any = argparse.ArgumentParser(prog=prog, description="Versions, BLAS, threads, devices, what is missing.")
    parser.parse_args(argv)
    print(report(), end="")
    return 0
