"""Layers that `torch.nn` does not have, each from the paper its docstring names; all of them are names of `nn` too."""

from __future__ import annotations

from .activation import APLU, ClippedReLU, GaLU, Heaviside, LeCunTanh, MeLU, ScaledTanh, SReLU
from .attention import AdditiveAttention, BilinearAttention, DotProductAttention
from .blocks import BasicBlock, Bottleneck, DenseBlock, Highway, PreActBlock, PreActBottleneck, Transition
from .blocks_mobile import Conv2dNormActivation, Inception, InvertedResidual, SqueezeExcitation
from .capsule import CapsuleLayer, PrimaryCaps, dynamic_routing, squash
from .causal import TCN, TDNN, CausalConv1d, TemporalBlock, WaveNetBlock, receptive_field
from .deformable import DeformConv2d, deform_conv2d
from .frn import TLU, FilterResponseNorm
from .graph import GCNConv, GraphFilter, gcn_norm, graph_filter
from .local import LocallyConnected1d, LocallyConnected2d
from .maxout import ChannelMaxout, Maxout
from .memory import DNCCell, DNCState, NTMAddressing, NTMCell, NTMState
from .positional import LearnedPositionalEncoding, RotaryPositionalEncoding, SinusoidalPositionalEncoding
from .rbf import RBF, RBFNetwork
from .recurrent import EchoState, JordanRNN, JordanRNNCell, PeepholeLSTMCell, ResetBeforeGRUCell, Unroll
from .regularize import (
    DropBlock1d,
    DropBlock2d,
    DropBlock3d,
    DropConnect,
    GaussianDropout,
    LockedDropout,
    RNNDrop,
    ShakeDrop,
    StochasticDepth,
    Zoneout,
)
from .roi import PSRoIAlign, PSRoIPool, RoIAlign, RoIPool, ps_roi_align, ps_roi_pool, roi_align, roi_pool
from .separable import (
    DepthwiseConv1d,
    DepthwiseConv2d,
    DepthwiseSeparableConv1d,
    DepthwiseSeparableConv2d,
    FactorizedConv2d,
)

__all__: list[str] = [
    "APLU", "TLU", "AdditiveAttention", "BilinearAttention", "ChannelMaxout", "ClippedReLU", "DNCCell", "DNCState",
    "DotProductAttention", "DropBlock1d", "DropBlock2d", "DropBlock3d", "DropConnect", "EchoState",
    "FilterResponseNorm", "GaLU", "GaussianDropout", "Heaviside", "JordanRNN", "JordanRNNCell",
    "LeCunTanh", "LearnedPositionalEncoding", "LockedDropout", "Maxout", "MeLU", "NTMAddressing", "NTMCell", "NTMState",
    "PeepholeLSTMCell", "RNNDrop", "ResetBeforeGRUCell", "RotaryPositionalEncoding", "SReLU", "ScaledTanh", "ShakeDrop",
    "SinusoidalPositionalEncoding", "StochasticDepth", "Unroll", "Zoneout",
    # structure in space, time and graphs
    "BasicBlock", "Bottleneck", "DenseBlock", "Highway", "PreActBlock", "PreActBottleneck", "Transition",
    "Conv2dNormActivation", "Inception", "InvertedResidual", "SqueezeExcitation", "CapsuleLayer", "PrimaryCaps",
    "dynamic_routing", "squash", "TCN", "TDNN", "CausalConv1d", "TemporalBlock", "WaveNetBlock", "receptive_field",
    "DeformConv2d", "deform_conv2d", "GCNConv", "GraphFilter", "gcn_norm", "graph_filter", "LocallyConnected1d",
    "LocallyConnected2d", "RBF", "RBFNetwork", "PSRoIAlign", "PSRoIPool", "RoIAlign", "RoIPool", "ps_roi_align",
    "ps_roi_pool", "roi_align", "roi_pool", "DepthwiseConv1d", "DepthwiseConv2d", "DepthwiseSeparableConv1d",
    "DepthwiseSeparableConv2d", "FactorizedConv2d",
]  # fmt: skip
