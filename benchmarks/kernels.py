"""Single operations, forward and backward: retrograd's kernels, its NumPy formulas, and torch.

python benchmarks/kernels.py [--toy] [--only WORD] [--rounds N] [--json FILE] [--markdown] [--plot FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import harness
from workloads_kernels import CASES

LIBRARIES = ("torch", "retrograd", "retrograd:numpy")


def main(argv: Sequence[str] | None = None) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--only", default="", help="the cases whose names contain one of these words, comma-separated")
    chosen = harness.parse(parser, argv, LIBRARIES)
    words = chosen.only.split(",")
    names = [name for name in CASES if any(word in name for word in words)]
    if not names:
        parser.error(f"--only {chosen.only}: no such case; choose words of {', '.join(CASES)}")
    with harness.Session(chosen, chosen.libraries) as session:
        harness.print_environment(harness.environment(session))
        print()
        everything: list[harness.Result] = []
        rows = []
        for name in names:
            results = session.run(f"kernel:{name}")
            everything += results
            # torch is its fastest variant; so are the others
            fastest = {r.library: r for r in sorted(results, key=lambda r: r.ratio, reverse=True)}
            cells = [harness.duration(fastest[library].seconds) for library in session.workers]
            for library in session.workers:
                r = fastest[library]
                if not r.baseline or len(fastest) == 1:
                    cells.append(f"{r.ratio:.2f} ({r.low:.2f} - {r.high:.2f})")
            plain = [fastest[name].seconds for name in ("retrograd", "retrograd:numpy") if name in fastest]
            cells.append(f"{plain[0] / plain[1]:.2f}" if len(plain) == 2 else "-")
            rows.append([name, *cells])
            print(f"{name}: {', '.join(cells)}", file=sys.stderr, flush=True)
        baseline = next(iter(session.workers))
        others = [library for library in session.workers if library != baseline] or [baseline]
        header = ["operation", *session.workers, *(f"{name} / {baseline}" for name in others), "kernels / formulas"]
        print(harness.table("one operation, forward and backward", header, rows, chosen.markdown))
        harness.report(session, "kernels", "operations: time relative to torch", everything)
    return 0


if __name__ == "__main__":
    sys.exit(main())
