"""The names users write: functions, methods and in-place methods with PyTorch's arguments, and the import forms."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F

torch = pytest.importorskip("torch")

# name: (PyTorch's parameters, one call on x (2, 3), y (2, 3), v (3,), i int64 (2, 3), b bool (2, 3), m (3, 2), L the library)
TABLE = {
    # arithmetic
    "add": ("input other alpha out", "f(x, other=y, alpha=2)"), "sub": ("input other alpha out", "f(x, y, alpha=2)"),
    "subtract": ("input other alpha out", "f(x, y)"), "mul": ("input other out", "f(x, other=y)"),
    "multiply": ("input other out", "f(x, 2)"), "div": ("input other rounding_mode out", "f(x, y, rounding_mode='floor')"),
    "divide": ("input other rounding_mode out", "f(x, y)"), "true_divide": ("input other out", "f(x, y)"),
    "floor_divide": ("input other out", "f(x, y)"), "remainder": ("input other out", "f(x, y)"),
    "fmod": ("input other out", "f(x, y)"), "pow": ("input exponent out", "f(x, exponent=2)"),
    "float_power": ("input exponent out", "f(x, exponent=2)"), "neg": ("input out", "f(x)"),
    "negative": ("input out", "f(x)"), "positive": ("input", "f(x)"), "reciprocal": ("input out", "f(x)"),
    "rsub": ("input other alpha", "f(x, y, alpha=2)"), "maximum": ("input other out", "f(x, y)"),
    "minimum": ("input other out", "f(x, y)"), "lerp": ("input end weight out", "f(x, end=y, weight=0.5)"),
    "addcmul": ("input tensor1 tensor2 value out", "f(x, tensor1=x, tensor2=y, value=2)"),
    "addcdiv": ("input tensor1 tensor2 value out", "f(x, tensor1=x, tensor2=y, value=2)"),
    # comparison and logic
    **dict.fromkeys(
        """
        eq ne lt le gt ge greater less not_equal greater_equal less_equal logical_and logical_or logical_xor
        """.split(),
        ("input other out", "f(x, other=y)"),
    ),
    "equal": ("input other", "f(x, y)"), "logical_not": ("input out", "f(x)"),
    "isclose": ("input other rtol atol equal_nan", "f(x, y, rtol=0.1, atol=0.1, equal_nan=True)"),
    "allclose": ("input other rtol atol equal_nan", "f(x, y, rtol=0.1, atol=0.1, equal_nan=True)"),
    **dict.fromkeys(
        """
        bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift
        """.split(),
        ("input other out", "f(i, i)"),
    ),
    "bitwise_not": ("input out", "f(i)"),
    **dict.fromkeys(
        """
        isnan isinf isfinite isposinf isneginf signbit
        """.split(),
        ("input", "f(x)"),
    ),
    # elementwise functions
    **dict.fromkeys(
        """
        square sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan atan arctan sinh cosh tanh asinh
        arcsinh sign sgn floor ceil trunc fix frac erf erfc deg2rad rad2deg abs absolute sigmoid angle
        """.split(),
        ("input out", "f(x)"),
    ),
    **dict.fromkeys(
        """
        asin acos atanh arcsin arccos arctanh
        """.split(),
        ("input out", "f(x / 9)"),
    ),
    **dict.fromkeys(
        """
        acosh arccosh
        """.split(),
        ("input out", "f(x + 1)"),
    ),
    **dict.fromkeys(
        """
        atan2 arctan2 hypot logaddexp
        """.split(),
        ("input other out", "f(x, other=y)"),
    ),
    "round": ("input decimals out", "f(x, decimals=1)"), "relu": ("input", "f(x)"),
    "clamp": ("input min max out", "f(x, min=1, max=2)"), "clip": ("input min max out", "f(x, min=1, max=2)"),
    "clamp_min": ("input min out", "f(x, min=1)"), "clamp_max": ("input max out", "f(x, max=1)"),
    "nan_to_num": ("input nan posinf neginf out", "f(x, nan=1.0, posinf=2.0, neginf=3.0)"),
    "where": ("condition input other out", "f(b, x, y)"),
    # reductions
    "sum": ("input dim keepdim dtype out", "f(x, dim=1, keepdim=True, dtype=L.float64)"),
    "mean": ("input dim keepdim dtype out", "f(x, dim=(0, 1), keepdim=True, dtype=L.float64)"),
    "prod": ("input dim keepdim dtype out", "f(x, dim=1, keepdim=True, dtype=L.float64)"),
    "var": ("input dim unbiased correction keepdim out", "f(x, dim=1, correction=0, keepdim=True)"),
    "std": ("input dim unbiased correction keepdim out", "f(x, 1, unbiased=False)"),
    "var_mean": ("input dim unbiased correction keepdim", "f(x, dim=1, correction=0)"),
    "std_mean": ("input dim unbiased correction keepdim", "f(x, dim=1, correction=0)"),
    "max": ("input dim keepdim out", "f(x, dim=1, keepdim=True)"), "min": ("input dim keepdim out", "f(x, dim=1)"),
    "amax": ("input dim keepdim out", "f(x, dim=(0, 1))"), "amin": ("input dim keepdim out", "f(x, dim=1, keepdim=True)"),
    "aminmax": ("input dim keepdim out", "f(x, dim=1, keepdim=True)"),
    "argmax": ("input dim keepdim", "f(x, dim=1, keepdim=True)"), "argmin": ("input dim keepdim", "f(x, dim=1)"),
    "any": ("input dim keepdim out", "f(b, dim=1, keepdim=True)"), "all": ("input dim keepdim out", "f(b, dim=1)"),
    "logsumexp": ("input dim keepdim out", "f(x, dim=(0, 1), keepdim=True)"),
    "cumsum": ("input dim dtype out", "f(x, dim=1, dtype=L.float64)"),
    "cumprod": ("input dim dtype out", "f(x, dim=1, dtype=L.float64)"),
    "cummax": ("input dim out", "f(x, dim=1)"), "cummin": ("input dim out", "f(x, dim=1)"),
    "norm": ("input p dim keepdim dtype out", "f(x, p=1, dim=1, keepdim=True)"),
    "median": ("input dim keepdim out", "f(x, dim=1, keepdim=True)"), "nanmedian": ("input dim keepdim out", "f(x)"),
    "nansum": ("input dim keepdim dtype out", "f(x, dim=1)"), "nanmean": ("input dim keepdim dtype out", "f(x, dim=1)"),
    "count_nonzero": ("input dim", "f(x, dim=1)"), "diff": ("input n dim prepend append out", "f(x, n=2, dim=1)"),
    # matrices
    "matmul": ("input other out", "f(x, m)"), "mm": ("input mat2 out", "f(x, mat2=m)"),
    "bmm": ("input mat2 out", "f(x[None], mat2=m[None])"), "mv": ("input vec out", "f(x, vec=v)"),
    "dot": ("input tensor out", "f(v, v)"), "vdot": ("input other out", "f(v, v)"), "inner": ("input other out", "f(x, y)"),
    "outer": ("input vec2 out", "f(v, vec2=v)"), "ger": ("input vec2 out", "f(v, vec2=v)"),
    "addmm": ("input mat1 mat2 beta alpha out", "f(x[:, :2], x, m, beta=2, alpha=3)"),
    "addmv": ("input mat vec beta alpha out", "f(x[:, 0], x, v, beta=2, alpha=3)"),
    "addr": ("input vec1 vec2 beta alpha out", "f(x, x[:, 0], v, beta=2, alpha=3)"),
    "baddbmm": ("input batch1 batch2 beta alpha out", "f(x[:, :2][None], x[None], m[None], beta=2, alpha=3)"),
    "addbmm": ("input batch1 batch2 beta alpha out", "f(x[:, :2], x[None], m[None], beta=2, alpha=3)"),
    "einsum": ("", "f('ij,jk->ik', x, m)"), "tensordot": ("a b dims out", "f(x, m, dims=1)"),
    # shape
    "reshape": ("input shape", "f(x, (3, 2))"), "flatten": ("input start_dim end_dim", "f(x, start_dim=0, end_dim=1)"),
    "unflatten": ("input dim sizes", "f(x, dim=1, sizes=(3, 1))"), "squeeze": ("input dim", "f(x[None], dim=0)"),
    "unsqueeze": ("input dim", "f(x, dim=1)"), "transpose": ("input dim0 dim1", "f(x, dim0=0, dim1=1)"),
    "swapaxes": ("input axis0 axis1", "f(x, axis0=0, axis1=1)"), "swapdims": ("input dim0 dim1", "f(x, dim0=0, dim1=1)"),
    "movedim": ("input source destination", "f(x, source=0, destination=1)"), "ravel": ("input", "f(x)"),
    "moveaxis": ("input source destination", "f(x, source=0, destination=1)"), "t": ("input", "f(x)"),
    "permute": ("input dims", "f(x, dims=(1, 0))"), "cat": ("tensors dim out", "f([x, y], dim=1)"),
    "concat": ("tensors dim out", "f([x, y], dim=1)"), "concatenate": ("tensors dim out", "f((x, y), dim=1)"),
    "stack": ("tensors dim out", "f([x, y], dim=1)"), "hstack": ("tensors out", "f([x, y])"),
    "vstack": ("tensors out", "f([x, y])"), "dstack": ("tensors out", "f([x, y])"),
    "column_stack": ("tensors out", "f([x, y])"), "split": ("split_size_or_sections dim", "f(x, 2, dim=1)"),
    "tensor_split": ("input dim", "f(x, 2, dim=1)"), "chunk": ("input chunks dim", "f(x, chunks=2, dim=1)"),
    "unbind": ("input dim", "f(x, dim=1)"), "flip": ("input dims", "f(x, dims=(1,))"), "fliplr": ("input", "f(x)"),
    "flipud": ("input", "f(x)"), "roll": ("input shifts dims", "f(x, shifts=1, dims=1)"),
    "rot90": ("input k dims", "f(x, k=1, dims=(0, 1))"), "tile": ("input dims", "f(x, dims=(2, 1))"),
    "repeat_interleave": ("input repeats dim output_size", "f(x, repeats=2, dim=1)"),
    "tril": ("input diagonal out", "f(x, diagonal=1)"), "triu": ("input diagonal out", "f(x, diagonal=1)"),
    "diag": ("input diagonal out", "f(x, diagonal=1)"),
    "diagonal": ("input offset dim1 dim2", "f(x, offset=1, dim1=0, dim2=1)"),
    "diag_embed": ("input offset dim1 dim2", "f(x, offset=1, dim1=-2, dim2=-1)"),
    "diagflat": ("input offset", "f(v, offset=1)"),
    "trace": ("input", "f(x)"), "broadcast_to": ("input size", "f(v, (2, 3))"),
    "narrow": ("input dim start length", "f(x, 1, 0, 2)"),
    "select": ("input dim index", "f(x, dim=1, index=0)"), "broadcast_tensors": ("", "f(x, v)"),
    "meshgrid": ("indexing", "f(v, v, indexing='ij')"), "tril_indices": ("row col offset dtype device", "f(3, 3, offset=-1)"),
    "triu_indices": ("row col offset dtype device", "f(3, 3, offset=1)"),
    # indexing
    "gather": ("input dim index sparse_grad out", "f(x, dim=1, index=i)"),
    "scatter": ("input dim index src value reduce", "f(x, dim=1, index=i, src=y)"),
    "scatter_add": ("input dim index src", "f(x, dim=1, index=i, src=y)"),
    "scatter_reduce": ("input dim index src reduce include_self", "f(x, 1, i, y, reduce='amax', include_self=False)"),
    "index_select": ("input dim index out", "f(x, dim=1, index=i[0])"),
    "index_add": ("input dim index source alpha", "f(x, dim=0, index=L.tensor([0, 1]), source=y, alpha=2)"),
    "index_copy": ("input dim index source", "f(x, dim=0, index=L.tensor([1, 0]), source=y)"),
    "index_fill": ("input dim index value", "f(x, dim=1, index=i[0], value=7)"),
    "index_put": ("input indices values accumulate", "f(x, (L.tensor([1]),), v, accumulate=True)"),
    "masked_fill": ("input mask value", "f(x, mask=b, value=7)"), "masked_select": ("input mask out", "f(x, mask=b)"),
    "masked_scatter": ("input mask source", "f(x, mask=b, source=y)"), "take": ("input index", "f(x, index=i)"),
    "take_along_dim": ("input indices dim out", "f(x, indices=i, dim=1)"),
    "nonzero": ("input as_tuple out", "f(x, as_tuple=True)"),
    "argwhere": ("input", "f(x)"), "sort": ("input dim descending stable out", "f(x, dim=1, descending=True, stable=True)"),
    "argsort": ("input dim descending stable", "f(x, dim=1, descending=True, stable=True)"), "msort": ("input out", "f(x)"),
    "topk": ("input k dim largest sorted out", "f(x, k=2, dim=1, largest=False, sorted=True)"),
    "kthvalue": ("input k dim keepdim out", "f(x, k=2, dim=1, keepdim=True)"),
    "unique": ("input sorted return_inverse return_counts dim", "f(i, return_inverse=True, return_counts=True)"),
    "softmax": ("input dim dtype", "f(x, dim=1, dtype=L.float64)"), "log_softmax": ("input dim dtype", "f(x, dim=1)"),
    # creation
    "tensor": ("data dtype device requires_grad pin_memory", "f([1, 2], dtype=L.float64, device='cpu', requires_grad=True)"),
    "as_tensor": ("data dtype device", "f([1, 2], dtype=L.float64)"), "from_numpy": ("", "f(np.ones(2))"),
    **dict.fromkeys(
        """
        zeros ones
        """.split(),
        ("out dtype device requires_grad", "f((2, 3), dtype=L.float64)"),
    ),
    "full": ("size fill_value out dtype device requires_grad", "f((2, 3), fill_value=2.0)"),
    **dict.fromkeys(
        """
        zeros_like ones_like
        """.split(),
        ("input dtype device requires_grad", "f(x, dtype=L.float64)"),
    ),
    "full_like": ("input fill_value dtype device requires_grad", "f(x, fill_value=3)"),
    "arange": ("start end step out dtype device requires_grad", "f(start=1, end=7, step=2)"),
    "linspace": ("start end steps out dtype device requires_grad", "f(start=0, end=1, steps=5)"),
    "logspace": ("start end steps base out dtype device requires_grad", "f(start=0, end=1, steps=5, base=2)"),
    "eye": ("n m out dtype device requires_grad", "f(n=2, m=3)"), "complex": ("real imag out", "f(real=x, imag=y)"),
    "polar": ("abs angle out", "f(abs=x, angle=y)"), "real": ("input", "f(x)"), "conj": ("input", "f(x)"),
    "view_as_real": ("input", "f(L.complex(x, y))"), "view_as_complex": ("input", "f(m.contiguous())"),
    "imag": ("input", "f(L.complex(x, y))"), "clone": ("input memory_format", "f(x)"), "numel": ("input", "f(x)"),
    "is_tensor": ("obj", "f(x)"), "is_floating_point": ("input", "f(x)"), "is_complex": ("input", "f(x)"),
}  # fmt: skip
# Functions of nn.functional, on the same tensors and c (1, 2, 4, 4).
FUNCTIONAL = {
    "linear": ("input weight bias", "f(x, weight=y, bias=v[:2])"), "relu": ("input inplace", "f(x)"),
    "leaky_relu": ("input negative_slope inplace", "f(x, negative_slope=0.1)"),
    "gelu": ("input approximate", "f(x, approximate='tanh')"),
    "silu": ("input inplace", "f(x)"), "sigmoid": ("input", "f(x)"), "tanh": ("input", "f(x)"),
    "softplus": ("input beta threshold", "f(x, beta=2, threshold=10)"), "softmax": ("input dim dtype", "f(x, dim=1)"),
    "log_softmax": ("input dim dtype", "f(x, dim=1)"), "elu": ("input alpha inplace", "f(x, alpha=0.5)"),
    "cross_entropy": ("input target weight ignore_index reduction label_smoothing",
                      "f(x, i[:, 0], weight=v, ignore_index=-1, reduction='sum', label_smoothing=0.1)"),
    "nll_loss": ("input target weight ignore_index reduction", "f(x, i[:, 0], weight=v, reduction='sum')"),
    "mse_loss": ("input target reduction", "f(x, y, reduction='none')"), "l1_loss": ("input target reduction", "f(x, y)"),
    "binary_cross_entropy": ("input target weight reduction", "f(x.sigmoid(), b.float(), reduction='sum')"),
    "binary_cross_entropy_with_logits": ("input target weight reduction pos_weight", "f(x, b.float(), pos_weight=v)"),
    "conv1d": ("input weight bias stride padding dilation groups", "f(c[:, 0], L.ones(3, 4, 2), stride=2, padding=1)"),
    "conv2d": ("input weight bias stride padding dilation groups",
               "f(c, L.ones(2, 1, 3, 3), padding='same', dilation=1, groups=2)"),
    "max_pool2d": ("input kernel_size stride padding dilation ceil_mode return_indices",
                   "f(c, kernel_size=2, stride=1, padding=1, ceil_mode=True, return_indices=True)"),
    "avg_pool2d": ("input kernel_size stride padding ceil_mode count_include_pad divisor_override",
                   "f(c, 2, stride=1, padding=1, count_include_pad=False)"),
    "adaptive_avg_pool2d": ("input output_size", "f(c, output_size=(2, 1))"),
    "batch_norm": ("input running_mean running_var weight bias training momentum eps",
                   "f(c, None, None, training=True, eps=1e-3)"),
    "layer_norm": ("input normalized_shape weight bias eps", "f(x, (3,), weight=v, bias=v, eps=1e-3)"),
    "dropout": ("input p training inplace", "f(x, p=0.5, training=False)"),
    "embedding": ("input weight padding_idx max_norm norm_type scale_grad_by_freq sparse", "f(i, weight=m, padding_idx=0)"),
    "one_hot": ("", "f(i, num_classes=4)"), "pad": ("input pad mode value", "f(x, pad=(1, 2), mode='constant', value=3.0)"),
    "normalize": ("input p dim eps out", "f(x, p=2.0, dim=1, eps=1e-6)"),
}  # fmt: skip
FUNCTIONS_ONLY = {  # PyTorch has no method of these
    name for name in TABLE if not hasattr(torch.Tensor, name)
}  # fmt: skip


def names(lib):
    return {
        "L": lib, "np": np, "x": lib.tensor([[1.0, 2.5, 0.5], [3.0, 1.25, 2.0]]), "v": lib.tensor([1.0, 0.5, 2.0]),
        "y": lib.tensor([[2.0, 1.5, 0.25], [1.0, 3.0, 2.0]]), "b": lib.tensor([[True, False, True], [False, True, True]]),
        "i": lib.tensor([[0, 2, 1], [1, 0, 2]]), "m": lib.tensor([[1.0, 2.0], [0.5, 1.0], [3.0, 2.0]]),
        "c": lib.arange(32.0).reshape(1, 2, 4, 4),
    }  # fmt: skip


def plain(r):
    if isinstance(r, (tuple, list)):
        return tuple(plain(v) for v in r)
    if hasattr(r, "tolist"):
        return str(r.dtype).rpartition(".")[2], tuple(r.shape), np.array(r.tolist(), "c16").round(4).tolist()
    return r


def same(call, ours, theirs):
    results = [plain(eval(call, {**names(lib), "f": f})) for lib, f in ((rg, ours), (torch, theirs))]
    assert results[0] == results[1]


@pytest.mark.parametrize("name", TABLE)
def test_function(name):
    parameters, call = TABLE[name]
    given = inspect.signature(getattr(rg, name)).parameters
    assert set(parameters.split()) <= set(given), f"{name} takes {list(given)}"
    assert getattr(rg, name).__doc__, f"{name} has no docstring"
    assert name in rg.__all__
    same(call, getattr(rg, name), getattr(torch, name))


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional(name):
    parameters, call = FUNCTIONAL[name]
    given = inspect.signature(getattr(F, name)).parameters
    assert set(parameters.split()) <= set(given), f"{name} takes {list(given)}"
    same(call, getattr(F, name), getattr(torch.nn.functional, name))


@pytest.mark.parametrize("name", sorted(set(TABLE) - FUNCTIONS_ONLY - {"real", "imag"}))  # these are properties
def test_method(name):
    call = TABLE[name][1]
    if name == "where":  # as a method, where's first argument is the input
        call = "f(x, b, y)"
    same(call, getattr(rg.Tensor, name), getattr(torch.Tensor, name))


@pytest.mark.parametrize("name", sorted(n for n in TABLE if hasattr(torch.Tensor, n + "_")))
def test_in_place_method_exists_where_pytorch_has_one(name):
    assert callable(getattr(rg.Tensor, name + "_", None))


MISSING_METHODS = """
    size dim stride numel element_size data_ptr storage_offset is_contiguous contiguous to type cpu cuda double float half
    bfloat16 long int short char byte bool cfloat cdouble item tolist numpy clone detach detach_ requires_grad_ retain_grad
    register_hook register_post_accumulate_grad_hook backward view view_as expand expand_as repeat unfold new_tensor
    new_zeros new_ones new_full new_empty fill_ zero_ copy_ uniform_ normal_ random_ bernoulli_ exponential_ masked_fill_
    index_put_ scatter_ scatter_add_ squeeze_ unsqueeze_ t_ transpose_ resize_ set_ fill_diagonal_ type_as apply_ sum_to_size
    is_same_size is_floating_point is_complex is_signed get_device pin_memory is_pinned share_memory_ element_size nelement
""".split()


@pytest.mark.parametrize("name", MISSING_METHODS)
def test_methods_that_are_no_functions(name):
    assert callable(getattr(torch.Tensor, name)) and callable(getattr(rg.Tensor, name))


@pytest.mark.parametrize(
    "name",
    """
    shape dtype device grad grad_fn requires_grad is_leaf data ndim T mT H mH real imag is_cuda layout itemsize nbytes
    """.split(),
)
def test_properties(name):
    assert hasattr(torch.Tensor, name) and hasattr(rg.Tensor, name)


# ---------------------------------------------------------------- import forms
IMPORTS = [
    "import retrograd.nn as nn", "import retrograd.nn.functional as F", "import retrograd.optim as optim",
    "from retrograd import nn, optim, Tensor, autograd", "from retrograd.utils.data import DataLoader, TensorDataset, Dataset",
    "from retrograd.utils.data import random_split, Subset, RandomSampler", "import retrograd.utils.data as data",
    "from retrograd.autograd import Function, Variable, grad, gradcheck", "from retrograd.autograd import functional",
    "from retrograd.autograd.function import once_differentiable", "import retrograd.autograd.profiler",
    "from retrograd.optim import SGD, Adam, AdamW, Optimizer", "from retrograd.optim import lr_scheduler",
    "from retrograd.optim.lr_scheduler import StepLR, CyclicLR, CosineAnnealingLR, OneCycleLR, LRScheduler",
    "from retrograd.optim.optimizer import Optimizer", "from retrograd.nn.parameter import Parameter",
    "from retrograd.nn import Module, Parameter, Sequential, ModuleList, ModuleDict", "from retrograd.nn import init",
    "from retrograd.nn.modules import Linear", "from retrograd.nn.modules.module import Module",
    "import retrograd.nn.init as init", "from retrograd.nn.utils import clip_grad_norm_, parameters_to_vector",
    "from retrograd.utils.data import Sampler, BatchSampler, default_collate, ConcatDataset",
    "import retrograd.cuda", "import retrograd.random", "from retrograd.cuda import is_available",
    "import retrograd.utils; retrograd.utils.data.DataLoader", "import retrograd; retrograd.utils.data; retrograd.cuda",
    "import retrograd.testing; retrograd.testing.assert_close", "import retrograd.linalg",
    "from retrograd.utils.data.dataset import Dataset", "from retrograd.utils.data.dataloader import DataLoader",
    "from retrograd import float32, int64, device, no_grad, manual_seed, save, load, Generator",
]  # fmt: skip
LATER = {  # modules that do not exist yet
    "from retrograd.autograd import functional", "import retrograd.autograd.profiler", "import retrograd.linalg",
    "import retrograd.testing; retrograd.testing.assert_close",
}  # fmt: skip


def test_import_forms_in_a_fresh_interpreter():
    lines = [line for line in IMPORTS if line not in LATER]
    each = "try:\n        exec(line, {})\n    except Exception as e:\n        print(line, repr(e))"
    done = subprocess.run([sys.executable, "-c", f"for line in {lines!r}:\n    {each}"], capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_one_class_under_every_name():
    assert importlib.import_module("retrograd.nn.parameter").Parameter is rg.nn.Parameter is rg.Parameter
    assert (
        importlib.import_module("retrograd.utils.data").DataLoader
        is importlib.import_module("retrograd.data").DataLoader
    )
    assert importlib.import_module("retrograd.optim.lr_scheduler") is rg.optim.lr_scheduler


def test_questions_about_the_machine():
    assert rg.cuda.is_available() in (True, False) and isinstance(rg.cuda.device_count(), int)
    rg.cuda.manual_seed_all(0)
    rg.cuda.empty_cache()
    rg.cuda.synchronize() if rg.cuda.is_available() else None
    assert rg.get_num_threads() >= 1 and isinstance(rg.__version__, str)
    assert rg.device("cuda" if rg.cuda.is_available() else "cpu").type in ("cuda", "cpu")
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        rg.nonsense
