"""What all losses beyond `torch.nn` have in common: derivatives, reductions, dtypes, copies, listings, refusals."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import fake_cupy
import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.func import vmap

D = rg.float64
RNG = np.random.default_rng(0)


def real(*shape, low=-2.0, high=2.0):
    return RNG.uniform(low, high, shape)


def classes(*shape, c=4):
    return RNG.integers(0, c, shape)


def signs(*shape):
    return np.where(RNG.random(shape) > 0.5, 1.0, -1.0)


def boxes(*shape):
    corner = real(*shape, 2)
    return np.concatenate([corner, corner + real(*shape, 2, low=0.5, high=2)], -1)


def yolo_target():
    y = real(2, 2, 2, 8, low=0.2, high=0.8)
    y[..., 4] = [[[1, 0], [0, 0]], [[0, 1], [1, 0]]]
    return y


class Row(NamedTuple):
    make: Callable[..., Any]
    inputs: list[np.ndarray]  # those of float64 are differentiated
    constants: list[np.ndarray] = []  # float64 inputs without a gradient, behind the others
    reductions: bool = True


POINTS, LABELS = real(8, 3), np.arange(8) % 3
PIXELS = real(2, 4, 3, 3, low=0.1, high=0.9)
TABLE: dict[str, Row] = {
    "LqLoss": Row(lambda **k: nn.LqLoss(1.5, **k), [real(4, 3), real(4, 3)]),
    "RMSELoss": Row(lambda **k: nn.RMSELoss(dim=0, **k), [real(4, 3), real(4, 3)]),
    "SigmoidFocalLoss": Row(lambda **k: nn.SigmoidFocalLoss(gamma=1.5, **k), [real(5, 3)], [(real(5, 3) > 0) * 1.0]),
    "FocalLoss": Row(lambda **k: nn.FocalLoss(1.5, **k), [real(5, 4, 2), classes(5, 2)]),
    "HingeLoss": Row(lambda **k: nn.HingeLoss(squared=True, **k), [real(7)], [signs(7)]),
    "PerceptronLoss": Row(nn.PerceptronLoss, [real(7)], [signs(7)]),
    "MultiClassHingeLoss": Row(lambda **k: nn.MultiClassHingeLoss(form="max", **k), [real(5, 4), classes(5)]),
    "CosFaceLoss": Row(lambda **k: nn.CosFaceLoss(3, 4, scale=4.0, **k), [real(5, 3), classes(5)]),
    "ArcFaceLoss": Row(lambda **k: nn.ArcFaceLoss(3, 4, scale=4.0, **k), [real(5, 3), classes(5)]),
    "SphereFaceLoss": Row(lambda **k: nn.SphereFaceLoss(3, 4, annealing=2.0, **k), [real(5, 3), classes(5)]),
    "ContrastiveLoss": Row(lambda **k: nn.ContrastiveLoss(3.0, **k), [real(5, 3), real(5, 3), classes(5, c=2)]),
    "SquaredTripletLoss": Row(lambda **k: nn.SquaredTripletLoss(normalize=True, **k), [real(5, 3) for _ in range(3)]),
    "BatchTripletLoss": Row(lambda **k: nn.BatchTripletLoss("soft", "semi-hard", **k), [POINTS, LABELS]),
    "SSIMLoss": Row(lambda **k: nn.SSIMLoss(window_size=3, **k), [real(2, 1, 3, 4, low=0), real(2, 1, 3, 4, low=0)]),
    "MSSSIMLoss": Row(
        lambda **k: nn.MSSSIMLoss(window_size=3, weights=(0.4, 0.6), **k),
        [base := real(2, 1, 5, 5, low=0), base + 0.1 * real(2, 1, 5, 5)],
    ),
    "ContentLoss": Row(nn.ContentLoss, [real(2, 3, 2, 2), real(2, 3, 2, 2)]),
    "StyleLoss": Row(nn.StyleLoss, [real(2, 3, 2, 2), real(2, 3, 2, 3)]),
    "TotalVariationLoss": Row(lambda **k: nn.TotalVariationLoss(2.0, True, **k), [real(2, 3, 3, 3)]),
    "DiceLoss": Row(lambda **k: nn.DiceLoss("softmax", squared=True, **k), [PIXELS, classes(2, 3, 3)]),
    "GeneralizedDiceLoss": Row(lambda **k: nn.GeneralizedDiceLoss("softmax", **k), [PIXELS, classes(2, 3, 3)]),
    "TverskyLoss": Row(lambda **k: nn.TverskyLoss(0.3, 0.7, 1.5, "sigmoid", **k), [PIXELS, classes(2, 3, 3)]),
    "JaccardLoss": Row(nn.JaccardLoss, [PIXELS, classes(2, 3, 3)]),
    "IoULoss": Row(nn.IoULoss, [near := boxes(6), near + 0.1 * real(6, 4)]),
    "GIoULoss": Row(nn.GIoULoss, [boxes(6), boxes(6)]),
    "DIoULoss": Row(nn.DIoULoss, [boxes(6), boxes(6)]),
    "CIoULoss": Row(nn.CIoULoss, [np.array([[0, 0, 1, 2.0]]), np.array([[0.3, 0.2, 1.4, 2.1]])]),
    "CapsuleMarginLoss": Row(nn.CapsuleMarginLoss, [real(3, 4, 2), classes(3)]),
    "CapsuleLoss": Row(nn.CapsuleLoss, [real(3, 4, 2), classes(3), real(3, 5), real(3, 5)]),
    "MinimaxGANLoss": Row(lambda **k: nn.MinimaxGANLoss(0.1, **k), [real(6), real(6)]),
    "NonSaturatingGANLoss": Row(nn.NonSaturatingGANLoss, [real(6)]),
    "LeastSquaresGANLoss": Row(nn.LeastSquaresGANLoss, [real(6), real(6)]),
    "WassersteinGANLoss": Row(nn.WassersteinGANLoss, [real(6), real(6)]),
    "HingeGANLoss": Row(nn.HingeGANLoss, [real(6), real(6)]),
    "MMDLoss": Row(lambda: nn.MMDLoss(bandwidth=(0.5, 2.0)), [real(4, 3), real(5, 3)], [], False),
    "DistillationLoss": Row(nn.DistillationLoss, [real(5, 4)], [real(5, 4)]),
    "TDLoss": Row(nn.TDLoss, [real(5)], [real(5), real(5)]),
    "QLearningLoss": Row(lambda **k: nn.QLearningLoss(loss="huber", **k), [real(5, 3), classes(5, c=3)], [real(5), real(5, 3)]),
    "YOLOLoss": Row(lambda **k: nn.YOLOLoss(1, 3, **k), [real(2, 2, 2, 8, low=0.1, high=0.9)], [yolo_target()]),
    "RPNLoss": Row(nn.RPNLoss, [real(7), real(7, 4), RNG.integers(-1, 2, 7)], [real(7, 4)], False),
    "FastRCNNLoss": Row(nn.FastRCNNLoss, [real(5, 4), real(5, 4, 4), classes(5)], [real(5, 4)]),
    "ElasticNetPenalty": Row(nn.ElasticNetPenalty, [real(4, 3)], [], False),
    "L1Penalty": Row(nn.L1Penalty, [real(4, 3)], [], False),
    "L2Penalty": Row(nn.L2Penalty, [real(4, 3)], [], False),
    "ActivityPenalty": Row(nn.ActivityPenalty, [real(4, 3)]),
    "SparsityPenalty": Row(nn.SparsityPenalty, [real(4, 3, low=0.1, high=0.9)], [], False),
    "DoublyStochasticPenalty": Row(nn.DoublyStochasticPenalty, [real(2, 4, 3)]),
}  # fmt: skip
SMOOTH = ["LqLoss", "FocalLoss", "ArcFaceLoss", "SSIMLoss", "GeneralizedDiceLoss", "MMDLoss", "CapsuleMarginLoss"]
REDUCING = [name for name, row in TABLE.items() if row.reductions]


def tensors(row: Row, dtype=np.float64, grad=True):
    found = []
    for i, a in enumerate([*row.inputs, *row.constants]):
        floating = a.dtype.kind == "f"
        x = rg.tensor(a.astype(dtype) if floating else a)
        found.append(x.requires_grad_() if grad and floating and i < len(row.inputs) else x)
    return found


def seeded(row: Row, **given):
    rg.manual_seed(0)
    return row.make(**given).to(D)


def test_every_loss_is_in_the_table():
    kinds = {name for name in nn.losses.__all__ if isinstance(getattr(nn, name), type)}
    assert kinds - {"GradientPenalty"} == set(TABLE)  # its first argument is a function


@pytest.mark.parametrize("name", [name for name in TABLE if name != "YOLOLoss"])
def test_gradient(name):
    row = TABLE[name]
    loss, given = seeded(row, **({"reduction": "sum"} if row.reductions else {})), tensors(row)
    assert rg.autograd.gradcheck(loss, tuple(given))
    value = loss(*given)
    value.backward()
    assert value.ndim == 0 and all(x.grad is not None for x in [*given, *loss.parameters()] if x.requires_grad)


def test_gradient_of_yolo_with_its_constant_overlap():
    """The IoU is a constant for the gradient: finite differences agree where each box is as confident as its overlap."""
    loss, (x, y) = nn.YOLOLoss(1, 3), tensors(TABLE["YOLOLoss"], grad=False)

    def corners(b):
        return rg.cat([b[..., :2] / 2 - b[..., 2:4] / 2, b[..., :2] / 2 + b[..., 2:4] / 2], -1).reshape(-1, 4)

    x[..., 4] = nn.box_iou(corners(x), corners(y)).diagonal().reshape(2, 2, 2)
    assert rg.autograd.gradcheck(loss, (x.requires_grad_(), y))


@pytest.mark.parametrize("name", ["CosFaceLoss", "ArcFaceLoss", "SphereFaceLoss"])
def test_gradient_of_the_directions(name):
    row = TABLE[name]
    loss, given = seeded(row), tensors(row, grad=False)
    weight = loss.weight.detach().clone().requires_grad_()
    assert rg.autograd.gradcheck(lambda w: rg.func.functional_call(loss, {"weight": w}, tuple(given)), (weight,))


@pytest.mark.parametrize("name", SMOOTH)
def test_second_derivative(name):
    row = TABLE[name]
    assert rg.autograd.gradgradcheck(seeded(row), tuple(tensors(row)))


@pytest.mark.parametrize("name", REDUCING)
def test_reductions(name):
    row = TABLE[name]
    each, total, mean = (seeded(row, reduction=r)(*tensors(row)).detach().numpy() for r in ("none", "sum", "mean"))
    assert each.ndim >= 1
    np.testing.assert_allclose(each.sum(), total, rtol=1e-12)
    np.testing.assert_allclose(each.mean(), mean, rtol=1e-12)
    with pytest.raises(ValueError, match="'avg' is not a valid reduction; choose"):
        row.make(reduction="avg")


@pytest.mark.parametrize("name", TABLE)
def test_dtype_repr_and_copies(name):
    row = TABLE[name]
    rg.manual_seed(0)
    loss = row.make()
    value = loss(*tensors(row, np.float32))
    assert value.dtype is rg.float32
    np.testing.assert_allclose(value.item(), seeded(row)(*tensors(row)).item(), rtol=2e-4, atol=1e-6)
    assert repr(loss).startswith(f"{name}(")
    same = [copy.deepcopy(loss), *([] if "<lambda>" in repr(vars(loss)) else [pickle.loads(pickle.dumps(loss))])]
    for other in same:
        assert other(*tensors(row, np.float32)).item() == value.item() and repr(other) == repr(loss)


ALIKE = {
    "LqLoss": 2, "RMSELoss": 2, "SigmoidFocalLoss": 2, "HingeLoss": 2, "PerceptronLoss": 2, "ContrastiveLoss": 2,
    "SquaredTripletLoss": 3, "SSIMLoss": 2, "MSSSIMLoss": 2, "ContentLoss": 2, "IoULoss": 2, "GIoULoss": 2,
    "DIoULoss": 2, "CIoULoss": 2, "DistillationLoss": 2, "TDLoss": 3,
}  # fmt: skip
LABELLED = {
    "FocalLoss": (5, 2), "MultiClassHingeLoss": (5,), "CosFaceLoss": (5,), "ArcFaceLoss": (5,), "SphereFaceLoss": (5,),
    "CapsuleMarginLoss": (3,), "DiceLoss": (2, 3, 3), "JaccardLoss": (2, 3, 3), "TverskyLoss": (2, 3, 3),
    "GeneralizedDiceLoss": (2, 3, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_shapes_that_would_broadcast_are_refused(name):
    row = TABLE[name]
    for at in range(ALIKE[name]):
        given = tensors(row)
        given[at] = given[at][:1] if given[at].shape[0] > 1 else given[at].repeat(2, *[1] * (given[at].ndim - 1))
        shapes = {str(tuple(x.shape)) for x in given[: ALIKE[name]]}
        with pytest.raises(rg.ShapeError) as caught:
            row.make()(*given)
        assert all(shape in str(caught.value) for shape in shapes), caught.value


@pytest.mark.parametrize("name", LABELLED)
def test_labels_are_checked_by_name(name):
    row, shape = TABLE[name], LABELLED[name]
    x, *_ = tensors(row)
    loss = seeded(row)
    c = 4
    place = r"\(" + ", ".join(["1"] * len(shape)) + r"\)" if len(shape) > 1 else "1"
    for bad in (c, -1):
        labels = np.zeros(shape, dtype=np.int64)
        labels[(1,) * len(shape)] = bad
        with pytest.raises(IndexError, match=rf"{name}: label {bad} at position {place} is out of range for 4 classes"):
            loss(x, rg.tensor(labels))
    with pytest.raises(rg.ShapeError, match=rf"{name}: "):
        loss(x, rg.zeros((*shape, 1, 1), dtype=rg.int64))
    with pytest.raises(TypeError, match=rf"{name}: labels are float32"):
        loss(x, rg.zeros(shape))


@pytest.mark.parametrize("name", ["HingeLoss", "PerceptronLoss", "ContrastiveLoss", "RPNLoss", "CapsuleMarginLoss"])
def test_labels_of_few_values_are_checked_by_value(name):
    row = TABLE[name]
    given = tensors(row, grad=False)
    at = {"ContrastiveLoss": 2, "RPNLoss": 2}.get(name, 1)
    given[at] = rg.zeros(3, 4) if name == "CapsuleMarginLoss" else given[at].clone()
    given[at][(2, 1) if name == "CapsuleMarginLoss" else 2] = 5
    place = r"\(2, 1\)" if name == "CapsuleMarginLoss" else "2"
    with pytest.raises(ValueError, match=rf"{name}: (label|target) 5 at position {place} is none of"):
        row.make()(*given)


@pytest.mark.parametrize("name", ["FocalLoss", "MultiClassHingeLoss", "SSIMLoss", "DiceLoss", "BatchTripletLoss"])
def test_vmap_equals_a_loop(name):
    row = TABLE[name]
    given = [rg.stack([x, x.flip(0)]) for x in tensors(row, grad=False)]
    loss = seeded(row)
    expected = [loss(*(x[i] for x in given)).item() for i in range(2)]
    np.testing.assert_allclose(vmap(loss)(*given).numpy(), expected, rtol=1e-12)


def test_integers_are_refused_where_numbers_are_compared():
    x = rg.tensor([[1, 2], [3, 4]])
    for loss, given in (
        (nn.RMSELoss(), (x, x)), (nn.HingeLoss(), (x, x)), (nn.SSIMLoss(), (x[None], x[None])), (nn.MMDLoss(), (x, x)),
        (nn.WassersteinGANLoss(), (x,)), (nn.ActivityPenalty(), (x,)), (nn.L2Penalty(), (x,)),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="floating-point values are expected, as in "):
            loss(*given)


# Losses whose evaluation makes the host wait for a device, each with the reason; all others must not.
WAITS = {"BatchTripletLoss": "how many triplets there are depends on the labels"}


@pytest.mark.parametrize("name", TABLE)
def test_on_a_device_the_values_are_those_of_the_host(name, cuda_fake):
    row = TABLE[name]
    host, device = seeded(row), seeded(row).to("cuda")
    there = [x.detach().to("cuda").requires_grad_(x.requires_grad) for x in tensors(row)]
    here = tensors(row)
    with fake_cupy.sync_counter() as waited:
        value = device(*there)
        value.backward()
    assert name in WAITS or not waited.count, waited
    expected = host(*here)
    expected.backward()
    assert value.is_cuda
    np.testing.assert_allclose(value.item(), expected.item(), rtol=1e-12)
    for a, b in zip([*there, *device.parameters()], [*here, *host.parameters()], strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            np.testing.assert_allclose(a.grad.cpu().numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_a_gradient_penalty_on_a_device(cuda_fake):
    w = rg.tensor([3.0, 4.0], device="cuda", requires_grad=True)
    penalty = nn.GradientPenalty(weight=1.0)(
        lambda x: x @ w, rg.ones(3, 2, device="cuda"), rg.zeros(3, 2, device="cuda")
    )
    penalty.backward()
    assert penalty.is_cuda and penalty.item() == pytest.approx(16) and w.grad.is_cuda
