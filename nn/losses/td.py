"""Temporal differences: the error of a value by one step of experience, and the losses made of it."""

from __future__ import annotations

from typing import Any

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import DtypeError, ShapeError
from .. import functional as F
from .base import Loss, check_class_labels, check_equal_shapes, check_float, check_positive, reduced

__all__ = ["QLearningLoss", "TDLoss", "td_error"]


def td_error(
    value: Tensor, reward: Tensor, next_value: Tensor, gamma: float = 0.99, done: Tensor | None = None
) -> Tensor:
    r"""The temporal-difference error $\delta = r + \gamma (1 - done) V(s') - V(s)$ of each transition.

    next_value is a constant here (the semi-gradient: what is learned from does not move). done: True, or 1, where the
    episode ends with this step, so that nothing follows. Shapes: all equal, any.

    Sutton, "Learning to predict by the methods of temporal differences", Machine Learning 1988.

    >>> import retrograd as rg
    >>> v, r, after = rg.tensor([1.0, 1.0]), rg.tensor([0.5, 0.5]), rg.tensor([2.0, 2.0])
    >>> rg.nn.td_error(v, r, after, gamma=0.5, done=rg.tensor([False, True]))
    tensor([ 0.5000, -0.5000])
    """
    op = "td_error"
    v, r, after = (as_tensor_arg(x, op) for x in (value, reward, next_value))
    check_float(op, value=v, next_value=after)
    if not 0 <= gamma <= 1:
        raise ValueError(f"{op}: gamma discounts the future and lies in [0, 1], got {gamma}")
    if done is None:
        check_equal_shapes(op, value=v, reward=r, next_value=after)
        following: Any = after.detach()
    else:
        end = as_tensor_arg(done, op)
        check_equal_shapes(op, value=v, reward=r, next_value=after, done=end)
        following = after.detach() * (1 - end.to(after.dtype))
    return r + gamma * following - v


class _TDLoss(Loss):
    settings = ("gamma", "loss", "delta")

    def __init__(self, gamma: float = 0.99, loss: str = "squared", delta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        op = type(self).__name__
        if not 0 <= gamma <= 1:
            raise ValueError(f"{op}: gamma discounts the future and lies in [0, 1], got {gamma}")
        if loss not in ("squared", "huber"):
            raise ValueError(f"{op}: loss must be 'squared' or 'huber', got {loss!r}")
        check_positive(op, delta=delta)
        self.gamma, self.loss, self.delta = gamma, loss, delta

    def of_errors(self, error: Tensor) -> Tensor:
        """Half the squares of the errors, or Huber's function of them, reduced."""
        if self.loss == "huber":
            return F.huber_loss(error, error.detach() * 0, reduction=self.reduction, delta=self.delta)
        return reduced(error * error / 2, self.reduction)


class TDLoss(_TDLoss):
    r"""$\frac12 \delta^2$ of the temporal-difference error $\delta = r + \gamma (1 - done) V(s') - V(s)$: TD(0) learning.

    V(s') is a constant, so a gradient step of size 1 on one transition adds $\delta\, \nabla V(s)$.

    gamma: the discount in [0, 1]. loss: 'squared', or 'huber', which limits the gradient to delta. Shapes: value,
    reward, next_value and done equal, any.

    Sutton, "Learning to predict by the methods of temporal differences", Machine Learning 1988.

    >>> import retrograd as rg
    >>> rg.nn.TDLoss(gamma=0.5)(rg.tensor([1.0]), rg.tensor([1.0]), rg.tensor([4.0]))  # (1 + 2 - 1)^2 / 2
    tensor(2.)
    """

    def forward(self, value: Tensor, reward: Tensor, next_value: Tensor, done: Tensor | None = None) -> Tensor:
        return self.of_errors(td_error(value, reward, next_value, self.gamma, done))


class QLearningLoss(_TDLoss):
    r"""$\frac12 \delta^2$ of Q-learning's error $\delta = r + \gamma (1 - done) \max_a Q(s', a) - Q(s, a)$.

    gamma, loss, delta: as for `TDLoss` (loss='huber' is DQN's clipped error). Called as
    `loss(q, action, reward, next_q, done=None, chooser=None)`. Shapes: q and next_q `(N, A)` for A actions, next_q from
    the target network and a constant; action `(N,)` of integers; reward and done `(N,)`. chooser `(N, A)`: the online
    network's values of s', which choose the action that next_q then judges (double Q-learning).

    Watkins, Dayan, "Q-learning", 1992; Mnih et al., "Human-level control through deep reinforcement learning", 2015;
    van Hasselt, Guez, Silver, "Deep reinforcement learning with double Q-learning", 2016.

    >>> import retrograd as rg
    >>> q, after = rg.tensor([[1.0, 5.0]]), rg.tensor([[2.0, 4.0]])
    >>> rg.nn.QLearningLoss(gamma=0.5)(q, rg.tensor([0]), rg.tensor([1.0]), after)  # (1 + 0.5 * 4 - 1)^2 / 2
    tensor(2.)
    """

    def forward(
        self,
        q: Tensor,
        action: Tensor,
        reward: Tensor,
        next_q: Tensor,
        done: Tensor | None = None,
        chooser: Tensor | None = None,
    ) -> Tensor:
        op = "QLearningLoss"
        now, after, chosen, r = (as_tensor_arg(x, op) for x in (q, next_q, action, reward))
        check_float(op, q=now, next_q=after)
        if now.ndim != 2:
            raise ShapeError(f"{op}: q (N, A) is expected, got {tuple(now.shape)}")
        check_equal_shapes(op, q=now, next_q=after)
        if chosen.dtype.is_floating_point:
            raise DtypeError(f"{op}: action is {chosen.dtype.name}; integers are expected, as in action.long()")
        check_class_labels(op, chosen, tuple(now.shape[:1]), now.shape[1])
        value = now.gather(1, chosen.long().unsqueeze(1)).squeeze(1)
        if chooser is None:
            following = after.detach().amax(1)
        else:
            judge = as_tensor_arg(chooser, op)
            check_equal_shapes(op, next_q=after, chooser=judge)
            following = after.detach().gather(1, judge.detach().argmax(1, keepdim=True)).squeeze(1)
        return self.of_errors(td_error(value, r, following, self.gamma, done))
