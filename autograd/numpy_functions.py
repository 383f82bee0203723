"""NumPy's functions on tensors, with NumPy's meaning and arguments, recorded: what `np.sort(t)` and `np.std(t)` call.

PyTorch's functions of the same names often mean something else (std divides by n - 1, sort returns a pair, nonzero a
matrix), so each function that is served has a row of its own in `TABLE`; one that has none is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .core import TensorBase, as_tensor_arg, wrap
from .errors import DtypeError, ShapeError
from .interop import function_of

__all__ = ["TABLE"]


def _call(name: str, *args: Any, **kwargs: Any) -> Any:
    """The public function `name`."""
    return function_of(name)(*args, **kwargs)


def _as(x: Any, dtype: Any) -> Any:
    return x if dtype is None else x.to(dtypes.as_dtype(dtype, "dtype"))


def _tensor(v: Any) -> Any:
    """An argument as a tensor: arrays come wrapped, lists and numbers are converted."""
    return v if isinstance(v, TensorBase) else wrap(np.asarray(v))


# ---------------------------------------------------------------- reductions
def _reduction(name: str) -> Callable[..., Any]:
    def f(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        x = _as(a, dtype)
        r = getattr(x, name)(dim=tuple(range(x.ndim)) if axis is None else axis, keepdim=bool(keepdims))
        return r if out is None else out.copy_(r)

    return f


def _mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    a = a if a.is_floating_point() or a.is_complex() else a.double()
    return _reduction("mean")(a, axis, dtype, out, keepdims)


def _prod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    x = _as(a, dtype)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for k in sorted((k % x.ndim for k in axes), reverse=True):
        x = x.prod(dim=k, keepdim=bool(keepdims))
    return x if out is None else out.copy_(x)


def _extreme(name: str) -> Callable[..., Any]:
    def f(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        r = getattr(a, name)(dim=() if axis is None else axis, keepdim=bool(keepdims))
        return r if out is None else out.copy_(r)

    return f


def _place(name: str) -> Callable[..., Any]:
    return lambda a, axis=None, out=None, keepdims=False: getattr(a, name)(dim=axis, keepdim=bool(keepdims))


def _truth(name: str) -> Callable[..., Any]:
    def f(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        x = a.bool()
        return (
            getattr(x, name)()
            if axis is None and not keepdims
            else getattr(x, name)(dim=tuple(range(x.ndim)) if axis is None else axis, keepdim=bool(keepdims))
        )

    return f


def _spread(name: str) -> Callable[..., Any]:
    def f(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
        x = _as(a, dtype)
        x = x if x.is_floating_point() or x.is_complex() else x.double()
        return getattr(x, name)(dim=axis, correction=ddof, keepdim=bool(keepdims))

    return f


def _running(name: str) -> Callable[..., Any]:
    def f(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        x = _as(a, dtype)
        return getattr(x.reshape(-1) if axis is None else x, name)(dim=0 if axis is None else axis)

    return f


def _quantile(factor: float) -> Callable[..., Any]:
    def f(
        a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
        keepdims: bool = False,
    ) -> Any:  # fmt: skip
        x = a if a.is_floating_point() else a.double()
        p = _tensor(q).to(x.dtype) * factor
        return x.quantile(p, dim=axis, keepdim=bool(keepdims), interpolation=method)

    return f


def _median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The mean of the two middle values of an even number, where PyTorch's is the lower one."""
    return _quantile(1.0)(a, 0.5, axis, keepdims=keepdims)


def _count(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return (a != 0).sum(dim=tuple(range(a.ndim)) if axis is None else axis, keepdim=bool(keepdims))


# ---------------------------------------------------------------- order
def _sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    return (a.reshape(-1) if axis is None else a).sort(dim=-1 if axis is None else axis, stable=True)[0]


def _argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    return (a.reshape(-1) if axis is None else a).sort(dim=-1 if axis is None else axis, stable=True)[1]


def _unique(a: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False) -> Any:
    if return_index:
        raise TypeError(
            "np.unique of tensors has no return_index; use np.unique(t.detach().numpy(), return_index=True)"
        )
    return a.unique(return_inverse=return_inverse, return_counts=return_counts)


def _searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    return _call("searchsorted", _tensor(a), _tensor(v), side=side, sorter=sorter)


def _nonzero(a: Any) -> Any:
    return a.nonzero(as_tuple=True)


def _where(condition: Any, *xy: Any) -> Any:
    return _call("where", *(_tensor(v) if i == 0 else v for i, v in enumerate((condition, *xy))))


# ---------------------------------------------------------------- shapes
def _transpose(a: Any, axes: Any = None) -> Any:
    return a.permute(*(axes if axes is not None else range(a.ndim - 1, -1, -1)))


def _flip(m: Any, axis: Any = None) -> Any:
    return m.flip(tuple(range(m.ndim)) if axis is None else axis)


def _reshape(a: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    if order != "C":
        raise TypeError(f"np.reshape of tensors reads in row-major order, got order={order!r}; permute before")
    r = a.reshape(shape)
    return r.clone() if copy else r


def _split(a: Any, sections: Any, axis: int = 0) -> Any:
    n = a.shape[axis]
    if isinstance(sections, int) and n % sections:
        raise ValueError(f"np.split: {n} elements do not result in an equal division by {sections}; use np.array_split")
    return list(_call("tensor_split", a, _sections(sections), axis))


def _sections(sections: Any) -> Any:
    return sections if isinstance(sections, int) else tuple(int(i) for i in sections)


def _repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    return a.repeat_interleave(repeats if isinstance(repeats, int) else _tensor(repeats), dim=axis)


def _squeeze(a: Any, axis: Any = None) -> Any:
    return a.squeeze() if axis is None else a.squeeze(axis)


def _expand_dims(a: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, tuple) else (axis,)
    n = a.ndim + len(axes)
    for k in sorted(k % n for k in axes):
        a = a.unsqueeze(k)
    return a


def _take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    if mode != "raise":
        raise TypeError(f"np.take of tensors refuses indices out of range (mode='raise'), got mode={mode!r}")
    i = _tensor(indices).long()
    if axis is None:
        return a.reshape(-1)[i]
    return a[(slice(None),) * (axis % a.ndim) + (i,)]


def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if sparse:
        raise TypeError("np.meshgrid of tensors has no sparse=True; broadcast views of them")
    order = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        order[:2] = 1, 0
    ts = [_tensor(x).reshape([-1 if i == k else 1 for i in range(len(xi))]) for k, x in zip(order, xi, strict=True)]
    return tuple(t.clone() if copy else t for t in _call("broadcast_tensors", *ts))


def _pad(array: Any, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Any:
    if mode != "constant" or set(kwargs) - {"constant_values"}:
        raise TypeError("np.pad of tensors takes mode='constant' and constant_values=; use retrograd.nn.functional.pad")
    pairs = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    from .ops.pad import pad

    return pad(array, [n for pair in reversed(pairs) for n in pair], value=kwargs.get("constant_values", 0))


def _joined(name: str) -> Callable[..., Any]:
    def f(arrays: Any, axis: Any = 0, out: Any = None, **kwargs: Any) -> Any:
        ts = [_tensor(a) for a in arrays]
        if axis is None:
            ts, axis = [t.reshape(-1) for t in ts], 0
        r = _as(_call(name, ts, dim=axis), kwargs.get("dtype"))
        return r if out is None else out.copy_(r)

    return f


def _stacked(name: str) -> Callable[..., Any]:
    return lambda tup, **kwargs: _as(_call(name, [_tensor(a) for a in tup]), kwargs.get("dtype"))


# ---------------------------------------------------------------- values
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    low, high = kwargs.get("min", a_min), kwargs.get("max", a_max)
    if low is None and high is None:
        return a
    if isinstance(low, TensorBase) or isinstance(high, TensorBase):
        low, high = (None if v is None else _tensor(v) for v in (low, high))
    return a.clamp(low, high)


def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    return a.round(decimals=decimals)


def _nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return x.nan_to_num(nan, posinf, neginf)


def _like(name: str) -> Callable[..., Any]:
    def f(a: Any, *fill: Any, dtype: Any = None, shape: Any = None, **kwargs: Any) -> Any:
        if shape is not None:
            raise TypeError(f"np.{name} of tensors has no shape=; use the function of retrograd without _like")
        if name != "full_like" and fill:
            dtype, fill = fill[0], ()
        d = None if dtype is None else dtypes.as_dtype(dtype, name)
        return _call(name, a, *fill, dtype=d)

    return f


def _isclose(name: str) -> Callable[..., Any]:
    def f(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
        x, y = _tensor(a), _tensor(b)
        d = dtypes.promote_types(x.dtype, y.dtype)
        return _call(name, *_call("broadcast_tensors", x.to(d), y.to(d)), rtol=rtol, atol=atol, equal_nan=equal_nan)

    return f


def _array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    x, y = _tensor(a1), _tensor(a2)
    if tuple(x.shape) != tuple(y.shape):
        return False
    same = x == y
    return bool((same | ((x != x) & (y != y)) if equal_nan else same).all())


# ---------------------------------------------------------------- algebra
def _dot(a: Any, b: Any, out: Any = None) -> Any:
    x, y = _tensor(a), _tensor(b)
    if not x.ndim or not y.ndim:
        return x * y
    return _call("tensordot", x, y, dims=([x.ndim - 1], [max(y.ndim - 2, 0)]))


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    if not isinstance(axes, int):
        axes = tuple([k] if isinstance(k, int) else list(k) for k in axes)
    return _call("tensordot", _tensor(a), _tensor(b), dims=axes)


def _outer(a: Any, b: Any, out: Any = None) -> Any:
    return _call("outer", _tensor(a).reshape(-1), _tensor(b).reshape(-1))


def _einsum(*operands: Any, out: Any = None, optimize: Any = False, **kwargs: Any) -> Any:
    if not isinstance(operands[0], str):
        raise TypeError("np.einsum of tensors takes its subscripts as text, as in np.einsum('ij,jk->ik', x, y)")
    return _call("einsum", operands[0], *(_tensor(v) for v in operands[1:]))


def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return a.diagonal(offset, axis1, axis2).sum(-1)


def _diag(v: Any, k: int = 0) -> Any:
    return v.diag(k)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    from .ops.linalg_norms import matrix_norm, vector_norm

    if axis is None and ord is None:
        r = vector_norm(x.reshape(-1), 2)
        return r.reshape((1,) * x.ndim) if keepdims else r
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    if len(axes) == 1:
        return vector_norm(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) != 2:
        raise ShapeError(f"np.linalg.norm: 1 or 2 axes are expected, got {axes}")
    return matrix_norm(x, "fro" if ord is None else ord, axes, keepdims)


def _linalg(name: str) -> Callable[..., Any]:
    def f(*args: Any, **kwargs: Any) -> Any:
        from . import linalg

        return getattr(linalg, name)(*(_tensor(a) if isinstance(a, np.ndarray) else a for a in args), **kwargs)

    return f


def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    from . import linalg

    return linalg.svd(a, full_matrices) if compute_uv else linalg.svdvals(a)


def _fft(name: str) -> Callable[..., Any]:
    def f(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        from . import fft

        return getattr(fft, name)(a, n, axis, norm)

    return f


def _shift(name: str) -> Callable[..., Any]:
    def f(x: Any, axes: Any = None) -> Any:
        from . import fft

        return getattr(fft, name)(x, axes)

    return f


def _differences(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    return a.diff(n, axis, *(None if v is None else _tensor(v) for v in (prepend, append)))


def _cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, **kwargs: Any) -> Any:
    if y is not None or kwargs:
        raise TypeError("np.cov of tensors takes m, rowvar, bias and ddof; use retrograd.cov")
    x = m if rowvar or m.ndim < 2 else m.mT
    return x.cov(correction=(0 if bias else 1) if ddof is None else ddof)


def _corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    if y is not None:
        raise TypeError("np.corrcoef of tensors takes one argument; stack the two")
    return (x if rowvar or x.ndim < 2 else x.mT).corrcoef()


def _trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    return _call("trapezoid", y, dim=axis, **({"dx": dx} if x is None else {"x": _tensor(x)}))


def _angle(z: Any, deg: bool = False) -> Any:
    r = z.angle()
    return r.rad2deg() if deg else r


def _astype(x: Any, dtype: Any, *, copy: bool = True, device: Any = None) -> Any:
    r = _as(x, dtype)
    return r.clone() if copy and r is x else r


def _whole(x: Any) -> Any:
    if x.is_floating_point() or x.is_complex():
        raise DtypeError(f"np.bincount: {x.dtype.name} numbers; integers are expected, as in t.long()")
    return x


def _method(name: str) -> Callable[..., Any]:
    return lambda a, *args, **kwargs: getattr(as_tensor_arg(a, name), name)(*args, **kwargs)


def _joint(name: str) -> Callable[..., Any]:
    return lambda *arys: _call(name, *(_tensor(a) for a in arys))


# Names below `numpy`: module and function. Arguments are those of NumPy's function.
TABLE: dict[str, Callable[..., Any]] = {
    "all": _truth("all"), "any": _truth("any"), "amax": _extreme("amax"), "amin": _extreme("amin"),
    "max": _extreme("amax"), "min": _extreme("amin"), "argmax": _place("argmax"), "argmin": _place("argmin"),
    "sum": _reduction("sum"), "nansum": _reduction("nansum"), "mean": _mean, "nanmean": _reduction("nanmean"),
    "prod": _prod, "std": _spread("std"), "var": _spread("var"), "median": _median, "quantile": _quantile(1.0),
    "percentile": _quantile(0.01), "count_nonzero": _count, "cumsum": _running("cumsum"),
    "cumprod": _running("cumprod"),
    "sort": _sort, "argsort": _argsort, "unique": _unique, "searchsorted": _searchsorted, "nonzero": _nonzero,
    "flatnonzero": lambda a: a.reshape(-1).nonzero().reshape(-1), "argwhere": _method("argwhere"), "where": _where,
    "shape": lambda a: tuple(a.shape), "ndim": lambda a: a.ndim,
    "size": lambda a, axis=None: a.numel() if axis is None else a.shape[axis],
    "transpose": _transpose, "permute_dims": _transpose, "matrix_transpose": lambda x: x.mT, "reshape": _reshape,
    "ravel": lambda a, order="C": _reshape(a, -1, order), "squeeze": _squeeze, "expand_dims": _expand_dims,
    "swapaxes": _method("swapaxes"), "moveaxis": _method("moveaxis"), "flip": _flip, "fliplr": _method("fliplr"),
    "flipud": _method("flipud"), "roll": lambda a, shift, axis=None: a.roll(shift, axis),
    "rot90": lambda m, k=1, axes=(0, 1): m.rot90(k, axes), "tile": lambda a, reps: a.tile(reps), "repeat": _repeat,
    "split": _split, "array_split": lambda a, sections, axis=0: list(a.tensor_split(_sections(sections), axis)),
    "concatenate": _joined("cat"), "concat": _joined("cat"), "stack": _joined("stack"), "hstack": _stacked("hstack"),
    "vstack": _stacked("vstack"), "dstack": _stacked("dstack"), "column_stack": _stacked("column_stack"),
    "take": _take, "take_along_axis": lambda a, i, axis=-1: a.take_along_dim(_tensor(i).long(), axis),
    "meshgrid": _meshgrid, "pad": _pad, "broadcast_to": lambda a, shape, subok=False: a.broadcast_to(shape),
    "broadcast_arrays": lambda *args, subok=False: tuple(_call("broadcast_tensors", *map(_tensor, args))),
    "atleast_1d": _joint("atleast_1d"), "atleast_2d": _joint("atleast_2d"), "atleast_3d": _joint("atleast_3d"),
    "clip": _clip, "round": _round, "around": _round, "nan_to_num": _nan_to_num, "real": lambda a: a.real,
    "imag": lambda a: a.imag if a.is_complex() else _call("zeros_like", a), "angle": _angle, "astype": _astype,
    "real_if_close": lambda a, tol=100: a, "iscomplexobj": lambda a: a.is_complex(),
    "isrealobj": lambda a: not a.is_complex(), "sinc": _method("sinc"), "i0": lambda a: a.i0(),
    "isposinf": _method("isposinf"), "isneginf": _method("isneginf"), "isclose": _isclose("isclose"),
    "allclose": _isclose("allclose"), "array_equal": _array_equal, "copy": lambda a, order="K", subok=False: a.clone(),
    "zeros_like": _like("zeros_like"), "ones_like": _like("ones_like"), "full_like": _like("full_like"),
    "empty_like": _like("empty_like"),
    "dot": _dot, "vdot": lambda a, b: _call("vdot", _tensor(a).reshape(-1), _tensor(b).reshape(-1)),
    "inner": lambda a, b: _call("inner", _tensor(a), _tensor(b)), "outer": _outer, "tensordot": _tensordot,
    "einsum": _einsum, "kron": lambda a, b: _call("kron", _tensor(a), _tensor(b)), "trace": _trace, "diag": _diag,
    "diagonal": lambda a, offset=0, axis1=0, axis2=1: a.diagonal(offset, axis1, axis2), "diff": _differences,
    "tril": lambda m, k=0: m.tril(k), "triu": lambda m, k=0: m.triu(k), "cov": _cov, "corrcoef": _corrcoef,
    "cross": lambda a, b, axis=-1: _call("cross", _tensor(a), _tensor(b), dim=axis), "trapezoid": _trapezoid,
    "bincount": lambda x, weights=None, minlength=0: _whole(x).bincount(weights, minlength),
    "isin": lambda e, t, assume_unique=False, invert=False, kind=None: _call("isin", e, t, invert=invert),
    "linalg.norm": _norm, "linalg.svd": _svd,
    **{
        f"linalg.{name}": _linalg(name)
        for name in (
            "cholesky", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "matrix_power", "matrix_rank",
            "multi_dot", "pinv", "qr", "slogdet", "solve", "tensorinv", "tensorsolve",
        )
    },
    **{f"fft.{name}": _fft(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    "fft.fftshift": _shift("fftshift"), "fft.ifftshift": _shift("ifftshift"),
}  # fmt: skip
