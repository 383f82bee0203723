"""Views and in-place operations: PyTorch's semantics, or an error; programs drawn at random and compared with PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg

reason = "PyTorch is the reference of views and in-place writes"


def leaf(*shape):
    return rg.arange(1, 1 + int(np.prod(shape)), dtype=rg.float64).reshape(shape).requires_grad_()


def test_assignment_through_an_index_and_a_view():
    x = leaf(3)
    y = x * 2
    y[1] = 7.0
    y.view(-1)[0] = 3.0
    (y * y).sum().backward()
    assert y.tolist() == [3.0, 7.0, 6.0] and x.grad.tolist() == [0.0, 0.0, 24.0]


def test_a_write_through_a_view_reaches_the_base_and_other_views():
    x = leaf(2, 2)
    y = x * 1
    row, column = y[0], y[:, 1]
    row.mul_(10)
    assert column.tolist() == [20.0, 4.0]
    (column * column).sum().backward()
    assert x.grad.tolist() == [[0.0, 400.0], [0.0, 8.0]]


def test_a_write_of_a_recorded_value_gives_a_plain_tensor_a_history():
    x = leaf(2)
    buffer = rg.zeros(3, 2, dtype=rg.float64)
    row = buffer[1]
    buffer[1] = x * 3
    assert buffer.requires_grad and row.requires_grad
    row.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_augmented_assignment_on_a_non_leaf():
    x = leaf(2)
    y = x * 1
    y += x
    y *= x
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]
    y = x * 1
    y *= y  # as in PyTorch: the other operand is not copied
    with pytest.raises(rg.InplaceError):
        y.sum().backward()


def test_chains_of_views():
    x = leaf(2, 6)
    y = x * 1
    v = y.view(2, 2, 3).transpose(0, 1)[1].unsqueeze(0)[..., ::-1]
    v.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]] * 2


def test_a_view_made_under_no_grad_is_refused():
    x = leaf(3)
    y = x * 1
    with rg.no_grad():
        v = y[1:]
    with pytest.raises(rg.InplaceError, match="view made under no_grad"):
        v.mul_(2)


def test_version_counter_counts_writes_to_the_memory():
    y = rg.zeros(3)
    assert y._version == 0
    y.add_(1)
    y[0] = 2
    y.view(-1).mul_(2)
    assert y._version == 3 == y.detach()._version


def test_joins_of_transposed_tensors_are_contiguous():
    x = rg.arange(6.0).reshape(2, 3).t()
    for joined in (rg.cat((x, x)), rg.stack((x, x)), rg.stack((x, x), -1)):
        assert joined.is_contiguous()
        joined.view(-1)[0] = 9.0
        assert joined.flatten()[0].item() == 9.0


def test_dtype_of_the_target_wins_or_is_an_error():
    x = rg.ones(2, dtype=rg.int64)
    with pytest.raises(rg.DtypeError, match=r"add_: a result of type float32 .* int64"):
        x.add_(1.5)
    x.add_(2)
    assert x.tolist() == [3, 3] and x.dtype == rg.int64
    y = rg.ones(2)
    y.add_(rg.ones(2, dtype=rg.float64))
    assert y.dtype == rg.float32
    with pytest.raises(rg.ShapeError, match="add_"):
        y.add_(rg.ones(3, 2))


# ---------------------------------------------------------------- programs
OPS = 20


def run(lib, make, code, arrays, grad=True):
    """A program over a pool of tensors and their views, half of it in place: value of every tensor, leaf gradients."""
    leaves = [make(a).requires_grad_() if grad else make(a) for a in arrays]
    pool = [leaves[0] * leaves[1], leaves[1] + leaves[2], leaves[2].tanh(), make(np.zeros((3, 4)))]
    cut = [slice(None), slice(0, 2), slice(1, 3), slice(0, 3, 2), slice(1, None)]
    try:
        for kind, a, b, i, c in code:
            x, y = pool[a % len(pool)], pool[b % len(pool)]
            same, two = tuple(x.shape) == tuple(y.shape), len(x.shape) == 2
            if kind == 0:
                pool.append(x * y if same else x * c)
            elif kind == 1:
                pool.append(x + c * x.exp() * 0.1)
            elif kind == 2:
                pool.append(x[cut[i]])
            elif kind == 3 and two:
                pool.append(x[i % x.shape[0]])
            elif kind == 4 and two:
                pool.append(x.transpose(0, 1))
            elif kind == 5:
                x.mul_(c)
            elif kind == 6:
                x.add_(y) if same else x.add_(c)
            elif kind == 7:
                x[cut[i]] = c
            elif kind == 8:
                x[i % x.shape[0]] = y[0] if tuple(y[0].shape) == tuple(x[0].shape) else c
            elif kind == 9 and two:
                pool.append(x.reshape(-1))
            elif kind == 10:
                pool.append(lib.where(x > c, x, x * c))
            elif kind == 11:
                pool.append(lib.cat((x, x * c), 0))
            elif kind == 12:
                pool[a % len(pool)] *= y if same else c
            elif kind == 13 and two:
                pool.append(x.sum(i % 2, keepdim=True).expand(x.shape[0], x.shape[1]))
            elif kind == 14:
                x.copy_(y) if same else x.fill_(c)
            elif kind == 15 and two:
                pool.append(x.unsqueeze(i % 3).squeeze(i % 3))
            elif kind == 16 and two and x.shape[0] == x.shape[1]:
                pool.append(x.diagonal())
            elif kind == 17:
                x.sigmoid_() if i % 2 else x.neg_()
            elif kind == 18:
                x.masked_fill_(x > c, 0.5)
            elif kind == 19:
                pool.append(x.detach() if i == 0 else x.mean(-1, keepdim=True) + x.amax())
        total = sum((p * p * 0.1).sum() for p in pool)
        if not grad:
            return total.item(), None
        total.backward()
    except (RuntimeError, UserWarning) as e:  # PyTorch only warns of masked_fill_ on expanded memory, as deprecated
        return f"{type(e).__name__}: {e}", None
    return [p.detach().numpy().copy() for p in pool], [
        None if x.grad is None else x.grad.numpy().copy() for x in leaves
    ]


programs = st.lists(
    st.tuples(
        st.integers(0, OPS - 1),
        st.integers(0, 9),
        st.integers(0, 9),
        st.integers(0, 4),
        st.sampled_from([0.5, 0.8, 1.25]),
    ),
    min_size=2,
    max_size=12,
)


def right_numerically(code, arrays, grads):
    """Whether our gradients are the slope along a random direction: where PyTorch refuses and we do not, they must be."""
    direction = [np.random.default_rng(9 + k).normal(size=a.shape) for k, a in enumerate(arrays)]

    def value(h):
        moved = [a + h * d for a, d in zip(arrays, direction, strict=True)]
        return run(rg, lambda a: rg.from_numpy(a.copy()), code, moved, grad=False)[0]

    h = 1e-6
    slope = (value(h) - value(-h)) / (2 * h)
    ours = sum(float((g * d).sum()) for g, d in zip(grads, direction, strict=True) if g is not None)
    return abs(slope - ours) <= 1e-5 * max(1.0, abs(slope), abs(ours))


def agree(torch, code):
    arrays = [np.random.default_rng(k).uniform(0.5, 1.5, (3, 4)) for k in range(3)]
    ours = run(rg, lambda a: rg.from_numpy(a.copy()), code, arrays)
    theirs = run(torch, lambda a: torch.from_numpy(a.copy()), code, arrays)
    if isinstance(ours[0], str) or isinstance(theirs[0], str):
        assert isinstance(theirs[0], str), f"refused by us only: {ours[0]}"
        # PyTorch also refuses some writes that are well defined (a view made before its base had a history, operands
        # that overlap the target); there our gradient is checked numerically. detach() hides a path from the slope.
        detached = any(kind == 19 and i == 0 for kind, _, _, i, _ in code)
        assert isinstance(ours[0], str) or detached or right_numerically(code, arrays, ours[1]), theirs[0]
        return
    for p, q in zip(ours[0], theirs[0], strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-12)
    for p, q in zip(ours[1], theirs[1], strict=True):
        assert (p is None) == (q is None)
        if p is not None:
            np.testing.assert_allclose(p, q, rtol=1e-8, atol=1e-10)


@settings(max_examples=500)
@given(programs)
def test_programs_agree_with_pytorch_or_both_refuse(code):
    agree(pytest.importorskip("torch", reason=reason), code)


@pytest.mark.soak
@settings(max_examples=10_000)
@given(programs)
def test_10_000_programs(code):
    agree(pytest.importorskip("torch", reason=reason), code)
