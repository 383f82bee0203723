"""The functions behind the layers, without state: `F.relu(x)`, `F.cross_entropy(x, y)`. Names are PyTorch's.

Each is defined with its formula and checks in `autograd/ops`; this page only says which of them are `F.*`.
"""

from __future__ import annotations

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
from ..autograd.ops.activation_inplace import (
    celu_,
    elu_,
    hardtanh_,
    leaky_relu_,
    relu_,
    rrelu,
    rrelu_,
    selu_,
    threshold_,
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
from ..autograd.ops.attention import scaled_dot_product_attention
from ..autograd.ops.attention_heads import multi_head_attention_forward
from ..autograd.ops.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from ..autograd.ops.ctc import ctc_loss
from ..autograd.ops.distance import pdist
from ..autograd.ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from ..autograd.ops.embedding import embedding, embedding_bag
from ..autograd.ops.fold import fold, unfold
from ..autograd.ops.grid import affine_grid, grid_sample
from ..autograd.ops.gumbel import gumbel_softmax
from ..autograd.ops.interpolate import interpolate, upsample, upsample_bilinear, upsample_nearest
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
from ..autograd.ops.loss_margin import (
    linear_cross_entropy,
    multilabel_margin_loss,
    triplet_margin_with_distance_loss,
)
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
from ..autograd.ops.native import conv_tbc
from ..autograd.ops.norm import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from ..autograd.ops.pad import pad
from ..autograd.ops.pixel import channel_shuffle, native_channel_shuffle, pixel_shuffle, pixel_unshuffle
from ..autograd.ops.pool import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
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
from ..autograd.ops.pool_fractional import (
    adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d_with_indices,
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
    max_pool1d_with_indices,
    max_pool2d_with_indices,
    max_pool3d_with_indices,
)
from ..autograd.ops.ranges import one_hot
from ..autograd.ops.softmax import functional_log_softmax as log_softmax
from ..autograd.ops.softmax import functional_softmax as softmax
from ..autograd.ops.softmax import softmin
from ..autograd.ops.unpool import max_unpool1d, max_unpool2d, max_unpool3d

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "affine_grid", "alpha_dropout", "avg_pool1d",
    "avg_pool2d", "avg_pool3d", "batch_norm", "bilinear", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "celu", "celu_", "channel_shuffle", "conv1d", "conv2d", "conv3d",
    "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_embedding_loss",
    "cosine_similarity", "cross_entropy", "ctc_loss", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu",
    "elu_", "embedding", "embedding_bag", "feature_alpha_dropout", "fold", "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices", "fractional_max_pool3d", "fractional_max_pool3d_with_indices",
    "gaussian_nll_loss", "gelu", "glu", "grid_sample", "group_norm", "gumbel_softmax", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "hardtanh_", "hinge_embedding_loss", "huber_loss", "instance_norm", "interpolate",
    "kl_div", "l1_loss", "layer_norm", "leaky_relu", "leaky_relu_", "linear", "linear_cross_entropy",
    "local_response_norm", "log_softmax", "logsigmoid", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "margin_ranking_loss", "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices",
    "max_pool3d", "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d", "max_unpool3d", "mish", "mse_loss",
    "multi_head_attention_forward", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss",
    "native_channel_shuffle", "nll_loss", "normalize", "one_hot", "pad", "pairwise_distance", "pdist",
    "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu", "relu", "relu6", "relu_", "rms_norm", "rrelu",
    "rrelu_", "scaled_dot_product_attention", "selu", "selu_", "sigmoid", "silu", "smooth_l1_loss",
    "soft_margin_loss", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
    "threshold", "threshold_", "triplet_margin_loss", "triplet_margin_with_distance_loss", "unfold", "upsample",
    "upsample_bilinear", "upsample_nearest",
]  # fmt: skip
