"""lucid and torch behind one handle, so that a benchmark is written once and run with either."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Library:
    """A framework with torch's names: `L.T` the module, `L.nn`, `L.F`, `L.optim`; parts it lacks are None."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.T: Any = importlib.import_module(name)
        self.nn = self._part("nn")
        self.F = self._part("nn.functional")
        self.optim = self._part("optim")
        self.version = str(getattr(self.T, "__version__", "unknown"))
        self.path = Path(str(self.T.__file__)).parent

    def _part(self, part: str) -> Any:
        wanted = f"{self.name}.{part}"
        try:
            return importlib.import_module(wanted)
        except ModuleNotFoundError as missing:
            # Only this part may be missing; a broken import inside it must be seen.
            if missing.name is None or not wanted.startswith(missing.name):
                raise
            return None

    def tensor(self, array: Any, *, grad: bool = False) -> Any:
        """A tensor with the array's values; `grad=True` makes it a leaf that wants a gradient."""
        t = self.T.tensor(array)
        return t.requires_grad_() if grad else t

    def array(self, t: Any) -> Any:
        """The values as a NumPy array."""
        return t.detach().numpy() if hasattr(t, "detach") else t


def load(names: Iterable[str] = ("lucid", "torch"), *, threads: int | None = None) -> dict[str, Library]:
    """The libraries that are installed, each set to `threads` threads."""
    # A folder without __init__.py has a spec too, with no file: a namespace package, not the library.
    specs = {name: importlib.util.find_spec(name) for name in names}
    libraries = {name: Library(name) for name, spec in specs.items() if spec is not None and spec.origin is not None}
    if threads is not None and "torch" in libraries:
        libraries["torch"].T.set_num_threads(threads)
    return libraries
