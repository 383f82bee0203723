"""What the benchmarks share: one worker process per library, interleaved blocks, ratios, tables, JSON and plots.

Two libraries in one process, or in turn step by step, make their thread pools fight: both get several times slower. So
each library has its own process, kept alive, and the processes take turns in blocks of at least 100 ms. A ratio is
taken within a round, where the machine is in the same state for all, and the median over the rounds is reported.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import workloads_data

HERE = Path(__file__).resolve().parent
LIBRARIES = ("torch", "retrograd", "autograd", "mygrad", "jax", "tinygrad")
# A pinned core type halves matrix products on some machines, for NumPy's BLAS and not for torch's.
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
LOSS_TOLERANCE = 2e-3


class Worker:
    """A library in a process of its own."""

    def __init__(self, library: str, threads: int, **variables: str) -> None:
        self.library = library
        environment = {name: value for name, value in os.environ.items() if name not in PINS} | variables
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
            environment[name] = str(threads)
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), library, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it ended: its last words are still in the pipe
            print(json.dumps({"do": do, **request}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": f"the process ended with status {self.process.wait()}"}

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@dataclass
class Result:
    """One library (and variant) on one workload: seconds per step, and the ratio to the baseline with its quartiles."""

    workload: str
    library: str
    variant: str
    seconds: float
    ratio: float
    low: float
    high: float
    baseline: bool
    rounds: int
    steps: int
    loss: float | None

    @property
    def name(self) -> str:
        return f"{self.library} {self.variant}".strip()


class Session:
    """The workers of one benchmark run."""

    def __init__(self, options: argparse.Namespace, libraries: Iterable[str]) -> None:
        self.options = options
        self.workers: dict[str, Worker] = {}
        self.about: dict[str, dict[str, Any]] = {}
        self.missing: dict[str, str] = {}
        for library in libraries:
            worker = Worker(library, options.threads)
            answer = worker.ask("describe")
            if "missing" in answer:
                self.missing[library] = answer["missing"]
                worker.close()
            elif "error" in answer:
                raise SystemExit(f"{library} failed to start:\n{answer['error']}")
            else:
                self.workers[library], self.about[library] = worker, answer
        if not any(name.startswith("retrograd") for name in self.workers):
            raise SystemExit(f"retrograd is not installed: pip install -e {HERE.parent} ({self.missing})")

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.close()

    def run(self, workload: str) -> list[Result]:
        """Time one workload on every library that has it."""
        toy = self.options.toy
        entries: list[tuple[str, str, str]] = []
        steps: dict[str, int] = {}
        losses: dict[str, list[float | None]] = {}
        for library, worker in self.workers.items():
            for variant in worker.ask("variants", workload=workload).get("variants", []):
                key = f"{workload}/{library}/{variant}"
                answer = worker.ask(
                    "prepare",
                    key=key,
                    workload=workload,
                    variant=variant,
                    size=workloads_data.size(workload, "toy" if toy else "full"),
                    block=0.005 if toy else 0.1,
                    warmup=0.005 if toy else 0.3,
                )
                if "error" in answer:
                    raise SystemExit(f"{key} failed:\n{answer['error']}")
                entries.append((key, library, variant))
                steps[key], losses[key] = answer["steps"], answer["losses"]
        check_losses(workload, losses)

        times: dict[str, list[float]] = {key: [] for key, _, _ in entries}
        for round_ in range(self.options.rounds):
            turn = round_ % len(entries)
            for key, library, _ in entries[turn:] + entries[:turn]:  # each goes first in its turn
                answer = self.workers[library].ask("block", key=key)
                if "error" in answer:
                    raise SystemExit(f"{key} failed:\n{answer['error']}")
                times[key].append(answer["seconds"])
        for key, library, _ in entries:
            self.workers[library].ask("forget", key=key)
        medians = {key: statistics.median(values) for key, values in times.items()}
        # The opponent is torch with the fastest of its optimizers; without torch, the first library stands in.
        opponents = [key for key, library, _ in entries if library == "torch"] or [entries[0][0]]
        baseline = min(opponents, key=medians.__getitem__)
        results = []
        for key, library, variant in entries:
            ratios = sorted(own / other for own, other in zip(times[key], times[baseline], strict=True))
            low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
            ratio, first = statistics.median(ratios), losses[key][0]
            rounds = len(ratios)
            results.append(
                Result(
                    workload,
                    library,
                    variant,
                    medians[key],
                    ratio,
                    low,
                    high,
                    key == baseline,
                    rounds,
                    steps[key],
                    first,
                )
            )
        return results


def check_losses(workload: str, losses: dict[str, list[float | None]]) -> None:
    """Stop when the libraries do not compute the same thing: their times would mean nothing."""
    reference_key, reference = next(iter(losses.items()))
    for key, values in losses.items():
        for step, (value, expected) in enumerate(zip(values, reference, strict=True)):
            if value is None or expected is None:
                continue
            if not math.isclose(value, expected, rel_tol=LOSS_TOLERANCE):
                raise SystemExit(f"{workload}: at step {step} {key} has loss {value}, {reference_key} {expected}")


def options(description: str | None, rounds: int = 15) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, help=f"interleaved rounds of blocks (default: {rounds}; --toy: 2)")
    parser.add_argument("--threads", type=int, default=2, help="threads and CPUs for each library (default: 2)")
    parser.add_argument("--libraries", help="a comma-separated choice of them")
    parser.add_argument(
        "--toy", action="store_true", help="tiny sizes and few rounds: shows that it runs, measures nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write environment and results")
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios (needs matplotlib)")
    parser.set_defaults(default_rounds=rounds)
    return parser


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None, libraries: Sequence[str]) -> argparse.Namespace:
    """Parse the options, and keep this process and the workers to come to as many CPUs as threads."""
    chosen = parser.parse_args(argv)
    if chosen.rounds is None:
        chosen.rounds = 2 if chosen.toy else chosen.default_rounds
    if chosen.rounds < 1 or chosen.threads < 1:
        parser.error(f"--rounds {chosen.rounds} --threads {chosen.threads}: expected 1 or more")
    if chosen.plot and importlib.util.find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install matplotlib")
    chosen.libraries = chosen.libraries.split(",") if chosen.libraries else list(libraries)
    unknown = [name for name in chosen.libraries if name.partition(":")[0] not in LIBRARIES]
    if unknown:
        parser.error(f"--libraries: unknown {', '.join(unknown)}; choose from {', '.join(libraries)}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    return chosen


def environment(session: Session) -> dict[str, Any]:
    """What the figures depend on: CPU, Python, versions, BLAS and threads of every library."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((line.partition(":")[2].strip() for line in info.open() if line.startswith("model name")), cpu)
    return {
        "cpu": cpu,
        "cpus": session.options.threads,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "libraries": session.about,
        "missing": session.missing,
        "unset": [name for name in PINS if name in os.environ],
        "toy": session.options.toy,
    }


def print_environment(about: dict[str, Any]) -> None:
    print(f"{about['cpu']}, {about['cpus']} CPUs used, Python {about['python']}")
    for library, facts in about["libraries"].items():
        pools = {
            f"{pool['internal_api']} {pool['version'] or ''} {pool['architecture'] or ''}".strip()
            + f" x{pool['num_threads']}"
            for pool in facts.get("pools", [])
        }
        print(f"  {library} {facts['version']} from {facts['file']}")
        print(f"    {'; '.join(sorted(pools)) or 'BLAS and threads unknown: pip install threadpoolctl'}")
    for library, why in about["missing"].items():
        print(f"  {library}: skipped, {why}")
    if about["unset"]:
        print(f"  unset for the libraries: {', '.join(about['unset'])}")
    if about["toy"]:
        print("  toy sizes: the figures below mean nothing")


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], markdown: bool) -> str:
    """A table as text for the terminal or as Markdown."""
    if markdown:
        lines = [f"### {title}", "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
        return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]
    ]
    return "\n".join([title, *(line.rstrip() for line in lines), ""])


def result_rows(results: Sequence[Result]) -> list[list[str]]:
    """Rows of library, time, ratio and quartiles."""
    rows = []
    for result in sorted(results, key=lambda result: result.ratio):
        spread = "baseline" if result.baseline else f"{result.low:.2f} - {result.high:.2f}"
        rows.append([result.name, duration(result.seconds), f"{result.ratio:.2f}", spread])
    return rows


def plot(path: Path, results: Sequence[Result], title: str) -> None:
    """A bar per library and workload: ratios on a logarithmic scale, with quartiles."""
    from matplotlib.figure import Figure

    groups: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: result.ratio):
        groups.setdefault(result.workload, []).append(result)
    bars = [
        result
        for workload in dict.fromkeys(result.workload for result in results)
        for result in groups[workload]
        if not result.baseline or len(groups[workload]) == 1
    ]
    figure = Figure((7, 1.2 + 0.28 * len(bars)), layout="constrained")
    axes = figure.subplots()
    for y, result in enumerate(bars):
        axes.barh(y, result.ratio, color="tab:red" if result.library.startswith("retrograd") else "tab:gray")
        axes.plot([result.low, result.high], [y, y], color="black", linewidth=1)
    axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
    axes.set(yticks=range(len(bars)), yticklabels=[f"{bar.workload}: {bar.name}" for bar in bars], xscale="log")
    axes.set(xlabel="time / baseline (dotted)", title=title, ylim=(len(bars) - 0.5, -0.5))
    low, high = axes.get_xlim()
    ticks = [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    figure.savefig(path, dpi=120)


def report(
    session: Session,
    name: str,
    title: str,
    results: Sequence[Result],
    plotted: Sequence[Result] | None = None,
    **extra: Any,
) -> None:
    """Write --json and --plot (of all results, or of those given)."""
    chosen = session.options
    if chosen.json:
        content = {
            "benchmark": name,
            "environment": environment(session),
            "results": [asdict(result) for result in results],
            **extra,
        }
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if chosen.plot:
        chosen.plot.parent.mkdir(parents=True, exist_ok=True)
        plot(chosen.plot, results if plotted is None else plotted, title)
