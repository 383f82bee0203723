"""Arrays made from addresses in loops.

They carry no reference count, which threads would fight for, and begin at index 0: an index that might be negative, such
as `x[r, k + j]`, keeps a loop from being vectorised, because Numba counts negative ones from the end.
"""

from __future__ import annotations

from typing import Any

import numba
from numba import types
from numba.extending import intrinsic

from .jit import part

__all__ = ["view"]

carray: Any = numba.carray  # type: ignore[attr-defined]


@intrinsic
def _pointer(typingctx: Any, address: Any, like: Any) -> Any:
    """The address as a pointer to numbers of like's type."""
    if not isinstance(like, types.Float | types.Integer):
        return None
    sig = types.CPointer(like)(types.int64, like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return sig, codegen


@part
def view(address, n, like):
    """The n numbers of like's type at an address."""
    return carray(_pointer(address, like), n)  # type: ignore[call-arg]
