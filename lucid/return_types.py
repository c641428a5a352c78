"""The named tuples that functions of several results return: ``lucid.return_types.sort`` and so on."""

from . import functions as _functions  # noqa: F401  (its files make the types)
from .functions.registry import RETURN_TYPES as _RETURN_TYPES

__all__ = sorted(_RETURN_TYPES)
globals().update(_RETURN_TYPES)
