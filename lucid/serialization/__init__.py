"""Saving and loading: checkpoints of any nesting, safetensors, npz, and PyTorch's files. Nothing that is loaded is run
unless the caller vouches for it.

>>> import lucid, tempfile, os
>>> path = os.path.join(tempfile.mkdtemp(), "model.lucid")
>>> lucid.save({"weight": lucid.ones(2), "epoch": 3}, path)
>>> lucid.load(path)
{'weight': tensor([1., 1.]), 'epoch': 3}
"""

from .archive import MAP_LOCATION, load, save
from .pickles import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .safetensors import load_safetensors, save_safetensors

__all__ = [
    "MAP_LOCATION",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "load_safetensors",
    "safe_globals",
    "save",
    "save_safetensors",
]
