"""The methods of operations that are loaded at their first use: one line each, so that editors see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ops import activation as _activation
    from .ops import arrange as _arrange
    from .ops import blend as _blend
    from .ops import clamp as _clamp
    from .ops import cumulative as _cumulative
    from .ops import diag as _diag
    from .ops import extremes as _extremes
    from .ops import fill as _fill
    from .ops import gather as _gather
    from .ops import linear as _linear
    from .ops import math as _math
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
    from .views import inplace
else:
    from .late import inplace, late

    _activation = late("activation")
    _arrange = late("arrange")
    _blend = late("blend")
    _clamp = late("clamp")
    _cumulative = late("cumulative")
    _diag = late("diag")
    _extremes = late("extremes")
    _fill = late("fill")
    _gather = late("gather")
    _linear = late("linear")
    _math = late("math")
    _moments = late("moments")
    _new = late("new")
    _norms = late("norms")
    _parts = late("parts")
    _random_inplace = late("random_inplace")
    _reduce = late("reduce")
    _rounding = late("rounding")
    _sample = late("sample")
    _scatter_reduce = late("scatter_reduce")
    _softmax = late("softmax")
    _sort = late("sort")
    _split = late("split")
    _view = late("view")
    _where = late("where")


class LateMethods:
    """Mixed into Tensor; holds no state."""

    __slots__ = ()

    # activation
    relu = _activation.relu
    relu_ = inplace(_activation.relu)
    sigmoid = _activation.sigmoid
    sigmoid_ = inplace(_activation.sigmoid)
    # arith
    addcdiv = _blend.addcdiv
    addcdiv_ = inplace(_blend.addcdiv)
    addcmul = _blend.addcmul
    addcmul_ = inplace(_blend.addcmul)
    lerp = _blend.lerp
    lerp_ = inplace(_blend.lerp)
    maximum = _blend.maximum
    minimum = _blend.minimum
    # arrange
    flip = _arrange.flip
    fliplr = _arrange.fliplr
    flipud = _arrange.flipud
    repeat = _arrange.repeat
    repeat_interleave = _arrange.repeat_interleave
    roll = _arrange.roll
    rot90 = _arrange.rot90
    tile = _arrange.tile
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
