"""`autograd.Function`: operations whose backward the user writes, as in PyTorch's "extending autograd"."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from . import core, generic
from .backend import is_array, of
from .core import TensorBase, tls, wrap
from .errors import GraphError, ShapeError
from .explain import fits
from .hooks import core_no_grad, unpack
from .nodes import PICK, make_node
from .registry import FUNCTION, Op
from .versions import wrote
from .views import rebase, refuse

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What `forward` and `backward` share: saved tensors, flags, and any attribute the user sets."""

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self.materialize_grads = True
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._non_differentiable: tuple[Any, ...] = ()
        self._node: Any = None
        self._for_forward: tuple[Any, ...] | None = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (inputs, outputs or others, or None) for `backward`; they are checked for in-place changes."""
        for t in tensors:
            if t is not None and not isinstance(t, TensorBase):
                raise TypeError(
                    f"save_for_backward: Tensors or None are expected, got {type(t).__name__}; use an attribute"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for `jvp`, which finds them in `saved_tensors`."""
        self._for_forward = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Say that `forward` changed these inputs in place; they must be returned."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say that these outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """False: gradients of unused outputs arrive as None instead of zeros."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to save_for_backward."""
        n = self._node() if self._node is not None else None
        if n is None:
            return self._to_save
        saved = n.saved
        if saved is None:
            from .versions import freed_error

            raise freed_error(n)
        if not isinstance(saved, tuple):
            saved = unpack(saved)
        return _unpack(n, saved)


def _unpack(n: Any, saved: Any) -> tuple[Any, ...]:
    arrays, (edges, *_), _ = saved
    found = []
    for i, a in enumerate(arrays):
        if a is None:
            found.append(None)
            continue
        kind, k = edges[i]
        node = n.many[k] if kind == "in" else None
        if kind == "out":
            from .passes import core_pick

            node = core_pick(n, edges[-1], k)
        found.append(wrap(a, node) if is_array(a) else a.tensor())
    return tuple(found)


class Function:
    """A differentiable operation given by static methods `forward` and `backward`; call it with `apply`.

    `forward(ctx, *args)`, or `forward(*args)` with `setup_context(ctx, inputs, output)`; `backward(ctx, *grad_outputs)`
    returns one gradient (or None) per argument of forward. Under `create_graph=True` backward is itself recorded.

    >>> import retrograd as rg
    >>> class Exp(rg.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         y = x.exp()
    ...         ctx.save_for_backward(y)
    ...         return y
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (y,) = ctx.saved_tensors
    ...         return g * y
    >>> x = rg.tensor(0.0, requires_grad=True)
    >>> Exp.apply(x).backward()
    >>> x.grad
    tensor(1.)
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        raise GraphError(
            f"{type(self).__name__}: a Function is not instantiated; call {type(self).__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the operation; override this."""
        raise NotImplementedError("Function.forward: implement forward(ctx, *args) as a static method")

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Any) -> Any:
        """Save what backward needs, when forward takes no ctx; override this."""
        raise NotImplementedError("Function.setup_context is not implemented")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Give the gradient of each argument of forward; override this."""
        raise NotImplementedError("Function.backward: implement backward(ctx, *grad_outputs) as a static method")

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Give the tangent of each output from those of the arguments, for forward mode.

        Where it is not overridden, forward mode transposes `backward` instead.
        """
        raise NotImplementedError("Function.jvp is not implemented")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward on the arguments and record the operation."""
        return cls._run(args)[0]

    @classmethod
    def _run(cls, args: tuple[Any, ...]) -> tuple[Any, FunctionCtx]:
        """(result, context) of `apply`."""
        if core.lifting is not None:
            from .lifting import dual_levels, join_arguments

            args = join_arguments(args)
            if dual_levels(args):
                from .dual import apply_dual

                result, ctx = cls._record(args)
                return apply_dual(cls, args, result), ctx
        return cls._record(args)

    @classmethod
    def _record(cls, args: tuple[Any, ...]) -> tuple[Any, FunctionCtx]:
        ctx = FunctionCtx()
        tensors = [a if isinstance(a, TensorBase) else None for a in args]
        many = tuple(None if t is None else t._node for t in tensors)
        ctx.needs_input_grad = tuple(n is not None for n in many)
        record = core.recording() and any(n is not None for n in many)
        with core_no_grad():
            if cls.setup_context is not Function.setup_context:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args)
        outs = list(result) if isinstance(result, (tuple, list)) else [result]
        final = _finish(cls, ctx, args, tensors, many, outs, record)
        return (type(result)(final) if type(result) in (tuple, list) else final[0]), ctx


def _finish(
    cls: Any, ctx: FunctionCtx, args: Any, tensors: list[Any], many: Any, outs: list[Any], record: bool
) -> list[Any]:
    """Record a Function's results."""
    dirty = {id(t) for t in ctx._dirty}
    still = {id(t) for t in ctx._non_differentiable}
    for t in ctx._dirty:
        if not any(o is t for o in outs):
            raise GraphError(f"{cls.__name__}: a tensor marked dirty must be returned by forward")
        if record:
            refuse(t, cls.__name__)
        wrote(t._data)
    m = tls.state.grad
    if not record:
        final = [wrap(o._data) if any(o is t for t in tensors) and id(o) not in dirty else o for o in outs]
        if m is not False:
            op = Op(cls.__name__, FUNCTION, None, outputs=None)
            _tell(m, op, tensors, final)
        return final
    n_out = sum(isinstance(o, TensorBase) for o in outs)
    op = Op(cls.__name__, FUNCTION, None, vjp=_vjp(cls, ctx, args, outs), saves="", outputs=None, differentiable=True)
    node = make_node(op, None, many=many)
    edges: list[Any] = []
    arrays: list[Any] = []
    for s in ctx._to_save:
        if s is None:
            arrays.append(None)
            edges.append(None)
            continue
        arrays.append(s._data)
        i = next((i for i, t in enumerate(tensors) if t is s), None)
        k = next((k for k, o in enumerate(o for o in outs if isinstance(o, TensorBase)) if o is s), None)
        if k is not None and (i is None or id(s) in dirty):  # an input that is returned as it is stays the input
            edges.append(("out", k))
        elif i is not None:
            edges.append(("in", i))
        else:
            edges.append(("free", 0))
    edges.append(n_out)
    node.saved = (arrays, (tuple(edges),), None)
    op.frees = any(a is not None for a in arrays)
    ctx._to_save = ()
    ctx._node = core.weakref.ref(node)
    op.forward = ctx  # the node owns the context; the context knows the node weakly
    final = []
    k = 0
    for o in outs:
        if not isinstance(o, TensorBase):
            final.append(o)
            continue
        if id(o) not in dirty and any(o is t for t in tensors):
            o = wrap(o._data)
        if id(o) not in still and o._dtype.kind in "fc":
            edge = make_node(PICK, (None, (n_out, k), None), many=(node,))
            if id(o) in dirty:  # its base and its views have changed with it
                rebase(o, wrap(o._data, edge))
            else:
                o._node = edge
        k += 1
        final.append(o)
    _tell(m, op, tensors, final)
    return final


def _tell(m: Any, op: Op, tensors: list[Any], outs: list[Any]) -> None:
    """Tell the watcher, if one stands in place of the grad mode."""
    if m is not True and m is not False:
        for o in outs:
            if isinstance(o, TensorBase):
                m.called(op, tensors, o._node if type(o._node) is core.Node and o._node.op is PICK else None, o)


def _vjp(cls: Any, ctx: FunctionCtx, args: Any, outs: list[Any]) -> Any:
    """The joint formula that calls the user's backward on tensors."""
    shapes = [(o._shape, o._dtype, of(o._data)) if isinstance(o, TensorBase) else None for o in outs]
    kinds = [isinstance(a, TensorBase) for a in args]
    inputs = [(a._shape, a._dtype) if isinstance(a, TensorBase) else None for a in args]

    def vjp(g: Any, xs: Any, o: Any, needs: Any, *p: Any) -> Any:
        s = tls.state
        record = core.recording()
        gs = []
        arrived = iter(g)
        for spec in shapes:
            if spec is None:  # an output that is no tensor
                gs.append(None)
                continue
            v, (shape, dt, home) = next(arrived), spec
            if v is None and ctx.materialize_grads:
                v = home.xp.zeros(shape, dtype=dt.np)
            gs.append(
                v
                if v is None or isinstance(v, TensorBase)
                else wrap(v if is_array(v) and not isinstance(v, np.generic) else np.asarray(v))
            )
        fn = cls.backward if cls.backward is not Function.backward else cls.vjp
        if getattr(fn, "once_differentiable", False) and record:
            was, s.grad = s.grad, False
            try:
                found = fn(ctx, *gs)
            finally:
                s.grad = was
            found = _poison(cls, found)
        else:
            found = fn(ctx, *gs)
        found = found if isinstance(found, (tuple, list)) else (found,)
        found = list(found)
        if len(found) > len(kinds) and all(v is None for v in found[len(kinds) :]):
            found = found[: len(kinds)]
        if len(found) != len(kinds):
            raise GraphError(
                f"{cls.__name__}: backward returned {len(found)} gradients but forward took {len(kinds)} arguments; "
                "return one (or None) for each"
            )
        given = []
        for i, (v, spec) in enumerate(zip(found, inputs, strict=True)):
            if v is None or spec is None or needs[i] is None:
                given.append(None)
                continue
            if not isinstance(v, TensorBase):
                raise TypeError(f"{cls.__name__}: gradient {i} must be a Tensor or None, got {type(v).__name__}")
            if v._shape != spec[0]:
                from .ops.shape import sum_to

                if not fits(v._shape, spec[0]) or len(v._shape) < len(spec[0]):
                    raise ShapeError(
                        f"{cls.__name__}: gradient {i} has shape {tuple(v._shape)}, but argument {i} has shape "
                        f"{tuple(spec[0])}"
                    )
                v = sum_to(v, spec[0])
            v = generic.cast(v, spec[1])
            given.append(v if record else v._data)
        return given

    return vjp


def _poison(cls: Any, found: Any) -> Any:
    """Gradients of a once-differentiable backward: differentiating them again is an error that says so."""

    def fail(*_: Any) -> Any:
        raise GraphError(f"{cls.__name__}: backward is marked once_differentiable, so it has no second derivative")

    op = Op(f"{cls.__name__}_once", FUNCTION, None, vjp=fail, saves="", outputs=1)
    many = found if isinstance(found, (tuple, list)) else (found,)
    out = []
    for v in many:
        if isinstance(v, TensorBase):
            v = wrap(v._data)
            leaf = core.make_leaf(v)
            v._node = make_node(op, ([], (), None), many=(leaf,))
        out.append(v)
    return tuple(out)


def once_differentiable(fn: Any) -> Any:
    """Mark a backward as not differentiable itself: a second derivative through it raises instead of being wrong."""

    @functools.wraps(fn)
    def marked(ctx: Any, *args: Any) -> Any:
        return fn(ctx, *args)

    marked.once_differentiable = True  # type: ignore[attr-defined]
    return marked
