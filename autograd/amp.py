"""`retrograd.autocast`: accepted, and computes in the tensors' own precision."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from .dtypes import as_dtype, bfloat16, dtype, float16

_warned: set[str] = set()


class autocast:
    """A region in which PyTorch computes products in a lower precision; here they keep that of their operands.

    Context manager and decorator. The results are at least as precise as PyTorch's; the first region that is enabled
    warns. dtype: float16 or bfloat16, else RuntimeError. Tensors keep their dtypes, so `.float()` afterwards is harmless.

    >>> import retrograd as rg
    >>> with rg.autocast("cpu", enabled=False):
    ...     y = rg.ones(2) @ rg.ones(2)
    """

    def __init__(
        self, device_type: str, dtype: dtype | None = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"autocast: device_type must be a string such as 'cpu', got {type(device_type).__name__}")
        self.device, self._enabled = device_type, bool(enabled)
        self.fast_dtype = (
            (float16 if device_type == "cuda" else bfloat16) if dtype is None else as_dtype(dtype, "autocast")
        )
        if self._enabled and self.fast_dtype not in (float16, bfloat16):
            raise RuntimeError(f"autocast: dtype must be float16 or bfloat16, got {self.fast_dtype}")

    def __enter__(self) -> autocast:
        if self._enabled and "autocast" not in _warned:
            _warned.add("autocast")
            warnings.warn(
                "autocast: operations keep the precision of their operands; use model.to(retrograd.bfloat16) to compute "
                "in lower precision",
                stacklevel=2,
            )
        return self

    def __exit__(self, *exc: Any) -> None:
        return None

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(f)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return f(*args, **kwargs)

        return inside


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """False: no region changes what operations compute.

    >>> import retrograd as rg
    >>> rg.is_autocast_enabled("cpu")
    False
    """
    return False


def get_autocast_dtype(device_type: str, /) -> dtype:
    """The dtype that a region on this kind of device is given when it names none.

    >>> import retrograd as rg
    >>> rg.get_autocast_dtype("cpu")
    retrograd.bfloat16
    """
    return float16 if device_type == "cuda" else bfloat16
