"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ...autograd import Tensor
from ...autograd.errors import DeviceError
from ...autograd.ops.join import cat

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The parameters flattened and joined, in order; differentiable.

    >>> import retrograd as rg
    >>> rg.nn.utils.parameters_to_vector([rg.ones(2, 1), rg.zeros(1)])
    tensor([1., 1., 0.])
    """
    found = list(parameters)
    _check_devices(found)
    return cat([p.reshape(-1) for p in found])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Cut a vector into pieces and make them the data of the parameters, in order (views of it, not copies).

    Raises TypeError when vec is no tensor, ValueError when it has not as many elements as the parameters.

    >>> import retrograd as rg
    >>> w, b = rg.zeros(2, 1), rg.zeros(1)
    >>> rg.nn.utils.vector_to_parameters(rg.tensor([1.0, 2.0, 3.0]), [w, b])
    >>> w.tolist(), b.tolist()
    ([[1.0], [2.0]], [3.0])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, but got: {type(vec).__name__}")
    found = list(parameters)
    _check_devices(found)
    needed = sum(p.numel() for p in found)
    if needed != vec.numel():
        raise ValueError(f"vector_to_parameters: vec has {vec.numel()} elements but the parameters have {needed}")
    vec = vec.detach().reshape(-1)
    at = 0
    for param in found:
        param.data = vec[at : at + param.numel()].reshape(param.shape)
        at += param.numel()


def _check_devices(params: list[Tensor]) -> None:
    devices = {str(p.device) for p in params}
    if len(devices) > 1:
        raise DeviceError(f"parameters are on different devices ({', '.join(sorted(devices))}); move them to one first")
