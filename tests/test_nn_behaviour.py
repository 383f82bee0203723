"""What layers do beyond their formulas: randomness, running statistics, initial distributions, refused arguments."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

torch = pytest.importorskip("torch")


class TestDropout:
    @pytest.mark.parametrize(
        ("name", "shape"),
        [("Dropout", (1000,)), ("Dropout1d", (100, 10, 3)), ("Dropout2d", (100, 10, 3, 2)),
         ("Dropout3d", (100, 10, 1, 3, 2))],
    )  # fmt: skip
    def test_share_scale_and_channels(self, name, shape):
        layer, theirs = getattr(nn, name)(0.3), getattr(torch.nn, name)(0.3)
        assert repr(layer) == repr(theirs)
        out = layer(rg.ones(*shape)).numpy()
        kept = out != 0
        np.testing.assert_allclose(out[kept], 1 / 0.7, rtol=1e-6)
        assert 0.6 < kept.mean() < 0.8
        if name != "Dropout":
            flat = kept.reshape(*shape[:2], -1)
            assert (flat.all(-1) | ~flat.any(-1)).all()
        layer.eval()
        assert (layer(rg.ones(*shape)).numpy() == 1).all()

    def test_extremes_and_gradient(self):
        x = rg.ones(50, requires_grad=True)
        assert not nn.Dropout(1.0)(x).detach().numpy().any()
        assert nn.Dropout(0.0)(x).detach().numpy().all()
        y = nn.Dropout(0.5)(x)
        y.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), y.detach().numpy())
        with pytest.raises(ValueError, match="between 0 and 1, but got 1"):
            nn.Dropout(1.5)

    def test_alpha_keeps_mean_and_variance(self):
        x = rg.randn(200_000, generator=rg.Generator().manual_seed(1))
        for layer in (nn.AlphaDropout(0.2), nn.FeatureAlphaDropout(0.2)):
            shaped = x if isinstance(layer, nn.AlphaDropout) else x.reshape(200, 1000)
            out = layer(shaped).numpy()
            assert abs(out.mean()) < 0.02
            assert abs(out.std() - 1) < 0.02
            assert layer.eval()(shaped) is shaped or (layer(shaped).numpy() == shaped.numpy()).all()


class TestRReLU:
    def test_slopes(self):
        layer = nn.RReLU(0.1, 0.3)
        assert repr(layer) == repr(torch.nn.RReLU(0.1, 0.3))
        out = layer(-rg.ones(1000)).numpy()
        assert -0.3 <= out.min() < -0.28
        assert -0.12 < out.max() <= -0.1
        np.testing.assert_allclose(layer.eval()(-rg.ones(3)).numpy(), -0.2, rtol=1e-6)


class TestBatchNorm:
    def test_wrong_inputs(self):
        for layer, shape, text in (
            (nn.BatchNorm1d(3), (3,), "expected 2D or 3D input"),
            (nn.BatchNorm2d(3), (2, 3), "expected 4D input"),
            (nn.BatchNorm3d(3), (2, 3), "expected 5D input"),
        ):
            with pytest.raises(ValueError, match=text):
                layer(rg.zeros(*shape))
        with pytest.raises(ValueError, match="more than 1 value"):
            nn.BatchNorm1d(3)(rg.zeros(1, 3))

    def test_counter_and_reset(self):
        layer = nn.BatchNorm1d(3)
        for _ in range(3):
            layer(rg.randn(4, 3))
        assert int(layer.num_batches_tracked) == 3
        layer.eval()(rg.randn(4, 3))
        assert int(layer.num_batches_tracked) == 3
        layer.reset_running_stats()
        assert int(layer.num_batches_tracked) == 0
        assert layer.running_var.tolist() == [1.0] * 3

    def test_dtypes_of_state_after_cast(self):
        layer = nn.BatchNorm1d(3).double()
        assert layer.running_mean.dtype is rg.float64
        assert layer.num_batches_tracked.dtype is rg.int64

    def test_checkpoints_without_the_counter_load(self):
        layer = nn.BatchNorm1d(2)
        state = dict(layer.state_dict())
        del state["num_batches_tracked"]
        assert layer.load_state_dict(state).missing_keys == []


class TestInitialDistributions:
    @pytest.mark.parametrize(
        ("layer", "fan_in"),
        [(lambda: nn.Linear(100, 300), 100), (lambda: nn.Conv1d(10, 300, 5), 50),
         (lambda: nn.Conv2d(8, 300, (3, 2)), 48), (lambda: nn.Conv2d(8, 300, 3, groups=2), 36)],
    )  # fmt: skip
    def test_uniform_by_fan_in(self, layer, fan_in):
        m = layer()
        bound = 1 / math.sqrt(fan_in)
        for p in (m.weight, m.bias):
            a = p.detach().numpy()
            assert a.dtype == np.float32
            assert abs(a).max() <= bound
            assert abs(a).max() > 0.97 * bound
            assert abs(a.mean()) < 0.1 * bound
            assert abs(a.std() - bound / math.sqrt(3)) < 0.05 * bound

    def test_others(self):
        w = nn.Bilinear(64, 8, 20).weight.detach().numpy()
        assert 0.97 / 8 < abs(w).max() <= 1 / 8
        w = nn.Embedding(200, 100).weight.detach().numpy()
        assert abs(w.std() - 1) < 0.02
        assert abs(w.mean()) < 0.02
        assert nn.PReLU(3).weight.tolist() == [0.25] * 3
        assert nn.LayerNorm(3).weight.tolist() == [1.0] * 3
        assert nn.BatchNorm1d(3).bias.tolist() == [0.0] * 3

    def test_seeded(self):
        rg.manual_seed(3)
        a = nn.Linear(4, 4).weight.tolist()
        rg.manual_seed(3)
        assert nn.Linear(4, 4).weight.tolist() == a

    def test_dtype_argument(self):
        for layer in (nn.Linear(2, 2, dtype=rg.float64), nn.Conv2d(1, 1, 1, dtype=rg.float64, device="cpu"),
                      nn.BatchNorm1d(2, dtype=rg.float64), nn.LayerNorm(2, dtype=rg.float64),
                      nn.Embedding(2, 2, dtype=rg.float64), nn.PReLU(dtype=rg.float64)):  # fmt: skip
            assert all(p.dtype is rg.float64 for p in layer.parameters())


class TestErrors:
    def test_conv_arguments(self):
        for kwargs, text in (
            ({"groups": 0}, "groups must be a positive integer"),
            ({"groups": 3}, "in_channels must be divisible by groups"),
            ({"padding": "some"}, "Invalid padding string 'some'"),
            ({"padding": "same", "stride": 2}, "padding='same' is not supported for strided"),
            ({"padding_mode": "mirror"}, "padding_mode must be one of"),
        ):
            with pytest.raises(ValueError, match=text):
                nn.Conv2d(4, 4, 3, **kwargs)
        with pytest.raises(ValueError, match="out_channels must be divisible"):
            nn.Conv2d(4, 3, 3, groups=2)

    def test_instance_norm(self):
        with pytest.raises(ValueError, match="expected 2D or 3D input"):
            nn.InstanceNorm1d(3)(rg.zeros(3))
        with pytest.raises(ValueError, match="to match num_features"):
            nn.InstanceNorm1d(3, affine=True)(rg.randn(2, 4, 5))
        with pytest.warns(UserWarning, match="does not match num_features"):
            nn.InstanceNorm1d(3)(rg.randn(2, 4, 5))
        with pytest.raises(ValueError, match="divisible by num_groups"):
            nn.GroupNorm(2, 3)

    def test_others(self):
        with pytest.raises(ValueError, match="in1_features must be > 0"):
            nn.Bilinear(0, 1, 1)
        with pytest.raises(TypeError, match="unflattened_size must be a tuple of ints"):
            nn.Unflatten(1, 4)
        with pytest.raises(TypeError, match="element of type str at pos 1"):
            nn.Unflatten(1, (1, "a"))
        with pytest.raises(AssertionError, match="must be greater than"):
            nn.Hardtanh(1, 0)
        with pytest.warns(FutureWarning, match="min_val"):
            assert nn.Hardtanh(min_value=-3).min_val == -3
        with pytest.raises(ValueError, match="expected 2D or 3D input"):
            nn.CircularPad1d(1)(rg.zeros(2))
        with pytest.raises(ValueError, match="3D or 4D"):
            nn.Softmax2d()(rg.zeros(2))
        with pytest.raises(ValueError, match="only p == 1"):
            nn.MultiMarginLoss(3)
        with pytest.raises(ValueError, match="expected weight to be None or 1D"):
            nn.MultiMarginLoss(weight=rg.ones(2, 2))
        with pytest.raises(ValueError, match="margin to be greater than 0"):
            nn.TripletMarginLoss(0.0)
        with pytest.raises(TypeError, match="delta must be"):
            nn.HuberLoss(delta="1")

    def test_legacy_reduction(self):
        with pytest.warns(UserWarning, match="reduction='sum'"):
            assert nn.MSELoss(size_average=False).reduction == "sum"
        with pytest.warns(UserWarning, match="reduction='none'"):
            assert nn.MSELoss(reduce=False).reduction == "none"
