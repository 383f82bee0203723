"""How an operation's record describes the calls that its tests make, for any library and any dtype."""

from __future__ import annotations

from typing import Any

import numpy as np


class TensorSpec:
    """A tensor to be drawn: shape, range, dtype (None: the floating-point dtype under test), or fixed values."""

    __slots__ = ("shape", "low", "high", "dtype", "grad", "values")

    def __init__(self, shape: tuple[int, ...], low: float, high: float, dtype: str | None, grad: bool, values: Any):
        self.shape, self.low, self.high, self.dtype, self.grad, self.values = shape, low, high, dtype, grad, values

    def draw(self, rng: np.random.Generator, dtype: str) -> np.ndarray:
        """The array: distinct, well separated values, so that sorting and maxima have no accidental ties."""
        d = np.dtype(self.dtype or dtype)
        if self.values is not None:
            return np.array(self.values, dtype=d)
        if d.kind == "b":
            return rng.random(self.shape) > 0.5
        if d.kind in "iu":
            return rng.integers(int(self.low), max(int(self.high), int(self.low) + 1), self.shape).astype(d)
        n = int(np.prod(self.shape))
        grid = (np.arange(n) + rng.uniform(0.25, 0.75, n)) / max(n, 1)
        x = self.low + (self.high - self.low) * rng.permutation(grid).reshape(self.shape)
        if d.kind == "c":
            y = self.low + (self.high - self.low) * rng.permutation(grid).reshape(self.shape)
            return (x + 1j * y).astype(d)
        return x.astype(d)

    def __repr__(self) -> str:
        return f"t{self.shape}{'' if self.dtype is None else ' ' + self.dtype}"


class DtypeSpec:
    """Stands for a dtype object of the library under test."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class Call:
    """One call of a public function. torch: whether PyTorch has it too."""

    __slots__ = ("args", "kwargs", "torch")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], torch: bool) -> None:
        self.args, self.kwargs, self.torch = args, kwargs, torch

    def __repr__(self) -> str:
        words = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"({', '.join(words)})"


class Raises:
    """A call that must raise `error` with a message matching `match`."""

    __slots__ = ("error", "match", "call")

    def __init__(self, error: type[BaseException], match: str, call: Call) -> None:
        self.error, self.match, self.call = error, match, call

    def __repr__(self) -> str:
        return f"{self.error.__name__} {self.call!r}"


def t(
    *shape: int, low: float = -2.0, high: float = 2.0, dtype: str | None = None, grad: bool = True, values: Any = None
) -> TensorSpec:
    """A tensor to be drawn between low and high."""
    return TensorSpec(shape, low, high, dtype, grad, values)


def D(name: str) -> DtypeSpec:
    """A dtype object of the library under test."""
    return DtypeSpec(name)


def call(*args: Any, torch: bool = True, **kwargs: Any) -> Call:
    """A call with these arguments."""
    return Call(args, kwargs, torch)


def raises(error: type[BaseException], match: str, *args: Any, **kwargs: Any) -> Raises:
    """A call with these arguments that must fail."""
    return Raises(error, match, Call(args, kwargs, True))


def build(spec: Any, make: Any, dtype_of: Any) -> Any:
    """The argument that `spec` describes: `make(tensor_spec)` for tensors, `dtype_of(name)` for dtypes."""
    if isinstance(spec, TensorSpec):
        return make(spec)
    if isinstance(spec, DtypeSpec):
        return dtype_of(spec.name)
    if isinstance(spec, (list, tuple)):
        return type(spec)(build(s, make, dtype_of) for s in spec)
    if isinstance(spec, dict):
        return {k: build(s, make, dtype_of) for k, s in spec.items()}
    return spec
