"""Optimizers: each a pure rule of a few lines (``rules``), with one loop for all of them (``ruled``)."""

import importlib
from typing import Any

from . import lr_scheduler, maps, rules
from .accumulation import Accumulation
from .adam import Adam, Adamax, AdamW, NAdam, RAdam, SparseAdam
from .adaptive import Adadelta, Adafactor, Adagrad, RMSprop, Rprop
from .free import DAdaptAdam, DAdaptSGD, Prodigy
from .gsgd import GSGD, Lion
from .lbfgs import LBFGS
from .lr_scheduler import (
    WSDLR,
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    InverseSqrtLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    NoamScheduler,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)  # fmt: skip
from .matrix import LAMB, SOAP, Muon, Shampoo
from .modern import AdaBelief, AdamWScheduleFree, Adan, AdEMAMix, SGDScheduleFree, Sophia, Yogi
from .optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook, required
from .sgd import ASGD, LARS, SGD, SignSGD, Signum, Tiger
from .wrappers import SAM, SGLD, Lookahead

__all__ = [
    "ASGD", "GSGD", "LAMB", "LARS", "LBFGS", "SAM", "SGD", "SGLD", "SOAP", "WSDLR", "Accumulation", "AdEMAMix", "AdaBelief",
    "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "AdamWScheduleFree", "Adamax", "Adan",
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR",
    "DAdaptAdam", "DAdaptSGD", "ExponentialLR", "InverseSqrtLR", "LRScheduler", "LambdaLR", "LinearLR",
    "Lion", "Lookahead", "MultiStepLR", "MultiplicativeLR", "Muon", "NAdam", "NoamScheduler", "OneCycleLR",
    "Optimizer", "PolynomialLR", "Prodigy", "RAdam", "RMSprop", "ReduceLROnPlateau", "Rprop",
    "SGDScheduleFree", "SequentialLR", "Shampoo", "SignSGD", "Signum", "Sophia", "SparseAdam", "StepLR",
    "Tiger", "Yogi", "lr_scheduler", "maps", "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook", "required", "rules",
]  # fmt: skip

_FILES = "adadelta adagrad adamax adamw asgd nadam radam rmsprop rprop sparse_adam".split()  # see ``lucid.paths``


def __getattr__(name: str) -> Any:
    """``swa_utils``, which needs ``nn``, and PyTorch's file names, when asked for."""
    if name == "swa_utils" or name in _FILES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
