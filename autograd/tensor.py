"""Class Tensor: what a user holds. Methods are one-liners onto the operations; it installs itself as the result class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import core, device, engine, generic, hooks, interop, repr, versions
from .backend import for_device, of
from .conversions import Conversions
from .core import Leaf, Node, TensorBase, install, make_leaf, new, wrap
from .dtypes import dtype
from .errors import DtypeError, GraphError
from .layouts import strided
from .methods import Methods
from .methods_late import LateMethods
from .nodes import PICK
from .ops import axes, cast
from .ops import complex as _complex
from .size import Size


class Tensor(Methods, LateMethods, Conversions, TensorBase):
    """A multi-dimensional array that records what is computed from it.

    `rg.Tensor(2, 3)` makes an uninitialised float tensor of that shape and `rg.Tensor([1, 2])` one of these values, as
    in PyTorch; new code uses `rg.tensor`, `rg.zeros` and the like.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__dict__",)
    __array_priority__ = 1000

    def __new__(cls, *args: Any, device: Any = None) -> Tensor:
        from .ops.create import legacy_tensor

        t = legacy_tensor(args, device)
        if cls is Tensor:
            return t
        self = new(cls)
        self._data, self._dtype, self._shape, self._node = t._data, t._dtype, t._shape, None
        return self

    # ------------------------------------------------------------ what it is
    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return Size(self._shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        if dim is None:
            return Size(self._shape)
        from .ops.args import one_dim

        return self._shape[one_dim(dim, len(self._shape), "size")]

    @property
    def dtype(self) -> dtype:
        """The type of the elements."""
        return self._dtype

    @property
    def device(self) -> device.device:
        """Where the array lives."""
        return of(self._data).device_of(self._data)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._shape)

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self._shape)

    def ndimension(self) -> int:
        """The number of dimensions."""
        return len(self._shape)

    def numel(self) -> int:
        """The number of elements."""
        return int(self._data.size)

    def nelement(self) -> int:
        """The number of elements."""
        return int(self._data.size)

    def element_size(self) -> int:
        """Bytes per element."""
        return self._dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self._dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return int(self._data.size) * self._dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Elements to skip for the next index, per dimension."""
        s = tuple(n // self._dtype.itemsize for n in self._data.strides)
        if dim is None:
            return s
        from .ops.args import one_dim

        return s[one_dim(dim, len(s), "stride")]

    def storage_offset(self) -> int:
        """Elements between the start of the memory's owner and the first element."""
        a, b = self._data, versions.owner(self._data)
        if type(a) is not np.ndarray:
            return (a.data.ptr - b.data.ptr) // self._dtype.itemsize
        return (a.__array_interface__["data"][0] - b.__array_interface__["data"][0]) // self._dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        a = self._data
        return a.__array_interface__["data"][0] if isinstance(a, np.ndarray) else a.data.ptr

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the memory is in row-major order."""
        return bool(self._data.flags.c_contiguous)

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating-point one."""
        return self._dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is a complex one."""
        return self._dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype has negative values."""
        return self._dtype.is_signed

    @property
    def is_cuda(self) -> bool:
        """Whether the array lives on a CUDA device."""
        return of(self._data).device_type == "cuda"

    @property
    def is_cpu(self) -> bool:
        """Whether the array lives in the CPU's memory."""
        return of(self._data).device_type == "cpu"

    is_sparse = is_sparse_csr = is_quantized = is_mkldnn = is_meta = is_nested = is_mps = is_xpu = is_xla = False
    is_sparse_csr = False
    layout: Any = strided

    def get_device(self) -> int:
        """The ordinal of the CUDA device, -1 on the CPU."""
        i = self.device.index
        return -1 if i is None else i

    T = property(axes.T)
    mT = property(axes.mT)
    H = property(axes.H)
    mH = property(axes.mH)

    @property
    def real(self) -> Tensor:
        """The real part (a view); a real tensor itself."""
        return _complex.real(self)

    @real.setter
    def real(self, value: Any) -> None:
        _complex.real(self).copy_(value)

    @property
    def imag(self) -> Tensor:
        """The imaginary part (a view) of a complex tensor."""
        return _complex.imag(self)

    @imag.setter
    def imag(self, value: Any) -> None:
        _complex.imag(self).copy_(value)

    # ------------------------------------------------------------ differentiation
    @property
    def grad_fn(self) -> Node | None:
        """The node that made the tensor; None for a leaf."""
        n = self._node
        if type(n) is not Node:
            return None
        return n.many[0] if n.op is PICK else n

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made the tensor."""
        return type(self._node) is not Node

    @property
    def requires_grad(self) -> bool:
        """Whether operations on the tensor are recorded."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start (or stop) recording operations on a leaf; returns the tensor."""
        n = self._node
        if requires_grad:
            if n is None:
                if self._dtype.kind not in "fc":
                    raise GraphError(
                        f"requires_grad_: only floating-point and complex tensors can require gradients, this one is "
                        f"{self._dtype.name}; convert it with .float()"
                    )
                self._node = make_leaf(self)
        elif type(n) is Leaf:
            self._node = None
        elif n is not None:
            raise GraphError(
                f"requires_grad_: the tensor was made by {n.op.name} at {n.where}; only leaves can stop requiring "
                "gradients, use detach() for a tensor without history"
            )
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward accumulated, or None."""
        return getattr(self, "_grad", None)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, TensorBase):
                raise TypeError(f"grad: a Tensor or None is expected, got {type(value).__name__}")
            if value is self:
                raise GraphError("grad: a tensor cannot be its own gradient; clone() it")
            if value._shape != self._shape:
                raise GraphError(
                    f"grad: a gradient of shape {tuple(value._shape)} does not fit a tensor of shape {tuple(self._shape)}"
                )
            if value._dtype is not self._dtype:
                raise GraphError(f"grad: a {value._dtype.name} gradient does not fit a {self._dtype.name} tensor")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradient of this tensor to the `.grad` of the leaves it was computed from.

        gradient: the cotangent, of this tensor's shape; may be left away for a single element. The saved values of the
        graph are freed unless `retain_graph`. create_graph: record the pass itself, for higher derivatives. inputs:
        fill only these tensors. Raises GraphError (a RuntimeError) where PyTorch raises RuntimeError.
        """
        if inputs is not None:
            inputs = [inputs] if isinstance(inputs, TensorBase) else list(inputs)
            if not inputs:
                raise GraphError("backward: inputs is empty; leave it away to fill all leaves")
        engine.backward([self], [gradient], retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same memory without history (and in forward mode without tangent): in-place changes show in both."""
        a = self._data
        return wrap(a if core.lifting is None else generic.stopped(a))

    def detach_(self) -> Tensor:
        """Forget the history; returns the tensor."""
        if getattr(self, "_base", None) is not None:
            raise GraphError("detach_: a view cannot be detached in place; use detach()")
        self._node = None
        return self

    @property
    def data(self) -> Tensor:
        """The same memory without history; assigning lets this tensor stand over other values."""
        return wrap(self._data)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, TensorBase):
            raise TypeError(f"data: a Tensor is expected, got {type(value).__name__}")
        core.set_data(self, value._data)

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf tensor in `.grad` when backward passes."""
        if self._node is None:
            raise GraphError("retain_grad: the tensor does not require grad, so no gradient will pass it")
        if type(self._node) is not Leaf:
            hooks.retain(self._node, self)

    @property
    def retains_grad(self) -> bool:
        """Whether retain_grad is in force."""
        return hooks.retains(self._node, self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> hooks.RemovableHandle:
        """Call `hook(grad)` when this tensor's gradient has been computed; it may return another gradient.

        >>> import retrograd as rg
        >>> x = rg.tensor(2.0, requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> (x * 3).backward(); x.grad
        tensor(30.)
        """
        if self._node is None:
            raise GraphError("register_hook: the tensor does not require grad, so no gradient will pass it")
        return hooks.add_hook(self._node, "pre", hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> hooks.RemovableHandle:
        """Call `hook(tensor)` each time backward has added to this leaf's `.grad`."""
        if type(self._node) is not Leaf:
            raise GraphError("register_post_accumulate_grad_hook: only leaves that require grad accumulate gradients")
        return hooks.add_hook(self._node, "leaf", hook)

    @property
    def _version(self) -> int:
        """How often the memory has been written in place."""
        return versions.version(self._data)

    def is_inference(self) -> bool:
        """Always False: inference mode here makes ordinary tensors without history."""
        return False

    def is_set_to(self, tensor: Tensor) -> bool:
        """Whether both stand over the same memory in the same way."""
        return (
            self.data_ptr() == tensor.data_ptr() and self._shape == tensor._shape and self.stride() == tensor.stride()
        )

    # ------------------------------------------------------------ conversion
    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The NumPy array, sharing memory; read-only when the tensor requires grad (PyTorch raises there).

        DeviceError for a tensor on a GPU, unless `force` (which copies to the CPU).
        """
        return interop.to_numpy(self, force)

    def tolist(self) -> Any:
        """Nested lists of Python numbers, a number for a 0-d tensor."""
        a = of(self._data).to_numpy(self._data)
        return (a.astype("f4") if self._dtype.name == "bfloat16" else a).tolist()

    def item(self) -> Any:
        """The Python number of a tensor with one element."""
        return interop.item(self)

    to = cast.to
    clone = cast.clone
    contiguous = cast.contiguous

    # ------------------------------------------------------------ protocols
    __array__ = interop.array
    __array_ufunc__ = interop.array_ufunc
    __array_function__ = interop.array_function
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __len__(self) -> int:  # type: ignore[valid-type]
        if not self._shape:
            raise TypeError("len: a 0-d tensor has no length")
        return self._shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self._shape:
            raise TypeError("iter: a 0-d tensor cannot be iterated over; use item()")
        return iter(self.unbind(0))

    def __bool__(self) -> bool:  # type: ignore[valid-type]
        if self._data.size != 1:
            raise GraphError(
                f"bool: the truth value of a tensor with {self._data.size} elements is ambiguous; use .any() or .all()"
            )
        return interop.item(self) != 0

    def __int__(self) -> int:  # type: ignore[valid-type]
        return interop.real_item(self, "int").__int__()

    def __float__(self) -> float:  # type: ignore[valid-type]
        return interop.real_item(self, "float") * 1.0

    def __complex__(self) -> complex:
        return complex(interop.item(self))

    def __index__(self) -> int:  # type: ignore[valid-type]
        if self._dtype.kind not in "biu":
            raise TypeError(
                f"index: only integer tensors of one element can be an index, this one is {self._dtype.name}"
            )
        return interop.item(self).__index__()

    def __contains__(self, value: Any) -> bool:  # type: ignore[valid-type]
        if not isinstance(value, (TensorBase, int, float, complex, np.generic)):
            raise DtypeError(f"in: a Tensor or a number is expected on the left, got {type(value).__name__}")
        return (self == value).any().item()

    def __repr__(self) -> str:
        return repr.to_text(self)

    def _repr_html_(self) -> str:
        return repr.to_html(self)

    def __format__(self, spec: str) -> str:
        if not self._shape and type(self) is Tensor:  # as in PyTorch, f"{loss}" shows the number alone
            return interop.item(self).__format__(spec)
        return object.__format__(self, spec)

    def __deepcopy__(self, memo: dict[Any, Any]) -> Tensor:
        if type(self._node) is Node:
            raise GraphError(
                f"deepcopy: only leaves can be copied with their attributes, this tensor was made by {self._node.op.name} "
                f"at {self._node.where}; use clone() or detach()"
            )
        t = new(type(self))
        memo[id(self)] = t
        t._data, t._dtype, t._shape, t._node = self._data.copy(), self._dtype, self._shape, None
        if self._node is not None:
            t._node = make_leaf(t)
        g = getattr(self, "_grad", None)
        if g is not None:
            t._grad = g.detach().clone()
        import copy

        if self.__dict__:
            t.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return t

    def __copy__(self) -> Tensor:
        t = new(type(self))
        t._data, t._dtype, t._shape = self._data, self._dtype, self._shape
        t._node = make_leaf(t) if type(self._node) is Leaf else self._node
        t.__dict__.update(self.__dict__)
        return t

    def __reduce_ex__(self, protocol: Any) -> Any:
        if type(self._node) is Node:
            raise GraphError(
                f"pickle: only leaves can be pickled, this tensor was made by {self._node.op.name} at {self._node.where}; "
                "use detach()"
            )
        a = of(self._data).to_numpy(self._data)
        a = np.ascontiguousarray(a).reshape(a.shape)
        return _rebuild, (type(self), a, self._node is not None, dict(self.__dict__), self.device)


_CPU = device.cpu


def _rebuild(cls: Any, a: np.ndarray, requires_grad: bool, attributes: dict[str, Any], home: Any = _CPU) -> Tensor:
    t = new(cls)
    core.set_data(t, a if home.type == "cpu" else for_device(home).from_numpy(a, home.index))
    t._node = make_leaf(t) if requires_grad else None
    t.__dict__.update(attributes)
    return t


class Parameter(Tensor):
    """A tensor that a module lists among its parameters when it is assigned as an attribute; requires grad by default.

    >>> import retrograd as rg
    >>> rg.nn.Parameter(rg.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        t = new(cls)
        if data is None:
            data = Tensor()
        if not isinstance(data, TensorBase):
            raise TypeError(
                f"Parameter: a Tensor is expected, got {type(data).__name__}; build one with retrograd.tensor(...)"
            )
        core.set_data(t, data._data)
        t._node = None
        if requires_grad:
            Tensor.requires_grad_(t)
        return t

    def __repr__(self) -> str:
        return "Parameter containing:\n" + Tensor.__repr__(self)


install(Tensor)
