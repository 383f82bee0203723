"""What stands in place of a sparse tensor's array, and the error for operations that want an array there."""

from __future__ import annotations

import math
from typing import Any, NoReturn

from ..core import LIBRARY, getframe

__all__ = ["SparseData", "SparseError", "refuse"]

# Frames that say nothing about what the user called.
_ANONYMOUS = {"call", "forward", "of", "xp_of", "as_tensor_arg", "within", "run"}


class SparseError(NotImplementedError, TypeError, AttributeError):
    """An operation that has no meaning for sparse tensors here: its name, and the way out."""


def refuse(op: str | None = None, why: str = "is not available for sparse tensors") -> NoReturn:
    """Raise for the operation that the user called: the outermost frame of the library, or `op` if that says nothing."""
    f: Any = getframe(1)
    name = None
    while f is not None and LIBRARY[f.f_code.co_filename]:
        code = f.f_code.co_name
        if (
            not code.startswith(("_", "<"))
            and code not in _ANONYMOUS
            and not f.f_globals["__name__"].endswith(".sparse.data")
        ):
            name = code
        f = f.f_back
    if op is not None and (name is None or name in _INNER):
        name = op
    raise SparseError(f"{name or op or 'operation'}: {why}; convert with .to_dense(), or work on .values()")


_INNER = {"unary", "binary", "param", "nary", "getitem"}


class SparseData:
    """Places and values of a sparse tensor.

    It is no array on purpose: every path for dense tensors asks for one, and so ends in an error that names the
    operation. first, second: the indices (2, nnz) and None for COO; compressed and plain indices for CSR and CSC.
    values: a tensor of shape (nnz, ...), which carries the history. coalesced: no place occurs twice, and the places
    are in order.
    """

    __slots__ = ("__weakref__", "coalesced", "first", "layout", "pattern", "second", "shape", "values")

    __array_ufunc__ = None

    def __init__(
        self, layout: Any, first: Any, second: Any, values: Any, shape: tuple[int, ...], coalesced: bool
    ) -> None:
        self.layout, self.first, self.second, self.values = layout, first, second, values
        self.shape, self.coalesced = shape, coalesced
        self.pattern: Any = None  # of a matrix, once a product needed it

    @property
    def size(self) -> int:
        """The number of elements of the dense tensor."""
        return math.prod(self.shape)

    def tensor(self) -> Any:
        """The sparse tensor over these parts."""
        from .tensor import make

        t = make(self.layout, self.first, self.second, self.values, self.shape, self.coalesced)
        t._data.pattern = self.pattern
        return t

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        refuse()

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        refuse("numpy")

    def __array_function__(self, func: Any, *_: Any) -> NoReturn:
        refuse(func.__name__)

    def refuse_as_array(self, *_: Any) -> NoReturn:
        """Raise the error of the operation that took this for an array."""
        refuse()

    __hash__ = object.__hash__
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = refuse_as_array  # type: ignore[assignment]
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = refuse_as_array
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __matmul__ = __rmatmul__ = __pow__ = __rpow__ = refuse_as_array
    __neg__ = __pos__ = __abs__ = __invert__ = __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = (
        refuse_as_array
    )
    __getitem__ = __setitem__ = __len__ = __iter__ = __bool__ = __int__ = __float__ = __complex__ = refuse_as_array
