"""The functions behind the layers, without state: `F.relu(x)`, `F.cross_entropy(x, y)`. Names are PyTorch's.

Each is defined with its formula and checks in `autograd/ops`; this page only says which of them are `F.*`.
"""

from __future__ import annotations

from ..autograd import Tensor, no_grad
from ..autograd.ops.activation import functional_relu as relu
from ..autograd.ops.activation import (
    hardshrink,
    hardsigmoid,
    hardtanh,
    leaky_relu,
    prelu,
    relu6,
    sigmoid,
    softshrink,
    threshold,
)
from ..autograd.ops.activation_smooth import (
    celu,
    elu,
    gelu,
    glu,
    hardswish,
    logsigmoid,
    mish,
    selu,
    silu,
    softplus,
    softsign,
    tanhshrink,
)
from ..autograd.ops.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from ..autograd.ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from ..autograd.ops.embedding import embedding, embedding_bag
from ..autograd.ops.linear import bilinear, linear
from ..autograd.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from ..autograd.ops.loss_class import cross_entropy, nll_loss
from ..autograd.ops.loss_likelihood import gaussian_nll_loss, kl_div, poisson_nll_loss
from ..autograd.ops.loss_pairs import (
    cosine_embedding_loss,
    cosine_similarity,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_soft_margin_loss,
    normalize,
    pairwise_distance,
    soft_margin_loss,
    triplet_margin_loss,
)
from ..autograd.ops.math import tanh
from ..autograd.ops.norm import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from ..autograd.ops.pad import pad
from ..autograd.ops.pool import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from ..autograd.ops.pool_adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)  # fmt: skip
from ..autograd.ops.ranges import one_hot
from ..autograd.ops.softmax import functional_log_softmax as log_softmax
from ..autograd.ops.softmax import functional_softmax as softmax
from ..autograd.ops.softmax import softmin
from ..autograd.ops.where import where

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "alpha_dropout", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "conv1d",
    "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_embedding_loss",
    "cosine_similarity", "cross_entropy", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "embedding",
    "embedding_bag", "feature_alpha_dropout", "gaussian_nll_loss", "gelu", "glu", "group_norm", "hardshrink",
    "hardsigmoid", "hardswish", "hardtanh", "hinge_embedding_loss", "huber_loss", "instance_norm", "kl_div",
    "l1_loss", "layer_norm", "leaky_relu", "linear", "local_response_norm", "log_softmax", "logsigmoid",
    "lp_pool1d", "lp_pool2d", "margin_ranking_loss", "max_pool1d", "max_pool2d", "max_pool3d", "mish", "mse_loss",
    "multi_margin_loss", "multilabel_soft_margin_loss", "nll_loss", "normalize", "one_hot", "pad",
    "pairwise_distance", "poisson_nll_loss", "prelu", "relu", "relu6", "rms_norm", "rrelu", "selu", "sigmoid",
    "silu", "smooth_l1_loss", "soft_margin_loss", "softmax", "softmin", "softplus", "softshrink", "softsign",
    "tanh", "tanhshrink", "threshold", "triplet_margin_loss",
]  # fmt: skip


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x where positive, else x times a slope: drawn for each element from `[lower, upper]` if training, else the mean.

    Shapes: any. Xu et al., "Empirical Evaluation of Rectified Activations in Convolutional Network", 2015.

    >>> import retrograd as rg
    >>> rg.nn.functional.rrelu(rg.tensor([-1.0, 2.0]), 0.25, 0.75)
    tensor([-0.5000,  2.0000])
    """
    if lower > upper:
        raise ValueError(f"rrelu: lower must not exceed upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    with no_grad():
        slope = where(input > 0, 1.0, input.clone().uniform_(lower, upper))
    return input.mul_(slope) if inplace else input * slope
