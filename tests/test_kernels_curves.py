"""Training with kernels and without gives the same losses, and so does training on one thread and on two."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import retrograd as rg
from retrograd.autograd.kernels.cpu import runtime

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

import suite
import workloads_data
import workloads_torch_api


class Descent:
    """Gradient descent on the operands of a workload that has no optimizer."""

    def __init__(self, plain: Any) -> None:
        # Short steps: nothing bounds these losses from below.
        self.loss, self.optimizer = plain.loss, rg.optim.SGD(plain.operands, lr=1e-5)

    def __call__(self) -> float:
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def curve(workload: str, steps: int) -> list[float]:
    """The losses of the first steps in float64, from weights that are always the same."""
    library = workloads_torch_api.Library(rg, dtype="float64")
    step: Any = workloads_torch_api.make(library, workload, "", workloads_data.size(workload, "toy"))
    if isinstance(step, workloads_torch_api.Plain):
        step = Descent(step)
    return [step() for _ in range(steps)]


def compare(workload: str, steps: int) -> None:
    with rg.use_backend("numpy"):
        expected = curve(workload, steps)
    assert expected[0] != expected[-1]
    threads = rg.get_num_threads()
    try:
        with runtime.forced():  # kernels serve these sizes too, on all threads
            for count in (1, 2):
                rg.set_num_threads(count)
                losses = curve(workload, steps)
                assert losses == pytest.approx(expected, rel=1e-10, abs=1e-12), f"{count} threads"
    finally:
        rg.set_num_threads(threads)
    assert curve(workload, steps) == pytest.approx(expected, rel=1e-10, abs=1e-12), "kernels where they pay"


@pytest.mark.parametrize("workload", suite.WORKLOADS)
def test_first_steps(workload):
    compare(workload, 5)


@pytest.mark.soak
@pytest.mark.parametrize("workload", suite.WORKLOADS)
def test_hundred_steps(workload):
    compare(workload, 100)
