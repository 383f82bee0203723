"""The names of PyTorch's tensor API that must agree: all of tier 1, and at least 95 % of tier 2.

Dotted paths below the package; a name without a dot is a function, a method, or both. Names that end in `_` are methods.
"""

from __future__ import annotations


def _names(text: str, where: str = "") -> list[str]:
    return [where + name for name in text.split()]


TIER_1: list[str] = [
    *_names(
        """
        abs acos acosh add addcdiv addcmul addmm all allclose amax amin any arange argmax argmin argsort asin asinh atan
        atan2 atanh baddbmm bernoulli bitwise_and bitwise_or bitwise_xor bitwise_not bmm broadcast_tensors broadcast_to
        cat ceil chunk clamp clamp_max clamp_min clone contiguous cos cosh count_nonzero cummax cummin cumprod cumsum
        diag diag_embed diagonal div dot einsum empty empty_like eq equal erf erfc exp exp2 expand expand_as expm1 eye
        fill flatten flip floor floor_divide fmod frac full full_like gather ge gt hstack index_add index_fill index_put
        index_select __getitem__ __setitem__ isclose isfinite isinf isnan item le lerp linspace log log10 log1p log2
        log_softmax logaddexp logical_and logical_or logical_xor logical_not logsumexp lt masked_fill masked_select
        matmul max maximum mean median meshgrid min minimum mm movedim mul multinomial mv nan_to_num nansum narrow ne neg
        new_empty new_full new_ones new_tensor new_zeros nonzero norm normal ones ones_like outer permute positive pow
        prod rand rand_like randint randint_like randn randn_like ravel reciprocal remainder repeat repeat_interleave
        reshape reshape_as roll round rsqrt rsub scatter scatter_add scatter_reduce select sigmoid sign sin sinh softmax
        sort split split_with_sizes sqrt square squeeze stack std std_mean sub sum t take_along_dim tan tanh tensordot
        tile to topk trace transpose tril triu true_divide trunc unbind unflatten unfold uniform_ unique unsqueeze var
        var_mean view view_as vstack where zero_ zeros zeros_like
        """
    ),
    *_names(
        """
        __abs__ __add__ __and__ __bool__ __complex__ __contains__ __eq__ __float__ __floordiv__ __ge__ __gt__ __iadd__
        __iand__ __idiv__ __ifloordiv__ __ilshift__ __imod__ __imul__ __index__ __int__ __invert__ __ior__ __ipow__
        __irshift__ __isub__ __iter__ __itruediv__ __ixor__ __le__ __len__ __lshift__ __lt__ __matmul__ __mod__ __mul__
        __ne__ __neg__ __or__ __pos__ __pow__ __radd__ __rand__ __rfloordiv__ __rlshift__ __rmatmul__ __rmod__ __rmul__
        __ror__ __rpow__ __rrshift__ __rshift__ __rsub__ __rtruediv__ __rxor__ __sub__ __truediv__ __xor__
        """
    ),
    *_names(
        """
        relu relu6 leaky_relu prelu rrelu elu celu selu gelu silu mish softplus softsign softshrink hardshrink hardtanh
        hardsigmoid hardswish tanhshrink threshold logsigmoid glu softmin gumbel_softmax
        cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits mse_loss l1_loss smooth_l1_loss
        huber_loss kl_div poisson_nll_loss gaussian_nll_loss hinge_embedding_loss cosine_embedding_loss
        margin_ranking_loss multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss soft_margin_loss
        triplet_margin_loss triplet_margin_with_distance_loss ctc_loss
        conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
        max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d lp_pool1d lp_pool2d lp_pool3d
        adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
        adaptive_max_pool3d max_unpool1d max_unpool2d max_unpool3d
        batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm normalize
        pad interpolate grid_sample affine_grid pixel_shuffle pixel_unshuffle channel_shuffle fold unfold
        embedding embedding_bag scaled_dot_product_attention multi_head_attention_forward
        pairwise_distance cosine_similarity pdist one_hot
        dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout
        """,
        "nn.functional.",
    ),
]

TIER_2: list[str] = [
    *_names(
        """
        addbmm addmv angle bitwise_left_shift bitwise_right_shift addr aminmax argwhere as_strided atleast_1d atleast_2d
        atleast_3d bincount block_diag bucketize cartesian_prod cauchy_ cdist cholesky cholesky_inverse cholesky_solve
        column_stack combinations copysign corrcoef cov cross cumulative_trapezoid deg2rad diagflat diagonal_scatter diff
        digamma dist dsplit dstack erfinv exponential_ fliplr flipud float_power fmax fmin frexp gcd geometric_ gradient
        heaviside histc histogram hsplit hypot i0 igamma igammac index_copy index_reduce inner isin isneginf isposinf
        kron kthvalue lcm ldexp lgamma log_normal_ logaddexp2 logcumsumexp logdet logit logspace masked_scatter
        matrix_exp mode msort mvlgamma nanmean nanmedian nanquantile nextafter pinverse polygamma put qr quantile rad2deg
        renorm rot90 searchsorted select_scatter sgn signbit sinc slice_scatter slogdet svd take tensor_split trapezoid
        tril_indices triu_indices unique_consecutive unravel_index vander vdot vsplit xlogy
        """
    ),
    *_names("fractional_max_pool2d fractional_max_pool3d", "nn.functional."),
    *_names(
        """
        eig eigvals cholesky cholesky_ex cond cross det diagonal eigh eigvalsh inv lstsq lu lu_factor lu_solve matrix_norm
        matrix_power matrix_rank multi_dot norm pinv qr slogdet solve solve_triangular svd svdvals tensorinv tensorsolve
        vecdot vector_norm
        """,
        "linalg.",
    ),
    *_names(
        """
        fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 hfft2 ihfft2 fftn ifftn rfftn irfftn hfftn ihfftn fftshift
        ifftshift fftfreq
        """,
        "fft.",
    ),
    *_names("entr erfcx i0e i1 i1e log_ndtr ndtr ndtri xlog1py zeta", "special."),
    *_names("stft istft"),
    *_names(
        """
        bartlett blackman cosine exponential gaussian general_cosine general_hamming hamming hann kaiser nuttall
        """,
        "signal.windows.",
    ),
]
