"""PyTorch's global switches, and `compile`: documented identities, so that scripts that set them run unchanged.

Operations here are deterministic and keep the precision of their operands. A setting that asks for something else warns
once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

_state: dict[str, Any] = {"deterministic": False, "warn_only": False, "matmul": "highest", "warn_always": False}


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable[..., Any] = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
) -> Any:
    """The function or module itself: there is no compiler, and the results are those of running it directly.

    Without `model` it is a decorator that takes the same options. A callable as `backend`, which PyTorch would hand the
    captured graph, is refused with NotImplementedError.

    >>> import retrograd as rg
    >>> @rg.compile
    ... def f(x):
    ...     return x * 2
    >>> f(rg.tensor(3.0))
    tensor(6.)
    """
    if callable(backend):
        raise NotImplementedError("compile: there is no captured graph to hand to a backend; leave backend= away")
    if model is None:
        return lambda f: f
    if not callable(model):
        raise TypeError(f"compile: a function or module is expected, got {type(model).__name__}")
    return model


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Remember the wish: every operation here is deterministic anyway.

    >>> import retrograd as rg
    >>> rg.use_deterministic_algorithms(True)
    >>> rg.are_deterministic_algorithms_enabled()
    True
    >>> rg.use_deterministic_algorithms(False)
    """
    _state["deterministic"], _state["warn_only"] = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was last told.

    >>> import retrograd as rg
    >>> rg.are_deterministic_algorithms_enabled()
    False
    """
    return _state["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What `use_deterministic_algorithms` was last told about warn_only.

    >>> import retrograd as rg
    >>> rg.is_deterministic_algorithms_warn_only_enabled()
    False
    """
    return _state["warn_only"]


def set_float32_matmul_precision(precision: str) -> None:
    """'highest', 'high' or 'medium': remembered; products of float32 keep full precision, and a lower wish warns once.

    >>> import retrograd as rg
    >>> rg.set_float32_matmul_precision("highest")
    """
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(
            f"set_float32_matmul_precision: 'highest', 'high' or 'medium' is expected, got {precision!r}"
        )
    if precision != "highest" and not _state.get("warned"):
        _state["warned"] = True
        warnings.warn("set_float32_matmul_precision: products of float32 keep full precision here", stacklevel=2)
    _state["matmul"] = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was last told.

    >>> import retrograd as rg
    >>> rg.get_float32_matmul_precision()
    'highest'
    """
    return _state["matmul"]


def set_flush_denormal(mode: bool) -> bool:
    """False: denormal numbers are kept, and the processor's mode cannot be set from here.

    >>> import retrograd as rg
    >>> rg.set_flush_denormal(True)
    False
    """
    return False


def set_warn_always(b: bool, /) -> None:
    """Remember the wish; warnings are shown as Python's `warnings` filters say.

    >>> import retrograd as rg
    >>> rg.set_warn_always(False)
    """
    _state["warn_always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` was last told.

    >>> import retrograd as rg
    >>> rg.is_warn_always_enabled()
    False
    """
    return _state["warn_always"]


def get_num_interop_threads() -> int:
    """1: operations run one after the other.

    >>> import retrograd as rg
    >>> rg.get_num_interop_threads()
    1
    """
    return 1


def set_num_interop_threads(n: int) -> None:
    """Accepted: operations run one after the other; `set_num_threads` sets the threads within one.

    >>> import retrograd as rg
    >>> rg.set_num_interop_threads(2)
    """
    if not isinstance(n, int) or n < 1:
        raise RuntimeError(f"set_num_interop_threads: a positive integer is expected, got {n!r}")


def set_default_tensor_type(t: Any, /) -> None:
    """Older name of `set_default_dtype` that takes a tensor type, such as `rg.DoubleTensor` or its name.

    >>> import retrograd as rg
    >>> rg.set_default_tensor_type("torch.FloatTensor")
    """
    from . import dtypes
    from .legacy import type_of

    named = t if isinstance(t, str) else getattr(t, "__name__", str(t))
    d = type_of(named)
    if not d.is_floating_point:
        raise TypeError(f"set_default_tensor_type: a floating-point tensor type is expected, got {named}")
    dtypes.set_default_dtype(d)


def _assert(condition: Any, message: str) -> None:
    """`assert condition, message`, in the form that PyTorch's graph capture can see.

    >>> import retrograd as rg
    >>> rg._assert(True, "always")
    """
    assert condition, message
