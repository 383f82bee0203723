"""Methods as functions of the front door: `rg.abs_(x)` is `x.abs_()`, `rg.detach(x)` is `x.detach()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .core import as_tensor_arg

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "detach", "detach_", "get_device", "is_conj", "is_inference", "is_neg", "is_same_size", "is_signed", "resize_as_sparse_",
    "resolve_conj", "resolve_neg",
]  # fmt: skip

# PyTorch's in-place functions; each exists as a method.
_NAMES = (
    "abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_ as_strided_ atan_ "
    "atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ erf_ erfc_ exp2_ exp_ "
    "expm1_ fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ "
    "neg_ negative_ rad2deg_ reciprocal_ relu_ resize_as_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ "
    "tan_ tanh_ trunc_ xlogy_ zero_"
)
INPLACE = frozenset(_NAMES.split())


def _form(name: str) -> Callable[..., Tensor]:
    def call(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return getattr(as_tensor_arg(input, name), name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`input.{name}(...)`: changes the tensor in place, and returns it."
    return call


def __getattr__(name: str) -> Callable[..., Tensor]:
    if name not in INPLACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    f = globals()[name] = _form(name)
    return f


def resize_as_sparse_(input: Tensor, the_template: Tensor) -> Tensor:
    """Not supported: a tensor's memory is dense."""
    raise NotImplementedError(
        "resize_as_sparse_: tensors are dense here; use resize_as_, or sparse tensors of rg.sparse"
    )


def detach(input: Tensor) -> Tensor:
    """The same memory without history: `input.detach()`.

    >>> import retrograd as rg
    >>> rg.detach(rg.ones(2, requires_grad=True)).requires_grad
    False
    """
    return as_tensor_arg(input, "detach").detach()


def detach_(input: Tensor) -> Tensor:
    """Forget the history of the tensor; returns it: `input.detach_()`.

    >>> import retrograd as rg
    >>> x = rg.ones(2, requires_grad=True) * 2
    >>> rg.detach_(x).requires_grad
    False
    """
    return as_tensor_arg(input, "detach_").detach_()


def get_device(input: Tensor) -> int:
    """The ordinal of the tensor's CUDA device, -1 on the CPU.

    >>> import retrograd as rg
    >>> rg.get_device(rg.ones(1))
    -1
    """
    return as_tensor_arg(input, "get_device").get_device()


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative values.

    >>> import retrograd as rg
    >>> rg.is_signed(rg.ones(1)), rg.is_signed(rg.ones(1, dtype=rg.uint8))
    (True, False)
    """
    return as_tensor_arg(input, "is_signed").is_signed()


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both tensors have the same shape.

    >>> import retrograd as rg
    >>> rg.is_same_size(rg.ones(2), rg.zeros(2))
    True
    """
    return as_tensor_arg(input, "is_same_size").is_same_size(other)


def is_inference(input: Tensor) -> bool:
    """Always False: inference mode makes ordinary tensors without history.

    >>> import retrograd as rg
    >>> rg.is_inference(rg.ones(1))
    False
    """
    return as_tensor_arg(input, "is_inference").is_inference()


def is_conj(input: Tensor) -> bool:
    """Always False: `conj` computes at once.

    >>> import retrograd as rg
    >>> rg.is_conj(rg.tensor([1j]).conj())
    False
    """
    return as_tensor_arg(input, "is_conj").is_conj()


def is_neg(input: Tensor) -> bool:
    """Always False: negation computes at once.

    >>> import retrograd as rg
    >>> rg.is_neg(-rg.ones(1))
    False
    """
    return as_tensor_arg(input, "is_neg").is_neg()


def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: `conj` computes at once.

    >>> import retrograd as rg
    >>> rg.resolve_conj(rg.ones(1))
    tensor([1.])
    """
    return as_tensor_arg(input, "resolve_conj")


def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: negation computes at once.

    >>> import retrograd as rg
    >>> rg.resolve_neg(rg.ones(1))
    tensor([1.])
    """
    return as_tensor_arg(input, "resolve_neg")
