"""Every function on a CUDA device: the strict stand-in for CuPy here, CuPy itself where there is a GPU.

Results, gradients and second derivatives equal NumPy's; nothing is converted silently; the host waits for the device
only where it must; and devices do not mix.
"""

from __future__ import annotations

import zlib

import fake_cupy
import numpy as np
import optable as ot
import pytest

import retrograd as rg
import retrograd.nn.functional as F
from retrograd import nn
from retrograd.autograd import backend as backends
from retrograd.autograd.core import TensorBase

# Functions whose samples make the host wait, each with the reason; all others must not.
WAITS = {
    "allclose": "gives a Python bool",
    "argwhere": "the shape of the result depends on values",
    "bincount": "the shape of the result depends on values",
    "ctc_loss": "labels and lengths are read on the host, which runs the recursion step by step",
    "embedding_bag": "the first offset must be 0",
    "equal": "gives a Python bool",
    "histc": "without min and max the range is that of the values",
    "histogram": "without a range it is that of the values",
    "histogramdd": "without a range it is that of the values",
    "index_reduce": "the derivative of a product asks whether two of its factors are zero",
    "index_put": "one sample has a mask as index: how many elements it selects depends on values",
    **dict.fromkeys(
        (
            "cholesky", "cholesky_inverse", "cholesky_solve", "det", "geqrf", "inverse", "linalg.cholesky",
            "linalg.cholesky_ex", "linalg.cond", "linalg.det", "linalg.eig", "linalg.eigh", "linalg.eigvals",
            "linalg.eigvalsh", "linalg.householder_product", "linalg.inv", "linalg.inv_ex", "linalg.ldl_factor",
            "linalg.ldl_factor_ex", "linalg.ldl_solve", "linalg.lstsq", "linalg.lu", "linalg.lu_factor",
            "linalg.lu_factor_ex", "linalg.lu_solve", "linalg.matrix_exp", "linalg.matrix_norm",
            "linalg.matrix_power", "linalg.matrix_rank", "linalg.norm", "linalg.pinv", "linalg.qr",
            "linalg.slogdet", "linalg.solve", "linalg.solve_ex", "linalg.solve_triangular", "linalg.svd",
            "linalg.svdvals", "linalg.tensorinv", "linalg.tensorsolve", "lobpcg", "logdet", "lu", "lu_solve",
            "lu_unpack", "matrix_exp", "orgqr", "ormqr", "pinverse", "qr", "slogdet", "svd", "triangular_solve",
        ),
        "a decomposition, a system of equations or an inverse, whose success is checked",
    ),
    "masked_scatter": "how many elements of the source are read depends on values",
    "masked_select": "the shape of the result depends on values",
    "nn.functional.ctc_loss": "labels and lengths are read on the host, which runs the recursion step by step",
    "nn.functional.embedding_bag": "padding_idx leaves ids out, max_norm looks for rows that are too long",
    "nn.functional.one_hot": "the number of classes is inferred from values when it is not given",
    "nonzero": "the shape of the result depends on values",
    "norm": "the nuclear norm is a singular value decomposition, whose success is checked",
    "nuclear_norm": "a singular value decomposition, whose success is checked",
    "repeat_interleave": "with a tensor of counts the shape of the result depends on values",
    "scatter_reduce": "the derivative of a product asks whether two of its factors are zero",
    "segment_reduce": "how many rows are read depends on the lengths",
    "tensor_split": "with a tensor of positions the shapes of the results depend on values",
    "unique": "the shape of the result depends on values",
    "unique_consecutive": "the shape of the result depends on values",
    "where": "with one argument the shape of the result depends on values",
    **{
        f"special.{shift}chebyshev_polynomial_{kind}": "the highest degree in a tensor says how many steps there are"
        for shift in ("", "shifted_")
        for kind in "tuvw"
    },
    **{
        f"special.{name}": "the highest degree in a tensor says how many steps there are"
        for name in "hermite_polynomial_h hermite_polynomial_he laguerre_polynomial_l legendre_polynomial_p".split()
    },
}  # fmt: skip

every_function = pytest.mark.parametrize("path", ot.SAMPLED)
on_a_device = pytest.mark.parametrize("on_backend", ["fake", fake_cupy.GPU], indirect=True)


def _move(t):
    return t.cuda()


def _both(s, f):
    """f(sample) on NumPy and on the device, from the same random numbers."""
    rg.manual_seed(0)
    host = f(s)
    rg.manual_seed(0)
    with ot.on(_move):
        return host, f(s)


def _on_device(t):
    return t.is_cuda and backends.of(t._data).device_type == "cuda"


# ---------------------------------------------------------------- every function
@every_function
@on_a_device
def test_values_and_gradients_are_those_of_numpy(path, on_backend):
    def check(s):
        (r, gs), (r_dev, gs_dev) = _both(s, lambda s: ot.gradients(s, s.inputs()))
        for a, b in zip(ot.flat(r), ot.flat(r_dev), strict=True):
            if not isinstance(a, TensorBase):
                assert a == b or a != a
                continue
            assert b._dtype is a._dtype and b._shape == a._shape
            assert not s.drawn or _on_device(b), "a result is not on the device of its operands"
            ot.close(a, b, "float64", repr(s))
        for a, b in zip(gs, gs_dev, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert _on_device(b), "a gradient is not on the device of its tensor"
                ot.close(a, b, "float64", f"gradient of {s!r}")

    ot.each(path, "float64", check)


def _second(s):
    tensors = s.inputs()
    _, gs = ot.gradients(s, tensors, create_graph=True)
    outs = [g for g in gs if g is not None and g._node is not None]
    ins = [t for t in tensors if t._node is not None]
    found = rg.autograd.grad(outs, ins, ot.cotangents(outs), allow_unused=True) if outs else []
    return [*gs, *found]


@pytest.mark.parametrize("path", [p for p in ot.SAMPLED if zlib.crc32(p.encode()) % 2])
@on_a_device
def test_second_derivatives_are_those_of_numpy(path, on_backend):
    def check(s):
        host, device = _both(s, _second)
        for a, b in zip(host, device, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert _on_device(b)
                ot.close(a, b, "float64", repr(s))

    ot.each(path, "float64", check)


@every_function
def test_the_host_waits_only_where_it_must(path, cuda_fake):
    waited = []

    def check(s):
        with ot.on(_move):
            tensors = s.inputs()
            with fake_cupy.sync_counter() as forward:
                r = s.run(tensors)
            outs, ins = ot.recorded(r), [t for t in tensors if t._node is not None]
            gs = ot.cotangents(outs)
            with fake_cupy.sync_counter() as back:
                if outs and ins:
                    rg.autograd.grad(outs, ins, gs, allow_unused=True)
        waited.extend([*forward.events, *back.events])
        assert path in WAITS or not waited, f"{s!r}: {forward} forward, {back} backward"

    ot.each(path, "float32", check)
    assert path not in WAITS or waited, f"{path} no longer waits; take it from the table"


# ---------------------------------------------------------------- moving
@on_a_device
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "bfloat16", "float32", "float64", "complex64"])
def test_a_round_trip_keeps_everything(on_backend, dtype):
    x = rg.tensor([[1.0, 0.0], [2.0, 5.0]]).to(getattr(rg, dtype))
    y = x.cuda()
    assert _on_device(y) and y.dtype is x.dtype and str(y.device) == "cuda:0" and y.cuda() is y
    z = y.cpu()
    assert not z.is_cuda and z.dtype is x.dtype and z.tolist() == x.tolist() and z.cpu() is z
    assert y.to(x).device == x.device and x.to("cuda", rg.float64).dtype is rg.float64


@on_a_device
def test_gradients_flow_through_moves(on_backend):
    x = rg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    w = rg.tensor([2.0, 2.0, 2.0], device="cuda", requires_grad=True)
    loss = ((x.cuda() * w).cpu() ** 2).sum()
    loss.backward()
    assert not x.grad.is_cuda and w.grad.is_cuda
    assert x.grad.tolist() == [8.0, 16.0, 24.0] and w.grad.tolist() == [4.0, 16.0, 36.0]
    (g,) = rg.autograd.grad((x.cuda() ** 3).sum(), x, create_graph=True)
    (h,) = rg.autograd.grad(g.sum(), x)
    assert not h.is_cuda and h.tolist() == [6.0, 12.0, 18.0]


def test_another_device(cuda_fake):
    x = rg.arange(3.0, device="cuda").requires_grad_()
    with fake_cupy.sync_counter() as c:
        y = x.to("cuda:1")
    assert str(y.device) == "cuda:1" and c.count == 0 and str(rg.ones(2, device="cuda:1").device) == "cuda:1"
    (y.to("cuda:0") * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0] and str(x.grad.device) == "cuda:0"
    for f in (lambda: y * y, lambda: y.sum(), lambda: y.exp(), lambda: y @ y):
        with pytest.raises(rg.DeviceError, match=r"cuda:1, which is not the current CUDA device.*set_device"):
            f()
    rg.cuda.set_device(1)
    assert str((y * y).device) == "cuda:1" and rg.cuda.current_device() == 1


# ---------------------------------------------------------------- devices do not mix
def _cuda(*shape):
    return rg.rand(*shape, device="cuda")


MIXED = {
    "add": lambda: _cuda(3) + rg.ones(3),
    "radd": lambda: rg.ones(3) + _cuda(3),
    "numpy": lambda: np.ones(3) * _cuda(3),
    "matmul": lambda: _cuda(3, 3) @ rg.ones(3, 3),
    "cat": lambda: rg.cat([_cuda(3), rg.ones(3)]),
    "stack": lambda: rg.stack([_cuda(3), rg.ones(3)]),
    "where": lambda: rg.where(_cuda(3) > 0, _cuda(3), rg.ones(3)),
    "lerp": lambda: rg.lerp(_cuda(3), _cuda(3), rg.ones(3)),
    "linear": lambda: F.linear(_cuda(2, 3), rg.ones(4, 3)),
    "conv2d": lambda: F.conv2d(_cuda(1, 1, 4, 4), rg.ones(1, 1, 2, 2)),
    "mse_loss": lambda: F.mse_loss(_cuda(3), rg.ones(3)),
    "cross_entropy": lambda: F.cross_entropy(_cuda(2, 3), rg.tensor([0, 1])),
    "layer_norm": lambda: F.layer_norm(_cuda(2, 3), (3,), rg.ones(3)),
    "batch_norm": lambda: F.batch_norm(_cuda(4, 3), rg.zeros(3), rg.ones(3), training=True),
    "embedding": lambda: F.embedding(rg.tensor([0]), _cuda(3, 2)),
    "gather": lambda: rg.gather(_cuda(3), 0, rg.tensor([0])),
    "index_add": lambda: _cuda(3).index_add(0, rg.tensor([0]), _cuda(1)),
    "masked_fill": lambda: _cuda(3).masked_fill(rg.tensor([True, False, True]), 0.0),
    "index from the device": lambda: rg.zeros(3)[rg.tensor([1], device="cuda")],
    "in place": lambda: _cuda(3).add_(rg.ones(3)),
    "out": lambda: rg.add(_cuda(3), _cuda(3), out=rg.zeros(3)),
    "gradient": lambda: (_cuda(3).requires_grad_() * 1).backward(rg.ones(3)),
    "module": lambda: nn.Linear(3, 2)(_cuda(4, 3)),
}


@on_a_device
@pytest.mark.parametrize("what", MIXED)
def test_mixed_devices_are_refused(on_backend, what):
    with pytest.raises(rg.DeviceError, match="device"):
        MIXED[what]()


@on_a_device
def test_what_may_come_from_the_cpu(on_backend):
    """As in PyTorch: numbers, 0-d tensors, indices, and what is assigned or copied."""
    x = rg.arange(4.0, device="cuda")
    w = rg.tensor(2.0, requires_grad=True)
    for y in (x * rg.tensor(2.0), rg.tensor(2.0) * x, x * np.float32(2), np.float32(2) * x, x * w):
        assert _on_device(y) and y.dtype is rg.float32 and y.tolist() == [0.0, 2.0, 4.0, 6.0]
    (x * w).sum().backward()
    assert not w.grad.is_cuda and w.grad.item() == 6.0
    assert x[rg.tensor([0, 2])].tolist() == [0.0, 2.0] == x[[0, 2]].tolist() == x[np.array([0, 2])].tolist()
    assert x[rg.tensor([True, False, False, True])].tolist() == [0.0, 3.0]
    x[:2] = rg.tensor([7.0, 8.0])
    x[rg.tensor([3])] = 9.0
    assert x.tolist() == [7.0, 8.0, 2.0, 9.0]
    assert x.copy_(rg.ones(4)).tolist() == [1.0] * 4 and x.is_cuda


@on_a_device
def test_numpy_asks_before_it_gets(on_backend):
    x = rg.ones(2, device="cuda")
    for f in (x.numpy, lambda: np.asarray(x), lambda: np.array(x)):
        with pytest.raises(rg.DeviceError, match=r"cuda:0; call \.cpu\(\) first"):
            f()
    assert x.numpy(force=True).tolist() == [1.0, 1.0]
    assert np.exp(x).is_cuda and np.sum(x).item() == 2.0


@on_a_device
def test_made_like_a_tensor_is_made_beside_it(on_backend):
    import copy
    import pickle

    x = rg.ones(2, 2, device="cuda", requires_grad=True)
    like = (
        rg.zeros_like(x),
        rg.ones_like(x),
        rg.empty_like(x),
        rg.full_like(x, 2.0),
        rg.rand_like(x),
        rg.randn_like(x),
    )
    new = (x.new_zeros(2), x.new_ones(2), x.new_tensor([1.0]), x.new_full((2,), 3.0), x.new_empty(1))
    for t in (
        *like,
        *new,
        copy.deepcopy(x),
        pickle.loads(pickle.dumps(x)),
        x.clone(),
        x.detach(),
        rg.tensor(x.detach()),
    ):
        assert _on_device(t)
    assert pickle.loads(pickle.dumps(x)).requires_grad
    assert repr(x.detach()).endswith("device='cuda:0')")


# ---------------------------------------------------------------- randomness
DRAWS = {
    "rand": lambda d: rg.rand(7, device=d),
    "rand float64": lambda d: rg.rand(7, dtype=rg.float64, device=d),
    "randint": lambda d: rg.randint(-5, 1000, (9,), device=d),
    "randperm": lambda d: rg.randperm(50, device=d),
    "bernoulli": lambda d: rg.bernoulli(rg.full((30,), 0.3, device=d)),
    "dropout": lambda d: F.dropout(rg.ones(40, device=d), 0.4),
    "uniform_": lambda d: rg.empty(6, device=d).uniform_(-1, 3),
}


@on_a_device
@pytest.mark.parametrize("what", DRAWS)
def test_one_seed_gives_the_same_bits_everywhere(on_backend, what):
    rg.manual_seed(5)
    host = [DRAWS[what]("cpu").numpy() for _ in range(2)]
    rg.manual_seed(5)
    for a in host:
        b = DRAWS[what]("cuda")
        assert _on_device(b)
        np.testing.assert_array_equal(a, b.cpu().numpy())


@on_a_device
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_differ_in_last_bits_at_most(on_backend, dtype):
    rg.manual_seed(5)
    a = rg.randn(1000, dtype=getattr(rg, dtype)).numpy()
    rg.manual_seed(5)
    b = rg.randn(1000, dtype=getattr(rg, dtype), device="cuda").cpu().numpy()
    np.testing.assert_allclose(a, b, rtol=1e-13 if dtype == "float64" else 2e-7, atol=1e-13)


# ---------------------------------------------------------------- training
def _cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(64, 10),
    )  # fmt: skip


def _mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 10))


OPTIMIZERS = {
    "SGD": lambda ps: rg.optim.SGD(ps, lr=0.1),
    "Nesterov": lambda ps: rg.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda ps: rg.optim.Adam(ps, lr=0.01),
    "AMSGrad": lambda ps: rg.optim.Adam(ps, lr=0.01, amsgrad=True, maximize=True),
    "AdamW": lambda ps: rg.optim.AdamW(ps, lr=0.01),
}
IMAGES = np.random.default_rng(0).normal(size=(6, 1, 8, 8)).astype("f4")
LABELS = np.arange(6)


def _train(make, optimizer, device, waits):
    """Losses of three steps with clipping and a schedule; `waits` notes the synchronisations of each step."""
    rg.manual_seed(0)
    model = make().to(device)
    opt = OPTIMIZERS[optimizer](model.parameters())
    schedule = rg.optim.lr_scheduler.CosineAnnealingLR(opt, 10)
    x, y = rg.tensor(IMAGES, device=device), rg.tensor(LABELS, device=device)
    losses = []
    for _ in range(3):
        with fake_cupy.sync_counter() as c:
            opt.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            schedule.step()
        waits.append(c)
        losses.append(loss.item())
    model.eval()
    with fake_cupy.sync_counter() as c, rg.no_grad():
        right = (model(x).argmax(1) == y).sum()
    waits.append(c)
    return model, opt, [*losses, right.item()]


@on_a_device
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("make", [_cnn, _mlp])
def test_a_training_step_does_not_wait(on_backend, make, optimizer):
    waits = []
    model, opt, losses = _train(make, optimizer, "cuda", waits)
    assert not any(c.count for c in waits), waits
    assert all(p.is_cuda and p.grad.is_cuda for p in model.parameters())
    np.testing.assert_allclose(losses, _train(make, optimizer, "cpu", [])[2], rtol=2e-4)
    other = make()
    other.load_state_dict(model.state_dict())
    assert not any(p.is_cuda for p in other.parameters())
    opt.load_state_dict(opt.state_dict())


@on_a_device
def test_batches_of_device_data_are_made_there(on_backend):
    data = rg.utils.data.TensorDataset(rg.tensor(IMAGES, device="cuda"), rg.tensor(LABELS, device="cuda"))
    with fake_cupy.sync_counter() as c:
        batches = list(rg.utils.data.DataLoader(data, batch_size=4, shuffle=True))
    assert c.count == 0 and [len(x) for x, _ in batches] == [4, 2]
    assert all(x.is_cuda and y.is_cuda for x, y in batches)


@on_a_device
def test_views_and_in_place_writes(on_backend):
    def run(device):
        x = rg.arange(6.0, device=device).requires_grad_()
        y = x * 2
        y[1:3] *= x[1:3]
        y.add_(x)
        y.view(2, 3)[0].mul_(2)
        y[rg.tensor([4, 5], device=device)] = x[:2]
        z = y.clone()
        z[z > 3] = 0.5
        ((y + z) * x).sum().backward()
        return y.tolist(), x.grad.tolist()

    assert run("cuda") == run("cpu")


@on_a_device
def test_hooks_functions_anomalies_and_checks(on_backend):
    class Square(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 * x

    x = rg.tensor([1.0, 2.0], dtype=rg.float64, device="cuda", requires_grad=True)
    x.register_hook(lambda g: g * 10)
    with rg.autograd.detect_anomaly():
        y = Square.apply(x)
        y.retain_grad()
        y.sum().backward()
    assert y.grad.is_cuda and x.grad.is_cuda and x.grad.tolist() == [20.0, 40.0]
    z = x.detach().requires_grad_()
    assert rg.autograd.gradcheck(Square.apply, (z,)) and rg.autograd.gradgradcheck(lambda v: (v * v).sin(), (z,))
