"""Newton-CG: Newton's method whose linear system is solved by products with the Hessian alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import Tensor, enable_grad, grad, no_grad
from ..autograd.errors import GraphError
from .flat import Flat, largest
from .line_search import strong_wolfe
from .optimizer import Optimizer, ParamsT
from .options import check_lr, scalar

__all__ = ["NewtonCG"]

FLAT = 1e-12  # curvature d.Hd / d.d below which the quadratic model has no minimum along d


class NewtonCG(Optimizer):
    r"""Newton-CG (truncated Newton): conjugate gradients on H s = -g, then a line search along s.

    `step(closure)` makes up to max_iter iterations. The Hessian H is never formed: products H v are derivatives of the
    gradient (double backward), about as dear as two backwards each. The inner loop ends when |H s + g| <=
    min(1/2, sqrt|g|) * |g|, after max_cg products (None: as many as there are numbers in the parameters), or where the
    curvature is not positive: there s is what was found so far, or -g at the first product. Close to a minimum
    convergence is quadratic.

    The closure computes the loss and returns it, **without backward**: the optimizer differentiates it itself. The
    step length satisfies the strong Wolfe conditions, beginning with lr. `step` ends early when all |g| <=
    tolerance_grad, or when loss or step change by less than tolerance_change. Meant for full batches and smooth models
    (piecewise linear ones have no curvature to use); one parameter group only. `.grad` of the parameters is not touched.

    State, at the first parameter: `n_iter`, `func_evals`, `hess_evals` (products with the Hessian), `t`.

    Raises ValueError for several groups and options out of range, TypeError when the closure returns no tensor that
    depends on the parameters, GraphError when it has called backward. Nash, "A survey of truncated-Newton methods"
    (2000); Nocedal and Wright, "Numerical optimization" (2006), algorithm 7.1.

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([-1.0, 2.0], dtype=rg.float64))
    >>> opt = rg.optim.NewtonCG([w], max_iter=100)
    >>> def closure():  # Rosenbrock's valley, least at (1, 1)
    ...     return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    >>> opt.step(closure).item()
    104.0
    >>> [round(v, 8) for v in w.tolist()]
    [1.0, 1.0]
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_cg: int | None = None,
        max_ls: int = 25,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        *,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        for name, value in (("max_cg", max_cg), ("max_ls", max_ls)):
            if value is not None and value < 1:
                raise ValueError(f"NewtonCG: {name} is {value}; expected at least 1")
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_cg": max_cg,
                "max_ls": max_ls,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "maximize": maximize,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError("NewtonCG doesn't support per-parameter options (parameter groups); give one group")

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Make up to max_iter iterations; closure computes the loss and returns it, without calling backward.

        Returns the loss before the first iteration.
        """
        with no_grad():
            return self._iterate(closure)

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        sign = -1.0 if group["maximize"] else 1.0
        tolerance_change = group["tolerance_change"]
        flat = Flat(group["params"])
        state = self.state[group["params"][0]]  # one state for all; at the first parameter, for load_state_dict's sake
        for name in ("n_iter", "func_evals", "hess_evals"):
            state.setdefault(name, 0)

        def evaluate() -> tuple[Tensor, list[Tensor | None]]:
            state["func_evals"] += 1
            return _differentiate(closure, flat.params, sign)

        first_loss, parts = evaluate()
        loss = sign * first_loss.item()
        for _ in range(group["max_iter"]):
            g = flat.pack(parts).detach()
            if largest(g) <= group["tolerance_grad"]:
                break
            d = self._direction(flat, parts, g, group["max_cg"], state)
            slope, start, size, before = float(g.dot(d)), flat.copy(), largest(d), loss

            tried = []  # the step lengths; the last one is where the parameters are

            def trial(
                t: float, start: Any = start, d: Tensor = d, tried: list[float] = tried
            ) -> tuple[float, Any, float]:
                flat.set(start)
                flat.add(t, d)
                tried.append(t)
                value, found = evaluate()
                return sign * value.item(), found, float(flat.pack(found).dot(d))

            loss, parts, t, _ = strong_wolfe(
                trial, scalar(group["lr"]), loss, parts, slope, smallest=1e-12 / size, max_ls=group["max_ls"]
            )
            if t != tried[-1]:  # a graph of other parameters could not be differentiated again
                flat.set(start)
                flat.add(t, d)
                _, parts = evaluate()
            state["n_iter"] += 1
            state["t"] = t
            if t == 0.0 or size * abs(t) <= tolerance_change or abs(before - loss) < tolerance_change:
                break
        return first_loss.detach()

    @staticmethod
    def _direction(
        flat: Flat, parts: Sequence[Tensor | None], g: Tensor, max_cg: int | None, state: dict[str, Any]
    ) -> Tensor:
        """About -H^-1 g, by conjugate gradients; a descent direction in any case."""
        s, r = g * 0.0, g
        d = g.neg()
        square = float(r.dot(r))
        enough = min(0.5, math.sqrt(math.sqrt(square))) * math.sqrt(square)
        for i in range(g.numel() if max_cg is None else max_cg):
            if math.sqrt(square) <= enough:
                break
            h = _hessian_product(flat, parts, d)
            state["hess_evals"] += 1
            bend = float(d.dot(h))
            if not bend > FLAT * float(d.dot(d)):
                return g.neg() if i == 0 else s
            t = square / bend
            s, r = s + d * t, r + h * t
            square, before = float(r.dot(r)), square
            d = d * (square / before) - r
        return s


def _differentiate(closure: Callable[[], Any], params: list[Tensor], sign: float) -> tuple[Tensor, list[Tensor | None]]:
    """The closure's loss, and sign times its gradient, recorded so that it can be differentiated again."""
    with enable_grad():
        loss = closure()
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
            raise TypeError(
                f"NewtonCG.step: the closure returned {_described(loss)}; expected the loss, a tensor with one element "
                "that depends on the parameters (not its .item())"
            )
        try:
            found = grad(loss.reshape(()) * sign, params, create_graph=True, allow_unused=True)
        except GraphError as error:
            raise GraphError(
                "NewtonCG.step: the loss that the closure returned cannot be differentiated twice; let the closure "
                f"return the loss without calling backward on it. {error}"
            ) from error
    return loss, list(found)


def _hessian_product(flat: Flat, parts: Sequence[Tensor | None], v: Tensor) -> Tensor:
    """H v: the derivative of the gradient's parts along v; zeros where they depend on no parameter."""
    pairs = [(g, u) for g, u in zip(parts, flat.unpack(v), strict=True) if g is not None and g.requires_grad]
    if not pairs:
        return v * 0.0
    outputs, directions = zip(*pairs, strict=True)
    return flat.pack(grad(outputs, flat.params, directions, retain_graph=True, allow_unused=True))


def _described(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"{type(value).__name__} ({value!r})"
    return f"a tensor of shape {tuple(value.shape)}" + ("" if value.requires_grad else " that requires no gradient")
