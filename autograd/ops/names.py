"""Where the names of the front door live: each is imported at its first use, so that `import retrograd` stays light.

`LATE` goes by operation module (`autograd/ops/<module>.py`), `OTHERS` by module below `autograd/`, `HIGHER` by module below
the package. `name=other` means that the front door's `name` is called `other` there.
"""

LATE: dict[str, str] = {
    "activation": "hardshrink prelu relu sigmoid threshold",
    "activation_inplace": "celu_ rrelu=rrelu_root rrelu_ selu_ threshold_",
    "activation_smooth": "celu selu",
    "arith": (
        "add div divide float_power floor_divide fmod mul multiply neg negative positive pow reciprocal remainder "
        "rsub sub subtract true_divide"
    ),
    "arrange": "cartesian_prod flip fliplr flipud meshgrid repeat_interleave roll rot90 tile",
    "axes": "adjoint moveaxis movedim permute swapaxes swapdims t transpose",
    "binomial": "binomial",
    "blend": "addcdiv addcmul lerp maximum minimum",
    "calculus": "cumulative_trapezoid gradient trapezoid trapz",
    "cast": "clone",
    "clamp": "clamp clamp_max clamp_min clip nan_to_num",
    "compare": (
        "allclose bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor eq equal "
        "ge greater greater_equal gt isclose isfinite isinf isnan isneginf isposinf le less less_equal "
        "logical_and logical_not logical_or logical_xor lt ne not_equal signbit"
    ),
    "complex": "abs absolute angle complex conj imag polar real sgn view_as_complex view_as_real",
    "conv": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d",
    "copies": (
        "alias_copy detach_copy diagonal_copy expand_copy narrow_copy permute_copy select_copy slice_copy "
        "split_copy split_with_sizes_copy squeeze_copy t_copy transpose_copy unbind_copy unfold_copy unsafe_chunk "
        "unsafe_split unsafe_split_with_sizes unsqueeze_copy view_as_complex_copy view_as_real_copy view_copy"
    ),
    "create": "as_tensor asarray empty empty_like from_numpy full full_like ones ones_like tensor zeros zeros_like",
    "cumulative": "cummax cummin cumprod cumsum diff logcumsumexp",
    "diag": "diag diag_embed diagflat trace tril tril_indices triu triu_indices",
    "distance": "cdist dist pdist renorm",
    "einsum": "einsum tensordot",
    "external": "fill from_file frombuffer scalar_tensor",
    "extremes": "amax amin aminmax argmax argmin max median min nanmedian",
    "floats": "conj_physical copysign fmax fmin frexp gcd heaviside isreal lcm ldexp nextafter",
    "gamma_draws": "_sample_dirichlet _standard_gamma",
    "gather": "gather index_add index_copy index_fill index_select scatter scatter_add take take_along_dim",
    "histogram": "bincount histc histogram histogramdd",
    "grid": "affine_grid_generator grid_sampler grid_sampler_2d grid_sampler_3d",
    "index": "index_put",
    "index_reduce": "index_reduce",
    "join": (
        "atleast_1d atleast_2d atleast_3d block_diag cat column_stack concat concatenate dstack hstack row_stack "
        "stack vstack"
    ),
    "linalg_cholesky": "cholesky=root_cholesky cholesky_inverse cholesky_solve",
    "linalg_det": "det=root_det logdet slogdet=root_slogdet",
    "linalg_lowrank": "lobpcg pca_lowrank svd_lowrank",
    "linalg_lu": "lu=root_lu lu_solve=root_lu_solve lu_unpack",
    "linalg_products": "matrix_exp=root_matrix_exp matrix_power=root_matrix_power",
    "linalg_qr": "geqrf orgqr ormqr qr=root_qr",
    "linalg_removed": "eig lstsq matrix_rank solve symeig",
    "linalg_solve": "inverse",
    "linalg_svd": "pinverse svd=root_svd",
    "linalg_triangular": "triangular_solve",
    "linear": "addbmm addmm addmv addr baddbmm bilinear",
    "loss_pairs": "cosine_similarity pairwise_distance",
    "math": (
        "acos acosh arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh cos cosh "
        "deg2rad erf erfc exp exp2 expm1 hypot log log1p log2 log10 logaddexp rad2deg rsqrt sin sinh sqrt square "
        "tan tanh"
    ),
    "matmul": "bmm dot ger inner matmul mm mv outer vdot",
    "moments": "std std_mean var var_mean",
    "norm_forms": "frobenius_norm norm_except_dim nuclear_norm",
    "native": (
        "adaptive_max_pool1d alpha_dropout alpha_dropout_ binary_cross_entropy_with_logits constant_pad_nd conv_tbc "
        "convolution cosine_embedding_loss ctc_loss dropout dropout_ feature_alpha_dropout feature_alpha_dropout_ "
        "feature_dropout feature_dropout_ hinge_embedding_loss kl_div margin_ranking_loss poisson_nll_loss "
        "triplet_margin_loss"
    ),
    "native_embedding": "embedding embedding_bag embedding_renorm_",
    "native_norm": (
        "batch_norm group_norm instance_norm layer_norm native_batch_norm native_dropout native_group_norm "
        "native_layer_norm"
    ),
    "norm": "rms_norm",
    "norms": "norm",
    "parts": "broadcast_shapes broadcast_tensors broadcast_to diagonal narrow select",
    "products": "chain_matmul cross kron vander",
    "quantile": "mode nanquantile quantile",
    "pixel": "channel_shuffle native_channel_shuffle pixel_shuffle pixel_unshuffle",
    "pool": "avg_pool1d max_pool1d max_pool2d max_pool3d",
    "pool_adaptive": "adaptive_avg_pool1d",
    "pool_fractional": "max_pool1d_with_indices",
    "random": "rand rand_like randint randint_like randn randn_like randperm",
    "ranges": "arange eye linspace logspace range=range_",
    "recurrent": "gru gru_cell lstm lstm_cell rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell",
    "reduce": "all any count_nonzero mean nanmean nansum prod sum",
    "rounding": "ceil fix floor frac round sign trunc",
    "sample": "bernoulli multinomial normal poisson",
    "scatter_into": "diagonal_scatter put select_scatter slice_scatter",
    "scatter_reduce": "scatter_reduce",
    "search": "bucketize nonzero_static searchsorted unravel_index",
    "segments": "segment_reduce",
    "sets": "combinations isin unique_consecutive",
    "softmax": "log_softmax logsumexp softmax",
    "sort": "argsort kthvalue msort sort topk unique",
    "special_bessel": "i0 sinc",
    "special_error": "erfinv",
    "special_gamma": "digamma igamma igammac lgamma mvlgamma polygamma",
    "special_logs": "logaddexp2 logit xlogy",
    "split": "chunk dsplit hsplit split split_with_sizes tensor_split unbind vsplit",
    "statistics": "corrcoef cov",
    "stft": "istft stft",
    "strided": "as_strided as_strided_copy as_strided_scatter empty_permuted empty_strided",
    "view": "flatten ravel reshape squeeze unflatten unsqueeze",
    "where": "argwhere masked_fill masked_scatter masked_select nonzero where",
    "windows": "bartlett_window blackman_window hamming_window hann_window kaiser_window",
}

OTHERS: dict[str, str] = {
    "dlpack": "from_dlpack to_dlpack",
    "kernels.cpu.conv_plan": "tune",
    "amp": "autocast get_autocast_dtype is_autocast_enabled",
    "flags": (
        "_assert are_deterministic_algorithms_enabled compile get_float32_matmul_precision get_num_interop_threads "
        "is_deterministic_algorithms_warn_only_enabled is_warn_always_enabled set_default_tensor_type "
        "set_flush_denormal set_float32_matmul_precision set_num_interop_threads set_warn_always "
        "use_deterministic_algorithms"
    ),
    "func": "vmap",
    "info": (
        "get_num_threads is_complex is_floating_point is_nonzero is_tensor numel result_type set_num_threads typename"
    ),
    "random": "Generator default_generator fork_rng get_rng_state initial_seed manual_seed seed set_rng_state",
    "layouts": "sparse_bsc sparse_bsr sparse_coo sparse_csc sparse_csr",
    "repr": "set_printoptions",
    "root_forms": (
        "abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_ as_strided_ "
        "atan_ atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ erf_ erfc_ "
        "exp2_ exp_ expm1_ fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_ "
        "logit_ nan_to_num_ neg_ negative_ rad2deg_ reciprocal_ relu_ resize_as_ round_ rsqrt_ sigmoid_ sin_ "
        "sinc_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_ zero_ detach detach_ get_device is_conj is_inference "
        "is_neg is_same_size is_signed resize_as_sparse_ resolve_conj resolve_neg"
    ),
    "serialization": "load save",
    "sparse": (
        "sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor sparse_coo_tensor sparse_csc_tensor "
        "sparse_csr_tensor spmm"
    ),
    "storage": (
        "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage ComplexFloatStorage "
        "DoubleStorage FloatStorage HalfStorage IntStorage LongStorage ShortStorage Storage TypedStorage "
        "UntypedStorage"
    ),
    "tensor_types": (
        "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor "
        "ShortTensor"
    ),
}


HIGHER: dict[str, str] = {
    "nn.parity": "parity",
    "nn.summary": "summary",
    "nn.summary_counts": "count_flops count_parameters",
}


def table() -> dict[str, tuple[str, str]]:
    """Name of the front door -> (module below the package, name there)."""
    found = {}
    for folder, modules in (("autograd.ops.", LATE), ("autograd.", OTHERS), ("", HIGHER)):
        for module, names in modules.items():
            for entry in names.split():
                name, _, other = entry.partition("=")
                found[name] = (folder + module, other or name)
    return found
