"""Checkpointing: the values inside a part of a computation are computed again in backward instead of being kept.

PyTorch's path for it is `utils.checkpoint`. Two implementations, as there. Without reentrance, what the part saves is
thrown away, and the first value that backward asks for has the part run again; that works with every way to
differentiate. With it, the part is one operation whose backward runs it again and calls `backward` on the result.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .core import TensorBase, recording, tls, wrap
from .function import Function
from .grad_mode import enable_grad, no_grad
from .hooks import Watcher, saved_tensors_hooks
from .random import default_generator

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn", "set_checkpoint_early_stop"]


class CheckpointError(RuntimeError):
    """The function behaved differently when it was run again: it saved other tensors than in the forward pass."""


class _Stop(BaseException):
    """Everything that backward needs has been computed again."""


class _Early:
    value: bool | None = None  # set_checkpoint_early_stop's


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Context manager: whether parts checkpointed inside stop recomputing when everything needed is there.

    >>> import retrograd as rg
    >>> from retrograd.utils.checkpoint import checkpoint, set_checkpoint_early_stop
    >>> with set_checkpoint_early_stop(False):
    ...     y = checkpoint(rg.sin, rg.zeros(1), use_reentrant=False)
    """
    was, _Early.value = _Early.value, enable
    try:
        yield
    finally:
        _Early.value = was


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that do nothing: the default for the forward pass and the recomputation.

    >>> from retrograd.utils.checkpoint import noop_context_fn
    >>> len(noop_context_fn())
    2
    """
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def _at_state(state: Any) -> Iterator[None]:
    """The default generator at an earlier state (None: as it is), and back afterwards."""
    if state is None:
        yield
        return
    now = default_generator.get_state()
    default_generator.set_state(state)
    try:
        yield
    finally:
        default_generator.set_state(now)


# ---------------------------------------------------------------- without reentrance
class _Frame:
    """One checkpointed call: how to run it again, and the values that the last run gave."""

    def __init__(
        self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], state: Any, context: Any, check: bool, early: bool
    ) -> None:
        self.fn, self.kwargs, self.state, self.context = fn, kwargs, state, context
        self.check, self.early = check, early
        self.outer = _enclosing()
        self.args = tuple(self._keep(a) for a in args)
        self.saved: list[tuple[Any, ...]] = []  # shape, dtype and device of what the forward pass saved
        self.values: dict[int, Any] = {}

    def _keep(self, a: Any) -> Any:
        """An argument; inside another checkpointed part a tensor is that part's to keep or to compute again."""
        if self.outer is None or not isinstance(a, TensorBase) or a._node is None:
            return a
        return _Kept(self.outer.pack_hook(wrap(a._data)))

    def _argument(self, a: Any) -> Any:
        if not isinstance(a, _Kept):
            return a
        t = self.outer.unpack_hook(a.packed)
        return wrap(t._data).requires_grad_()

    def pack(self, t: Any) -> int:
        """Throw a saved value away; what is kept is its number."""
        self.saved.append(_facts(t))
        return len(self.saved) - 1

    def unpack(self, number: int) -> Any:
        """Saved value `number`, computed again if that has not been done since it was last used."""
        if number not in self.values:
            self._again()
        return self.values.pop(number)

    def _again(self) -> None:
        self.values.clear()
        count = 0

        def keep(t: Any) -> int:
            nonlocal count
            number, count = count, count + 1
            if number < len(self.saved):
                if self.check and _facts(t) != self.saved[number]:
                    raise CheckpointError(
                        "checkpoint: recomputed values have different metadata than during the forward pass: saved tensor "
                        f"{number} was {self.saved[number]}, now it is {_facts(t)}; the function must do the same each "
                        "time it is called"
                    )
                self.values[number] = wrap(t._data)
            early = self.early if _Early.value is None else _Early.value
            if count == len(self.saved) and early:
                raise _Stop
            return number

        def given(number: int) -> Any:
            return self.values[number]

        s = tls.state
        was, module, blame = s.grad, s.module, s.blame
        s.grad, s.blame = True, None
        try:
            args = tuple(self._argument(a) for a in self.args)
            with _at_state(self.state), self.context, saved_tensors_hooks(keep, given), contextlib.suppress(_Stop):
                self.fn(*args, **self.kwargs)
        finally:
            s.grad, s.module, s.blame = was, module, blame
        if count < len(self.saved) or (count != len(self.saved) and not self.early and self.check):
            raise CheckpointError(
                "checkpoint: a different number of tensors was saved during the original forward pass "
                f"({len(self.saved)}) and the recomputation ({count}); the function must do the same each time it is called"
            )


class _Kept:
    """An argument that an enclosing checkpointed part keeps."""

    __slots__ = ("packed",)

    def __init__(self, packed: Any) -> None:
        self.packed = packed


class _FrameHooks(saved_tensors_hooks):
    """The hooks of a checkpointed part."""


def _enclosing() -> Any:
    """The hooks of the checkpointed part that is running, or of its recomputation."""
    m: Any = tls.state.grad
    while isinstance(m, Watcher):
        if isinstance(m, saved_tensors_hooks):
            return m
        m = m.inner
    return None


def _facts(t: Any) -> tuple[Any, ...]:
    return tuple(t._shape), t._dtype.name, str(t.device)


# ---------------------------------------------------------------- reentrant
class _Reentrant(Function):
    @staticmethod
    def forward(ctx: Any, function: Any, preserve: bool, *args: Any) -> Any:
        if not any(isinstance(a, TensorBase) and a._node is not None for a in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)
        ctx.function = function
        ctx.state = default_generator.get_state() if preserve else None
        ctx.rest = [None if isinstance(a, TensorBase) else a for a in args]
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, TensorBase)]
        ctx.needs = [args[i]._node is not None for i in ctx.places]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        with no_grad():
            return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        from . import backward

        inputs: list[Any] = list(ctx.rest)
        for i, t, needs in zip(ctx.places, ctx.saved_tensors, ctx.needs, strict=True):
            inputs[i] = wrap(t._data).requires_grad_(needs)
        with _at_state(ctx.state), enable_grad():
            outs = ctx.function(*inputs)
        outs = outs if isinstance(outs, (tuple, list)) else (outs,)
        pairs: list[tuple[Any, Any]] = [
            (o, g) for o, g in zip(outs, grads, strict=True) if isinstance(o, TensorBase) and o._node is not None
        ]
        if not pairs:
            raise RuntimeError("checkpoint: none of the outputs requires grad, so this checkpoint() is not necessary")
        backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[getattr(a, "grad", None) for a in inputs])


# ---------------------------------------------------------------- public
def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), whose intermediate values are computed again in backward instead of being kept.

    Memory for time: one more forward pass. use_reentrant: give False (recommended; works with `autograd.grad`, keyword
    arguments and nesting) or True (gradients of parameters by `backward()` only); left away it warns, and means True, as
    in PyTorch. preserve_rng_state=True (a keyword argument): random numbers are the same in the recomputation.
    context_fn returns two contexts, around the forward pass and the recomputation. determinism_check "default" compares
    shapes, dtypes and devices of recomputed values (CheckpointError), "none" does not. early_stop: recompute no further
    than needed. debug adds nothing here: errors name the values anyway.

    >>> import retrograd as rg
    >>> from retrograd.utils.checkpoint import checkpoint
    >>> x = rg.tensor([0.0, 1.0], requires_grad=True)
    >>> checkpoint(lambda x: x.sin().exp(), x, use_reentrant=False).sum().backward()
    >>> x.grad[0]
    tensor(1.)
    """
    if use_reentrant is None:
        warnings.warn(
            "checkpoint: the use_reentrant parameter should be passed explicitly; use_reentrant=False is recommended, "
            "True is what leaving it away means",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError(
                f"checkpoint: unexpected keyword arguments {', '.join(kwargs)}; use_reentrant=True passes none to the "
                "function, use_reentrant=False does"
            )
        if context_fn is not noop_context_fn or debug:
            raise ValueError("checkpoint: context_fn and debug are only supported with use_reentrant=False")
        return _Reentrant.apply(function, preserve, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"checkpoint: determinism_check must be 'default' or 'none', got {determinism_check!r}")
    before, again = context_fn()
    if not recording():
        with before:
            return function(*args, **kwargs)
    state = default_generator.get_state() if preserve else None
    frame = _Frame(function, args, kwargs, state, again, determinism_check == "default", early_stop)
    with before, _FrameHooks(frame.pack, frame.unpack):
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """The functions (a list, or a Sequential) one after another on `input`, checkpointed in so many segments.

    All segments but the last are computed again in backward. preserve_rng_state as in `checkpoint`.

    >>> import retrograd as rg
    >>> from retrograd.utils.checkpoint import checkpoint_sequential
    >>> x = rg.tensor([0.5], requires_grad=True)
    >>> checkpoint_sequential([rg.sin, rg.cos, rg.exp, rg.tanh], 2, x, use_reentrant=False).backward()
    >>> tuple(x.grad.shape)
    (1,)
    """
    if use_reentrant is None:
        warnings.warn(
            "checkpoint_sequential: the use_reentrant parameter should be passed explicitly; use_reentrant=False is "
            "recommended, True is what leaving it away means",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"checkpoint_sequential: unexpected keyword arguments {', '.join(kwargs)}")
    steps = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(steps) // segments

    def run(start: int, stop: int) -> Callable[[Any], Any]:
        def part(x: Any) -> Any:
            for f in steps[start:stop]:
                x = f(x)
            return x

        return part

    last = 0
    for start in range(0, size * (segments - 1), size) if size else ():
        last = start + size
        input = checkpoint(run(start, last), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return run(last, len(steps))(input)
