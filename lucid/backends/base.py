"""What a backend is, and how one is found: by the type of an array, or by the name of a device."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from types import SimpleNamespace
from typing import Any

import numpy as np

from .composed import complete

SCALAR_TYPES = (np.generic,)  # what NumPy's ufuncs return for 0-d inputs


class Backend:
    """One array library behind one interface.

    ``table`` holds the dialect: a function per name, on raw arrays. ``native`` maps dtype names to the library's
    own dtype objects. Capabilities are data in ``caps``, so that nothing is found out by try and except.
    """

    name: str = ""  # as in `device="cpu"`
    array_types: tuple[type, ...] = ()
    table: SimpleNamespace
    native: dict[str, Any]
    several: bool = False  # whether there is more than one device, one of which is current
    writes_in_place: bool = True  # whether arrays are memory that can be written, and slices alias it
    caps: SimpleNamespace
    random: Any  # a namespace of samplers: uniform(generator, shape, dtype) and so on

    def __init__(self) -> None:
        self._names = {native: name for name, native in self.native.items()}

    def native_dtype(self, name: str) -> Any:
        """The library's dtype of this name; TypeError where it has none."""
        found = self.native.get(name)
        if found is None:
            raise TypeError(f"dtype {name} is not available on {self.name!r}; it has {', '.join(self.native)}")
        return found

    def dtype_name(self, native: Any) -> str:
        return self._names.get(native, str(native))

    def kernel(self, name: str) -> Callable | None:
        """The function that runs the op of this name on raw arrays; None where there is none."""
        return getattr(self.table, name, None)

    def device_of(self, array: Any) -> tuple[str, int]:
        return self.name, 0

    def array(self, value: Any) -> Any:
        """A kernel's result as an array (NumPy returns scalars for 0-d)."""
        return value

    def from_host(self, host: np.ndarray, index: int = 0, copy: bool = False) -> Any:
        raise NotImplementedError

    def to_host(self, array: Any) -> np.ndarray:
        """As a NumPy array; shares memory only where writing through it is safe."""
        raise NotImplementedError

    def copy(self, array: Any) -> Any:
        raise NotImplementedError

    def own(self, array: Any) -> Any:
        """A gradient as an array of its own: contiguous, writable, shared with nobody."""
        return self.copy(array)

    def add_into(self, total: Any, array: Any) -> Any:
        """``total += array`` where the library can; returns the sum."""
        return total + array

    def assign(self, target: Any, source: Any) -> None:
        """Overwrite the memory of ``target``; only where ``writes_in_place``."""
        raise NotImplementedError

    def aliases(self, result: Any, source: Any) -> bool:
        """Whether the result of a view op shares memory with its input (or counts as if it did)."""
        return True

    def overlap(self, x: Any, y: Any) -> bool:
        """Whether two arrays may have elements in common; never where arrays cannot be written to."""
        return False

    def dlpack(self, array: Any, **kwargs: Any) -> Any:
        return array.__dlpack__(**kwargs)

    def quiet(self) -> AbstractContextManager:
        """A context without floating-point warnings."""
        return nullcontext()

    def synchronize(self) -> None:
        """Wait until all work that was asked for is done."""

    def follow(self, array: Any) -> None:
        """Make the device of an array the current one, inside ``quiet()``; only asked where there are ``several``."""

    def hand_over(self) -> None:
        """Make what this thread has made fit for use in others, where that needs more than nothing."""

    def known_bounds(self, indices: Any, low: int, high: int) -> tuple[int, int] | None:
        """The least and the largest of some indices, or any two numbers from ``low`` to ``high`` if they are all in there.

        None where looking would wait for the device, whose kernels look then.
        """
        return int(self.table.amin(indices)), int(self.table.amax(indices))

    def allow_tf32(self, allowed: bool) -> None:
        """Whether float32 products may use shorter mantissas, where the device can."""

    def apply_update(
        self,
        rule: Callable,
        params: Sequence[Any],
        grads: Sequence[Any],
        states: Sequence[Sequence[Any]],
        scalars: dict[str, Any],
        cache: dict | None = None,
    ) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:
        """Run an optimizer rule on each parameter; returns the new parameters and states.

        ``rule(xp, p, g, *state, **scalars) -> (p, *state)`` is a pure function of arrays; ``states`` holds one sequence
        per name of state. Scalars that are floats may differ at every call, and rules never branch on them; all others
        (flags, None, ints, tuples) are fixed, and rules may. A rule marked ``elementwise`` may be cut into blocks, run
        on several parameters laid end to end, and compiled; others run on one parameter at a time.

        Backends that can write in place do, and return the very sequences they were given, with one exception: they
        may return other arrays for the state (views of one long buffer, say), which the caller then keeps. ``cache``
        is a dict that the caller passes again as long as parameters and states are the same arrays as in the last
        call (as returned); what is kept there, and for how long it holds, is the backend's business.
        """
        new_params, new_states = [], []
        for p, g, *state in zip(params, grads, *states, strict=True):
            p, *state = rule(self.table, p, g, *state, **scalars)
            new_params.append(p)
            new_states.append(state)
        return new_params, [list(s) for s in zip(*new_states, strict=True)] if states else []

    # Random numbers: a generator is the library's own state, made from a seed.

    def generator(self, seed: int, index: int = 0) -> Any:
        raise NotImplementedError


_by_type: dict[type, Backend] = {}
_scalar_types: dict[type, Backend] = {}  # NumPy's scalars, which reductions to 0-d return; no array types
_by_name: dict[str, Backend] = {}
_MODULES = {"cpu": ".numpy_", "cuda": ".cupy_", "mlx": ".mlx_", "meta": "..core.meta"}


def register(backend: Backend) -> Backend:
    """Make a backend findable by its array types and, if it has one, its device name."""
    complete(backend.table)
    for kind in backend.array_types:
        _by_type[kind] = backend
    if backend.name:
        _by_name[backend.name] = backend
    return backend


def load(name: str) -> Backend:
    """The backend of a device name; imports its library at the first call."""
    found = _by_name.get(name)
    if found is None:
        if name == "cuda":
            from .catalogue import cuda_fault

            fault = cuda_fault()
            if fault is not None:  # said before CuPy's own imports fail in many lines
                from ..core.errors import DeviceMissing

                raise DeviceMissing(f"device 'cuda' is not available: {fault}")
        if name not in _MODULES:
            raise RuntimeError(f"no backend for device {name!r}; known: {', '.join(_MODULES)}")
        found = importlib.import_module(_MODULES[name], __package__).backend()
        register(found)
    return found


def loaded() -> list[Backend]:
    return list(_by_name.values())


def known_array_types() -> tuple[type, ...]:
    return tuple(_by_type)


def backend_of_type(kind: type) -> Backend:
    found = _by_type.get(kind) or _scalar_types.get(kind)
    if found is not None:
        return found
    for known, backend in list(_by_type.items()):
        if issubclass(kind, known):
            _by_type[kind] = backend
            return backend
    if issubclass(kind, np.generic):
        _scalar_types[kind] = _by_name["cpu"]
        return _by_name["cpu"]
    module = kind.__module__.partition(".")[0]
    name = {"cupy": "cuda", "mlx": "mlx"}.get(module)
    if name is not None and name not in _by_name:
        load(name)
        return backend_of_type(kind)
    raise TypeError(f"not an array of a known library: {kind.__module__}.{kind.__qualname__}")


def backend_of(array: Any) -> Backend:
    return _by_type.get(type(array)) or backend_of_type(type(array))


# ---- Python data to host arrays ----------------------------------------------------------------------------------------


def host_array(data: Any, default_float: str, wanted: str | None = None) -> np.ndarray:
    """Nested Python numbers (and arrays and tensors inside) as a NumPy array of the dtype that PyTorch would choose."""
    kinds: set = set(map(type, data)) if type(data) is list else {type(data)}
    if kinds == {float}:  # numbers and lists of them are the common case: `x * 0.3`, `x[0] = 1`, `x[[0, 2]]`
        return np.array(data, _real(default_float, wanted))
    if kinds == {int} and (array := np.array(data)).dtype == np.int64:
        return array
    if kinds == {list} and set(map(type, chain.from_iterable(data))) == {float} and len(set(map(len, data))) == 1:
        return np.array(data, _real(default_float, wanted))
    if hasattr(data, "__array__") and not isinstance(data, np.ndarray | np.generic):
        return np.asarray(data)
    if hasattr(data, "__dlpack__") and not isinstance(data, np.ndarray):
        return np.from_dlpack(data)
    if isinstance(data, np.ndarray | np.generic):
        return np.asarray(data)
    if isinstance(data, str | bytes):
        raise TypeError(f"tensor: can't make a tensor from {type(data).__name__} {data!r}")
    if isinstance(data, memoryview | bytearray):
        return np.asarray(data)
    if isinstance(data, range):
        return np.asarray(data, dtype=np.int64)
    kinds = set()
    plain = _plain(data, kinds)
    _check_nested(plain, _nested_shape(plain))
    try:
        array = np.array(plain)
    except (ValueError, OverflowError) as problem:
        raise type(problem)(f"tensor: {problem}") from None
    holds_arrays = any(isinstance(kind, np.dtype) for kind in kinds)
    if array.size == 0 and not holds_arrays:
        return array.astype(default_float)
    if wanted == "uint64" and array.dtype.kind == "f" and not holds_arrays:  # ints on both sides of 2**63
        return np.array(plain, wanted)
    if array.dtype.kind == "f" and wanted is None and kinds <= {int, bool}:  # ints that int64 does not hold
        raise ValueError("tensor: Overflow when unpacking long long: ints of 2**63 and more need dtype=uint64")
    if array.dtype == object:
        from ..core.errors import DataError

        strange = (
            ", ".join(
                sorted(
                    {kind.__name__ for kind in kinds if isinstance(kind, type)} - {"int", "float", "bool", "complex"}
                )
            )
            or "huge int"
        )
        if strange == "huge int":
            raise ValueError("tensor: Overflow when unpacking long long: an int of more than 64 bits")
        raise DataError(f"tensor: can't make a tensor from {strange} objects; expected numbers")
    real = _real(default_float, wanted)
    if holds_arrays:
        return array.astype(_common_dtype(kinds, real), copy=False)
    if array.dtype.kind == "f":
        return array.astype(real, copy=False)
    if array.dtype.kind == "c":
        return array if wanted == "complex128" or default_float == "float64" else array.astype(np.complex64)
    if array.dtype.kind == "i":
        return array.astype(np.int64, copy=False)
    return array


def _real(default_float: str, wanted: str | None) -> str:
    """The NumPy dtype of Python floats on their way to the wanted dtype."""
    if wanted in ("float64", "complex128") or default_float == "float64":
        return "float64"
    return "float32" if default_float == "bfloat16" else default_float


def _common_dtype(kinds: set, real: str) -> np.dtype:
    """The dtype of arrays and Python numbers in one list: the widest of the highest category, as PyTorch promotes."""
    python = {float: np.dtype(real), complex: np.result_type(real, "complex64"), int: np.dtype("int64")}
    dtypes = [kind if isinstance(kind, np.dtype) else python.get(kind, np.dtype(bool)) for kind in kinds]
    highest = max(map(_category, dtypes))
    return np.result_type(*[dtype for dtype in dtypes if _category(dtype) == highest])


def _category(dtype: np.dtype) -> int:
    return {"b": 0, "u": 1, "i": 1, "c": 3}.get(dtype.kind, 2)  # bfloat16 has a kind of its own


def _plain(data: Any, kinds: set) -> Any:
    """Tensors inside nested lists as arrays, those of one element as numbers; notes the kinds of what is inside."""
    kind = type(data)
    if isinstance(data, list | tuple):
        return [_plain(v, kinds) for v in data]
    if kind is not float and kind is not int and hasattr(data, "__array__"):
        array = np.asarray(data.detach() if getattr(data, "requires_grad", False) else data)
        kinds.add(array.dtype)
        array = array.astype(np.float32) if array.dtype.kind == "V" else array  # bfloat16 does not mix with numbers
        return array.reshape(())[()] if array.size == 1 and not isinstance(data, np.ndarray) else array
    kinds.add(kind)
    return data


def _nested_shape(data: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(data, list | tuple):
        shape.append(len(data))
        if not data:
            break
        data = data[0]
    if hasattr(data, "shape"):
        shape.extend(data.shape)
    return tuple(shape)


def _check_nested(data: Any, shape: tuple[int, ...], depth: int = 0) -> None:
    if isinstance(data, list | tuple):
        if depth >= len(shape):
            raise TypeError(f"tensor: a sequence at depth {depth} where its neighbours are numbers")
        if len(data) != shape[depth]:
            raise ValueError(f"tensor: expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
        if data and (isinstance(data[0], list | tuple) or getattr(data[0], "shape", ())):
            for part in data:
                _check_nested(part, shape, depth + 1)
        elif any(isinstance(part, list | tuple) for part in data):
            raise TypeError(f"tensor: numbers and sequences mixed at dim {depth + 1}; expected only numbers")
    elif hasattr(data, "shape"):
        if tuple(data.shape) != tuple(shape[depth:]):
            raise ValueError(
                f"tensor: expected an array of shape {shape[depth:]} at dim {depth} (got {tuple(data.shape)})"
            )
    elif depth < len(shape):
        raise ValueError(f"tensor: expected a sequence of length {shape[depth]} at dim {depth} (got a number)")


def read_npy(file: Any) -> np.ndarray:
    """One array of a ``.npy`` file; ValueError for object arrays, which would be pickles."""
    return np.lib.format.read_array(file, allow_pickle=False)


def host_cast(host: np.ndarray, dtype: Any, copy: bool | None) -> np.ndarray:
    """What ``np.asarray(tensor, dtype, copy)`` wants."""
    if dtype is not None and host.dtype != dtype:
        return host.astype(dtype)
    return host.copy() if copy else host
