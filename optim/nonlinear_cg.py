"""Nonlinear conjugate gradients: directions that do not undo each other, with a line search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import Tensor, no_grad
from .flat import Flat, largest
from .line_search import strong_wolfe
from .optimizer import Optimizer, ParamsT
from .options import check_lr, run_closure, scalar

__all__ = ["NonlinearCG"]

METHODS = ("fletcher-reeves", "polak-ribiere+")
C2 = 0.1  # a search this close to the minimum along the line keeps Fletcher and Reeves' directions descending


class NonlinearCG(Optimizer):
    r"""Nonlinear conjugate gradients: each direction is the steepest descent plus a share of the one before.

    `step(closure)` makes up to max_iter iterations. With the gradient g and the previous one g':

        d = -g + b * d',      p = p + t * d
        b = g.g / g'.g'                        method "fletcher-reeves"
        b = max(0, g.(g - g') / g'.g')         method "polak-ribiere+"

    t satisfies the strong Wolfe conditions (c1 = 1e-4, c2 = 0.1). The search begins with the step that would gain as
    much as the last iteration did, at most 1; at the first iteration with lr * min(1, 1 / |g|_1). The direction starts
    again from -g where it does not descend, and every restart_every iterations if that is given. An iteration costs one
    or two evaluations and three vectors of memory; on a quadratic of n dimensions about n iterations suffice.

    `step` ends early after max_eval evaluations (default max_iter * 5 // 2), when all |g| <= tolerance_grad, or when
    loss or step change by less than tolerance_change. It goes on where the last one ended, so many short calls equal a
    long one. Meant for full batches; one parameter group only.

    State, at the first parameter: `func_evals`, `n_iter`, `since_restart`, `d`, `t`, `prev_flat_grad`, `prev_slope`,
    `gain`.

    Raises ValueError for an unknown method, several groups, and options out of range. Fletcher and Reeves, "Function
    minimization by conjugate gradients" (1964); Polak and Ribiere, "Note sur la convergence de methodes de directions
    conjuguees" (1969); Gilbert and Nocedal, "Global convergence properties of conjugate gradient methods for
    optimization" (1992).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([-1.0, 2.0], dtype=rg.float64))
    >>> opt = rg.optim.NonlinearCG([w], max_iter=100)
    >>> def closure():  # Rosenbrock's valley, least at (1, 1)
    ...     opt.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> opt.step(closure).item()
    104.0
    >>> [round(v, 4) for v in w.tolist()]
    [1.0, 1.0]
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        method: str = "polak-ribiere+",
        restart_every: int | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        if method not in METHODS:
            raise ValueError(f"NonlinearCG: method is {method!r}; expected one of {', '.join(METHODS)}")
        if restart_every is not None and restart_every < 1:
            raise ValueError(f"NonlinearCG: restart_every is {restart_every}; expected a number of iterations, or None")
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 2 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "method": method,
                "restart_every": restart_every,
                "maximize": maximize,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError("NonlinearCG doesn't support per-parameter options (parameter groups); give one group")

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Make up to max_iter iterations; closure clears the gradients, computes the loss, calls backward, returns it.

        Returns the loss before the first iteration.
        """
        with no_grad():
            return self._iterate(closure)

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        sign = -1.0 if group["maximize"] else 1.0
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        flat = Flat(group["params"])
        state = self.state[group["params"][0]]  # one state for all; at the first parameter, for load_state_dict's sake
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = run_closure(closure)
        loss, g = sign * float(first_loss), flat.grad() * sign
        evaluations = 1
        state["func_evals"] += 1
        for _ in range(group["max_iter"]):
            if largest(g) <= tolerance_grad or evaluations >= group["max_eval"]:
                break
            d, slope = self._direction(state, g, group)
            t = self._first_trial(state, g, slope, scalar(group["lr"]))
            start, size = flat.copy(), largest(d)

            def trial(t: float, start: Any = start, d: Tensor = d) -> tuple[float, Tensor, float]:
                f_t, g_t = flat.evaluate_at(closure, start, t, d)
                g_t = g_t * sign
                return sign * f_t, g_t, float(g_t.dot(d))

            before = loss
            state.update(d=d, prev_flat_grad=g, prev_slope=slope)
            loss, g, t, used = strong_wolfe(
                trial, t, loss, g, slope, c2=C2, smallest=1e-12 / size, max_ls=max(1, group["max_eval"] - evaluations)
            )
            flat.add(t, d)
            evaluations += used
            state["func_evals"] += used
            state["n_iter"] += 1
            state["since_restart"] += 1
            state.update(t=t, gain=before - loss)
            if size * abs(t) <= tolerance_change or abs(before - loss) < tolerance_change:
                break
        return first_loss

    @staticmethod
    def _direction(state: dict[str, Any], g: Tensor, group: dict[str, Any]) -> tuple[Tensor, float]:
        """The next direction, and the slope of the loss along it."""
        square = float(g.dot(g))
        every = group["restart_every"]
        if "d" in state and not (every is not None and state["since_restart"] >= every):
            last = state["prev_flat_grad"]
            last_square = float(last.dot(last))
            if group["method"] == "fletcher-reeves":
                b = square / last_square
            else:
                b = max(0.0, (square - float(g.dot(last))) / last_square)
            d = state["d"] * b - g
            slope = float(g.dot(d))
            if slope < -1e-10 * square:
                return d, slope
        state["since_restart"] = 0
        return g.neg(), -square

    @staticmethod
    def _first_trial(state: dict[str, Any], g: Tensor, slope: float, lr: float) -> float:
        """The step length that the line search begins with."""
        if state.get("gain", 0.0) > 0.0:
            return min(1.0, 1.01 * 2.0 * state["gain"] / -slope)
        return min(1.0, 1.0 / float(g.abs().sum())) * lr
