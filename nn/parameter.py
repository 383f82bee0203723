"""`Parameter` and `Buffer`: tensors that a module registers as attributes; and both before their shape is known."""

from __future__ import annotations

from typing import Any

from ..autograd import Parameter, Tensor
from ..autograd.core import TensorBase, new, set_data, wrap
from ..autograd.errors import DtypeError
from ..autograd.ops.create import empty

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]

# The slots that tensors without a shape hide behind properties.
_array: Any = TensorBase.__dict__["_data"]
_sizes: Any = TensorBase.__dict__["_shape"]


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


class UninitializedTensorMixin:
    """A tensor of unknown shape: it has a dtype and a device, and no values until `materialize`.

    It can be moved, cast and given a shape; every operation on it raises ValueError, and asking for its shape
    RuntimeError.
    """

    __slots__ = ()

    cls_to_become: Any

    def materialize(self: Any, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become a `cls_to_become` of this shape, with arbitrary values; device and dtype stay unless given."""
        made = empty(shape, device=self.device if device is None else device, dtype=dtype or self._dtype)
        set_data(self, made._data)
        self.__class__ = self.cls_to_become

    def _refuse(self) -> Any:
        raise ValueError(
            f"{type(self).__name__}: the tensor has no shape and no values yet; call the module that holds it on a batch "
            "once, which initializes its parameters, before using them"
        )

    @property
    def _data(self) -> Any:
        return self._refuse()

    @_data.setter
    def _data(self, array: Any) -> None:
        _array.__set__(self, array)

    def _set_shape(self, shape: Any) -> None:
        _sizes.__set__(self, shape)

    _shape: Any = property(_refuse, _set_shape)

    @property
    def data(self) -> Tensor:
        """An empty tensor with this one's dtype and device; assigning one takes over its dtype and device."""
        return wrap(_array.__get__(self))

    @data.setter
    def data(self: Any, value: Any) -> None:
        set_data(self, _array.__get__(value))

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` to "
            "initialize the parameters before accessing their attributes."
        )

    @property
    def device(self) -> Any:
        """Where the values will be."""
        return self.data.device

    def detach(self) -> Any:
        """The tensor itself: there is nothing to share yet."""
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """The tensor in another dtype or on another device, still without a shape."""
        return self._like(self.data.to(*args, **kwargs))

    def _like(self: Any, moved: Tensor) -> Any:
        if moved._dtype is self._dtype and moved.device == self.device:
            return self
        return type(self)(self.requires_grad, device=moved.device, dtype=moved._dtype)

    def cpu(self, memory_format: Any = None) -> Any:
        """The tensor in the CPU's memory."""
        return self._like(self.data.cpu())

    def cuda(self, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Any:
        """The tensor on a GPU."""
        return self._like(self.data.cuda(device))

    def double(self, memory_format: Any = None) -> Any:
        """In float64."""
        return self._like(self.data.double())

    def float(self, memory_format: Any = None) -> Any:
        """In float32."""
        return self._like(self.data.float())

    def half(self, memory_format: Any = None) -> Any:
        """In float16."""
        return self._like(self.data.half())

    def bfloat16(self, memory_format: Any = None) -> Any:
        """In bfloat16."""
        return self._like(self.data.bfloat16())

    def share_memory_(self) -> Any:
        """Not before the values exist."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters "
            "before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        return _again, (type(self), self.requires_grad, str(self.device), self._dtype)

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        copy = type(self)(self.requires_grad, device=self.device, dtype=self._dtype)
        memo[id(self)] = copy
        return copy


def _again(cls: Any, requires_grad: bool, device: str, dtype: Any) -> Any:
    return cls(requires_grad, device=device, dtype=dtype)


def _without_shape(cls: Any, requires_grad: bool, device: Any, dtype: Any) -> Any:
    t = new(cls)
    made = empty(0, device=device, dtype=dtype)
    if requires_grad and not (made.is_floating_point() or made.is_complex()):
        raise DtypeError(f"{cls.__name__}: only floating-point and complex tensors require gradients, not {made.dtype}")
    set_data(t, made._data)
    t._node = None
    return t.requires_grad_(requires_grad)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape is not known yet: lazy layers give it one at their first call.

    >>> import retrograd as rg
    >>> p = rg.nn.UninitializedParameter(dtype=rg.float64)
    >>> p
    <UninitializedParameter>
    >>> p.materialize((2, 3))
    >>> type(p).__name__, tuple(p.shape), p.dtype
    ('Parameter', (2, 3), retrograd.float64)
    """

    __slots__ = ()

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        return _without_shape(cls, requires_grad, device, dtype)


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A buffer whose shape is not known yet; see `UninitializedParameter`.

    >>> import retrograd as rg
    >>> b = rg.nn.UninitializedBuffer()
    >>> b.materialize((2,))
    >>> tuple(b.shape), b.requires_grad
    ((2,), False)
    """

    __slots__ = ()

    cls_to_become = Buffer

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> UninitializedBuffer:
        t = _without_shape(cls, requires_grad, device, dtype)
        t.persistent = persistent
        return t

    def _like(self: Any, moved: Tensor) -> Any:
        found = super()._like(moved)
        found.persistent = self.persistent
        return found


def is_lazy(param: Any) -> bool:
    """Whether it is a parameter or buffer whose shape is not known yet."""
    return isinstance(param, UninitializedTensorMixin)
