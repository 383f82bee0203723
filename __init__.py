"""retrograd: reverse-mode automatic differentiation with PyTorch's tensor API, over NumPy and CuPy arrays.

>>> import retrograd as rg
>>> w = rg.tensor([1.0, -2.0], requires_grad=True)
>>> (w * w).sum().backward()
>>> w.grad
tensor([ 2., -4.])
"""

from __future__ import annotations

import math as _math
import warnings as _warnings
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from . import autograd as autograd
from .aliases import install as _install_aliases
from .autograd.backend import available_backends, get_backend, use_backend
from .autograd.device import device, get_default_device, set_default_device
from .autograd.dtypes import (
    bfloat16,
    can_cast,
    cdouble,
    cfloat,
    complex64,
    complex128,
    default_dtype,
    double,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    long,
    promote_types,
    set_default_dtype,
    short,
    uint8,
    uint16,
    uint32,
    uint64,
)  # fmt: skip
from .autograd.dtypes import bool_ as bool
from .autograd.dtypes import float32 as float
from .autograd.dtypes import int32 as int
from .autograd.errors import DeviceError, DtypeError, GraphError, InplaceError, NumericsError, ShapeError
from .autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)  # fmt: skip
from .autograd.layouts import layout, strided
from .autograd.ops.names import table as _table
from .autograd.size import Size
from .autograd.tensor import Parameter, Tensor

if _TYPE_CHECKING:  # at run time each is imported at its first use, by `__getattr__` below
    from .nn.parity import parity
    from .nn.summary import summary
    from .nn.summary_counts import count_flops, count_parameters

    # isort: off
    # fmt: off
    from .autograd.ops.activation import hardshrink, prelu, relu, sigmoid, threshold
    from .autograd.ops.activation_inplace import celu_, rrelu_, rrelu_root as rrelu, selu_, threshold_
    from .autograd.ops.activation_smooth import celu, selu
    from .autograd.ops.arith import (
        add, div, divide, float_power, floor_divide, fmod, mul, multiply, neg, negative, positive, pow, reciprocal,
        remainder, rsub, sub, subtract, true_divide,
    )
    from .autograd.ops.arrange import (
        cartesian_prod, flip, fliplr, flipud, meshgrid, repeat_interleave, roll, rot90, tile,
    )
    from .autograd.ops.axes import adjoint, moveaxis, movedim, permute, swapaxes, swapdims, t, transpose
    from .autograd.ops.binomial import binomial
    from .autograd.ops.blend import addcdiv, addcmul, lerp, maximum, minimum
    from .autograd.ops.calculus import cumulative_trapezoid, gradient, trapezoid, trapz
    from .autograd.ops.cast import clone
    from .autograd.ops.clamp import clamp, clamp_max, clamp_min, clip, nan_to_num
    from .autograd.ops.compare import (
        allclose, bitwise_and, bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor, eq,
        equal, ge, greater, greater_equal, gt, isclose, isfinite, isinf, isnan, isneginf, isposinf, le, less,
        less_equal, logical_and, logical_not, logical_or, logical_xor, lt, ne, not_equal, signbit,
    )
    from .autograd.ops.complex import (
        abs, absolute, angle, complex, conj, imag, polar, real, sgn, view_as_complex, view_as_real,
    )
    from .autograd.ops.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
    from .autograd.ops.copies import (
        alias_copy, detach_copy, diagonal_copy, expand_copy, narrow_copy, permute_copy, select_copy, slice_copy,
        split_copy, split_with_sizes_copy, squeeze_copy, t_copy, transpose_copy, unbind_copy, unfold_copy,
        unsafe_chunk, unsafe_split, unsafe_split_with_sizes, unsqueeze_copy, view_as_complex_copy, view_as_real_copy,
        view_copy,
    )
    from .autograd.ops.create import (
        as_tensor, asarray, empty, empty_like, from_numpy, full, full_like, ones, ones_like, tensor, zeros,
        zeros_like,
    )
    from .autograd.ops.cumulative import cummax, cummin, cumprod, cumsum, diff, logcumsumexp
    from .autograd.ops.diag import diag, diag_embed, diagflat, trace, tril, tril_indices, triu, triu_indices
    from .autograd.ops.distance import cdist, dist, pdist, renorm
    from .autograd.ops.einsum import einsum, tensordot
    from .autograd.ops.external import fill, from_file, frombuffer, scalar_tensor
    from .autograd.ops.extremes import amax, amin, aminmax, argmax, argmin, max, median, min, nanmedian
    from .autograd.ops.floats import (
        conj_physical, copysign, fmax, fmin, frexp, gcd, heaviside, isreal, lcm, ldexp, nextafter,
    )
    from .autograd.ops.gamma_draws import _sample_dirichlet, _standard_gamma
    from .autograd.ops.gather import (
        gather, index_add, index_copy, index_fill, index_select, scatter, scatter_add, take, take_along_dim,
    )
    from .autograd.ops.grid import affine_grid_generator, grid_sampler, grid_sampler_2d, grid_sampler_3d
    from .autograd.ops.histogram import bincount, histc, histogram, histogramdd
    from .autograd.ops.index import index_put
    from .autograd.ops.index_reduce import index_reduce
    from .autograd.ops.join import (
        atleast_1d, atleast_2d, atleast_3d, block_diag, cat, column_stack, concat, concatenate, dstack, hstack,
        row_stack, stack, vstack,
    )
    from .autograd.ops.linalg_cholesky import cholesky_inverse, cholesky_solve, root_cholesky as cholesky
    from .autograd.ops.linalg_det import logdet, root_det as det, root_slogdet as slogdet
    from .autograd.ops.linalg_lowrank import lobpcg, pca_lowrank, svd_lowrank
    from .autograd.ops.linalg_lu import lu_unpack, root_lu as lu, root_lu_solve as lu_solve
    from .autograd.ops.linalg_products import root_matrix_exp as matrix_exp, root_matrix_power as matrix_power
    from .autograd.ops.linalg_qr import geqrf, orgqr, ormqr, root_qr as qr
    from .autograd.ops.linalg_removed import eig, lstsq, matrix_rank, solve, symeig
    from .autograd.ops.linalg_solve import inverse
    from .autograd.ops.linalg_svd import pinverse, root_svd as svd
    from .autograd.ops.linalg_triangular import triangular_solve
    from .autograd.ops.linear import addbmm, addmm, addmv, addr, baddbmm, bilinear
    from .autograd.ops.loss_pairs import cosine_similarity, pairwise_distance
    from .autograd.ops.math import (
        acos, acosh, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, asin, asinh, atan, atan2, atanh,
        cos, cosh, deg2rad, erf, erfc, exp, exp2, expm1, hypot, log, log10, log1p, log2, logaddexp, rad2deg, rsqrt,
        sin, sinh, sqrt, square, tan, tanh,
    )
    from .autograd.ops.matmul import bmm, dot, ger, inner, matmul, mm, mv, outer, vdot
    from .autograd.ops.moments import std, std_mean, var, var_mean
    from .autograd.ops.native import (
        adaptive_max_pool1d, alpha_dropout, alpha_dropout_, binary_cross_entropy_with_logits, constant_pad_nd,
        conv_tbc, convolution, cosine_embedding_loss, ctc_loss, dropout, dropout_, feature_alpha_dropout,
        feature_alpha_dropout_, feature_dropout, feature_dropout_, hinge_embedding_loss, kl_div, margin_ranking_loss,
        poisson_nll_loss, triplet_margin_loss,
    )
    from .autograd.ops.native_embedding import embedding, embedding_bag, embedding_renorm_
    from .autograd.ops.native_norm import (
        batch_norm, group_norm, instance_norm, layer_norm, native_batch_norm, native_dropout, native_group_norm,
        native_layer_norm,
    )
    from .autograd.ops.norm import rms_norm
    from .autograd.ops.norm_forms import frobenius_norm, norm_except_dim, nuclear_norm
    from .autograd.ops.norms import norm
    from .autograd.ops.parts import broadcast_shapes, broadcast_tensors, broadcast_to, diagonal, narrow, select
    from .autograd.ops.pixel import channel_shuffle, native_channel_shuffle, pixel_shuffle, pixel_unshuffle
    from .autograd.ops.pool import avg_pool1d, max_pool1d, max_pool2d, max_pool3d
    from .autograd.ops.pool_adaptive import adaptive_avg_pool1d
    from .autograd.ops.pool_fractional import max_pool1d_with_indices
    from .autograd.ops.products import chain_matmul, cross, kron, vander
    from .autograd.ops.quantile import mode, nanquantile, quantile
    from .autograd.ops.random import rand, rand_like, randint, randint_like, randn, randn_like, randperm
    from .autograd.ops.ranges import arange, eye, linspace, logspace, range_ as range
    from .autograd.ops.recurrent import gru, gru_cell, lstm, lstm_cell, rnn_relu, rnn_relu_cell, rnn_tanh, rnn_tanh_cell
    from .autograd.ops.reduce import all, any, count_nonzero, mean, nanmean, nansum, prod, sum
    from .autograd.ops.rounding import ceil, fix, floor, frac, round, sign, trunc
    from .autograd.ops.sample import bernoulli, multinomial, normal, poisson
    from .autograd.ops.scatter_into import diagonal_scatter, put, select_scatter, slice_scatter
    from .autograd.ops.scatter_reduce import scatter_reduce
    from .autograd.ops.search import bucketize, nonzero_static, searchsorted, unravel_index
    from .autograd.ops.segments import segment_reduce
    from .autograd.ops.sets import combinations, isin, unique_consecutive
    from .autograd.ops.softmax import log_softmax, logsumexp, softmax
    from .autograd.ops.sort import argsort, kthvalue, msort, sort, topk, unique
    from .autograd.ops.special_bessel import i0, sinc
    from .autograd.ops.special_error import erfinv
    from .autograd.ops.special_gamma import digamma, igamma, igammac, lgamma, mvlgamma, polygamma
    from .autograd.ops.special_logs import logaddexp2, logit, xlogy
    from .autograd.ops.split import chunk, dsplit, hsplit, split, split_with_sizes, tensor_split, unbind, vsplit
    from .autograd.ops.statistics import corrcoef, cov
    from .autograd.ops.stft import istft, stft
    from .autograd.ops.strided import as_strided, as_strided_copy, as_strided_scatter, empty_permuted, empty_strided
    from .autograd.ops.view import flatten, ravel, reshape, squeeze, unflatten, unsqueeze
    from .autograd.ops.where import argwhere, masked_fill, masked_scatter, masked_select, nonzero, where
    from .autograd.ops.windows import bartlett_window, blackman_window, hamming_window, hann_window, kaiser_window
    from .autograd.amp import autocast, get_autocast_dtype, is_autocast_enabled
    from .autograd.dlpack import from_dlpack, to_dlpack
    from .autograd.flags import (
        _assert, are_deterministic_algorithms_enabled, compile, get_float32_matmul_precision,
        get_num_interop_threads, is_deterministic_algorithms_warn_only_enabled, is_warn_always_enabled,
        set_default_tensor_type, set_float32_matmul_precision, set_flush_denormal, set_num_interop_threads,
        set_warn_always, use_deterministic_algorithms,
    )
    from .autograd.func import vmap
    from .autograd.info import (
        get_num_threads, is_complex, is_floating_point, is_nonzero, is_tensor, numel, result_type, set_num_threads,
        typename,
    )
    from .autograd.kernels.cpu.conv_plan import tune
    from .autograd.layouts import sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr
    from .autograd.random import (
        Generator, default_generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state,
    )
    from .autograd.repr import set_printoptions
    from .autograd.root_forms import (
        abs_, acos_, acosh_, addmv_, arccos_, arccosh_, arcsin_, arcsinh_, arctan_, arctanh_, as_strided_, asin_,
        asinh_, atan_, atanh_, ceil_, clamp_, clamp_max_, clamp_min_, clip_, conj_physical_, cos_, cosh_, deg2rad_,
        detach, detach_, erf_, erfc_, exp2_, exp_, expm1_, fill_, fix_, floor_, frac_, gcd_, get_device, i0_,
        index_put_, is_conj, is_inference, is_neg, is_same_size, is_signed, lcm_, ldexp_, log10_, log1p_, log2_,
        log_, logit_, nan_to_num_, neg_, negative_, rad2deg_, reciprocal_, relu_, resize_as_, resize_as_sparse_,
        resolve_conj, resolve_neg, round_, rsqrt_, sigmoid_, sin_, sinc_, sinh_, sqrt_, square_, tan_, tanh_, trunc_,
        xlogy_, zero_,
    )
    from .autograd.serialization import load, save
    from .autograd.sparse import (
        sparse_bsc_tensor, sparse_bsr_tensor, sparse_compressed_tensor, sparse_coo_tensor, sparse_csc_tensor,
        sparse_csr_tensor, spmm,
    )
    from .autograd.storage import (
        BFloat16Storage, BoolStorage, ByteStorage, CharStorage, ComplexDoubleStorage, ComplexFloatStorage,
        DoubleStorage, FloatStorage, HalfStorage, IntStorage, LongStorage, ShortStorage, Storage, TypedStorage,
        UntypedStorage,
    )
    from .autograd.tensor_types import (
        BFloat16Tensor, BoolTensor, ByteTensor, CharTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor,
        LongTensor, ShortTensor,
    )
    # fmt: on
    # isort: on

__version__ = "0.1.0"

# NumPy reports overflow, division by zero and NaN as warnings; here, as in PyTorch, they are values.
_warnings.filterwarnings("ignore", message=".* encountered in .*", category=RuntimeWarning, module=r"retrograd\.")

inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e
newaxis = None
contiguous_format = "contiguous_format"
preserve_format = "preserve_format"

_SUBPACKAGES = ("nn", "optim", "data")


def __getattr__(name: str) -> _Any:
    import importlib

    if name in _LATE:
        module, attribute = _LATE[name]
        found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        return found
    if name in _SUBPACKAGES or f"{__name__}.{name}" in _ALIASES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_LATE, *_SUBPACKAGES]


_ALIASES = _install_aliases(__name__)
_LATE = _table()

__all__ = [
    "BFloat16Storage", "BFloat16Tensor", "BoolStorage", "BoolTensor", "ByteStorage", "ByteTensor", "CharStorage",
    "CharTensor", "ComplexDoubleStorage", "ComplexFloatStorage", "DoubleStorage", "DoubleTensor", "FloatStorage",
    "FloatTensor", "Generator", "HalfStorage", "HalfTensor", "IntStorage", "IntTensor", "LongStorage", "LongTensor",
    "ShortStorage", "ShortTensor", "Storage", "TypedStorage", "UntypedStorage", "_assert", "_sample_dirichlet",
    "_standard_gamma", "abs", "abs_", "absolute", "acos", "acos_", "acosh", "acosh_", "adaptive_avg_pool1d",
    "adaptive_max_pool1d", "add", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addmv_", "addr", "adjoint",
    "affine_grid_generator", "alias_copy", "all", "allclose", "alpha_dropout", "alpha_dropout_", "amax", "amin",
    "aminmax", "angle", "any", "arange", "arccos", "arccos_", "arccosh", "arccosh_", "arcsin", "arcsin_", "arcsinh",
    "arcsinh_", "arctan", "arctan2", "arctan_", "arctanh", "arctanh_", "are_deterministic_algorithms_enabled",
    "argmax", "argmin", "argsort", "argwhere", "as_strided", "as_strided_", "as_strided_copy", "as_strided_scatter",
    "as_tensor", "asarray", "asin", "asin_", "asinh", "asinh_", "atan", "atan2", "atan_", "atanh", "atanh_",
    "atleast_1d", "atleast_2d", "atleast_3d", "autocast", "avg_pool1d", "baddbmm", "bartlett_window", "batch_norm",
    "bernoulli", "bilinear", "binary_cross_entropy_with_logits", "bincount", "binomial", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "blackman_window",
    "block_diag", "bmm", "broadcast_shapes", "broadcast_tensors", "broadcast_to", "bucketize", "cartesian_prod",
    "cat", "cdist", "ceil", "ceil_", "celu", "celu_", "chain_matmul", "channel_shuffle", "cholesky",
    "cholesky_inverse", "cholesky_solve", "chunk", "clamp", "clamp_", "clamp_max", "clamp_max_", "clamp_min",
    "clamp_min_", "clip", "clip_", "clone", "column_stack", "combinations", "compile", "complex", "concat",
    "concatenate", "conj", "conj_physical", "conj_physical_", "constant_pad_nd", "conv1d", "conv2d", "conv3d",
    "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution", "copysign", "corrcoef",
    "cos", "cos_", "cosh", "cosh_", "cosine_embedding_loss", "cosine_similarity", "count_flops", "count_nonzero",
    "count_parameters", "cov", "cross", "ctc_loss", "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid",
    "default_generator", "deg2rad", "deg2rad_", "det", "detach", "detach_", "detach_copy", "diag", "diag_embed",
    "diagflat", "diagonal", "diagonal_copy", "diagonal_scatter", "diff", "digamma", "dist", "div", "divide", "dot",
    "dropout", "dropout_", "dsplit", "dstack", "eig", "einsum", "embedding", "embedding_bag", "embedding_renorm_",
    "empty", "empty_like", "empty_permuted", "empty_strided", "eq", "equal", "erf", "erf_", "erfc", "erfc_",
    "erfinv", "exp", "exp2", "exp2_", "exp_", "expand_copy", "expm1", "expm1_", "eye", "feature_alpha_dropout",
    "feature_alpha_dropout_", "feature_dropout", "feature_dropout_", "fill", "fill_", "fix", "fix_", "flatten",
    "flip", "fliplr", "flipud", "float_power", "floor", "floor_", "floor_divide", "fmax", "fmin", "fmod", "fork_rng",
    "frac", "frac_", "frexp", "frobenius_norm", "from_dlpack", "from_file", "from_numpy", "frombuffer", "full",
    "full_like", "gather", "gcd", "gcd_", "ge", "geqrf", "ger", "get_autocast_dtype", "get_device",
    "get_float32_matmul_precision", "get_num_interop_threads", "get_num_threads", "get_rng_state", "gradient",
    "greater", "greater_equal", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "group_norm", "gru",
    "gru_cell", "gt", "hamming_window", "hann_window", "hardshrink", "heaviside", "hinge_embedding_loss", "histc",
    "histogram", "histogramdd", "hsplit", "hstack", "hypot", "i0", "i0_", "igamma", "igammac", "imag", "index_add",
    "index_copy", "index_fill", "index_put", "index_put_", "index_reduce", "index_select", "initial_seed", "inner",
    "instance_norm", "inverse", "is_autocast_enabled", "is_complex", "is_conj",
    "is_deterministic_algorithms_warn_only_enabled", "is_floating_point", "is_inference", "is_neg", "is_nonzero",
    "is_same_size", "is_signed", "is_tensor", "is_warn_always_enabled", "isclose", "isfinite", "isin", "isinf",
    "isnan", "isneginf", "isposinf", "isreal", "istft", "kaiser_window", "kl_div", "kron", "kthvalue", "layer_norm",
    "lcm", "lcm_", "ldexp", "ldexp_", "le", "lerp", "less", "less_equal", "lgamma", "linspace", "load", "lobpcg",
    "log", "log10", "log10_", "log1p", "log1p_", "log2", "log2_", "log_", "log_softmax", "logaddexp", "logaddexp2",
    "logcumsumexp", "logdet", "logical_and", "logical_not", "logical_or", "logical_xor", "logit", "logit_",
    "logspace", "logsumexp", "lstm", "lstm_cell", "lstsq", "lt", "lu", "lu_solve", "lu_unpack", "manual_seed",
    "margin_ranking_loss", "masked_fill", "masked_scatter", "masked_select", "matmul", "matrix_exp", "matrix_power",
    "matrix_rank", "max", "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool3d", "maximum", "mean",
    "median", "meshgrid", "min", "minimum", "mm", "mode", "moveaxis", "movedim", "msort", "mul", "multinomial",
    "multiply", "mv", "mvlgamma", "nan_to_num", "nan_to_num_", "nanmean", "nanmedian", "nanquantile", "nansum",
    "narrow", "narrow_copy", "native_batch_norm", "native_channel_shuffle", "native_dropout", "native_group_norm",
    "native_layer_norm", "ne", "neg", "neg_", "negative", "negative_", "nextafter", "nonzero", "nonzero_static",
    "norm", "norm_except_dim", "normal", "not_equal", "nuclear_norm", "numel", "ones", "ones_like", "orgqr", "ormqr",
    "outer", "pairwise_distance", "parity", "pca_lowrank", "pdist", "permute", "permute_copy", "pinverse",
    "pixel_shuffle", "pixel_unshuffle", "poisson", "poisson_nll_loss", "polar", "polygamma", "positive", "pow",
    "prelu", "prod", "put", "qr", "quantile", "rad2deg", "rad2deg_", "rand", "rand_like", "randint", "randint_like",
    "randn", "randn_like", "randperm", "range", "ravel", "real", "reciprocal", "reciprocal_", "relu", "relu_",
    "remainder", "renorm", "repeat_interleave", "reshape", "resize_as_", "resize_as_sparse_", "resolve_conj",
    "resolve_neg", "result_type", "rms_norm", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell", "roll",
    "rot90", "round", "round_", "row_stack", "rrelu", "rrelu_", "rsqrt", "rsqrt_", "rsub", "save", "scalar_tensor",
    "scatter", "scatter_add", "scatter_reduce", "searchsorted", "seed", "segment_reduce", "select", "select_copy",
    "select_scatter", "selu", "selu_", "set_default_tensor_type", "set_float32_matmul_precision",
    "set_flush_denormal", "set_num_interop_threads", "set_num_threads", "set_printoptions", "set_rng_state",
    "set_warn_always", "sgn", "sigmoid", "sigmoid_", "sign", "signbit", "sin", "sin_", "sinc", "sinc_", "sinh",
    "sinh_", "slice_copy", "slice_scatter", "slogdet", "softmax", "solve", "sort", "sparse_bsc", "sparse_bsc_tensor",
    "sparse_bsr", "sparse_bsr_tensor", "sparse_compressed_tensor", "sparse_coo", "sparse_coo_tensor", "sparse_csc",
    "sparse_csc_tensor", "sparse_csr", "sparse_csr_tensor", "split", "split_copy", "split_with_sizes",
    "split_with_sizes_copy", "spmm", "sqrt", "sqrt_", "square", "square_", "squeeze", "squeeze_copy", "stack", "std",
    "std_mean", "stft", "sub", "subtract", "sum", "summary", "svd", "svd_lowrank", "swapaxes", "swapdims", "symeig",
    "t", "t_copy", "take", "take_along_dim", "tan", "tan_", "tanh", "tanh_", "tensor", "tensor_split", "tensordot",
    "threshold", "threshold_", "tile", "to_dlpack", "topk", "trace", "transpose", "transpose_copy", "trapezoid",
    "trapz", "triangular_solve", "tril", "tril_indices", "triplet_margin_loss", "triu", "triu_indices",
    "true_divide", "trunc", "trunc_", "tune", "typename", "unbind", "unbind_copy", "unflatten", "unfold_copy",
    "unique", "unique_consecutive", "unravel_index", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes",
    "unsqueeze", "unsqueeze_copy", "use_deterministic_algorithms", "vander", "var", "var_mean", "vdot",
    "view_as_complex", "view_as_complex_copy", "view_as_real", "view_as_real_copy", "view_copy", "vmap", "vsplit",
    "vstack", "where", "xlogy", "xlogy_", "zero_", "zeros", "zeros_like",
    # always there
    "DeviceError", "DtypeError", "GraphError", "InplaceError", "NumericsError", "Parameter", "ShapeError", "Size",
    "Tensor", "autograd", "available_backends", "bfloat16", "bool", "can_cast", "cdouble", "cfloat", "complex128",
    "complex64", "contiguous_format", "default_dtype", "device", "double", "dtype", "e", "enable_grad", "finfo",
    "float", "float16", "float32", "float64", "get_backend", "get_default_device", "get_default_dtype", "half",
    "iinfo", "inf", "inference_mode", "int", "int16", "int32", "int64", "int8", "is_grad_enabled",
    "is_inference_mode_enabled", "layout", "long", "nan", "newaxis", "no_grad", "pi", "preserve_format",
    "promote_types", "set_default_device", "set_default_dtype", "set_grad_enabled", "short", "strided", "uint16",
    "uint32", "uint64", "uint8", "use_backend",
]  # fmt: skip
