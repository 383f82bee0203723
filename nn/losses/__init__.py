"""Losses that `torch.nn` does not have, each from the paper its docstring names; all of them are names of `nn` too."""

from __future__ import annotations

from .angular import ArcFaceLoss, CosFaceLoss, SphereFaceLoss
from .boxes import CIoULoss, DIoULoss, GIoULoss, IoULoss, box_iou, decode_boxes, encode_boxes
from .capsule import CapsuleLoss, CapsuleMarginLoss
from .detection import FastRCNNLoss, RPNLoss, YOLOLoss
from .distill import DistillationLoss
from .focal import FocalLoss, SigmoidFocalLoss
from .gan import (
    GradientPenalty,
    HingeGANLoss,
    LeastSquaresGANLoss,
    MinimaxGANLoss,
    NonSaturatingGANLoss,
    WassersteinGANLoss,
)
from .hinge import HingeLoss, MultiClassHingeLoss, PerceptronLoss
from .metric import BatchTripletLoss, ContrastiveLoss, SquaredTripletLoss
from .mining import batch_hard_triplets, hard_negative_mask, semi_hard_triplets
from .mmd import MMDLoss
from .overlap import DiceLoss, GeneralizedDiceLoss, JaccardLoss, TverskyLoss
from .penalty import (
    ActivityPenalty,
    DoublyStochasticPenalty,
    ElasticNetPenalty,
    L1Penalty,
    L2Penalty,
    SparsityPenalty,
)
from .regression import LqLoss, RMSELoss, zero_one_loss
from .similarity import MSSSIMLoss, SSIMLoss, ms_ssim, ssim
from .style import ContentLoss, StyleLoss, TotalVariationLoss, gram_matrix, total_variation
from .td import QLearningLoss, TDLoss, td_error

__all__ = [
    # regression and the 0-1 metric
    "LqLoss", "RMSELoss", "zero_one_loss",
    # classification
    "FocalLoss", "HingeLoss", "MultiClassHingeLoss", "PerceptronLoss", "SigmoidFocalLoss",
    # distances and angles
    "ArcFaceLoss", "BatchTripletLoss", "ContrastiveLoss", "CosFaceLoss", "SphereFaceLoss", "SquaredTripletLoss",
    "batch_hard_triplets", "hard_negative_mask", "semi_hard_triplets",
    # images
    "ContentLoss", "MSSSIMLoss", "SSIMLoss", "StyleLoss", "TotalVariationLoss", "gram_matrix", "ms_ssim", "ssim",
    "total_variation",
    # regions and boxes
    "CIoULoss", "DIoULoss", "DiceLoss", "GIoULoss", "GeneralizedDiceLoss", "IoULoss", "JaccardLoss", "TverskyLoss",
    "box_iou", "decode_boxes", "encode_boxes",
    # detectors, capsules, generators, students, agents
    "CapsuleLoss", "CapsuleMarginLoss", "DistillationLoss", "FastRCNNLoss", "GradientPenalty", "HingeGANLoss",
    "LeastSquaresGANLoss", "MMDLoss", "MinimaxGANLoss", "NonSaturatingGANLoss", "QLearningLoss", "RPNLoss", "TDLoss",
    "WassersteinGANLoss", "YOLOLoss", "td_error",
    # penalties
    "ActivityPenalty", "DoublyStochasticPenalty", "ElasticNetPenalty", "L1Penalty", "L2Penalty", "SparsityPenalty",
]  # fmt: skip
