"""Memory formats of convolution weights: accepted, and without effect, since there is one format here."""

from __future__ import annotations

from typing import Any, TypeVar

from ..modules.module import Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]

M = TypeVar("M", bound=Module)


def convert_conv2d_weight_memory_format(module: M, memory_format: Any) -> M:
    """The module as it is: a memory format is a hint about layout, never about values."""
    return module


def convert_conv3d_weight_memory_format(module: M, memory_format: Any) -> M:
    """The module as it is; see `convert_conv2d_weight_memory_format`."""
    return module
