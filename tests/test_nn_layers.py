"""Every layer against PyTorch's: names and shapes of its state, its repr, outputs and gradients from equal weights."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(5)


def draw(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    return RNG.uniform(low, high, shape)


def case(name, *args, x, target=None, **kwargs):
    """One layer: class name, constructor arguments, inputs (arrays: gradients are compared), target of a loss."""
    inputs = x if isinstance(x, tuple) else (x,)
    label = f"{name}({', '.join([*map(repr, args), *(f'{k}={v!r}' for k, v in kwargs.items())])})"
    return pytest.param(name, args, kwargs, inputs, target, id=label[:90].replace("\n", ""))


CASES = [
    case("Identity", x=draw(2, 3)),
    case("Linear", 4, 3, x=draw(5, 4)),
    case("Linear", 4, 3, bias=False, x=draw(2, 5, 4)),
    case("Linear", 4, 1, x=draw(4)),
    case("Bilinear", 4, 3, 2, x=(draw(5, 4), draw(5, 3))),
    case("Bilinear", 4, 3, 2, bias=False, x=(draw(5, 4), draw(5, 3))),
    case("Flatten", x=draw(2, 3, 4)),
    case("Flatten", 0, 1, x=draw(2, 3, 4)),
    case("Unflatten", 1, (2, 3), x=draw(4, 6)),
    case("Conv1d", 4, 6, 3, x=draw(2, 4, 9)),
    case("Conv1d", 4, 6, 3, stride=2, padding=1, dilation=2, groups=2, x=draw(2, 4, 9)),
    case("Conv1d", 4, 6, 4, padding="same", bias=False, x=draw(2, 4, 9)),
    case("Conv1d", 4, 6, 4, padding="same", padding_mode="circular", x=draw(2, 4, 9)),
    case("Conv2d", 2, 3, 3, x=draw(2, 2, 6, 7)),
    case("Conv2d", 2, 3, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), x=draw(2, 2, 6, 7)),
    case("Conv2d", 4, 4, 3, groups=4, padding="valid", x=draw(2, 4, 6, 7)),
    case("Conv2d", 2, 3, (4, 3), padding="same", x=draw(2, 2, 6, 7)),
    case("Conv2d", 2, 3, 3, x=draw(2, 6, 7)),
    *(
        case("Conv2d", 2, 3, 3, padding=(2, 1), padding_mode=mode, x=draw(2, 2, 6, 7))
        for mode in ("zeros", "reflect", "replicate", "circular")
    ),
    case("Conv3d", 2, 3, 2, padding=1, x=draw(2, 2, 3, 4, 3)),
    case("Conv3d", 2, 4, (1, 2, 3), groups=2, padding="same", padding_mode="replicate", x=draw(2, 3, 4, 3)),
    case("ConvTranspose1d", 4, 6, 3, stride=2, padding=1, output_padding=1, x=draw(2, 4, 5)),
    case("ConvTranspose1d", 4, 6, 3, groups=2, dilation=2, bias=False, x=draw(4, 5)),
    case("ConvTranspose2d", 2, 3, (3, 2), stride=(2, 1), padding=(1, 0), x=draw(2, 2, 4, 5)),
    case("ConvTranspose2d", 2, 4, 2, 2, 0, (1, 0), 2, True, 1, x=draw(2, 2, 3, 3)),
    case("ConvTranspose3d", 2, 3, 2, stride=2, x=draw(1, 2, 2, 3, 2)),
    case("BatchNorm1d", 3, x=draw(5, 3)),
    case("BatchNorm1d", 3, 1e-3, 0.3, x=draw(5, 3, 4)),
    case("BatchNorm1d", 3, momentum=None, x=draw(5, 3, 4)),
    case("BatchNorm1d", 3, affine=False, x=draw(5, 3)),
    case("BatchNorm1d", 3, bias=False, x=draw(5, 3)),
    case("BatchNorm1d", 3, track_running_stats=False, x=draw(5, 3)),
    case("BatchNorm2d", 3, x=draw(4, 3, 2, 5)),
    case("BatchNorm2d", 3, affine=False, track_running_stats=False, x=draw(4, 3, 2, 5)),
    case("BatchNorm3d", 3, x=draw(2, 3, 2, 3, 2)),
    case("LayerNorm", 4, x=draw(2, 3, 4)),
    case("LayerNorm", (3, 4), eps=1e-3, x=draw(2, 3, 4)),
    case("LayerNorm", 4, elementwise_affine=False, x=draw(2, 3, 4)),
    case("LayerNorm", 4, bias=False, x=draw(2, 3, 4)),
    case("RMSNorm", 4, x=draw(2, 3, 4)),
    case("RMSNorm", (3, 4), 1e-3, False, x=draw(2, 3, 4)),
    case("GroupNorm", 2, 6, x=draw(3, 6, 4)),
    case("GroupNorm", 3, 6, 1e-3, affine=False, x=draw(3, 6)),
    case("GroupNorm", 3, 6, bias=False, x=draw(3, 6, 2, 2)),
    case("LocalResponseNorm", 3, 0.1, 0.5, 2.0, x=draw(2, 5, 3)),
    case("InstanceNorm1d", 3, x=draw(2, 3, 5)),
    case("InstanceNorm1d", 3, affine=True, track_running_stats=True, x=draw(2, 3, 5)),
    case("InstanceNorm2d", 3, affine=True, bias=False, x=draw(3, 4, 5)),
    case("InstanceNorm3d", 3, track_running_stats=True, momentum=0.4, x=draw(2, 3, 2, 3, 2)),
    case("MaxPool1d", 2, x=draw(2, 3, 9)),
    case("MaxPool1d", 3, stride=2, padding=1, dilation=2, ceil_mode=True, x=draw(2, 3, 9)),
    case("MaxPool2d", 2, x=draw(2, 3, 6, 7)),
    case("MaxPool2d", (3, 2), stride=(2, 1), padding=1, ceil_mode=True, x=draw(2, 3, 6, 7)),
    case("AvgPool1d", 2, x=draw(2, 3, 9)),
    case("AvgPool1d", 3, 2, 1, True, False, x=draw(2, 3, 8)),
    case("AvgPool2d", 2, x=draw(2, 3, 6, 7)),
    case("AvgPool2d", (3, 2), 2, 1, True, False, x=draw(2, 3, 6, 7)),
    case("AvgPool2d", 3, divisor_override=4, x=draw(2, 3, 6, 7)),
    case("AdaptiveAvgPool1d", 4, x=draw(2, 3, 9)),
    case("AdaptiveAvgPool2d", (3, 2), x=draw(2, 3, 7, 5)),
    case("AdaptiveAvgPool2d", (None, 2), x=draw(2, 3, 7, 5)),
    case("AdaptiveAvgPool2d", 1, x=draw(2, 3, 7, 5)),
    case("MaxPool3d", 2, padding=1, x=draw(1, 2, 4, 5, 4)),
    case("AvgPool3d", 2, 1, x=draw(1, 2, 4, 5, 4)),
    case("AdaptiveAvgPool3d", (2, 1, None), x=draw(1, 2, 4, 5, 4)),
    case("AdaptiveMaxPool1d", 4, x=draw(2, 3, 9)),
    case("AdaptiveMaxPool2d", (None, 2), x=draw(2, 3, 7, 5)),
    case("AdaptiveMaxPool3d", 2, x=draw(1, 2, 4, 5, 4)),
    case("LPPool1d", 2, 3, x=draw(2, 3, 9)),
    case("LPPool2d", 1.5, (2, 3), stride=1, ceil_mode=True, x=draw(2, 3, 5, 6, low=0.1)),
    *(
        case(f"{kind}Pad{n}d", padding, *([2.5] if kind == "Constant" else []), x=draw(2, 3, *(4, 5, 6)[:n]))
        for kind in ("Constant", "Zero", "Reflection", "Replication", "Circular")
        for n in (1, 2, 3)
        for padding in (2, (0, 1, 2, 1, 1, 0)[: 2 * n])
    ),
    case("Softmax", dim=1, x=draw(3, 4)),
    case("Softmin", dim=0, x=draw(3, 4)),
    case("LogSoftmax", dim=-1, x=draw(3, 4)),
    case("Softmax2d", x=draw(2, 3, 2, 2)),
    case("GLU", x=draw(3, 4)),
    case("GLU", 0, x=draw(4, 3)),
    case("PReLU", x=draw(3, 4)),
    case("PReLU", 4, init=0.1, x=draw(3, 4, 2)),
    *(
        case(name, x=draw(3, 7, low=-5.0, high=5.0))
        for name in (
            "ReLU", "ReLU6", "Sigmoid", "Hardsigmoid", "Tanh", "SiLU", "Mish", "Hardswish", "ELU", "CELU", "SELU",
            "GELU", "Hardshrink", "LeakyReLU", "LogSigmoid", "Softplus", "Softshrink", "Softsign", "Tanhshrink",
            "Hardtanh",
        )
    ),
    case("Threshold", 0.5, -3.0, x=draw(3, 7)),
    case("Hardtanh", -0.5, 1.5, x=draw(3, 7)),
    case("ELU", 0.5, x=draw(3, 7)),
    case("CELU", alpha=0.5, x=draw(3, 7)),
    case("GELU", "tanh", x=draw(3, 7)),
    case("Hardshrink", 1.0, x=draw(3, 7)),
    case("LeakyReLU", 0.3, x=draw(3, 7)),
    case("Softplus", 2.0, 3.0, x=draw(3, 7)),
    case("Softshrink", 1.0, x=draw(3, 7)),
]  # fmt: skip

PROB = draw(4, 3, low=0.1, high=0.9)
LABELS = np.array([0, 2, 1, 1])
REDUCTIONS = ("mean", "sum", "none")
LOSSES = [
    *(case(name, reduction=r, x=draw(4, 3), target=draw(4, 3))
      for name in ("L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss") for r in REDUCTIONS),
    case("SmoothL1Loss", beta=0.5, x=draw(4, 3), target=draw(4, 3)),
    case("HuberLoss", delta=0.5, x=draw(4, 3), target=draw(4, 3)),
    *(case("CrossEntropyLoss", reduction=r, x=draw(4, 3), target=LABELS) for r in REDUCTIONS),
    case("CrossEntropyLoss", ignore_index=1, label_smoothing=0.1, x=draw(4, 3), target=LABELS),
    case("CrossEntropyLoss", x=draw(4, 3), target=PROB / PROB.sum(1, keepdims=True)),
    case("CrossEntropyLoss", x=draw(4, 3, 2), target=RNG.integers(0, 3, (4, 2))),
    *(case("NLLLoss", reduction=r, x=draw(4, 3), target=LABELS) for r in REDUCTIONS),
    case("NLLLoss", ignore_index=2, x=draw(4, 3), target=LABELS),
    *(case("BCELoss", reduction=r, x=PROB.copy(), target=draw(4, 3, low=0, high=1)) for r in REDUCTIONS),
    *(case("BCEWithLogitsLoss", reduction=r, x=draw(4, 3), target=draw(4, 3, low=0, high=1)) for r in REDUCTIONS),
    *(case("KLDivLoss", reduction=r, x=draw(4, 3), target=PROB) for r in (*REDUCTIONS, "batchmean")),
    *(
        case("PoissonNLLLoss", log, full, reduction=r, x=draw(4, 3, low=0.2), target=draw(4, 3, low=0, high=5))
        for log, full, r in ((True, False, "mean"), (False, True, "sum"), (True, True, "none"))
    ),
    *(case("SoftMarginLoss", reduction=r, x=draw(4, 3), target=np.sign(draw(4, 3))) for r in REDUCTIONS),
    *(case("HingeEmbeddingLoss", 0.7, reduction=r, x=draw(4, 3), target=np.sign(draw(4, 3))) for r in REDUCTIONS),
    *(case("MultiMarginLoss", p, 0.6, reduction=r, x=draw(4, 3), target=LABELS) for p in (1, 2) for r in REDUCTIONS),
    case("MultiLabelSoftMarginLoss", x=draw(4, 3), target=(draw(4, 3) > 0) * 1.0),
    *(
        case("CosineEmbeddingLoss", 0.2, reduction=r, x=(draw(4, 3), draw(4, 3)), target=np.sign(draw(4)))
        for r in REDUCTIONS
    ),
    case("MarginRankingLoss", 0.3, x=(draw(4), draw(4)), target=np.sign(draw(4))),
    case("TripletMarginLoss", x=(draw(4, 3), draw(4, 3), draw(4, 3))),
    case("TripletMarginLoss", 2.0, 1.5, swap=True, reduction="none", x=(draw(4, 3), draw(4, 3), draw(4, 3))),
    case("CosineSimilarity", x=(draw(4, 3), draw(4, 3))),
    case("PairwiseDistance", 1.0, keepdim=True, x=(draw(4, 3), draw(4, 3))),
    case("KLDivLoss", log_target=True, reduction="sum", x=draw(4, 3), target=np.log(PROB)),
]  # fmt: skip


def pair(name, args, kwargs):
    """Our layer and torch's in float64, with torch's weights and statistics, made to differ from their defaults."""
    theirs = getattr(torch.nn, name)(*args, **kwargs).double()
    ours = getattr(nn, name)(*args, **kwargs).double()
    with torch.no_grad():
        for t in [*theirs.parameters(), *(b for b in theirs.buffers() if b.is_floating_point())]:
            t.copy_(torch.from_numpy(RNG.uniform(0.2, 1.2, tuple(t.shape))))
    state = {k: v.numpy() for k, v in theirs.state_dict().items()}
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {k: v.shape for k, v in state.items()}
    assert [(k, str(v.dtype).rpartition(".")[2]) for k, v in ours.state_dict().items()] == [
        (k, str(v.dtype)) for k, v in state.items()
    ]
    if state:
        ours.load_state_dict(state)
    return ours, theirs


# torch's hardsigmoid and hardswish multiply by 1/6 rounded to float32
LOOSE = {"Hardsigmoid": 1e-7, "Hardswish": 1e-7}


def compare(ours, theirs, inputs, target=None):
    tol = LOOSE.get(type(ours).__name__, 1e-9)
    xs = [rg.tensor(x, requires_grad=True) for x in inputs]
    ys = [torch.tensor(x, requires_grad=True) for x in inputs]
    extra_x = () if target is None else (rg.tensor(target),)
    extra_y = () if target is None else (torch.tensor(target),)
    ours.zero_grad()
    theirs.zero_grad()
    a, b = ours(*xs, *extra_x), theirs(*ys, *extra_y)
    assert tuple(a.shape) == tuple(b.shape)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tol, atol=1e-12)
    g = RNG.normal(size=tuple(b.shape))
    a.backward(rg.tensor(g))
    b.backward(torch.tensor(g))
    for x, y in zip(xs, ys, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=tol, atol=1e-11)
    for (k, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-11, err_msg=k)
    for (k, p), q in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-10, atol=1e-12, err_msg=k)


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch's remark about a copy it makes
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize(("name", "args", "kwargs", "inputs", "target"), CASES + LOSSES)
def test_as_in_torch(name, args, kwargs, inputs, target):
    ours, theirs = pair(name, args, kwargs)
    assert repr(ours) == repr(theirs)
    for _ in range(2):  # twice: running statistics move on
        compare(ours, theirs, inputs, target)
    ours.eval()
    theirs.eval()
    compare(ours, theirs, inputs, target)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss"])
def test_class_weights(name):
    w = draw(3, low=0.2, high=2.0)
    ours, theirs = getattr(nn, name)(rg.tensor(w)), getattr(torch.nn, name)(torch.tensor(w))
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    compare(ours, theirs, (draw(4, 3),), LABELS)


def test_gaussian():
    mean, var, y = draw(4, 3), draw(4, 3, low=0.2), draw(4, 3)
    for kwargs in ({}, {"full": True, "reduction": "sum"}, {"eps": 0.5, "reduction": "none"}):
        a = nn.GaussianNLLLoss(**kwargs)(rg.tensor(mean), rg.tensor(y), rg.tensor(var))
        b = torch.nn.GaussianNLLLoss(**kwargs)(torch.tensor(mean), torch.tensor(y), torch.tensor(var))
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10)


def test_element_weights():
    w, pos = draw(4, 3, low=0.2, high=2.0), draw(3, low=0.2, high=2.0)
    y = draw(4, 3, low=0, high=1)
    compare(nn.BCELoss(rg.tensor(w)), torch.nn.BCELoss(torch.tensor(w)), (PROB,), y)
    ours = nn.BCEWithLogitsLoss(rg.tensor(w), pos_weight=rg.tensor(pos))
    theirs = torch.nn.BCEWithLogitsLoss(torch.tensor(w), pos_weight=torch.tensor(pos))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    compare(ours, theirs, (draw(4, 3),), y)


@pytest.mark.parametrize(
    ("name", "args"),
    [("ReLU", ()), ("LeakyReLU", (0.2,)), ("ELU", ()), ("SiLU", ()), ("Hardtanh", ()), ("ReLU6", ()), ("SELU", ()),
     ("CELU", ()), ("Threshold", (0.1, 20.0)), ("Hardswish", ()), ("Mish", ()), ("Hardsigmoid", ())],
)  # fmt: skip
def test_inplace_activations(name, args):
    ours, theirs = getattr(nn, name)(*args, inplace=True), getattr(torch.nn, name)(*args, inplace=True)
    assert repr(ours) == repr(theirs)
    x = draw(3, 4)
    a, b = rg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    ax, bx = a * 1, b * 1
    ay, by = ours(ax), theirs(bx)
    np.testing.assert_allclose(ax.detach().numpy(), bx.detach().numpy(), rtol=LOOSE.get(name, 1e-10))
    (ay * ay).sum().backward()
    (by * by).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=LOOSE.get(name, 1e-9))


def test_transposed_output_size():
    x = draw(1, 2, 4, 5)
    for kwargs, size in (({"stride": 2}, (10, 11)), ({"stride": 3, "padding": 1}, (1, 3, 12, 14))):
        ours, theirs = pair("ConvTranspose2d", (2, 3, 3), kwargs)
        a, b = ours(rg.tensor(x), output_size=size), theirs(torch.tensor(x), output_size=size)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9)
    with pytest.raises(ValueError, match="valid sizes range from"):
        ours(rg.tensor(x), output_size=(4, 4))
    with pytest.raises(ValueError, match="must have 2 or 4 elements"):
        ours(rg.tensor(x), output_size=(4,))
    with pytest.raises(ValueError, match="padding mode is supported"):
        nn.ConvTranspose1d(1, 1, 1, padding_mode="circular")


def test_pool_indices():
    x = draw(2, 3, 6, 7)
    out, at = nn.MaxPool2d(2, return_indices=True)(rg.tensor(x))
    out2, at2 = torch.nn.MaxPool2d(2, return_indices=True)(torch.tensor(x))
    np.testing.assert_array_equal(at.numpy(), at2.numpy())
    np.testing.assert_array_equal(out.numpy(), out2.numpy())


class TestEmbedding:
    INDEX = np.array([[1, 2, 2], [0, 5, 2]])

    @pytest.mark.parametrize(
        "kwargs",
        [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True}, {"max_norm": 0.8},
         {"max_norm": 0.8, "norm_type": 1.0}],
        ids=str,
    )  # fmt: skip
    def test_as_in_torch(self, kwargs):
        ours, theirs = pair("Embedding", (6, 4), kwargs)
        assert repr(ours) == repr(theirs)
        a, b = ours(rg.tensor(self.INDEX)), theirs(torch.tensor(self.INDEX))
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6)
        g = draw(2, 3, 4)
        a.backward(rg.tensor(g))
        b.backward(torch.tensor(g))
        np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-9)
        np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-6)

    def test_padding_row_starts_at_zero(self):
        table = nn.Embedding(6, 4, padding_idx=-2)
        assert table.padding_idx == 4
        assert not table.weight.detach().numpy()[4].any()
        assert table.weight.detach().numpy()[3].all()

    def test_from_pretrained(self):
        w = rg.tensor([[1.0, 2.0], [3.0, 4.0]])
        assert not nn.Embedding.from_pretrained(w).weight.requires_grad
        table = nn.Embedding.from_pretrained(w, freeze=False, padding_idx=0)
        assert table.weight.requires_grad
        assert table(rg.tensor([1, 0])).tolist() == [[3.0, 4.0], [1.0, 2.0]]
        with pytest.raises(AssertionError, match="2-dimensional"):
            nn.Embedding.from_pretrained(rg.zeros(3))

    def test_errors(self):
        with pytest.raises(AssertionError, match="within num_embeddings"):
            nn.Embedding(3, 2, padding_idx=3)
        with pytest.raises(AssertionError, match="does not match"):
            nn.Embedding(3, 2, _weight=rg.zeros(2, 2))
        with pytest.raises(IndexError):
            nn.Embedding(3, 2)(rg.tensor([3]))


class TestEmbeddingBag:
    INDEX = np.array([1, 2, 4, 2, 0, 2])

    @pytest.mark.parametrize(
        "kwargs",
        [
            {},
            {"mode": "sum"},
            {"mode": "max"},
            {"mode": "sum", "padding_idx": 2},
            {"max_norm": 0.8},
            {"include_last_offset": True},
        ],
        ids=str,
    )
    def test_as_in_torch(self, kwargs):
        offsets = np.array([0, 2, 3, 6] if kwargs.get("include_last_offset") else [0, 2, 3])
        ours, theirs = pair("EmbeddingBag", (6, 4), kwargs)
        assert repr(ours) == repr(theirs)
        g = draw(3, 4)
        for shaped in (False, True):
            if shaped and kwargs.get("include_last_offset"):
                continue
            args = (self.INDEX.reshape(3, 2),) if shaped else (self.INDEX, offsets)
            ours.zero_grad(), theirs.zero_grad()
            a, b = ours(*map(rg.tensor, args)), theirs(*map(torch.tensor, args))
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6)
            a.backward(rg.tensor(g))
            b.backward(torch.tensor(g))
            np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-6)

    def test_others(self):
        bag = nn.EmbeddingBag.from_pretrained(rg.eye(3), mode="sum")
        assert not bag.weight.requires_grad
        weights = rg.tensor([[2.0, 3.0]])
        assert bag(rg.tensor([[0, 2]]), per_sample_weights=weights).tolist() == [[2.0, 0.0, 3.0]]
        bag = nn.EmbeddingBag(5, 1, scale_grad_by_freq=True, mode="sum")  # torch divides some rows by another's count
        bag(rg.tensor([[1, 2], [4, 2]])).sum().backward()
        assert bag.weight.grad.flatten().tolist() == [0.0, 1.0, 1.0, 0.0, 1.0]
        with pytest.raises(AssertionError, match="2-dimensional"):
            nn.EmbeddingBag.from_pretrained(rg.eye(3)[0])


def test_a_network_trains_as_in_torch():
    """The same losses, gradients and running statistics, step by step, from the same weights."""

    def build(lib):
        return lib.nn.Sequential(
            lib.nn.Conv2d(1, 4, 3, padding=1), lib.nn.BatchNorm2d(4), lib.nn.ReLU(inplace=True), lib.nn.MaxPool2d(2),
            lib.nn.Conv2d(4, 6, 3, padding="same", groups=2, bias=False), lib.nn.GELU(), lib.nn.AdaptiveAvgPool2d(2),
            lib.nn.Flatten(), lib.nn.LayerNorm(24), lib.nn.Linear(24, 3),
        ).double()  # fmt: skip

    ours, theirs = build(rg), build(torch)
    ours.load_state_dict(theirs.state_dict())
    x, y = draw(8, 1, 8, 8), RNG.integers(0, 3, 8)
    history = []
    for lib, net in ((rg, ours), (torch, theirs)):
        losses = []
        loss_fn = lib.nn.CrossEntropyLoss(label_smoothing=0.1)
        for _ in range(10):
            loss = loss_fn(net(lib.tensor(x)), lib.tensor(y))
            net.zero_grad()
            loss.backward()
            losses.append([loss.item(), lib.nn.utils.clip_grad_norm_(net.parameters(), 1.0).item()])
            with lib.no_grad():
                for p in net.parameters():
                    p -= 0.1 * p.grad
        history.append(losses)
    np.testing.assert_allclose(history[0], history[1], rtol=1e-10)
    assert history[0][-1][0] < history[0][0][0]
    for k, v in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[k].numpy(), v.numpy(), rtol=1e-8, atol=1e-12, err_msg=k)
