"""Optimizers: each a pure rule of a few lines, with one loop for all of them."""

from .adam import Adam
from .optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook, required
from .sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]
