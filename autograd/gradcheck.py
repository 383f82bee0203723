"""Gradients against finite differences: `gradcheck` for first derivatives, `gradgradcheck` for second ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import engine
from .backend import of, xp_of
from .core import TensorBase, wrap
from .errors import DtypeError
from .forward import push_forward

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient that does not agree with finite differences, or that breaks a rule about gradients."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of func(*inputs) with central differences (f(x + eps) - f(x - eps)) / (2 eps).

    func: takes the inputs and returns a tensor or a sequence of tensors; it must be deterministic. inputs: a tensor or a
    sequence; those that require grad must be float64 or complex128 and are changed in place while the check runs, so
    func may also reach them in other ways, as a module reaches its parameters. Complex ones count as pairs of reals.

    eps: the step. atol, rtol: |analytic - numeric| <= atol + rtol * |numeric| for each element of the Jacobian.
    raise_exception: False returns False instead of raising. nondet_tol: how much two backward passes may differ.
    check_undefined_grad: also, that outputs without a cotangent count as zero. check_grad_dtypes: also, that gradients
    have the inputs' types. check_batched_grad: also, that `grad(..., is_grads_batched=True)` agrees.
    check_forward_ad, check_batched_forward_grad: also check forward mode. check_backward_ad: False leaves reverse mode
    out. fast_mode: one random direction instead of the whole Jacobian. masked: accepted as in PyTorch, where it concerns
    sparse tensors.

    Raises GradcheckError naming output, input, index and both values; DtypeError for inputs of low precision;
    ValueError if no input requires grad.

    >>> import retrograd as rg
    >>> x = rg.tensor([0.5, -1.0], dtype=rg.float64, requires_grad=True)
    >>> rg.autograd.gradcheck(lambda x: (x * x).sin(), (x,))
    True
    """
    args = _as_tuple(inputs)
    wanted = _wanted(args, "gradcheck")
    check = _Check(func, args, wanted, eps, atol, rtol)
    try:
        if not check.slots:
            check.no_gradient()
            return True
        if check_backward_ad:
            check.reverse(fast_mode, nondet_tol)
            if check_undefined_grad:
                check.undefined()
            if check_grad_dtypes:
                check.grad_dtypes()
            if check_batched_grad:
                check.batched()
        if check_forward_ad or check_batched_forward_grad:
            check.forward(fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compare second derivatives of func(*inputs) with central differences of its first derivatives.

    grad_outputs: the cotangents of func's outputs; None draws them. gen_non_contig_grad_outputs: drawn ones are strided.
    check_fwd_over_rev: also, forward mode over the gradient. The rest is as in `gradcheck`.

    >>> import retrograd as rg
    >>> x = rg.tensor([0.5, -1.0], dtype=rg.float64, requires_grad=True)
    >>> rg.autograd.gradgradcheck(lambda x: (x * x).sin(), (x,))
    True
    """
    args = _as_tuple(inputs)
    wanted = _wanted(args, "gradgradcheck")
    slots = [i for i, o in enumerate(_as_tuple(func(*args))) if _differentiable(o)]
    if not slots:
        return gradcheck(func, args, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)
    if grad_outputs is None:
        outs = _as_tuple(func(*args))
        gs = tuple(_draw_like(outs[i], gen_non_contig_grad_outputs) for i in slots)
    else:
        gs = _as_tuple(grad_outputs)
        if len(gs) != len(slots):
            raise ValueError(
                f"gradgradcheck: func has {len(slots)} differentiable outputs but there are {len(gs)} grad_outputs; "
                "give one for each"
            )
    n = len(args)

    def first(*values: Any) -> tuple[Any, ...]:
        xs, us = values[:n], values[n:]
        outs = _as_tuple(func(*xs))
        found = engine.grad([outs[i] for i in slots], [xs[i] for i in wanted], list(us), True, True, True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        first,
        (*args, *gs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


# ---------------------------------------------------------------- inputs and outputs
def _as_tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _differentiable(o: Any) -> bool:
    return isinstance(o, TensorBase) and o._node is not None


def _wanted(args: tuple[Any, ...], what: str) -> list[int]:
    """The places of the inputs that require grad, refused where finite differences could not be trusted."""
    wanted = [i for i, x in enumerate(args) if _differentiable(x)]
    if not wanted:
        raise ValueError(
            f"{what}: no input requires grad; make at least one tensor with requires_grad=True, or call requires_grad_()"
        )
    for i in wanted:
        x = args[i]
        if x._dtype.name not in ("float64", "complex128"):
            better = "complex128" if x._dtype.kind == "c" else "float64"
            raise DtypeError(
                f"{what}: input {i} is {x._dtype.name}; finite differences need double precision: "
                f"convert it with .to(retrograd.{better}) before requires_grad_()"
            )
        strides = getattr(x._data, "strides", ())
        if x._data.size and any(s == 0 and n > 1 for s, n in zip(strides, x._shape, strict=False)):
            raise RuntimeError(
                f"{what}: input {i} of shape {tuple(x._shape)} is expanded, several of its elements are one memory "
                "location; pass x.contiguous()"
            )
    return wanted


def _host(a: Any) -> np.ndarray:
    return np.asarray(of(a).to_numpy(a))


def _reals(a: Any) -> np.ndarray:
    """An array as a flat vector of float64; complex elements as (real, imaginary) pairs."""
    a = _host(a).reshape(-1)
    if a.dtype.kind == "c":
        return np.stack([a.real, a.imag], -1).reshape(-1).astype("f8")
    return a.astype("f8")


def _from_reals(v: np.ndarray, like: Any) -> Any:
    """The array of the type and shape of tensor `like` whose `_reals` are v."""
    a = v[0::2] + 1j * v[1::2] if like._dtype.kind == "c" else v
    return xp_of(like._data).asarray(np.array(a, like._dtype.np).reshape(like._shape))


def _size(x: Any) -> int:
    return int(x._data.size) * (2 if x._dtype.kind == "c" else 1)


def _draw_like(o: Any, strided: bool) -> Any:
    """A tensor of the shape and type of o, drawn, that requires grad."""
    rng = np.random.default_rng(_size(o))
    v = _from_reals(rng.uniform(0.5, 1.5, _size(o)) * rng.choice([-1.0, 1.0], _size(o)), o)
    if strided and v.ndim:
        wide = xp_of(v).zeros((*v.shape[:-1], 2 * v.shape[-1]), dtype=v.dtype)
        wide[..., ::2] = v
        v = wide[..., ::2]
    return wrap(v).requires_grad_()


# ---------------------------------------------------------------- the check
class _Check:
    """One function at one point: its numeric and analytic Jacobians, as real matrices (outputs, inputs)."""

    def __init__(
        self, func: Any, args: tuple[Any, ...], wanted: list[int], eps: float, atol: float, rtol: float
    ) -> None:
        self.func, self.args, self.wanted = func, args, wanted
        self.eps, self.atol, self.rtol = eps, atol, rtol
        self.outs = _as_tuple(func(*args))
        self.slots = [i for i, o in enumerate(self.outs) if _differentiable(o)]
        self.inputs = [args[i] for i in wanted]
        self.rng = np.random.default_rng(0)

    def values(self, slots: Sequence[int]) -> list[np.ndarray]:
        """The outputs now, as real vectors of their own."""
        outs = _as_tuple(self.func(*self.args))
        return [np.array(_reals(outs[i]._data)) for i in slots]

    def numeric(self, x: Any, v: np.ndarray, slots: Sequence[int]) -> list[np.ndarray]:
        """The derivatives of the outputs when x moves along v; x is moved in place and restored."""
        here = x._data.copy()
        step = _from_reals(self.eps * v, x)
        try:
            x._data[...] = here + step
            ahead = self.values(slots)
            x._data[...] = here - step
            behind = self.values(slots)
        finally:
            x._data[...] = here
        return [(a - b) / (2 * self.eps) for a, b in zip(ahead, behind, strict=True)]

    def cotangents(self, pairs: list[tuple[int, Any]]) -> list[np.ndarray]:
        """The gradients of the inputs for cotangents of some outputs, as real vectors (zeros if unused)."""
        gs = engine.grad([self.outs[i] for i, _ in pairs], self.inputs, [wrap(u) for _, u in pairs], True, False, True)
        found = []
        for k, (x, g) in enumerate(zip(self.inputs, gs, strict=True)):
            if g is None:
                found.append(np.zeros(_size(x)))
                continue
            if g._shape != x._shape:
                raise GradcheckError(
                    f"gradcheck: the gradient of input {self.wanted[k]} has shape {tuple(g._shape)}, "
                    f"but the input has shape {tuple(x._shape)}"
                )
            if g._dtype.kind != x._dtype.kind:
                raise GradcheckError(
                    f"gradcheck: the gradient of input {self.wanted[k]} is {g._dtype.name}, the input {x._dtype.name}"
                )
            found.append(_reals(g._data))
        return found

    def no_gradient(self) -> None:
        """No output requires grad: then none may depend on the inputs."""
        slots = [i for i, o in enumerate(self.outs) if isinstance(o, TensorBase) and o._dtype.kind in "fc"]
        for k, x in enumerate(self.inputs):
            for e in np.eye(_size(x)):
                for i, d in zip(slots, self.numeric(x, e, slots), strict=True):
                    if np.abs(d).max(initial=0.0) > self.atol:
                        raise GradcheckError(
                            f"gradcheck: output {i} does not require grad, but it changes with input {self.wanted[k]} "
                            f"(derivative {d[np.abs(d).argmax()]:g}); is it detached?"
                        )

    def reverse(self, fast: bool, nondet_tol: float) -> None:
        """Backward against finite differences."""
        if fast:
            self._fast_reverse(nondet_tol)
            return
        numeric = [[np.zeros((_size(self.outs[i]), _size(x))) for i in self.slots] for x in self.inputs]
        for k, x in enumerate(self.inputs):
            for j, e in enumerate(np.eye(_size(x))):
                for s, d in enumerate(self.numeric(x, e, self.slots)):
                    numeric[k][s][:, j] = d
        for s, i in enumerate(self.slots):
            rows: list[list[np.ndarray]] = [[] for _ in self.inputs]
            for e in np.eye(_size(self.outs[i])):
                u = _from_reals(e, self.outs[i])
                once = self.cotangents([(i, u)])
                again = self.cotangents([(i, u)])
                for k, (a, b) in enumerate(zip(once, again, strict=True)):
                    self._same_twice(i, k, a, b, nondet_tol)
                    rows[k].append(a)
            for k, x in enumerate(self.inputs):
                analytic = np.array(rows[k]).reshape(_size(self.outs[i]), _size(x))
                self._compare(i, k, analytic, numeric[k][s], "")

    def _fast_reverse(self, nondet_tol: float) -> None:
        us = {i: self._direction(_size(self.outs[i])) for i in self.slots}
        found = {}
        for i in self.slots:
            u = _from_reals(us[i], self.outs[i])
            found[i] = self.cotangents([(i, u)])
            for k, (a, b) in enumerate(zip(found[i], self.cotangents([(i, u)]), strict=True)):
                self._same_twice(i, k, a, b, nondet_tol)
        for k, x in enumerate(self.inputs):
            v = self._direction(_size(x))
            for i, d in zip(self.slots, self.numeric(x, v, self.slots), strict=True):
                self._compare_along(i, k, float(found[i][k] @ v), float(us[i] @ d), us[i], v, "")

    def forward(self, fast: bool) -> None:
        """Forward mode against finite differences."""
        for k, x in enumerate(self.inputs):
            size = _size(x)
            for v in [self._direction(size)] if fast else np.eye(size):
                given = [_from_reals(v, x) if a is x else None for a in self.args]
                outs, ts = push_forward(self.func, self.args, given)
                for i, d in zip(self.slots, self.numeric(x, v, self.slots), strict=True):
                    t = ts[i]
                    analytic = np.zeros(_size(outs[i])) if t is None else _reals(t)
                    if fast:
                        u = self._direction(d.size)
                        self._compare_along(i, k, float(u @ analytic), float(u @ d), u, v, "forward mode: ")
                    else:
                        row = (analytic.reshape(-1, 1), d.reshape(-1, 1))
                        self._compare(i, k, *row, "forward mode: ", int(v.argmax()))

    def undefined(self) -> None:
        """An output without a cotangent counts like one with zeros."""
        if len(self.slots) < 2:
            return
        for i in self.slots:
            u = _from_reals(self._direction(_size(self.outs[i])), self.outs[i])
            alone = self.cotangents([(i, u)])
            rest = [(j, u if j == i else xp_of(u).zeros_like(self.outs[j]._data)) for j in self.slots]
            for k, (a, b) in enumerate(zip(alone, self.cotangents(rest), strict=True)):
                if not np.allclose(a, b, self.rtol, self.atol, equal_nan=True):
                    raise GradcheckError(
                        f"gradcheck: the gradient of input {self.wanted[k]} changes when the other outputs than {i} get "
                        "no cotangent instead of zeros; treat a cotangent None as zero in the backward formula"
                    )

    def grad_dtypes(self) -> None:
        """Gradients have the inputs' types."""
        for i in self.slots:
            u = wrap(_from_reals(np.ones(_size(self.outs[i])), self.outs[i]))
            gs = engine.grad([self.outs[i]], self.inputs, [u], True, False, True)
            for k, (x, g) in enumerate(zip(self.inputs, gs, strict=True)):
                if g is not None and g._dtype is not x._dtype:
                    raise GradcheckError(
                        f"gradcheck: the gradient of input {self.wanted[k]} is {g._dtype.name}, the input {x._dtype.name}"
                    )

    def batched(self) -> None:
        """A batch of cotangents gives the batch of gradients."""
        from . import grad

        for i in self.slots:
            rows = [_from_reals(self._direction(_size(self.outs[i])), self.outs[i]) for _ in range(2)]
            u = wrap(xp_of(rows[0]).stack(rows))
            many = grad(
                [self.outs[i]], self.inputs, [u], retain_graph=True, is_grads_batched=True, materialize_grads=True
            )
            for b, row in enumerate(rows):
                for k, (one, all_) in enumerate(zip(self.cotangents([(i, row)]), many, strict=True)):
                    if not np.allclose(one, _reals(all_._data[b]), self.rtol, self.atol, equal_nan=True):
                        raise GradcheckError(
                            f"gradcheck: the gradient of input {self.wanted[k]} for a batch of cotangents of output {i} "
                            "differs from that for each of them"
                        )

    # ------------------------------------------------------------ comparing
    def _direction(self, n: int) -> np.ndarray:
        v = self.rng.uniform(0.5, 1.0, n) * self.rng.choice([-1.0, 1.0], n)
        return v / max(float(np.linalg.norm(v)), 1.0)

    def _same_twice(self, i: int, k: int, a: np.ndarray, b: np.ndarray, tol: float) -> None:
        if not np.array_equal(a, b, equal_nan=True) and not np.allclose(a, b, 0.0, tol, equal_nan=True):
            raise GradcheckError(
                f"gradcheck: backward is not reentrant: two passes from output {i} gave input {self.wanted[k]} gradients "
                f"that differ by {np.abs(a - b).max():g} (nondet_tol is {tol:g})"
            )

    def _compare(self, i: int, k: int, a: np.ndarray, n: np.ndarray, mode: str, column: int | None = None) -> None:
        """Analytic against numeric Jacobian (rows: output elements, columns: input elements); names the worst one."""
        with np.errstate(invalid="ignore"):
            miss = np.abs(a - n) - (self.atol + self.rtol * np.abs(n))
        miss = np.where((a == n) | (np.isnan(a) & np.isnan(n)), -np.inf, np.where(np.isnan(miss), np.inf, miss))
        bad = int((miss > 0).sum())
        if not bad:
            return
        row, col = np.unravel_index(int(miss.argmax()), miss.shape)
        at_o, at_x = self.outs[i], self.inputs[k]
        raise GradcheckError(
            f"gradcheck: {mode}Jacobian mismatch for output {i} with respect to input {self.wanted[k]}: "
            f"d output{_index(at_o, int(row))} / d input{_index(at_x, int(col) if column is None else column)} is "
            f"{a[row, col]:.10g} analytically and {n[row, col]:.10g} numerically "
            f"({bad} of {miss.size} elements differ by more than atol {self.atol:g} + rtol {self.rtol:g}; this is the worst)"
        )

    def _compare_along(self, i: int, k: int, a: float, n: float, u: np.ndarray, v: np.ndarray, mode: str) -> None:
        """As `_compare` for one number u' J v; on a miss the whole Jacobian is tried, for an error that says more."""
        tol = self.atol * max(float(np.abs(u).sum() * np.abs(v).sum()), 1.0) + self.rtol * abs(n)
        if a == n or abs(a - n) <= tol or (np.isnan(a) and np.isnan(n)):
            return
        if not mode:
            self.reverse(False, np.inf)
        raise GradcheckError(
            f"gradcheck: {mode}Jacobian mismatch for output {i} with respect to input {self.wanted[k]} in fast mode: "
            f"{a:.10g} analytically and {n:.10g} numerically along a random direction"
        )


def _index(t: Any, flat: int) -> str:
    """`[1, 2]`, with the part of a complex element, of a place in a tensor's real vector."""
    part = ""
    if t._dtype.kind == "c":
        flat, rest = divmod(flat, 2)
        part = (".real", ".imag")[rest]
    place = [int(n) for n in np.unravel_index(flat, t._shape)] if t._shape else ""
    return f"{place}{part}"
