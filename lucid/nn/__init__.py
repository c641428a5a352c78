"""Layers, losses and models: PyTorch's ``torch.nn``."""

from . import attention, common_types, functional, grad, init
from .factory import factory_kwargs
from .hooks import *  # noqa: F403
from .modules import *  # noqa: F403
from .modules.module import Module
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

from . import utils  # isort: skip  (needs the modules)

functional.grad = grad  # type: ignore[attr-defined]  # PyTorch's programs find it there too
