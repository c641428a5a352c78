"""lucid: a deep-learning framework that runs wherever NumPy runs, with PyTorch's names.

This file only names things. What is heavy, or what a program may not need, is imported at first use (``_LAZY``).
"""

import importlib as _importlib
import warnings as _warnings

from . import ops
from .core import dtypes as _dtypes
from .core._repr import set_printoptions
from .core.device import device, get_default_device, set_default_device
from .core.dtypes import can_cast, dtype, finfo, get_default_dtype, iinfo, promote_types, set_default_dtype
from .core.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.tensor import Size, Tensor
from .functions import *  # noqa: F403
from .version import __version__

from . import autograd  # isort: skip  (needs the functions)

# NumPy warns of overflow and division by zero; PyTorch does not, and nor do we. Only warnings raised from our files.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"lucid\.")

globals().update(_dtypes.NAMES)
globals().update({alias: _dtypes.NAMES[name] for alias, name in _dtypes.ALIASES.items()})

# name -> where it is: "module" alone is a submodule of that name, "module:attribute" something in one.
_LAZY = {
    **{name: name for name in ("backends", "cuda", "datasets", "einops", "fft", "func", "linalg", "nn", "optim", "random", "serialization", "special", "testing", "utils")},
    "save": "serialization:save",
    "load": "serialization:load",
    "set_num_threads": "threads:set_num_threads",
    "get_num_threads": "threads:get_num_threads",
    "summary": "summary:summary",
    "vmap": "func:vmap",
    "default_generator": "random:default_generator",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'lucid' has no attribute {name!r}")
    module, _, attribute = _LAZY[name].partition(":")
    found = _importlib.import_module(f".{module}", __name__)
    found = getattr(found, attribute) if attribute else found
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
