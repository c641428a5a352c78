"""PyTorch's spelling of the ops. Each function here becomes ``lucid.X`` and ``Tensor.X``, and ``Tensor.X_`` where there is one.

``registry`` holds the one decorator that does it; the other files are families of functions. ``Tensor`` itself knows
nothing of them: importing this package binds them.
"""

from . import creation, indexing, methods, pointwise, products, random, reduction, shaping, sorting
from .registry import FUNCTIONS

__all__ = sorted(FUNCTIONS)
globals().update(FUNCTIONS)
_ = (creation, indexing, methods, pointwise, products, random, reduction, shaping, sorting)
