"""`nn.DataParallel` and its relatives, on one device: as in PyTorch on a machine with at most one, the module runs there."""

from __future__ import annotations

from typing import Any

from .modules.module import Module

__all__ = [
    "DataParallel",
    "DistributedDataParallel",
    "data_parallel",
    "gather",
    "parallel_apply",
    "replicate",
    "scatter",
]


def _one(device_ids: Any, what: str) -> None:
    if device_ids is not None and len(device_ids) > 1:
        raise NotImplementedError(
            f"{what}: device_ids={list(device_ids)!r} asks for several devices, which is not part of this release; give "
            "one, or leave it away"
        )


class DataParallel(Module):
    """Holds a module as `.module` and runs it on the one device there is; `state_dict` keys begin with `module.`.

    device_ids: None or one device; NotImplementedError for several.

    >>> import retrograd as rg
    >>> list(rg.nn.DataParallel(rg.nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        _one(device_ids, "DataParallel")
        self.dim, self.module, self.device_ids, self.output_device = dim, module, list(device_ids or []), output_device

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """Not part of this release: NotImplementedError."""

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0, **kwargs: Any
    ) -> None:
        raise NotImplementedError(
            "DistributedDataParallel: training in several processes is not part of this release; use the module itself"
        )


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """`module(*inputs, **module_kwargs)` on the one device there is."""
    _one(device_ids, "data_parallel")
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*args, **(module_kwargs or {}))


def scatter(inputs: Any, target_gpus: Any, dim: int = 0) -> tuple[Any, ...]:
    """The inputs, once: there is one device."""
    _one(target_gpus, "parallel.scatter")
    return (inputs,)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """The outputs of the one device."""
    (only,) = outputs
    return only


def replicate(network: Module, devices: Any, detach: bool = False) -> list[Module]:
    """The module, once: there is one device."""
    _one(devices, "parallel.replicate")
    return [network]


def parallel_apply(modules: Any, inputs: Any, kwargs_tup: Any = None, devices: Any = None) -> list[Any]:
    """Each module on its inputs, one after the other."""
    extra = kwargs_tup or [{} for _ in modules]
    return [m(*(x if isinstance(x, tuple) else (x,)), **k) for m, x, k in zip(modules, inputs, extra, strict=True)]
