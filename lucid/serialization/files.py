"""Writing a file so that a crash leaves the old one or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO


@contextlib.contextmanager
def replacing(target: Any) -> Iterator[BinaryIO]:
    """A binary file to write to, which takes the place of ``target`` once it is whole. Open files are written directly."""
    if hasattr(target, "write"):
        yield target
        return
    path = os.fspath(target)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=os.path.basename(path) + ".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes files that only their owner may read
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


@contextlib.contextmanager
def reading(source: Any) -> Iterator[BinaryIO]:
    """A binary file to read from."""
    if hasattr(source, "read"):
        yield source
    else:
        with open(source, "rb") as file:
            yield file
