"""Pruning: parameters with a mask of zeros and ones, which a hook multiplies in before every forward.

A pruned parameter `weight` is stored as the parameter `weight_orig` and the buffer `weight_mask`; `weight` itself is
their product. Pruning again prunes what is left.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, TypeVar

from ...autograd import Tensor
from ...autograd.ops.create import ones_like, zeros_like
from ...autograd.ops.norms import norm
from ...autograd.ops.random import rand, rand_like
from ...autograd.ops.sort import kthvalue, topk
from ..modules.module import Module
from .convert_parameters import parameters_to_vector

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip

M = TypeVar("M", bound=Module)


class BasePruningMethod(ABC):
    """A way to choose what is pruned. Subclasses define `compute_mask` and PRUNING_TYPE, and often their own `apply`.

    PRUNING_TYPE: 'unstructured' (elements; of those that are left), 'structured' (slices along the attribute `dim`; of
    those that are left) or 'global' (the whole tensor).

    >>> import retrograd as rg
    >>> from retrograd.nn.utils import prune
    >>> class EveryOther(prune.BasePruningMethod):
    ...     PRUNING_TYPE = "unstructured"
    ...     def compute_mask(self, t, default_mask):
    ...         mask = default_mask.clone()
    ...         mask.view(-1)[::2] = 0
    ...         return mask
    >>> layer = rg.nn.Linear(2, 2)
    >>> _ = EveryOther.apply(layer, "weight")
    >>> layer.weight_mask
    tensor([[0., 1.],
            [0., 1.]])
    """

    PRUNING_TYPE: ClassVar[str]
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for a tensor of importance scores; `default_mask`, of the same shape, is what was pruned before."""

    def apply_mask(self, module: Module) -> Tensor:
        """The original times the mask."""
        mask = getattr(module, self._tensor_name + "_mask")
        original = getattr(module, self._tensor_name + "_orig")
        return mask.to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune a parameter of `module` by `cls(*args, **kwargs)`, on top of what pruned it before.

        importance_scores: what the choice is made by, of the parameter's shape; None: the parameter itself. Returns the
        hook. Raises AssertionError for scores of another shape.
        """
        before = [k for k, hook in module._forward_pre_hooks.items() if _prunes(hook, name)]
        if len(before) > 1:
            raise AssertionError(
                f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. Use a "
                "PruningContainer."
            )
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        if before:
            old = module._forward_pre_hooks.pop(before[0])
            new = method
            method = old if isinstance(old, PruningContainer) else PruningContainer(old)
            method.add_pruning_method(new)
        current = getattr(module, name)
        scores = _scores(current, importance_scores, f"parameter {name} of {module}")
        if before:
            default_mask = getattr(module, name + "_mask").detach().clone()
        else:
            module.register_parameter(name + "_orig", current)
            del module._parameters[name]
            default_mask = ones_like(current)
        try:
            mask = method.compute_mask(scores, default_mask=default_mask)
            module.register_buffer(name + "_mask", mask)
            setattr(module, name, method.apply_mask(module))
            module.register_forward_pre_hook(method)
        except Exception:
            if not before:  # as it was
                module.register_parameter(name, module._parameters.pop(name + "_orig"))
            raise
        return method

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """A tensor of its own, pruned: `t * compute_mask(...)`."""
        scores = _scores(t, importance_scores, "tensor t")
        return t * self.compute_mask(scores, default_mask=ones_like(t) if default_mask is None else default_mask)

    def remove(self, module: Module) -> None:
        """Make the parameter an ordinary one that has its pruned value; what was pruned stays 0 until it is trained."""
        name = self._tensor_name
        value = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original: Any = module._parameters.pop(name + "_orig")
        original.data = value.data
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


def _prunes(hook: Any, name: str) -> bool:
    return isinstance(hook, BasePruningMethod) and hook._tensor_name == name


def _scores(t: Tensor, scores: Tensor | None, what: str) -> Tensor:
    if scores is None:
        return t
    if scores.shape != t.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as {what}, got {tuple(scores.shape)} vs {tuple(t.shape)}"
        )
    return scores


class PruningContainer(BasePruningMethod):
    """Several pruning methods of one parameter, one after the other.

    Raises TypeError for what is no pruning method, and ValueError for one of another parameter.
    """

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[Any, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """Append one that acts on the same parameter."""
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer "
                f"{self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The last method's mask of what is left, combined with `default_mask`."""
        method = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype).clone()
        at = _left(method, t, default_mask)
        mask[at] = method.compute_mask(t[at], default_mask=default_mask[at]).to(dtype=mask.dtype)
        return mask


def _left(method: Any, t: Tensor, mask: Tensor) -> Any:
    """The index of what a method may choose from: elements or slices that are not masked yet, or all."""
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    if method.PRUNING_TYPE == "global":
        return (slice(None),) * t.ndim
    if method.PRUNING_TYPE != "structured":
        raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    if not hasattr(method, "dim"):
        raise AttributeError('Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.')
    dim = method.dim + t.ndim if method.dim < 0 else method.dim
    if dim < 0:
        raise IndexError(f"Index is out of bounds for tensor with dimensions {t.ndim}")
    kept = mask.sum(dim=[d for d in range(t.ndim) if d != dim]) != 0
    return (*[slice(None)] * dim, kept, *[slice(None)] * (t.ndim - dim - 1))


# ---------------------------------------------------------------- the methods
class Identity(BasePruningMethod):
    """Prunes nothing: the names are those of a pruned parameter, and the mask is all ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask as it was."""
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> BasePruningMethod:  # type: ignore[override]
        """Put the parameter under a mask of ones."""
        return super().apply(module, name)


class RandomUnstructured(BasePruningMethod):
    """Prunes elements at random. amount: a share between 0 and 1, or a number of elements."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """0 at as many elements as asked for."""
        n = _how_many(self.amount, t.numel())
        mask = default_mask.clone()
        if n:
            mask.view(-1)[topk(rand_like(t).view(-1), n).indices] = 0
        return mask

    @classmethod
    def apply(cls, module: Module, name: str, amount: float) -> BasePruningMethod:  # type: ignore[override]
        """Prune a parameter so."""
        return super().apply(module, name, amount=amount)


class L1Unstructured(BasePruningMethod):
    """Prunes the elements of the smallest magnitude. amount: a share between 0 and 1, or a number of elements."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """0 at the smallest magnitudes."""
        n = _how_many(self.amount, t.numel())
        mask = default_mask.clone()
        if n:
            mask.view(-1)[topk(t.abs().reshape(-1), n, largest=False).indices] = 0
        return mask

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, importance_scores: Tensor | None = None
    ) -> BasePruningMethod:
        """Prune a parameter so."""
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class RandomStructured(BasePruningMethod):
    """Prunes slices along a dimension at random. amount: a share of the slices, or their number."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        _check_amount(amount)
        self.amount = amount
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """0 in as many slices as asked for."""
        n = _how_many_slices(t, self.dim, self.amount)
        if not n:
            return default_mask
        drawn = rand(t.shape[self.dim], device=t.device)
        return _slices(t, self.dim, drawn > kthvalue(drawn, n).values, default_mask)

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, dim: int = -1
    ) -> BasePruningMethod:
        """Prune a parameter so."""
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(BasePruningMethod):
    """Prunes the slices of the smallest n-norm along a dimension. amount: a share of the slices, or their number."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        _check_amount(amount)
        self.amount = amount
        self.n = n
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """0 in the slices of the smallest norm."""
        n = _how_many_slices(t, self.dim, self.amount)
        if not n:
            return default_mask
        dim = self.dim % t.ndim
        norms = norm(t, self.n, dim=[d for d in range(t.ndim) if d != dim])
        return _slices(t, self.dim, topk(norms, t.shape[dim] - n).indices, default_mask)

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None
    ) -> BasePruningMethod:
        """Prune a parameter so."""
        return super().apply(module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores)


class CustomFromMask(BasePruningMethod):
    """Prunes what a given mask has 0 at."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Both masks."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {tuple(default_mask.shape)} must match self.mask shape {tuple(self.mask.shape)}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: Module, name: str, mask: Tensor) -> BasePruningMethod:  # type: ignore[override]
        """Prune a parameter so."""
        return super().apply(module, name, mask=mask)


# ---------------------------------------------------------------- as functions
def identity(module: M, name: str) -> M:
    """Put a parameter under a mask of ones, and prune nothing; returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: M, name: str, amount: float) -> M:
    """Prune elements of a parameter at random: a share (a float in [0, 1]) or a number (an int); returns the module.

    >>> import retrograd as rg
    >>> layer = rg.nn.utils.prune.random_unstructured(rg.nn.Linear(2, 3), "weight", amount=1)
    >>> int((layer.weight_mask == 0).sum())
    1
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: M, name: str, amount: float, importance_scores: Tensor | None = None) -> M:
    """Prune the elements of the smallest magnitude, or of the smallest score if scores are given; returns the module.

    LeCun, Denker & Solla, "Optimal Brain Damage", NIPS 1989; Han et al., "Learning both Weights and Connections for
    Efficient Neural Networks", NIPS 2015.

    >>> import retrograd as rg
    >>> layer = rg.nn.utils.prune.l1_unstructured(rg.nn.Linear(2, 3), "weight", amount=0.5)
    >>> sorted(layer.state_dict())
    ['bias', 'weight_mask', 'weight_orig']
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: M, name: str, amount: float, dim: int) -> M:
    """Prune slices of a parameter along `dim` at random; returns the module.

    >>> import retrograd as rg
    >>> layer = rg.nn.utils.prune.random_structured(rg.nn.Linear(5, 3), "weight", amount=3, dim=1)
    >>> int((layer.weight == 0).all(0).sum())
    3
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: M, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None) -> M:
    """Prune the slices along `dim` whose norm (n: 1, 2, inf, 'fro', ...) is the smallest; returns the module.

    >>> import retrograd as rg
    >>> conv = rg.nn.utils.prune.ln_structured(rg.nn.Conv2d(5, 3, 2), "weight", amount=0.4, dim=1, n=2)
    >>> int((conv.weight == 0).all(3).all(2).all(0).sum())
    2
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters as if they were one: the share holds of all together, not of each.

    parameters: pairs (module, name). pruning_method: an unstructured one, made with **kwargs. Raises TypeError for
    another, and for parameters that are not iterable.

    >>> import retrograd as rg
    >>> net = rg.nn.Sequential(rg.nn.Linear(10, 4), rg.nn.Linear(4, 1))
    >>> both = ((net[0], "weight"), (net[1], "weight"))
    >>> rg.nn.utils.prune.global_unstructured(both, rg.nn.utils.prune.L1Unstructured, amount=10)
    >>> int(sum((module.weight == 0).sum() for module, _ in both))
    10
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = importance_scores or {}
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = list(parameters)
    values: list[Tensor] = [getattr(module, name) for module, name in pairs]
    joined = parameters_to_vector([scores.get(pair, value) for pair, value in zip(pairs, values, strict=True)])
    masks = parameters_to_vector(
        [getattr(m, name + "_mask", ones_like(value)) for (m, name), value in zip(pairs, values, strict=True)]
    )
    method: Any = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method {pruning_method} of type '
            f"{method.PRUNING_TYPE}"
        )
    method._tensor_name = "all of them"
    mask = PruningContainer(method).compute_mask(joined, masks)
    at = 0
    for (module, name), value in zip(pairs, values, strict=True):
        custom_from_mask(module, name, mask[at : at + value.numel()].reshape(value.shape))
        at += value.numel()


def custom_from_mask(module: M, name: str, mask: Tensor) -> M:
    """Prune a parameter where `mask` is 0; returns the module.

    >>> import retrograd as rg
    >>> layer = rg.nn.utils.prune.custom_from_mask(rg.nn.Linear(5, 3), "bias", rg.tensor([0, 1, 0]))
    >>> layer.bias_mask
    tensor([0., 1., 0.])
    """
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: M, name: str) -> M:
    """Make a pruned parameter an ordinary one that has its pruned value; returns the module.

    Raises ValueError when it is not pruned.
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and _prunes(hook, name):
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module, or of one below it, is pruned."""
    return any(isinstance(hook, BasePruningMethod) for m in module.modules() for hook in m._forward_pre_hooks.values())


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    whole = isinstance(amount, numbers.Integral)
    if (whole and float(amount) < 0) or (not whole and not 0.0 <= float(amount) <= 1.0):
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")


def _how_many(amount: Any, size: int) -> int:
    n = int(amount) if isinstance(amount, numbers.Integral) else round(amount * size)
    if n > size:
        raise ValueError(f"amount={n} should be smaller than the number of parameters to prune={size}")
    return n


def _how_many_slices(t: Tensor, dim: int, amount: Any) -> int:
    if t.ndim <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
            f"{tuple(t.shape)} with {t.ndim} dims"
        )
    if dim >= t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {tuple(t.shape)}")
    return _how_many(amount, t.shape[dim])


def _slices(t: Tensor, dim: int, kept: Tensor, default_mask: Tensor) -> Tensor:
    """The default mask where a slice is kept, 0 elsewhere."""
    mask = zeros_like(t)
    mask[(*[slice(None)] * (dim % t.ndim), kept)] = 1
    return mask * default_mask.to(dtype=mask.dtype)
