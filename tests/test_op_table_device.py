"""The generated operation tests of `test_op_table` once more: on the strict stand-in for CuPy, and on CuPy itself."""

from __future__ import annotations

import fake_cupy
import optable as ot
import pytest
import test_op_table as table

# These are about messages and names, not about arrays; or they count what the library does, which is the same here.
ONCE = {
    "test_every_primitive_is_reached_by_a_sample",
    "test_operands_without_gradient_get_no_work",
    "test_results_do_not_keep_more_than_they_need",
}


def _move(t):
    return t.cuda()


@pytest.fixture(params=["fake", fake_cupy.GPU], autouse=True)
def backend(request):
    if request.param == "fake":
        request.getfixturevalue("cuda_fake")
    with ot.on(_move):
        yield request.param


globals().update({name: f for name, f in vars(table).items() if name.startswith("test_") and name not in ONCE})
