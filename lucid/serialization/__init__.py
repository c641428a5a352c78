"""Saving and loading: checkpoints of any nesting, safetensors, npz, and PyTorch's files. Nothing that is loaded is ever run.

>>> import lucid, tempfile, os
>>> path = os.path.join(tempfile.mkdtemp(), "model.lucid")
>>> lucid.save({"weight": lucid.ones(2), "epoch": 3}, path)
>>> lucid.load(path)
{'weight': tensor([1., 1.]), 'epoch': 3}
"""

from .archive import load, save
from .safetensors import load_safetensors, save_safetensors

__all__ = ["load", "load_safetensors", "save", "save_safetensors"]
