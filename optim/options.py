"""Checks of hyperparameters, with PyTorch's messages, and hyperparameters as numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import Tensor, enable_grad

__all__ = [
    "check_betas",
    "check_fused",
    "check_lr",
    "check_modes",
    "check_not_negative",
    "check_tensor_option",
    "run_closure",
    "scalar",
]


def run_closure(closure: Callable[[], Any] | None) -> Any:
    """The loss that the closure of `step` returns, with recording on; None without a closure."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


def scalar(x: Any) -> float:
    """A hyperparameter (number or one-element tensor) as a Python float, which never widens a float32 array."""
    return x if type(x) is float else float(x)


def check_tensor_option(name: str, value: Any) -> None:
    """Refuse a tensor with more than one element as a hyperparameter."""
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element")


def check_lr(lr: Any) -> None:
    """Refuse a negative learning rate, and a tensor with more than one element."""
    check_tensor_option("lr", lr)
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_betas(betas: Sequence[Any]) -> None:
    """Refuse coefficients of running averages outside [0, 1)."""
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


def check_not_negative(**values: Any) -> None:
    """Refuse a negative hyperparameter; eps is called epsilon in messages, as in PyTorch."""
    for name, value in values.items():
        if not value >= 0.0:
            raise ValueError(f"Invalid {'epsilon' if name == 'eps' else name} value: {value}")


def check_modes(group: dict[str, Any], who: str) -> None:
    """Refuse the options that promise what this library does not do, and combinations that PyTorch refuses."""
    if group.get("differentiable"):
        if group.get("fused"):
            raise RuntimeError("`fused` does not support `differentiable`")
        raise NotImplementedError(
            f"{who}: differentiable=True is not supported, since updates are made in place on the arrays; write the "
            "update as tensor operations and differentiate through that"
        )
    if group.get("capturable"):
        raise NotImplementedError(
            f"{who}: capturable=True is not supported: the step counter lives on the host; leave it False"
        )
    if group.get("fused") and group.get("foreach"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_fused(group: dict[str, Any]) -> None:
    """`fused=True` changes no number here, but as in PyTorch it demands floating-point parameters."""
    if group.get("fused"):
        for p in group["params"]:
            if not p.is_floating_point():
                raise RuntimeError(
                    f"`fused=True` requires all the params to be floating point Tensors, but one is {p.dtype}"
                )
