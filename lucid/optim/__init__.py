"""Optimizers: each a pure rule of a few lines (``rules``), with one loop for all of them (``ruled``)."""

from . import maps, rules
from .adam import Adam, Adamax, AdamW, NAdam, RAdam, SparseAdam
from .adaptive import Adadelta, Adafactor, Adagrad, RMSprop, Rprop
from .free import DAdaptAdam, DAdaptSGD, Prodigy
from .gsgd import GSGD, Lion
from .lbfgs import LBFGS
from .matrix import LAMB, SOAP, Muon, Shampoo
from .modern import AdaBelief, Adan, AdamWScheduleFree, AdEMAMix, SGDScheduleFree, Sophia, Yogi
from .optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook, required
from .sgd import ASGD, LARS, SGD, SignSGD, Signum, Tiger
from .wrappers import SAM, SGLD, Lookahead

__all__ = [
    "ASGD", "GSGD", "LAMB", "LARS", "LBFGS", "SAM", "SGD", "SGLD", "SOAP", "AdEMAMix", "AdaBelief", "Adadelta",
    "Adafactor", "Adagrad", "Adam", "AdamW", "AdamWScheduleFree", "Adamax", "Adan", "DAdaptAdam", "DAdaptSGD", "Lion",
    "Lookahead", "Muon", "NAdam", "Optimizer", "Prodigy", "RAdam", "RMSprop", "Rprop", "SGDScheduleFree", "Shampoo",
    "SignSGD", "Signum", "Sophia", "SparseAdam", "Tiger", "Yogi", "maps", "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook", "required", "rules",
]  # fmt: skip
