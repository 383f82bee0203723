"""Complex values: real, imag, conj, angle, polar, views between complex tensors and pairs of reals, abs and sgn.

PyTorch's convention: the gradient of a real L with respect to z = x + iy is dL/dx + i dL/dy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import TensorBase, as_tensor_arg
from ..dtypes import of as dtype_of
from ..errors import DtypeError
from ..op import param, public, unary
from ..samples import call, raises, t
from .args import into

if TYPE_CHECKING:
    from ..tensor import Tensor


def kind(v: Any) -> str:
    """The kind ("f", "c", ...) of a tensor's or an array's dtype."""
    return v._dtype.kind if isinstance(v, TensorBase) else v.dtype.kind


def _z(*shape: int, **kw: Any) -> Any:
    return t(*shape, dtype="complex128", **kw)


_conj_p = unary(
    "conj_physical", "conjugate", lambda g, x, o: conj_physical(g), dtypes="same", holomorphic=False, public=False,
    doc="The complex conjugate.",
)  # fmt: skip


def conj_physical(x: Any) -> Any:
    """The complex conjugate of a tensor or array; a real one is returned as it is."""
    return _conj_p(x) if kind(x) == "c" else x


@public(samples=lambda: [call(_z(3, 2)), call(t(3))], ref=np.conj)
def conj(input: Tensor) -> Tensor:
    """The complex conjugate; a real tensor is returned as it is.

    >>> import retrograd as rg
    >>> rg.conj(rg.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return conj_physical(as_tensor_arg(input, "conj"))


real_p = param(
    "real", lambda xp, x: x.real, lambda g, x, o: to_complex_p(g, 0), dtypes="copy", jvp="linear", view=True,
    holomorphic=False,
)  # fmt: skip
imag_p = param(
    "imag", lambda xp, x: x.imag, lambda g, x, o: to_complex_p(g, 1), dtypes="copy", jvp="linear", view=True,
    holomorphic=False,
)  # fmt: skip


def _to_complex(xp: Any, x: Any, part: int) -> Any:
    z = xp.zeros(x.shape, dtype=dtype_of(x.dtype).to_complex().np)
    if part == 0:
        z.real = x
    else:
        z.imag = x
    return z


to_complex_p = param(
    "to_complex", _to_complex, lambda g, x, o, part: (imag_p if part else real_p)(g), dtypes="copy", jvp="linear",
    holomorphic=False, doc="A real x as the real (part 0) or imaginary (part 1) part of a complex tensor.",
)  # fmt: skip


@public(samples=lambda: [call(_z(3, 2)), call(t(3))], ref=np.real, method=False)
def real(input: Tensor) -> Tensor:
    """The real part, a view of a complex tensor; a real tensor is returned as it is.

    >>> import retrograd as rg
    >>> rg.real(rg.tensor([1 + 2j]))
    tensor([1.])
    """
    x = as_tensor_arg(input, "real")
    return real_p(x) if x._dtype.kind == "c" else x


@public(
    samples=lambda: [call(_z(3, 2))],
    errors=lambda: [raises(RuntimeError, "complex tensor is expected", t(3))],
    ref=np.imag,
    method=False,
)
def imag(input: Tensor) -> Tensor:
    """The imaginary part, a view of a complex tensor.

    >>> import retrograd as rg
    >>> rg.imag(rg.tensor([1 + 2j]))
    tensor([2.])
    """
    x = as_tensor_arg(input, "imag")
    if x._dtype.kind != "c":
        raise RuntimeError(
            f"imag: a complex tensor is expected, got {x._dtype.name}; its imaginary part would be zeros_like(x)"
        )
    return imag_p(x)


def _view_as_real(xp: Any, x: Any) -> Any:
    return xp.ascontiguousarray(x).reshape(*x.shape, 1).view(x.real.dtype)  # (*, 2)


def _view_as_complex(xp: Any, x: Any) -> Any:
    z = dtype_of(x.dtype).to_complex().np
    return xp.ascontiguousarray(x).view(z).reshape(x.shape[:-1])


view_as_real_p = param(
    "view_as_real", _view_as_real, lambda g, x, o: view_as_complex_p(g), dtypes="copy", jvp="linear", view=True,
    holomorphic=False,
)  # fmt: skip
view_as_complex_p = param(
    "view_as_complex", _view_as_complex, lambda g, x, o: view_as_real_p(g), dtypes="copy", jvp="linear", view=True,
    holomorphic=False,
)  # fmt: skip


@public(
    samples=lambda: [call(_z(3, 2)), call(_z())],
    errors=lambda: [raises(RuntimeError, "complex tensor is expected", t(3))],
    ref=lambda x: np.stack([x.real, x.imag], -1),
    method=False,
)
def view_as_real(input: Tensor) -> Tensor:
    """A complex tensor of shape (*) as real pairs of shape (*, 2), sharing memory when it is contiguous.

    >>> import retrograd as rg
    >>> rg.view_as_real(rg.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    x = as_tensor_arg(input, "view_as_real")
    if x._dtype.kind != "c":
        raise RuntimeError(f"view_as_real: a complex tensor is expected, got {x._dtype.name}")
    return view_as_real_p(x)


@public(
    samples=lambda: [call(t(3, 2))],
    errors=lambda: [raises(RuntimeError, "last dimension of size 2", t(3))],
    ref=lambda x: x[..., 0] + 1j * x[..., 1],
    method=False,
)
def view_as_complex(input: Tensor) -> Tensor:
    """Real pairs of shape (*, 2) as a complex tensor of shape (*), sharing memory when they are contiguous.

    >>> import retrograd as rg
    >>> rg.view_as_complex(rg.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    x = as_tensor_arg(input, "view_as_complex")
    if x._dtype.name in ("float16", "bfloat16"):
        raise DtypeError(f"view_as_complex: there are no complex pairs of {x._dtype.name}; convert with .float() first")
    if x._dtype.kind != "f" or not x._shape or x._shape[-1] != 2:
        raise RuntimeError(
            f"view_as_complex: a floating-point tensor with a last dimension of size 2 is expected, got {tuple(x._shape)} "
            f"{x._dtype.name}"
        )
    return view_as_complex_p(x)


@public(
    samples=lambda: [call(t(3), t(3)), call(t(2, 1), t(3))],
    errors=lambda: [raises(RuntimeError, "same floating-point dtype", t(3), t(3, dtype="int64", high=3))],
    ref=lambda x, y: x + 1j * y,
    method=False,
)
def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A complex tensor from its real and imaginary parts.

    >>> import retrograd as rg
    >>> rg.complex(rg.tensor([1.0]), rg.tensor([2.0]))
    tensor([1.+2.j])
    """
    x, y = as_tensor_arg(real, "complex"), as_tensor_arg(imag, "complex")
    if x._dtype is not y._dtype or x._dtype.kind != "f":
        raise RuntimeError(
            f"complex: two tensors of the same floating-point dtype are expected, got {x._dtype.name} and {y._dtype.name}"
        )
    from .arith import add_p

    r = add_p(to_complex_p(x, 0), to_complex_p(y, 1))
    if out is not None and out._dtype is not r._dtype:
        raise DtypeError(f"complex: out is {out._dtype.name}, but the result {r._dtype.name}; give an out of its dtype")
    return into(out, r, "complex")


@public(
    samples=lambda: [call(t(3, low=0.5), t(3))],
    ref=lambda r, a: r * np.exp(1j * a),
    method=False,
)
def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex tensor abs * exp(i * angle).

    >>> import retrograd as rg
    >>> rg.polar(rg.tensor([2.0]), rg.tensor([0.0]))
    tensor([2.+0.j])
    """
    from .math import cos, sin

    a = as_tensor_arg(angle, "polar")
    r = as_tensor_arg(abs, "polar")
    return complex(r * cos(a), r * sin(a), out=out)


def _angle(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        return xp.angle(x)
    return xp.where(x < 0, x.dtype.type(np.pi), xp.where(x == x, x.dtype.type(0), x))


def _angle_vjp(g: Any, x: Any, o: Any) -> Any:
    if kind(x) != "c":
        return g * 0
    # z / |z|^2 turned by 90 degrees: d angle = (x dy - y dx) / |z|^2
    n = real_p(x) * real_p(x) + imag_p(x) * imag_p(x)
    n = n + (n == 0)  # at 0 the gradient is 0, as in PyTorch
    return to_complex_p(-g * imag_p(x) / n, 0) + to_complex_p(g * real_p(x) / n, 1)


angle = unary(
    "angle",
    _angle,
    _angle_vjp,
    saves="x",
    holomorphic=False,
    samples=lambda: [call(_z(3, 2)), call(t(3, low=0.5))],
    ref=np.angle,
    doc="""The argument of each element in radians: 0 or pi for real ones.

    >>> import retrograd as rg
    >>> rg.angle(rg.tensor([1j, -1 + 0j]))
    tensor([1.5708, 3.1416])
    """,
)


def real_sign(xp: Any, x: Any) -> Any:
    """-1, 0 or 1 for real numbers; as in PyTorch, 0 for NaN."""
    if x.dtype == bool:
        return x.copy()
    s = xp.sign(x)
    return xp.where(x != x, x.dtype.type(0), s) if x.dtype.kind == "f" else s


def _sgn(xp: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return real_sign(xp, x)
    n = xp.abs(x)
    return xp.where(n == 0, x.dtype.type(0), x / xp.where(n == 0, n.dtype.type(1), n))


def _sgn_vjp(g: Any, x: Any, o: Any) -> Any:
    if kind(x) != "c":
        return g * 0
    s = sgn(x)
    radial = to_complex_p(real_p(g * conj_physical(s)), 0)
    n = abs(x)
    return (g - radial * s) * to_complex_p((n != 0) / (n + (n == 0)), 0)


sgn = unary(
    "sgn", _sgn, _sgn_vjp, saves="x", dtypes="same", holomorphic=False, inplace=True,
    samples=lambda: [call(t(3, 4, low=0.5)), call(_z(3))], ref=lambda x: x / np.abs(x),
    doc="""The sign: x / |x|, 0 at 0; for complex elements too.

    >>> import retrograd as rg
    >>> rg.sgn(rg.tensor([3 + 4j]))
    tensor([0.6000+0.8000j])
    """,
)  # fmt: skip


def _abs_vjp(g: Any, x: Any, o: Any) -> Any:
    return to_complex_p(g, 0) * sgn(x) if kind(x) == "c" else g * sgn(x)


abs = unary(
    "abs",
    "absolute",
    _abs_vjp,
    saves="x",
    dtypes="same",
    holomorphic=False,
    inplace=True,
    samples=lambda: [
        call(t(3, 4, low=0.5)),
        call(t(3, low=-2, high=-0.5)),
        call(_z(3)),
        call(t(3, dtype="int64", low=-3)),
    ],
    ref=np.abs,
    doc="""The absolute value; the modulus of complex elements. The gradient at 0 is 0.

    >>> import retrograd as rg
    >>> rg.abs(rg.tensor([-1.5, 2.0]))
    tensor([1.5000, 2.0000])
    """,
)
absolute = abs
