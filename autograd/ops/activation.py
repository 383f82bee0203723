"""relu, sigmoid and the piecewise linear activation functions.

relu and sigmoid are also `retrograd.*` and methods; the others live in `nn.functional`. Two patterns cover all
activations: a piecewise linear function passes its cotangent through `slope_p`, which multiplies by one of three
constants; a smooth one multiplies by its derivative, which is itself an operation where one pass computes it. Where a
kernel computes cotangent times derivative in one pass, the product is a primitive too, `NAME_back`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import accelerated
from ..core import TensorBase, as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..kernels.cpu.activation import LEAST, LEAST_LIGHT, LEAST_WIDE
from ..kernels.cpu.runtime import enough
from ..op import binary, composed, nary, param, public, unary
from ..samples import call, raises, t
from ..views import inplace as _inplace
from .shape import reshape_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "hardshrink", "hardsigmoid", "hardtanh", "leaky_relu", "prelu", "relu", "relu6", "sigmoid", "slope_p", "softshrink",
    "threshold",
]  # fmt: skip


ndarray = np.ndarray
_BITS = {"f": np.int32, "d": np.int64}


def _large(name: str, formula: Any) -> Any:
    """The array formula f(xp, x, *p), for which a kernel stands in; small arrays pay for one comparison."""
    fused = accelerated(name)(formula)

    def run(xp: Any, x: Any, *p: Any) -> Any:
        return fused(xp, x, *p) if enough(x.size, LEAST) else formula(xp, x, *p)

    return run


# ---------------------------------------------------------------- the two patterns
def _without(xp: Any, g: Any, dropped: Any) -> Any:
    """g, and 0 where dropped, even for an infinite g."""
    bits = _BITS.get(g.dtype.char) if xp is np and g.ndim and g.shape == dropped.shape else None
    if bits is None:
        return xp.where(dropped, g.dtype.type(0), g)
    # A choice between two arrays takes NumPy ten times as long as a product of integers: the bits of g times 0 or 1.
    kept = np.logical_not(dropped, out=dropped).view(np.int8).astype(bits)
    return np.multiply(kept, g.view(bits), out=kept).view(g.dtype)


def _slope(xp: Any, xs: Any, lo: Any, hi: Any, below: float, mid: float, above: float, closed: bool) -> Any:
    g, x = xs
    if hi is None and mid == 1 and below == 0:  # relu and its like
        return _without(xp, g, x < lo if closed else x <= lo)
    out = xp.array(g) if mid == 1 else xp.asarray(g * mid) if mid else xp.zeros(g.shape, g.dtype)
    for edge, factor, under in ((lo, below, True), (hi, above, False)):
        if edge is None or factor == mid:
            continue
        if closed:
            where = x < edge if under else x > edge
        else:
            where = x <= edge if under else x >= edge
        xp.copyto(out, g if factor == 1 else g * factor if factor else g.dtype.type(0), where=where)
    return out


_fused_slope: Any = accelerated("slope")(_slope)
slope_p: Any = nary(
    "slope",
    _fused_slope,
    lambda g, xs, o, needs, *p: (slope_p((g, xs[1]), *p) if needs[0] else None, None),
    saves=("1", ""),
    dtypes="same",
    jvp=lambda ts, xs, o, *p: slope_p(((xs[0] * 0 if ts[0] is None else ts[0]), xs[1]), *p),
    doc="""g times `below` where x <= lo, `above` where x >= hi (None: nowhere), else `mid`.

    closed: the middle includes lo and hi. A factor of 0 gives 0 even for an infinite g.""",
)


def _product(name: str, derivative: Any) -> Any:
    """times(g, x, *p) = g * derivative(x, *p) as the primitive NAME_back, which the kernel of that name computes.

    Its own derivative is that of the product. On lifted arrays (vmap, forward mode) it is the product, whose parts have
    rules.
    """

    formula: Any = accelerated(f"{name}_back")(lambda xp, xs, *p: xs[0] * derivative(xs[1], *p))
    curve = composed(derivative).param_vjp()

    def vjp(u: Any, xs: Any, o: Any, needs: Any, *p: Any) -> Any:
        g, x = xs
        return times(u, x, *p) if needs[0] else None, curve(u * g, x, None, *p) if needs[1] else None

    back_p = nary(f"{name}_back", formula, vjp, saves=("1", "01"), doc=f"The cotangent of {name}_p, from (g, x).")

    def times(g: Any, x: Any, *p: Any) -> Any:
        if type(x) is ndarray:
            if type(g) is ndarray and enough(x.size, LEAST):
                return formula(np, (g, x), *p)
        elif isinstance(g, TensorBase) and type(x._data) is type(g._data) is ndarray and x._dtype is g._dtype:
            return back_p((g, x), *p)
        return g * derivative(x, *p)

    return times


def smooth(name: str, forward: Any, derivative: Any, doc: str, fused: bool = False) -> Any:
    """The primitive of a differentiable function of one tensor and parameters, given its derivative.

    fused: there are kernels `NAME` and `NAME_back`.
    """
    times = _product(name, derivative) if fused else lambda g, x, *p: g * derivative(x, *p)
    return param(
        name,
        _large(name, forward) if fused else forward,
        lambda g, x, o, *p: times(g, x, *p),
        saves="x",
        jvp=lambda ts, xs, o, *p: times(ts[0], xs[0], *p),
        doc=doc,
    )


def through_slope(g: Any, x: Any, *p: Any) -> Any:
    """slope_p((g, x), *p), without its call for arrays that a kernel serves."""
    if type(x) is type(g) is ndarray:
        return (_fused_slope if enough(x.size, LEAST_LIGHT) else _slope)(np, (g, x), *p)
    return slope_p((g, x), *p)


def piecewise(name: str, forward: Any, slopes: Any, doc: str) -> Any:
    """The primitive of a piecewise linear function; slopes(*p): lo, hi, below, mid, above, closed."""
    return param(
        name,
        forward,
        lambda g, x, o, *p: through_slope(g, x, *slopes(*p)),
        saves="x",
        dtypes="same",
        jvp=lambda ts, xs, o, *p: slope_p((ts[0], xs[0]), *slopes(*p)),
        doc=doc,
    )


def apply(p: Any, inplace: bool, x: Any, *args: Any) -> Tensor:
    x = as_tensor_arg(x, p.__name__)
    if x._dtype.kind in "bc":
        raise DtypeError(f"{p.__name__}: input is {x._dtype.name}; a real number type is expected, as in x.float()")
    return _inplace(p)(x, *args) if inplace else p(x, *args)


# ---------------------------------------------------------------- relu and sigmoid
def _relu(xp: Any, x: Any) -> Any:
    if x.dtype.kind in "bc":
        raise DtypeError(f"relu: input is {x.dtype}; a real number type is expected, as in x.float()")
    return _fused_relu(xp, x) if enough(x.size, LEAST_WIDE) else xp.maximum(x, 0)


_fused_relu: Any = accelerated("relu")(lambda xp, x: xp.maximum(x, 0))
relu = unary(
    "relu",
    _relu,
    lambda g, x, o: through_slope(g, o, 0, None, 0, 1, 1, False),
    saves="o",
    dtypes="same",
    inplace=True,
    samples=lambda: [call(t(3, 4)), call(t()), call(t(0, 3)), call(t(4, dtype="int64", low=-3, high=3))],
    errors=lambda: [raises(TypeError, r"relu: input is bool", t(2, dtype="bool"))],
    ref=lambda x: np.maximum(x, 0),
    doc="""max(x, 0); its derivative at 0 is 0.

    >>> import retrograd as rg
    >>> rg.relu(rg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """,
)
_relu_ = _inplace(relu)


@public(
    name="relu",
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4)), call(t(2, 2), inplace=False)],
    errors=lambda: [raises(TypeError, r"relu: input is bool", t(2, dtype="bool"))],
    ref=lambda x, inplace=False: np.maximum(x, 0),
)
def functional_relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); its derivative at 0 is 0. inplace: overwrite the input.

    >>> import retrograd as rg
    >>> rg.nn.functional.relu(rg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return _relu_(input) if inplace else relu(input)


def _logistic(xp: Any, x: Any) -> Any:
    # 1 / (1 + e^-x) is accurate on both sides: where e^-x overflows to inf the result is the 0 that is wanted
    with np.errstate(over="ignore"):
        e = xp.exp(-x)
    e += 1
    return xp.reciprocal(e, out=e) if e.ndim else 1 / e


logistic = _large("sigmoid", _logistic)  # the array 1 / (1 + exp(-x))
_sigmoid_back: Any = accelerated("sigmoid_back")(lambda xp, xs: xs[0] * (xs[1] * (1 - xs[1])))


def _sigmoid_vjp(g: Any, x: Any, o: Any) -> Any:
    if type(o) is type(g) is ndarray and enough(o.size, LEAST_LIGHT):
        return _sigmoid_back(np, (g, o))
    return g * (o * (1 - o))


sigmoid = unary(
    "sigmoid",
    logistic,
    _sigmoid_vjp,
    saves="o",
    inplace=True,
    samples=lambda: [call(t(3, 4)), call(t()), call(t(0, 3)), call(t(3, dtype="int64", low=-3, high=3))],
    ref=lambda x: __import__("scipy.special").special.expit(x),
    doc="""The logistic function 1 / (1 + exp(-x)).

    >>> import retrograd as rg
    >>> rg.sigmoid(rg.tensor([0.0, 1000.0]))
    tensor([0.5000, 1.0000])
    """,
)


# ---------------------------------------------------------------- piecewise linear
leaky_relu_p = piecewise(
    "leaky_relu",
    _large(
        "leaky_relu",
        lambda xp, x, s: xp.maximum(x, x * x.dtype.type(s)) if 0 < s <= 1 else xp.where(x > 0, x, x * x.dtype.type(s)),
    ),
    lambda s: (0, None, s, 1, 1, False),
    "x where x > 0, else s * x.",
)
hardtanh_p = piecewise(
    "hardtanh",
    _large("hardtanh", lambda xp, x, lo, hi: xp.minimum(xp.maximum(x, lo), hi)),
    lambda lo, hi: (lo, hi, 0, 1, 0, False),
    "x cut off at lo and hi.",
)
threshold_p = piecewise(
    "threshold",
    lambda xp, x, edge, value: xp.where(x <= edge, x.dtype.type(value), x),
    lambda edge, value: (edge, None, 0, 1, 1, False),
    "x where x > edge, else value.",
)
hardsigmoid_p = piecewise(
    "hardsigmoid",
    lambda xp, x: xp.minimum(xp.maximum(x + 3, 0), 6) / 6,
    lambda: (-3, 3, 0, 1 / 6, 0, False),
    "(x + 3) / 6 cut off at 0 and 1.",
)
softshrink_p = piecewise(
    "softshrink",
    lambda xp, x, c: x - xp.minimum(xp.maximum(x, -c), c),
    lambda c: (-c, c, 1, 0, 1, True),
    "x moved towards 0 by c.",
)
hardshrink_p = piecewise(
    "hardshrink",
    lambda xp, x, c: xp.where(xp.abs(x) <= c, x.dtype.type(0), x),
    lambda c: (-c, c, 1, 0, 1, True),
    "x where |x| > c, else 0.",
)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4)), call(t(3, 4), 0.2), call(t(3, 4), negative_slope=-0.5), call(t(0, 2))],
    errors=lambda: [raises(TypeError, r"leaky_relu: input is bool", t(2, dtype="bool"))],
    ref=lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
)
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope * x. (Maas et al. 2013)

    >>> import retrograd as rg
    >>> rg.nn.functional.leaky_relu(rg.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return apply(leaky_relu_p, inplace, input, negative_slope)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4)), call(t(3, 4), -1 / 3, 2 / 3)],
    errors=lambda: [raises(ValueError, r"min_val 1.0 is larger than max_val 0.0", t(2), 1.0, 0.0)],
    ref=lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val),
)
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x cut off at min_val and max_val, where the derivative is 0.

    >>> import retrograd as rg
    >>> rg.nn.functional.hardtanh(rg.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    x = as_tensor_arg(input, "hardtanh")
    if x._dtype.kind in "iu":
        min_val, max_val = int(min_val), int(max_val)
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is larger than max_val {max_val}")
    return apply(hardtanh_p, inplace, x, min_val, max_val)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4, low=-3.0, high=9.0))],
    ref=lambda x: np.clip(x, 0, 6),
)
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6). (Krizhevsky 2010)

    >>> import retrograd as rg
    >>> rg.nn.functional.relu6(rg.tensor([-1.0, 2.0, 8.0]))
    tensor([0., 2., 6.])
    """
    return apply(hardtanh_p, inplace, input, 0, 6)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4), 0, 1.5), call(t(3, 4), threshold=-1 / 3, value=20)],
    ref=lambda x, threshold, value: np.where(x > threshold, x, value),
)
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value.

    >>> import retrograd as rg
    >>> rg.nn.functional.threshold(rg.tensor([0.1, 2.0]), 1, -5)
    tensor([-5.,  2.])
    """
    return apply(threshold_p, inplace, input, threshold, value)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4, low=-6.0, high=6.0), torch=False)],  # PyTorch's slope is the float32 nearest to 1 / 6
    ref=lambda x: np.clip(x + 3, 0, 6) / 6,
)
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """(x + 3) / 6 cut off at 0 and 1.

    >>> import retrograd as rg
    >>> rg.nn.functional.hardsigmoid(rg.tensor([-4.0, 0.0]))
    tensor([0.0000, 0.5000])
    """
    return apply(hardsigmoid_p, inplace, input)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(4, 4)), call(t(4, 4), 0.75)],
    errors=lambda: [raises(RuntimeError, r"lambd must be at least 0, got -1", t(2), -1.0)],
    ref=lambda x, lambd=0.5: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
)
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 within [-lambd, lambd].

    >>> import retrograd as rg
    >>> rg.nn.functional.softshrink(rg.tensor([-2.0, 0.2]))
    tensor([-1.5000,  0.0000])
    """
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambd must be at least 0, got {lambd}")
    return apply(softshrink_p, False, input, lambd)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(4, 4)), call(t(4, 4), 0.75)],
    ref=lambda x, lambd=0.5: np.where(np.abs(x) > lambd, x, 0),
)
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0.

    >>> import retrograd as rg
    >>> rg.nn.functional.hardshrink(rg.tensor([-2.0, 0.2]))
    tensor([-2.,  0.])
    """
    return apply(hardshrink_p, False, input, lambd)


prelu_p = binary(
    "prelu",
    lambda xp, x, y: xp.where(x > 0, x, x * y),
    lambda g, x, y, o: slope_p((g, x), 0, None, 0, 1, 1, False) + slope_p((g * y, x), 0, None, 1, 0, 0, False),
    lambda g, x, y, o: slope_p((g * x, x), 0, None, 1, 0, 0, False),
    saves=("xy", "x"),
    public=False,
    doc="x where x > 0, else y * x.",
)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(2, 3, 2), t(3)), call(t(3, 4), t(1)), call(t(4), t())],
    errors=lambda: [raises(RuntimeError, r"weight has 2 values but input \(2, 3\) has 3 channels", t(2, 3), t(2))],
)
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight * x, with one weight, or one for each channel (dimension 1). (He et al. 2015)

    >>> import retrograd as rg
    >>> rg.nn.functional.prelu(rg.tensor([[-1.0, -1.0]]), rg.tensor([0.1, 0.5]))
    tensor([[-0.1000, -0.5000]])
    """
    x, w = as_tensor_arg(input, "prelu"), as_tensor_arg(weight, "prelu")
    if len(w._shape) > 1:
        raise ShapeError(f"prelu: weight must have 0 or 1 dimensions, got shape {w._shape}")
    n = w._data.size
    if n == 1:
        return prelu_p(x, reshape_p(w, ()))
    channels = x._shape[1] if len(x._shape) > 1 else 1
    if n != channels:
        raise ShapeError(f"prelu: weight has {n} values but input {x._shape} has {channels} channels (dimension 1)")
    return prelu_p(x, reshape_p(w, (n, *(1,) * (len(x._shape) - 2))))
