"""Activations as layers; the functions are in `nn.functional`."""

from __future__ import annotations

import warnings
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.ops.create import empty
from .. import functional as F
from .. import init as initializers
from .attention import MultiheadAttention as MultiheadAttention
from .module import Module
from .softmax import GLU, LogSoftmax, Softmax, Softmax2d, Softmin

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmax2d",
    "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


class _Inplace(Module):
    """A function with no setting but `inplace`: overwrite the input instead of making a new tensor."""

    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(_Inplace):
    """`max(x, 0)`.

    >>> import retrograd as rg
    >>> rg.nn.ReLU()(rg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, inplace=self.inplace)

    forward.is_relu = True  # type: ignore[attr-defined]  # what `pairs` asks for


class Threshold(Module):
    """x where it exceeds `threshold`, else `value`.

    >>> import retrograd as rg
    >>> rg.nn.Threshold(0.0, 9.0)(rg.tensor([-1.0, 2.0]))
    tensor([9., 2.])
    """

    threshold: float
    value: float
    inplace: bool

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")


class RReLU(Module):
    """In training, LeakyReLU with a slope drawn for each element from `[lower, upper]`; in evaluation, their mean.

    Xu et al., "Empirical Evaluation of Rectified Activations in Convolutional Network", 2015.

    >>> import retrograd as rg
    >>> rg.nn.RReLU(0.1, 0.3).eval()(rg.tensor([-1.0, 2.0])).shape == (2,)
    True
    """

    lower: float
    upper: float
    inplace: bool

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")


class Hardtanh(Module):
    """x limited to `[min_val, max_val]`.

    >>> import retrograd as rg
    >>> rg.nn.Hardtanh(-0.5, 1.0)(rg.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.5000,  0.0000,  1.0000])
    """

    min_val: float
    max_val: float
    inplace: bool

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, new, value in (("min_value", "min_val", min_value), ("max_value", "max_val", max_value)):
            if value is not None:
                warnings.warn(
                    f"keyword argument `{old}` is deprecated and renamed to `{new}`", FutureWarning, stacklevel=2
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})")

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class ReLU6(Hardtanh):
    """`min(max(x, 0), 6)`.

    >>> import retrograd as rg
    >>> rg.nn.ReLU6()(rg.tensor([-1.0, 2.0, 8.0]))
    tensor([0., 2., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """`1 / (1 + exp(-x))`.

    >>> import retrograd as rg
    >>> rg.nn.Sigmoid()(rg.tensor([0.0]))
    tensor([0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Hardsigmoid(_Inplace):
    """Sigmoid made of straight lines: `clamp(x/6 + 1/2, 0, 1)`.

    >>> import retrograd as rg
    >>> rg.nn.Hardsigmoid()(rg.tensor([-3.0, 0.0, 3.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # as PyTorch prints it


class Tanh(Module):
    """`tanh(x)`.

    >>> import retrograd as rg
    >>> rg.nn.Tanh()(rg.tensor([0.0]))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class SiLU(_Inplace):
    """`x * sigmoid(x)`, also called swish.

    >>> import retrograd as rg
    >>> rg.nn.SiLU()(rg.tensor([0.0]))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, inplace=self.inplace)


class Mish(_Inplace):
    """`x * tanh(softplus(x))`.

    >>> import retrograd as rg
    >>> rg.nn.Mish()(rg.tensor([0.0]))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, inplace=self.inplace)


class Hardswish(_Inplace):
    """SiLU made of straight lines: `x * clamp(x + 3, 0, 6) / 6`.

    >>> import retrograd as rg
    >>> rg.nn.Hardswish()(rg.tensor([-3.0, 3.0]))
    tensor([-0., 3.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # as PyTorch prints it


class ELU(Module):
    """x where positive, else `alpha * (exp(x) - 1)`.

    Clevert, Unterthiner & Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units", ICLR 2016.

    >>> import retrograd as rg
    >>> rg.nn.ELU()(rg.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """

    alpha: float
    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class CELU(Module):
    """`max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`.

    >>> import retrograd as rg
    >>> rg.nn.CELU()(rg.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """

    alpha: float
    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SELU(_Inplace):
    """`scale * (max(0, x) + min(0, alpha * (exp(x) - 1)))` with constants that keep mean 0 and variance 1.

    Klambauer et al., "Self-Normalizing Neural Networks", NeurIPS 2017.

    >>> import retrograd as rg
    >>> rg.nn.SELU()(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 1.0507])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)


class GELU(Module):
    """`x * Phi(x)` with the normal distribution function Phi; approximate="tanh" replaces it by a tanh formula.

    Hendrycks & Gimpel, "Gaussian Error Linear Units", 2016.

    >>> import retrograd as rg
    >>> rg.nn.GELU()(rg.tensor([0.0]))
    tensor([0.])
    """

    approximate: str

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Hardshrink(Module):
    """x where `abs(x) > lambd`, else 0.

    >>> import retrograd as rg
    >>> rg.nn.Hardshrink(1.5)(rg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class LeakyReLU(Module):
    """x where positive, else `negative_slope * x`.

    >>> import retrograd as rg
    >>> rg.nn.LeakyReLU(0.5)(rg.tensor([-1.0, 2.0]))
    tensor([-0.5000,  2.0000])
    """

    negative_slope: float
    inplace: bool

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class LogSigmoid(Module):
    """`log(sigmoid(x))`, exact for large negative x.

    >>> import retrograd as rg
    >>> rg.nn.LogSigmoid()(rg.tensor([-200.0]))
    tensor([-200.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Softplus(Module):
    """`log(1 + exp(beta * x)) / beta`, a smooth ReLU; x itself where `beta * x > threshold`.

    >>> import retrograd as rg
    >>> rg.nn.Softplus()(rg.tensor([0.0, 30.0]))
    tensor([ 0.6931, 30.0000])
    """

    beta: float
    threshold: float

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softshrink(Module):
    """x moved towards 0 by lambd, and 0 where `abs(x) <= lambd`.

    >>> import retrograd as rg
    >>> rg.nn.Softshrink(1.0)(rg.tensor([-1.0, 2.0]))
    tensor([0., 1.])
    """

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class PReLU(Module):
    """LeakyReLU whose slope is learned: one for all, or one per channel (dimension 1) of `(N, C, ...)`.

    Parameter `weight` `(num_parameters,)`, which starts at `init`.

    He et al., "Delving Deep into Rectifiers", ICCV 2015.

    >>> import retrograd as rg
    >>> rg.nn.PReLU()(rg.tensor([-1.0, 2.0])).tolist()
    [-0.25, 2.0]
    """

    num_parameters: int
    init: float
    weight: Tensor

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slopes back to `init`."""
        initializers.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Softsign(Module):
    """`x / (1 + abs(x))`.

    >>> import retrograd as rg
    >>> rg.nn.Softsign()(rg.tensor([1.0]))
    tensor([0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanhshrink(Module):
    """`x - tanh(x)`.

    >>> import retrograd as rg
    >>> rg.nn.Tanhshrink()(rg.tensor([0.0]))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)
