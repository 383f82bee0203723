"""How networks with an external memory find their places in it: the formulas of the NTM and of the DNC, as functions.

A memory is `(N, S, W)`: for each sample, S slots of width W. Weights of heads are `(N, H, S)` and sum to 1 or less.
"""

from __future__ import annotations

from ...autograd import Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.create import ones_like
from ...autograd.ops.join import cat
from ...autograd.ops.ranges import eye
from ...autograd.ops.softmax import softmax

__all__ = [
    "allocation_weights", "content_weights", "erase_and_add", "interpolate_weights", "read_memory", "sharpen_weights",
    "shift_weights", "update_links", "update_precedence", "update_usage",
]  # fmt: skip


# ---------------------------------------------------------------- shared
def content_weights(memory: Tensor, key: Tensor, strength: Tensor, eps: float = 1e-6) -> Tensor:
    """Weights by likeness: `softmax over slots of strength * cos(key, memory[slot])`.

    memory `(N, S, W)`, key `(N, H, W)`, strength `(N, H)`, positive; weights `(N, H, S)`. eps: added to the norms'
    product, for slots or keys of zero.

    >>> import retrograd as rg
    >>> from retrograd.nn.layers.addressing import content_weights
    >>> content_weights(rg.eye(2)[None], rg.tensor([[[3.0, 0.0]]]), rg.tensor([[50.0]])).round()
    tensor([[[1., 0.]]])
    """
    if memory.ndim != 3 or key.ndim != 3 or memory.shape[-1] != key.shape[-1]:
        raise ShapeError(
            "content_weights: expected memory (N, S, W) and key (N, H, W), "
            f"got {tuple(memory.shape)} and {tuple(key.shape)}"
        )
    products = key @ memory.transpose(1, 2)  # (N, H, S)
    # The square root of an exact zero has no gradient, so its place is inside of the root.
    norms = ((key * key).sum(-1, keepdim=True) + eps * eps).sqrt() * (
        (memory * memory).sum(-1).unsqueeze(1) + eps * eps
    ).sqrt()
    return softmax(strength.unsqueeze(-1) * products / (norms + eps), -1)


def read_memory(memory: Tensor, weights: Tensor) -> Tensor:
    """`r = sum over slots of w[slot] memory[slot]`: memory `(N, S, W)`, weights `(N, H, S)`, reads `(N, H, W)`.

    >>> import retrograd as rg
    >>> from retrograd.nn.layers.addressing import read_memory
    >>> read_memory(rg.tensor([[[2.0], [4.0]]]), rg.tensor([[[0.5, 0.5]]])).item()
    3.0
    """
    return weights @ memory


def erase_and_add(memory: Tensor, weights: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """`M[slot] <- M[slot] * product over heads of (1 - w[slot] e) + sum over heads of w[slot] a`.

    memory `(N, S, W)`, weights `(N, H, S)`, erase and add `(N, H, W)`, erase in [0, 1].

    >>> import retrograd as rg
    >>> from retrograd.nn.layers.addressing import erase_and_add
    >>> one = rg.ones(1, 1, 1)
    >>> erase_and_add(3 * one, one, one, 5 * one).item()
    5.0
    """
    kept = (1.0 - weights.unsqueeze(-1) * erase.unsqueeze(2)).prod(1)  # (N, H, S, W) -> (N, S, W)
    return memory * kept + weights.transpose(1, 2) @ add


# ---------------------------------------------------------------- NTM
def interpolate_weights(content: Tensor, previous: Tensor, gate: Tensor) -> Tensor:
    """`g w_content + (1 - g) w_previous`: whether to look anew, or to stay; gate `(N, H)` in [0, 1].

    >>> import retrograd as rg
    >>> from retrograd.nn.layers.addressing import interpolate_weights
    >>> interpolate_weights(rg.tensor([[[1.0, 0.0]]]), rg.tensor([[[0.0, 1.0]]]), rg.tensor([[0.25]]))
    tensor([[[0.2500, 0.7500]]])
    """
    return previous + gate.unsqueeze(-1) * (content - previous)


def shift_weights(weights: Tensor, shifts: Tensor) -> Tensor:
    """Circular convolution: `w'[i] = sum over s of shifts[s] w[i - s]`, s from -K to K.

    weights `(N, H, S)`; shifts `(N, H, 2 K + 1)`, a distribution over the moves -K, ..., K.

    >>> import retrograd as rg
    >>> from retrograd.nn.layers.addressing import shift_weights
    >>> shift_weights(rg.tensor([[[1.0, 0.0, 0.0]]]), rg.tensor([[[0.0, 0.0, 1.0]]]))
    tensor([[[0., 1., 0.]]])
    """
    moves = shifts.shape[-1]
    if moves % 2 == 0:
        raise ShapeError(f"shift_weights: shifts has {moves} moves; an odd number is expected, -K to K")
    if moves > weights.shape[-1]:
        raise ShapeError(f"shift_weights: {moves} moves, but only {weights.shape[-1]} slots")
    k = moves // 2
    # Row i of the window holds w[i + K], ..., w[i - K], to meet the moves -K, ..., K.
    around = cat([weights[..., -k:], weights, weights[..., :k]], -1) if k else weights
    window = around.unfold(-1, moves, 1).flip(-1)  # (N, H, S, 2 K + 1)
    return (window * shifts.unsqueeze(2)).sum(-1)


def sharpen_weights(weights: Tensor, gamma: Tensor, eps: float = 1e-12) -> Tensor:
    """`w^gamma / sum of w^gamma`: undoes the blur of shifts; gamma `(N, H)`, at least 1.

    >>> import retrograd as rg
    >>> from retrograd.nn.layers.addressing import sharpen_weights
    >>> sharpen_weights(rg.tensor([[[0.75, 0.25]]]), rg.tensor([[2.0]]))
    tensor([[[0.9000, 0.1000]]])
    """
    # The logarithm of an exact zero, which the gradient for gamma has, is kept finite by eps.
    powers = (weights + eps) ** gamma.unsqueeze(-1)
    return powers / powers.sum(-1, keepdim=True)


# ---------------------------------------------------------------- DNC
def update_usage(usage: Tensor, write: Tensor, reads: Tensor, free: Tensor) -> Tensor:
    """`u' = (u + w - u w) * product over heads of (1 - f r)`: written slots are in use, read ones may be freed.

    usage `(N, S)` in [0, 1]; write, the last write weights `(N, S)`; reads, the last read weights `(N, H, S)`; free
    gates `(N, H)` in [0, 1].

    >>> import retrograd as rg
    >>> from retrograd.nn.layers.addressing import update_usage
    >>> w = rg.tensor([[1.0, 0.0]])
    >>> update_usage(rg.zeros(1, 2), w, w[None], rg.tensor([[0.25]]))
    tensor([[0.7500, 0.0000]])
    """
    retained = (1.0 - free.unsqueeze(-1) * reads).prod(1)  # (N, S)
    return (usage + write - usage * write) * retained


def allocation_weights(usage: Tensor) -> Tensor:
    """Weights on free slots: `a[phi_j] = (1 - u[phi_j]) * product over i < j of u[phi_i]`, phi sorting u upward.

    usage `(N, S)` in [0, 1]; weights `(N, S)`. As in the paper, the order itself passes no gradient.

    >>> import retrograd as rg
    >>> from retrograd.nn.layers.addressing import allocation_weights
    >>> allocation_weights(rg.tensor([[1.0, 0.5, 0.0]]))
    tensor([[0., 0., 1.]])
    """
    order = usage.argsort(-1, stable=True)
    ordered = usage.gather(-1, order)
    before = cat([ones_like(ordered[..., :1]), ordered[..., :-1].cumprod(-1)], -1)
    # The inverse of a permutation is its own argsort.
    return ((1.0 - ordered) * before).gather(-1, order.argsort(-1, stable=True))


def update_precedence(precedence: Tensor, write: Tensor) -> Tensor:
    """`p' = (1 - sum of w) p + w`: which slot was written last; both `(N, S)`.

    >>> import retrograd as rg
    >>> from retrograd.nn.layers.addressing import update_precedence
    >>> update_precedence(rg.tensor([[1.0, 0.0]]), rg.tensor([[0.0, 0.5]]))
    tensor([[0.5000, 0.5000]])
    """
    return (1.0 - write.sum(-1, keepdim=True)) * precedence + write


def update_links(links: Tensor, precedence: Tensor, write: Tensor) -> Tensor:
    """`L'[i, j] = (1 - w[i] - w[j]) L[i, j] + w[i] p[j]`, 0 where i = j: how much slot i was written right after j.

    links `(N, S, S)`; precedence of the step before `(N, S)`; write `(N, S)`. `r @ L'^T` moves the read weights r
    forward in the order of writing, `r @ L'` backward.

    >>> import retrograd as rg
    >>> from retrograd.nn.layers.addressing import update_links
    >>> update_links(rg.zeros(1, 2, 2), rg.tensor([[1.0, 0.0]]), rg.tensor([[0.0, 1.0]]))[0]
    tensor([[0., 0.],
            [1., 0.]])
    """
    i, j = write.unsqueeze(2), write.unsqueeze(1)
    new = (1.0 - i - j) * links + i * precedence.unsqueeze(1)
    return new * (1.0 - eye(new.shape[-1], dtype=new.dtype, device=new.device))
