"""Recurrences that `torch.nn` lacks: Jordan and echo state networks, cells with peepholes and with the paper's reset gate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.errors import ShapeError
from ...autograd.grad_mode import no_grad
from ...autograd.ops.activation import relu, sigmoid
from ...autograd.ops.create import empty, ones, zeros
from ...autograd.ops.join import cat, stack
from ...autograd.ops.linalg_eig import eigvals
from ...autograd.ops.linalg_solve import solve
from ...autograd.ops.math import tanh
from ...autograd.ops.random import rand
from ...autograd.ops.ranges import eye
from ...autograd.random import Generator
from .. import functional as F
from .. import init
from ..modules.linear import Linear
from ..modules.module import Module
from ..modules.rnn import RNNCellBase

__all__ = ["EchoState", "JordanRNN", "JordanRNNCell", "PeepholeLSTMCell", "ResetBeforeGRUCell", "Unroll"]

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": tanh, "relu": relu, "sigmoid": sigmoid, "identity": lambda x: x,
}  # fmt: skip


def _time(name: str, input: Tensor, features: int, batch_first: bool) -> int:
    """The dimension of time of a checked input (T, N, I), (N, T, I) or (T, I)."""
    if input.ndim not in (2, 3):
        raise ShapeError(
            f"{name}: expected a 2-D (one sequence) or 3-D (a batch) input, got shape {tuple(input.shape)}"
        )
    if features >= 0 and input.shape[-1] != features:
        raise ShapeError(f"{name}: input.size(-1) must be input_size {features}, got {input.shape[-1]}")
    dim = 1 if batch_first and input.ndim == 3 else 0
    if input.shape[dim] == 0:
        raise ShapeError(f"{name}: the sequence has no steps: input shape {tuple(input.shape)}")
    return dim


class Unroll(Module):
    """Runs a cell over a sequence, step by step, with gradients through all of them.

    cell: a module called as `cell(x_t, state)`, with state None at first, that returns its new state, a tensor or a
    tuple of tensors whose first is the output (as RNNCell, GRUCell, LSTMCell, Zoneout), or a pair (output, state) whose
    state is a tuple (as NTMCell, DNCCell).

    Shapes: input `(T, N, I)`, `(N, T, I)` with batch_first, or `(T, I)` for one sequence; returns the outputs, stacked
    along the same dimension, and the last state.

    >>> import retrograd as rg
    >>> out, (h, c) = rg.nn.Unroll(rg.nn.LSTMCell(3, 4))(rg.zeros(5, 2, 3))
    >>> tuple(out.shape), tuple(h.shape)
    ((5, 2, 4), (2, 4))
    """

    cell: Module

    def __init__(self, cell: Module, batch_first: bool = False) -> None:
        super().__init__()
        self.cell, self.batch_first = cell, batch_first

    def forward(self, input: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        dim = _time("Unroll", input, -1, self.batch_first)
        outputs = []
        for x in input.unbind(dim):
            new = self.cell(x, state)
            if isinstance(new, tuple) and len(new) == 2 and isinstance(new[1], tuple):
                output, state = new
            else:
                output, state = (new[0] if isinstance(new, tuple) else new), new
            outputs.append(output)
        return stack(outputs, dim), state

    def extra_repr(self) -> str:
        return f"batch_first={self.batch_first}"


# ---------------------------------------------------------------- Jordan
class _Jordan(Module):
    """The weights and the step that the cell and the network share."""

    weight_in: Tensor
    weight_back: Tensor
    weight_out: Tensor
    bias_h: Tensor | None
    bias_y: Tensor | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        nonlinearity: str = "tanh",
        output_nonlinearity: str = "identity",
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        for label, size in (("input_size", input_size), ("hidden_size", hidden_size), ("output_size", output_size)):
            if size <= 0:
                raise ValueError(f"{name}: {label} must be positive, got {size}")
        for label, given in (("nonlinearity", nonlinearity), ("output_nonlinearity", output_nonlinearity)):
            if given not in _FUNCTIONS:
                raise ValueError(f"{name}: {label} must be one of {', '.join(map(repr, _FUNCTIONS))}, got {given!r}")
        self.input_size, self.hidden_size, self.output_size, self.bias = input_size, hidden_size, output_size, bias
        self.nonlinearity, self.output_nonlinearity = nonlinearity, output_nonlinearity
        made = {"device": device, "dtype": dtype}
        self.weight_in = Parameter(empty((hidden_size, input_size), **made))
        self.weight_back = Parameter(empty((hidden_size, output_size), **made))
        self.weight_out = Parameter(empty((output_size, hidden_size), **made))
        self.register_parameter("bias_h", Parameter(empty(hidden_size, **made)) if bias else None)
        self.register_parameter("bias_y", Parameter(empty(output_size, **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, uniform in +-1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _first(self, like: Tensor, y: Tensor | None) -> Tensor:
        shape = (*like.shape[:-1], self.output_size)
        if y is None:
            return zeros(shape, dtype=like.dtype, device=like.device)
        if tuple(y.shape) != shape:
            raise ShapeError(f"{type(self).__name__}: the last output must have shape {shape}, got {tuple(y.shape)}")
        return y

    def _step(self, driven: Tensor, y: Tensor) -> Tensor:
        """The output, from the input's part W_in x_t + b_h and the last output."""
        h = _FUNCTIONS[self.nonlinearity](driven + F.linear(y, self.weight_back))
        return _FUNCTIONS[self.output_nonlinearity](F.linear(h, self.weight_out, self.bias_y))

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}, {self.output_size}"
        shown = {
            "nonlinearity": (self.nonlinearity, "tanh"), "bias": (self.bias, True),
            "output_nonlinearity": (self.output_nonlinearity, "identity"),
        }  # fmt: skip
        return s + "".join(f", {k}={v}" for k, (v, default) in shown.items() if v != default)


class JordanRNNCell(_Jordan):
    """One step of a Jordan network, whose memory is its last output: y from the input and the output before.

    `h_t = f(W_in x_t + W_back y_{t-1} + b_h)`, `y_t = g(W_out h_t + b_y)`. Shapes: input `(N, input_size)` or
    `(input_size,)`; y `(N, output_size)` or `(output_size,)`, zero if left away.

    nonlinearity: f; output_nonlinearity: g; 'tanh', 'relu', 'sigmoid' or 'identity'. Parameters: weight_in
    `(hidden_size, input_size)`, weight_back `(hidden_size, output_size)`, weight_out `(output_size, hidden_size)`,
    bias_h, bias_y; uniform in +-1/sqrt(hidden_size).

    Jordan, "Serial Order: A Parallel Distributed Processing Approach", 1986.

    >>> import retrograd as rg
    >>> tuple(rg.nn.JordanRNNCell(3, 8, 2)(rg.zeros(5, 3)).shape)
    (5, 2)
    """

    def forward(self, input: Tensor, y: Tensor | None = None) -> Tensor:
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"JordanRNNCell: expected an input (N, {self.input_size}) or ({self.input_size},), "
                f"got shape {tuple(input.shape)}"
            )
        return self._step(F.linear(input, self.weight_in, self.bias_h), self._first(input, y))


class JordanRNN(_Jordan):
    """A Jordan network over a sequence: its hidden units see the input and the network's last output.

    `h_t = f(W_in x_t + W_back y_{t-1} + b_h)`, `y_t = g(W_out h_t + b_y)`. With targets (teacher forcing) the output
    before is replaced by the target before, so that all steps run at once, and errors do not pile up in training.

    Shapes: input `(T, N, input_size)`, `(N, T, input_size)` with batch_first, or `(T, input_size)` for one sequence;
    y0 `(N, output_size)` or `(output_size,)`, zero if left away; targets like the output, `(T, N, output_size)`.
    Returns the output and its last step. Arguments and parameters as in `JordanRNNCell`.

    Jordan, "Serial Order: A Parallel Distributed Processing Approach", 1986.

    >>> import retrograd as rg
    >>> out, y = rg.nn.JordanRNN(3, 8, 2)(rg.zeros(7, 5, 3))
    >>> tuple(out.shape), tuple(y.shape)
    ((7, 5, 2), (5, 2))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        nonlinearity: str = "tanh",
        output_nonlinearity: str = "identity",
        bias: bool = True,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, nonlinearity, output_nonlinearity, bias, device, dtype)
        self.batch_first = batch_first

    def forward(self, input: Tensor, y0: Tensor | None = None, targets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        dim = _time("JordanRNN", input, self.input_size, self.batch_first)
        driven = F.linear(input, self.weight_in, self.bias_h)  # (T, N, hidden_size)
        y = self._first(input.select(dim, 0), y0)
        if targets is not None:
            shape = (*input.shape[:-1], self.output_size)
            if tuple(targets.shape) != shape:
                raise ShapeError(f"JordanRNN: targets must have shape {shape}, got {tuple(targets.shape)}")
            before = cat([y.unsqueeze(dim), targets.narrow(dim, 0, shape[dim] - 1)], dim)
            output = self._step(driven, before)
            return output, output.select(dim, -1)
        outputs = []
        for part in driven.unbind(dim):
            y = self._step(part, y)
            outputs.append(y)
        return stack(outputs, dim), y

    def extra_repr(self) -> str:
        return super().extra_repr() + (", batch_first=True" if self.batch_first else "")


# ---------------------------------------------------------------- echo state
class EchoState(Module):
    """An echo state network: an Elman network whose input and recurrent weights are random and fixed, and a readout.

    `h_t = (1 - leak) h_{t-1} + leak tanh(W_in x_t + W h_{t-1} + b)`, `y_t = readout(h_t)`. weight_in, weight_hh and
    bias_hh are buffers, in the state_dict but never trained: W has a share `density` of weights uniform in +-1, scaled
    to the given spectral radius; W_in and b are uniform in +-input_scale and +-bias_scale. The readout is a `Linear`,
    trained by any optimizer or in closed form by `fit`.

    Shapes: input `(T, N, input_size)`, `(N, T, input_size)` with batch_first, or `(T, input_size)` for one sequence; h0
    `(N, reservoir_size)` or `(reservoir_size,)`, zero if left away. Returns the output `(T, N, output_size)` and the
    last state. generator: draws the fixed weights (of the CPU); the default generator if left away.

    Jaeger, "The 'Echo State' Approach to Analysing and Training Recurrent Neural Networks", GMD Report 148, 2001.

    >>> import retrograd as rg
    >>> net = rg.nn.EchoState(1, 50, 2)
    >>> out, h = net(rg.ones(20, 3, 1))
    >>> tuple(out.shape), sorted(name for name, _ in net.named_parameters())
    ((20, 3, 2), ['readout.bias', 'readout.weight'])
    """

    weight_in: Tensor
    weight_hh: Tensor
    bias_hh: Tensor
    readout: Linear

    def __init__(
        self,
        input_size: int,
        reservoir_size: int,
        output_size: int,
        spectral_radius: float = 0.9,
        leak: float = 1.0,
        density: float = 0.1,
        input_scale: float = 1.0,
        bias_scale: float = 0.0,
        batch_first: bool = False,
        generator: Generator | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if min(input_size, reservoir_size, output_size) <= 0:
            raise ValueError(f"EchoState: sizes must be positive, got {input_size}, {reservoir_size}, {output_size}")
        if spectral_radius < 0:
            raise ValueError(f"EchoState: spectral_radius must not be negative, got {spectral_radius}")
        if not 0 < leak <= 1 or not 0 < density <= 1:
            raise ValueError(f"EchoState: leak and density must lie in (0, 1], got {leak} and {density}")
        self.input_size, self.reservoir_size, self.output_size = input_size, reservoir_size, output_size
        self.spectral_radius, self.leak, self.density = spectral_radius, leak, density
        self.input_scale, self.bias_scale, self.batch_first = input_scale, bias_scale, batch_first
        made = {"device": device, "dtype": dtype}
        self.register_buffer("weight_in", empty((reservoir_size, input_size), **made))
        self.register_buffer("weight_hh", empty((reservoir_size, reservoir_size), **made))
        self.register_buffer("bias_hh", empty(reservoir_size, **made))
        self.readout = Linear(reservoir_size, output_size, device=device, dtype=dtype)
        self.reset_parameters(generator)

    @no_grad()
    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the fixed weights and the readout anew."""
        n = self.reservoir_size

        def uniform(*shape: int) -> Tensor:
            return rand(*shape, generator=generator, dtype=self.weight_hh.dtype, device="cpu") * 2.0 - 1.0

        # On the CPU, where eigenvalues of a general matrix are to be had, and equal for every device.
        w = uniform(n, n)
        w = w * (rand(n, n, generator=generator, device="cpu") < self.density).to(w.dtype)
        radius = eigvals(w.double()).abs().max().item()
        if radius == 0.0 and self.spectral_radius > 0:
            raise ValueError(
                f"EchoState: with density {self.density} the {n} units were drawn without a cycle, so their weights have "
                "spectral radius 0 and cannot be scaled; raise density or reservoir_size"
            )
        self.weight_hh.copy_(w * (self.spectral_radius / radius if radius else 0.0))
        self.weight_in.copy_(uniform(n, self.input_size) * self.input_scale)
        self.bias_hh.copy_(uniform(n) * self.bias_scale)
        self.readout.reset_parameters()

    def states(self, input: Tensor, h0: Tensor | None = None) -> Tensor:
        """The states of the reservoir, `(T, N, reservoir_size)`, or in the order of the input."""
        dim = _time("EchoState", input, self.input_size, self.batch_first)
        driven = F.linear(input, self.weight_in, self.bias_hh)
        h = zeros(driven.select(dim, 0).shape, dtype=input.dtype, device=input.device) if h0 is None else h0
        shape = tuple(driven.select(dim, 0).shape)
        if tuple(h.shape) != shape:
            raise ShapeError(f"EchoState: h0 must have shape {shape}, got {tuple(h.shape)}")
        found = []
        for part in driven.unbind(dim):
            new = tanh(part + F.linear(h, self.weight_hh))
            h = new if self.leak == 1 else h * (1.0 - self.leak) + new * self.leak
            found.append(h)
        return stack(found, dim)

    def forward(self, input: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        states = self.states(input, h0)
        return self.readout(states), states.select(1 if self.batch_first and input.ndim == 3 else 0, -1)

    @no_grad()
    def fit(self, input: Tensor, targets: Tensor, ridge: float = 1e-6, washout: int = 0) -> EchoState:
        """Set the readout by ridge regression of targets `(T, N, output_size)` on the states, and return the network.

        washout: how many first steps, which still depend on the initial state, to leave out. The bias is not penalised.
        """
        dim = _time("EchoState.fit", input, self.input_size, self.batch_first)
        steps, shape = input.shape[dim], (*input.shape[:-1], self.output_size)
        if tuple(targets.shape) != shape:
            raise ShapeError(f"EchoState.fit: targets must have shape {shape}, got {tuple(targets.shape)}")
        if not 0 <= washout < steps:
            raise ValueError(f"EchoState.fit: washout must be less than the {steps} steps, got {washout}")
        if ridge < 0:
            raise ValueError(f"EchoState.fit: ridge must not be negative, got {ridge}")
        h = self.states(input).narrow(dim, washout, steps - washout).reshape(-1, self.reservoir_size)
        y = targets.narrow(dim, washout, steps - washout).reshape(-1, self.output_size)
        x = cat([h, ones(h.shape[0], 1, dtype=h.dtype, device=h.device)], 1).double()
        penalty = eye(x.shape[1], dtype=x.dtype, device=x.device) * ridge
        penalty[-1, -1] = 0.0
        found = solve(x.T @ x + penalty, x.T @ y.double())  # (reservoir_size + 1, output_size)
        assert self.readout.bias is not None
        self.readout.weight.copy_(found[:-1].T)
        self.readout.bias.copy_(found[-1])
        return self

    def extra_repr(self) -> str:
        return (
            f"{self.input_size}, {self.reservoir_size}, {self.output_size}, spectral_radius={self.spectral_radius}, "
            f"leak={self.leak}, density={self.density}"
        )


# ---------------------------------------------------------------- cells of the other conventions
class PeepholeLSTMCell(RNNCellBase):
    """One step of an LSTM whose gates see the cell: i and f the old one, o the new one.

    `i = sigmoid(a_i + w_ci c)`, `f = sigmoid(a_f + w_cf c)`, `c' = f c + i tanh(a_g)`, `o = sigmoid(a_o + w_co c')`,
    `h' = o tanh(c')`, with a = x W_ih^T + b_ih + h W_hh^T + b_hh in the order i, f, g, o. Over sequences:
    `nn.LSTM(..., peephole=True)`, with the same weights and the suffix _l0.

    Shapes: input `(N, input_size)` or `(input_size,)`; h and c `(N, hidden_size)`, zero if left away; weights as in
    LSTMCell, and weight_ch `(3, hidden_size)` for i, f and o.

    Gers & Schmidhuber, "Recurrent Nets that Time and Count", IJCNN 2000.

    >>> import retrograd as rg
    >>> h, c = rg.nn.PeepholeLSTMCell(10, 20)(rg.zeros(3, 10))
    >>> tuple(h.shape)
    (3, 20)
    """

    weight_ch: Tensor

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)
        self.weight_ch = Parameter(empty((3, hidden_size), device=device, dtype=dtype))
        self.reset_parameters()

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        x, state, single = self._batched(input, hx)
        h, c = (state, state) if hx is None else state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        a_i, a_f, a_g, a_o = gates.chunk(4, -1)
        w_i, w_f, w_o = self.weight_ch.unbind(0)
        c = sigmoid(a_f + w_f * c) * c + sigmoid(a_i + w_i * c) * tanh(a_g)
        h = sigmoid(a_o + w_o * c) * tanh(c)
        return (h.squeeze(0), c.squeeze(0)) if single else (h, c)


class ResetBeforeGRUCell(RNNCellBase):
    """One step of a GRU whose reset gate acts before the recurrent product, as in the paper; GRUCell's acts after it.

    `r, z = sigmoid(x W_ih^T + b_ih + h W_hh^T + b_hh)`, `n = tanh(x W_in^T + b_in + (r h) W_hn^T + b_hn)`,
    `h' = (1 - z) n + z h`. Over sequences: `nn.GRU(..., reset_after=False)`, with the same weights and the suffix _l0.

    Shapes and weights as in GRUCell. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for
    Statistical Machine Translation", EMNLP 2014.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ResetBeforeGRUCell(10, 20)(rg.zeros(3, 10)).shape)
    (3, 20)
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, h, single = self._batched(input, hx)
        k = self.hidden_size
        b_rz, b_n = (None, None) if self.bias_hh is None else (self.bias_hh[: 2 * k], self.bias_hh[2 * k :])
        a = F.linear(x, self.weight_ih, self.bias_ih)
        r, z = sigmoid(a[:, : 2 * k] + F.linear(h, self.weight_hh[: 2 * k], b_rz)).chunk(2, -1)
        n = tanh(a[:, 2 * k :] + F.linear(r * h, self.weight_hh[2 * k :], b_n))
        h = (1.0 - z) * n + z * h
        return h.squeeze(0) if single else h
