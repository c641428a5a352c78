"""PyTorch's spelling of the ops. Each function here becomes ``lucid.X`` and ``Tensor.X``, and ``Tensor.X_`` where there is one.

``registry`` holds the one decorator that does it; the other files are families of functions, all of which are imported
here. ``Tensor`` itself knows nothing of them: importing this package binds them.
"""

import importlib as _importlib
import pkgutil as _pkgutil

from .registry import CONSTANTS, FUNCTIONS

for _found in _pkgutil.iter_modules(__path__):
    _importlib.import_module(f".{_found.name}", __name__)

__all__ = sorted({*FUNCTIONS, *CONSTANTS})
globals().update(FUNCTIONS | CONSTANTS)
