"""Capsules: groups of neurons whose vector's length is a probability, and routing by agreement between layers."""

from __future__ import annotations

from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.create import empty, zeros
from ...autograd.ops.einsum import einsum
from ...autograd.ops.softmax import softmax
from ...autograd.ops.where import where
from .. import init
from ..modules.conv import Conv2d
from ..modules.module import Module

__all__ = ["CapsuleLayer", "PrimaryCaps", "dynamic_routing", "squash"]


def squash(input: Tensor, dim: int = -1) -> Tensor:
    """`v = |s|**2 / (1 + |s|**2) * s / |s|`: the direction of s, with a length below 1.

    input: any shape; the vectors lie along dim. A zero vector stays 0, with gradient 0.

    Sabour, Frosst & Hinton, "Dynamic Routing Between Capsules", NeurIPS 2017.

    >>> import retrograd as rg
    >>> rg.nn.squash(rg.tensor([3.0, 4.0])).norm()
    tensor(0.9615)
    """
    square = (input * input).sum(dim, keepdim=True)
    zero = square == 0
    length = where(zero, 1.0, square).sqrt()  # the root has no derivative at 0
    return input * where(zero, 0.0, length / (1 + square))


def dynamic_routing(u_hat: Tensor, iterations: int = 3, detach: bool = False) -> tuple[Tensor, Tensor]:
    """(outputs v, coupling coefficients c) of routing by agreement.

    b = 0; then `iterations` times: `c_ij = exp(b_ij) / sum over k of exp(b_ik)`, `s_j = sum over i of c_ij u_hat_j|i`,
    `v_j = squash(s_j)`, `b_ij += u_hat_j|i . v_j`. detach: gradients take the coupling coefficients as constants.
    Shapes: u_hat `(N, I, J, D)`, the predictions of I capsules for J capsules of dimension D; v `(N, J, D)`; c
    `(N, I, J)`, which sums to 1 over J.

    Sabour, Frosst & Hinton, "Dynamic Routing Between Capsules", NeurIPS 2017, procedure 1.

    >>> import retrograd as rg
    >>> v, c = rg.nn.dynamic_routing(rg.ones(1, 2, 4, 3))
    >>> tuple(v.shape), c[0, 0]
    ((1, 4, 3), tensor([0.2500, 0.2500, 0.2500, 0.2500]))
    """
    if u_hat.ndim != 4:
        raise ShapeError(f"dynamic_routing: expected predictions (N, I, J, D), got {tuple(u_hat.shape)}")
    if iterations < 1:
        raise ValueError(f"dynamic_routing: iterations must be at least 1, got {iterations}")
    seen = u_hat.detach() if detach else u_hat
    b = zeros(u_hat.shape[:3], dtype=u_hat.dtype, device=u_hat.device)
    for _ in range(iterations - 1):
        v = squash(einsum("nij,nijd->njd", softmax(b, 2), seen))
        b = b + einsum("nijd,njd->nij", seen, v)
    c = softmax(b, 2)
    return squash(einsum("nij,nijd->njd", c, u_hat)), c


class PrimaryCaps(Module):
    """The lowest capsules: a convolution whose channels are grouped into vectors, and squashed.

    Shapes: input `(N, C, H, W)` or `(C, H, W)`; output `(N, capsules * H_out * W_out, capsule_dim)`, the capsules of the
    first map first. The defaults are those of the paper: 32 maps of capsules with 8 dimensions, kernel 9, stride 2.

    Sabour, Frosst & Hinton, "Dynamic Routing Between Capsules", NeurIPS 2017.

    >>> import retrograd as rg
    >>> tuple(rg.nn.PrimaryCaps(16)(rg.zeros(1, 16, 20, 20)).shape)
    (1, 1152, 8)
    """

    def __init__(
        self,
        in_channels: int,
        capsules: int = 32,
        capsule_dim: int = 8,
        kernel_size: int | tuple[int, int] = 9,
        stride: int | tuple[int, int] = 2,
        padding: str | int | tuple[int, int] = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.capsules, self.capsule_dim = capsules, capsule_dim
        self.conv = Conv2d(
            in_channels, capsules * capsule_dim, kernel_size, stride, padding, device=device, dtype=dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        y = self.conv(input)  # (..., capsules * dim, H, W)
        y = y.unflatten(-3, (self.capsules, self.capsule_dim)).flatten(-2)  # (..., capsules, dim, H*W)
        return squash(y.transpose(-1, -2).flatten(-3, -2))

    def extra_repr(self) -> str:
        return f"capsules={self.capsules}, capsule_dim={self.capsule_dim}"


class CapsuleLayer(Module):
    """Capsules fully connected to those below: `u_hat_j|i = W_ij u_i`, then dynamic routing.

    in_capsules, in_dim: how many capsules there are below, and their dimension; out_capsules, out_dim: here.
    iterations: of the routing (see `dynamic_routing`); detach_routing: no gradient through the coupling coefficients.
    Shapes: input `(N, in_capsules, in_dim)` or `(in_capsules, in_dim)`; output `(N, out_capsules, out_dim)`, with
    return_couplings=True also the coupling coefficients `(N, in_capsules, out_capsules)`; weight
    `(in_capsules, out_capsules, out_dim, in_dim)`, at the start normal with standard deviation 0.1.

    Sabour, Frosst & Hinton, "Dynamic Routing Between Capsules", NeurIPS 2017.

    >>> import retrograd as rg
    >>> digits = rg.nn.CapsuleLayer(1152, 8, 10, 16)
    >>> tuple(digits(rg.zeros(2, 1152, 8)).norm(dim=-1).shape)
    (2, 10)
    """

    weight: Tensor

    def __init__(
        self,
        in_capsules: int,
        in_dim: int,
        out_capsules: int,
        out_dim: int,
        iterations: int = 3,
        detach_routing: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if iterations < 1:
            raise ValueError(f"CapsuleLayer: iterations must be at least 1, got {iterations}")
        self.in_capsules, self.in_dim, self.out_capsules, self.out_dim = in_capsules, in_dim, out_capsules, out_dim
        self.iterations, self.detach_routing = iterations, detach_routing
        self.weight = Parameter(empty((in_capsules, out_capsules, out_dim, in_dim), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        init.normal_(self.weight, std=0.1)

    def forward(self, input: Tensor, return_couplings: bool = False) -> Any:
        expected = (self.in_capsules, self.in_dim)
        if input.ndim not in (2, 3) or tuple(input.shape[-2:]) != expected:
            raise ShapeError(
                f"CapsuleLayer: expected an input (N, *{expected}) or {expected}, got {tuple(input.shape)}"
            )
        x = input if input.ndim == 3 else input.unsqueeze(0)
        u_hat = einsum("ijdk,nik->nijd", self.weight, x)
        v, c = dynamic_routing(u_hat, self.iterations, self.detach_routing)
        if input.ndim == 2:
            v, c = v.squeeze(0), c.squeeze(0)
        return (v, c) if return_couplings else v

    def extra_repr(self) -> str:
        s = f"{self.in_capsules}, {self.in_dim}, {self.out_capsules}, {self.out_dim}, iterations={self.iterations}"
        return s + (", detach_routing=True" if self.detach_routing else "")
