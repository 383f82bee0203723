"""The methods and operators that tensors share with the functions: one line each, so that editors see them."""

from __future__ import annotations

from typing import Any

from .interop import comparable
from .ops import activation as _activation
from .ops import arith as _arith
from .ops import arrange as _arrange
from .ops import axes as _axes
from .ops import blend as _blend
from .ops import clamp as _clamp
from .ops import compare as _compare
from .ops import complex as _complex
from .ops import cumulative as _cumulative
from .ops import diag as _diag
from .ops import extremes as _extremes
from .ops import fill as _fill
from .ops import gather as _gather
from .ops import index as _index
from .ops import linear as _linear
from .ops import math as _math
from .ops import matmul as _matmul
from .ops import moments as _moments
from .ops import new as _new
from .ops import norms as _norms
from .ops import parts as _parts
from .ops import random_inplace as _random_inplace
from .ops import reduce as _reduce
from .ops import rounding as _rounding
from .ops import sample as _sample
from .ops import scatter_reduce as _scatter_reduce
from .ops import softmax as _softmax
from .ops import sort as _sort
from .ops import split as _split
from .ops import view as _view
from .ops import where as _where
from .views import copy_, inplace


class Methods:
    """Mixed into Tensor; holds no state."""

    __slots__ = ()

    # activation
    relu = _activation.relu
    relu_ = inplace(_activation.relu)
    sigmoid = _activation.sigmoid
    sigmoid_ = inplace(_activation.sigmoid)
    # arith
    add = _arith.add
    add_ = inplace(_arith.add)
    addcdiv = _blend.addcdiv
    addcdiv_ = inplace(_blend.addcdiv)
    addcmul = _blend.addcmul
    addcmul_ = inplace(_blend.addcmul)
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
    lerp = _blend.lerp
    lerp_ = inplace(_blend.lerp)
    maximum = _blend.maximum
    minimum = _blend.minimum
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
    # arrange
    flip = _arrange.flip
    fliplr = _arrange.fliplr
    flipud = _arrange.flipud
    repeat = _arrange.repeat
    repeat_interleave = _arrange.repeat_interleave
    roll = _arrange.roll
    rot90 = _arrange.rot90
    tile = _arrange.tile
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
    # cumulative
    cummax = _cumulative.cummax
    cummin = _cumulative.cummin
    cumprod = _cumulative.cumprod
    cumprod_ = inplace(_cumulative.cumprod)
    cumsum = _cumulative.cumsum
    cumsum_ = inplace(_cumulative.cumsum)
    diff = _cumulative.diff
    logcumsumexp = _cumulative.logcumsumexp
    # diag
    diag = _diag.diag
    diag_embed = _diag.diag_embed
    diagflat = _diag.diagflat
    trace = _diag.trace
    tril = _diag.tril
    tril_ = inplace(_diag.tril)
    triu = _diag.triu
    triu_ = inplace(_diag.triu)
    # extremes
    amax = _extremes.amax
    amin = _extremes.amin
    aminmax = _extremes.aminmax
    argmax = _extremes.argmax
    argmin = _extremes.argmin
    max = _extremes.max
    median = _extremes.median
    min = _extremes.min
    nanmedian = _extremes.nanmedian
    # fill
    fill_ = _fill.fill_
    fill_diagonal_ = _fill.fill_diagonal_
    resize_ = _fill.resize_
    resize_as_ = _fill.resize_as_
    set_ = _fill.set_
    squeeze_ = _fill.squeeze_
    swapaxes_ = _fill.swapaxes_
    swapdims_ = _fill.swapdims_
    t_ = _fill.t_
    transpose_ = _fill.transpose_
    unsqueeze_ = _fill.unsqueeze_
    zero_ = _fill.zero_
    # gather
    gather = _gather.gather
    index_add = _gather.index_add
    index_add_ = inplace(_gather.index_add)
    index_copy = _gather.index_copy
    index_copy_ = inplace(_gather.index_copy)
    index_fill = _gather.index_fill
    index_fill_ = inplace(_gather.index_fill)
    index_select = _gather.index_select
    scatter = _gather.scatter
    scatter_ = inplace(_gather.scatter)
    scatter_add = _gather.scatter_add
    scatter_add_ = inplace(_gather.scatter_add)
    take = _gather.take
    take_along_dim = _gather.take_along_dim
    # index
    index_put = _index.index_put
    index_put_ = inplace(_index.index_put)
    # linear
    addbmm = _linear.addbmm
    addbmm_ = inplace(_linear.addbmm)
    addmm = _linear.addmm
    addmm_ = inplace(_linear.addmm)
    addmv = _linear.addmv
    addmv_ = inplace(_linear.addmv)
    addr = _linear.addr
    addr_ = inplace(_linear.addr)
    baddbmm = _linear.baddbmm
    baddbmm_ = inplace(_linear.baddbmm)
    # math
    acos = _math.acos
    acos_ = inplace(_math.acos)
    acosh = _math.acosh
    acosh_ = inplace(_math.acosh)
    arccos = _math.arccos
    arccos_ = inplace(_math.arccos)
    arccosh = _math.arccosh
    arccosh_ = inplace(_math.arccosh)
    arcsin = _math.arcsin
    arcsin_ = inplace(_math.arcsin)
    arcsinh = _math.arcsinh
    arcsinh_ = inplace(_math.arcsinh)
    arctan = _math.arctan
    arctan2 = _math.arctan2
    arctan2_ = inplace(_math.arctan2)
    arctan_ = inplace(_math.arctan)
    arctanh = _math.arctanh
    arctanh_ = inplace(_math.arctanh)
    asin = _math.asin
    asin_ = inplace(_math.asin)
    asinh = _math.asinh
    asinh_ = inplace(_math.asinh)
    atan = _math.atan
    atan2 = _math.atan2
    atan2_ = inplace(_math.atan2)
    atan_ = inplace(_math.atan)
    atanh = _math.atanh
    atanh_ = inplace(_math.atanh)
    ceil = _rounding.ceil
    ceil_ = inplace(_rounding.ceil)
    clamp = _clamp.clamp
    clamp_ = inplace(_clamp.clamp)
    clamp_max = _clamp.clamp_max
    clamp_max_ = inplace(_clamp.clamp_max)
    clamp_min = _clamp.clamp_min
    clamp_min_ = inplace(_clamp.clamp_min)
    clip = _clamp.clip
    clip_ = inplace(_clamp.clip)
    cos = _math.cos
    cos_ = inplace(_math.cos)
    cosh = _math.cosh
    cosh_ = inplace(_math.cosh)
    deg2rad = _math.deg2rad
    deg2rad_ = inplace(_math.deg2rad)
    erf = _math.erf
    erf_ = inplace(_math.erf)
    erfc = _math.erfc
    erfc_ = inplace(_math.erfc)
    exp = _math.exp
    exp2 = _math.exp2
    exp2_ = inplace(_math.exp2)
    exp_ = inplace(_math.exp)
    expm1 = _math.expm1
    expm1_ = inplace(_math.expm1)
    fix = _rounding.fix
    fix_ = inplace(_rounding.fix)
    floor = _rounding.floor
    floor_ = inplace(_rounding.floor)
    frac = _rounding.frac
    frac_ = inplace(_rounding.frac)
    hypot = _math.hypot
    hypot_ = inplace(_math.hypot)
    log = _math.log
    log10 = _math.log10
    log10_ = inplace(_math.log10)
    log1p = _math.log1p
    log1p_ = inplace(_math.log1p)
    log2 = _math.log2
    log2_ = inplace(_math.log2)
    log_ = inplace(_math.log)
    logaddexp = _math.logaddexp
    nan_to_num = _clamp.nan_to_num
    nan_to_num_ = inplace(_clamp.nan_to_num)
    rad2deg = _math.rad2deg
    rad2deg_ = inplace(_math.rad2deg)
    round = _rounding.round
    round_ = inplace(_rounding.round)
    rsqrt = _math.rsqrt
    rsqrt_ = inplace(_math.rsqrt)
    sign = _rounding.sign
    sign_ = inplace(_rounding.sign)
    sin = _math.sin
    sin_ = inplace(_math.sin)
    sinh = _math.sinh
    sinh_ = inplace(_math.sinh)
    sqrt = _math.sqrt
    sqrt_ = inplace(_math.sqrt)
    square = _math.square
    square_ = inplace(_math.square)
    tan = _math.tan
    tan_ = inplace(_math.tan)
    tanh = _math.tanh
    tanh_ = inplace(_math.tanh)
    trunc = _rounding.trunc
    trunc_ = inplace(_rounding.trunc)
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
    # moments
    std = _moments.std
    var = _moments.var
    # new
    new_empty = _new.new_empty
    new_full = _new.new_full
    new_ones = _new.new_ones
    new_tensor = _new.new_tensor
    new_zeros = _new.new_zeros
    # norms
    norm = _norms.norm
    # parts
    broadcast_to = _parts.broadcast_to
    diagonal = _parts.diagonal
    expand = _parts.expand
    expand_as = _parts.expand_as
    narrow = _parts.narrow
    select = _parts.select
    unfold = _parts.unfold
    # random_inplace
    bernoulli_ = _random_inplace.bernoulli_
    cauchy_ = _random_inplace.cauchy_
    exponential_ = _random_inplace.exponential_
    geometric_ = _random_inplace.geometric_
    log_normal_ = _random_inplace.log_normal_
    normal_ = _random_inplace.normal_
    random_ = _random_inplace.random_
    uniform_ = _random_inplace.uniform_
    # reduce
    all = _reduce.all
    any = _reduce.any
    count_nonzero = _reduce.count_nonzero
    mean = _reduce.mean
    nanmean = _reduce.nanmean
    nansum = _reduce.nansum
    prod = _reduce.prod
    sum = _reduce.sum
    # sample
    bernoulli = _sample.bernoulli
    multinomial = _sample.multinomial
    # scatter_reduce
    scatter_reduce = _scatter_reduce.scatter_reduce
    scatter_reduce_ = inplace(_scatter_reduce.scatter_reduce)
    # softmax
    log_softmax = _softmax.log_softmax
    logsumexp = _softmax.logsumexp
    softmax = _softmax.softmax
    # sort
    argsort = _sort.argsort
    kthvalue = _sort.kthvalue
    msort = _sort.msort
    sort = _sort.sort
    topk = _sort.topk
    unique = _sort.unique
    # split
    chunk = _split.chunk
    dsplit = _split.dsplit
    hsplit = _split.hsplit
    split = _split.split
    split_with_sizes = _split.split_with_sizes
    tensor_split = _split.tensor_split
    unbind = _split.unbind
    vsplit = _split.vsplit
    # view
    flatten = _view.flatten
    ravel = _view.ravel
    reshape = _view.reshape
    reshape_as = _view.reshape_as
    squeeze = _view.squeeze
    unflatten = _view.unflatten
    unsqueeze = _view.unsqueeze
    view = _view.view
    view_as = _view.view_as
    # where
    argwhere = _where.argwhere
    masked_fill = _where.masked_fill
    masked_fill_ = inplace(_where.masked_fill)
    masked_scatter = _where.masked_scatter
    masked_scatter_ = inplace(_where.masked_scatter)
    masked_select = _where.masked_select
    nonzero = _where.nonzero
    where = _where.where_method
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
    __abs__ = _math.abs
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
    __itruediv__ = inplace(_arith.div_p)
    __ifloordiv__ = inplace(_arith.floor_divide_p)
    __imod__ = inplace(_arith.remainder)
    __ipow__ = inplace(_arith.pow)
    __iand__ = inplace(_compare.bitwise_and)
    __ior__ = inplace(_compare.bitwise_or)
    __ixor__ = inplace(_compare.bitwise_xor)
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
