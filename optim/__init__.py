"""Optimizers, learning-rate schedules and what training needs beside them, with PyTorch's names."""

from __future__ import annotations

from . import lr_scheduler, schedules, swa_utils
from .adadelta import Adadelta
from .adafactor import Adafactor
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .adamax import Adamax
from .asgd import ASGD
from .diffgrad import DiffGrad
from .lamb import LAMB
from .lars import LARS
from .lbfgs import LBFGS
from .lion import Lion
from .lr_range import LRRange, lr_range_test
from .muon import Muon
from .nadam import NAdam
from .newton_cg import NewtonCG
from .nonlinear_cg import NonlinearCG
from .optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from .param_groups import param_groups_weight_decay
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD
from .snapshot import SnapshotEnsemble
from .sparse_adam import SparseAdam
from .swap import swap_in_optimizer_params_and_state
from .yellowfin import YellowFin

__all__ = [
    "ASGD",
    "LAMB",
    "LARS",
    "LBFGS",
    "LRRange",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "DiffGrad",
    "Lion",
    "Muon",
    "NAdam",
    "NewtonCG",
    "NonlinearCG",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SnapshotEnsemble",
    "SparseAdam",
    "YellowFin",
    "lr_range_test",
    "lr_scheduler",
    "param_groups_weight_decay",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "schedules",
    "swa_utils",
    "swap_in_optimizer_params_and_state",
]
