"""The methods and operators that every program uses: one line each, so that editors see them.

Those of operations that are loaded at their first use stand in `methods_late.py`.
"""

from __future__ import annotations

from typing import Any

from .interop import comparable
from .ops import arith as _arith
from .ops import axes as _axes
from .ops import compare as _compare
from .ops import complex as _complex
from .ops import index as _index
from .ops import matmul as _matmul
from .views import copy_, inplace


class Methods:
    """Mixed into Tensor; holds no state."""

    __slots__ = ()

    # arith
    add = _arith.add
    add_ = inplace(_arith.add)
    div = _arith.div
    div_ = inplace(_arith.div)
    divide = _arith.divide
    divide_ = inplace(_arith.divide)
    float_power = _arith.float_power
    float_power_ = inplace(_arith.float_power)
    floor_divide = _arith.floor_divide
    floor_divide_ = inplace(_arith.floor_divide)
    fmod = _arith.fmod
    fmod_ = inplace(_arith.fmod)
    mul = _arith.mul
    mul_ = inplace(_arith.mul)
    multiply = _arith.multiply
    multiply_ = inplace(_arith.multiply)
    neg = _arith.neg
    neg_ = inplace(_arith.neg)
    negative = _arith.negative
    negative_ = inplace(_arith.negative)
    positive = _arith.positive
    pow = _arith.pow
    pow_ = inplace(_arith.pow)
    reciprocal = _arith.reciprocal
    reciprocal_ = inplace(_arith.reciprocal)
    remainder = _arith.remainder
    remainder_ = inplace(_arith.remainder)
    rsub = _arith.rsub
    sub = _arith.sub
    sub_ = inplace(_arith.sub)
    subtract = _arith.subtract
    subtract_ = inplace(_arith.subtract)
    true_divide = _arith.true_divide
    true_divide_ = inplace(_arith.true_divide)
    # axes
    adjoint = _axes.adjoint
    moveaxis = _axes.moveaxis
    movedim = _axes.movedim
    permute = _axes.permute
    swapaxes = _axes.swapaxes
    swapdims = _axes.swapdims
    t = _axes.t
    transpose = _axes.transpose
    # compare
    allclose = _compare.allclose
    bitwise_and = _compare.bitwise_and
    bitwise_and_ = inplace(_compare.bitwise_and)
    bitwise_left_shift = _compare.bitwise_left_shift
    bitwise_left_shift_ = inplace(_compare.bitwise_left_shift)
    bitwise_not = _compare.bitwise_not
    bitwise_not_ = inplace(_compare.bitwise_not)
    bitwise_or = _compare.bitwise_or
    bitwise_or_ = inplace(_compare.bitwise_or)
    bitwise_right_shift = _compare.bitwise_right_shift
    bitwise_right_shift_ = inplace(_compare.bitwise_right_shift)
    bitwise_xor = _compare.bitwise_xor
    bitwise_xor_ = inplace(_compare.bitwise_xor)
    eq = _compare.eq
    eq_ = inplace(_compare.eq)
    equal = _compare.equal
    ge = _compare.ge
    ge_ = inplace(_compare.ge)
    greater = _compare.greater
    greater_ = inplace(_compare.greater)
    greater_equal = _compare.greater_equal
    greater_equal_ = inplace(_compare.greater_equal)
    gt = _compare.gt
    gt_ = inplace(_compare.gt)
    isclose = _compare.isclose
    isfinite = _compare.isfinite
    isinf = _compare.isinf
    isnan = _compare.isnan
    isneginf = _compare.isneginf
    isposinf = _compare.isposinf
    le = _compare.le
    le_ = inplace(_compare.le)
    less = _compare.less
    less_ = inplace(_compare.less)
    less_equal = _compare.less_equal
    less_equal_ = inplace(_compare.less_equal)
    logical_and = _compare.logical_and
    logical_and_ = inplace(_compare.logical_and)
    logical_not = _compare.logical_not
    logical_not_ = inplace(_compare.logical_not)
    logical_or = _compare.logical_or
    logical_or_ = inplace(_compare.logical_or)
    logical_xor = _compare.logical_xor
    logical_xor_ = inplace(_compare.logical_xor)
    lt = _compare.lt
    lt_ = inplace(_compare.lt)
    ne = _compare.ne
    ne_ = inplace(_compare.ne)
    not_equal = _compare.not_equal
    not_equal_ = inplace(_compare.not_equal)
    signbit = _compare.signbit
    # complex
    abs = _complex.abs
    abs_ = inplace(_complex.abs)
    absolute = _complex.absolute
    absolute_ = inplace(_complex.absolute)
    angle = _complex.angle
    conj = _complex.conj
    sgn = _complex.sgn
    sgn_ = inplace(_complex.sgn)
    # index
    index_put = _index.index_put
    index_put_ = inplace(_index.index_put)
    # matmul
    bmm = _matmul.bmm
    dot = _matmul.dot
    ger = _matmul.ger
    inner = _matmul.inner
    matmul = _matmul.matmul
    mm = _matmul.mm
    mv = _matmul.mv
    outer = _matmul.outer
    vdot = _matmul.vdot
    copy_ = copy_

    # operators
    __add__ = __radd__ = _arith.add_p
    __sub__ = _arith.sub_p
    __mul__ = __rmul__ = _arith.mul
    __truediv__ = _arith.div_p
    __floordiv__ = _arith.floor_divide_p
    __mod__ = _arith.remainder
    __pow__ = _arith.pow_p
    __neg__ = _arith.neg
    __abs__ = _complex.abs
    __matmul__ = _matmul.matmul
    __lt__ = _compare.lt
    __le__ = _compare.le
    __gt__ = _compare.gt
    __ge__ = _compare.ge
    __and__ = __rand__ = _compare.bitwise_and
    __or__ = __ror__ = _compare.bitwise_or
    __xor__ = __rxor__ = _compare.bitwise_xor
    __lshift__ = _compare.bitwise_left_shift
    __rshift__ = _compare.bitwise_right_shift
    __invert__ = _compare.bitwise_not
    __iadd__ = inplace(_arith.add_p)
    __isub__ = inplace(_arith.sub_p)
    __imul__ = inplace(_arith.mul)
    __itruediv__ = __idiv__ = inplace(_arith.div_p)
    __ifloordiv__ = inplace(_arith.floor_divide_p)
    __imod__ = inplace(_arith.remainder)
    __ipow__ = inplace(_arith.pow)
    __iand__ = inplace(_compare.bitwise_and)
    __ior__ = inplace(_compare.bitwise_or)
    __ixor__ = inplace(_compare.bitwise_xor)
    __ilshift__ = inplace(_compare.bitwise_left_shift)
    __irshift__ = inplace(_compare.bitwise_right_shift)
    __getitem__ = _index.getitem
    __setitem__ = _index.setitem

    def __rsub__(self, other: Any) -> Any:
        return _arith.sub_p(other, self)

    def __rtruediv__(self, other: Any) -> Any:
        return _arith.div_p(other, self)

    def __eq__(self, other: Any) -> Any:
        return _compare.eq(self, other) if comparable(other) else NotImplemented

    def __ne__(self, other: Any) -> Any:
        return _compare.ne(self, other) if comparable(other) else NotImplemented

    def __rfloordiv__(self, other: Any) -> Any:
        return _arith.floor_divide_p(other, self)

    def __rmod__(self, other: Any) -> Any:
        return _arith.remainder(other, self)

    def __rpow__(self, other: Any) -> Any:
        return _arith.pow_p(other, self)

    def __rmatmul__(self: Any, other: Any) -> Any:
        return _matmul.matmul(other, self)

    def __pos__(self: Any) -> Any:
        return _arith.positive(self)

    def __rlshift__(self, other: Any) -> Any:
        return _compare.bitwise_left_shift(other, self)

    def __rrshift__(self, other: Any) -> Any:
        return _compare.bitwise_right_shift(other, self)
