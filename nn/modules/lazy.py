"""Lazy modules: layers that learn the sizes of their inputs at the first call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..parameter import is_lazy
from .loading import SESSION

if TYPE_CHECKING:
    from .module import Module as _Base
else:
    _Base = object

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin(_Base):
    """Makes a module lazy: its parameters start as `UninitializedParameter` and get their shape at the first call.

    Mix it in before the module's class, assign `UninitializedParameter`s and `UninitializedBuffer`s in `__init__`, and
    write `initialize_parameters(*args, **kwargs)`, which is called with the arguments of the first `forward` and
    materializes them. Afterwards the object is a `cls_to_become`, if the class names one. `load_state_dict` materializes
    what a state_dict has values for.

    Before the first call (or a load), the module may be moved and cast, and applying an operation to its parameters
    raises ValueError. Make an optimizer afterwards or before: the parameters stay the same objects.

    >>> import retrograd as rg
    >>> net = rg.nn.Sequential(rg.nn.LazyLinear(4), rg.nn.ReLU(), rg.nn.LazyLinear(1))
    >>> net[0]
    LazyLinear(in_features=0, out_features=4, bias=True)
    >>> _ = net(rg.zeros(2, 3))
    >>> net[0]
    Linear(in_features=3, out_features=4, bias=True)
    """

    cls_to_become: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def _lazy_load_hook(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Give every tensor that the state_dict knows the shape it has there."""
        session = local_metadata.get(SESSION)
        for name, own in (*self._parameters.items(), *self._buffers.items()):
            given = state_dict.get(prefix + name)
            if given is None or not is_lazy(own) or is_lazy(given):
                continue
            before = type(own)
            own.materialize(tuple(given.shape))  # type: ignore[union-attr]
            if session is not None:
                session.materialized.append((own, before))

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialize the parameters for the arguments of the first call. Every lazy class defines it."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of the module itself has no shape yet."""
        return any(is_lazy(t) for t in (*self._parameters.values(), *self._buffers.values()))

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        """The hook before the first forward: initializes, then leaves the module an ordinary one."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> Any:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. Run a dummy forward pass to "
            "correctly initialize the modules"
        )
