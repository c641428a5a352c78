"""Models by name from a local directory with a ``hubconf.py``, and checkpoints from the network: ``torch.hub``."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

_HASH = re.compile(r"-([a-f0-9]*)\.")  # resnet18-5c106cde.pth
_BLOCK = 1 << 20
_dir: str | None = None


def get_dir() -> str:
    """Where downloads go: what ``set_dir`` set, else ``hub`` in $LUCID_HOME, else in ``lucid`` in the user's cache."""
    if _dir is not None:
        return _dir
    cache = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    return os.path.join(os.path.expanduser(os.environ.get("LUCID_HOME", os.path.join(cache, "lucid"))), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Let downloads go to this directory."""
    global _dir
    _dir = os.path.expanduser(d)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Download to a file, which appears when it is complete and its SHA-256 begins with ``hash_prefix``.

    RuntimeError for another hash; then there is no file. ``progress`` is accepted and shows nothing.
    """
    target = Path(dst).expanduser()
    request = urllib.request.Request(url, headers={"User-Agent": "lucid.hub"})
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name, delete=False) as partial:
        try:
            with urllib.request.urlopen(request) as source:
                while block := source.read(_BLOCK):
                    partial.write(block)
                    digest.update(block)
            found = digest.hexdigest()
            if hash_prefix is not None and not found.startswith(hash_prefix):
                raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found[: len(hash_prefix)]}")')
            partial.close()
            os.replace(partial.name, target)
        finally:
            partial.close()
            Path(partial.name).unlink(missing_ok=True)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """``lucid.load`` of a file from the network, downloaded once into ``model_dir`` (``checkpoints`` in the hub's directory).

    With ``check_hash`` the file's name must hold its hash, as ``resnet18-5c106cde.pth`` does. PyTorch's checkpoints load too.

    >>> import pathlib, tempfile, lucid
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "weights.pt")
    ...     lucid.save({"w": lucid.ones(2)}, path)
    ...     lucid.hub.load_state_dict_from_url(path.as_uri(), model_dir=folder + "/models")
    {'w': tensor([1., 1.])}
    """
    from . import serialization

    folder = model_dir if model_dir is not None else os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        found = _HASH.search(name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress)
    return serialization.load(path, map_location=map_location, weights_only=weights_only)


def load(repo_or_dir: str, model: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:
    """Call the function ``model`` of a directory's ``hubconf.py``: ``load(path, "resnet18", source="local")``.

    Repositories on GitHub are not fetched, since their code imports torch: NotImplementedError. Clone one, change its import
    lines and load it from there. RuntimeError for a name that ``hubconf.py`` lacks.
    """
    for name in ("trust_repo", "force_reload", "verbose", "skip_validation"):
        kwargs.pop(name, None)  # they concern downloading
    with _hubconf(repo_or_dir, source, "load") as module:
        return _entry(module, model)(*args, **kwargs)


def list(github: str, *args: Any, source: str = "local", **options: Any) -> Any:  # PyTorch's name, as the next one
    """The names of the functions that a directory's ``hubconf.py`` offers."""
    with _hubconf(github, source, "list") as module:
        return [name for name, f in vars(module).items() if callable(f) and not name.startswith("_")]


def help(github: str, model: str, *args: Any, source: str = "local", **options: Any) -> str | None:
    """The docstring of a function of a directory's ``hubconf.py``."""
    with _hubconf(github, source, "help") as module:
        return _entry(module, model).__doc__


def _entry(module: ModuleType, name: str) -> Any:
    entry = getattr(module, name, None)
    if not callable(entry):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return entry


@contextmanager
def _hubconf(place: str, source: str, what: str) -> Iterator[ModuleType]:
    """The module ``hubconf.py`` of a directory, which may import its neighbours."""
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github" and not os.path.isdir(os.path.expanduser(place)):
        raise NotImplementedError(
            f"hub.{what}: lucid does not fetch {place!r} from GitHub, whose code imports torch; clone it, change the import "
            'lines, and give its directory with source="local"'
        )
    folder = os.path.abspath(os.path.expanduser(place))
    file = os.path.join(folder, "hubconf.py")
    found = importlib.util.spec_from_file_location("hubconf", file)
    if found is None or found.loader is None or not os.path.exists(file):
        raise FileNotFoundError(f"hub.{what}: there is no {file}")
    sys.path.insert(0, folder)
    try:
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        for needed in getattr(module, "dependencies", ()):
            if importlib.util.find_spec(needed) is None:
                raise RuntimeError(f"Missing dependencies: {needed}")
        yield module
    finally:
        sys.path.remove(folder)
