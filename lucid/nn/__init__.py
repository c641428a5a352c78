"""Layers, losses and models: PyTorch's ``torch.nn``."""

from . import functional, init
from .hooks import *  # noqa: F403
from .module import Module
from .modules import *  # noqa: F403
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

from . import utils  # isort: skip  (needs the modules)
