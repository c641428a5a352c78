"""``lucid.save`` and ``lucid.load``: nested containers of tensors and plain values in a zip of JSON and raw bytes.

``tree.json`` says how the containers nest, ``data/N`` are the elements of tensor N. Tensors that share memory are stored
once and share memory again after loading (tied weights stay tied). Objects that are not plain data, such as a whole
model, become ``pickle/N``, and are loaded only if the caller vouches for them (see ``pickles``).
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .. import backends
from ..core import dtypes
from ..core.device import device as Device
from ..core.tensor import Tensor, as_tensor
from . import pickles
from .files import reading, replacing
from .safetensors import from_bytes, host_bytes, load_safetensors, save_safetensors

FORMAT = 1


def save(obj: Any, f: Any, **ignored: Any) -> None:
    """Write tensors, numbers, strings and (nested) dicts, lists, tuples and sets of them to a file, atomically.

    The suffix ``.safetensors`` selects that format (a flat dict of tensors); everything else is lucid's own archive. Other
    objects are pickled, as PyTorch does, and loaded with ``weights_only=False`` only: better save a model's ``state_dict()``.
    Raises PicklingError, naming the place, for what cannot be pickled.
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
        for i, data in enumerate(writer.pickles):
            archive.writestr(f"pickle/{i}", data)


class _Writer:
    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.pickles: list[bytes] = []
        self._numbers: dict[int, int] = {}
        self._identities: dict[int, int] = {}

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
        try:
            self.pickles.append(pickles.dumps(x, self._in_pickle))
        except (pickle.PicklingError, AttributeError, TypeError) as problem:
            raise pickle.PicklingError(
                f"save: {place} is a {type(x).__name__}, which cannot be pickled ({problem}); "
                "for a model or an optimizer, save its state_dict()"
            ) from None
        return {"pickle": len(self.pickles) - 1}

    def _in_pickle(self, t: Tensor) -> dict:
        """The entry of a tensor inside a pickle, where it also matters which of them are one object."""
        return {**self._tensor(t), "object": self._identities.setdefault(id(t), len(self._identities))}

    def _tensor(self, t: Tensor) -> Any:
        key = id(t.value)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.tensors)
            self.tensors.append(t)  # also keeps it alive, so that no other takes its id
        entry = {"tensor": number, "dtype": t.dtype.name, "shape": list(t.shape), "device": str(t.device)}
        if t.requires_grad:
            entry["requires_grad"] = True
        if type(t).__name__ == "Parameter":
            entry["parameter"] = True
        return entry


class UnreadableFile(ValueError, pickle.UnpicklingError, EOFError):
    """A file that is no checkpoint of any kind, or empty: PyTorch's types for these are errors of pickle."""


MAP_LOCATION = Callable[[Any, str], Any] | Device | str | dict[str, str] | None  # what ``load`` takes


def load(f: Any, map_location: MAP_LOCATION = None, *, weights_only: bool = True, **ignored: Any) -> Any:
    """Read what ``save`` wrote, a ``.safetensors`` or ``.npz`` file, or a PyTorch checkpoint of plain tensors.

    ``map_location`` is the device to load to (default: where each tensor was, if that device is here): a device, a dict
    of devices, or a function of a tensor and its device's name that returns the tensor, moved. With ``weights_only`` no
    code is run: other objects than plain data raise ``pickle.UnpicklingError``, unless they were given to
    ``serialization.add_safe_globals``. Raises FileNotFoundError, and ValueError for a file of another kind or damage.
    """
    with reading(f) as file:
        start = file.read(8)
        file.seek(0)
        if start[:4] == b"PK\x03\x04":
            return _load_zip(io.BytesIO(file.read()), map_location, f, weights_only)
        if start and start[0] == 0x80:
            raise ValueError(
                f"load: {f} is a pickle; only PyTorch's zip format (torch.save since version 1.6) can be read without running it"
            )
        try:
            return load_safetensors(file, map_location)
        except ValueError as problem:
            raise UnreadableFile(f"load: {problem}") from None


def _load_zip(file: Any, device: Any, name: Any, weights_only: bool) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.namelist()
            if "tree.json" in members:
                head = json.loads(archive.read("tree.json"))
                if head["lucid"] > FORMAT:
                    raise ValueError(f"written by a newer lucid (format {head['lucid']}, this one reads {FORMAT})")
                return _Reader(archive, device, weights_only).decode(head["tree"])
            members_of_torch = [m for m in members if m.endswith("data.pkl")]
            if members_of_torch:
                from .torch_file import read

                return read(archive, members_of_torch[0], device, weights_only)
            if all(m.endswith(".npy") for m in members):
                from .npz import read as read_npz

                return read_npz(archive, device)
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, ValueError, IndexError) as problem:
        raise ValueError(f"load: {name}: damaged, or not a file of lucid's: {problem}") from None
    raise ValueError(f"load: {name}: a zip archive without a checkpoint in it")


class _Reader:
    def __init__(self, archive: zipfile.ZipFile, device: Any, weights_only: bool):
        self.archive, self.device, self.weights_only = archive, device, weights_only
        self._tensors: dict[int, Tensor] = {}
        self._objects: dict[int, Tensor] = {}

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
        if kind == "pickle":
            return pickles.loads(self.archive.read(f"pickle/{content}"), self._in_pickle, self.weights_only)
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

    def _in_pickle(self, x: dict) -> Tensor:
        if x["object"] not in self._objects:
            self._objects[x["object"]] = self._tensor(x)
        return self._objects[x["object"]]

    def _tensor(self, x: dict) -> Tensor:
        t = self._tensors.get(x["tensor"])
        if t is None:
            data = self.archive.read(f"data/{x['tensor']}")
            device = _target(x["device"], self.device)
            t = from_bytes(data, dtypes.NAMES[x["dtype"]], tuple(x["shape"]), device)
            if callable(self.device):
                t = placed(t, x["device"], self.device)
            self._tensors[x["tensor"]] = t
        if x.get("parameter"):
            from ..nn import Parameter

            return Parameter(t, requires_grad=bool(x.get("requires_grad")))
        return t.detach().requires_grad_() if x.get("requires_grad") else t  # type: ignore[attr-defined]


def _target(saved_on: str, map_location: Any) -> Any:
    """Where to put a tensor: PyTorch's ``map_location`` may be a device, a dict of devices, or None."""
    if isinstance(map_location, dict):
        map_location = map_location.get(saved_on, saved_on)
    if callable(map_location):
        return "cpu"  # it is asked for each tensor
    if map_location is not None or saved_on.startswith("cpu"):
        return map_location
    try:
        backends.load(saved_on.partition(":")[0])
    except (ImportError, RuntimeError):
        return "cpu"  # the device it was saved from is not here
    return saved_on


def placed(t: Tensor, saved_on: str, map_location: Any) -> Tensor:
    """A tensor read to the CPU, where the function ``map_location`` puts it; None means where it was."""
    moved = map_location(t, saved_on)
    return t.to(_target(saved_on, None) or "cpu") if moved is None else moved  # type: ignore[attr-defined, no-any-return]
