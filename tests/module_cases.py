"""Configurations of the modules that have no row in PyTorch's table of modules: at least four of each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the comparison needs torch")
F = torch.nn.functional


class Case:
    """Arguments of the constructor, and of forward: a shape is a tensor to differentiate by, anything else is as it is.

    modes: the modes to compare in; a random layer is compared in training only where nothing is left to chance.
    close: a relative tolerance other than the usual one.
    """

    def __init__(
        self, *args: Any, x: tuple[Any, ...] | None, modes: tuple[bool, ...] = (False, True), close: float | None = None,
        options: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        self.args, self.kwargs, self.x = args, kwargs, x
        self.modes, self.close, self.options = modes, close, options or {}

    def given(self, dtype: Any) -> Any:
        if self.x is None:
            return None
        torch.default_generator.manual_seed(0)  # manual_seed formats the stack, for every GPU
        return [draw(v, dtype) for v in self.x], {k: draw(v, dtype) for k, v in self.options.items()}


def draw(v: Any, dtype: Any) -> Any:
    if isinstance(v, torch.Tensor):
        return v.to(dtype) if v.is_floating_point() else v
    if isinstance(v, tuple) and all(isinstance(n, int) for n in v):
        return torch.randn(v, dtype=torch.float64).to(dtype).requires_grad_()
    return v


def pooled(dim: int) -> tuple[Any, Any]:
    """Maxima of windows of 2, and where they were."""
    torch.default_generator.manual_seed(1)
    f = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[dim - 1]
    values, indices = f(torch.randn(2, 3, *[6] * dim), 2, return_indices=True)
    return values.requires_grad_(), indices


def indices(high: int, *shape: int) -> Any:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(0))


EVAL = (False,)
L1 = torch.nn.PairwiseDistance


def dropouts(x: tuple[int, ...], *more: tuple[int, ...]) -> list[Case]:
    return [
        Case(x=(x,), modes=EVAL),
        Case(0.3, x=(x,), modes=EVAL),
        Case(0.0, x=(x,)),
        Case(p=1.0, x=(x,)),
        *(Case(0.0, x=(s,)) for s in more),
    ]


def unpools(dim: int) -> list[Case]:
    v, at = pooled(dim)
    return [
        Case(2, x=(v, at)),
        Case(2, stride=2, x=(v, at)),
        Case((2,) * dim, (2,) * dim, padding=0, x=(v, at)),
        Case(2, x=(v, at), options={"output_size": [7] * dim}),
    ]


def norms(x: tuple[int, ...]) -> list[Case]:
    return [
        Case(x=(x,)),
        Case(1e-3, 0.3, x=(x,)),
        Case(affine=False, x=(x,)),
        Case(track_running_stats=False, x=(x,)),
        Case(bias=False, x=(x,)),
        Case(affine=False, track_running_stats=False, x=(x,)),
    ]


def margins(**more: Any) -> list[Case]:
    x = ((4, 3),) * 3
    return [
        Case(x=x, **more),
        Case(margin=0.3, reduction="sum", x=x, **more),
        Case(swap=True, reduction="none", x=x, **more),
        Case(margin=2.0, swap=True, x=x, **more),
    ]


X3, X4, X5 = (2, 3, 5), (2, 4, 4, 6), (2, 3, 4, 4, 5)

OWN: dict[str, list[Case]] = {
    "AdaptiveLogSoftmaxWithLoss": [
        Case(6, 10, [2, 5], x=((4, 6), indices(10, 4))),
        Case(6, 10, [3], div_value=2.0, x=((4, 6), indices(10, 4))),
        Case(6, 10, [2, 5, 7], head_bias=True, x=((4, 6), indices(10, 4))),
        Case(6, 10, [4], x=((6,), indices(10)[()])),
    ],
    "AlphaDropout": dropouts(X3, (4,)),
    "ChannelShuffle": [
        Case(2, x=(X4,)), Case(4, x=(X4,)), Case(1, x=(X4,)), Case(3, x=((1, 6, 2, 2),)), Case(2, x=((2, 4, 3),)),
    ],
    "CosineSimilarity": [
        Case(x=((3, 5), (3, 5))),
        Case(dim=0, x=((3, 5), (3, 5))),
        Case(dim=-1, eps=1e-3, x=((2, 3, 4), (2, 3, 4))),
        Case(dim=2, x=((2, 3, 4), (3, 4))),
    ],
    # Without gradients: PyTorch's is not the derivative (tests/test_module_info.py checks ours).
    "CrossMapLRN2d": [
        Case(n, alpha=0.3, x=(torch.linspace(-2, 2, 18 * c).reshape(2, c, 3, 3).sin(),), **more)
        for n, c, more in ((1, 4, {}), (2, 5, {}), (3, 7, {"k": 2}), (4, 3, {}), (5, 9, {"beta": 0.5}), (7, 2, {}))
    ],
    "DataParallel": [
        Case(torch.nn.ReLU(), x=((3, 4),)),
        Case(torch.nn.Flatten(), x=(X3,)),
        Case(torch.nn.Tanh(), dim=1, x=((3, 4),)),
        Case(torch.nn.Softsign(), x=((3, 4),)),
    ],
    "Dropout": dropouts(X3, (4,)),
    "Dropout1d": dropouts(X3, (3, 5)),
    "Dropout2d": dropouts(X4, (3, 4, 4)),
    "Dropout3d": dropouts(X5, (3, 4, 4, 5)),
    "EmbeddingBag": [
        Case(7, 3, x=(indices(7, 4, 5),)),
        Case(7, 3, mode="sum", x=(indices(7, 9), torch.tensor([0, 2, 2, 6]))),
        Case(7, 3, mode="max", x=(indices(7, 4, 5),)),
        Case(7, 3, mode="mean", padding_idx=2, include_last_offset=True, x=(indices(7, 9), torch.tensor([0, 4, 9]))),
        Case(7, 3, mode="sum", x=(indices(7, 4, 5),), options={"per_sample_weights": (4, 5)}),
    ],
    "FeatureAlphaDropout": dropouts(X3, X5),
    "Flatten": [
        Case(x=(X4,)), Case(0, x=(X4,)), Case(1, 2, x=(X4,)), Case(-2, -1, x=(X4,)), Case(0, -2, x=(X3,)),
    ],
    "Fold": [
        Case((4, 5), (2, 3), x=((2, 12, 9),)),
        Case(4, 2, stride=2, x=((2, 8, 4),)),
        Case((5, 4), 3, dilation=1, padding=1, x=((1, 9, 20),)),
        Case(7, (2, 3), dilation=(2, 1), padding=(1, 0), stride=(1, 2), x=((6, 21),)),
    ],
    # PyTorch's slope is 1/6 rounded to float32, in double precision too.
    "Hardsigmoid": [Case(x=(s,), close=1e-7) for s in (X3, (4,), ())] + [Case(inplace=False, x=(X4,), close=1e-7)],
    "Identity": [
        Case(x=(X3,)), Case(54, x=((4,),)), Case(54, unused=0.1, x=((),)), Case("anything", None, x=(X5,)),
    ],
    "LazyBatchNorm1d": [*norms(X3), Case(x=((4, 3),))],
    "LazyBatchNorm2d": norms(X4),
    "LazyBatchNorm3d": norms(X5),
    "LazyInstanceNorm1d": norms(X3),
    "LazyInstanceNorm2d": norms(X4),
    "LazyInstanceNorm3d": norms(X5),
    "LazyLinear": [Case(4, x=(X3,)), Case(2, False, x=((5,),)), Case(1, x=(X4,)), Case(3, bias=True, x=((2, 7),))],
    "MaxUnpool1d": unpools(1),
    "MaxUnpool2d": unpools(2),
    "MaxUnpool3d": unpools(3),
    "NLLLoss2d": [
        Case(x=((2, 3, 4, 4), indices(3, 2, 4, 4)), **kw)
        for kw in ({}, {"reduction": "sum"}, {"reduction": "none", "ignore_index": 1}, {"weight": torch.rand(3)})
    ],
    "PairwiseDistance": [
        Case(x=((3, 5), (3, 5))),
        Case(p=1.0, x=((3, 5), (3, 5))),
        Case(p=float("inf"), keepdim=True, x=((3, 5), (3, 5))),
        Case(3.0, 1e-3, x=((2, 3, 5), (3, 5))),
        Case(x=((5,), (5,))),
    ],
    "PixelShuffle": [
        Case(2, x=((1, 8, 3, 2),)), Case(3, x=((9, 2, 2),)), Case(1, x=(X4,)), Case(2, x=((2, 2, 4, 3, 3),)),
    ],
    "PixelUnshuffle": [
        Case(2, x=(X4,)), Case(3, x=((1, 6, 9),)), Case(1, x=(X4,)), Case(2, x=((2, 2, 3, 4, 2),)),
    ],
    "RNNBase": [
        Case("LSTM", 3, 4, x=None),
        Case("GRU", 3, 4, num_layers=2, bidirectional=True, x=None),
        Case("RNN_TANH", 3, 4, bias=False, batch_first=True, x=None),
        Case("LSTM", 3, 4, 2, dropout=0.2, proj_size=2, x=None),
    ],
    "RNNCellBase": [
        Case(3, 4, True, 4, x=None), Case(3, 4, False, 3, x=None), Case(1, 2, bias=True, num_chunks=1, x=None),
        Case(3, 4, True, num_chunks=2, x=None),
    ],
    "RReLU": [
        Case(x=(X3,), modes=EVAL),
        Case(0.1, 0.5, x=(X4,), modes=EVAL),
        Case(0.2, 0.2, x=(X3,)),
        Case(lower=0.0, upper=0.0, inplace=False, x=((4,),)),
    ],
    "SyncBatchNorm": [
        Case(3, x=(X3,)), Case(3, momentum=None, x=(X5,)), Case(4, affine=False, x=(X4,)),
        Case(3, track_running_stats=False, x=(X5,)), Case(3, 1e-2, 0.4, x=((4, 3),)),
    ],
    "TransformerDecoder": [
        Case(torch.nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, **kw, dtype=torch.float64), n, x=((4, 2, 8), (5, 2, 8)))
        for n, kw in ((1, {}), (2, {"norm_first": True}), (2, {"activation": F.gelu}), (1, {"batch_first": False}))
    ],
    "TripletMarginLoss": [*margins(p=1.0), *margins(eps=1e-3)],
    "TripletMarginWithDistanceLoss": [*margins(), *margins(distance_function=L1())],
    "Unflatten": [
        Case(1, (2, 2), x=(X4,)), Case(-1, (3, -1), x=(X4,)), Case(0, (1, 2), x=(X3,)), Case(2, torch.Size([2, 2]), x=(X5,)),
    ],
    "Unfold": [
        Case((2, 3), x=(X4,)),
        Case(2, stride=2, x=(X4,)),
        Case(3, padding=1, dilation=1, x=((4, 4, 6),)),
        Case((2, 1), (2, 1), (0, 1), (1, 2), x=(X4,)),
    ],
    "Upsample": [
        Case(scale_factor=2, x=(X3,)),
        Case(size=(7, 9), mode="bilinear", x=(X4,)),
        Case(scale_factor=(1.5, 2.0), mode="bicubic", align_corners=True, x=(X4,)),
        Case(scale_factor=2.5, mode="linear", recompute_scale_factor=True, x=(X3,)),
        Case(size=(5, 3, 8), mode="trilinear", align_corners=False, x=(X5,)),
    ],
    "UpsamplingBilinear2d": [
        Case(scale_factor=2, x=(X4,)), Case(size=(7, 5), x=(X4,)), Case(size=3, x=(X4,)), Case(scale_factor=(1.5, 3), x=(X4,)),
    ],
    "UpsamplingNearest2d": [
        Case(scale_factor=2, x=(X4,)), Case(size=(7, 5), x=(X4,)), Case(size=3, x=(X4,)), Case(scale_factor=(1.5, 3), x=(X4,)),
    ],
}  # fmt: skip


# ---------------------------------------------------------------- containers: how they are built, with either library
def _uses(nn: Any, **parts: Any) -> Any:
    """A module with these attributes; forward is given by `_forward`, a function of (self, x)."""
    forward = parts.pop("_forward")

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

        def forward(self, x: Any) -> Any:
            return forward(self, x)

    return Holder()


def _chain(self: Any, x: Any) -> Any:
    for layer in self.layers.values() if hasattr(self.layers, "values") else self.layers:
        x = layer(x)
    return x


def _weighted(self: Any, x: Any) -> Any:
    for p in self.weights.values() if hasattr(self.weights, "values") else self.weights:
        x = x * p
    return x


def _parameters(lib: Any, n: int, size: int = 4) -> list[Any]:
    return [lib.nn.Parameter(lib.ones(size)) for _ in range(n)]


def _named(lib: Any) -> dict[str, Any]:
    return dict(zip("ab", _parameters(lib, 2), strict=True))


def _list_grown(lib: Any) -> Any:
    nn = lib.nn
    layers = nn.ModuleList([nn.Linear(4, 4)])
    layers.append(nn.ReLU())
    layers.extend([nn.Linear(4, 2), nn.Tanh()])
    layers.insert(1, nn.BatchNorm1d(4))
    return _uses(nn, layers=layers, _forward=_chain)


def _dict_changed(lib: Any) -> Any:
    nn = lib.nn
    layers = nn.ModuleDict({"a": nn.Linear(4, 3), "b": nn.ReLU(), "gone": nn.Linear(3, 3)})
    layers.update({"c": nn.Linear(3, 2)})
    del layers["gone"]
    return _uses(nn, layers=layers, _forward=_chain)


def _sequential_edited(lib: Any) -> Any:
    nn = lib.nn
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    net.append(nn.Linear(4, 3)).insert(0, nn.Tanh())
    net.extend([nn.Sigmoid()])
    return net + nn.Sequential(nn.Linear(3, 1))


BUILT: dict[str, list[Callable[[Any], Any]]] = {
    "Container": [
        lambda lib: lib.nn.Container(a=lib.nn.ReLU()),
        lambda lib: lib.nn.Container(a=lib.nn.Linear(2, 3), b=lib.nn.BatchNorm1d(3)),
        lambda lib: lib.nn.Container(),
        lambda lib: _uses(
            lib.nn, layers=lib.nn.Container(a=lib.nn.Linear(4, 2)), _forward=lambda self, x: self.layers.a(x)
        ),
    ],
    "Module": [
        lambda lib: _uses(lib.nn, a=lib.nn.Linear(4, 2), _forward=lambda self, x: self.a(x)),
        lambda lib: _uses(lib.nn, w=lib.nn.Parameter(lib.ones(4)), _forward=lambda self, x: self.w * x),
        lambda lib: _uses(lib.nn, b=lib.nn.Buffer(lib.ones(4)), _forward=lambda self, x: self.b + x),
        lambda lib: _uses(
            lib.nn, a=lib.nn.Sequential(lib.nn.Linear(4, 4)), b=lib.nn.ReLU(), _forward=lambda self, x: self.b(self.a(x))
        ),
    ],
    "ModuleDict": [
        lambda lib: _uses(lib.nn, layers=lib.nn.ModuleDict({"x": lib.nn.Linear(4, 4), "y": lib.nn.ReLU()}), _forward=_chain),
        lambda lib: _uses(
            lib.nn, layers=lib.nn.ModuleDict([["x", lib.nn.Linear(4, 1)], ["y", lib.nn.Tanh()]]), _forward=_chain
        ),
        lambda lib: _uses(lib.nn, layers=lib.nn.ModuleDict(), _forward=_chain),
        _dict_changed,
    ],
    "ModuleList": [
        lambda lib: _uses(lib.nn, layers=lib.nn.ModuleList([lib.nn.Linear(4, 4), lib.nn.ReLU()]), _forward=_chain),
        lambda lib: _uses(lib.nn, layers=lib.nn.ModuleList(lib.nn.Linear(4, 4) for _ in range(3)), _forward=_chain),
        lambda lib: _uses(lib.nn, layers=lib.nn.ModuleList([lib.nn.Linear(4, 4), lib.nn.ReLU()])[1:], _forward=_chain),
        _list_grown,
    ],
    "ParameterDict": [
        lambda lib: _uses(lib.nn, weights=lib.nn.ParameterDict(_named(lib)), _forward=_weighted),
        lambda lib: _uses(lib.nn, weights=lib.nn.ParameterDict({"t": lib.ones(4)}), _forward=_weighted),
        lambda lib: _uses(lib.nn, weights=lib.nn.ParameterDict(), _forward=_weighted),
        lambda lib: _uses(
            lib.nn, weights=lib.nn.ParameterDict(_named(lib)) | lib.nn.ParameterDict({"c": lib.ones(1)}), _forward=_weighted
        ),
    ],
    "ParameterList": [
        lambda lib: _uses(lib.nn, weights=lib.nn.ParameterList(_parameters(lib, 2)), _forward=_weighted),
        lambda lib: _uses(lib.nn, weights=lib.nn.ParameterList([lib.ones(4)]), _forward=_weighted),
        lambda lib: _uses(lib.nn, weights=lib.nn.ParameterList(), _forward=_weighted),
        lambda lib: _uses(
            lib.nn, weights=lib.nn.ParameterList(_parameters(lib, 1)).append(lib.ones(1)).extend(_parameters(lib, 2)),
            _forward=_weighted,
        ),
    ],
    "Sequential": [
        lambda lib: lib.nn.Sequential(lib.nn.Linear(4, 4), lib.nn.ReLU()),
        lambda lib: lib.nn.Sequential(OrderedDict(a=lib.nn.Linear(4, 4), b=lib.nn.BatchNorm1d(4))),
        lambda lib: lib.nn.Sequential(lib.nn.Linear(4, 4), lib.nn.ReLU(), lib.nn.Linear(4, 4))[:2],
        _sequential_edited,
    ],
}  # fmt: skip
