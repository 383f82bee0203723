"""Parametrizations: parameters and buffers computed from others each time they are read."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any

from ...autograd import Parameter, Tensor, no_grad
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip


class _Cache(threading.local):
    def __init__(self) -> None:
        self.depth = 0
        self.values: dict[tuple[int, str], Tensor] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Inside the block, each parametrized tensor is computed once and then kept; threads keep their own.

    For weights that are read several times in a forward pass, such as those of a recurrent cell.

    >>> import retrograd as rg
    >>> layer = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(2, 2))
    >>> with rg.nn.utils.parametrize.cached():
    ...     layer.weight is layer.weight
    True
    """
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.values = {}


def _own(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _same_kind(found: Any, tensor: Tensor, what: str, name: str, call: str) -> None:
    """Refuse a parametrization that returns something else than a tensor of this dtype and shape."""
    if not isinstance(found, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(found).__name__}.")
    for kind in ("dtype", "shape"):
        before, after = getattr(tensor, kind), getattr(found, kind)
        if before != after:
            raise ValueError(
                f"Registering a parametrization may not change the {kind} of the tensor, unless the `unsafe` flag is "
                f"enabled.\n{name}.{kind}: {before}\n{call}.{kind}: {after}"
            )


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order, and what they start from; made by the functions below.

    That is `original`, or `original0`, `original1`, ... where the first parametrization's `right_inverse` returns
    several tensors.
    """

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        stand_in = original.detach()  # keeps dtype and shape while `original` changes
        new: Any = original
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):  # it then has no inverse for this tensor
                        new = module.right_inverse(new)
        if not isinstance(new, Tensor | Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
                f"{type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if isinstance(new, Tensor) else len(new)
        if isinstance(new, Tensor):
            for kind in ("dtype", "device"):
                if getattr(original, kind) != getattr(new, kind):
                    raise ValueError(
                        f"When `right_inverse` outputs one tensor, it may not change the {kind}.\n"
                        f"original.{kind}: {getattr(original, kind)}\n"
                        f"right_inverse(original).{kind}: {getattr(new, kind)}"
                    )
            with no_grad():
                original.set_(new)
            _own(self, "original", original)
        else:
            for i, tensor in enumerate(new):
                if not isinstance(tensor, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got element "
                        f"{i} of the sequence with type {type(tensor).__name__}."
                    )
                if isinstance(original, Parameter):
                    tensor = Parameter(tensor, original.requires_grad)
                tensor.requires_grad_(original.requires_grad)
                _own(self, f"original{i}", tensor)
        if not unsafe:
            _same_kind(self(), stand_in, "tensor", "unparametrized", "parametrized")

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes `value`, as far as the inverses go."""
        found: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                found = module.right_inverse(found)
            if self.is_tensor:
                if not isinstance(found, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(found).__name__}")
                if found.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {found.dtype} while `original` has dtype "
                        f"{self.original.dtype}"
                    )
                self.original.set_(found)
                return
            if not isinstance(found, Sequence):
                raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(found).__name__}.")
            if len(found) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got a sequence of "
                    f"length {len(found)}."
                )
            for i, tensor in enumerate(found):
                own = getattr(self, f"original{i}")
                if not isinstance(tensor, Tensor):
                    raise ValueError(
                        f"'right_inverse' must return a sequence of tensors. Got element {i} of type "
                        f"{type(tensor).__name__}."
                    )
                if own.dtype != tensor.dtype:
                    raise ValueError(
                        f"Tensor {i} returned by `right_inverse` has dtype {tensor.dtype} while `original{i}` has dtype "
                        f"{own.dtype}"
                    )
                own.set_(tensor)

    def forward(self) -> Tensor:
        first, *rest = self
        originals = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        x = first(*(getattr(self, name) for name in originals))
        for module in rest:
            x = module(x)
        return x


def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    replica = memo.get(id(self))
    if replica is None:
        replica = memo[id(self)] = object.__new__(type(self))
        replica.__dict__.update(deepcopy(self.__dict__, memo))
    return replica


def _getstate(self: Any) -> Any:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(); save that, and register the "
        "parametrizations anew before loading it"
    )


def _inject_class(module: Module) -> None:
    """Give the module a class of its own, which can hold a property for each parametrized tensor."""
    kind = type(module)
    members: dict[str, Any] = {"__getstate__": _getstate}
    if not hasattr(kind, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), members)


def _inject_property(module: Module, name: str) -> None:
    def read(self: Any) -> Tensor:
        compute = self.parametrizations[name]
        if not _cache.depth:
            return compute()
        key = id(self), name
        value = _cache.values.get(key)
        if value is None:
            value = _cache.values[key] = compute()
        return value

    def write(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(read, write))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Have `module.<tensor_name>` computed as `parametrization(original)` whenever it is read; returns the module.

    Registering again puts another parametrization on top. The original is `module.parametrizations.<name>.original`.
    A parametrization with a method `right_inverse` lets the tensor be assigned; where that returns several tensors,
    they become `original0`, `original1`, ... and are the arguments of its `forward`. unsafe: the dtype and shape may
    change, and nothing is checked. The parametrization takes over the module's training mode.

    Raises ValueError when there is no such tensor, or when the parametrization changes its dtype or shape.

    >>> import retrograd as rg
    >>> class Symmetric(rg.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = rg.nn.utils.parametrize.register_parametrization(rg.nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        known: Any = module.parametrizations[tensor_name]
        if not unsafe:
            _check_more(module, tensor_name, parametrization)
        known.append(parametrization)
        known.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        made = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    return module


def _check_more(module: Module, name: str, parametrization: Any) -> None:
    """Refuse one more parametrization of a tensor that does not keep its dtype and shape, back and forth."""
    y = getattr(module, name)
    x = parametrization(y)
    _same_kind(x, y, "tensor", f"module.{name}", f"parametrization(module.{name})")
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        z = parametrization.right_inverse(x)
    except NotImplementedError:
        return
    if not isinstance(z, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(z).__name__}")
    for kind in ("dtype", "shape"):
        if getattr(z, kind) != getattr(y, kind):
            raise ValueError(
                f"The tensor returned by parametrization.right_inverse must have the same {kind} as module.{name}, "
                f"unless the `unsafe` flag is enabled.\nmodule.{name}.{kind}: {getattr(y, kind)}\n"
                f"returned {kind}: {getattr(z, kind)}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has a parametrization, of this tensor or (without a name) of any."""
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parametrized tensor an ordinary one; returns the module.

    leave_parametrized: its value is the parametrized one, else the original (of which there must then be one only).
    Raises ValueError when the tensor is not parametrized.

    >>> import retrograd as rg
    >>> layer = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(3, 2))
    >>> rg.nn.utils.parametrize.remove_parametrizations(layer, "weight")
    Linear(in_features=3, out_features=2, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    chain: Any = module.parametrizations[tensor_name]
    if chain.is_tensor:
        original = chain.original
        if leave_parametrized:
            with no_grad():
                original.set_(getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _own(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The module's class, without what parametrizations made of it."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Register the parametrizations of one module (all, or those of one tensor) on another, with the same originals."""
    if not is_parametrized(from_module):
        return to_module
    source: Any = from_module.parametrizations
    for name in list(source) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in source[name]:
            register_parametrization(to_module, name, parametrization)
        target: Any = to_module.parametrizations[name]
        for key in source[name]._parameters:
            setattr(target, key, getattr(source[name], key))
        for key in source[name]._buffers:
            setattr(target, key, getattr(source[name], key))
    return to_module
