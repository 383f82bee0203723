"""Recurrent layers as functions: stacks of RNN, LSTM and GRU over sequences, and single steps, as PyTorch's root has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..generic import cast, widened
from ..op import public
from ..samples import call, raises, t
from .activation import relu, sigmoid
from .dropout import dropout
from .join import cat, stack
from .linear import linear
from .math import tanh
from .matmul import operands
from .recurrent_core import gru_p, gru_steps, lstm_p, lstm_steps, rnn_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["gru", "gru_cell", "layers", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell"]

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _zeros(like: Any, *shape: int) -> Any:
    from .new import new_zeros

    return new_zeros(like, shape)


def _one(mode: str, x: Any, state: list[Any], w: Any, sizes: tuple[int, ...], reverse: bool, **options: Any) -> Any:
    """One layer in one direction over packed rows x: its output rows and its last states.

    w: weight_ih, weight_hh, bias_ih, bias_hh (None without biases), weight_hr and the peephole weights (None without).
    """
    w_ih, w_hh, b_ih, b_hh, w_hr, peep = w
    operands("linear", x, w_ih, ("input", "weight"))
    if x._shape[-1] != w_ih._shape[-1]:
        raise ShapeError(
            f"{mode.lower()}: input has {x._shape[-1]} features but weight_ih {w_ih._shape} expects {w_ih._shape[-1]}"
        )
    if mode == "GRU":
        bias = b_n = None
        if b_ih is not None:
            k = w_hh._shape[0] // 3
            bias, b_n = b_ih + cat([b_hh[: 2 * k], _zeros(w_hh, k)]), b_hh[2 * k :]
        if options.get("reset_after", True):
            return gru_p((x, state[0], w_ih, w_hh, bias, b_n), sizes, reverse)
        return gru_steps(x, state[0], w_ih, w_hh, bias, b_n, sizes, reverse, False)
    bias = None if b_ih is None else b_ih + b_hh
    if mode == "LSTM":
        if w_hr is None and peep is None:
            return lstm_p((x, state[0], state[1], w_ih, w_hh, bias), sizes, reverse)
        return lstm_steps(x, state[0], state[1], w_ih, w_hh, bias, sizes, reverse, w_hr, peep)
    return rnn_p((x, state[0], w_ih, w_hh, bias), sizes, reverse, "tanh" if mode == "RNN_TANH" else "relu")


def layers(
    mode: str,
    x: Any,
    states: Sequence[Any],
    weights: Sequence[Sequence[Any]],
    sizes: tuple[int, ...],
    p: float,
    train: bool,
    directions: int,
    **options: Any,
) -> tuple[Any, list[Any]]:
    """A stack of layers over packed rows x (R, I): output rows (R, directions * H), last states (layers * directions, B, H).

    weights: those of each layer and direction in turn, as `_one` takes them. p: dropout between layers, in training.
    """
    # float16 and bfloat16 are rounded once, at the end, not at every gate of every step.
    half, (x, *states) = widened(x, *states)
    weights = [widened(*own)[1] for own in weights]
    ends: list[list[Any]] = [[] for _ in states]
    n = len(weights) // directions
    for layer in range(n):
        outs = []
        for d in range(directions):
            i = layer * directions + d
            out, *last = _one(mode, x, [s[i] for s in states], weights[i], sizes, d == 1, **options)
            outs.append(out)
            for end, v in zip(ends, last, strict=True):
                end.append(v)
        x = outs[0] if directions == 1 else cat(outs, 1)
        if p and train and layer < n - 1:
            x = dropout(x, p, True)
    found = [x, *(stack(end) for end in ends)]
    if half is not None:
        found = [cast(v, half) for v in found]
    return found[0], found[1:]


def _split(params: Sequence[Any], has_biases: bool, projected: bool) -> list[tuple[Any, ...]]:
    """PyTorch's flat list of weights, layer by layer."""
    k = 2 + 2 * has_biases + projected
    found = []
    for i in range(0, len(params), k):
        own = list(params[i : i + k])
        w_hr = own.pop() if projected else None
        found.append((own[0], own[1], *(own[2:4] if has_biases else (None, None)), w_hr, None))
    return found


def _stacked(mode: str, args: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    """PyTorch's two argument lists: (input, hx, params, ..., batch_first), or (data, batch_sizes, hx, params, ...)."""
    name = mode.lower()
    x = as_tensor_arg(args[0], name)
    several = isinstance(args[2], list | tuple) and not isinstance(args[3], list | tuple)
    if several:
        hx, params, has_biases, num_layers, p, train, bidirectional, batch_first = args[1:]
        if x.ndim != 3:
            raise ShapeError(f"{name}: input must have 3 dimensions, (T, N, features), got shape {tuple(x._shape)}")
        if batch_first:
            x = x.transpose(0, 1)
        steps, batch = x._shape[:2]
        sizes = (batch,) * steps
        rows = x.reshape(steps * batch, x._shape[2])
    else:
        batch_sizes, hx, params, has_biases, num_layers, p, train, bidirectional = args[1:]
        sizes, rows, batch_first, steps, batch = tuple(batch_sizes.tolist()), x, False, None, None
    states = list(hx) if isinstance(hx, list | tuple) else [hx]
    directions = 2 if bidirectional else 1
    projected = mode == "LSTM" and states[0]._shape[-1] != states[1]._shape[-1]
    weights = _split(params, has_biases, projected)
    if len(weights) != num_layers * directions:
        raise ValueError(f"{name}: {num_layers * directions} layers and directions, but weights for {len(weights)}")
    out, ends = layers(mode, rows, states, weights, sizes, p, train, directions)
    if steps is not None:
        out = out.reshape(steps, batch, out._shape[1])
        if batch_first:
            out = out.transpose(0, 1)
    return out, ends


def _parameters(gates: int) -> list[Any]:
    return [t(gates * 2, 3), t(gates * 2, 2), t(gates * 2), t(gates * 2)]


def _calls(gates: int, states: int) -> Any:
    def made() -> list[Any]:
        def hx(n: int) -> Any:
            return t(n, 2, 2) if states == 1 else [t(n, 2, 2), t(n, 2, 2)]

        deep = [t(gates * 2, 2), t(gates * 2, 2), t(gates * 2), t(gates * 2)]
        two = [t(gates * 2, 3), t(gates * 2, 2)]
        return [
            call(t(4, 2, 3), hx(1), _parameters(gates), True, 1, 0.0, False, False, False),
            call(t(2, 3, 3), hx(2), [*two, *two], False, 1, 0.0, False, True, True),
            call(t(3, 2, 3), hx(2), [*_parameters(gates), *deep], True, 2, 0.0, True, False, False),
        ]

    return made


def _errors(gates: int, states: int) -> Any:
    def made() -> list[Any]:
        hx = t(1, 2, 2) if states == 1 else [t(1, 2, 2), t(1, 2, 2)]
        return [
            raises(ValueError, "weights for 1", t(4, 2, 3), hx, _parameters(gates), True, 2, 0.0, False, False, False)
        ]

    return made


@public(method=False, samples=_calls(4, 2), errors=_errors(4, 2))
def lstm(*args: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Stacked LSTM: `lstm(input, (h0, c0), params, has_biases, num_layers, dropout, train, bidirectional, batch_first)`.

    Or, for packed rows, `lstm(data, batch_sizes, (h0, c0), params, has_biases, num_layers, dropout, train,
    bidirectional)`. input (T, N, I), or (N, T, I) with batch_first; h0 and c0 (layers * directions, N, H); params: each
    layer's weight_ih (4 H, I), weight_hh (4 H, H), and with has_biases bias_ih, bias_hh (4 H,). Returns the output
    (T, N, directions * H) and the last h and c. Formulas: `nn.LSTM`. Hochreiter and Schmidhuber, 1997.

    >>> import retrograd as rg
    >>> w = [rg.zeros(8, 3), rg.zeros(8, 2), rg.zeros(8), rg.zeros(8)]
    >>> out, h, c = rg.lstm(rg.ones(5, 1, 3), (rg.zeros(1, 1, 2), rg.zeros(1, 1, 2)), w, True, 1, 0.0, False, False, False)
    >>> tuple(out.shape), tuple(h.shape)
    ((5, 1, 2), (1, 1, 2))
    """
    out, (h, c) = _stacked("LSTM", args)
    return out, h, c


@public(method=False, samples=_calls(3, 1), errors=_errors(3, 1))
def gru(*args: Any) -> tuple[Tensor, Tensor]:
    """Stacked GRU: `gru(input, h0, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)`.

    As `lstm`, with one state and weights of 3 H rows. Formulas: `nn.GRU`. Cho et al., 2014.

    >>> import retrograd as rg
    >>> w = [rg.zeros(6, 3), rg.zeros(6, 2), rg.zeros(6), rg.zeros(6)]
    >>> out, h = rg.gru(rg.ones(5, 1, 3), rg.zeros(1, 1, 2), w, True, 1, 0.0, False, False, False)
    >>> tuple(out.shape)
    (5, 1, 2)
    """
    out, (h,) = _stacked("GRU", args)
    return out, h


@public(method=False, samples=_calls(1, 1), errors=_errors(1, 1))
def rnn_tanh(*args: Any) -> tuple[Tensor, Tensor]:
    """Stacked RNN with tanh: `rnn_tanh(input, h0, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)`.

    As `lstm`, with one state and weights of H rows: h_t = tanh(x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh). Elman, 1990.

    >>> import retrograd as rg
    >>> w = [rg.ones(2, 1), rg.zeros(2, 2)]
    >>> out, h = rg.rnn_tanh(rg.zeros(5, 1, 1), rg.zeros(1, 1, 2), w, False, 1, 0.0, False, False, False)
    >>> out.sum()
    tensor(0.)
    """
    out, (h,) = _stacked("RNN_TANH", args)
    return out, h


@public(method=False, samples=_calls(1, 1), errors=_errors(1, 1))
def rnn_relu(*args: Any) -> tuple[Tensor, Tensor]:
    """Stacked RNN with ReLU: as `rnn_tanh`, h_t = relu(x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh).

    >>> import retrograd as rg
    >>> w = [rg.ones(2, 1), rg.zeros(2, 2)]
    >>> out, h = rg.rnn_relu(rg.ones(5, 1, 1), rg.zeros(1, 1, 2), w, False, 1, 0.0, False, False, False)
    >>> out.sum()
    tensor(10.)
    """
    out, (h,) = _stacked("RNN_RELU", args)
    return out, h


# ---------------------------------------------------------------- one step
def _check(name: str, x: Any, h: Any, w_ih: Any, w_hh: Any, gates: int) -> None:
    k = w_hh._shape[-1]
    if x._shape[-1:] != w_ih._shape[1:]:
        raise ShapeError(
            f"{name}: input has {x._shape[-1] if x._shape else 0} features but weight_ih, of shape {tuple(w_ih._shape)}, "
            f"takes {w_ih._shape[1]}"
        )
    if h._shape[-1:] != (k,) or h._shape[:-1] != x._shape[:-1] or w_hh._shape[0] != gates * k:
        raise ShapeError(
            f"{name}: the state must have shape {(*x._shape[:-1], k)} for input {tuple(x._shape)} and weight_hh "
            f"{tuple(w_hh._shape)}, got {tuple(h._shape)}"
        )


def _cell_calls(gates: int, states: int) -> Any:
    def made() -> list[Any]:
        hx: Any = t(2, 2) if states == 1 else [t(2, 2), t(2, 2)]
        return [call(t(2, 3), hx, *_parameters(gates)), call(t(2, 3), hx, *_parameters(gates)[:2])]

    return made


def _cell_errors(gates: int, states: int) -> Any:
    def made() -> list[Any]:
        hx: Any = t(2, 2) if states == 1 else [t(2, 2), t(2, 2)]
        return [raises(ShapeError, "input has 4 features", t(2, 4), hx, *_parameters(gates))]

    return made


@public(method=False, samples=_cell_calls(4, 2), errors=_cell_errors(4, 2))
def lstm_cell(
    input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: (h, c) after input (N, I) with hx = (h, c) before, each (N, H); formulas in `nn.LSTMCell`.

    ShapeError if the features do not fit.

    >>> import retrograd as rg
    >>> h, c = rg.lstm_cell(rg.ones(1, 3), (rg.zeros(1, 2), rg.ones(1, 2)), rg.zeros(8, 3), rg.zeros(8, 2))
    >>> c
    tensor([[0.5000, 0.5000]])
    """
    h, c = hx
    _check("lstm_cell", input, h, w_ih, w_hh, 4)
    k = w_hh._shape[-1]
    a = linear(input, w_ih, b_ih) + linear(h, w_hh, b_hh)
    i, f, g, o = (a[..., j * k : (j + 1) * k] for j in range(4))
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


@public(method=False, samples=_cell_calls(3, 1), errors=_cell_errors(3, 1))
def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of a GRU: h (N, H) after input (N, I) with hx before; formulas in `nn.GRUCell`.

    ShapeError if the features do not fit.

    >>> import retrograd as rg
    >>> rg.gru_cell(rg.ones(1, 3), rg.ones(1, 2), rg.zeros(6, 3), rg.zeros(6, 2))
    tensor([[0.5000, 0.5000]])
    """
    _check("gru_cell", input, hx, w_ih, w_hh, 3)
    k = w_hh._shape[-1]
    x, h = linear(input, w_ih, b_ih), linear(hx, w_hh, b_hh)
    r, z = (sigmoid(x[..., j * k : (j + 1) * k] + h[..., j * k : (j + 1) * k]) for j in range(2))
    n = tanh(x[..., 2 * k :] + r * h[..., 2 * k :])
    return n + z * (hx - n)


@public(method=False, samples=_cell_calls(1, 1), errors=_cell_errors(1, 1))
def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """tanh(input W_ih^T + b_ih + hx W_hh^T + b_hh): (N, I), (N, H) -> (N, H). ShapeError if the features do not fit.

    >>> import retrograd as rg
    >>> rg.rnn_tanh_cell(rg.ones(1, 3), rg.ones(1, 2), rg.zeros(2, 3), rg.zeros(2, 2))
    tensor([[0., 0.]])
    """
    _check("rnn_tanh_cell", input, hx, w_ih, w_hh, 1)
    return tanh(linear(input, w_ih, b_ih) + linear(hx, w_hh, b_hh))


@public(method=False, samples=_cell_calls(1, 1), errors=_cell_errors(1, 1))
def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """relu(input W_ih^T + b_ih + hx W_hh^T + b_hh): (N, I), (N, H) -> (N, H). ShapeError if the features do not fit.

    >>> import retrograd as rg
    >>> rg.rnn_relu_cell(rg.ones(1, 3), rg.ones(1, 2), rg.ones(2, 3), rg.zeros(2, 2))
    tensor([[3., 3.]])
    """
    _check("rnn_relu_cell", input, hx, w_ih, w_hh, 1)
    return relu(linear(input, w_ih, b_ih) + linear(hx, w_hh, b_hh))
