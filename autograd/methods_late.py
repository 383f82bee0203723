"""The methods of operations that are loaded at their first use: one line each, so that editors see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ops import activation as _activation
    from .ops import arrange as _arrange
    from .ops import blend as _blend
    from .ops import clamp as _clamp
    from .ops import copies as _copies
    from .ops import cumulative as _cumulative
    from .ops import diag as _diag
    from .ops import distance as _distance
    from .ops import extremes as _extremes
    from .ops import fill as _fill
    from .ops import floats as _floats
    from .ops import gather as _gather
    from .ops import histogram as _histogram
    from .ops import index_reduce as _index_reduce
    from .ops import linalg_cholesky as _linalg_cholesky
    from .ops import linalg_det as _linalg_det
    from .ops import linalg_lu as _linalg_lu
    from .ops import linalg_products as _linalg_products
    from .ops import linalg_qr as _linalg_qr
    from .ops import linalg_removed as _linalg_removed
    from .ops import linalg_solve as _linalg_solve
    from .ops import linalg_svd as _linalg_svd
    from .ops import linalg_triangular as _linalg_triangular
    from .ops import linear as _linear
    from .ops import mapping as _mapping
    from .ops import math as _math
    from .ops import moments as _moments
    from .ops import new as _new
    from .ops import norms as _norms
    from .ops import parts as _parts
    from .ops import products as _products
    from .ops import quantile as _quantile
    from .ops import random_inplace as _random_inplace
    from .ops import reduce as _reduce
    from .ops import rounding as _rounding
    from .ops import sample as _sample
    from .ops import scatter_into as _scatter_into
    from .ops import scatter_reduce as _scatter_reduce
    from .ops import search as _search
    from .ops import sets as _sets
    from .ops import softmax as _softmax
    from .ops import sort as _sort
    from .ops import special_bessel as _special_bessel
    from .ops import special_error as _special_error
    from .ops import special_gamma as _special_gamma
    from .ops import special_logs as _special_logs
    from .ops import split as _split
    from .ops import statistics as _statistics
    from .ops import stft as _stft
    from .ops import strided as _strided
    from .ops import view as _view
    from .ops import where as _where
    from .views import inplace
else:
    from .late import inplace, late

    _activation = late("activation")
    _arrange = late("arrange")
    _blend = late("blend")
    _clamp = late("clamp")
    _copies = late("copies")
    _cumulative = late("cumulative")
    _diag = late("diag")
    _distance = late("distance")
    _extremes = late("extremes")
    _fill = late("fill")
    _floats = late("floats")
    _gather = late("gather")
    _histogram = late("histogram")
    _index_reduce = late("index_reduce")
    _linalg_cholesky = late("linalg_cholesky")
    _linalg_det = late("linalg_det")
    _linalg_lu = late("linalg_lu")
    _linalg_products = late("linalg_products")
    _linalg_qr = late("linalg_qr")
    _linalg_removed = late("linalg_removed")
    _linalg_solve = late("linalg_solve")
    _linalg_svd = late("linalg_svd")
    _linalg_triangular = late("linalg_triangular")
    _linear = late("linear")
    _mapping = late("mapping")
    _math = late("math")
    _moments = late("moments")
    _new = late("new")
    _norms = late("norms")
    _parts = late("parts")
    _products = late("products")
    _quantile = late("quantile")
    _random_inplace = late("random_inplace")
    _reduce = late("reduce")
    _rounding = late("rounding")
    _sample = late("sample")
    _scatter_into = late("scatter_into")
    _scatter_reduce = late("scatter_reduce")
    _search = late("search")
    _sets = late("sets")
    _softmax = late("softmax")
    _sort = late("sort")
    _special_bessel = late("special_bessel")
    _special_error = late("special_error")
    _special_gamma = late("special_gamma")
    _special_logs = late("special_logs")
    _split = late("split")
    _statistics = late("statistics")
    _stft = late("stft")
    _strided = late("strided")
    _view = late("view")
    _where = late("where")


class LateMethods:
    """Mixed into Tensor; holds no state."""

    __slots__ = ()

    # activation
    hardshrink = _activation.hardshrink
    prelu = _activation.prelu
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
    # floats
    conj_physical = _floats.conj_physical
    conj_physical_ = inplace(_floats.conj_physical)
    copysign = _floats.copysign
    copysign_ = inplace(_floats.copysign)
    fmax = _floats.fmax
    fmin = _floats.fmin
    frexp = _floats.frexp
    gcd = _floats.gcd
    gcd_ = inplace(_floats.gcd)
    heaviside = _floats.heaviside
    heaviside_ = inplace(_floats.heaviside)
    isreal = _floats.isreal
    lcm = _floats.lcm
    lcm_ = inplace(_floats.lcm)
    ldexp = _floats.ldexp
    ldexp_ = inplace(_floats.ldexp)
    nextafter = _floats.nextafter
    nextafter_ = inplace(_floats.nextafter)
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
    # linalg_cholesky, linalg_det, linalg_lu, linalg_products, linalg_qr, linalg_removed, linalg_solve, linalg_svd
    cholesky = _linalg_cholesky.root_cholesky
    cholesky_inverse = _linalg_cholesky.cholesky_inverse
    cholesky_solve = _linalg_cholesky.cholesky_solve
    det = _linalg_det.root_det
    logdet = _linalg_det.logdet
    slogdet = _linalg_det.root_slogdet
    lu = _linalg_lu.root_lu
    lu_solve = _linalg_lu.root_lu_solve
    matrix_exp = _linalg_products.root_matrix_exp
    matrix_power = _linalg_products.root_matrix_power
    geqrf = _linalg_qr.geqrf
    orgqr = _linalg_qr.orgqr
    ormqr = _linalg_qr.ormqr
    qr = _linalg_qr.root_qr
    eig = _linalg_removed.eig
    lstsq = _linalg_removed.lstsq
    solve = _linalg_removed.solve
    symeig = _linalg_removed.symeig
    inverse = _linalg_solve.inverse
    triangular_solve = _linalg_triangular.triangular_solve
    pinverse = _linalg_svd.pinverse
    svd = _linalg_svd.root_svd
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
    # special_bessel
    i0 = _special_bessel.i0
    i0_ = inplace(_special_bessel.i0)
    sinc = _special_bessel.sinc
    sinc_ = inplace(_special_bessel.sinc)
    # special_error
    erfinv = _special_error.erfinv
    erfinv_ = inplace(_special_error.erfinv)
    # special_gamma
    digamma = _special_gamma.digamma
    digamma_ = inplace(_special_gamma.digamma)
    igamma = _special_gamma.igamma
    igamma_ = inplace(_special_gamma.igamma)
    igammac = _special_gamma.igammac
    igammac_ = inplace(_special_gamma.igammac)
    lgamma = _special_gamma.lgamma
    lgamma_ = inplace(_special_gamma.lgamma)
    mvlgamma = _special_gamma.mvlgamma
    mvlgamma_ = inplace(_special_gamma.mvlgamma)
    polygamma = _special_gamma.polygamma_method
    polygamma_ = inplace(_special_gamma.polygamma_method)
    # special_logs
    logaddexp2 = _special_logs.logaddexp2
    logit = _special_logs.logit
    logit_ = inplace(_special_logs.logit)
    xlogy = _special_logs.xlogy
    xlogy_ = inplace(_special_logs.xlogy)
    # split
    chunk = _split.chunk
    dsplit = _split.dsplit
    hsplit = _split.hsplit
    split = _split.split
    split_with_sizes = _split.split_with_sizes
    tensor_split = _split.tensor_split
    unbind = _split.unbind
    vsplit = _split.vsplit
    # stft
    istft = _stft.istft
    stft = _stft.stft
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
    # copies, index_reduce, scatter_into, strided
    narrow_copy = _copies.narrow_copy
    unsafe_chunk = _copies.unsafe_chunk
    unsafe_split = _copies.unsafe_split
    unsafe_split_with_sizes = _copies.unsafe_split_with_sizes
    index_reduce = _index_reduce.index_reduce
    index_reduce_ = inplace(_index_reduce.index_reduce)
    diagonal_scatter = _scatter_into.diagonal_scatter
    put = _scatter_into.put
    put_ = inplace(_scatter_into.put)
    select_scatter = _scatter_into.select_scatter
    slice_scatter = _scatter_into.slice_scatter
    as_strided = _strided.as_strided
    as_strided_ = _strided.as_strided_
    as_strided_scatter = _strided.as_strided_scatter
    new_empty_strided = _strided.new_empty_strided
    # distance, histogram, mapping, products, quantile, search, sets, statistics
    bincount = _histogram.bincount
    corrcoef = _statistics.corrcoef
    cov = _statistics.cov
    cross = _products.cross
    dist = _distance.dist
    histc = _histogram.histc
    histogram = _histogram.histogram
    kron = _products.kron
    map2_ = _mapping.map2_
    map_ = _mapping.map_
    mode = _quantile.mode
    nanquantile = _quantile.nanquantile
    nonzero_static = _search.nonzero_static
    quantile = _quantile.quantile
    renorm = _distance.renorm
    renorm_ = inplace(_distance.renorm)
    unique_consecutive = _sets.unique_consecutive
