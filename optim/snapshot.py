"""Snapshot ensembles: the models that one run passes at the ends of its learning-rate cycles, averaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import Tensor, no_grad
from ..autograd.func import functional_call
from ..autograd.ops.join import stack
from ..autograd.ops.softmax import softmax
from ..nn.modules.module import Module

__all__ = ["SnapshotEnsemble"]


class SnapshotEnsemble:
    """Collects a model's state at each restart of a cyclic schedule; called, averages the snapshots' probabilities.

    With snapshots theta_1 ... theta_M:  p(y | x) = 1/M * sum_m softmax(model(x; theta_m)), over dimension 1.

    Call `step()` after each `scheduler.step()`: when the rate has fallen and rises again, a cycle is over and the model
    stands in the minimum that it led to, before the high rate leaves it. So it works with
    `CosineAnnealingWarmRestarts(optimizer, T_0=steps // cycles)` as with `CyclicLR`. The last cycle ends without a
    restart: call `collect()` after the last step. keep: how many snapshots to hold, the latest ones (None: all); early
    ones are weak. probabilities: what turns the model's output into probabilities (None: softmax over dimension 1).

    Snapshots are copies of parameters and buffers. They are evaluated in eval mode, without gradients; the model itself
    goes on unchanged.

    Raises ValueError for a keep below 1, RuntimeError when it is called without snapshots. Huang et al., "Snapshot
    ensembles: train 1, get M for free" (2017).

    >>> import retrograd as rg
    >>> model = rg.nn.Linear(2, 3)
    >>> opt = rg.optim.SGD(model.parameters(), lr=0.1)
    >>> sched = rg.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=5)
    >>> ensemble = rg.optim.SnapshotEnsemble(model, sched)
    >>> x, y = rg.randn(8, 2), rg.randint(3, (8,))
    >>> for _ in range(10):
    ...     opt.zero_grad()
    ...     rg.nn.functional.cross_entropy(model(x), y).backward()
    ...     opt.step()
    ...     sched.step()
    ...     _ = ensemble.step()
    >>> len(ensemble), tuple(ensemble(x).shape)
    (2, (8, 3))
    """

    def __init__(
        self,
        model: Module,
        scheduler: Any = None,
        keep: int | None = None,
        probabilities: Callable[[Any], Tensor] | None = None,
    ) -> None:
        if keep is not None and keep < 1:
            raise ValueError(f"SnapshotEnsemble: keep is {keep}; expected a number of snapshots, or None for all")
        self.model = model
        self.scheduler = scheduler
        self.keep = keep
        self.probabilities = probabilities or (lambda output: softmax(output, 1))
        self.snapshots: list[dict[str, Tensor]] = []
        self._last: float | None = None if scheduler is None else self._rate()
        self._falling = False

    def __len__(self) -> int:
        return len(self.snapshots)

    def _rate(self) -> float:
        return float(self.scheduler.get_last_lr()[0])

    def step(self) -> bool:
        """Take a snapshot if the rate has turned from falling to rising; returns whether it has.

        RuntimeError without a scheduler.
        """
        if self.scheduler is None or self._last is None:
            raise RuntimeError("SnapshotEnsemble.step: there is no scheduler to watch; give one, or call collect()")
        rate, last = self._rate(), self._last
        self._last = rate
        turned = rate > last and self._falling
        if rate != last:
            self._falling = rate < last
        if turned:
            self.collect()
        return turned

    def collect(self) -> None:
        """Take a snapshot of the model as it is now."""
        state = {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
        self.snapshots.append({name: t.detach().clone() for name, t in state.items()})
        if self.keep is not None:
            del self.snapshots[: -self.keep]

    @no_grad()
    def members(self, *args: Any, **kwargs: Any) -> Tensor:
        """The probabilities by each snapshot, of shape (M, N, ...), for the model's arguments."""
        if not self.snapshots:
            raise RuntimeError(
                "SnapshotEnsemble: there are no snapshots yet; call step() after each scheduler.step(), or collect()"
            )
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            outputs = [functional_call(self.model, state, args, kwargs) for state in self.snapshots]
        finally:
            for module, training in modes:
                module.training = training
        return stack([self.probabilities(output) for output in outputs])

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """The mean of the snapshots' probabilities."""
        return self.members(*args, **kwargs).mean(0)

    def state_dict(self) -> dict[str, Any]:
        """The snapshots and where in its cycle the rate is; the tensors are the ensemble's own, not copies."""
        return {"snapshots": [dict(state) for state in self.snapshots], "last": self._last, "falling": self._falling}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; tensors are copied."""
        self.snapshots = [{k: t.detach().clone() for k, t in state.items()} for state in state_dict["snapshots"]]
        self._last, self._falling = state_dict["last"], state_dict["falling"]
