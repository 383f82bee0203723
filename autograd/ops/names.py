"""Where the names of the front door live: each is imported at its first use, so that `import retrograd` stays light.

`LATE` goes by operation module (`autograd/ops/<module>.py`), `OTHERS` by module below `autograd/`. `name=other` means that
the front door's `name` is called `other` there.
"""

LATE: dict[str, str] = {
    "activation": "relu sigmoid",
    "arith": (
        "add div divide float_power floor_divide fmod mul multiply neg negative positive pow reciprocal remainder "
        "rsub sub subtract true_divide"
    ),
    "arrange": "cartesian_prod flip fliplr flipud meshgrid repeat_interleave roll rot90 tile",
    "axes": "adjoint moveaxis movedim permute swapaxes swapdims t transpose",
    "blend": "addcdiv addcmul lerp maximum minimum",
    "cast": "clone",
    "clamp": "clamp clamp_max clamp_min clip nan_to_num",
    "compare": (
        "allclose bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor eq equal "
        "ge greater greater_equal gt isclose isfinite isinf isnan isneginf isposinf le less less_equal "
        "logical_and logical_not logical_or logical_xor lt ne not_equal signbit"
    ),
    "complex": "abs absolute angle complex conj imag polar real sgn view_as_complex view_as_real",
    "create": "as_tensor asarray empty empty_like from_numpy full full_like ones ones_like tensor zeros zeros_like",
    "cumulative": "cummax cummin cumprod cumsum diff logcumsumexp",
    "diag": "diag diag_embed diagflat trace tril tril_indices triu triu_indices",
    "einsum": "einsum tensordot",
    "extremes": "amax amin aminmax argmax argmin max median min nanmedian",
    "gather": "gather index_add index_copy index_fill index_select scatter scatter_add take take_along_dim",
    "index": "index_put",
    "join": (
        "atleast_1d atleast_2d atleast_3d block_diag cat column_stack concat concatenate dstack hstack row_stack "
        "stack vstack"
    ),
    "linear": "addbmm addmm addmv addr baddbmm",
    "math": (
        "acos acosh arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh cos cosh "
        "deg2rad erf erfc exp exp2 expm1 hypot log log1p log2 log10 logaddexp rad2deg rsqrt sin sinh sqrt square "
        "tan tanh"
    ),
    "matmul": "bmm dot ger inner matmul mm mv outer vdot",
    "moments": "std std_mean var var_mean",
    "norms": "norm",
    "parts": "broadcast_shapes broadcast_tensors broadcast_to diagonal narrow select",
    "random": "rand rand_like randint randint_like randn randn_like randperm",
    "ranges": "arange eye linspace logspace range=range_",
    "reduce": "all any count_nonzero mean nanmean nansum prod sum",
    "rounding": "ceil fix floor frac round sign trunc",
    "sample": "bernoulli multinomial normal poisson",
    "scatter_reduce": "scatter_reduce",
    "softmax": "log_softmax logsumexp softmax",
    "sort": "argsort kthvalue msort sort topk unique",
    "split": "chunk dsplit hsplit split split_with_sizes tensor_split unbind vsplit",
    "view": "flatten ravel reshape squeeze unflatten unsqueeze",
    "where": "argwhere masked_fill masked_scatter masked_select nonzero where",
}

OTHERS: dict[str, str] = {
    "info": (
        "get_num_threads is_complex is_floating_point is_nonzero is_tensor numel result_type set_num_threads typename"
    ),
    "random": "Generator default_generator fork_rng get_rng_state initial_seed manual_seed seed set_rng_state",
    "repr": "set_printoptions",
    "serialization": "load save",
}


def table() -> dict[str, tuple[str, str]]:
    """Name of the front door -> (module below `autograd`, name there)."""
    found = {}
    for folder, modules in (("ops.", LATE), ("", OTHERS)):
        for module, names in modules.items():
            for entry in names.split():
                name, _, other = entry.partition("=")
                found[name] = (folder + module, other or name)
    return found
