"""Muon: momentum whose update is orthogonalized."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Tensor
from .optimizer import ParamsT
from .options import check_tensor_option, scalar
from .per_parameter import PerParameter, lerp
from .scratch import fresh

__all__ = ["Muon", "muon_update", "newton_schulz"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def to_bfloat16(xp: Any, a: Any) -> Any:
    """A float32 array rounded to bfloat16's 8 bits, still as float32."""
    bits = xp.ascontiguousarray(a).view(xp.uint32)
    return ((bits + (((bits >> 16) & 1) + 0x7FFF)) & 0xFFFF0000).view(xp.float32)


def fused(xp: Any, scale: float, a: Any, b: Any) -> Any:
    """scale * a + b for float32 arrays, with one rounding to float32 as fused multiply-adds have, then to bfloat16."""
    exact = a.astype(xp.float64) * float(np.float32(scale))
    return to_bfloat16(xp, (exact + b).astype(xp.float32))


def newton_schulz(
    xp: Any, g: Any, coefficients: tuple[float, float, float] = COEFFICIENTS, steps: int = 5, eps: float = 1e-7
) -> Any:
    """About U V^T of the matrix g = U S V^T: its singular values are brought near one by a polynomial, again and again.

    x = g / |g|, then `steps` times x = a x + (b A + c A A) x with A = x x^T: the product sends every singular value s
    to a s + b s^3 + c s^5, which with these coefficients ends between about 0.7 and 1.2. Computed with bfloat16's
    precision, as in PyTorch; the result is a float32 array.

    >>> import numpy as np
    >>> from retrograd.optim.muon import newton_schulz
    >>> x = newton_schulz(np, np.array([[4.0, 0.0], [0.0, 1.0]]))
    >>> bool(np.all(np.abs(np.linalg.svd(x)[1] - 1.0) < 0.35))
    True
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(g.shape) != 2:
        raise ValueError("Input tensor gradient must be a 2D matrix")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = g.shape[0] > g.shape[1]
    x = to_bfloat16(xp, g.astype(xp.float32))
    if tall:
        x = x.T
    norm = to_bfloat16(xp, xp.sqrt(xp.sum(x * x)).reshape(1))
    x = to_bfloat16(xp, x / xp.maximum(norm, eps))
    for _ in range(steps):
        gram = to_bfloat16(xp, x @ x.T)
        gram = fused(xp, b, gram, c * (gram @ gram))
        x = fused(xp, a, x, gram @ x)
    return x.T if tall else x


def muon_update(
    xp: Any,
    p: Any,
    g: Any,
    momentum_buffer: Any,
    *,
    lr: float = 1e-3,
    weight_decay: float = 0.1,
    momentum: float = 0.95,
    nesterov: bool = True,
    ns_coefficients: tuple[float, float, float] = COEFFICIENTS,
    eps: float = 1e-7,
    ns_steps: int = 5,
    adjust_lr_fn: str | None = None,
    work: Any = fresh,
) -> None:
    """One step of Muon on real matrices of one shape, in place on p and momentum_buffer.

    >>> import numpy as np
    >>> from retrograd.optim.muon import muon_update
    >>> p, b = np.zeros((2, 2)), np.zeros((2, 2))
    >>> muon_update(np, p, 8.0 * np.eye(2), b, lr=0.5)
    >>> bool(np.abs(p + 0.5 * np.eye(2)).max() < 0.2)
    True
    """
    w = work(xp, p)
    lerp(xp, momentum_buffer, g, 1.0 - momentum, w)
    if nesterov:
        xp.subtract(momentum_buffer, g, w)
        xp.multiply(w, momentum, w)
        direction = xp.add(g, w, w)
    else:
        direction = momentum_buffer
    rows, columns = p.shape
    if adjust_lr_fn == "match_rms_adamw":
        rate = lr * 0.2 * math.sqrt(max(rows, columns))
    else:
        rate = lr * math.sqrt(max(1.0, rows / columns)) if columns else lr
    update = newton_schulz(xp, direction, ns_coefficients, ns_steps, eps)
    xp.multiply(p, float(1.0 - lr * weight_decay), p)
    xp.copyto(w, update)  # the product is to have the parameter's precision
    xp.subtract(p, xp.multiply(w, float(rate), w), p)


class Muon(PerParameter):
    r"""Muon: the momentum of a matrix, orthogonalized, so that all its directions are stepped along alike.

    For a parameter matrix p of shape (R, C) with gradient g:

        b = momentum * b + (1 - momentum) * g
        u = newton_schulz(momentum * b + (1 - momentum) * g   if nesterov else   b)
        p = (1 - lr * weight_decay) * p - lr * adjust * u

    adjust is sqrt(max(1, R / C)) for adjust_lr_fn None or "original", and 0.2 * sqrt(max(R, C)) for "match_rms_adamw",
    which suits rates and decays tuned for AdamW. Meant for the hidden layers' matrices; biases, norms, embeddings and
    heads go to another optimizer. State: `momentum_buffer` (b).

    Raises ValueError for parameters that are no matrices and for negative options, RuntimeError for complex ones.
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); Liu et al., "Muon is scalable for
    LLM training" (2025).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.zeros(2, 2))
    >>> opt = rg.optim.Muon([w], lr=0.5)
    >>> w.grad = rg.tensor([[0.0, 5.0], [-5.0, 0.0]])
    >>> opt.step()
    >>> [[round(v) for v in row] for row in (2 * w).tolist()]
    [[0, -1], [1, 0]]
    """

    _rule = staticmethod(muon_update)
    _complex = False
    _counted = False
    _late = {}

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_tensor_option("lr", lr)
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn is not None and adjust_lr_fn not in ("original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if p.dim() != 2:
                del self.param_groups[-1]
                raise ValueError(
                    f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}; give it to "
                    "another optimizer"
                )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("momentum_buffer",)

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        names = ("weight_decay", "momentum", "eps")
        kept = ("nesterov", "ns_coefficients", "ns_steps", "adjust_lr_fn")
        lr = group["lr"]
        if isinstance(lr, Tensor):  # PyTorch computes with its precision
            lr = lr.dtype.np.type(lr.item())
        return {"lr": lr, **{name: group[name] for name in kept}, **{name: scalar(group[name]) for name in names}}
