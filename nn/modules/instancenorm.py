"""Instance normalization: InstanceNorm1d, InstanceNorm2d, InstanceNorm3d and their lazy forms."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from ...autograd import Tensor
from .. import functional as F
from .batchnorm import _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]  # fmt: skip


class _InstanceNorm(_NormBase):
    """The parameters of batch normalization, which are off by default here."""

    _dims: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _check_input_dim(self, input: Tensor) -> None:
        n = self._dims
        if input.ndim not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {input.ndim}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        channels = input.ndim - self._dims - 1
        found = input.shape[channels]
        if found != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={channels} to match num_features ({self.num_features}), but got: "
                    f"{found}."
                )
            warnings.warn(
                f"input's size at dim={channels} does not match num_features. You can silence this warning by not "
                "passing in num_features, which is not used because affine=False",
                stacklevel=3,
            )
        batched = channels == 1
        out = F.instance_norm(
            input if batched else input.unsqueeze(0),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return out if batched else out.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Normalizes each channel of each sample over its positions: `y = (x - mean) / sqrt(var + eps) * weight + bias`.

    Shapes: input and output `(N, C, L)` or `(C, L)`; weight and bias `(C,)`, only with affine=True. Evaluation uses
    the sample as well, unless track_running_stats.

    Ulyanov, Vedaldi & Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016.

    >>> import retrograd as rg
    >>> tuple(rg.nn.InstanceNorm1d(3)(rg.ones(2, 3, 5)).shape)
    (2, 3, 5)
    """

    _dims = 1


class InstanceNorm2d(_InstanceNorm):
    """Instance normalization of images `(N, C, H, W)` or `(C, H, W)`; see `InstanceNorm1d`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.InstanceNorm2d(3)(rg.ones(2, 3, 5, 5)).shape)
    (2, 3, 5, 5)
    """

    _dims = 2


class InstanceNorm3d(_InstanceNorm):
    """Instance normalization of volumes `(N, C, D, H, W)` or `(C, D, H, W)`; see `InstanceNorm1d`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.InstanceNorm3d(3)(rg.ones(2, 3, 2, 5, 5)).shape)
    (2, 3, 2, 5, 5)
    """

    _dims = 3


class LazyInstanceNorm1d(_LazyNormBase, InstanceNorm1d):
    """An `InstanceNorm1d` that takes num_features from its first input, and then is one; see `LazyModuleMixin`.

    Unlike `InstanceNorm1d`, affine and track_running_stats are on by default, as in PyTorch.

    >>> import retrograd as rg
    >>> layer = rg.nn.LazyInstanceNorm1d()
    >>> _ = layer(rg.ones(2, 3, 4))
    >>> layer
    InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, InstanceNorm2d):
    """An `InstanceNorm2d` that takes num_features from its first input, and then is one; see `LazyModuleMixin`.

    Unlike `InstanceNorm2d`, affine and track_running_stats are on by default, as in PyTorch.

    >>> import retrograd as rg
    >>> layer = rg.nn.LazyInstanceNorm2d()
    >>> _ = layer(rg.ones(2, 3, 4, 4))
    >>> layer
    InstanceNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, InstanceNorm3d):
    """An `InstanceNorm3d` that takes num_features from its first input, and then is one; see `LazyModuleMixin`.

    Unlike `InstanceNorm3d`, affine and track_running_stats are on by default, as in PyTorch.

    >>> import retrograd as rg
    >>> layer = rg.nn.LazyInstanceNorm3d()
    >>> _ = layer(rg.ones(2, 3, 2, 2, 2))
    >>> layer
    InstanceNorm3d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = InstanceNorm3d
