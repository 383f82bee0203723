"""The same model code on every backend that works here: numpy, numba, cupy; and on torch, for comparison.

python benchmarks/backends.py [--toy] [--rounds N] [--json FILE] [--markdown] [--plot FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import harness
from steps import WORKLOADS

BACKENDS = ("retrograd:numpy", "retrograd:numba", "retrograd:cupy", "torch", "torch:cuda")


def main(argv: Sequence[str] | None = None) -> int:
    chosen = harness.parse(harness.options(__doc__), argv, BACKENDS)
    with harness.Session(chosen, chosen.libraries) as session:
        harness.print_environment(harness.environment(session))
        print()
        everything: list[harness.Result] = []
        for workload, title in {"chain": "chain of 1,000 elementwise operations on 16 floats", **WORKLOADS}.items():
            results = session.run(workload)
            everything += results
            header = ["backend", "step", "ratio", "quartiles"]
            print(harness.table(title, header, harness.result_rows(results), chosen.markdown))
        harness.report(session, "backends", "backends: time relative to torch on the CPU", everything)
    return 0


if __name__ == "__main__":
    sys.exit(main())
