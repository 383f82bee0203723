"""Whether operations are recorded: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`; each thread its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .core import tls
from .hooks import Watcher

F = TypeVar("F", bound=Callable[..., Any])

__all__ = [
    "enable_grad", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled",
]  # fmt: skip


class _Quiet(Watcher):
    """Recording switched on or off below a watcher that stays."""

    def __init__(self, inner: Any, record: bool) -> None:
        super().__init__(inner)
        self._record = record

    @property
    def record(self) -> bool:
        return self._record


def _switched(now: Any, record: bool) -> Any:
    """The state in which `now` records or not, its watchers kept."""
    if isinstance(now, bool):
        return record
    return _Quiet(now.inner if isinstance(now, _Quiet) else now, record)


class _Mode:
    """A context manager that is also a decorator of functions and generator functions."""

    record = True

    def __enter__(self) -> None:
        s = tls.state
        self._was = (s.grad, s.inference)
        s.grad = _switched(s.grad, self.record)

    def __exit__(self, *_: object) -> None:
        s = tls.state
        s.grad, s.inference = self._was

    def _clone(self) -> _Mode:
        return type(self)()

    def __call__(self, f: F) -> F:
        if inspect.isclass(f):
            raise TypeError(f"{type(self).__name__}: decorate functions, not the class {f.__name__}")
        if inspect.isgeneratorfunction(f):

            @functools.wraps(f)
            def generator(*args: Any, **kwargs: Any) -> Any:
                inner = f(*args, **kwargs)
                try:
                    with self._clone():
                        value = inner.send(None)
                    while True:
                        try:
                            sent = yield value
                        except GeneratorExit:
                            with self._clone():
                                inner.close()
                            raise
                        except BaseException as e:
                            with self._clone():
                                value = inner.throw(e)
                        else:
                            with self._clone():
                                value = inner.send(sent)
                except StopIteration as e:
                    return e.value

            return generator  # type: ignore[return-value]

        @functools.wraps(f)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self._clone():
                return f(*args, **kwargs)

        return wrapper  # type: ignore[return-value]


class no_grad(_Mode):
    """Operations are not recorded: as a context manager, or as a decorator `@no_grad()` or `@no_grad`.

    >>> import retrograd as rg
    >>> x = rg.ones(2, requires_grad=True)
    >>> with rg.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    record = False

    def __new__(cls, f: Any = None) -> Any:
        self = super().__new__(cls)
        return self if f is None else self(f)


class enable_grad(_Mode):
    """Operations are recorded again, inside `no_grad`: context manager or decorator.

    >>> import retrograd as rg
    >>> x = rg.ones(2, requires_grad=True)
    >>> with rg.no_grad(), rg.enable_grad():
    ...     (x * 2).requires_grad
    True
    """

    record = True

    def __new__(cls, f: Any = None) -> Any:
        self = super().__new__(cls)
        return self if f is None else self(f)


class set_grad_enabled(_Mode):
    """Recording on or off by a flag: takes effect at once, and is undone at the end of a `with` block.

    >>> import retrograd as rg
    >>> with rg.set_grad_enabled(False):
    ...     rg.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled: a bool is expected, got {type(mode).__name__}")
        self.record = mode
        s = tls.state
        self._was = (s.grad, s.inference)
        s.grad = _switched(s.grad, mode)

    def __enter__(self) -> None:
        tls.state.grad = _switched(tls.state.grad, self.record)

    def _clone(self) -> set_grad_enabled:
        return set_grad_enabled(self.record)

    def __call__(self, f: F) -> F:
        tls.state.grad = self._was[0]  # a decorator acts when the function runs, not now
        return super().__call__(f)


class inference_mode(_Mode):
    """As `no_grad`, for code whose results will never take part in a graph; `inference_mode(False)` does nothing.

    >>> import retrograd as rg
    >>> with rg.inference_mode():
    ...     rg.is_inference_mode_enabled()
    True
    """

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        self.__init__()
        return self if isinstance(mode, bool) else self(mode)

    def __init__(self, mode: Any = True) -> None:
        self.mode = mode if isinstance(mode, bool) else True
        self.record = not self.mode

    def __enter__(self) -> None:
        s = tls.state
        self._was = (s.grad, s.inference)
        if self.mode:
            s.grad = _switched(s.grad, False)
            s.inference = True

    def _clone(self) -> inference_mode:
        return inference_mode(self.mode)


def is_grad_enabled() -> bool:
    """Whether operations of this thread are recorded now.

    >>> import retrograd as rg
    >>> rg.is_grad_enabled()
    True
    """
    m = tls.state.grad
    return m if isinstance(m, bool) else m.record


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside `inference_mode`.

    >>> import retrograd as rg
    >>> rg.is_inference_mode_enabled()
    False
    """
    return tls.state.inference
