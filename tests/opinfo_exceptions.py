"""Where a sample of PyTorch's OpInfo tables deliberately does not agree here, and why. There is no other such table.

Keys are `name`, `name/kind`, or `name/kind/part of the sample's text or of the error`; name `*` stands for all. The kinds
are those of `opinfo_checks.Outcome` ("float64", "second", a dtype, "method", "inplace", an alias, "errors"); the kind of a
name that does not exist here is "missing". A key that nothing needs any more fails.
"""

from __future__ import annotations

NUMBERS = "numbers are operands on either side; PyTorch takes them on the right only, or for some functions not at all"
EQUAL_SHAPES = "a loss compares equal shapes: broadcasting the target is nearly always a mistake (PyTorch warns)"
NO_COMPLEX_HALF = "there is no complex32: the complex type of half numbers is complex64"
DRAWN = "dropout draws other numbers than PyTorch's"
WHOLE = "integers are refused; PyTorch averages their squares in integers, which drops fractions"

BESSEL = "PyTorch's Bessel functions are right to 1e-6 only; ours are SciPy's"
COMPLETE = "out= may overlap the operands: the result is complete before it is written"
OVERWRITTEN = "elements that are overwritten have no influence; PyTorch gives them a gradient"
DIFFERENTIATED = "complex values have a gradient; PyTorch refuses a sparse tensor of them that requires one"
CANCELLED = "large terms cancel, and every order of rounding to the smaller type gives another sum"
STIRLING = "Stirling's term, left out for targets of 1 and less, has no gradient there; PyTorch's is NaN at 0 and below"

# These samples are refused or taken on purpose, or PyTorch is at fault: they do not count when 90 % have to pass.
DELIBERATE = frozenset(
    {BESSEL, DIFFERENTIATED, DRAWN, EQUAL_SHAPES, NO_COMPLEX_HALF, NUMBERS, OVERWRITTEN, STIRLING, WHOLE}
)

EXCEPTIONS: dict[str, str] = {
    "*/errors/(2, int64[3]) ()": NUMBERS,
    "*/errors/(int64[3], 2) ()": NUMBERS,
    "addbmm/inplace/does not fit the tensor's shape": "PyTorch lets the tensor grow to the shape of the result",
    "as_strided_scatter//gradient of input 0": OVERWRITTEN,
    "complex/float16": NO_COMPLEX_HALF,
    "cov//aweights=float32": CANCELLED,
    "linalg.norm.subgradients_at_zero/second": "the second derivative of |x| is 0 or finite here; PyTorch's is NaN",
    "logcumsumexp/float32": "at 10000 float32 rounds the sum to 5e-4, and so the gradient in both libraries",
    "nn.functional.gaussian_nll_loss//losses do not broadcast": EQUAL_SHAPES,
    "nn.functional.linear_cross_entropy.chunked/second": "PyTorch's chunks keep no graph, and the derivative is lost",
    "nn.functional.local_response_norm/int64": WHOLE,
    "nn.functional.margin_ranking_loss/bfloat16": "rounding decides on which side of the kink an element lies",
    "nn.functional.multi_head_attention_forward//False, 0.5": DRAWN,
    "nn.functional.multilabel_soft_margin_loss/bfloat16": CANCELLED,
    "nn.functional.multilabel_soft_margin_loss/float16": CANCELLED,
    "nn.functional.poisson_nll_loss/bfloat16/nan location": STIRLING,
    "nn.functional.scaled_dot_product_attention//dropout_p=0.5": DRAWN,
    "polygamma.polygamma_n_4/bfloat16": "infinite at the pole -5, where PyTorch's number is an accident of rounding",
    "scatter_reduce.amax/bfloat16": "PyTorch shares the gradient with an element that include_self=False leaves out",
    "special.bessel_j0/float64": BESSEL,
    "special.bessel_j1/float64": BESSEL,
    "special.bessel_y0/float64": BESSEL,
    "special.bessel_y1/float64": BESSEL,
    "take/errors/out=int64[2]": COMPLETE,
    "to_sparse/complex128": DIFFERENTIATED,
    "view_as_complex/float16": NO_COMPLEX_HALF,
}
