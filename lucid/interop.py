"""What other libraries must be told of Tensors, told them at the moment a program imports them and not before.

einops finds the library of a tensor among the subclasses of its ``AbstractBackend``; ours is defined when
``einops._backends`` is first imported, so that ``import lucid`` imports nothing more and the order of imports does not matter.
PyTorch's other paths (``paths``) are found here too.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from . import paths

# the library's module -> ours, whose import makes Tensors known to it
BRIDGES = {"einops._backends": "lucid.einops.backend"}


class _Announcing:
    """The loader of another module, after which ours is imported too."""

    def __init__(self, loader: Any, bridge: str):
        self._loader, self._bridge = loader, bridge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        importlib.import_module(self._bridge)


class _Finder:
    """Watches for the modules of ``BRIDGES``, and makes those of ``paths``."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.startswith("lucid."):
            return paths.spec(name) if name in paths.PATHS else None
        bridge = BRIDGES.get(name)
        if bridge is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Announcing(spec.loader, bridge)  # type: ignore[assignment]
        return spec


def announce() -> None:
    """Make Tensors known to the libraries that are imported already, and to the others when they are."""
    for name, bridge in BRIDGES.items():
        if name in sys.modules:
            importlib.import_module(bridge)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())  # type: ignore[arg-type]
