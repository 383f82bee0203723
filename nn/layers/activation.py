"""Activations that `torch.nn` lacks: fixed ones (scaled tanh, clipped ReLU, step) and learned piecewise linear ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.clamp import clamp
from ...autograd.ops.create import empty, full_like
from ...autograd.ops.where import where
from .. import functional as F
from .. import init
from ..modules.module import Module

__all__ = ["APLU", "ClippedReLU", "GaLU", "Heaviside", "LeCunTanh", "MeLU", "SReLU", "ScaledTanh"]


# ---------------------------------------------------------------- fixed
class ClippedReLU(Module):
    """`min(max(x, 0), max_value)`: a ReLU that saturates, which `ReLU6` is for 6.

    Shapes: any. Hannun et al., "Deep Speech: Scaling up End-to-End Speech Recognition", 2014, with max_value 20.

    >>> import retrograd as rg
    >>> rg.nn.ClippedReLU(2.0)(rg.tensor([-1.0, 0.5, 3.0]))
    tensor([0.0000, 0.5000, 2.0000])
    """

    def __init__(self, max_value: float = 20.0) -> None:
        super().__init__()
        if not max_value > 0:
            raise ValueError(f"ClippedReLU: max_value must be positive, got {max_value}")
        self.max_value = max_value

    def forward(self, input: Tensor) -> Tensor:
        return clamp(input, 0.0, self.max_value)

    def extra_repr(self) -> str:
        return f"max_value={self.max_value}"


class ScaledTanh(Module):
    """`a tanh(b x)`. Shapes: any.

    >>> import retrograd as rg
    >>> rg.nn.ScaledTanh(2.0, 0.5)(rg.tensor([0.0, 1000.0]))
    tensor([0., 2.])
    """

    def __init__(self, a: float = 1.0, b: float = 1.0) -> None:
        super().__init__()
        self.a, self.b = a, b

    def forward(self, input: Tensor) -> Tensor:
        return self.a * (self.b * input).tanh()

    def extra_repr(self) -> str:
        return f"a={self.a}, b={self.b}"


class LeCunTanh(ScaledTanh):
    """`1.7159 tanh(2 x / 3)`: f(1) = 1 and f(-1) = -1, where its second derivative is largest.

    Shapes: any. Inputs and targets of variance 1 lie where the slope is far from vanishing. LeCun, Bottou, Orr &
    Mueller, "Efficient BackProp", 1998.

    >>> import retrograd as rg
    >>> rg.nn.LeCunTanh()(rg.tensor([-1.0, 0.0, 1.0])).round(decimals=4).tolist()
    [-1.0, 0.0, 1.0]
    """

    def __init__(self) -> None:
        super().__init__(1.7159, 2.0 / 3.0)

    def extra_repr(self) -> str:
        return ""


class Heaviside(Module):
    """The step of the perceptron: 0 where x < 0, 1 where x > 0, and `value` at 0; its gradient is zero everywhere.

    Shapes: any. Rosenblatt, "The Perceptron", 1958. `Threshold` keeps x above its threshold instead.

    >>> import retrograd as rg
    >>> rg.nn.Heaviside()(rg.tensor([-2.0, 0.0, 3.0]))
    tensor([0., 1., 1.])
    """

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        sign = input.sign()  # differentiable, with gradient zero
        return where(sign == 0, full_like(sign, self.value), (sign + 1.0) * 0.5)

    def extra_repr(self) -> str:
        return f"value={self.value}"


# ---------------------------------------------------------------- learned
class _PerChannel(Module):
    """Parameters shared by all elements (num_parameters = 1), or one set per channel, dimension 1, as in PReLU."""

    num_parameters: int

    def _set(self, num_parameters: int) -> None:
        if num_parameters < 1:
            raise ValueError(f"{type(self).__name__}: num_parameters must be positive, got {num_parameters}")
        self.num_parameters = num_parameters

    def _shaper(self, input: Tensor) -> Callable[[Tensor], Tensor]:
        """Reshapes a parameter (num_parameters,) so that it broadcasts against the input."""
        n = self.num_parameters
        if n == 1:
            return lambda p: p.reshape(())
        channels = input.shape[1] if input.ndim > 1 else None
        if channels != n:
            raise ShapeError(
                f"{type(self).__name__}: {n} parameters are for an input (N, {n}, ...), got shape {tuple(input.shape)}"
            )
        shape = (n, *(1 for _ in input.shape[2:]))
        return lambda p: p.reshape(shape)


class SReLU(_PerChannel):
    """The S-shaped ReLU: three lines, with learned thresholds and slopes at both ends.

    `t_r + a_r (x - t_r)` where x >= t_r; `t_l + a_l (x - t_l)` where x <= t_l; x between them.

    num_parameters: 1, or the channels C of inputs `(N, C, *)`. It starts, with the default arguments, as ReLU.
    Parameters, each `(num_parameters,)`: t_right, a_right, t_left, a_left.

    Jin et al., "Deep Learning with S-shaped Rectified Linear Activation Units", AAAI 2016.

    >>> import retrograd as rg
    >>> rg.nn.SReLU(left_slope=0.5)(rg.tensor([-2.0, 0.5, 3.0])).tolist()
    [-1.0, 0.5, 3.0]
    """

    t_right: Tensor
    a_right: Tensor
    t_left: Tensor
    a_left: Tensor

    def __init__(
        self,
        num_parameters: int = 1,
        right_threshold: float = 1.0,
        right_slope: float = 1.0,
        left_threshold: float = 0.0,
        left_slope: float = 0.0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._set(num_parameters)
        if left_threshold > right_threshold:
            raise ValueError(
                f"SReLU: left_threshold must not exceed right_threshold, got {left_threshold} and {right_threshold}"
            )
        self.start = {
            "t_right": right_threshold, "a_right": right_slope, "t_left": left_threshold, "a_left": left_slope,
        }  # fmt: skip
        for name in self.start:
            setattr(self, name, Parameter(empty(num_parameters, device=device, dtype=dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Thresholds and slopes as given to the constructor."""
        for name, value in self.start.items():
            init.constant_(getattr(self, name), value)

    def forward(self, input: Tensor) -> Tensor:
        shaped = self._shaper(input)
        t_r, a_r, t_l, a_l = (shaped(p) for p in (self.t_right, self.a_right, self.t_left, self.a_left))
        left = where(input <= t_l, t_l + a_l * (input - t_l), input)
        return where(input >= t_r, t_r + a_r * (input - t_r), left)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class APLU(_PerChannel):
    """The adaptive piecewise linear unit: `max(0, x) + sum over s of a_s max(0, b_s - x)`.

    num_parameters: 1, or the channels C of inputs `(N, C, *)`. segments: how many hinges. The slopes `a` start at 0,
    so the unit starts as ReLU, and the hinges `b` uniform in [0, max_input]; both are `(segments, num_parameters)`.

    Agostinelli et al., "Learning Activation Functions to Improve Deep Neural Networks", ICLR 2015 workshop; the paper
    adds an L2 penalty of 0.001 on a and b.

    >>> import retrograd as rg
    >>> rg.nn.APLU(segments=3)(rg.tensor([-2.0, 0.5])).tolist()
    [0.0, 0.5]
    """

    a: Tensor
    b: Tensor

    def __init__(
        self,
        num_parameters: int = 1,
        segments: int = 2,
        max_input: float = 1.0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._set(num_parameters)
        if segments < 1:
            raise ValueError(f"APLU: segments must be positive, got {segments}")
        self.segments, self.max_input = segments, max_input
        self.a = Parameter(empty((segments, num_parameters), device=device, dtype=dtype))
        self.b = Parameter(empty((segments, num_parameters), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Slopes 0; hinges uniform in [0, max_input]."""
        init.zeros_(self.a)
        init.uniform_(self.b, 0.0, self.max_input)

    def forward(self, input: Tensor) -> Tensor:
        shaped = self._shaper(input)
        y = F.relu(input)
        for a, b in zip(self.a.unbind(0), self.b.unbind(0), strict=True):
            y = y + shaped(a) * F.relu(shaped(b) - input)
        return y

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}, segments={self.segments}, max_input={self.max_input}"


class _Hats(_PerChannel):
    """PReLU plus learned multiples of fixed functions, each on one of the intervals that halving [0, 4 m] gives."""

    weight: Tensor

    def __init__(
        self, num_parameters: int = 1, k: int = 4, max_input: float = 1.0, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self._set(num_parameters)
        name = type(self).__name__
        if k < 1:
            raise ValueError(f"{name}: k, the parameters of a channel, must be at least 1, got {k}")
        if not max_input > 0:
            raise ValueError(f"{name}: max_input must be positive, got {max_input}")
        self.k, self.max_input = k, max_input
        self.weight = Parameter(empty((k, num_parameters), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """All 0: the unit starts as ReLU."""
        init.zeros_(self.weight)

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """(start, width) of the k - 1 intervals, level by level: [0, 4 m], its halves, its quarters, and so on."""
        found = []
        for j in range(1, self.k):
            level = int(math.log2(j))
            width = 4.0 * self.max_input / 2**level
            found.append(((j - 2**level) * width, width))
        return found

    @staticmethod
    def _hat(x: Tensor, start: float, width: float) -> Tensor:
        raise NotImplementedError

    def forward(self, input: Tensor) -> Tensor:
        shaped = self._shaper(input)
        first, *rest = self.weight.unbind(0)
        y = where(input > 0, input, shaped(first) * input)
        for c, (start, width) in zip(rest, self.intervals, strict=True):
            y = y + shaped(c) * self._hat(input, start, width)
        return y

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}, k={self.k}, max_input={self.max_input}"


class MeLU(_Hats):
    """The Mexican ReLU: `PReLU_c0(x) + sum over j of c_j max(lambda_j - |x - a_j|, 0)`, with k learned c per channel.

    The hats are fixed: for max_input m the first covers [0, 4 m] (a = lambda = 2 m), the next two its halves, the next
    four its quarters. k = 4 is the paper's MeLU, k = 8 its wide MeLU. num_parameters: 1, or the channels C of inputs
    `(N, C, *)`. weight `(k, num_parameters)` holds c_0, c_1, ...; all start at 0, so the unit starts as ReLU.

    Maguolo, Nanni & Ghidoni, "Ensemble of Convolutional Neural Networks Trained with Different Activation Functions",
    Expert Systems with Applications 2021.

    >>> import retrograd as rg
    >>> unit = rg.nn.MeLU(k=4)
    >>> rg.nn.init.ones_(unit.weight).shape == (4, 1)
    True
    >>> unit(rg.tensor([-1.0, 1.0, 2.0])).tolist()
    [-1.0, 3.0, 4.0]
    """

    @staticmethod
    def _hat(x: Tensor, start: float, width: float) -> Tensor:
        return F.relu(width / 2 - (x - (start + width / 2)).abs())


class GaLU(_Hats):
    """The Gaussian ReLU: MeLU with waves, a hat up and a hat down, in place of hats.

    `PReLU_c0(x) + sum over j of c_j (max(lambda_j - |x - a_j|, 0) + min(|x - a_j - 2 lambda_j| - lambda_j, 0))`. For
    max_input m the first wave covers [0, 4 m] (a = lambda = m), the next two its halves, the next four its quarters.
    Arguments, weight and start as in `MeLU`.

    Nanni, Lumini, Ghidoni & Maguolo, "Stochastic Selection of Activation Layers for Convolutional Neural Networks",
    Sensors 2020.

    >>> import retrograd as rg
    >>> unit = rg.nn.GaLU(k=2)
    >>> rg.nn.init.ones_(unit.weight).shape == (2, 1)
    True
    >>> unit(rg.tensor([-1.0, 1.0, 3.0])).tolist()
    [-1.0, 2.0, 2.0]
    """

    @staticmethod
    def _hat(x: Tensor, start: float, width: float) -> Tensor:
        reach = width / 4
        middle = start + reach
        return F.relu(reach - (x - middle).abs()) - F.relu(reach - (x - (middle + 2 * reach)).abs())
