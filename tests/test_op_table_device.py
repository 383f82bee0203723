"""The generated operation tests of `test_op_table` once more: on the strict stand-in for CuPy, and on CuPy itself.

That values, gradients and second derivatives equal NumPy's is the business of `test_backend_fake`.
"""

from __future__ import annotations

import warnings

import fake_cupy
import optable as ot
import pytest
import test_op_table as table

from retrograd.autograd.registry import FUNCTIONS

# Not about arrays but about names and counts, which are the same on every backend; or finite differences, which would
# say once more what the comparison with NumPy says.
ONCE = {
    "test_errors_are_of_the_declared_type_and_text",  # below
    "test_every_primitive_is_reached_by_a_sample",
    "test_gradcheck",
    "test_gradgradcheck",
    "test_nothing_is_saved_that_is_not_used",
    "test_operands_without_gradient_get_no_work",
    "test_results_do_not_keep_more_than_they_need",
}

# Functions that check values (indices in range, probabilities in [0, 1], ...) on the CPU only: on a GPU looking would
# stall, so there out-of-range values give wrong numbers instead of an error, as in PyTorch's release builds.
LOOKS_AT_VALUES = {
    "_sample_dirichlet", "_standard_gamma",
    "Tensor.bernoulli_", "bernoulli", "cov", "gather", "index_add", "index_copy", "index_fill", "index_put", "index_reduce",
    "embedding", "index_select", "multinomial", "put", "nn.functional.binary_cross_entropy", "nn.functional.cross_entropy",
    "nn.functional.embedding", "nn.functional.max_unpool1d", "nn.functional.multi_margin_loss",
    "nn.functional.multilabel_margin_loss",
    "nn.functional.gaussian_nll_loss", "nn.functional.nll_loss", "nn.functional.one_hot", "normal", "poisson", "pow",
    "scatter", "scatter_add", "scatter_reduce", "take",
}  # fmt: skip


def _move(t):
    return t.cuda()


@pytest.fixture(params=["fake", fake_cupy.GPU], autouse=True)
def backend(request):
    if request.param == "fake":
        request.getfixturevalue("cuda_fake")
    with ot.on(_move):
        yield request.param


@pytest.mark.parametrize("path", sorted(p for p, f in FUNCTIONS.items() if f.errors is not None))
def test_errors_are_those_of_the_cpu_or_of_values(path):
    for i, r in enumerate(FUNCTIONS[path].errors()):
        s = ot.Sample(FUNCTIONS[path], i, r.call, "float32")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                s.run(s.inputs(()))
        except r.error as e:
            assert r.match is None or pytest.raises(r.error, match=r.match).matches(e), f"{r!r}: {e}"
        else:
            assert path in LOOKS_AT_VALUES, f"{r!r} did not raise"


globals().update({name: f for name, f in vars(table).items() if name.startswith("test_") and name not in ONCE})
