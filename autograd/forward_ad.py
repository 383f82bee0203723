"""Forward-mode differentiation by dual tensors: `dual_level`, `make_dual`, `unpack_dual`, as in `torch.autograd.forward_ad`.

>>> import retrograd as rg
>>> import retrograd.autograd.forward_ad as fwad
>>> with fwad.dual_level():
...     x = fwad.make_dual(rg.tensor(3.0), rg.tensor(1.0))
...     fwad.unpack_dual(x * x).tangent
tensor(6.)
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple

from .core import TensorBase
from .errors import GraphError
from .lifted import Dual, Level, Lifted, active, levels_of
from .lifting import dual_p, part_p

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` returns: primal, and tangent (None: the tensor is not dual)."""

    primal: Any
    tangent: Any


def _running() -> list[Level]:
    """The levels that this module has entered, outermost first."""
    return [v for v in active.levels if v.kind is Dual and v.randomness == "forward_ad"]


def enter_dual_level() -> int:
    """Enter forward mode, and return its level: 0. There is one level at a time; nest `func.jvp` for more.

    >>> import retrograd.autograd.forward_ad as fwad
    >>> level = fwad.enter_dual_level()
    >>> fwad.exit_dual_level(level=level)
    """
    if _running():
        raise GraphError("enter_dual_level: nested forward mode is not supported at the moment; nest func.jvp instead")
    Level(Dual, randomness="forward_ad").__enter__()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Leave forward mode: tensors that were made dual have no tangent any more."""
    running = _running()
    if not running:
        raise GraphError("exit_dual_level: there is no forward mode to leave; enter_dual_level() was not called")
    if level not in (None, 0):
        raise GraphError(f"exit_dual_level: level {level} was given, but level 0 is the one to leave")
    running[-1].__exit__()


class dual_level:
    """Context manager: inside, `make_dual` makes dual tensors, whose tangents follow every operation.

    >>> import retrograd as rg
    >>> from retrograd.autograd.forward_ad import dual_level, make_dual, unpack_dual
    >>> with dual_level():
    ...     unpack_dual(rg.sin(make_dual(rg.zeros(2), rg.ones(2)))).tangent
    tensor([1., 1.])
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        exit_dual_level()


def _level(level: int | None, what: str) -> Level | None:
    running = _running()
    if level not in (None, 0):
        raise GraphError(f"{what}: level must be 0 or None, got {level}")
    return running[-1] if running else None


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A dual tensor of a value and its tangent, which must agree in shape and dtype. Only inside a `dual_level`.

    Gradients flow to both: differentiate a tangent backward for a product with the Hessian.

    >>> import retrograd as rg
    >>> from retrograd.autograd.forward_ad import dual_level, make_dual
    >>> with dual_level():
    ...     make_dual(rg.tensor(1.0), rg.tensor(2.0))
    tensor(1., tangent=tensor(2.))
    """
    now = _level(level, "make_dual")
    if now is None:
        raise GraphError(
            "make_dual: trying to create a dual tensor outside of forward mode; do it inside `with dual_level():`"
        )
    for name, v in (("tensor", tensor), ("tangent", tangent)):
        if not isinstance(v, TensorBase):
            raise TypeError(f"make_dual: {name} must be a Tensor, got {type(v).__name__}")
        if v._dtype.kind not in "fc":
            raise ValueError(f"make_dual: expected {name} to be floating point or complex, got {v._dtype.name}")
    if tensor._shape != tangent._shape:
        raise GraphError(
            f"make_dual: the tensor has shape {tuple(tensor._shape)}, its tangent {tuple(tangent._shape)}; they must be equal"
        )
    if tensor._dtype is not tangent._dtype:
        raise GraphError(
            f"make_dual: the tensor is {tensor._dtype.name}, its tangent {tangent._dtype.name}; they must be equal"
        )
    if isinstance(tensor._data, Lifted) and now in levels_of(tensor._data):
        raise GraphError(
            "make_dual: the tensor has a tangent at this level already; unpack_dual(tensor).primal has none"
        )
    return dual_p((tensor, tangent), now, False)


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """(primal, tangent) of a tensor: the primal shares its memory, the tangent is None where it has none.

    >>> import retrograd as rg
    >>> from retrograd.autograd.forward_ad import unpack_dual
    >>> unpack_dual(rg.ones(1))
    UnpackedDualTensor(primal=tensor([1.]), tangent=None)
    """
    now = _level(level, "unpack_dual")
    a = tensor._data
    if not isinstance(a, Lifted):
        return UnpackedDualTensor(tensor, None)
    if now is None or now not in levels_of(a):
        ended = [v for v in levels_of(a) if v.kind is Dual and v not in active.levels]
        for v in ended:
            tensor = part_p(tensor, v, 0, False)
        return UnpackedDualTensor(tensor, None)
    zero = isinstance(a, Dual) and a.level is now and a.tangent is None
    return UnpackedDualTensor(part_p(tensor, now, 0, False), None if zero else part_p(tensor, now, 1, False))
