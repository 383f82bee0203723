"""Derivatives of functions by PyTorch's older interface, `torch.autograd.functional`: jacobian, hessian and products.

Inputs and outputs are tensors or tuples of them; `func` has the newer interface.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .core import TensorBase, wrap
from .grad_mode import enable_grad
from .lifted import ones_like, zeros_like
from .ops.cast import identity_p

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


# ---------------------------------------------------------------- arguments
def _tuple(x: Any, what: str, fn: str) -> tuple[bool, tuple[Any, ...]]:
    """(whether it was a tuple, the tuple) of tensors."""
    several = isinstance(x, (tuple, list))
    xs = tuple(x) if several else (x,)
    for i, v in enumerate(xs):
        if not isinstance(v, TensorBase):
            at = f"value {i} of {what}" if several else what
            raise TypeError(f"{fn}: {what} must be a Tensor or a tuple of Tensors, but {at} is {type(v).__name__}")
    return several, xs


def _fresh(xs: tuple[Any, ...], create_graph: bool) -> tuple[Any, ...]:
    """The inputs as variables of their own: connected to what they come from if the derivative shall be."""
    found = []
    for x in xs:
        if create_graph and x._node is not None:
            found.append(identity_p(x))
        else:
            found.append(wrap(x._data).requires_grad_())
    return tuple(found)


def _result(x: Any, several: bool, create_graph: bool) -> Any:
    """What is returned: without its history unless that was asked for."""
    if not create_graph:
        x = tuple(_result(v, True, False) if isinstance(v, tuple) else wrap(v._data) for v in x)
    return x if several else x[0]


def _grad(
    outs: Any, ins: Any, gs: Any, create_graph: bool, strict: bool, fn: str, retain: bool = True, second: bool = False
) -> tuple[Any, ...]:
    """Gradients with zeros where there are none, which strict makes an error."""
    from . import grad

    pairs = [(o, g) for o, g in zip(outs, gs, strict=True) if o._node is not None]
    found: tuple[Any, ...] = (None,) * len(ins)
    if pairs:
        found = grad([o for o, _ in pairs], list(ins), [g for _, g in pairs], retain, create_graph, allow_unused=True)
    filled = []
    for i, (g, x) in enumerate(zip(found, ins, strict=True)):
        if strict and (g is None or create_graph and second and g._node is None):
            raise RuntimeError(
                f"{fn}: with strict=True, an output of the function (or its derivative) is independent of input {i}, which "
                "is an error; with strict=False it gives zeros"
            )
        filled.append(wrap(zeros_like(x._data)) if g is None else g)
    return tuple(filled)


def _check_strict(outs: tuple[Any, ...], fn: str, strict: bool) -> None:
    if not strict:
        return
    for i, o in enumerate(outs):
        if o._node is None:
            raise RuntimeError(
                f"{fn}: output {i} of the function is independent of all inputs, an error with strict=True"
            )


def _vectors(v: Any, like: tuple[Any, ...], fn: str, what: str) -> tuple[Any, ...]:
    """v checked against the tensors it multiplies."""
    if v is None:
        if len(like) != 1 or like[0]._data.size != 1:
            raise RuntimeError(f"{fn}: v may only be left away when the {what} is a single element; give it")
        return (wrap(ones_like(like[0]._data)),)
    _, vs = _tuple(v, "v", fn)
    if len(vs) != len(like):
        raise RuntimeError(f"{fn}: v has {len(vs)} tensors, the {what} {len(like)}; they must be as many")
    for i, (a, b) in enumerate(zip(vs, like, strict=True)):
        if a._shape != b._shape:
            raise RuntimeError(
                f"{fn}: entry {i} of v has shape {tuple(a._shape)}, that of the {what} {tuple(b._shape)}; they must be equal"
            )
    return vs


def _scalar(outs: tuple[Any, ...], several: bool, fn: str) -> None:
    if several or len(outs) != 1:
        raise RuntimeError(f"{fn}: the function must return a single Tensor, not a tuple")
    if outs[0]._data.size != 1:
        raise RuntimeError(
            f"{fn}: the function must return a Tensor with a single element, got shape {tuple(outs[0]._shape)}"
        )


# ---------------------------------------------------------------- products
def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), v^T J): the product of a vector of the output's shape with the Jacobian.

    v may be left away for a single-element output. create_graph: the result can be differentiated. strict: an output that
    does not depend on an input is an error (RuntimeError), not a zero.

    >>> import retrograd as rg
    >>> from retrograd.autograd.functional import vjp
    >>> vjp(lambda x: x * x, rg.tensor([1.0, 2.0]), rg.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        several, xs = _tuple(inputs, "inputs", "vjp")
        ins = _fresh(xs, create_graph)
        out_several, outs = _tuple(func(*ins), "the output", "vjp")
        _check_strict(outs, "vjp", strict)
        vs = _vectors(v, outs, "vjp", "output")
        found = _grad(outs, ins, vs, create_graph, strict, "vjp", second=True)
    return _result(outs, out_several, create_graph), _result(found, several, create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), J v): the product of the Jacobian with a vector of the inputs' shape, by two reverse passes.

    For a forward-mode product see `func.jvp`. The arguments are those of `vjp`.

    >>> import retrograd as rg
    >>> from retrograd.autograd.functional import jvp
    >>> jvp(lambda x: x * x, rg.tensor([1.0, 2.0]), rg.tensor([1.0, 0.0]))
    (tensor([1., 4.]), tensor([2., 0.]))
    """
    with enable_grad():
        _, xs = _tuple(inputs, "inputs", "jvp")
        ins = _fresh(xs, create_graph)
        vs = _vectors(v, ins, "jvp", "input")
        out_several, outs = _tuple(func(*ins), "the output", "jvp")
        _check_strict(outs, "jvp", strict)
        us = tuple(wrap(zeros_like(o._data)).requires_grad_() for o in outs)  # v^T J is linear in v: its transpose is J
        rows = _grad(outs, ins, us, True, strict, "jvp")
        found = _grad(rows, us, vs, create_graph, strict, "jvp")
    return _result(outs, out_several, create_graph), _result(found, out_several, create_graph)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), v^T H) with the Hessian of a scalar function, by two reverse passes.

    >>> import retrograd as rg
    >>> from retrograd.autograd.functional import vhp
    >>> vhp(lambda x: (x**3).sum(), rg.tensor([1.0, 2.0]), rg.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        several, xs = _tuple(inputs, "inputs", "vhp")
        ins = _fresh(xs, create_graph)
        vs = _vectors(v, ins, "vhp", "input")
        out_several, outs = _tuple(func(*ins), "the output", "vhp")
        _check_strict(outs, "vhp", strict)
        _scalar(outs, out_several, "vhp")
        gradient = _grad(outs, ins, _ones(outs), True, strict, "vhp", second=True)
        found = _grad(gradient, ins, vs, create_graph, strict, "vhp")
    return _result(outs, False, create_graph), _result(found, several, create_graph)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), H v) with the Hessian of a scalar function, by three reverse passes. `vhp` is faster, and equal.

    >>> import retrograd as rg
    >>> from retrograd.autograd.functional import hvp
    >>> hvp(lambda x: (x**3).sum(), rg.tensor([1.0, 2.0]), rg.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        several, xs = _tuple(inputs, "inputs", "hvp")
        ins = _fresh(xs, create_graph)
        vs = _vectors(v, ins, "hvp", "input")
        out_several, outs = _tuple(func(*ins), "the output", "hvp")
        _check_strict(outs, "hvp", strict)
        _scalar(outs, out_several, "hvp")
        gradient = _grad(outs, ins, _ones(outs), True, strict, "hvp", second=True)
        us = tuple(wrap(zeros_like(x._data)).requires_grad_() for x in ins)
        rows = _grad(gradient, ins, us, True, strict, "hvp")
        found = _grad(rows, us, vs, create_graph, strict, "hvp")
    return _result(outs, False, create_graph), _result(found, several, create_graph)


def _ones(outs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(wrap(ones_like(o._data)) for o in outs)


# ---------------------------------------------------------------- matrices
def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of func at inputs: for output shape S and input shape T a tensor S + T, in tuples where those are.

    vectorize: all rows at once by `vmap`, instead of one after another. strategy "forward-mode" needs vectorize=True, and
    neither strict nor create_graph of an outer function. strict and create_graph as in `vjp`.

    >>> import retrograd as rg
    >>> from retrograd.autograd.functional import jacobian
    >>> jacobian(lambda x: x * x, rg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(
            f"jacobian: strategy must be 'reverse-mode' or 'forward-mode', got {strategy!r}; a function with more outputs "
            "than inputs is faster in forward mode"
        )
    if strategy == "forward-mode":
        return _forward_jacobian(func, inputs, create_graph, strict, vectorize)
    with enable_grad():
        several, xs = _tuple(inputs, "inputs", "jacobian")
        ins = _fresh(xs, create_graph)
        out_several, outs = _tuple(func(*ins), "the output", "jacobian")
        _check_strict(outs, "jacobian", strict)
        if vectorize and strict:
            raise RuntimeError("jacobian: strict=True and vectorize=True are not supported together")
        rows = tuple(_rows(o, ins, create_graph, strict, vectorize) for o in outs)
    if not create_graph:
        rows = tuple(tuple(wrap(v._data) for v in r) for r in rows)
    picked = tuple(r if several else r[0] for r in rows)
    return picked if out_several else picked[0]


def _rows(o: Any, ins: tuple[Any, ...], create_graph: bool, strict: bool, vectorize: bool) -> tuple[Any, ...]:
    """The Jacobian of one output with respect to every input."""
    from .func import vmap
    from .func.reverse import basis, counts
    from .ops.join import stack

    (n,) = counts([o])
    if vectorize and n:

        def row(g: Any) -> tuple[Any, ...]:
            from .passes import Pass

            if o._node is None:
                return tuple(wrap(zeros_like(x._data)) for x in ins)
            wanted: dict[Any, Any] = dict.fromkeys(x._node for x in ins)
            Pass(create_graph, True, wanted, False).run([o._node], [g if create_graph else g._data])
            found = [wanted[x._node] for x in ins]
            return tuple(
                wrap(zeros_like(x._data))
                if v is None
                else v
                if isinstance(v, TensorBase)
                else wrap(np.asarray(v) if isinstance(v, np.generic) else v)
                for v, x in zip(found, ins, strict=True)
            )

        blocks = vmap(row)(*basis([o], 0, n))
        return tuple(b.reshape((*o._shape, *x._shape)) for b, x in zip(blocks, ins, strict=True))
    columns: list[list[Any]] = [[] for _ in ins]
    (identity,) = basis([o], 0, n)
    for i in range(n):
        found = _grad((o,), ins, (identity[i],), create_graph, strict, "jacobian", second=True)
        for c, v in zip(columns, found, strict=True):
            c.append(v)
    return tuple(
        (stack(c) if c else wrap(zeros_like(x._data)).reshape(1, *x._shape)[:0]).reshape((*o._shape, *x._shape))
        for c, x in zip(columns, ins, strict=True)
    )


def _forward_jacobian(func: Any, inputs: Any, create_graph: bool, strict: bool, vectorize: bool) -> Any:
    from .func import jacfwd

    if strict:
        raise RuntimeError("jacobian: strict=True is not supported with strategy='forward-mode'")
    if not vectorize:
        raise NotImplementedError("jacobian: strategy='forward-mode' needs vectorize=True")
    several, xs = _tuple(inputs, "inputs", "jacobian")
    shape: list[bool] = []

    def checked(*ys: Any) -> Any:
        out = func(*ys)
        shape.append(_tuple(out, "the output", "jacobian")[0])
        return tuple(out) if shape[-1] else out

    with enable_grad():
        ins = _fresh(xs, True) if create_graph else tuple(wrap(x._data) for x in xs)
        found = jacfwd(checked, tuple(range(len(ins))))(*ins)
    rows = found if shape[-1] else (found,)
    if not create_graph:
        rows = tuple(tuple(wrap(v._data) for v in r) for r in rows)
    picked = tuple(r if several else r[0] for r in rows)
    return picked if shape[-1] else picked[0]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a scalar function: for input shape T a tensor T + T; a tuple of tuples for several inputs.

    outer_jacobian_strategy: "forward-mode" (with vectorize=True) or "reverse-mode". The rest is as in `jacobian`.

    >>> import retrograd as rg
    >>> from retrograd.autograd.functional import hessian
    >>> hessian(lambda x: (x**3).sum(), rg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    several, _xs = _tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(
            f"hessian: outer_jacobian_strategy must be 'reverse-mode' or 'forward-mode', got {outer_jacobian_strategy!r}"
        )

    def scalar(*ys: Any) -> Any:
        out = func(*ys)
        out_several, outs = _tuple(out, "the output", "hessian")
        _scalar(outs, out_several, "hessian")
        return outs[0].reshape(()) if outs[0]._shape else outs[0]

    def gradient(*ys: Any) -> Any:
        if outer_jacobian_strategy == "forward-mode":
            from .func import jacrev

            found = jacrev(scalar, tuple(range(len(ys))))(*ys)
            return found if several else found[0]
        found = jacobian(scalar, ys, create_graph=True, strict=strict)
        if strict and any(g._node is None for g in found):
            raise RuntimeError("hessian: the gradient is independent of an input, which strict=True makes an error")
        return found if several else found[0]

    return jacobian(
        gradient,
        inputs,
        create_graph=create_graph,
        strict=strict,
        vectorize=vectorize,
        strategy=outer_jacobian_strategy,
    )
