"""Anomaly detection: names the operation that first made a NaN or infinity, forward or backward, with module and line."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from .backend import is_array, of, xp_of
from .core import Node, TensorBase, line, module_path, tls, user_line
from .errors import NumericsError
from .hooks import Watcher

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]


def _bad(a: Any, inf: bool) -> bool:
    """Whether an array holds a NaN (or, if asked, an infinity)."""
    if not is_array(a) or a.dtype.kind not in "fc" and a.dtype.name != "bfloat16":
        return False
    if a.dtype.name == "bfloat16":
        a = a.astype("f4")
    xp = xp_of(a)
    return bool((~xp.isfinite(a)).any() if inf else xp.isnan(a).any())


def _first(a: Any, inf: bool) -> str:
    """The first bad element: value and index."""
    xp = xp_of(a)
    a = a.astype("f4") if a.dtype.name == "bfloat16" else a
    host = of(a).to_numpy(~xp.isfinite(a) if inf else xp.isnan(a))
    at = tuple(int(i[0]) for i in host.nonzero()) if host.ndim else ()
    value = of(a).to_numpy(a)[at]
    return f"{value} at {list(at)}" if at else f"{value}"


def _range(x: Any) -> str:
    a = x._data if isinstance(x, TensorBase) else x
    if not hasattr(a, "shape"):
        return repr(a)
    if not a.size or a.dtype.kind not in "fiu":
        return f"{tuple(a.shape)} {a.dtype}"
    return f"{tuple(a.shape)} in [{float(a.min()):.4g}, {float(a.max()):.4g}]"


class _Detector(Watcher):
    """Looks at every result as it is made, and at every cotangent as it passes."""

    def __init__(self, inner: Any, forward: bool, backward: bool, inf: bool) -> None:
        super().__init__(inner)
        self.forward, self.backward, self.inf = forward, backward, inf

    def saw(self, op: Any, xs: Any, p: Any, node: Any, r: Any, index: int = 0) -> None:
        super().saw(op, xs, p, node, r, index)
        self._look(op, xs, node, r)

    def _look(self, op: Any, xs: Any, node: Any, r: Any) -> None:
        if not self.forward or not _bad(r._data, self.inf):
            return
        given = [x._data if isinstance(x, TensorBase) else x for x in xs if x is not None]
        if any(_bad(a, self.inf) for a in given):
            return  # it came in with an operand: not the first producer
        where = line(node.code, node.lasti) if node is not None and node.code is not None else user_line()
        module = module_path(tls.state.module)
        raise NumericsError(
            f"detect_anomaly: {op.name} made {_first(r._data, self.inf)} in forward, at {where}"
            f"{f', in module {module}' if module else ''}; its operands were finite: {', '.join(map(_range, given))}"
        )

    def called(self, op: Any, xs: Any, node: Any, r: Any) -> None:
        super().called(op, xs, node, r)
        self._look(op, xs, node, r)

    def cotangent(self, n: Any, g: Any) -> None:
        """The cotangent that a node receives."""

    def gave(self, n: Node, given: Any, g: Any) -> None:
        """The cotangents that a node gave to its parents: not finite from finite ones is an error."""
        if not self.backward:
            return
        came = [v._data if isinstance(v, TensorBase) else v for v in (g if type(g) is list else [g]) if v is not None]
        if any(_bad(a, self.inf) for a in came):
            return
        for i, v in enumerate(given):
            a = v._data if isinstance(v, TensorBase) else v
            if a is not None and type(a) is not list and _bad(a, self.inf):
                module = module_path(n.module)
                raise NumericsError(
                    f"detect_anomaly: the gradient of {n.op.name} (Function '{n.name()}') made {_first(a, self.inf)} for "
                    f"operand {i} in backward; the operation was recorded at {line(n.code, n.lasti)}"
                    f"{f', in module {module}' if module else ''}; the incoming gradient was finite: "
                    f"{', '.join(map(_range, came))}"
                )


class detect_anomaly(AbstractContextManager[None]):
    """Context manager that finds the operation which first makes a NaN (or infinity), and raises NumericsError there.

    forward: look at results; backward: look at gradients; inf: infinities count too. The error names the operation, its
    module, the line that ran (or recorded) it, and the ranges of its operands. check_nan=False: only PyTorch's signature.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, 0.0], requires_grad=True)
    >>> with rg.autograd.detect_anomaly(inf=True):
    ...     rg.log(x)
    Traceback (most recent call last):
    ...
    retrograd.autograd.errors.NumericsError: detect_anomaly: log made -inf at [1] in forward, at ...
    """

    def __init__(
        self, check_nan: bool = True, *, forward: bool = True, backward: bool = True, inf: bool = False
    ) -> None:
        self._flags = (forward and check_nan, backward and check_nan, inf)

    def __enter__(self) -> None:
        s = tls.state
        self._was = (s.grad, s.anomaly)
        detector = _Detector(s.grad, *self._flags)
        s.grad = s.anomaly = detector

    def __exit__(self, *_: object) -> None:
        s = tls.state
        s.grad, s.anomaly = self._was


class set_detect_anomaly(AbstractContextManager[None]):
    """Anomaly detection on or off by a flag: takes effect at once, undone at the end of a `with` block."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        s = tls.state
        self._was = (s.grad, s.anomaly)
        below = s.grad.inner if isinstance(s.grad, _Detector) else s.grad
        s.grad, s.anomaly = below, None
        if mode:
            s.grad = s.anomaly = _Detector(below, check_nan, check_nan, False)

    def __exit__(self, *_: object) -> None:
        s = tls.state
        s.grad, s.anomaly = self._was


def is_anomaly_enabled() -> bool:
    """Whether this thread detects anomalies."""
    return tls.state.anomaly is not None
