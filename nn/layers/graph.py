"""Convolutions on graphs, whose adjacency matrix is dense or sparse: polynomial filters, and Kipf and Welling's layer."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.dtypes import int64
from ...autograd.errors import ShapeError
from ...autograd.layouts import strided
from ...autograd.ops.create import empty, ones
from ...autograd.ops.join import cat
from ...autograd.ops.ranges import arange, eye
from ...autograd.ops.where import where
from .. import init
from ..modules.module import Module

__all__ = ["GCNConv", "GraphFilter", "gcn_norm", "graph_filter"]


def _check(name: str, x: Tensor, shift: Tensor) -> None:
    """Whether features (..., n, F) and a matrix (n, n), or dense (..., n, n), belong together."""
    if shift.ndim < 2 or shift.shape[-1] != shift.shape[-2]:
        raise ShapeError(f"{name}: the matrix of the graph must be square, (n, n), got {tuple(shift.shape)}")
    if x.ndim < 2 or x.shape[-2] != shift.shape[-1]:
        raise ShapeError(
            f"{name}: expected features (..., {shift.shape[-1]}, F) for a graph of {shift.shape[-1]} nodes, got "
            f"{tuple(x.shape)}"
        )


def _shifted(shift: Tensor, x: Tensor) -> Tensor:
    """S x for features (..., n, F), S dense or sparse."""
    if shift.layout is strided:
        return shift @ x
    from ...autograd.sparse import mm

    if x.ndim == 2:
        return mm(shift, x)
    n, f = x.shape[-2:]
    y = mm(shift, x.reshape(-1, n, f).transpose(0, 1).reshape(n, -1))  # the batch beside the features: (n, N*F)
    return y.reshape(n, -1, f).transpose(0, 1).reshape(x.shape)


def graph_filter(x: Tensor, S: Tensor, h: Tensor) -> Tensor:
    """A polynomial filter: `sum over k of h_k S**k x`, computed as x, S x, S (S x), ... without powers of S.

    S: the shift operator of the graph `(n, n)`, such as its adjacency matrix or Laplacian; dense (also `(..., n, n)`) or
    sparse. h: the taps `(K,)`, or `(K, F_in, F_out)` for a matrix each: `sum over k of S**k x h_k`.
    Shapes: x `(n,)` (with taps `(K,)`) or `(..., n, F)`; output likewise, with F_out features.

    Gama, Isufi, Leus & Ribeiro, "Graphs, Convolutions, and Neural Networks", 2020.

    >>> import retrograd as rg
    >>> ring = rg.eye(4).roll(1, 0)  # shifts a signal by one node: the filter is an ordinary convolution
    >>> rg.nn.graph_filter(rg.tensor([1.0, 0.0, 0.0, 0.0]), ring, rg.tensor([3.0, 2.0, 1.0]))
    tensor([3., 2., 1., 0.])
    """
    if h.ndim not in (1, 3) or not h.shape[0]:
        raise ShapeError(f"graph_filter: h must have shape (K,) or (K, F_in, F_out) with K >= 1, got {tuple(h.shape)}")
    if x.ndim == 1 and h.ndim == 1:
        return graph_filter(x.unsqueeze(-1), S, h).squeeze(-1)
    _check("graph_filter", x, S)
    if h.ndim == 3 and x.shape[-1] != h.shape[1]:
        raise ShapeError(f"graph_filter: taps {tuple(h.shape)} take {h.shape[1]} features, got x {tuple(x.shape)}")
    total: Any = None
    for k in range(h.shape[0]):
        if k:
            x = _shifted(S, x)
        term = x * h[k] if h.ndim == 1 else x @ h[k]
        total = term if total is None else total + term
    return total


def gcn_norm(adjacency: Tensor, add_self_loops: bool = True) -> Tensor:
    """`D**(-1/2) (A + I) D**(-1/2)`, D the row sums of A + I: the symmetric normalisation of a graph.

    adjacency: `(n, n)`, dense (also `(..., n, n)`) or sparse; element (i, j) is the weight with which node i hears node j.
    The result has its layout (COO for the compressed ones) and its gradients. add_self_loops=False leaves out I. A node
    without neighbours gets zeros.

    Kipf & Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017.

    >>> import retrograd as rg
    >>> rg.nn.gcn_norm(rg.tensor([[0.0, 1.0], [1.0, 0.0]]))
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    if adjacency.ndim < 2 or adjacency.shape[-1] != adjacency.shape[-2]:
        raise ShapeError(f"gcn_norm: the adjacency matrix must be square, (n, n), got {tuple(adjacency.shape)}")
    n, made = adjacency.shape[-1], {"dtype": adjacency.dtype, "device": adjacency.device}
    if adjacency.layout is strided:
        a = adjacency + eye(n, **made) if add_self_loops else adjacency
        scale = _inverse_root(a.sum(-1))
        return scale.unsqueeze(-1) * a * scale.unsqueeze(-2)
    from ...autograd.sparse import sparse_coo_tensor

    s: Any = adjacency.to_sparse_coo().coalesce()
    places, values = s.indices(), s.values()
    if add_self_loops:
        loops = arange(n, dtype=int64, device=adjacency.device).expand(2, n)
        places, values = cat([places, loops], 1), cat([values, ones(n, **made)])
    degree = values.new_zeros(n).index_add(0, places[0], values)
    scale = _inverse_root(degree)
    return sparse_coo_tensor(places, scale[places[0]] * values * scale[places[1]], (n, n))


def _inverse_root(degree: Tensor) -> Tensor:
    """1 / sqrt(degree), and 0 for 0, with gradient 0."""
    zero = degree == 0
    return where(zero, 0.0, where(zero, 1.0, degree).rsqrt())


class GraphFilter(Module):
    """A layer of polynomial filters: `y = sum over k < taps of S**k x H_k + bias`, S given with each input.

    Each output feature is a filter of each input feature; node i's outputs see its neighbours up to taps - 1 edges away.
    Shapes: x `(..., n, in_features)`, S `(n, n)` dense or sparse, output `(..., n, out_features)`, weight
    `(taps, in_features, out_features)`. The weight starts as Glorot and Bengio's for each tap, the bias at 0.

    Gama, Isufi, Leus & Ribeiro, "Graphs, Convolutions, and Neural Networks", 2020.

    >>> import retrograd as rg
    >>> layer = rg.nn.GraphFilter(3, 5, taps=4)
    >>> tuple(layer(rg.zeros(6, 3), rg.eye(6).to_sparse()).shape)
    (6, 5)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        taps: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if taps < 1:
            raise ValueError(f"GraphFilter: taps must be at least 1, got {taps}")
        self.in_features, self.out_features, self.taps = in_features, out_features, taps
        made = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty((taps, in_features, out_features), **made))
        self.register_parameter("bias", Parameter(empty(out_features, **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        bound = math.sqrt(6 / (self.in_features + self.out_features))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: Tensor, S: Tensor) -> Tensor:
        y = graph_filter(x, S, self.weight)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        s = f"{self.in_features}, {self.out_features}, taps={self.taps}"
        return s if self.bias is not None else s + ", bias=False"


class GCNConv(Module):
    """A graph convolution: `y = D**(-1/2) (A + I) D**(-1/2) x W + b`; a nonlinearity follows outside.

    A is given with each input, dense or sparse. add_self_loops=False leaves out I. normalize=False takes the matrix as it
    is: for a graph that does not change, `gcn_norm` computes it once.
    Shapes: x `(..., n, in_features)`, adjacency `(n, n)`, dense also `(..., n, n)`, output `(..., n, out_features)`,
    weight `(in_features, out_features)`, Glorot and Bengio's at the start, bias 0.

    Kipf & Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017.

    >>> import retrograd as rg
    >>> adjacency = rg.sparse_coo_tensor([[0, 1, 1, 2], [1, 0, 2, 1]], rg.ones(4), (3, 3))
    >>> tuple(rg.nn.GCNConv(8, 4)(rg.zeros(3, 8), adjacency).shape)
    (3, 4)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        add_self_loops: bool = True,
        normalize: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.add_self_loops, self.normalize = add_self_loops, normalize
        made = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty((in_features, out_features), **made))
        self.register_parameter("bias", Parameter(empty(out_features, **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        init.xavier_uniform_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        _check("GCNConv", x, adjacency)
        if x.shape[-1] != self.in_features:
            raise ShapeError(f"GCNConv: expected {self.in_features} features, got x {tuple(x.shape)}")
        s = gcn_norm(adjacency, self.add_self_loops) if self.normalize else adjacency
        if self.out_features < self.in_features:  # the smaller product over the edges
            y = _shifted(s, x @ self.weight)
        else:
            y = _shifted(s, x) @ self.weight
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        s = f"{self.in_features}, {self.out_features}"
        for name in ("add_self_loops", "normalize"):
            if not getattr(self, name):
                s += f", {name}=False"
        return s if self.bias is not None else s + ", bias=False"
