"""The suite: whole training steps of twelve workloads, against every library that is installed.

python benchmarks/suite.py [--toy] [--only NAME] [--rounds N] [--processes N] [--json FILE] [--markdown] [--plot FILE]

Opponents are measured where they are installed: pip install torch jax autograd mygrad tinygrad (which needs clang).
The opponent, and the baseline of all ratios, is torch in eager mode with the fastest of its optimizers. Every library and
variant has a process of its own (variants share one in a toy run), started anew for each workload and `--processes` times
over. What is reported: the median of the ratios over all rounds with its quartiles, and the worst median of a process; the
first call with an empty cache of compiled code, and from the cache; memory; minor page faults of a steady step; what the
step cannot do without (see `workloads_torch_api.work`) per second, next to what the machine can do; and the same
operations on next to nothing, which is about the time that a step spends outside of kernels.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import harness
import workloads_data

WORKLOADS = {
    "chain": "chain: 1,000 elementwise operations on 16 floats",
    "mlp": "MLP 784-256-128-10, batch 64, Adam",
    "mlp1024": "MLP of 4 layers, 1024 wide, batch 256, Adam",
    "lenet": "LeNet on 1x28x28, batch 64, Adam",
    "resnet": "ResNet blocks 16-32-64 on 3x32x32, batch 32, SGD with momentum",
    "rnn": "char-RNN: 2 x LSTM(64), 60 characters, batch 32, Adam",
    "gpt": "GPT: 4 layers, width 128, 4 heads, 128 characters, batch 8, AdamW",
    "elementwise": "GELU, LayerNorm, softmax on 4096x1024 floats",
    "mobilenet": "MobileNet block: 1x1 to 192, depthwise 3x3, 1x1 to 32, on 32x32, batch 16, SGD with momentum",
    "unet": "small U-Net 16-32-64 on 64x64, batch 8, Adam",
    "encoder": "Transformer encoder layer, width 512, 8 heads, 128 tokens, batch 8, AdamW",
    "attention": "causal self-attention, 512 tokens, width 512, 8 heads, batch 4, AdamW",
}
LIBRARIES = ("torch", "torch:compile", "retrograd", "jax", "tinygrad", "autograd", "mygrad")
# Where the libraries keep compiled code.
CACHES = {"NUMBA_CACHE_DIR": "numba", "TORCHINDUCTOR_CACHE_DIR": "inductor", "CACHEDB": "tinygrad.db"}
MINIMAL = ("torch", "retrograd")  # the libraries whose fixed cost is measured too
LEFT_OUT = ("eager",)  # a variant of JAX for benchmarks/overhead.py: nobody trains with it


@dataclass
class Entry:
    """One library and variant in one process: what it answered."""

    library: str
    variant: str
    worker: harness.Worker
    prepared: dict[str, Any]
    blocks: list[dict[str, float]] = field(default_factory=list)
    memory: dict[str, dict[str, float]] = field(default_factory=dict)
    work: dict[str, float] = field(default_factory=dict)
    bare: float | None = None

    @property
    def name(self) -> str:
        return f"{self.library} {self.variant}".strip()

    @property
    def seconds(self) -> list[float]:
        return [block["seconds"] for block in self.blocks]


@dataclass
class Summary(harness.Result):
    """A result with what else was measured. MiB: resident after the import, after the first step, and at most later."""

    worst: float
    first: list[float]
    imported: float | None
    warm: float | None
    peak: float | None
    faults: float | None
    cpu: float | None
    gflops: float | None
    gigabytes: float | None
    bare: float | None
    repetitions: list[list[float]]


class Suite:
    """A run of the suite: the options, and what could not be measured and why."""

    def __init__(self, chosen: argparse.Namespace, libraries: Sequence[str]) -> None:
        self.chosen, self.libraries = chosen, libraries
        self.scale = "toy" if chosen.toy else "full"
        self.skipped: list[tuple[str, str, str]] = []
        self.failed: list[tuple[str, str, str]] = []

    def run(self, workload: str) -> list[Summary]:
        """A workload in all libraries, in as many fresh processes as were asked for."""
        with tempfile.TemporaryDirectory(prefix="retrograd-suite-") as folder:
            # In a toy run the user's own cache serves, so that it does not take minutes to compile.
            caches = {} if self.chosen.toy else {name: str(Path(folder, file)) for name, file in CACHES.items()}
            repetitions = [self.repetition(workload, caches) for _ in range(self.chosen.processes)]
        work = next((entry.work for entry in repetitions[0].values() if entry.work), {})
        return summaries(workload, repetitions, work)

    def repetition(self, workload: str, caches: dict[str, str]) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        workers: list[harness.Worker] = []
        try:
            for library in self.libraries:
                first = harness.Worker(library, self.chosen.threads, **caches)
                workers.append(first)
                variants = first.ask("variants", workload=workload).get("variants", [])
                variants = [variant for variant in variants if variant not in LEFT_OUT]
                if not variants:
                    self.note(self.skipped, workload, library, "no such workload")
                for number, variant in enumerate(variants):
                    worker = first
                    if number and not self.chosen.toy:
                        worker = harness.Worker(library, self.chosen.threads, **caches)
                        workers.append(worker)
                    prepared = self.prepare(worker, workload, variant, self.scale)
                    entry = Entry(library, variant, worker, prepared)
                    if "error" in prepared:
                        self.note(self.failed, workload, entry.name, prepared.get("why", prepared["error"]))
                    else:
                        entries[entry.name] = entry
            self.compare_losses(workload, entries)
            self.measure(workload, entries)
        finally:
            for worker in workers:
                worker.close()
        return entries

    def prepare(self, worker: harness.Worker, workload: str, variant: str, scale: str) -> dict[str, Any]:
        return worker.ask(
            "prepare",
            key=f"{scale}/{variant}",
            workload=workload,
            variant=variant,
            size=workloads_data.size(workload, scale),
            block=0.005 if self.chosen.toy else 0.1,
            warmup=0.005 if self.chosen.toy else 0.3,
        )

    def compare_losses(self, workload: str, entries: dict[str, Entry]) -> None:
        """Drops what does not compute the same as the first: its time would mean nothing."""
        for name in list(entries)[1:]:
            reference = next(iter(entries))
            try:
                harness.check_losses(workload, {key: entries[key].prepared["losses"] for key in (reference, name)})
            except SystemExit as different:
                self.note(self.failed, workload, name, str(different))
                del entries[name]

    def measure(self, workload: str, entries: dict[str, Entry]) -> None:
        """Rounds of blocks in turn, then memory, the work of a step and its fixed cost."""
        everyone = list(entries.values())
        for round_ in range(self.chosen.rounds):
            turn = round_ % max(1, len(everyone))
            for entry in everyone[turn:] + everyone[:turn]:  # each goes first in its turn
                answer = entry.worker.ask("block", key=f"{self.scale}/{entry.variant}")
                if "error" in answer:
                    self.note(self.failed, workload, entry.name, answer.get("why", answer["error"]))
                    entries.pop(entry.name, None)
                    everyone = [other for other in everyone if other is not entry]
                else:
                    entry.blocks.append(answer)
        for entry in everyone:
            entry.memory = entry.worker.ask("memory", key=f"{self.scale}/{entry.variant}")
            entry.work = entry.worker.ask("work", key=f"{self.scale}/{entry.variant}")
            if entry.library in MINIMAL and "bare" in workloads_data.SIZES[workload]:
                self.prepare(entry.worker, workload, entry.variant, "bare")
                blocks = [
                    entry.worker.ask("block", key=f"bare/{entry.variant}") for _ in range(1 if self.chosen.toy else 5)
                ]
                entry.bare = min(block["seconds"] for block in blocks) if "seconds" in blocks[-1] else None

    def note(self, where: list[tuple[str, str, str]], workload: str, name: str, why: str) -> None:
        if (workload, name, why) not in where:
            where.append((workload, name, why))


def summaries(workload: str, repetitions: list[dict[str, Entry]], work: dict[str, float]) -> list[Summary]:
    """What the repetitions come to, for every library and variant that all of them have."""
    names = [name for name in repetitions[0] if all(name in entries for entries in repetitions)]
    if not names:
        return []
    medians = {name: statistics.median(t for entries in repetitions for t in entries[name].seconds) for name in names}
    opponents = [name for name in names if name.partition(" ")[0] == "torch"] or names[:1]
    baseline = min(opponents, key=medians.__getitem__)
    results = []
    for name in names:
        mine = [entries[name] for entries in repetitions]
        ratios = [
            [own / other for own, other in zip(entry.seconds, entries[baseline].seconds, strict=True)]
            for entry, entries in zip(mine, repetitions, strict=True)
        ]
        pooled = sorted(ratio for repetition in ratios for ratio in repetition)
        seconds = medians[name]
        results.append(
            Summary(
                workload=workload,
                library=mine[0].library,
                variant=mine[0].variant,
                seconds=seconds,
                ratio=statistics.median(pooled),
                low=pooled[len(pooled) // 4],
                high=pooled[-1 - len(pooled) // 4],
                baseline=name == baseline,
                rounds=len(pooled),
                steps=mine[0].prepared["steps"],
                loss=mine[0].prepared["losses"][0],
                worst=max(map(statistics.median, ratios)),
                first=[entry.prepared["first"] for entry in mine],
                imported=median(entry.memory.get("imported", {}).get("now") for entry in mine),
                warm=median(entry.memory.get("warm", {}).get("now") for entry in mine),
                peak=median(entry.memory.get("steady", {}).get("peak") for entry in mine),
                faults=median(block.get("faults") for entry in mine for block in entry.blocks),
                cpu=median(block.get("cpu") for entry in mine for block in entry.blocks),
                gflops=work["flops"] / seconds / 1e9 if work.get("flops") else None,
                gigabytes=work["bytes"] / seconds / 1e9 if work.get("bytes") else None,
                bare=median(entry.bare for entry in mine),
                repetitions=ratios,
            )
        )
    return results


def median(values: Any) -> float | None:
    """The median of those that are known."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def limits(chosen: argparse.Namespace) -> dict[str, float]:
    """What the machine reaches: GFLOP/s of a square product, GB/s (read and written) of a copy out of cache."""
    size = workloads_data.size("limits", "toy" if chosen.toy else "full")
    amounts = {"sgemm": 2 * size["side"] ** 3, "copy": 2 * (size["megabytes"] << 20)}
    worker = harness.Worker("machine", chosen.threads)
    try:
        best = {}
        for name, amount in amounts.items():
            worker.ask(
                "prepare",
                key=name,
                workload="limits",
                variant=name,
                size=size,
                block=0.005 if chosen.toy else 0.2,
                warmup=0,
            )
            blocks = [worker.ask("block", key=name)["seconds"] for _ in range(1 if chosen.toy else 5)]
            best[name] = amount / min(blocks) / 1e9
    finally:
        worker.close()
    return best


# ---------------------------------------------------------------- tables
def number(value: float | None, pattern: str = "{:.0f}") -> str:
    return "-" if value is None else pattern.format(value)


def rows(results: Sequence[Summary]) -> list[list[str]]:
    """What was measured of a workload, a row per library."""
    table = []
    for r in sorted(results, key=lambda r: r.ratio):
        later = harness.duration(statistics.median(r.first[1:])) if len(r.first) > 1 else "-"
        spread = "baseline" if r.baseline else f"{r.low:.2f} - {r.high:.2f}"
        table.append(
            [
                r.name, harness.duration(r.seconds), f"{r.ratio:.2f}", spread, f"{r.worst:.2f}",
                harness.duration(r.first[0]), later, number(r.faults), number(r.gflops, "{:.3g}"),
                number(r.gigabytes, "{:.3g}"), harness.duration(r.bare) if r.bare else "-",
            ]
        )  # fmt: skip
    return table


HEADER = [
    "library", "step", "ratio", "quartiles", "worst", "first call", "cached", "faults", "GFLOP/s", "GB/s", "bare",
]  # fmt: skip


def best(results: Sequence[Summary], library: str) -> Summary | None:
    """The fastest variant of a library."""
    return min((r for r in results if r.library == library), key=lambda r: r.ratio, default=None)


def matrix(everything: dict[str, list[Summary]], libraries: Sequence[str], cell: Any) -> list[list[str]]:
    """A row per workload, a column per library (its fastest variant)."""
    table = []
    for workload, results in everything.items():
        chosen = [best(results, library) for library in libraries]
        table.append([workload, *("-" if r is None else cell(r) for r in chosen)])
    return table


def print_summary(everything: dict[str, list[Summary]], measured: dict[str, float], markdown: bool) -> None:
    """The suite at a glance."""
    libraries = [name for name in LIBRARIES if any(best(results, name) for results in everything.values())]
    libraries += sorted({r.library for results in everything.values() for r in results} - set(libraries))
    header = ["workload", *libraries]

    def show(title: str, header: list[str], table: list[list[str]]) -> None:
        print(harness.table(title, header, table, markdown))

    baseline = next((r.library for results in everything.values() for r in results if r.baseline), "nothing")
    show(f"time relative to {baseline}", header, matrix(everything, libraries, lambda r: f"{r.ratio:.2f}"))
    show("minor page faults of a steady step", header, matrix(everything, libraries, lambda r: number(r.faults)))

    def memory(r: Summary) -> str:
        if r.peak is None or r.imported is None or r.warm is None:
            return "-"
        return f"{r.peak:.0f} ({r.peak - r.imported:+.0f}, {r.peak - r.warm:+.0f})"

    title = "MiB at the peak of the steps (over the import, over the level after the first step)"
    show(title, header, matrix(everything, libraries, memory))

    table = []
    for workload, results in everything.items():
        r = next((r for r in results if r.library.startswith("retrograd")), None)
        if r is not None:
            flops = None if r.gflops is None else 100 * r.gflops / measured["sgemm"]
            moved = None if r.gigabytes is None else 100 * r.gigabytes / measured["copy"]
            fixed = None if r.bare is None else 100 * r.bare / r.seconds
            table.append([workload, *(number(value, "{:.0f} %") for value in (flops, moved, fixed))])
    title = f"{r.name if (r := _first_retrograd(everything)) else 'retrograd'} against the machine: "
    title += f"sgemm {measured['sgemm']:.0f} GFLOP/s, copy {measured['copy']:.1f} GB/s"
    show(title, ["workload", "of sgemm", "of the copy (bound from below)", "bare step"], table)


def _first_retrograd(everything: dict[str, list[Summary]]) -> Summary | None:
    return next((r for results in everything.values() for r in results if r.library.startswith("retrograd")), None)


def main(argv: Sequence[str] | None = None) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--only", help=f"a comma-separated choice of the workloads: {', '.join(WORKLOADS)}")
    parser.add_argument("--processes", type=int, help="fresh processes of each library in turn (default: 3; --toy: 1)")
    chosen = harness.parse(parser, argv, LIBRARIES)
    if chosen.processes is None:
        chosen.processes = 1 if chosen.toy else 3
    names = chosen.only.split(",") if chosen.only else list(WORKLOADS)
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        parser.error(f"--only: unknown {', '.join(unknown)}; choose from {', '.join(WORKLOADS)}")
    if chosen.processes < 1:
        parser.error(f"--processes {chosen.processes}: expected 1 or more")
    if chosen.toy and chosen.libraries == list(LIBRARIES):
        chosen.libraries.remove("torch:compile")  # half a minute to compile each; name it to have it all the same

    with harness.Session(chosen, chosen.libraries) as session:
        about = harness.environment(session)
    harness.print_environment(about)
    print()
    suite = Suite(chosen, list(session.about))
    everything: dict[str, list[Summary]] = {}
    for workload in names:
        everything[workload] = suite.run(workload)
        print(harness.table(WORKLOADS[workload], HEADER, rows(everything[workload]), chosen.markdown), flush=True)
    measured = limits(chosen)
    print_summary(everything, measured, chosen.markdown)
    for title, notes in (("skipped", suite.skipped), ("FAILED", suite.failed)):
        for workload, name, why in notes:
            print(f"{title}: {workload} in {name}: {why}")
    results = [r for found in everything.values() for r in found]
    extra = {"limits": measured, "skipped": suite.skipped, "failed": suite.failed}
    fastest = [r for found in everything.values() for r in found if r is best(found, r.library)]
    title = "training steps: time relative to torch (its best optimizer)"
    harness.report(session, "suite", title, results, fastest, **extra)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
