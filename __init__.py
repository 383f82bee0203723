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
from .autograd.ops.names import table as _table
from .autograd.size import Size
from .autograd.tensor import Parameter, Tensor

if _TYPE_CHECKING:  # at run time each is imported at its first use, by `__getattr__` below
    # isort: off
    # fmt: off
    from .autograd.ops.activation import relu, sigmoid
    from .autograd.ops.arith import (
        add, div, divide, float_power, floor_divide, fmod, mul, multiply, neg, negative, positive, pow, reciprocal,
        remainder, rsub, sub, subtract, true_divide,
    )
    from .autograd.ops.arrange import (
        cartesian_prod, flip, fliplr, flipud, meshgrid, repeat_interleave, roll, rot90, tile,
    )
    from .autograd.ops.axes import adjoint, moveaxis, movedim, permute, swapaxes, swapdims, t, transpose
    from .autograd.ops.blend import addcdiv, addcmul, lerp, maximum, minimum
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
    from .autograd.ops.create import (
        as_tensor, asarray, empty, empty_like, from_numpy, full, full_like, ones, ones_like, tensor, zeros,
        zeros_like,
    )
    from .autograd.ops.cumulative import cummax, cummin, cumprod, cumsum, diff, logcumsumexp
    from .autograd.ops.diag import diag, diag_embed, diagflat, trace, tril, tril_indices, triu, triu_indices
    from .autograd.ops.einsum import einsum, tensordot
    from .autograd.ops.extremes import amax, amin, aminmax, argmax, argmin, max, median, min, nanmedian
    from .autograd.ops.gather import (
        gather, index_add, index_copy, index_fill, index_select, scatter, scatter_add, take, take_along_dim,
    )
    from .autograd.ops.index import index_put
    from .autograd.ops.join import (
        atleast_1d, atleast_2d, atleast_3d, block_diag, cat, column_stack, concat, concatenate, dstack, hstack,
        row_stack, stack, vstack,
    )
    from .autograd.ops.linear import addbmm, addmm, addmv, addr, baddbmm
    from .autograd.ops.math import (
        acos, acosh, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, asin, asinh, atan, atan2, atanh,
        cos, cosh, deg2rad, erf, erfc, exp, exp2, expm1, hypot, log, log10, log1p, log2, logaddexp, rad2deg, rsqrt,
        sin, sinh, sqrt, square, tan, tanh,
    )
    from .autograd.ops.matmul import bmm, dot, ger, inner, matmul, mm, mv, outer, vdot
    from .autograd.ops.moments import std, std_mean, var, var_mean
    from .autograd.ops.norms import norm
    from .autograd.ops.parts import broadcast_shapes, broadcast_tensors, broadcast_to, diagonal, narrow, select
    from .autograd.ops.random import rand, rand_like, randint, randint_like, randn, randn_like, randperm
    from .autograd.ops.ranges import arange, eye, linspace, logspace, range_ as range
    from .autograd.ops.reduce import all, any, count_nonzero, mean, nanmean, nansum, prod, sum
    from .autograd.ops.rounding import ceil, fix, floor, frac, round, sign, trunc
    from .autograd.ops.sample import bernoulli, multinomial, normal, poisson
    from .autograd.ops.scatter_reduce import scatter_reduce
    from .autograd.ops.softmax import log_softmax, logsumexp, softmax
    from .autograd.ops.sort import argsort, kthvalue, msort, sort, topk, unique
    from .autograd.ops.split import chunk, dsplit, hsplit, split, split_with_sizes, tensor_split, unbind, vsplit
    from .autograd.ops.view import flatten, ravel, reshape, squeeze, unflatten, unsqueeze
    from .autograd.ops.where import argwhere, masked_fill, masked_scatter, masked_select, nonzero, where
    from .autograd.info import (
        get_num_threads, is_complex, is_floating_point, is_nonzero, is_tensor, numel, result_type, set_num_threads,
        typename,
    )
    from .autograd.random import (
        Generator, default_generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state,
    )
    from .autograd.repr import set_printoptions
    from .autograd.serialization import load, save
    # fmt: on
    # isort: on

__version__ = "0.1.0"

# NumPy reports overflow, division by zero and NaN as warnings; here, as in PyTorch, they are values.
_warnings.filterwarnings("ignore", message=".* encountered in .*", category=RuntimeWarning, module=r"retrograd\.")

inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e
newaxis = None
strided = "strided"
contiguous_format = "contiguous_format"
preserve_format = "preserve_format"

_SUBPACKAGES = ("nn", "optim", "data")


def __getattr__(name: str) -> _Any:
    import importlib

    if name in _LATE:
        module, attribute = _LATE[name]
        found = globals()[name] = getattr(importlib.import_module(f"{__name__}.autograd.{module}"), attribute)
        return found
    if name in _SUBPACKAGES or f"{__name__}.{name}" in _ALIASES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_LATE, *_SUBPACKAGES]


_ALIASES = _install_aliases(__name__)
_LATE = _table()

__all__ = [
    "Generator", "abs", "absolute", "acos", "acosh", "add", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr",
    "adjoint", "all", "allclose", "amax", "amin", "aminmax", "angle", "any", "arange", "arccos", "arccosh", "arcsin",
    "arcsinh", "arctan", "arctan2", "arctanh", "argmax", "argmin", "argsort", "argwhere", "as_tensor", "asarray",
    "asin", "asinh", "atan", "atan2", "atanh", "atleast_1d", "atleast_2d", "atleast_3d", "baddbmm", "bernoulli",
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "block_diag", "bmm", "broadcast_shapes", "broadcast_tensors", "broadcast_to", "cartesian_prod", "cat", "ceil",
    "chunk", "clamp", "clamp_max", "clamp_min", "clip", "clone", "column_stack", "complex", "concat", "concatenate",
    "conj", "cos", "cosh", "count_nonzero", "cummax", "cummin", "cumprod", "cumsum", "default_generator", "deg2rad",
    "diag", "diag_embed", "diagflat", "diagonal", "diff", "div", "divide", "dot", "dsplit", "dstack", "einsum",
    "empty", "empty_like", "eq", "equal", "erf", "erfc", "exp", "exp2", "expm1", "eye", "fix", "flatten", "flip",
    "fliplr", "flipud", "float_power", "floor", "floor_divide", "fmod", "fork_rng", "frac", "from_numpy", "full",
    "full_like", "gather", "ge", "ger", "get_num_threads", "get_rng_state", "greater", "greater_equal", "gt",
    "hsplit", "hstack", "hypot", "imag", "index_add", "index_copy", "index_fill", "index_put", "index_select",
    "initial_seed", "inner", "is_complex", "is_floating_point", "is_nonzero", "is_tensor", "isclose", "isfinite",
    "isinf", "isnan", "isneginf", "isposinf", "kthvalue", "le", "lerp", "less", "less_equal", "linspace", "load",
    "log", "log10", "log1p", "log2", "log_softmax", "logaddexp", "logcumsumexp", "logical_and", "logical_not",
    "logical_or", "logical_xor", "logspace", "logsumexp", "lt", "manual_seed", "masked_fill", "masked_scatter",
    "masked_select", "matmul", "max", "maximum", "mean", "median", "meshgrid", "min", "minimum", "mm", "moveaxis",
    "movedim", "msort", "mul", "multinomial", "multiply", "mv", "nan_to_num", "nanmean", "nanmedian", "nansum",
    "narrow", "ne", "neg", "negative", "nonzero", "norm", "normal", "not_equal", "numel", "ones", "ones_like",
    "outer", "permute", "poisson", "polar", "positive", "pow", "prod", "rad2deg", "rand", "rand_like", "randint",
    "randint_like", "randn", "randn_like", "randperm", "range", "ravel", "real", "reciprocal", "relu", "remainder",
    "repeat_interleave", "reshape", "result_type", "roll", "rot90", "round", "row_stack", "rsqrt", "rsub", "save",
    "scatter", "scatter_add", "scatter_reduce", "seed", "select", "set_num_threads", "set_printoptions",
    "set_rng_state", "sgn", "sigmoid", "sign", "signbit", "sin", "sinh", "softmax", "sort", "split",
    "split_with_sizes", "sqrt", "square", "squeeze", "stack", "std", "std_mean", "sub", "subtract", "sum",
    "swapaxes", "swapdims", "t", "take", "take_along_dim", "tan", "tanh", "tensor", "tensor_split", "tensordot",
    "tile", "topk", "trace", "transpose", "tril", "tril_indices", "triu", "triu_indices", "true_divide", "trunc",
    "typename", "unbind", "unflatten", "unique", "unsqueeze", "var", "var_mean", "vdot", "view_as_complex",
    "view_as_real", "vsplit", "vstack", "where", "zeros", "zeros_like",
    # always there
    "DeviceError", "DtypeError", "GraphError", "InplaceError", "NumericsError", "Parameter", "ShapeError", "Size",
    "Tensor", "autograd", "available_backends", "bfloat16", "bool", "can_cast", "cdouble", "cfloat", "complex128",
    "complex64", "contiguous_format", "default_dtype", "device", "double", "dtype", "e", "enable_grad", "finfo",
    "float", "float16", "float32", "float64", "get_backend", "get_default_device", "get_default_dtype", "half",
    "iinfo", "inf", "inference_mode", "int", "int16", "int32", "int64", "int8", "is_grad_enabled",
    "is_inference_mode_enabled", "long", "nan", "newaxis", "no_grad", "pi", "preserve_format", "promote_types",
    "set_default_device", "set_default_dtype", "set_grad_enabled", "short", "strided", "uint16", "uint32", "uint64",
    "uint8", "use_backend",
]  # fmt: skip
