"""Whole training steps: zero_grad, forward, loss, backward, optimizer, loss.item().

python benchmarks/steps.py [--toy] [--rounds N] [--json FILE] [--markdown] [--plot FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import harness

WORKLOADS = {
    "digits": "the network of `retrograd train` (3 convolutions with BatchNorm), batch 64, AdamW",
    "mlp": "MLP 784-256-128-10, batch 64, Adam",
    "mlp1024": "MLP of 4 layers, 1024 wide, batch 256, Adam",
}


def main(argv: Sequence[str] | None = None) -> int:
    chosen = harness.parse(harness.options(__doc__), argv, harness.LIBRARIES)
    with harness.Session(chosen, chosen.libraries) as session:
        harness.print_environment(harness.environment(session))
        print()
        everything: list[harness.Result] = []
        for workload, title in WORKLOADS.items():
            results = session.run(workload)
            everything += results
            header = ["library", "step", "ratio", "quartiles"]
            print(harness.table(title, header, harness.result_rows(results), chosen.markdown))
        harness.report(session, "steps", "training steps: time relative to torch (its best optimizer)", everything)
    return 0


if __name__ == "__main__":
    sys.exit(main())
