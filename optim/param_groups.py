"""Parameter groups by role: which parameters weight decay is for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..nn.modules.module import Module

__all__ = ["param_groups_weight_decay"]

NORM = re.compile(r"Norm([123]d)?$|^_NormBase$")  # BatchNorm2d, LayerNorm, FilterResponseNorm, but no NormalizedLinear


def param_groups_weight_decay(
    model: Module, weight_decay: float = 1e-2, skip: Sequence[str] | Callable[[str, Any], bool] = (), **options: Any
) -> list[dict[str, Any]]:
    """Two parameter groups for an optimizer: one with weight_decay, one without for biases and norms.

    Without decay go biases, the parameters of normalization layers, and whatever else is a vector or a single number
    (PReLU's slopes, layer scales): they do not multiply inputs, so pulling them to zero regularizes nothing. What is
    left are matrices and kernels, embeddings included.

    model: its parameters are taken once each, in order, shared ones at their first name; those that require no gradient
    are left out. skip: further parameters without decay, as patterns of their names (("*.embedding.*",)) or a function
    of name and parameter. options: further entries of both groups, such as lr. Groups without parameters are left out.

    Raises ValueError for a negative weight_decay, and when nothing requires a gradient. He et al., "Bag of tricks for
    image classification with convolutional neural networks" (2019), section 3.1.

    >>> import retrograd as rg
    >>> model = rg.nn.Sequential(rg.nn.Linear(3, 4), rg.nn.LayerNorm(4), rg.nn.Linear(4, 2, bias=False))
    >>> decayed, bare = rg.optim.param_groups_weight_decay(model, 0.1)
    >>> [tuple(p.shape) for p in decayed["params"]], [tuple(p.shape) for p in bare["params"]]
    ([(4, 3), (2, 4)], [(4,), (4,), (4,)])
    >>> opt = rg.optim.AdamW([decayed, bare], lr=1e-3)
    >>> [group["weight_decay"] for group in opt.param_groups]
    [0.1, 0.0]
    """
    if not weight_decay >= 0.0:
        raise ValueError(f"Invalid weight_decay value: {weight_decay}")
    decayed: list[Any] = []
    bare: list[Any] = []
    seen: set[int] = set()
    for path, module in model.named_modules():
        norm = _is_norm(module)
        for name, p in module.named_parameters(recurse=False):
            if id(p) in seen or not p.requires_grad:
                continue
            seen.add(id(p))
            full = f"{path}.{name}" if path else name
            chosen = skip(full, p) if callable(skip) else any(fnmatchcase(full, pattern) for pattern in skip)
            kept_bare = norm or p.dim() <= 1 or "bias" in name.split("_") or chosen
            (bare if kept_bare else decayed).append(p)
    if not seen:
        raise ValueError(f"param_groups_weight_decay: no parameter of {type(model).__name__} requires a gradient")
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": bare, "weight_decay": 0.0}]
    return [{**group, **options} for group in groups if group["params"]]


def _is_norm(module: Module) -> bool:
    """Whether a module is a normalization layer: by its class or a base class, so that subclasses count as well."""
    return any(NORM.search(cls.__name__) for cls in type(module).__mro__)
