"""lucid: a deep-learning framework that runs wherever NumPy runs, with PyTorch's names."""

from . import ops
from .core import dtypes as _dtypes
from .core.device import device, get_default_device, set_default_device
from .core.dtypes import (
    can_cast, dtype, finfo, get_default_dtype, iinfo, promote_types, set_default_dtype,
)  # fmt: skip
from .core._repr import set_printoptions
from .core.modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .core.tensor import Size, Tensor
from .functions import *  # noqa: F403
from . import autograd, func
from .version import __version__

globals().update(_dtypes.NAMES)
globals().update({alias: _dtypes.NAMES[name] for alias, name in _dtypes.ALIASES.items()})
