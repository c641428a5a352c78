"""The vocabulary, on Tensors: the Python array API's names, and the extra names that derivative rules use.

``Tensor.__array_namespace__`` returns this module, and it is the ``xp`` that rules get when a derivative shall itself
be differentiable. Every op that a file of this folder declares is here under its name; ``namespace`` replaces those
whose array API form takes other arguments.
"""

import importlib as _importlib
import pkgutil as _pkgutil
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from ..core.op import OPS as _OPS

for _found in _pkgutil.iter_modules(__path__):
    if _found.name != "namespace":
        _importlib.import_module(f".{_found.name}", __name__)
globals().update({_name: _op.call for _name, _op in _OPS.items()})

from .namespace import *  # noqa: E402, F403  (last: these replace the bare ops of the same name)

if _TYPE_CHECKING:  # the names come from the op registry

    def __getattr__(name: str) -> _Any: ...
