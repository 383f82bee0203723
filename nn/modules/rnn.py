"""Recurrent layers: RNN, LSTM and GRU over sequences, padded or packed, and their single-step cells."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.errors import DtypeError, ShapeError
from ...autograd.ops import recurrent
from ...autograd.ops.create import empty, zeros
from ...autograd.ops.gather import index_select
from .. import init
from ..utils.rnn import PackedSequence
from .module import Module

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]


class _InputDtypeError(DtypeError, ValueError):
    """Also a ValueError, as PyTorch's is here."""


class RNNBase(Module):
    """What RNN, LSTM and GRU share: the weights of every layer and direction, and the run over a batch.

    mode: 'RNN_TANH', 'RNN_RELU', 'LSTM' or 'GRU'. Weights start uniform in +-1/sqrt(hidden_size).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if mode not in recurrent.GATES:
            raise ValueError(f"{name}: mode must be one of {', '.join(sorted(recurrent.GATES))}, got {mode!r}")
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= float(dropout) <= 1:  # type: ignore[arg-type]
            raise ValueError(f"{name}: dropout must be a number between 0 and 1, got {dropout!r}")
        for label, given, kind in (
            ("bias", bias, bool), ("batch_first", batch_first, bool), ("input_size", input_size, int),
            ("hidden_size", hidden_size, int),
        ):  # fmt: skip
            if not isinstance(given, kind):
                raise TypeError(f"{name}: {label} should be of type {kind.__name__}, got: {type(given).__name__}")
        if input_size <= 0 or hidden_size <= 0 or num_layers <= 0:
            raise ValueError(
                f"{name}: input_size, hidden_size and num_layers must be positive, got {input_size}, {hidden_size} and "
                f"{num_layers}"
            )
        if proj_size < 0 or proj_size >= hidden_size:
            raise ValueError(
                f"{name}: proj_size must be less than hidden_size {hidden_size} and not negative, got {proj_size}"
            )
        if proj_size and mode != "LSTM":
            raise ValueError(f"{name}: only an LSTM takes proj_size")
        if dropout and num_layers == 1:
            warnings.warn(
                f"{name}: dropout acts between layers, so dropout={dropout} with num_layers=1 has no effect",
                stacklevel=3,
            )
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        gates, made = recurrent.GATES[mode] * hidden_size, {"device": device, "dtype": dtype}
        self._weight_names: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[: self._directions]:
                ins = input_size if layer == 0 else self._out_size * self._directions
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, ins), "weight_hh": (gates, self._out_size)}
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = []
                for kind, shape in shapes.items():
                    names.append(f"{kind}_l{layer}{suffix}")
                    setattr(self, names[-1], Parameter(empty(shape, **made)))
                self._weight_names.append(names)
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _out_size(self) -> int:
        return self.proj_size or self.hidden_size

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do: weights need no common memory here."""

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction in turn."""
        return [[getattr(self, name) for name in names] for names in self._weight_names]

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [w for weights in self.all_weights for w in weights]

    def _weights(self) -> list[tuple[Any, ...]]:
        found = []
        for names in self._weight_names:
            own = {name.split("_l")[0]: getattr(self, name) for name in names}
            kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_ch")
            found.append(tuple(own.get(kind) for kind in kinds))
        return found

    def _options(self) -> dict[str, Any]:
        return {}

    def _states(self, hx: Any, like: Tensor, batch: int, order: Tensor | None) -> list[Tensor]:
        """The first states (layers * directions, B, H), checked, in the order of the rows."""
        n, name = self.num_layers * self._directions, type(self).__name__
        sizes = [self._out_size, self.hidden_size][: 2 if self.mode == "LSTM" else 1]
        if hx is None:
            return [zeros(n, batch, size, dtype=like.dtype, device=like.device) for size in sizes]
        if self.mode == "LSTM" and (not isinstance(hx, list | tuple) or len(hx) != 2):
            raise TypeError(f"{name}: the state must be a pair (h_0, c_0), got {type(hx).__name__}")
        states: list[Any] = [*hx] if self.mode == "LSTM" else [hx]
        for state, size, label in zip(states, sizes, ("h_0", "c_0"), strict=False):
            if tuple(state.shape) != (n, batch, size):
                raise ShapeError(f"{name}: {label} must have shape {(n, batch, size)}, got {tuple(state.shape)}")
        return states if order is None else [index_select(s, 1, order) for s in states]

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """(output, last state) of a sequence or a batch of sequences."""
        name = type(self).__name__
        packed = input if isinstance(input, PackedSequence) else None
        x: Any = input if packed is None else packed.data
        order = back = None
        single = False
        if packed is not None:
            sizes, order, back = tuple(packed.batch_sizes.tolist()), packed.sorted_indices, packed.unsorted_indices
            rows = x
            batch, steps = sizes[0], len(sizes)
        else:
            if x.ndim not in (2, 3):
                raise ShapeError(
                    f"{name}: expected a 2-D (one sequence) or 3-D (a batch) input, got shape {tuple(x.shape)}"
                )
            single = x.ndim == 2
            dim = 0 if self.batch_first and not single else 1
            if single:
                x = x.unsqueeze(1)
                if hx is not None:
                    given = hx if isinstance(hx, list | tuple) else [hx]
                    if any(s.ndim != 2 for s in given):
                        raise ShapeError(
                            f"{name}: for one sequence (2-D input) the state must be 2-D too, got {given[0].ndim}-D"
                        )
                    hx = tuple(s.unsqueeze(1) for s in hx) if isinstance(hx, list | tuple) else hx.unsqueeze(1)
            elif dim == 0:
                x = x.transpose(0, 1)
            steps, batch = x.shape[:2]
            if steps == 0:
                raise ShapeError(f"{name}: the sequence has no steps: input shape {tuple(x.shape)}")
            sizes = (batch,) * steps
            rows = x.reshape(steps * batch, x.shape[2])
        if rows.shape[-1] != self.input_size:
            raise ShapeError(f"{name}: input.size(-1) must be input_size {self.input_size}, got {rows.shape[-1]}")
        if rows.dtype != self._flat_weights[0].dtype:
            raise _InputDtypeError(
                f"{name}: the input is {rows.dtype} but the weights are {self._flat_weights[0].dtype}; convert one with .to()"
            )
        states = self._states(hx, rows, batch, order)
        out, ends = recurrent.layers(
            self.mode, rows, states, self._weights(), sizes, self.dropout, self.training, self._directions,
            **self._options(),
        )  # fmt: skip
        if back is not None:
            ends = [index_select(e, 1, back) for e in ends]
        if packed is not None:
            result: Any = PackedSequence(out, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        else:
            result = out.reshape(steps, batch, out.shape[1])
            if single:
                result, ends = result.squeeze(1), [e.squeeze(1) for e in ends]
            elif self.batch_first:
                result = result.transpose(0, 1)
        return result, tuple(ends) if self.mode == "LSTM" else ends[0]

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        shown = {
            "proj_size": (self.proj_size, 0), "num_layers": (self.num_layers, 1), "bias": (self.bias, True),
            "batch_first": (self.batch_first, False), "dropout": (self.dropout, 0.0),
            "bidirectional": (self.bidirectional, False),
        }  # fmt: skip
        return s + "".join(f", {k}={v}" for k, (v, default) in shown.items() if v != default)


class RNN(RNNBase):
    """A stack of Elman layers: h_t = tanh(x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh), or relu.

    Shapes: input (T, N, input_size), (N, T, input_size) with batch_first, (T, input_size) for one sequence, or a
    PackedSequence; the state (num_layers * directions, N, hidden_size), zero if left away; output
    (T, N, directions * hidden_size). Elman, "Finding Structure in Time", 1990.

    >>> import retrograd as rg
    >>> rnn = rg.nn.RNN(10, 20, num_layers=2)
    >>> out, h = rnn(rg.zeros(5, 3, 10))
    >>> tuple(out.shape), tuple(h.shape)
    ((5, 3, 20), (2, 3, 20))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        modes = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}
        if nonlinearity not in modes:
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(
            modes[nonlinearity], input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device,
            dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """A stack of long short-term memory layers.

    i, f, o = sigmoid, g = tanh of x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh; c_t = f c_{t-1} + i g; h_t = o tanh(c_t).
    proj_size > 0: h_t is multiplied by `weight_hr` (proj_size, hidden_size). peephole (not in PyTorch): the gates also
    see the cell, i and f the old one, o the new one, through the diagonal `weight_ch` (3, hidden_size).

    Shapes: input (T, N, input_size), (N, T, input_size) with batch_first, (T, input_size) for one sequence, or a
    PackedSequence; the states (h_0, c_0) each (num_layers * directions, N, hidden_size), zero if left away; output
    (T, N, directions * hidden_size). Hochreiter and Schmidhuber, 1997; peepholes: Gers and Schmidhuber, 2000.

    >>> import retrograd as rg
    >>> lstm = rg.nn.LSTM(10, 20, bidirectional=True, batch_first=True)
    >>> out, (h, c) = lstm(rg.zeros(3, 5, 10))
    >>> tuple(out.shape), tuple(h.shape)
    ((3, 5, 40), (2, 3, 20))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
        peephole: bool = False,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )
        self.peephole = peephole
        if peephole:
            for i, names in enumerate(self._weight_names):
                layer, suffix = divmod(i, self._directions)
                names.append(f"weight_ch_l{layer}{'_reverse' if suffix else ''}")
                setattr(self, names[-1], Parameter(empty(3, hidden_size, device=device, dtype=dtype)))
            self.reset_parameters()


class GRU(RNNBase):
    """A stack of gated recurrent layers.

    r, z = sigmoid of x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh; n = tanh(x_t W_in^T + b_in + r (h_{t-1} W_hn^T + b_hn));
    h_t = (1 - z) n + z h_{t-1}. With reset_after=False (not in PyTorch) the reset gate acts before the product, as in the
    paper: n = tanh(x_t W_in^T + b_in + (r h_{t-1}) W_hn^T + b_hn).

    Shapes: input (T, N, input_size), (N, T, input_size) with batch_first, (T, input_size) for one sequence, or a
    PackedSequence; the state (num_layers * directions, N, hidden_size), zero if left away; output
    (T, N, directions * hidden_size). Cho et al., 2014.

    >>> import retrograd as rg
    >>> out, h = rg.nn.GRU(10, 20)(rg.zeros(5, 3, 10))
    >>> tuple(out.shape)
    (5, 3, 20)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        reset_after: bool = True,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.reset_after = reset_after

    def _options(self) -> dict[str, Any]:
        return {"reset_after": self.reset_after}


# ---------------------------------------------------------------- cells
class RNNCellBase(Module):
    """What the cells share: weight_ih, weight_hh, bias_ih, bias_hh, and the check of the input."""

    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows, made = num_chunks * hidden_size, {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(empty((rows, input_size), **made))
        self.weight_hh = Parameter(empty((rows, hidden_size), **made))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(rows, **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, uniform in +-1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _batched(self, input: Tensor, hx: Any) -> tuple[Tensor, Any, bool]:
        """(input, state, whether it was one sample), each with a batch dimension; a missing state is zero."""
        name, pair = type(self).__name__, isinstance(hx, list | tuple)
        if input.ndim not in (1, 2):
            raise ShapeError(
                f"{name}: expected a 1-D (one sample) or 2-D (a batch) input, got shape {tuple(input.shape)}"
            )
        if hx is not None and any(s.ndim not in (1, 2) for s in (hx if pair else [hx])):
            raise ShapeError(f"{name}: expected a 1-D or 2-D state")
        single = input.ndim == 1
        if single:
            input = input.unsqueeze(0)
            if hx is not None:
                hx = tuple(s.unsqueeze(0) for s in hx) if pair else hx.unsqueeze(0)
        if hx is None:
            hx = zeros(input.shape[0], self.hidden_size, dtype=input.dtype, device=input.device)
        return input, hx, single

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return s if nonlinearity == "tanh" else f"{s}, nonlinearity={nonlinearity}"


class RNNCell(RNNCellBase):
    """One Elman step: tanh(x W_ih^T + b_ih + h W_hh^T + b_hh), or relu; input (N, input_size) or (input_size,).

    >>> import retrograd as rg
    >>> tuple(rg.nn.RNNCell(10, 20)(rg.zeros(3, 10)).shape)
    (3, 20)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        steps = {"tanh": recurrent.rnn_tanh_cell, "relu": recurrent.rnn_relu_cell}
        if self.nonlinearity not in steps:
            raise RuntimeError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {self.nonlinearity!r}")
        x, h, single = self._batched(input, hx)
        r = steps[self.nonlinearity](x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return r.squeeze(0) if single else r


class LSTMCell(RNNCellBase):
    """One step of an LSTM: (h, c) from the input (N, input_size) and (h, c) before; formulas in `LSTM`.

    >>> import retrograd as rg
    >>> h, c = rg.nn.LSTMCell(10, 20)(rg.zeros(3, 10))
    >>> tuple(h.shape)
    (3, 20)
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        x, state, single = self._batched(input, hx)
        if hx is None:
            state = (state, state)
        h, c = recurrent.lstm_cell(x, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return (h.squeeze(0), c.squeeze(0)) if single else (h, c)


class GRUCell(RNNCellBase):
    """One step of a GRU: h from the input (N, input_size) and h before; formulas in `GRU`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.GRUCell(10, 20)(rg.zeros(3, 10)).shape)
    (3, 20)
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, h, single = self._batched(input, hx)
        r = recurrent.gru_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return r.squeeze(0) if single else r
