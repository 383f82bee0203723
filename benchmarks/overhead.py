"""Cost per recorded operation: a chain on 16 floats, single operations, and the time to import.

python benchmarks/overhead.py [--toy] [--rounds N] [--json FILE] [--markdown] [--plot FILE]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import harness
import workloads_data
from workloads_torch_api import OPERATIONS

CHAINS = {
    "chain": "chain of 1,000 elementwise operations on 16 floats, forward and backward",
    "chain-forward": "the same, forward only, recorded",
    "chain-nograd": "the same, forward only, under no_grad",
}


def import_times(modules: Sequence[str], rounds: int) -> dict[str, float]:
    """Median seconds to import each module in a fresh interpreter, without the interpreter's own start."""
    # Out of the root: there, `import autograd` would find the package's folder.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    paths = [
        p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and Path(p).resolve() != harness.HERE.parent
    ]
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    times: dict[str, list[float]] = {module: [] for module in ["", *modules]}
    for _ in range(rounds):
        for module, measured in times.items():
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", f"import {module}" if module else ""],
                check=True,
                cwd=harness.HERE,
                env=environment,
            )
            measured.append(time.perf_counter() - began)
    # The first import of each fills the caches of the file system.
    medians = {module: statistics.median(measured[1:] or measured) for module, measured in times.items()}
    return {module: medians[module] - medians[""] for module in modules}


def main(argv: Sequence[str] | None = None) -> int:
    parser = harness.options(__doc__)
    chosen = harness.parse(parser, argv, harness.LIBRARIES)
    scale = "toy" if chosen.toy else "full"
    with harness.Session(chosen, chosen.libraries) as session:
        harness.print_environment(harness.environment(session))
        print()
        everything: list[harness.Result] = []
        for workload, title in CHAINS.items():
            results = session.run(workload)
            everything += results
            operations = 2 * workloads_data.size(workload, scale)["length"]
            rows = [
                [*row[:2], harness.duration(result.seconds / operations), *row[2:]]
                for result in sorted(results, key=lambda result: result.ratio)
                for row in harness.result_rows([result])
            ]
            header = ["library", "time", "per operation", "ratio", "quartiles"]
            print(harness.table(title, header, rows, chosen.markdown))

        rows = []
        for name in OPERATIONS:
            results = session.run(f"op:{name}")
            everything += results
            length = workloads_data.size("op", scale)["length"]
            for result in results:
                if not result.baseline or len(results) == 1:
                    base = next(other for other in results if other.baseline)
                    cells = (result.seconds / length, base.seconds / length)
                    rows.append([name, result.name, *map(harness.duration, cells), f"{result.ratio:.2f}"])
        header = ["operation", "library", "time", "baseline", "ratio"]
        title = "one operation on a 4 x 4 matrix, forward and backward"
        print(harness.table(title, header, rows, chosen.markdown))

        imports = import_times(["numpy", *session.workers], 1 if chosen.toy else 8)
        rows = [
            [module, harness.duration(seconds)] for module, seconds in sorted(imports.items(), key=lambda item: item[1])
        ]
        print(harness.table("time to import", ["module", "time"], rows, chosen.markdown))
        harness.report(session, "overhead", "overhead: time relative to torch", everything, imports=imports)
    return 0


if __name__ == "__main__":
    sys.exit(main())
