"""L-BFGS: a quasi-Newton method with limited memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import Tensor, no_grad
from .flat import Flat, largest
from .line_search import strong_wolfe
from .optimizer import Optimizer, ParamsT
from .options import check_lr, run_closure, scalar

__all__ = ["LBFGS"]

# PyTorch's line search ends when no element moves by this much, whatever tolerance_change is.
SEARCH_TOLERANCE = 1e-9


class LBFGS(Optimizer):
    r"""L-BFGS: Newton steps with an inverse Hessian that the last history_size steps and gradient changes define.

    `step(closure)` makes up to max_iter iterations. With s = the last steps, y = the changes of the gradient g along
    them, the two-loop recursion gives d = -H g for

        H = (I - s y^T / s.y) H (I - y s^T / s.y) + s s^T / s.y,    beginning with  (s.y / y.y) I

    and p = p + t * d, where t is lr (at the first iteration lr * min(1, 1 / |g|_1)) or, with line_search_fn
    "strong_wolfe", the result of a line search that begins there. It ends early after max_eval evaluations (default
    max_iter * 5 // 4), when all |g| <= tolerance_grad, or when loss or step change by less than tolerance_change. Meant
    for full batches; one parameter group only.

    State, at the first parameter as in PyTorch: `func_evals`, `n_iter`, `d`, `t`, `old_dirs` (y), `old_stps` (s), `ro`,
    `H_diag`, `prev_flat_grad`, `prev_loss`, `al`.

    Raises ValueError for several groups and a negative lr, RuntimeError for an unknown line_search_fn. Liu and Nocedal,
    "On the limited memory BFGS method for large scale optimization" (1989).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([-1.0, 2.0], dtype=rg.float64))
    >>> opt = rg.optim.LBFGS([w], line_search_fn="strong_wolfe", max_iter=100)
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
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Make up to max_iter iterations; closure clears the gradients, computes the loss, calls backward, returns it.

        Returns the loss before the first iteration.
        """
        with no_grad():
            return self._iterate(closure)

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr = scalar(group["lr"])
        max_iter, max_eval = group["max_iter"], group["max_eval"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        flat = Flat(group["params"])
        state = self.state[group["params"][0]]  # one state for all; at the first parameter, for load_state_dict's sake
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = run_closure(closure)
        loss, g = float(first_loss), flat.grad()
        evaluations = 1
        state["func_evals"] += 1
        if largest(g) <= tolerance_grad:
            return first_loss

        count = 0
        while count < max_iter:
            count += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                state.update(d=g.neg(), old_dirs=[], old_stps=[], ro=[], H_diag=1)
                t = min(1.0, 1.0 / float(g.abs().sum())) * lr
            else:
                self._remember(state, g, group["history_size"])
                state["d"] = self._direction(state, g, group["history_size"])
                t = lr
            d = state["d"]
            state.update(t=t, prev_flat_grad=g, prev_loss=loss)
            slope = float(g.dot(d))
            if slope > -tolerance_change:
                break

            used = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start, size = flat.copy(), largest(d)

                def trial(t: float, start: Any = start, d: Tensor = d) -> tuple[float, Tensor, float]:
                    f_t, g_t = flat.evaluate_at(closure, start, t, d)
                    return f_t, g_t, float(g_t.dot(d))

                smallest = SEARCH_TOLERANCE / size if size else 0.0
                loss, g, t, used = strong_wolfe(
                    trial, t, loss, g, slope, smallest=smallest, max_ls=max_eval - evaluations
                )
                flat.add(t, d)
            else:
                flat.add(t, d)
                if count != max_iter:  # after the last step nobody looks at the loss
                    loss, g = flat.evaluate(closure)
                    used = 1
            state["t"] = t
            evaluations += used
            state["func_evals"] += used
            if (
                count == max_iter
                or evaluations >= max_eval
                or largest(g) <= tolerance_grad
                or largest(d) * abs(t) <= tolerance_change
                or abs(loss - state["prev_loss"]) < tolerance_change
            ):
                break
        return first_loss

    @staticmethod
    def _remember(state: dict[str, Any], g: Tensor, size: int) -> None:
        """Take the last step and the change of the gradient along it into the memory."""
        y = g - state["prev_flat_grad"]
        s = state["d"] * float(state["t"])
        ys = y.dot(s)
        if not ys > 1e-10:  # no positive curvature: the memory would no longer define a descent
            return
        memory = (state["old_dirs"], state["old_stps"], state["ro"])
        for kept, new in zip(memory, (y, s, 1.0 / ys), strict=True):
            if len(kept) == size:
                kept.pop(0)
            kept.append(new)
        state["H_diag"] = ys / y.dot(y)

    @staticmethod
    def _direction(state: dict[str, Any], g: Tensor, size: int) -> Tensor:
        """-H g, by the two-loop recursion."""
        ys, ss, ro = state["old_dirs"], state["old_stps"], state["ro"]
        al = state.setdefault("al", [None] * size)
        q = g.neg()
        for i in reversed(range(len(ys))):
            al[i] = ss[i].dot(q) * ro[i]
            q.sub_(ys[i] * al[i])
        q = q * state["H_diag"]
        for i in range(len(ys)):
            q.add_(ss[i] * (al[i] - ys[i].dot(q) * ro[i]))
        return q
