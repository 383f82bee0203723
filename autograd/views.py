"""Views and in-place operations: a write through a view gives the root a functional `put` node and re-records its views.

A view knows its root and the replayable way there (a tuple of primitives and their parameters). If no error is raised,
the gradient is right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import core, dtypes, generic, hooks
from .backend import by_xp, is_array, xp_of
from .core import Leaf, TensorBase, line, recording, tick, tls, wrap
from .errors import InplaceError, ShapeError
from .explain import dtypes_error
from .layouts import strided
from .nodes import make_node, shares
from .op import nary
from .registry import BINARY, PARAM, UNARY, Op
from .versions import owner, wrote

ndarray = np.ndarray


# ---------------------------------------------------------------- the functional write
def _view_array(op: Op, xp: Any, a: Any, p: Any) -> Any:
    return generic.forward(op, xp, (a,), p)


def _put(xp: Any, a: Any, path: tuple[Any, ...], r: Any) -> Any:
    """A copy of array a in which the part that `path` leads to is r.

    A map of element numbers follows the path, so that any chain of views, of any layout, is served by one assignment.
    """
    if not path:
        return xp.broadcast_to(r, a.shape).astype(a.dtype)
    if a.dtype.kind == "c":  # the way may lead to real or imaginary parts, which have no element numbers of their own
        out = part = a.copy(order="K")
        for op, p in path:
            part = _view_array(op, xp, part, p)
        part[...] = r.real if part.dtype.kind == "f" else r
        return out
    where = xp.arange(a.size).reshape(a.shape)
    for op, p in path:
        where = _view_array(op, xp, where, p)
    out = a.reshape(-1).copy()
    out[where.reshape(-1)] = xp.broadcast_to(r, where.shape).reshape(-1)
    return out.reshape(a.shape)


def _put_vjp(g: Any, xs: Any, o: Any, needs: Any, path: Any) -> Any:
    _, sr = xs
    from .ops.shape import sum_to

    gx = gr = None
    if needs[0] is not None:
        zero = _zeros_like(g, sr)
        gx = put_p((g, zero), path)
    if needs[1] is not None:
        gr = g
        for op, p in path:
            gr = op.call(gr, *p)
        gr = sum_to(gr, sr)
    return gx, gr


def _zeros_like(g: Any, shape: Any) -> Any:
    a = g._data if isinstance(g, TensorBase) else g
    z = xp_of(a).zeros(shape, dtype=a.dtype)
    return wrap(z) if isinstance(g, TensorBase) else z


put_p = nary(
    "put_view", lambda xp, xs, path: _put(xp, xs[0], path, xs[1]), _put_vjp, dtypes="copy", jvp="linear",
    holomorphic=False,
)  # fmt: skip


# ---------------------------------------------------------------- writing
def refuse(x: Any, what: str) -> None:
    """Raise where PyTorch would for an in-place operation on x: leaves that require grad and views of them."""
    root = getattr(x, "_base", None)
    root = x if root is None else root
    if recording():
        if root is not x and root._node is not None and is_piece(x._path):
            raise _piece_error(x, what)
        if type(root._node) is Leaf or type(x._node) is Leaf:
            leaf = root._node if type(root._node) is Leaf else x._node
            kind = "a leaf" if x is root else "a view of a leaf"
            raise InplaceError(
                f"{what}: {kind} Variable that requires grad is being used in an in-place operation "
                f"(made at {line(leaf.code, leaf.lasti)}); wrap the write in no_grad(), or clone() the tensor first"
            )


PIECE = Op("piece", PARAM, None, view=True)  # marks, in a view's way, one output of an operation that returns several
STALE = Op("stale_view", PARAM, None, vx=lambda g, x, o: _raise_stale())


def is_piece(path: Any) -> bool:
    """Whether a view's way leads through one of several views that one operation returned."""
    return path is not None and any(op is PIECE for op, _ in path)


def _piece_error(x: Any, what: str) -> InplaceError:
    made, i = next(p for op, p in x._path if op is PIECE)
    return InplaceError(
        f"{what}: output {i} of {made} is a view and is being modified inplace, but {made} returns several views, whose "
        "gradients are joined; write into a slice such as x[a:b] instead, or clone() the piece"
    )


def _raise_stale() -> Any:
    raise InplaceError(
        "backward: an output of split, chunk or unbind is a view whose base, or another view of its base, has been "
        "modified inplace; take a slice such as x[a:b] instead, or make the pieces after the write"
    )


def overlaps(a: Any) -> bool:
    """Whether two elements of array a share memory."""
    steps = sorted((abs(s), n) for s, n in zip(a.strides, a.shape, strict=True) if n > 1)
    if not a.size or not steps:
        return False
    if steps[0][0] == 0:
        return True
    reach = a.dtype.itemsize
    for s, n in steps:
        if s < reach:
            break
        reach += s * (n - 1)
    else:
        return False
    at = np.zeros((), np.int64)  # the strides interleave: count the places
    for s, n in steps:
        at = np.add.outer(at, np.arange(n) * s)
    return np.unique(at).size < a.size


def memory(a: Any, what: str) -> Any:
    """Array a, or the same memory without the read-only flag that NumPy gives to expanded arrays and their parts.

    Raises for memory that is read-only itself.
    """
    if type(a) is not ndarray or a.flags.writeable:
        return a
    home = owner(a)
    if home.flags.writeable and (home.flags.c_contiguous or home.flags.f_contiguous):
        start = a.__array_interface__["data"][0] - home.__array_interface__["data"][0]
        return np.ndarray(a.shape, a.dtype, home if home.flags.c_contiguous else home.T, start, a.strides)
    raise InplaceError(f"{what}: the tensor stands over a read-only array; clone() it before the write")


def writable(a: Any, what: str) -> Any:
    """`memory(a)` for a write of several values: raises where elements of `a` share memory, which makes it ambiguous."""
    if type(a) is ndarray:
        if a.flags.writeable or not a.size:
            return a
        shared = overlaps(a)
    else:
        shared = a.size and any(s == 0 and n > 1 for s, n in zip(a.strides, a.shape, strict=True))
    if shared:
        raise InplaceError(
            f"{what}: unsupported operation: more than one element of the written-to tensor refers to a single memory "
            f"location (shape {a.shape}, expanded or of overlapping windows); clone() it before the write"
        )
    return memory(a, what)


def _follow(t: Any, path: Any) -> Any:
    """The view of t that a path of (primitive, parameters) leads to."""
    for op, p in path:
        t = op.call(t, *p)
    return t


def write(
    x: Any, r: Any, path: tuple[Any, ...] = (), what: str = "in-place write", over: bool = False, marked: bool = False
) -> None:
    """Overwrite x (or its part at `path`) with tensor r, and rebase the history of its root and its live views.

    marked: the write is in the version table already. over: r does not depend on x (copy_, fill_); as in PyTorch, what
    x was computed from then gets a gradient of zeros rather than none.
    """
    root = getattr(x, "_base", None)
    root = x if root is None else root
    refuse(x, what)
    if core.lifting is not None and type(r._data) is not ndarray and isinstance(r._data, core.lifting.Lifted):
        from .lifting import adopt

        adopt(x, r._data, what)
    record = recording()
    if record and root is not x and x._path is None and (r._node is not None or root._node is not None):
        raise InplaceError(
            f"{what}: the target is a view made under no_grad(), so the graph cannot see the write; make the view with "
            "gradients enabled, or write under no_grad()"
        )
    if record and root is not x and r._node is not None and is_piece(x._path):
        raise _piece_error(x, what)
    xp = xp_of(x._data)
    target = x._data
    for op, p in path:
        target = _view_array(op, xp, target, p)
    target = writable(target, what)
    try:
        target[...] = r._data
    except ValueError as e:
        raise ShapeError(
            f"{what}: a value of shape {tuple(r._shape)} does not fit into {tuple(target.shape)}; "
            "it must broadcast to the target's shape"
        ) from e
    if not marked:
        wrote(x._data)
    if not record or (r._node is None and root._node is None):
        return
    rebase(x, r if r._dtype is x._dtype else generic.cast(r, x._dtype), path, over)


def rebase(x: Any, r: Any, path: tuple[Any, ...] = (), over: bool = False) -> None:
    """Give x, whose memory (or the part of it at `path`) holds r by now, its root and its live views r's history.

    over: as in `write`; r is then somebody else's tensor, whose node is not x's.
    """
    root = getattr(x, "_base", None)
    root = x if root is None else root
    if x is root and not path and r._shape == x._shape and not over:
        _move(x, r._node)
    else:
        there: Any = () if root is x else x._path or ()
        way = (*there, *path)
        _move(root, _functional(wrap(root._data, root._node), r, way)._node)
    for ref in list(getattr(root, "_views", None) or ()):
        v: Any = ref()
        steps: Any = None if v is None else v._path
        if v is None or steps is None:
            continue
        if is_piece(steps):  # as in PyTorch, the pieces of several are not made again
            _move(v, make_node(STALE, (v._shape, (), None)))
        else:
            _move(v, _follow(wrap(root._data, root._node), steps)._node)


def _move(x: Any, node: Any) -> None:
    if hooks.HOOKED:
        hooks.follow(x._node, node, x)
    x._node = node


def _functional(old: Any, r: Any, way: Any) -> Any:
    """The node of `put` without computing the copy: the memory already holds the result."""
    many = (old._node, r._node)
    out = wrap(old._data)
    out._node = make_node(PUT, ([old._shape, r._shape], (way,), None), many=many)
    m = tls.state.grad
    if m is not True and m is not False:
        m.saw(PUT, (old, r), (way,), out._node, out)
    return out


def _put_record() -> Op:
    from .registry import PRIMITIVES

    return PRIMITIVES["put_view"]


PUT = _put_record()


def write_data(t: Any, a: Any, what: str = "in-place write") -> None:
    """Overwrite the values of t with array a (no gradient flows from it), as `zero_`, `uniform_` and the like do."""
    write(t, wrap(a) if is_array(a) else wrap(np.asarray(a, t._dtype.np)), (), what, over=True)


def mark_written(*tensors: Any) -> None:
    """Tell the version table that the memory of these tensors has been written from outside."""
    wrote(*[t._data for t in tensors])


# ---------------------------------------------------------------- in-place operations
def inplace(f: Any, name: str | None = None) -> Any:
    """The in-place twin `name_` of a function whose first argument is the tensor to be overwritten."""
    name = f"{name or f.__name__}_"
    from .registry import PRIMITIVES

    op = PRIMITIVES.get(f.__name__)
    # a plain ufunc; `add`, `sub` and `div` add arguments to theirs, which are not given on this path
    direct = op if op is not None and op.arity in (UNARY, BINARY) and isinstance(op.forward, str) else None

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if direct is not None and not kwargs and _direct(direct, self, args):
            return self
        refuse(self, name)
        m = tls.state.grad
        if m is not True and m is not False and isinstance(self, TensorBase) and hooks.packing(m):
            # what a hook packs cannot be replaced by a copy of the old value afterwards
            r = f(wrap(self._data.copy(), self._node), *args, **kwargs)
        else:
            r = f(self, *args, **kwargs)
        if r is NotImplemented or r is self:
            return r
        _overwrite(self, r, name)
        return self

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"In-place version of `{f.__name__}`: overwrites the tensor with the result and returns it."
    return call


def _overwrite(x: Any, r: Any, name: str) -> None:
    """Let result r of an in-place operation replace the values of x."""
    if r._shape != x._shape:
        raise ShapeError(
            f"{name}: the result has shape {tuple(r._shape)}, which does not fit the tensor's shape {tuple(x._shape)}; "
            "use the version without underscore"
        )
    if r._dtype is not x._dtype and not dtypes.can_cast(r._dtype, x._dtype):
        raise dtypes_error(name, r, x)
    if type(x._data) is not ndarray and x.layout is not strided:  # a sparse tensor is its places and values
        x._replace(r, name)
        return
    n = r._node
    if n is not None:
        _keep_old(n, x._data)
    if n is not None and r._dtype is x._dtype and not _reads_other(n, x._data):
        wrote(x._data)
        n.seq = tick()  # the node is younger than its own write, but older than the next one
        saved = n.saved
        if isinstance(saved, tuple) and saved[2] is r._data:  # as in PyTorch, the saved output is the tensor itself
            n.saved = (saved[0], saved[1], x._data)
        write(x, r, (), name, marked=True)
        return
    write(x, r, (), name)


def _keep_old(n: Any, a: Any) -> None:
    """The formula of node n reads the old value of its first operand, array a, which is about to be overwritten: copy it.

    Another operand in the same memory is not copied: as in PyTorch, backward will say that it was changed. The saved
    output needs no copy, because it is memory of its own.
    """
    saved = n.saved
    if not isinstance(saved, tuple):
        return
    x, y, out = saved
    first = x[0] if isinstance(x, list) and x else x
    if is_array(first) and not isinstance(first, np.generic) and (first is a or shares(first, a)):
        first = first.copy()
        n.saved = ([first, *x[1:]] if isinstance(x, list) else first, y, out)
    p = n.px
    if type(p) is core.Node and p.op.name == "cast":  # its input may be the value that was saved one node further
        _keep_old(p, a)


def _reads_other(n: Any, a: Any) -> bool:
    """Whether node n saved, as another operand than its first, the memory of array a."""
    if not isinstance(n.saved, tuple):
        return True
    x, y, _ = n.saved
    home = owner(a)
    return any(
        is_array(v) and not isinstance(v, np.generic) and owner(v) is home
        for v in (*(x[1:] if isinstance(x, list) else ()), y)
    )


def _direct(op: Op, x: Any, args: tuple[Any, ...]) -> bool:
    """Do a plain ufunc in place, without a temporary, where nothing is recorded and nothing is promoted."""
    if not isinstance(x, TensorBase) or not x._dtype.fast or type(x._data) is not ndarray:
        return False
    m = tls.state.grad
    if m is not True and m is not False:
        return False
    if m is True and (x._node is not None or getattr(x, "_base", None) is not None):
        return False
    f = getattr(np, op.forward)
    if op.arity == UNARY:
        if args or op.dtypes == "bool":
            return False
        refuse(x, op.name + "_")
        f(x._data, out=writable(x._data, op.name + "_"))
    else:
        if len(args) != 1 or op.dtypes == "bool":
            return False
        (y,) = args
        if isinstance(y, TensorBase):
            if y._dtype is not x._dtype or type(y._data) is not ndarray or (m is True and y._node is not None):
                return False
            if y._shape != x._shape and not _fits_into(y._shape, x._shape):
                return False
            y = y._data
        elif type(y) not in (float, int):
            return False
        refuse(x, op.name + "_")
        f(x._data, y, out=writable(x._data, op.name + "_"))
    wrote(x._data)
    return True


def _fits_into(small: tuple[int, ...], big: tuple[int, ...]) -> bool:
    return len(small) <= len(big) and all(s in (1, b) for s, b in zip(small[::-1], big[::-1], strict=False))


def copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
    """Copy the values of `src` (broadcast and converted) into the tensor, and return it.

    >>> import retrograd as rg
    >>> rg.zeros(2).copy_(rg.tensor([1, 2]))
    tensor([1., 2.])
    """
    if not isinstance(src, TensorBase):
        if type(src) in (int, float, bool):
            src = wrap(np.asarray(src))
        else:
            src = core.as_tensor_arg(src, "copy_")
    refuse(self, "copy_")
    if type(src._data) is not type(self._data):
        from .ops.cast import to_backend_p

        src = to_backend_p(src, by_xp(xp_of(self._data)))
    if src._shape != self._shape:
        from .ops.shape import expand_p

        if not _fits_into(src._shape, self._shape):
            raise ShapeError(
                f"copy_: a source of shape {tuple(src._shape)} does not broadcast to {tuple(self._shape)}; "
                "reshape it, or resize the target"
            )
        src = expand_p(src, self._shape)
    write(self, generic.cast(src, self._dtype) if src._dtype is not self._dtype else src, (), "copy_", over=True)
    return self
