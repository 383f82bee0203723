"""CPU kernels by name: functions that load Numba when there is work for it, or decline with NotImplemented.

Importing this module is free. A kernel that declines (too little work, a dtype or layout it does not serve) leaves the
operation to its NumPy formula. Whether it declines depends on shapes, dtypes and layout alone, so that a run computes a
thing in one way from its beginning to its end; where Numba is not installed, all decline.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

__all__ = ["FAMILIES", "KERNELS"]


class _Loader:
    """Loads a module of loops once that pays: importing Numba takes about as long as 2^26 words without it.

    Only kernels whose results are the same to the last bit as NumPy's may be loaded late in this way.
    """

    def __init__(self, module: str, pays_after: int) -> None:
        self.name, self.pays_after = module, pays_after
        self.module: Any = None
        self.work = 0

    def get(self, work: int) -> Any:
        """The module with the kernels, or None while less than `pays_after` units of work have been asked for."""
        if self.module is not None:
            return self.module
        self.work += work
        if self.work < (self.pays_after >> 3 if "numba" in sys.modules else self.pays_after):
            return None
        try:
            self.module = import_module(self.name, __name__)
        except ImportError:
            self.work = -(1 << 62)  # no Numba here: do not look for it again
        return self.module


_philox = _Loader(".loops.philox", 1 << 25)


def philox_words(n: int, key: int, low: int, high: int) -> Any:
    """`philox.words` for NumPy."""
    m = _philox.get(n)
    return NotImplemented if m is None else m.words(n, key, low, high)


def philox_uniform(n: int, dtype: Any, key: int, low: int, high: int) -> Any:
    """Uniform numbers in [0, 1): float32 of one word each, float64 of two."""
    m = _philox.get(n)
    return NotImplemented if m is None else m.uniform(n, dtype, key, low, high)


def philox_below(n: int, threshold: int, key: int, low: int, high: int) -> Any:
    """The words that are less than threshold, as bool."""
    m = _philox.get(n)
    return NotImplemented if m is None else m.below(n, threshold, key, low, high)


@functools.cache
def _numba() -> bool:
    return find_spec("numba") is not None


def _kernel(family: str, name: str) -> Callable[..., Any]:
    """The function `name` of the module `family`, which is imported at the first call."""
    found: Any = None

    def run(*args: Any) -> Any:
        nonlocal found
        if found is None:
            if not _numba():
                return NotImplemented
            found = getattr(import_module(f".{family}", __name__), name)
        return found(*args)

    run.__name__ = run.__qualname__ = name
    return run


# module -> its kernels
# fmt: off
FAMILIES: dict[str, tuple[str, ...]] = {
    "activation": (
        "dropout", "elu", "elu_back", "gelu", "gelu_back", "hardswish", "hardswish_back", "hardtanh", "leaky_relu",
        "logsigmoid", "logsigmoid_back", "mish", "mish_back", "relu", "sigmoid", "sigmoid_back", "silu", "silu_back",
        "slope", "softplus", "softplus_back", "tanh", "tanh_back",
    ),
    "attention": ("attention", "attention_back"),
    "blas": ("linear", "matmul"),
    "conv": ("conv", "conv_gw", "conv_gx"),
    "indexing": ("add_rows", "embedding_rows", "put_rows", "take_rows"),
    "loss": (
        "bce_logits", "bce_logits_back", "cross_entropy_back", "cross_entropy_sums", "mse", "mse_back", "smooth_l1",
        "smooth_l1_back",
    ),
    "norm": ("batch_norm", "batch_norm_back", "channel_affine", "channel_affine_back", "layer_norm", "layer_norm_back"),
    "optim": ("adam_step", "norms_of", "rmsprop_step", "scale_all", "sgd_step"),
    "pool": ("avg_pool", "avg_pool_back", "max_pool", "max_pool_back", "max_pool_index"),
    "recurrent": ("gru", "gru_back", "lstm", "lstm_back", "rnn", "rnn_back"),
    "reduction": ("sums", "variance"),
    "softmax": ("log_softmax", "log_softmax_back", "logsumexp", "logsumexp_back", "softmax", "softmax_back"),
}
# fmt: on
KERNELS: dict[str, Callable[..., Any]] = {
    "philox_below": philox_below,
    "philox_uniform": philox_uniform,
    "philox_words": philox_words,
    **{name: _kernel(family, name) for family, names in FAMILIES.items() for name in names},
}
