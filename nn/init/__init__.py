"""Initializers: they fill a tensor in place, outside the graph, and return it.

Every random one takes `generator=`; without it, the default generator that `manual_seed` sets is used. `functional` has
them as functions of a shape, and `apply` initializes a whole model.
"""

from __future__ import annotations

from . import functional
from .deprecated import (
    constant,
    dirac,
    eye,
    kaiming_normal,
    kaiming_uniform,
    normal,
    orthogonal,
    sparse,
    uniform,
    xavier_normal,
    xavier_uniform,
)
from .fill import (
    constant_,
    fan_in_uniform_,
    kaiming_normal_,
    kaiming_uniform_,
    lecun_normal_,
    lecun_uniform_,
    normal_,
    ones_,
    skipped,
    trunc_normal_,
    truncated_normal_,
    uniform_,
    xavier_normal_,
    xavier_uniform_,
    zeros_,
)
from .gains import _calculate_correct_fan, _calculate_fan_in_and_fan_out, calculate_gain, fans, variance_gain
from .scheme import SCHEMES, Step, apply, plan
from .structured import (
    delta_orthogonal_,
    dirac_,
    eye_,
    identity_,
    lstm_forget_bias_,
    orthogonal_,
    sparse_,
)

__all__ = [
    "SCHEMES", "Step", "_calculate_correct_fan", "_calculate_fan_in_and_fan_out", "apply", "calculate_gain", "constant",
    "constant_", "delta_orthogonal_", "dirac", "dirac_", "eye", "eye_", "fan_in_uniform_", "fans", "functional",
    "identity_", "kaiming_normal", "kaiming_normal_", "kaiming_uniform", "kaiming_uniform_", "lecun_normal_",
    "lecun_uniform_", "lstm_forget_bias_", "normal", "normal_", "ones_", "orthogonal", "orthogonal_", "plan", "skipped",
    "sparse", "sparse_", "trunc_normal_", "truncated_normal_", "uniform", "uniform_", "variance_gain", "xavier_normal",
    "xavier_normal_", "xavier_uniform", "xavier_uniform_", "zeros_",
]  # fmt: skip
