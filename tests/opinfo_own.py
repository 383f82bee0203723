"""Samples and error samples of our own, for names of the tiers that PyTorch's OpInfo tables lack or leave without errors.

The registry's samples come first; what stands here is added where they are fewer than four, or errors fewer than two.
Every name gets errors from `COMMON_ERRORS` if nothing better is known. PyTorch must refuse all of them too.
"""

from __future__ import annotations

from typing import Any

from retrograd.autograd.samples import D, call, t

ints = {"dtype": "int64", "grad": False}
bits = {**ints, "low": 0, "high": 8}
away = {"low": 0.5, "high": 2.0}

_BINARY = [
    call(t(2, 3), t(2, 3, **away)), call(t(2, 1), t(3, **away)), call(t(3), 2.0),
    call(t(3, low=1, high=9, **ints), t(3, low=1, high=4, **ints)), call(t(2, 3), t(**away)),
]  # fmt: skip
_INPLACE = [
    call(t(2, 3), t(2, 3, **away)), call(t(2, 3), t(3, **away)), call(t(2, 3), t(2, 1, **away)), call(t(3), 2.0),
]  # fmt: skip
_REVERSED = [
    call(t(2, 3, **away), 2.0), call(t(3, **away), 7), call(t(**away), 3.0), call(t(3, low=1, high=4, **ints), 9),
]  # fmt: skip
_BITS = [
    call(t(2, 3, **bits), t(2, 3, **bits)), call(t(2, 3, **bits), t(3, **bits)), call(t(2, 3, **bits), 3),
    call(t(2, 3, dtype="bool"), t(3, dtype="bool")),
]  # fmt: skip
_SHIFTS = [
    call(t(2, 3, **bits), t(2, 3, dtype="int64", grad=False, low=0, high=4)), call(t(2, 3, **bits), 2),
    call(t(2, 3, **bits), t(3, dtype="int64", grad=False, low=0, high=4)), call(t(**bits), 1),
]  # fmt: skip
_UNARY = [call(t(3, 4)), call(t()), call(t(0, 3)), call(t(4, low=-5, high=5, **ints))]
_NUMBER = [call(t()), call(t(1)), call(t(1, 1)), call(t(low=1, high=9, **ints))]
_DRAWN = [call(t(3, 4)), call(t()), call(t(0, 3)), call(t(2, 3, 4))]
_IMAGES = [
    call(t(2, 3, 8, **away), 2.0, 3), call(t(3, 9, **away), 1.0, 2, 1), call(t(1, 2, 7, **away), 3.0, 2, ceil_mode=True),
    call(t(2, 3, 8, **away), 2.0, 2, stride=2),
]  # fmt: skip

SAMPLES: dict[str, list[Any]] = {
    **{f"__{n}__": _BINARY for n in "add sub mul truediv floordiv mod pow eq ge gt le lt ne".split()},
    **{f"__i{n}__": _INPLACE for n in "add sub mul div truediv floordiv mod".split()},
    "__ipow__": [
        call(t(2, 3, **away), t(2, 3)), call(t(2, 3, **away), t(3)), call(t(2, 3, **away), t(2, 1)), call(t(3), 2.0)
    ],
    "__pow__": [
        call(t(2, 3, **away), t(2, 3)), call(t(2, 1, **away), t(3)), call(t(3), 2.0), call(t(3, low=1, high=9, **ints), 2)
    ],
    **{f"__r{n}__": _REVERSED for n in "floordiv truediv".split()},
    **{f"__{n}__": _BITS for n in "and or xor iand ior ixor".split()},
    **{f"__{n}__": _SHIFTS for n in "lshift rshift ilshift irshift".split()},
    **{
        f"__r{n}__": [
            call(t(3, dtype="int64", grad=False, low=0, high=4), 5), call(t(dtype="int64", grad=False, low=0, high=4), 3),
            call(t(2, 3, dtype="int64", grad=False, low=0, high=4), 9), call(t(0, dtype="int64", grad=False), 1),
        ]
        for n in ("lshift", "rshift")
    },
    **{f"__{n}__": _UNARY for n in "abs neg pos".split()},
    "__invert__": [call(t(3, **bits)), call(t(2, 3, dtype="bool")), call(t(**bits)), call(t(0, **bits))],
    **{f"__{n}__": _NUMBER for n in "bool complex float int".split()},
    "__index__": [
        call(t(low=1, high=9, **ints)), call(t(1, low=1, high=9, **ints)), call(t(dtype="uint8", grad=False, high=9)),
        call(t(1, 1, low=1, high=9, **ints)),
    ],
    "__len__": [call(t(3)), call(t(2, 3)), call(t(0, 2)), call(t(1))],
    "__iter__": [call(t(3)), call(t(2, 3)), call(t(0, 2)), call(t(2, 2, 2))],
    "__contains__": [
        call(t(3, values=[1.0, 2.0, 3.0]), 2.0), call(t(3, values=[1.0, 2.0, 3.0]), 4), call(t(2, 2), t(values=9.0)),
        call(t(0), 1.0),
    ],
    "__matmul__": [call(t(2, 3), t(3, 2)), call(t(3), t(3)), call(t(2, 2, 3), t(3)), call(t(2, 2, 3), t(3, 2))],
    "__setitem__": [
        call(t(3, 4), 0, t(4)), call(t(3, 4), slice(1, None), 2.0), call(t(3, 4), (slice(None), -1), t(3)),
        call(t(3, 4), ([0, 2], [1, 3]), t(2)), call(t(3, 4), t(3, 4, dtype="bool"), 0.5), call(t(2, 3, 4), ..., t(4)),
    ],
    "new_tensor": [call(t(2), [1.0, 2.0]), call(t(2), 3), call(t(2), [[1], [2]]), call(t(2), [], dtype=D("float32"))],
    "rand": [call(2, 3), call((2, 3)), call((0, 3)), call(2, 3, dtype=D("float64"))],
    "uniform_": [*_DRAWN[:2], call(t(3), 1.0, 2.0), call(t(3, 4), to=3.0)],
    "cauchy_": [*_DRAWN[:2], call(t(3), 1.0, 2.0), call(t(3, 4), sigma=3.0)],
    "exponential_": [*_DRAWN[:2], call(t(3), 2.0), call(t(3, 4), lambd=3.0)],
    "geometric_": [call(t(3), 0.5), call(t(3, 4), p=0.25), call(t(), 0.5), call(t(0, 3), 0.5)],
    "log_normal_": [*_DRAWN[:2], call(t(3), 1.0, 2.0), call(t(3, 4), std=0.5)],
    "slogdet": [call(t(3, 3)), call(t(2, 3, 3)), call(t(1, 1)), call(t(0, 3, 3))],
    "vander": [call(t(4)), call(t(4), 3), call(t(4), N=2, increasing=True), call(t(3), 5)],
    "nn.functional.gumbel_softmax": [call(t(3, 4)), call(t(3, 4), 0.5), call(t(3, 4), hard=True), call(t(3, 4), dim=0)],
    "nn.functional.dropout1d": [call(t(2, 3, 4)), call(t(3, 4), 0.25), call(t(2, 3, 4), training=False), call(t(2, 3, 4), 0)],
    "nn.functional.lp_pool1d": _IMAGES,
    "nn.functional.lp_pool2d": [
        call(t(2, 3, 8, 6, **away), 2.0, 3), call(t(3, 6, 6, **away), 1.0, (2, 3)),
        call(t(1, 2, 7, 7, **away), 3.0, 2, ceil_mode=True), call(t(2, 1, 6, 6, **away), 2.0, 2, stride=1),
    ],
    "nn.functional.lp_pool3d": [
        call(t(2, 3, 4, 6, 4, **away), 2.0, 2), call(t(3, 4, 4, 4, **away), 1.0, (2, 1, 2)),
        call(t(1, 1, 5, 5, 5, **away), 3.0, 2, ceil_mode=True), call(t(1, 1, 4, 4, 4, **away), 2.0, 2, stride=1),
    ],
    "nn.functional.affine_grid": [
        call(t(2, 2, 3), (2, 1, 4, 5), align_corners=False), call(t(1, 2, 3), [1, 3, 3, 2], align_corners=True),
        call(t(1, 3, 4), (1, 1, 2, 3, 4), align_corners=False), call(t(2, 3, 4), (2, 1, 3, 2, 2), align_corners=True),
    ],
    "nn.functional.fold": [
        call(t(2, 12, 6), (3, 4), (2, 2)), call(t(1, 4, 9), 4, 2), call(t(8, 4), (4, 4), (2, 2), stride=2),
        call(t(1, 9, 4), (4, 4), (3, 3), padding=1, stride=2),
    ],
}  # fmt: skip

# Names whose OpInfo always draws random numbers: the registry's samples run besides it.
BESIDES = frozenset({"nn.functional.multi_head_attention_forward"})

# PyTorch takes neither a string for a tensor nor a keyword that does not exist.
COMMON_ERRORS: list[Any] = [call("a string"), call(t(2, 2), there_is_no_such_argument=1)]

# Methods that users reach through an operator or a built-in function get calls that are possible there.
_MISFIT = [call(t(2, 3), t(4, 5)), call(t(3), t(2))]
_MISFIT_BITS = [call(t(2, 3, **bits), t(4, 5, **bits)), call(t(3, **bits), t(2, **bits))]
_MANY = [call(t(2)), call(t(2, 2))]
ERRORS: dict[str, list[Any]] = {
    **{
        f"__{n}__": _MISFIT
        for n in """
        add sub mul truediv floordiv mod pow eq ge gt le lt ne matmul rmatmul iadd isub imul idiv itruediv ifloordiv imod
        ipow rfloordiv rtruediv rsub rmod
        """.split()
    },
    **{
        f"__{n}__": _MISFIT_BITS
        for n in "and or xor iand ior ixor lshift rshift ilshift irshift rlshift rrshift".split()
    },
    **{f"__{n}__": _MANY for n in "bool complex float int index".split()},
    "__abs__": [call(t(2), 1), call(t(2), t(2))],
    "__contains__": [call(t(2), None), call(t(2), "a string")],
    "__invert__": [call(t(2)), call(t(2, dtype="complex64"))],
    "__iter__": [call(t()), call(t(low=1, high=9, **ints))],
    "__len__": [call(t()), call(t(low=1, high=9, **ints))],
    "__neg__": [call(t(2, dtype="bool")), call(t(2), 1)],
    "__pos__": [call(t(2, dtype="bool")), call(t(2), 1)],
    "cauchy_": [call(t(3), 0.0, -1.0), call(t(3, **bits))],
    "exponential_": [call(t(3), -1.0), call(t(3, **bits))],
    "geometric_": [call(t(3), 1.5), call(t(3), 0.0)],
    "log_normal_": [call(t(3), 0.0, -1.0), call(t(3, **bits))],
    "uniform_": [call(t(3), 2.0, 1.0), call(t(3, **bits))],
    "__setitem__": [call(t(3), 5, 1.0), call(t(3), slice(None), t(4))],
}
