"""The normalisation layers under the names of the front door, whose arguments come in another order than those of
nn.functional, and the `native_*` ones, which return the statistics too.

Flags of accelerators (cudnn_enabled) are accepted and mean nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..errors import ShapeError
from ..op import public
from ..samples import call, raises, t
from . import norm
from .args import as_int
from .dropout import dropout as _dropout
from .math import rsqrt
from .reduce import mean_p
from .shape import reshape_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "native_batch_norm", "native_dropout",
    "native_group_norm", "native_layer_norm",
]  # fmt: skip


def _statistics(x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """(mean, 1 / sqrt(variance + eps)) over axes, which are kept."""
    mean = mean_p(x, axes, True)
    d = x - mean
    return mean, rsqrt(mean_p(d * d, axes, True) + eps)


def _positive() -> Any:
    return t(3, low=0.5, high=2.0, grad=False)


@public(
    method=False,
    samples=lambda: [
        call(t(4, 3), (3,), t(3), t(3), 1e-3, False),
        call(t(2, 4, 3), [4, 3], weight=t(4, 3), bias=t(4, 3)),
    ],
    errors=lambda: [raises(RuntimeError, r"layer_norm: normalized_shape \(4,\)", t(4, 3), (4,))],
)
def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """`nn.functional.layer_norm`; cudnn_enable is ignored.

    >>> import retrograd as rg
    >>> rg.layer_norm(rg.tensor([[1.0, 3.0]]), (2,), eps=0.0)
    tensor([[-1.,  1.]])
    """
    return norm.layer_norm(input, normalized_shape, weight, bias, eps)


@public(
    method=False,
    samples=lambda: [call(t(2, 4, 3), 2, t(4), t(4), 1e-3, True)],
    errors=lambda: [raises(RuntimeError, r"5 channels cannot be divided into 2 groups", t(2, 5, 3), 2)],
)
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`nn.functional.group_norm`; cudnn_enabled is ignored.

    >>> import retrograd as rg
    >>> rg.group_norm(rg.tensor([[1.0, 3.0]]), 1, eps=0.0)
    tensor([[-1.,  1.]])
    """
    return norm.group_norm(input, num_groups, weight, bias, eps)


@public(
    method=False,
    samples=lambda: [
        call(t(4, 3, 2), t(3), t(3), None, None, True, 0.1, 1e-5, True),
        call(t(4, 3), None, None, t(3, grad=False), _positive(), False, 0.1, 1e-3, False),
    ],
    errors=lambda: [
        raises(RuntimeError, r"running_mean and running_var", t(4, 3), None, None, None, None, False, 0.1, 1e-5, True)
    ],
)
def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`nn.functional.batch_norm` with weight and bias before the statistics; cudnn_enabled is ignored.

    >>> import retrograd as rg
    >>> rg.batch_norm(rg.tensor([[1.0], [3.0]]), None, None, None, None, True, 0.1, 1e-12, False)
    tensor([[-1.],
            [ 1.]])
    """
    return norm.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@public(
    method=False,
    samples=lambda: [
        call(t(2, 3, 5), t(3), t(3), None, None, True, 0.1, 1e-5, True),
        call(t(2, 3, 5), None, None, t(3, grad=False), _positive(), False, 0.1, 1e-3, False),
    ],
    errors=lambda: [
        raises(RuntimeError, r"weight has shape", t(2, 3, 2), t(2), None, None, None, True, 0.1, 1e-5, True)
    ],
)
def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`nn.functional.instance_norm` with weight and bias before the statistics; cudnn_enabled is ignored.

    >>> import retrograd as rg
    >>> rg.instance_norm(rg.tensor([[[1.0, 3.0]]]), None, None, None, None, True, 0.1, 0.0, False)
    tensor([[[-1.,  1.]]])
    """
    return norm.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


@public(
    method=False,
    samples=lambda: [call(t(4, 3), (3,), t(3), t(3), 1e-5), call(t(2, 4, 3), [4, 3], None, None, 1e-3)],
    errors=lambda: [raises(RuntimeError, r"normalized_shape \(4,\)", t(4, 3), (4,), None, None, 1e-5)],
)
def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`nn.functional.layer_norm`, and means and 1 / sqrt(variance + eps) of the normalised parts, which carry no gradient.

    >>> import retrograd as rg
    >>> y, mean, rstd = rg.native_layer_norm(rg.tensor([[1.0, 3.0]]), (2,), None, None, 0.0)
    >>> mean, rstd
    (tensor([[2.]]), tensor([[1.]]))
    """
    y = norm.layer_norm(input, normalized_shape, weight, bias, eps)
    x = as_tensor_arg(input, "native_layer_norm")
    nd, n = len(x._shape), len(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else 1
    return y, *_statistics(x.detach(), tuple(range(nd - n, nd)), eps)


@public(
    method=False,
    samples=lambda: [
        call(t(2, 4, 3), t(4), t(4), 2, 4, 3, 2, 1e-5),
        call(t(2, 6, 2, 2), None, None, 2, 6, 4, 3, 1e-3),
    ],
    errors=lambda: [
        raises(RuntimeError, r"N, C and HxW are 2, 4 and 2", t(2, 4, 3), None, None, 2, 4, 2, 2, 1e-5),
    ],
)
def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`nn.functional.group_norm` of N samples of C channels of HxW elements, with means and 1 / sqrt(variance + eps).

    >>> import retrograd as rg
    >>> y, mean, rstd = rg.native_group_norm(rg.tensor([[1.0, 3.0]]), None, None, 1, 2, 1, 1, 0.0)
    >>> mean, rstd
    (tensor([[2.]]), tensor([[1.]]))
    """
    op = "native_group_norm"
    x = as_tensor_arg(input, op)
    sizes = tuple(as_int(v, op, "a size") for v in (N, C, HxW))
    if x._data.size != sizes[0] * sizes[1] * sizes[2] or x._shape[:2] != sizes[:2]:
        raise ShapeError(
            f"{op}: N, C and HxW are {sizes[0]}, {sizes[1]} and {sizes[2]}, which does not fit the input {x._shape}"
        )
    y = norm.group_norm(x, group, weight, bias, eps)
    v = reshape_p(x, (sizes[0], group, x._data.size // max(1, sizes[0] * group)))
    mean, rstd = _statistics(v, (2,), eps)
    return y, reshape_p(mean, (sizes[0], group)), reshape_p(rstd, (sizes[0], group))


@public(
    method=False,
    samples=lambda: [
        call(t(4, 3, 2), t(3), t(3), None, None, True, 0.1, 1e-5),
        call(t(4, 3), None, None, t(3, grad=False), _positive(), False, 0.1, 1e-3, torch=False),
    ],
    errors=lambda: [
        raises(RuntimeError, r"\(N, C, \.\.\.\) is expected", t(4), None, None, None, None, True, 0.1, 1e-5)
    ],
)
def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`batch_norm`, and in training the batch's means and 1 / sqrt(variance + eps), else two empty tensors.

    >>> import retrograd as rg
    >>> y, mean, rstd = rg.native_batch_norm(rg.tensor([[1.0], [3.0]]), None, None, None, None, True, 0.1, 1e-12)
    >>> mean, rstd
    (tensor([2.]), tensor([1.]))
    """
    x = as_tensor_arg(input, "native_batch_norm")
    y = norm.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        empty = x.new_empty((0,))
        return y, empty, empty.clone()
    mean, rstd = _statistics(x.detach(), (0, *range(2, len(x._shape))), eps)
    return y, reshape_p(mean, x._shape[1:2]), reshape_p(rstd, x._shape[1:2])


@public(
    method=False,
    errors=lambda: [raises(ValueError, r"between 0 and 1", t(3), 1.5, True)],
)
def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """(`nn.functional.dropout` of the input, the bool mask of what was kept).

    >>> import retrograd as rg
    >>> y, mask = rg.native_dropout(rg.ones(8), 0.5, True)
    >>> bool((y == mask * 2).all())
    True
    """
    x = as_tensor_arg(input, "native_dropout")
    xp = xp_of(x._data)
    if train is False or p == 0 or not x._data.size:
        return _dropout(x, p, False), wrap(xp.ones(x._shape, bool))
    kept = _dropout(wrap(xp.ones(x._shape, x._data.dtype)), p, True)
    mask = kept._data != 0
    return x * wrap(mask.astype(x._data.dtype)) * (1 / (1 - p) if p < 1 else 0.0), wrap(mask)
