"""Losses, embeddings and dropouts under the names of the front door, whose arguments differ from nn.functional's.

These are what PyTorch's kernels are called: reductions are numbers (0 none, the default as in PyTorch, 1 mean, 2 sum),
what overwrites its input has a name of its own, and some arguments come in another order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from . import ctc, loss, loss_likelihood, loss_pairs
from . import dropout as _dropouts
from .args import as_int
from .conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from .pad import pad as _pad
from .pool_adaptive import adaptive_max_pool1d as _adaptive_max_pool1d
from .shape import permute_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

    Lengths = Tensor | Sequence[int]
    IntOrTuple = int | Sequence[int]

__all__ = [
    "adaptive_max_pool1d", "alpha_dropout", "alpha_dropout_", "binary_cross_entropy_with_logits", "constant_pad_nd",
    "conv_tbc", "convolution", "cosine_embedding_loss", "ctc_loss", "dropout", "dropout_", "feature_alpha_dropout",
    "feature_alpha_dropout_", "feature_dropout", "feature_dropout_", "hinge_embedding_loss", "kl_div",
    "margin_ranking_loss", "poisson_nll_loss", "triplet_margin_loss",
]  # fmt: skip

_REDUCTIONS = ("none", "mean", "sum")


def _reduction(op: str, reduction: Any) -> str:
    """The reduction that a number stands for."""
    i = as_int(reduction, op, "reduction")
    if not 0 <= i <= 2:
        raise ValueError(f"{op}: reduction must be 0 (none), 1 (mean) or 2 (sum), got {i}")
    return _REDUCTIONS[i]


def _signs(*shape: int) -> Any:
    import numpy as np

    return t(*shape, values=np.resize([1.0, -1.0, -1.0], shape), grad=False)


# ---------------------------------------------------------------- losses
@public(
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4, low=0.1, high=1.0)),
        call(t(3, 4), t(3, 4, low=0.1, high=1.0), 2),
        call(t(3), t(3), 0, log_target=True),
    ],
    errors=lambda: [raises(TypeError, r"kl_div: reduction must be an int", t(3), t(3), "sum")],
)
def kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False) -> Tensor:
    """`nn.functional.kl_div` with a number for the reduction: 0 none, 1 mean, 2 sum.

    >>> import retrograd as rg
    >>> rg.kl_div(rg.tensor([0.5, 0.5]).log(), rg.tensor([1.0, 0.0]), 2)
    tensor(0.6931)
    """
    return loss_likelihood.kl_div(input, target, reduction=_reduction("kl_div", reduction), log_target=log_target)


@public(
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4, low=0.0, high=1.0), None, t(4, low=0.5, grad=False), 2),
        call(t(3), t(3, low=0.0, high=1.0), t(3, low=0.5, grad=False), reduction=0),
    ],
    errors=lambda: [raises(TypeError, r"reduction must be an int", t(3), t(3), None, None, "sum")],
)
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:
    """`nn.functional.binary_cross_entropy_with_logits` with a number for the reduction: 0 none, 1 mean, 2 sum.

    >>> import retrograd as rg
    >>> rg.binary_cross_entropy_with_logits(rg.tensor([0.0, 100.0]), rg.tensor([1.0, 1.0]), reduction=1)
    tensor(0.3466)
    """
    name = _reduction("binary_cross_entropy_with_logits", reduction)
    return loss.binary_cross_entropy_with_logits(input, target, weight, reduction=name, pos_weight=pos_weight)


@public(
    method=False,
    samples=lambda: [call(t(3, 4), t(3, 4), _signs(3)), call(t(3, 4), t(3, 4), _signs(3), 0.2, 0)],
    errors=lambda: [raises(RuntimeError, r"target has shape \(4,\)", t(3, 4), t(3, 4), t(4))],
)
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """`nn.functional.cosine_embedding_loss` with a number for the reduction: 0 none, 1 mean, 2 sum.

    >>> import retrograd as rg
    >>> x = rg.tensor([[1.0, 0.0]])
    >>> rg.cosine_embedding_loss(x, x, rg.tensor([-1.0]), 0.0, 2).round(decimals=4)
    tensor(1.)
    """
    name = _reduction("cosine_embedding_loss", reduction)
    return loss_pairs.cosine_embedding_loss(input1, input2, target, margin, reduction=name)


@public(
    method=False,
    samples=lambda: [call(t(3, 4), _signs(3, 4)), call(t(4), _signs(4), 0.5, 0)],
    errors=lambda: [raises(TypeError, r"reduction must be an int", t(3), t(3), 1.0, "mean")],
)
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0) -> Tensor:
    """`nn.functional.hinge_embedding_loss` with a number for the reduction: 0 none, 1 mean, 2 sum.

    >>> import retrograd as rg
    >>> rg.hinge_embedding_loss(rg.tensor([0.25, 0.25]), rg.tensor([1.0, -1.0]), 1.0, 0)
    tensor([0.2500, 0.7500])
    """
    name = _reduction("hinge_embedding_loss", reduction)
    return loss_pairs.hinge_embedding_loss(input, target, margin, reduction=name)


@public(
    method=False,
    samples=lambda: [call(t(4), t(4), _signs(4)), call(t(3, 4), t(3, 4), _signs(3, 4), 0.5, 2)],
    errors=lambda: [raises(TypeError, r"reduction must be an int", t(3), t(3), t(3), 0.0, "mean")],
)
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """`nn.functional.margin_ranking_loss` with a number for the reduction: 0 none, 1 mean, 2 sum.

    >>> import retrograd as rg
    >>> rg.margin_ranking_loss(rg.tensor([1.0]), rg.tensor([3.0]), rg.tensor([1.0]), 0.0, 0)
    tensor([2.])
    """
    name = _reduction("margin_ranking_loss", reduction)
    return loss_pairs.margin_ranking_loss(input1, input2, target, margin, reduction=name)


@public(
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4), t(3, 4)),
        call(t(3, 4), t(3, 4), t(3, 4), 0.5, 1.0, 1e-3, True, 0),
    ],
    errors=lambda: [raises(TypeError, r"reduction must be an int", t(3), t(3), t(3), reduction="mean")],
)
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 0,
) -> Tensor:
    """`nn.functional.triplet_margin_loss` with a number for the reduction: 0 none, 1 mean, 2 sum.

    >>> import retrograd as rg
    >>> x, y = rg.tensor([[0.0, 0.0]]), rg.tensor([[3.0, 4.0]])
    >>> rg.triplet_margin_loss(x, y, x, reduction=1).round(decimals=3)
    tensor(6.)
    """
    name = _reduction("triplet_margin_loss", reduction)
    return loss_pairs.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=name)


@public(
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4, low=0.1, high=3.0, grad=False), True, False, 1e-8, 1),
        call(t(3, low=0.5), t(3, low=0.1, high=3.0, grad=False), False, True, 1e-6, 0),
    ],
    errors=lambda: [raises(TypeError, r"reduction must be an int", t(3), t(3), True, False, 1e-8, "mean")],
)
def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int) -> Tensor:
    """`nn.functional.poisson_nll_loss` with a number for the reduction: 0 none, 1 mean, 2 sum.

    >>> import retrograd as rg
    >>> rg.poisson_nll_loss(rg.tensor([0.0]), rg.tensor([2.0]), True, False, 1e-8, 2)
    tensor(1.)
    """
    name = _reduction("poisson_nll_loss", reduction)
    return loss_likelihood.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=name)


@public(
    method=False,
    samples=lambda: [
        call(t(4, 2, 3), t(2, 2, dtype="int64", values=[[1, 2], [2, 2]], grad=False), (4, 4), (2, 2), 0, 0, torch=False)
    ],
    errors=lambda: [
        raises(
            TypeError, r"reduction must be an int", t(4, 1, 3), t(1, 2, dtype="int64", values=[[1, 2]]), (4,), (2,), 0, ""
        )
    ],
)  # fmt: skip
@sample_by_sample
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: int = 0,
    zero_infinity: bool = False,
) -> Tensor:
    """`nn.functional.ctc_loss` with a number for the reduction: 0 none, 1 mean, 2 sum.

    >>> import retrograd as rg
    >>> p = rg.full((2, 1, 2), 0.5).log()
    >>> rg.ctc_loss(p, rg.tensor([[1]]), (2,), (1,), reduction=0)
    tensor([0.2877])
    """
    name = _reduction("ctc_loss", reduction)
    return ctc.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, name, zero_infinity)


# ---------------------------------------------------------------- dropouts
def _errors() -> list[Any]:
    return [raises(ValueError, r"between 0 and 1, but got 1\.5", t(3), 1.5, True)]


@public(method=False, errors=_errors)
def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.dropout` with the argument `train`.

    >>> import retrograd as rg
    >>> rg.dropout(rg.ones(3), 0.5, train=False)
    tensor([1., 1., 1.])
    """
    return _dropouts.dropout(input, p, train)


@public(method=False, errors=_errors)
def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place version of `dropout`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> rg.dropout_(rg.ones(3), 1.0, True)
    tensor([0., 0., 0.])
    """
    return _dropouts.dropout(input, p, train, True)


@public(method=False, errors=_errors)
def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Zero whole channels of (N, C, ...) with probability p, and divide the others by 1 - p.

    >>> import retrograd as rg
    >>> y = rg.feature_dropout(rg.ones(2, 3, 4), 0.5, True)
    >>> bool((y == y[:, :, :1]).all())
    True
    """
    return _dropouts.feature_dropout(input, p, train, False)


@public(method=False, errors=_errors)
def feature_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place version of `feature_dropout`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> rg.feature_dropout_(rg.ones(1, 2, 1), 1.0, True).flatten()
    tensor([0., 0.])
    """
    return _dropouts.feature_dropout(input, p, train, True)


@public(method=False, errors=_errors)
def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.alpha_dropout` with the argument `train`.

    >>> import retrograd as rg
    >>> rg.alpha_dropout(rg.ones(3), 0.5, train=False)
    tensor([1., 1., 1.])
    """
    return _dropouts.alpha_dropout(input, p, train)


@public(method=False, errors=_errors)
def alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place version of `alpha_dropout`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> len(set(rg.alpha_dropout_(rg.zeros(100), 0.5, True).tolist()))
    2
    """
    return _dropouts.alpha_dropout(input, p, train, True)


@public(method=False, errors=_errors)
def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.feature_alpha_dropout` with the argument `train`.

    >>> import retrograd as rg
    >>> rg.feature_alpha_dropout(rg.ones(1, 2), 0.5, train=False)
    tensor([[1., 1.]])
    """
    return _dropouts.feature_alpha_dropout(input, p, train)


@public(method=False, errors=_errors)
def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place version of `feature_alpha_dropout`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> y = rg.feature_alpha_dropout_(rg.zeros(2, 3, 4), 0.5, True)
    >>> bool((y == y[:, :, :1]).all())
    True
    """
    return _dropouts.feature_alpha_dropout(input, p, train, True)


# ---------------------------------------------------------------- convolutions, padding, pooling
@public(
    method=False,
    samples=lambda: [
        call(t(2, 3, 5), t(4, 3, 2), t(4), [2], [1], [1], False, [0], 1),
        call(t(2, 4, 5, 5), t(4, 2, 3, 2), None, (2, 1), (1, 0), (1, 1), True, (1, 0), 2),
        call(t(1, 2, 3, 4, 3), t(2, 1, 2, 2, 2), t(2), [1], [0], [1], False, [0], 2),
    ],
    errors=lambda: [
        raises(RuntimeError, r"convolution: input", t(3, 5), t(4, 3), None, [1], [0], [1], False, [0], 1),
        raises(
            RuntimeError, r"has 2 channels but weight", t(1, 2, 5), t(4, 3, 2), None, [1], [0], [1], False, [0], 1
        ),
    ],
)  # fmt: skip
def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    """Any of `conv1d`, `conv2d`, `conv3d` or, if transposed, `conv_transpose*`, by the number of dimensions of weight.

    >>> import retrograd as rg
    >>> rg.convolution(rg.ones(1, 1, 3), rg.ones(1, 1, 2), None, [1], [0], [1], False, [0], 1)
    tensor([[[2., 2.]]])
    """
    w = as_tensor_arg(weight, "convolution")
    n = len(w._shape) - 2
    if n not in (1, 2, 3):
        raise ShapeError(
            f"convolution: input (N, C, ...) and weight with 3 to 5 dimensions are expected, got {w._shape}"
        )
    if transposed:
        f: Any = (conv_transpose1d, conv_transpose2d, conv_transpose3d)[n - 1]
        return f(input, w, bias, stride, padding, output_padding, groups, dilation)
    f = (conv1d, conv2d, conv3d)[n - 1]
    return f(input, w, bias, stride, padding, dilation, groups)


@public(
    method=False,
    samples=lambda: [call(t(5, 2, 3), t(2, 3, 4), t(4)), call(t(4, 1, 2), t(3, 2, 1), t(1), 1)],
    errors=lambda: [
        raises(RuntimeError, r"input \(T, N, C\) and weight", t(2, 3), t(2, 3, 4), t(4)),
        raises(RuntimeError, r"has 3 channels but weight", t(5, 2, 3), t(2, 2, 4), t(4)),
    ],
)
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """`conv1d` of sequences time first: (T, N, C), weight (kernel, C, out), bias (out,) to (T', N, out), padded by pad.

    >>> import retrograd as rg
    >>> rg.conv_tbc(rg.ones(3, 1, 1), rg.ones(2, 1, 1), rg.zeros(1)).flatten()
    tensor([2., 2.])
    """
    x, w = as_tensor_arg(input, "conv_tbc"), as_tensor_arg(weight, "conv_tbc")
    if len(x._shape) != 3 or len(w._shape) != 3:
        raise ShapeError(
            f"conv_tbc: input (T, N, C) and weight (kernel, C, out) are expected, got {x._shape} and {w._shape}"
        )
    y = conv1d(permute_p(x, (1, 2, 0)), permute_p(w, (2, 1, 0)), bias, 1, as_int(pad, "conv_tbc", "pad"))
    return permute_p(y, (2, 0, 1))


@public(
    method=False,
    samples=lambda: [call(t(2, 3), (1, 2), 0.5), call(t(2, 3), [1, 0, -1, 1])],
    errors=lambda: [raises(RuntimeError, r"pad: 1 widths", t(2, 3), (1,))],
)
def constant_pad_nd(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """`nn.functional.pad` with mode "constant".

    >>> import retrograd as rg
    >>> rg.constant_pad_nd(rg.tensor([1, 2]), (1, 0), 7)
    tensor([7, 1, 2])
    """
    return _pad(input, pad, "constant", value)


@public(
    method=False,
    samples=lambda: [call(t(2, 3, 8), 4), call(t(3, 7), 3)],
    errors=lambda: [raises(RuntimeError, r"adaptive_max_pool1d: input", t(4), 2)],
)
def adaptive_max_pool1d(input: Tensor, output_size: IntOrTuple) -> tuple[Tensor, Tensor]:
    """`nn.functional.adaptive_max_pool1d` that returns the pair (values, places).

    >>> import retrograd as rg
    >>> rg.adaptive_max_pool1d(rg.tensor([[1.0, 2.0, 3.0]]), 1)
    (tensor([[3.]]), tensor([[2]]))
    """
    return _adaptive_max_pool1d(input, output_size, True)
