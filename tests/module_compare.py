"""A module of ours against PyTorch's: the same arguments, state and inputs give the same numbers, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch", reason="the comparison needs torch")

CLOSE = {torch.float64: {"rtol": 1e-9, "atol": 1e-10}, torch.float32: {"rtol": 2e-4, "atol": 2e-5}}


def fresh(x: Any, memo: dict[int, Any]) -> Any:
    """A copy of nested arguments in which each tensor is a leaf; a tensor that is given twice stays one tensor."""
    if isinstance(x, torch.Tensor):
        if id(x) not in memo:
            memo[id(x)] = x.detach().clone().requires_grad_(x.requires_grad)
        return memo[id(x)]
    if isinstance(x, torch.nn.utils.rnn.PackedSequence):
        return type(x)(*(fresh(v, memo) for v in x))
    if isinstance(x, list | tuple):
        return type(x)(fresh(v, memo) for v in x)
    if isinstance(x, dict):
        return {k: fresh(v, memo) for k, v in x.items()}
    return x


def ours(x: Any, memo: dict[int, Any]) -> Any:
    """A constructor's or forward's argument as retrograd's; a tensor that is given twice stays one tensor."""
    if isinstance(x, torch.Tensor):
        if id(x) not in memo:
            memo[id(x)] = rg.tensor(x.detach().numpy().copy()).requires_grad_(x.requires_grad)
        return memo[id(x)]
    if isinstance(x, torch.dtype):
        return getattr(rg, str(x).split(".")[1])
    if isinstance(x, torch.device):
        return str(x)
    if isinstance(x, torch.nn.utils.rnn.PackedSequence):
        return rg.nn.utils.rnn.PackedSequence(*(ours(v, memo) for v in x))
    if isinstance(x, torch.nn.Module):
        return twin(x)
    if isinstance(x, list | tuple):
        return type(x)(ours(v, memo) for v in x)
    if isinstance(x, dict):
        return {k: ours(v, memo) for k, v in x.items()}
    if callable(x) and (getattr(x, "__module__", "") or "").startswith("torch"):
        return getattr(rg.nn.functional, x.__name__, None) or getattr(rg, x.__name__)
    return x


def twin(m: Any) -> Any:
    """A retrograd layer made like a layer that a constructor is given."""
    name = type(m).__name__
    if name not in ("TransformerEncoderLayer", "TransformerDecoderLayer"):
        return getattr(rg.nn, name)()
    return getattr(rg.nn, name)(
        m.linear1.in_features, m.self_attn.num_heads, m.linear1.out_features, dropout=m.dropout.p,
        activation=m.activation.__name__, batch_first=m.self_attn.batch_first, norm_first=m.norm_first,
        bias=m.linear1.bias is not None, layer_norm_eps=m.norm1.eps, dtype=rg.float64,
    )  # fmt: skip


def tensors(x: Any, kind: Any) -> list[Any]:
    """The floating-point tensors in nested arguments or results, each once."""
    if isinstance(x, kind):
        return [x] if x.is_floating_point() or x.is_complex() else []
    if isinstance(x, dict):
        x = list(x.values())
    found = [t for v in x for t in tensors(v, kind)] if isinstance(x, list | tuple) else []
    return list({id(t): t for t in found}.values())


def compute(lib: Any, model: Any, inputs: Any, options: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Outputs, gradients by inputs and parameters, and buffers afterwards."""
    leaves = [t for t in tensors([inputs, options], lib.Tensor) if t.requires_grad]
    if type(model).__name__ == "CTCLoss":
        # PyTorch's gradient is that by the logits, so it wants log_softmax in front; on log-probabilities that is nothing.
        inputs = [inputs[0].log_softmax(-1), *inputs[1:]]
    outs = tensors(model(*inputs, **options), lib.Tensor)
    live = [o for o in outs if o.requires_grad]
    wanted = [*leaves, *(p for p in model.parameters() if p.requires_grad)]
    grads: list[Any] = []
    if live and wanted:
        rng = np.random.default_rng(0)
        total = sum((o * lib.tensor(rng.normal(size=tuple(o.shape))).to(o.dtype)).sum() for o in live)
        grads = list(lib.autograd.grad(total, wanted, allow_unused=True))
    buffers = [b for b in model.buffers() if b is not None]
    return (
        [o.detach().numpy() for o in outs],
        [None if g is None else g.numpy() for g in grads],
        [b.numpy() for b in buffers],
    )


def compare(
    name: str, args: Any, kwargs: Any, given: Any, dtype: Any, training: bool, *, close: float | None = None
) -> None:
    """One configuration: printed form, names, outputs, gradients, buffers. given: (args, kwargs) of forward."""
    memo: dict[int, Any] = {}
    their = getattr(torch.nn, name)(*args, **kwargs).to(dtype)
    our = getattr(rg.nn, name)(*ours(list(args), memo), **ours(kwargs, memo)).to(ours(dtype, memo))
    functions = any(callable(v) and not isinstance(v, torch.nn.Module) for v in (*args, *kwargs.values()))
    if name.startswith("Lazy"):
        assert repr(our) == repr(their)
        inputs, options = fresh(list(given), {})
        their(*inputs, **options)
        our(*ours(inputs, {}), **ours(options, {}))
        assert type(our).__name__ == type(their).__name__
    assert functions or repr(our) == repr(their)  # functions print their address
    check(our, their, given, dtype, training, memo=memo, close=close)


def check(
    our: Any, their: Any, given: Any, dtype: Any, training: bool, *, memo: Any = None, close: float | None = None
) -> None:
    """The same state, then the same inputs; given: (args, kwargs) of forward as PyTorch's tensors, or None."""
    memo = {} if memo is None else memo
    assert [(n, tuple(p.shape)) for n, p in our.named_parameters()] == [
        (n, tuple(p.shape)) for n, p in their.named_parameters()
    ]
    assert [n for n, _ in our.named_buffers()] == [n for n, _ in their.named_buffers()]
    state = {k: ours(v, {}) for k, v in their.state_dict().items() if isinstance(v, torch.Tensor)}
    assert list(our.state_dict()) == list(their.state_dict())
    our.load_state_dict(state)
    their.train(training)
    our.train(training)
    if given is None:
        return
    inputs, options = fresh(list(given), {})
    mine = ours(inputs, memo), ours(options, memo)  # before the call: a layer may write on its input
    found = compute(rg, our, *mine)
    expected = compute(torch, their, inputs, options)
    tolerance = CLOSE[dtype] if close is None else {**CLOSE[dtype], "rtol": max(close, CLOSE[dtype]["rtol"])}
    for what, a, b in zip(("outputs", "gradients", "buffers"), expected, found, strict=True):
        assert len(a) == len(b), f"{what}: {len(a)} expected, {len(b)} found"
        for x, y in zip(a, b, strict=True):
            x, y = (np.zeros(()) if v is None else v for v in (x, y))
            np.testing.assert_allclose(y, x, **tolerance, err_msg=what)
            assert what == "gradients" or (x.shape == y.shape and x.dtype == y.dtype), what
