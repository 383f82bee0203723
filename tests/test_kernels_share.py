"""How loops are compiled and shared among threads: every part of a range once, errors, and vectors where they count."""

from __future__ import annotations

import numpy as np
import pytest
from test_kernels import program

pytest.importorskip("numba")


def test_each_part_of_the_range_once():
    from retrograd.autograd.kernels.cpu.loops.jit import numba, part
    from retrograd.autograd.kernels.cpu.loops.share import divide, each

    def ranges(lo, hi, x, add):
        for i in range(lo, hi):
            x[i] += add

    def numbers(t, nt, seen):
        seen[t] = nt

    first, second = part(ranges), part(numbers)

    @numba.njit
    def run(nt, x, add, seen):
        divide(first, nt, x.size, (x, add))
        each(second, nt, (seen,))

    for nt in (1, 2):
        for n in (0, 1, 2, 7, 1000):
            x, seen = np.ones(n), np.zeros(3, np.int64)
            run(nt, x, 0.5, seen)
            assert (x == 1.5).all()
            assert seen.tolist() == [nt, nt if nt == 2 else 0, 0]


def test_an_error_in_a_part_is_raised(tmp_path):
    code = """
        import numpy as np
        from retrograd.autograd.kernels.cpu.loops.jit import numba, part
        from retrograd.autograd.kernels.cpu.loops.share import divide

        def shifted(lo, hi, x):
            for i in range(lo, hi):
                x[i + 3] = 1

        shifted_part = part(shifted)

        @numba.njit
        def run(nt, x):
            divide(shifted_part, nt, x.size, (x,))

        for nt in (1, 2):
            try:
                run(nt, np.zeros(10))
            except IndexError as e:
                print(e)
    """
    said, _ = program(code, NUMBA_BOUNDSCHECK=1, NUMBA_CACHE_DIR=tmp_path)
    assert [line.rpartition(".")[2] for line in said.splitlines()] == ["shifted: index out of range"] * 2


def test_light_loops_compute_with_vectors(tmp_path):
    """A loop that lost its vector form computes the same, many times slower; nothing else here would notice."""
    code = """
        import re, numpy as np
        from retrograd.autograd.kernels.cpu.loops import activation as a
        x, y, f = np.ones(64, np.float32), np.ones(64, np.float32), np.float32
        a.slope(1, x, x, f(0), f(np.inf), f(0), f(1), f(1), True, y)
        a.sigmoid_back(1, x, x, f(0), f(0), f(0), y)
        for loop in (a.hardtanh, a.silu, a.tanh_of):
            loop(1, x, f(0), f(1), f(0), y)
        for loop in (a.slope, a.sigmoid_back, a.hardtanh, a.silu, a.tanh_of):
            (text,) = loop.dispatcher.inspect_llvm().values()
            print(loop.f.__name__, len(re.findall(r"(?:fmul|fdiv|select|fcmp)[^\\n]*<\\d+ x float>", text)) > 0)
    """
    said, _ = program(code, NUMBA_CACHE_DIR=tmp_path)
    assert [line.split()[1] for line in said.splitlines()] == ["True"] * 5
