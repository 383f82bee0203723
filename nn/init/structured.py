"""Initializers with a structure: identity, Dirac, orthogonal, delta-orthogonal, sparse, and the LSTM's forget gate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...autograd import Tensor, no_grad
from ...autograd.ops.random import randperm
from ...autograd.random import Generator
from .fill import _skip, _write, normal_

__all__ = [
    "delta_orthogonal_", "dirac_", "eye_", "identity_", "lstm_forget_bias_", "orthogonal_", "sparse_",
]  # fmt: skip


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix: a Linear layer that passes its inputs on.

    >>> import retrograd as rg
    >>> rg.nn.init.eye_(rg.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {tensor.ndim}")
    rows, columns = tensor.shape
    return _write(tensor, np.eye(rows, columns))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight `(C_out, C_in // groups, *kernel)` that passes as many channels on as it can.

    >>> import retrograd as rg
    >>> rg.nn.init.dirac_(rg.empty(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got {len(shape)}")
    if shape[0] % groups:
        raise ValueError(f"dim 0 must be divisible by groups, got {shape[0]} and {groups}")
    a = np.zeros(shape)
    per_group = shape[0] // groups
    center = tuple(k // 2 for k in shape[2:])
    for g in range(groups):
        for c in range(min(per_group, shape[1])):
            a[(g * per_group + c, c, *center)] = 1
    return _write(tensor, a)


def identity_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """gain times the map that passes its inputs on: `eye_` for a matrix, `dirac_` for the weight of a convolution.

    For the recurrent weights of a ReLU network: Le, Jaitly & Hinton, "A Simple Way to Initialize Recurrent Networks of
    Rectified Linear Units", 2015.

    >>> import retrograd as rg
    >>> rg.nn.init.identity_(rg.empty(2, 2), gain=0.5)
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    """
    if tensor.ndim not in (2, 3, 4, 5):
        raise ValueError(f"Only tensors with 2, 3, 4, or 5 dimensions are supported, got {tensor.ndim}")
    (eye_ if tensor.ndim == 2 else dirac_)(tensor)
    if gain != 1 and not _skip.on:
        with no_grad():
            tensor.mul_(gain)
    return tensor


def delta_orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """A convolution weight `(C_out, C_in, *kernel)` that is orthogonal at the kernel's centre and 0 elsewhere.

    The convolution keeps the norm of every pixel (times gain), whatever its padding: so do any number of them. Raises
    ValueError when C_in is larger than C_out, where no map keeps all norms. Xiao et al., "Dynamical Isometry and a Mean
    Field Theory of CNNs: How to Train 10,000-Layer Vanilla Convolutional Neural Networks", ICML 2018.

    >>> import retrograd as rg
    >>> w = rg.nn.init.delta_orthogonal_(rg.empty(4, 3, 3, 3, dtype=rg.float64))
    >>> centre = w[:, :, 1, 1]
    >>> rg.allclose(centre.T @ centre, rg.eye(3, dtype=rg.float64)), int((w != 0).sum())
    (True, 12)
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got {len(shape)}")
    if shape[1] > shape[0]:
        raise ValueError(
            f"delta_orthogonal_: in_channels must not be larger than out_channels, got {shape[1]} and {shape[0]}"
        )
    if tensor.numel() == 0 or _skip.on:
        return tensor
    with no_grad():
        tensor.zero_()
        centre = (slice(None), slice(None), *(k // 2 for k in shape[2:]))
        tensor[centre] = orthogonal_(tensor.new_empty(shape[:2]), gain, generator)
    return tensor


def lstm_forget_bias_(module: Any, value: float = 1.0) -> Any:
    """Have the forget gates of an LSTM or LSTMCell begin open: their biases sum to `value`, 1 by default.

    `bias_ih` has `value` at the forget gate and `bias_hh` 0 there; the other gates stay as they are. Returns the module.
    Raises TypeError for another module, and ValueError for one without biases.

    Gers, Schmidhuber & Cummins, "Learning to Forget: Continual Prediction with LSTM", 2000; Jozefowicz, Zaremba &
    Sutskever, "An Empirical Exploration of Recurrent Network Architectures", ICML 2015.

    >>> import retrograd as rg
    >>> cell = rg.nn.init.lstm_forget_bias_(rg.nn.LSTMCell(3, 2))
    >>> (cell.bias_ih + cell.bias_hh)[2:4].tolist()
    [1.0, 1.0]
    """
    from ..modules.rnn import LSTM, LSTMCell

    if not isinstance(module, LSTM | LSTMCell):
        raise TypeError(f"lstm_forget_bias_: expected an LSTM or LSTMCell, got {type(module).__name__}")
    biases = [(name, p) for name, p in module.named_parameters(recurse=False) if name.startswith("bias_")]
    if not biases:
        raise ValueError("lstm_forget_bias_: the module was made with bias=False; make it with biases")
    if _skip.on:
        return module
    n = module.hidden_size
    with no_grad():
        for name, bias in biases:
            # The gates lie in the order input, forget, cell, output.
            bias[n : 2 * n] = value if name.startswith("bias_ih") else 0.0
    return module


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """A random (semi-)orthogonal matrix of the tensor seen as `(shape[0], the rest)`, times gain.

    Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", ICLR 2014.

    >>> import retrograd as rg
    >>> w = rg.nn.init.orthogonal_(rg.empty(3, 5, dtype=rg.float64))
    >>> rg.allclose(w @ w.T, rg.eye(3, dtype=rg.float64))
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, got {tensor.ndim}")
    if tensor.numel() == 0 or _skip.on:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    # On the host, in double precision: a QR decomposition in the weights' precision is not orthogonal to it.
    drawn = tensor.detach().clone().normal_(0, 1, generator=generator).cpu().numpy()
    flat = drawn.astype(np.float64).reshape(rows, columns)
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # makes the distribution uniform over orthogonal matrices
    return _write(tensor, (gain * (q.T if rows < columns else q)).reshape(tuple(tensor.shape)))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """A normal matrix in which the share `sparsity` of every column is zero.

    Martens, "Deep learning via Hessian-free optimization", ICML 2010.

    >>> import retrograd as rg
    >>> int((rg.nn.init.sparse_(rg.empty(10, 3), sparsity=0.4) == 0).sum())
    12
    """
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {tensor.ndim}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    if _skip.on:
        return tensor
    normal_(tensor, 0.0, std, generator)
    with no_grad():
        for column in range(columns):
            tensor[randperm(rows, generator=generator)[:zeros].to(tensor.device), column] = 0
    return tensor
