"""Layers that regularise by noise, beyond PyTorch's dropouts: on weights, blocks, branches, samples and in recurrences.

Each is the identity in evaluation and keeps the mean in training, or, where the paper scales in evaluation instead
(ShakeDrop, Zoneout), gives in evaluation the mean of what it gives in training. All draw from the default generator, so
that `manual_seed` repeats them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import float32
from ...autograd.errors import DtypeError, ShapeError
from ...autograd.func.modules import functional_call
from ...autograd.ops.create import ones, zeros_like
from ...autograd.ops.join import stack
from ...autograd.ops.random import rand, randn_like
from ...autograd.ops.where import where
from .. import functional as F
from ..modules.module import Module

__all__ = [
    "DropBlock1d", "DropBlock2d", "DropBlock3d", "DropConnect", "GaussianDropout", "LockedDropout", "RNNDrop",
    "ShakeDrop", "StochasticDepth", "Zoneout",
]  # fmt: skip


def _probability(name: str, label: str, p: Any, below_one: bool = False) -> float:
    if not isinstance(p, int | float) or isinstance(p, bool):
        raise TypeError(f"{name}: {label} must be a float, got {type(p).__name__} ({p!r})")
    if not 0.0 <= p <= 1.0 or (below_one and p == 1.0):
        raise ValueError(f"{name}: {label} has to be a probability {'below 1' if below_one else 'in [0, 1]'}, got {p}")
    return float(p)


def _floating(name: str, x: Tensor) -> None:
    if not x.is_floating_point():
        raise DtypeError(f"{name}: the input is {x.dtype}; a floating-point dtype is expected, as in x.float()")


def _sample_mode(name: str, mode: str) -> str:
    if mode not in ("batch", "row"):
        raise ValueError(f"{name}: mode must be 'batch' (one draw for all) or 'row' (one per sample), got {mode!r}")
    return mode


def _per_sample(name: str, mode: str, x: Tensor) -> tuple[int, ...]:
    """The shape of one draw per sample, or of one for the batch, that broadcasts against x (N, ...)."""
    if mode == "row" and x.ndim == 0:
        raise ShapeError(f"{name}: mode 'row' draws for each row of (N, ...), but the input has no dimension")
    return (x.shape[0] if mode == "row" else 1, *(1 for _ in x.shape[1:])) if x.ndim else ()


def _uniform(shape: Sequence[int], like: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Uniform draws, of float32 where x has less: half precision has too few numbers to compare with a probability."""
    dtype = like.dtype if like.dtype.itemsize > 4 else float32
    return rand(tuple(shape), dtype=dtype, device=like.device) * (high - low) + low


# ---------------------------------------------------------------- activations and weights
class GaussianDropout(Module):
    """In training, multiplies each element by a draw from N(1, p / (1 - p)), which has dropout's mean and variance.

    Shapes: any, floating-point. In evaluation it is the identity. p: the rate of the `Dropout` it stands for, below 1.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", section 10, JMLR 2014.

    >>> import retrograd as rg
    >>> rg.nn.GaussianDropout(0.2).eval()(rg.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = _probability("GaussianDropout", "p", p, below_one=True)

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return input
        _floating("GaussianDropout", input)
        return input * (randn_like(input) * (self.p / (1.0 - self.p)) ** 0.5 + 1.0)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class DropConnect(Module):
    """Calls another module with a random part of its weights at zero: `W * M / (1 - p)`, M ~ Bernoulli(1 - p).

    module: any; names: its parameters to drop, with dots for those of submodules, such as ("weight", "bias") or, for
    the recurrent weights of an LSTM, ("weight_hh_l0",). One mask is drawn at each call in training and shared by the
    batch. Where the module is linear in these weights, its mean output is that of the full weights, which are used in
    evaluation. The weights stay the wrapped module's: state_dict keys begin with "module.".

    Wan et al., "Regularization of Neural Networks using DropConnect", ICML 2013.

    >>> import retrograd as rg
    >>> layer = rg.nn.DropConnect(rg.nn.Linear(4, 2), p=0.3)
    >>> tuple(layer(rg.ones(5, 4)).shape), sorted(layer.state_dict())
    ((5, 2), ['module.bias', 'module.weight'])
    """

    module: Module

    def __init__(self, module: Module, p: float = 0.5, names: Sequence[str] = ("weight",)) -> None:
        super().__init__()
        self.p = _probability("DropConnect", "p", p)
        if not isinstance(module, Module):
            raise TypeError(f"DropConnect: module must be a Module, got {type(module).__name__}")
        self.names = (names,) if isinstance(names, str) else tuple(names)
        known = dict(module.named_parameters())
        for name in self.names:
            if name not in known:
                raise ValueError(
                    f"DropConnect: {type(module).__name__} has no parameter {name!r}; it has {', '.join(known) or 'none'}"
                )
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if not self.training or self.p == 0.0:
            return self.module(*args, **kwargs)
        weights = {name: F.dropout(self.module.get_parameter(name), self.p, True) for name in self.names}
        return functional_call(self.module, weights, args, kwargs)

    def extra_repr(self) -> str:
        return f"p={self.p}, names={self.names}"


class _DropBlockNd(Module):
    """The pooling of the seeds, its dimensions, and the shape of the input, which the subclasses name."""

    dims: int

    def __init__(self, p: float = 0.1, block_size: int = 7, inplace: bool = False, eps: float = 1e-6) -> None:
        super().__init__()
        name = type(self).__name__
        self.p = _probability(name, "p", p)
        if not isinstance(block_size, int) or block_size < 1:
            raise ValueError(f"{name}: block_size must be a positive int, got {block_size!r}")
        self.block_size, self.inplace, self.eps = block_size, inplace, eps

    def forward(self, input: Tensor) -> Tensor:
        name = type(self).__name__
        if input.ndim != self.dims + 2:
            raise ShapeError(
                f"{name}: expected an input of {self.dims + 2} dimensions, (N, C) and {self.dims} of space, "
                f"got shape {tuple(input.shape)}"
            )
        if not self.training or self.p == 0.0 or 0 in input.shape:
            return input
        _floating(name, input)
        space = tuple(input.shape[2:])
        block = min(self.block_size, *space)
        # Each element is hit by one of block**dims places of a seed, hence gamma; the second factor makes up for the
        # seeds that would not leave room for a whole block.
        gamma = self.p / block**self.dims
        for n in space:
            gamma *= n / (n - block + 1)
        drawn = _uniform((*input.shape[:2], *(n - block + 1 for n in space)), input)
        seeds = (drawn < gamma).to(drawn.dtype)
        grown = F.pad(seeds, (block - 1,) * (2 * self.dims))  # (N, C, n + block - 1, ...)
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.dims - 1]
        keep = 1.0 - pool(grown, block, 1)  # (N, C, n, ...)
        keep = (keep * (keep.numel() / (keep.sum() + self.eps))).to(input.dtype)
        return input.mul_(keep) if self.inplace else input * keep

    def extra_repr(self) -> str:
        return f"p={self.p}, block_size={self.block_size}, inplace={self.inplace}"


class DropBlock1d(_DropBlockNd):
    """`DropBlock2d` for sequences `(N, C, L)`: in training, zeroes runs of block_size steps of each channel.

    >>> import retrograd as rg
    >>> tuple(rg.nn.DropBlock1d(0.1, 3)(rg.ones(2, 4, 9)).shape)
    (2, 4, 9)
    """

    dims = 1


class DropBlock2d(_DropBlockNd):
    """In training, zeroes squares of block_size pixels of each channel, and scales the rest by numel(M) / sum(M).

    A mask M has a seed at each place where a block fits with probability `gamma = p H W / (block_size^2 (H - block_size
    + 1) (W - block_size + 1))`; blocks grow from the seeds, so about a share p of the elements is zeroed, and the mean
    of a constant map is kept exactly (up to eps). A block larger than the map is cut to its smaller side.

    Shapes: input and output `(N, C, H, W)`. In evaluation it is the identity. p: the share to drop; eps keeps a mask
    without a one from dividing by 0. Arguments as in torchvision.

    Ghiasi, Lin & Le, "DropBlock: A Regularization Method for Convolutional Networks", NeurIPS 2018.

    >>> import retrograd as rg
    >>> y = rg.nn.DropBlock2d(0.2, 3)(rg.ones(2, 4, 8, 8))
    >>> abs(y.mean().item() - 1) < 1e-4
    True
    """

    dims = 2


class DropBlock3d(_DropBlockNd):
    """`DropBlock2d` for volumes `(N, C, D, H, W)`: in training, zeroes cubes of block_size voxels of each channel.

    >>> import retrograd as rg
    >>> tuple(rg.nn.DropBlock3d(0.1, 2)(rg.ones(2, 3, 4, 4, 4)).shape)
    (2, 3, 4, 4, 4)
    """

    dims = 3


# ---------------------------------------------------------------- residual branches
class StochasticDepth(Module):
    """In training, zeroes a residual branch for a sample with probability p and divides the others by 1 - p.

    Shapes: any `(N, ...)`, floating-point; mode 'row' draws for each sample, 'batch' once for all. In evaluation it is
    the identity. Use as `x + stochastic_depth(branch(x))`. Arguments as in torchvision.

    Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016.

    >>> import retrograd as rg
    >>> y = rg.nn.StochasticDepth(0.5)(rg.ones(6, 3))
    >>> bool(((y == 0) | (y == 2)).all())
    True
    """

    def __init__(self, p: float = 0.5, mode: str = "row") -> None:
        super().__init__()
        self.p = _probability("StochasticDepth", "p", p)
        self.mode = _sample_mode("StochasticDepth", mode)

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return input
        _floating("StochasticDepth", input)
        shape = _per_sample("StochasticDepth", self.mode, input)
        return input * F.dropout(ones(shape, dtype=input.dtype, device=input.device), self.p, True)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"


class ShakeDrop(Module):
    """Multiplies a residual branch by `b + alpha - b alpha` on the way forward, by `b + beta - b beta` backward.

    b is 1 with probability 1 - p, then the branch passes unchanged; else it is multiplied by a uniform draw alpha from
    alpha_range, and its gradient by another, beta from beta_range. In evaluation the branch is multiplied by the mean,
    `1 - p + p E[alpha]`, which is 1 - p for the usual range: the paper scales here, instead of in training.

    Shapes: any `(N, ...)`, floating-point; mode 'row' draws for each sample, 'batch' once for all. p: the probability
    to be shaken; the paper lets it grow linearly with depth to 0.5. Use as `x + shake_drop(branch(x))`.

    Yamada et al., "ShakeDrop Regularization for Deep Residual Learning", IEEE Access 2019.

    >>> import retrograd as rg
    >>> rg.nn.ShakeDrop(0.5).eval()(rg.ones(3))
    tensor([0.5000, 0.5000, 0.5000])
    """

    def __init__(
        self,
        p: float = 0.5,
        alpha_range: tuple[float, float] = (-1.0, 1.0),
        beta_range: tuple[float, float] = (0.0, 1.0),
        mode: str = "row",
    ) -> None:
        super().__init__()
        self.p = _probability("ShakeDrop", "p", p)
        for label, pair in (("alpha_range", alpha_range), ("beta_range", beta_range)):
            if len(pair) != 2 or pair[0] > pair[1]:
                raise ValueError(f"ShakeDrop: {label} must be (low, high) with low <= high, got {pair}")
        self.alpha_range, self.beta_range = tuple(alpha_range), tuple(beta_range)
        self.mode = _sample_mode("ShakeDrop", mode)

    def forward(self, input: Tensor) -> Tensor:
        _floating("ShakeDrop", input)
        if self.p == 0.0:
            return input
        if not self.training:
            return input * (1.0 - self.p + self.p * sum(self.alpha_range) / 2)
        shape = _per_sample("ShakeDrop", self.mode, input)
        shaken = _uniform(shape, input) < self.p
        one = ones(shape, dtype=input.dtype, device=input.device)
        ahead = where(shaken, _uniform(shape, input, *self.alpha_range).to(input.dtype), one)
        back = where(shaken, _uniform(shape, input, *self.beta_range).to(input.dtype), one)
        # The value is that of `ahead`, as the other two cancel exactly; the gradient is that of `back` alone.
        carrier = input * back
        return (input * ahead).detach() + (carrier - carrier.detach())

    def extra_repr(self) -> str:
        return f"p={self.p}, alpha_range={self.alpha_range}, beta_range={self.beta_range}, mode={self.mode}"


# ---------------------------------------------------------------- recurrences
class LockedDropout(Module):
    """Dropout with one mask for all steps of a sequence, drawn anew for each sequence and each call in training.

    Shapes: `(T, N, *)`, `(N, T, *)` with batch_first, or `(T, H)` for one sequence. In evaluation it is the identity.

    Gal & Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", NeurIPS 2016.

    >>> import retrograd as rg
    >>> y = rg.nn.LockedDropout(0.5)(rg.ones(5, 2, 3))
    >>> bool((y == y[0]).all())
    True
    """

    def __init__(self, p: float = 0.5, batch_first: bool = False) -> None:
        super().__init__()
        self.p = _probability("LockedDropout", "p", p)
        self.batch_first = batch_first

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim < 2:
            raise ShapeError(
                f"LockedDropout: expected a sequence (T, H) or a batch of them, got shape {tuple(input.shape)}"
            )
        if not self.training or self.p == 0.0:
            return input
        _floating("LockedDropout", input)
        shape = list(input.shape)
        shape[1 if self.batch_first and input.ndim > 2 else 0] = 1
        return input * F.dropout(ones(shape, dtype=input.dtype, device=input.device), self.p, True)

    def extra_repr(self) -> str:
        return f"p={self.p}, batch_first={self.batch_first}"


class Zoneout(Module):
    """A recurrent cell whose units keep their old value at random: `h_t = z h_{t-1} + (1 - z) h~_t`, z ~ Bernoulli(p).

    cell: RNNCell, GRUCell, LSTMCell or another that is called as `cell(input, state)` and returns its new state, a
    tensor or a pair (h, c), for which p is p_hidden and p_cell. In evaluation the units take the mean,
    `p h_{t-1} + (1 - p) h~_t`. A missing state is zero. Called and shaped like the cell.

    Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations", ICLR 2017.

    >>> import retrograd as rg
    >>> cell = rg.nn.Zoneout(rg.nn.LSTMCell(3, 4), p_hidden=0.05, p_cell=0.5)
    >>> h, c = cell(rg.ones(2, 3))
    >>> tuple(h.shape)
    (2, 4)
    """

    cell: Module

    def __init__(self, cell: Module, p_hidden: float = 0.05, p_cell: float = 0.5) -> None:
        super().__init__()
        self.p_hidden = _probability("Zoneout", "p_hidden", p_hidden)
        self.p_cell = _probability("Zoneout", "p_cell", p_cell)
        self.cell = cell

    def _mix(self, old: Tensor, new: Tensor, p: float) -> Tensor:
        if p == 0.0:
            return new
        if not self.training:
            return old * p + new * (1.0 - p)
        return where(_uniform(new.shape, new) < p, old, new)

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        new = self.cell(input, hx)
        if isinstance(new, tuple):
            old = tuple(zeros_like(s) for s in new) if hx is None else hx
            return tuple(self._mix(a, b, p) for a, b, p in zip(old, new, (self.p_hidden, self.p_cell), strict=True))
        return self._mix(zeros_like(new) if hx is None else hx, new, self.p_hidden)

    def extra_repr(self) -> str:
        return f"p_hidden={self.p_hidden}, p_cell={self.p_cell}"


class RNNDrop(Module):
    """Runs an LSTM cell over a sequence with one dropout mask on its memory for all steps.

    With m ~ Bernoulli(1 - p), drawn once per sequence and call in training: `c_t = m (f c_{t-1} + i g)` and
    `h_t = m / (1 - p) o tanh(c_t)`. The units that are kept have an undistorted memory; their output is scaled, so
    that its mean is kept where it enters a product with weights. In evaluation the cell runs as it is.

    cell: LSTMCell, or another called as `cell(input, (h, c))` that returns (h, c) with h a multiple of tanh(c). Shapes:
    input `(T, N, I)`, `(N, T, I)` with batch_first, or `(T, I)` for one sequence; the state (h, c), each `(N, H)` or
    `(H,)`, zero if left away; returns the output `(T, N, H)` and the last state, as an LSTM does.

    Moon et al., "RNNDROP: A Novel Dropout for RNNs in ASR", ASRU 2015.

    >>> import retrograd as rg
    >>> out, (h, c) = rg.nn.RNNDrop(rg.nn.LSTMCell(3, 4), p=0.25)(rg.ones(5, 2, 3))
    >>> tuple(out.shape), tuple(c.shape)
    ((5, 2, 4), (2, 4))
    """

    cell: Module

    def __init__(self, cell: Module, p: float = 0.25, batch_first: bool = False) -> None:
        super().__init__()
        self.p = _probability("RNNDrop", "p", p, below_one=True)
        self.cell, self.batch_first = cell, batch_first

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if input.ndim not in (2, 3):
            raise ShapeError(f"RNNDrop: expected (T, N, I) or (T, I), got shape {tuple(input.shape)}")
        dim = 1 if self.batch_first and input.ndim == 3 else 0
        if input.shape[dim] == 0:
            raise ShapeError(f"RNNDrop: the sequence has no steps: input shape {tuple(input.shape)}")
        outputs, state, mask = [], hx, None
        for x in input.unbind(dim):
            new = self.cell(x, state)
            if not isinstance(new, tuple) or len(new) != 2:
                raise TypeError(f"RNNDrop: the cell must return (h, c), as an LSTMCell does, got {type(new).__name__}")
            h, c = new
            if self.training and self.p > 0.0:
                if mask is None:
                    mask = F.dropout(ones(tuple(c.shape), dtype=c.dtype, device=c.device), self.p, True)
                h, c = h * mask, where(mask > 0, c, zeros_like(c))
            outputs.append(h)
            state = h, c
        return stack(outputs, dim), state

    def extra_repr(self) -> str:
        return f"p={self.p}, batch_first={self.batch_first}"
