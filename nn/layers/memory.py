"""Cells with an external memory: the neural Turing machine and the differentiable neural computer."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...autograd import Parameter, Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.activation import relu, sigmoid
from ...autograd.ops.activation_smooth import softplus
from ...autograd.ops.create import empty, full, zeros
from ...autograd.ops.join import cat
from ...autograd.ops.math import tanh
from ...autograd.ops.softmax import softmax
from .. import init
from ..modules.linear import Linear
from ..modules.module import Module
from ..modules.rnn import LSTMCell
from .addressing import (
    allocation_weights,
    content_weights,
    erase_and_add,
    interpolate_weights,
    read_memory,
    sharpen_weights,
    shift_weights,
    update_links,
    update_precedence,
    update_usage,
)

__all__ = ["DNCCell", "DNCState", "NTMAddressing", "NTMCell", "NTMState"]


class NTMState(NamedTuple):
    """What an NTMCell hands on: memory (N, S, W), weights of the heads (N, H, S), reads (N, R, W), controller's state."""

    memory: Tensor
    read_weights: Tensor
    write_weights: Tensor
    reads: Tensor
    controller: tuple[Tensor, Tensor] | None


class DNCState(NamedTuple):
    """What a DNCCell hands on, with S slots and R read heads.

    memory (N, S, W), read_weights (N, R, S), write_weights (N, S), usage (N, S), precedence (N, S), links (N, S, S),
    reads (N, R, W), and the controller's (h, c), or None for a feed-forward one.
    """

    memory: Tensor
    read_weights: Tensor
    write_weights: Tensor
    usage: Tensor
    precedence: Tensor
    links: Tensor
    reads: Tensor
    controller: tuple[Tensor, Tensor] | None


class NTMAddressing(Module):
    """The heads of a neural Turing machine: from the controller's output to weights over the slots of the memory.

    A linear layer gives each head a key k, a strength beta = softplus, a gate g = sigmoid, a distribution s over the
    moves -K to K, and a sharpening gamma = 1 + softplus. Then, by content: `w_c = softmax(beta cos(k, M))`; staying:
    `w_g = g w_c + (1 - g) w_before`; moving: `w'[i] = sum_j w_g[j] s[i - j]`, circular; sharpening: `w = w'^gamma / sum`.

    Shapes: controller `(N, controller_size)`, memory `(N, S, width)`, previous weights and result `(N, heads, S)`.
    shift_range: K.

    Graves, Wayne & Danihelka, "Neural Turing Machines", 2014.

    >>> import retrograd as rg
    >>> heads = rg.nn.NTMAddressing(8, width=4, heads=2)
    >>> w = heads(rg.ones(3, 8), rg.randn(3, 10, 4), rg.full((3, 2, 10), 0.1))
    >>> tuple(w.shape), rg.allclose(w.sum(-1), rg.ones(3, 2))
    ((3, 2, 10), True)
    """

    def __init__(
        self,
        controller_size: int,
        width: int,
        heads: int = 1,
        shift_range: int = 1,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if min(controller_size, width, heads) <= 0 or shift_range < 0:
            raise ValueError(
                "NTMAddressing: controller_size, width and heads must be positive and shift_range not negative, got "
                f"{controller_size}, {width}, {heads} and {shift_range}"
            )
        self.controller_size, self.width, self.heads, self.shift_range = controller_size, width, heads, shift_range
        self._parts = [width, 1, 1, 2 * shift_range + 1, 1]
        self.proj = Linear(controller_size, heads * sum(self._parts), device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the linear layer anew."""
        self.proj.reset_parameters()

    def forward(self, controller: Tensor, memory: Tensor, previous: Tensor) -> Tensor:
        shape = (memory.shape[0], self.heads, memory.shape[1])
        if tuple(previous.shape) != shape:
            raise ShapeError(f"NTMAddressing: previous weights must have shape {shape}, got {tuple(previous.shape)}")
        drawn = self.proj(controller).reshape(-1, self.heads, sum(self._parts))
        key, strength, gate, shifts, gamma = drawn.split(self._parts, -1)
        content = content_weights(memory, tanh(key), softplus(strength.squeeze(-1)))
        gated = interpolate_weights(content, previous, sigmoid(gate.squeeze(-1)))
        moved = shift_weights(gated, softmax(shifts, -1))
        return sharpen_weights(moved, 1.0 + softplus(gamma.squeeze(-1)))

    def extra_repr(self) -> str:
        return f"{self.controller_size}, width={self.width}, heads={self.heads}, shift_range={self.shift_range}"


class _MemoryCell(Module):
    """What both machines share: the controller, which sees the input and the last reads, and the output layer."""

    controller: Module

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        slots: int,
        width: int,
        read_heads: int,
        controller: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        sizes = {
            "input_size": input_size, "hidden_size": hidden_size, "output_size": output_size, "slots": slots,
            "width": width, "read_heads": read_heads,
        }  # fmt: skip
        for label, size in sizes.items():
            if size <= 0:
                raise ValueError(f"{name}: {label} must be positive, got {size}")
            setattr(self, label, size)
        if controller not in ("lstm", "feedforward"):
            raise ValueError(f"{name}: controller must be 'lstm' or 'feedforward', got {controller!r}")
        self.recurrent = controller == "lstm"
        seen, made = input_size + read_heads * width, {"device": device, "dtype": dtype}
        self.controller = LSTMCell(seen, hidden_size, **made) if self.recurrent else Linear(seen, hidden_size, **made)
        self.output = Linear(hidden_size + read_heads * width, output_size, **made)

    input_size: int
    hidden_size: int
    output_size: int
    slots: int
    width: int
    read_heads: int

    def _check(self, input: Tensor) -> None:
        if input.ndim != 2 or input.shape[1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: expected an input (N, {self.input_size}), got shape {tuple(input.shape)}"
            )

    def _control(self, input: Tensor, reads: Tensor, state: Any) -> tuple[Tensor, Any]:
        seen = cat([input, reads.flatten(1)], 1)  # (N, input_size + read_heads * width)
        if not self.recurrent:
            return relu(self.controller(seen)), None
        h, c = self.controller(seen, state)
        return h, (h, c)

    def _answer(self, h: Tensor, reads: Tensor) -> Tensor:
        return self.output(cat([h, reads.flatten(1)], 1))

    def extra_repr(self) -> str:
        return (
            f"{self.input_size}, {self.hidden_size}, {self.output_size}, slots={self.slots}, width={self.width}, "
            f"read_heads={self.read_heads}"
        )


class NTMCell(_MemoryCell):
    """One step of a neural Turing machine: (output, state) from the input and the state before.

    The controller, an LSTM cell or a feed-forward layer with ReLU, sees the input and the last reads. Its output drives
    the heads (`NTMAddressing`); write heads erase and add, `M = M (1 - w e) + w a` with e = sigmoid, a = tanh; read heads
    then give `r = w M`; the output is a linear layer of the controller's output and the reads. The first memory is
    1e-6 everywhere, the first weights of the heads are learned (`read_start`, `write_start`, through a softmax).

    Shapes: input `(N, input_size)`, output `(N, output_size)`, state an `NTMState`, None at first. `Unroll` runs the
    cell over a sequence. slots, width: the memory's; hidden_size: the controller's.

    Graves, Wayne & Danihelka, "Neural Turing Machines", 2014.

    >>> import retrograd as rg
    >>> cell = rg.nn.NTMCell(5, 32, 4, slots=16, width=8)
    >>> output, state = cell(rg.zeros(2, 5))
    >>> output, state = cell(rg.zeros(2, 5), state)
    >>> tuple(output.shape), tuple(state.memory.shape)
    ((2, 4), (2, 16, 8))
    """

    read_start: Tensor
    write_start: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        slots: int = 128,
        width: int = 20,
        read_heads: int = 1,
        write_heads: int = 1,
        shift_range: int = 1,
        controller: str = "lstm",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, slots, width, read_heads, controller, device, dtype)
        if write_heads <= 0:
            raise ValueError(f"NTMCell: write_heads must be positive, got {write_heads}")
        if 2 * shift_range + 1 > slots:
            raise ValueError(f"NTMCell: shift_range {shift_range} needs more than {2 * shift_range} slots, got {slots}")
        self.write_heads, made = write_heads, {"device": device, "dtype": dtype}
        self.read_addressing = NTMAddressing(hidden_size, width, read_heads, shift_range, **made)
        self.write_addressing = NTMAddressing(hidden_size, width, write_heads, shift_range, **made)
        self.write_vectors = Linear(hidden_size, write_heads * 2 * width, **made)
        self.read_start = Parameter(empty((read_heads, slots), **made))
        self.write_start = Parameter(empty((write_heads, slots), **made))
        self._reset_starts()

    def _reset_starts(self) -> None:
        for start in (self.read_start, self.write_start):
            init.normal_(start)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self._reset_starts()
        for part in (self.controller, self.output, self.read_addressing, self.write_addressing, self.write_vectors):
            part.reset_parameters()

    def initial_state(self, input: Tensor) -> NTMState:
        """The first state for inputs (N, input_size)."""
        n, made = input.shape[0], {"dtype": input.dtype, "device": input.device}
        return NTMState(
            full((n, self.slots, self.width), 1e-6, **made),
            softmax(self.read_start, -1).expand(n, -1, -1),
            softmax(self.write_start, -1).expand(n, -1, -1),
            zeros(n, self.read_heads, self.width, **made),
            None,
        )

    def forward(self, input: Tensor, state: NTMState | None = None) -> tuple[Tensor, NTMState]:
        self._check(input)
        before = self.initial_state(input) if state is None else state
        h, controller = self._control(input, before.reads, before.controller)
        writing = self.write_addressing(h, before.memory, before.write_weights)
        erase, add = self.write_vectors(h).reshape(-1, self.write_heads, 2, self.width).unbind(2)
        memory = erase_and_add(before.memory, writing, sigmoid(erase), tanh(add))
        reading = self.read_addressing(h, memory, before.read_weights)
        reads = read_memory(memory, reading)
        return self._answer(h, reads), NTMState(memory, reading, writing, reads, controller)


class DNCCell(_MemoryCell):
    """One step of a differentiable neural computer: (output, state) from the input and the state before.

    One write head chooses between the slot most alike to its key and the least used one, `w = g_w (g_a a + (1 - g_a) c)`;
    usage grows by writing and shrinks by freed reads. Links record the order of writing, so each read head chooses, by
    three read modes, between the slots written before and after the one it read last, and content. Then
    `M = M (1 - w e) + w v`, and the output is a linear layer of the controller's output and the reads. The formulas are
    in `nn.layers.addressing`. All starts at zero.

    Shapes: input `(N, input_size)`, output `(N, output_size)`, state a `DNCState`, None at first. `Unroll` runs the cell
    over a sequence. slots, width: the memory's; hidden_size: the controller's.

    Graves et al., "Hybrid Computing Using a Neural Network with Dynamic External Memory", Nature 2016.

    >>> import retrograd as rg
    >>> cell = rg.nn.DNCCell(5, 32, 4, slots=16, width=8, read_heads=2)
    >>> output, state = cell(rg.zeros(2, 5))
    >>> tuple(output.shape), tuple(state.links.shape)
    ((2, 4), (2, 16, 16))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        slots: int = 16,
        width: int = 16,
        read_heads: int = 1,
        controller: str = "lstm",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, slots, width, read_heads, controller, device, dtype)
        r, w = read_heads, width
        # Read keys and strengths; write key, strength, erase and write vectors; free gates; two gates; read modes.
        self._parts = [r * w, r, w, 1, w, w, r, 1, 1, 3 * r]
        self.interface = Linear(hidden_size, sum(self._parts), device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for part in (self.controller, self.output, self.interface):
            part.reset_parameters()

    def initial_state(self, input: Tensor) -> DNCState:
        """The first state for inputs (N, input_size): zeros."""
        n, s, r, made = input.shape[0], self.slots, self.read_heads, {"dtype": input.dtype, "device": input.device}
        return DNCState(
            memory=zeros(n, s, self.width, **made),
            read_weights=zeros(n, r, s, **made),
            write_weights=zeros(n, s, **made),
            usage=zeros(n, s, **made),
            precedence=zeros(n, s, **made),
            links=zeros(n, s, s, **made),
            reads=zeros(n, r, self.width, **made),
            controller=None,
        )

    def forward(self, input: Tensor, state: DNCState | None = None) -> tuple[Tensor, DNCState]:
        self._check(input)
        old = self.initial_state(input) if state is None else state
        h, controller = self._control(input, old.reads, old.controller)
        n, r = input.shape[0], self.read_heads
        keys, strengths, key, strength, erase, value, free, allocate, write, modes = self.interface(h).split(
            self._parts, -1
        )
        usage = update_usage(old.usage, old.write_weights, old.read_weights, sigmoid(free))
        alike = content_weights(old.memory, key.unsqueeze(1), 1.0 + softplus(strength)).squeeze(1)  # (N, S)
        chosen = sigmoid(allocate) * allocation_weights(usage) + (1.0 - sigmoid(allocate)) * alike
        writing = sigmoid(write) * chosen
        memory = erase_and_add(old.memory, writing.unsqueeze(1), sigmoid(erase).unsqueeze(1), value.unsqueeze(1))
        links = update_links(old.links, old.precedence, writing)
        precedence = update_precedence(old.precedence, writing)
        found = content_weights(memory, keys.reshape(n, r, self.width), 1.0 + softplus(strengths))
        back, stay, ahead = softmax(modes.reshape(n, r, 3), -1).split(1, -1)  # each (N, R, 1)
        reading = back * (old.read_weights @ links) + stay * found + ahead * (old.read_weights @ links.transpose(1, 2))
        reads = read_memory(memory, reading)
        new = DNCState(memory, reading, writing, usage, precedence, links, reads, controller)
        return self._answer(h, reads), new
