"""``lucid.save`` and ``lucid.load``: nested containers of tensors and plain values in a zip of JSON and raw bytes.

The file holds no code: ``tree.json`` says how the containers nest, ``data/N`` are the elements of tensor N. Tensors
that share memory are stored once and share memory again after loading (tied weights stay tied).
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections import OrderedDict
from typing import Any

from .. import backends
from ..core import dtypes
from ..core.tensor import Tensor, as_tensor
from .files import reading, replacing
from .safetensors import from_bytes, host_bytes, load_safetensors, save_safetensors

FORMAT = 1


def save(obj: Any, f: Any, **ignored: Any) -> None:
    """Write tensors, numbers, strings and (nested) dicts, lists, tuples and sets of them to a file, atomically.

    The suffix ``.safetensors`` selects that format (a flat dict of tensors); everything else is lucid's own archive.
    Raises TypeError, naming the place, for objects that are not plain data: save a model's ``state_dict()``.
    """
    if isinstance(f, str | os.PathLike) and os.fspath(f).endswith(".safetensors"):
        save_safetensors(obj, f)
        return
    writer = _Writer()
    tree = writer.encode(obj, "object")
    with replacing(f) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("tree.json", json.dumps({"lucid": FORMAT, "tree": tree}))
        for i, t in enumerate(writer.tensors):
            archive.writestr(f"data/{i}", host_bytes(t))


class _Writer:
    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self._numbers: dict[int, int] = {}

    def encode(self, x: Any, place: str) -> Any:
        if x is None or isinstance(x, bool | str) or type(x) in (int, float):
            return {"float": repr(x)} if isinstance(x, float) and x - x != 0 else x  # JSON has no inf and nan
        if isinstance(x, Tensor):
            return self._tensor(x)
        if isinstance(x, dict):
            kind = "ordered" if isinstance(x, OrderedDict) else "dict"
            pairs = [[self.encode(k, place), self.encode(v, f"{place}[{k!r}]")] for k, v in x.items()]
            extra = {k: self.encode(v, f"{place}.{k}") for k, v in vars(x).items()} if hasattr(x, "__dict__") else {}
            return {kind: pairs, **({"attributes": extra} if extra else {})}  # a state_dict carries `_metadata`
        if isinstance(x, list | tuple | set | frozenset):
            kind = next(t.__name__ for t in (list, tuple, set, frozenset) if isinstance(x, t))
            return {kind: [self.encode(v, f"{place}[{i}]") for i, v in enumerate(x)]}
        if isinstance(x, complex):
            return {"complex": [x.real, x.imag]}
        if isinstance(x, dtypes.dtype):
            return {"dtype": x.name}
        if hasattr(x, "item") and getattr(x, "shape", None) == ():  # a NumPy scalar
            return self.encode(x.item(), place)
        if hasattr(x, "__array__"):
            return {"array": self._tensor(as_tensor(x))}
        raise TypeError(
            f"save: {place} is a {type(x).__name__}; a file holds tensors, numbers, strings and containers of them "
            "(for a model or an optimizer, save its state_dict())"
        )

    def _tensor(self, t: Tensor) -> Any:
        key = id(t.value)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.tensors)
            self.tensors.append(t)
        entry = {"tensor": number, "dtype": t.dtype.name, "shape": list(t.shape), "device": str(t.device)}
        if t.requires_grad:
            entry["requires_grad"] = True
        if type(t).__name__ == "Parameter":
            entry["parameter"] = True
        return entry


def load(f: Any, map_location: Any = None, *, weights_only: bool = True, **ignored: Any) -> Any:
    """Read what ``save`` wrote, a ``.safetensors`` or ``.npz`` file, or a PyTorch checkpoint of plain tensors.

    ``map_location`` is the device to load to (default: where each tensor was, if that device is here). Files never run
    code, whatever ``weights_only`` says. Raises FileNotFoundError, and ValueError for a file of another kind or damage.
    """
    with reading(f) as file:
        start = file.read(8)
        file.seek(0)
        if start[:4] == b"PK\x03\x04":
            return _load_zip(io.BytesIO(file.read()), map_location, f)
        if start and start[0] == 0x80:
            raise ValueError(
                f"load: {f} is a pickle; only PyTorch's zip format (torch.save since version 1.6) can be read without running it"
            )
        return load_safetensors(file, map_location)


def _load_zip(file: Any, device: Any, name: Any) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.namelist()
            if "tree.json" in members:
                head = json.loads(archive.read("tree.json"))
                if head["lucid"] > FORMAT:
                    raise ValueError(f"written by a newer lucid (format {head['lucid']}, this one reads {FORMAT})")
                return _Reader(archive, device).decode(head["tree"])
            pickles = [m for m in members if m.endswith("data.pkl")]
            if pickles:
                from .torch_file import read

                return read(archive, pickles[0], device)
            if all(m.endswith(".npy") for m in members):
                from .npz import read as read_npz

                return read_npz(archive, device)
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, ValueError, IndexError) as problem:
        raise ValueError(f"load: {name}: damaged, or not a file of lucid's: {problem}") from None
    raise ValueError(f"load: {name}: a zip archive without a checkpoint in it")


class _Reader:
    def __init__(self, archive: zipfile.ZipFile, device: Any):
        self.archive, self.device = archive, device
        self._tensors: dict[int, Tensor] = {}

    def decode(self, x: Any) -> Any:
        if not isinstance(x, dict):
            return x
        if "tensor" in x:
            return self._tensor(x)
        if "dict" in x or "ordered" in x:
            pairs = [(self.decode(k), self.decode(v)) for k, v in (x["dict"] if "dict" in x else x["ordered"])]
            made: Any = dict(pairs) if "dict" in x else OrderedDict(pairs)
            for k, v in x.get("attributes", {}).items():
                setattr(made, k, self.decode(v))
            return made
        (kind, content), *_ = x.items()
        if kind == "array":
            return self.decode(content).numpy()
        if kind == "float":
            return float(content)
        if kind == "complex":
            return complex(*content)
        if kind == "dtype":
            return dtypes.NAMES[content]
        makers = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
        return makers[kind](self.decode(v) for v in content)

    def _tensor(self, x: dict) -> Tensor:
        t = self._tensors.get(x["tensor"])
        if t is None:
            data = self.archive.read(f"data/{x['tensor']}")
            device = _target(x["device"], self.device)
            t = self._tensors[x["tensor"]] = from_bytes(data, dtypes.NAMES[x["dtype"]], tuple(x["shape"]), device)
        if x.get("parameter"):
            from ..nn import Parameter

            return Parameter(t, requires_grad=bool(x.get("requires_grad")))
        return t.detach().requires_grad_() if x.get("requires_grad") else t  # type: ignore[attr-defined]


def _target(saved_on: str, map_location: Any) -> Any:
    """Where to put a tensor: PyTorch's ``map_location`` may be a device, a dict of devices, or None."""
    if isinstance(map_location, dict):
        map_location = map_location.get(saved_on, saved_on)
    if callable(map_location):
        raise TypeError(
            "load: map_location as a function is not supported, since there are no storages; pass a device or a dict"
        )
    if map_location is not None or saved_on.startswith("cpu"):
        return map_location
    try:
        backends.load(saved_on.partition(":")[0])
    except (ImportError, RuntimeError):
        return "cpu"  # the device it was saved from is not here
    return saved_on
