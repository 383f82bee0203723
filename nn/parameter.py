"""`Parameter` and `Buffer`: tensors that a module registers when they are assigned as attributes."""

from __future__ import annotations

from ..autograd import Parameter, Tensor
from ..autograd.core import new, set_data

__all__ = ["Buffer", "Parameter"]


class Buffer(Tensor):
    """A tensor that a module lists among its buffers when it is assigned as an attribute: state that does not train.

    persistent: whether `state_dict()` holds it.

    >>> import retrograd as rg
    >>> m = rg.nn.Module()
    >>> m.mean = rg.nn.Buffer(rg.zeros(2))
    >>> list(m.state_dict())
    ['mean']
    """

    __slots__ = ()

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            data = Tensor()
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Buffer: a Tensor is expected, got {type(data).__name__}; build one with retrograd.tensor(...)"
            )
        t = new(cls)
        set_data(t, data._data)
        t._node = None
        t.persistent = persistent
        if data.requires_grad:
            t.requires_grad_()
        return t
