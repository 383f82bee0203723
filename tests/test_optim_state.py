"""Parameter groups, state dictionaries, hooks and errors of optimizers, against PyTorch."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")

SHAPES = [(), (3,), (2, 3), (0, 2), (4, 1, 2)]


def run(name, options, steps):
    """Both libraries take `steps` steps with the same gradients; returns the two optimizers and their parameters."""
    rng = np.random.default_rng(0)
    start = [np.asarray(rng.normal(size=s)) for s in SHAPES]
    ours = [rg.nn.Parameter(rg.tensor(a)) for a in start]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start]
    a, b = getattr(rg.optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(steps):
        for p, q in zip(ours, theirs, strict=True):
            g = np.asarray(rng.normal(size=p.shape))
            p.grad, q.grad = rg.tensor(g), torch.tensor(g)
        a.step()
        b.step()
    return a, b, ours, theirs


# ---------------------------------------------------------------- groups
def two():
    return [rg.nn.Parameter(rg.ones(2)), rg.nn.Parameter(rg.ones(3))]


def test_groups_and_defaults():
    p, q = two()
    opt = rg.optim.SGD([{"params": p, "lr": 0.1}, {"params": [q]}], lr=1.0, momentum=0.5)
    assert [g["lr"] for g in opt.param_groups] == [0.1, 1.0]
    assert opt.param_groups[0]["params"] == [p] or opt.param_groups[0]["params"][0] is p
    r = rg.nn.Parameter(rg.ones(1))
    opt.add_param_group({"params": (x for x in [r]), "momentum": 0.0})
    assert opt.param_groups[2]["momentum"] == 0.0 and opt.param_groups[2]["params"][0] is r


def test_named_parameters():
    model = rg.nn.Linear(2, 3)
    opt = rg.optim.Adam(model.named_parameters())
    assert opt.param_groups[0]["param_names"] == ["weight", "bias"]
    assert opt.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="with/without names"):
        opt.add_param_group({"params": [rg.nn.Parameter(rg.ones(1))]})
    with pytest.raises(ValueError, match="Some param names are missing"):
        rg.optim.SGD([("a", rg.nn.Parameter(rg.ones(1))), rg.nn.Parameter(rg.ones(1))])


@pytest.mark.parametrize(
    "params,error,match",
    [
        (list, ValueError, "optimizer got an empty parameter list"),
        (lambda: rg.nn.Parameter(rg.ones(1)), TypeError, "iterable of Tensors or dicts"),
        (lambda: [1.0], TypeError, "can only optimize Tensors"),
        (lambda: [{"params": {rg.nn.Parameter(rg.ones(1))}}], TypeError, "ordered collections"),
        (lambda: [rg.nn.Parameter(rg.ones(1)) * 2], ValueError, "can't optimize a non-leaf Tensor"),
        (lambda: [{"params": p} for p in [two()[0]] * 2], ValueError, "more than one parameter group"),
    ],
)
def test_parameter_errors(params, error, match):
    with pytest.raises(error, match=match):
        rg.optim.SGD(params(), lr=0.1)


def test_duplicates_warn_and_dict_is_demanded():
    p, _ = two()
    with pytest.warns(UserWarning, match="duplicate parameters"):
        rg.optim.SGD([p, p], lr=0.1)
    with pytest.raises(TypeError, match="param_group must be a dict"):
        rg.optim.SGD([p], lr=0.1).add_param_group([p])


@pytest.mark.parametrize(
    "name,options,error,match",
    [
        ("SGD", {"lr": -1.0}, ValueError, "Invalid learning rate: -1.0"),
        ("SGD", {"momentum": -1.0}, ValueError, "Invalid momentum value"),
        ("SGD", {"weight_decay": -1.0}, ValueError, "Invalid weight_decay value"),
        ("SGD", {"nesterov": True}, ValueError, "Nesterov momentum requires"),
        ("SGD", {"differentiable": True}, NotImplementedError, "differentiable"),
        ("SGD", {"foreach": True, "fused": True}, RuntimeError, "cannot be `True` together"),
        ("SGD", {"differentiable": True, "fused": True}, RuntimeError, "does not support"),
        ("Adam", {"lr": -1.0}, ValueError, "Invalid learning rate"),
        ("Adam", {"eps": -1.0}, ValueError, "Invalid epsilon value"),
        ("Adam", {"betas": (1.0, 0.9)}, ValueError, "index 0: 1.0"),
        ("Adam", {"betas": (0.9, -0.1)}, ValueError, "index 1: -0.1"),
        ("Adam", {"betas": (0, 0.9)}, ValueError, "both floats or both Tensors"),
        ("AdamW", {"weight_decay": -1.0}, ValueError, "Invalid weight_decay value"),
        ("AdamW", {"capturable": True}, NotImplementedError, "capturable"),
        ("Adam", {"differentiable": True}, NotImplementedError, "differentiable"),
    ],
)
def test_option_errors(name, options, error, match):
    with pytest.raises(error, match=match):
        getattr(rg.optim, name)(two(), **options)


def test_tensor_hyperparameters():
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        rg.optim.SGD(two(), lr=rg.ones(2))
    p, q = rg.nn.Parameter(rg.ones(2)), rg.nn.Parameter(rg.ones(2))
    a = rg.optim.Adam([p], lr=rg.tensor(0.25), betas=(rg.tensor(0.5), rg.tensor(0.75)))
    b = rg.optim.Adam([q], lr=0.25, betas=(0.5, 0.75))
    for opt, x in ((a, p), (b, q)):
        x.grad = rg.tensor([1.0, -3.0])
        opt.step()
    assert p.tolist() == q.tolist()


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_repr_and_defaults_equal_torchs(name):
    a = getattr(rg.optim, name)(two())
    b = getattr(torch.optim, name)([torch.nn.Parameter(torch.ones(2))])
    assert repr(a) == repr(b)
    assert a.defaults == b.defaults


# ---------------------------------------------------------------- zero_grad
def test_zero_grad():
    p, q = two()
    opt = rg.optim.SGD([p, q], lr=0.1)
    p.grad = rg.ones(2)
    opt.zero_grad()
    assert p.grad is None and q.grad is None
    p.grad = rg.ones(2)
    kept = p.grad
    opt.zero_grad(set_to_none=False)
    assert p.grad is kept and kept.tolist() == [0.0, 0.0] and q.grad is None
    (g,) = rg.autograd.grad((p * p).sum(), p, create_graph=True)
    p.grad = g
    opt.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0] and p.grad.grad_fn is None and not p.grad.requires_grad


# ---------------------------------------------------------------- state dictionaries
@pytest.mark.parametrize("name,options", [("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True}), ("AdamW", {})])
def test_state_dict_continues_the_run(name, options):
    a, _, ours, _ = run(name, {"lr": 0.1, **options}, steps=5)
    twins = [rg.nn.Parameter(p.detach().clone()) for p in ours]
    b = getattr(rg.optim, name)(twins, lr=5.0)
    b.load_state_dict(a.state_dict())
    for _ in range(3):
        for p, q in zip(ours, twins, strict=True):
            p.grad = rg.randn(tuple(p.shape), dtype=rg.float64)
            q.grad = p.grad.clone()
        a.step()
        b.step()
    for p, q in zip(ours, twins, strict=True):
        assert np.array_equal(p.detach().numpy(), q.detach().numpy())
    assert b.param_groups[0]["lr"] == 0.1


def test_loaded_state_is_a_copy():
    a, _, ours, _ = run("Adam", {}, steps=2)
    b = rg.optim.Adam([rg.nn.Parameter(p.detach().clone()) for p in ours])
    state = a.state_dict()
    b.load_state_dict(state)
    before = state["state"][1]["exp_avg"].clone()
    for p in b.param_groups[0]["params"]:
        p.grad = rg.ones_like(p)
    b.step()
    assert np.array_equal(state["state"][1]["exp_avg"].numpy(), before.numpy())
    assert state["state"][1]["step"].item() == 2.0


def test_torch_state_loads():
    """A PyTorch state dictionary, its tensors turned into ours, goes on as it would there."""
    for name, options in (("SGD", {"momentum": 0.9, "nesterov": True}), ("AdamW", {"amsgrad": True})):
        _, b, _, theirs = run(name, {"lr": 0.1, **options}, steps=5)
        ours = [rg.nn.Parameter(rg.tensor(q.detach().numpy())) for q in theirs]
        a = getattr(rg.optim, name)(ours)
        state = b.state_dict()
        state["state"] = {
            i: {k: v if v is None else rg.tensor(v.numpy()) for k, v in s.items()} for i, s in state["state"].items()
        }
        a.load_state_dict(state)
        for _ in range(3):
            for p, q in zip(ours, theirs, strict=True):
                g = np.random.default_rng(1).normal(size=p.shape)
                p.grad, q.grad = rg.tensor(np.asarray(g)), torch.tensor(np.asarray(g))
            a.step()
            b.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-9, atol=1e-9)


def test_state_takes_the_parameters_dtype_but_step_stays():
    p = rg.nn.Parameter(rg.ones(2))
    a = rg.optim.Adam([p])
    p.grad = rg.ones(2)
    a.step()
    q = rg.nn.Parameter(rg.ones(2, dtype=rg.float64))
    b = rg.optim.Adam([q])
    b.load_state_dict(a.state_dict())
    assert b.state[q]["exp_avg"].dtype is rg.float64 and b.state[q]["step"].dtype is rg.float32
    assert b.state[q]["step"].item() == 1.0


def test_old_checkpoints_hold_plain_steps():
    p = rg.nn.Parameter(rg.ones(2))
    a = rg.optim.Adam([p])
    p.grad = rg.ones(2)
    a.step()
    state = copy.deepcopy(a.state_dict())
    state["state"][0]["step"] = 7
    a.load_state_dict(state)
    a.step()
    assert a.state[p]["step"].item() == 8.0


def test_load_errors():
    p, q = two()
    opt = rg.optim.SGD([p, q], lr=0.1)
    with pytest.raises(ValueError, match="different number of parameter groups"):
        opt.load_state_dict(rg.optim.SGD([{"params": p}, {"params": q}], lr=0.1).state_dict())
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        opt.load_state_dict(rg.optim.SGD([p], lr=0.1).state_dict())


def test_copies_and_pickles():
    a, _, _, _ = run("Adam", {"lr": 0.1}, steps=2)
    for b in (copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        x, y = a.param_groups[0]["params"][2], b.param_groups[0]["params"][2]
        assert x is not y and np.array_equal(b.state[y]["exp_avg"].numpy(), a.state[x]["exp_avg"].numpy())
        for p in b.param_groups[0]["params"]:
            p.grad = rg.ones_like(p)
        b.step()


# ---------------------------------------------------------------- hooks
def test_step_hooks():
    from retrograd.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    p, _ = two()
    opt = rg.optim.SGD([p], lr=0.1)
    seen = []
    handles = [
        opt.register_step_pre_hook(lambda o, args, kwargs: seen.append(("pre", o is opt, args[0] is opt))),
        opt.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", o is opt, args[0] is opt))),
        register_optimizer_step_pre_hook(lambda o, args, kwargs: seen.append("global pre")),
        register_optimizer_step_post_hook(lambda o, args, kwargs: seen.append("global post")),
    ]
    opt.step()
    assert seen == ["global pre", ("pre", True, True), ("post", True, True), "global post"]
    for handle in handles:
        handle.remove()
    opt.step()
    assert len(seen) == 4
    opt.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 5.0), {}))
    assert opt.step() == 5.0
    opt.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        opt.step()


def test_hooks_run_once_for_inherited_steps():
    class Mine(rg.optim.SGD):
        def step(self, closure=None):
            return super().step(closure)

    opt = Mine(two(), lr=0.1)
    seen = []
    opt.register_step_post_hook(lambda *_: seen.append(1))
    opt.step()
    opt.step()
    assert seen == [1, 1]


def test_state_dict_hooks():
    opt = rg.optim.SGD(two(), lr=0.1)
    order = []
    opt.register_state_dict_pre_hook(lambda o: order.append("b"))
    opt.register_state_dict_pre_hook(lambda o: order.append("a"), prepend=True)
    opt.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    state = opt.state_dict()
    assert order == ["a", "b"] and state["extra"] == 1
    opt.register_load_state_dict_pre_hook(lambda o, s: {k: v for k, v in s.items() if k != "extra"})
    opt.register_load_state_dict_post_hook(lambda o: order.append("loaded"))
    opt.load_state_dict(state)
    assert order[-1] == "loaded" and "extra" in state


def test_own_optimizer():
    class Sign(rg.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            with rg.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p -= group["lr"] * p.grad.sign()
                        self.state[p]["steps"] = self.state[p].get("steps", 0) + 1

    p, _ = two()
    opt = Sign([p], 0.5)
    p.grad = rg.tensor([3.0, -2.0])
    opt.step()
    assert p.tolist() == [0.5, 1.5] and opt.state_dict()["state"] == {0: {"steps": 1}}
    with pytest.raises(NotImplementedError):
        rg.optim.Optimizer([p], {}).step()
