"""PyTorch's spelling of the ops. Each function here becomes ``lucid.X`` and ``Tensor.X``, and ``Tensor.X_`` where there is one.

``registry`` holds the one decorator that does it; the other files are families of functions, all of which are imported
here. ``Tensor`` itself knows nothing of them: importing this package binds them.
"""

import importlib as _importlib
import pkgutil as _pkgutil
import sys as _sys

from .registry import CONSTANTS, FUNCTIONS, SPECIAL

for _found in _pkgutil.iter_modules(__path__):
    _importlib.import_module(f".{_found.name}", __name__)

for _home, _functions in {
    "lucid.special": SPECIAL,
    "lucid": FUNCTIONS,
}.items():  # where pickle finds what was made in loops
    for _name, _f in _functions.items():
        if not hasattr(_f, "mro") and getattr(_sys.modules.get(_f.__module__), _f.__qualname__, None) is not _f:
            _f.__module__ = _home
            _f.__qualname__ = _f.__name__ = _f.__name__ if _functions.get(_f.__name__) is _f else _name

__all__ = sorted({*FUNCTIONS, *CONSTANTS})
globals().update(FUNCTIONS | CONSTANTS)
