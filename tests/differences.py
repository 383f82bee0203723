"""What the tests of the deliberate differences from PyTorch share: the base class of a row, and second derivatives."""

from __future__ import annotations

import warnings

import pytest


class Difference:
    """A row of docs/differences.md: `test_ours` states our side, `test_torch(torch)` PyTorch's.

    The page names the class in its last column, and the row's anchor is that name in words; test_differences.py compares
    the two lists.
    """

    @pytest.fixture
    def torch(self):
        """PyTorch, without its warnings; the test is skipped where it is not installed."""
        found = pytest.importorskip("torch", reason="PyTorch is not installed: its side is not checked")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield found


def second(lib, f, x):
    """The gradient of the sum of squares of the gradient of f."""
    (g,) = lib.autograd.grad(f(x), x, create_graph=True)
    return lib.autograd.grad((g * g).sum(), x)[0]
