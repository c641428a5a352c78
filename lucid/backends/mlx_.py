"""MLX: the Apple GPU on a Mac, the CPU build elsewhere.

The table is native kernels, in the families ``mlx_<family>.py``. A family's ``FITS`` says for which arguments a kernel is
right; elsewhere, and for what MLX lacks, NumPy's is taken (``mlx_host``), which waits for the device. Arrays are never
written in place: a write puts a new array into the tensor, and views follow (core/view.py).
"""

from __future__ import annotations

import contextlib
import importlib
import threading
import weakref
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from .base import Backend, load
from .composed import complete

try:
    import mlx.core as mx
except ImportError:
    raise ImportError("the 'mlx' device needs MLX: pip install lucid[mlx]") from None

from .mlx_dtypes import BOUNDS, INTEGERS, NATIVE, ON_GPU, from_host, native, to_host
from .mlx_host import TRIPS, or_host, through_host
from .mlx_random import RANDOM
from .numpy_ import public_functions
from .refusals import BOOL, COMPLEX, FLOAT, refuse

FAMILIES = ("dtypes", "elementwise", "reduce", "shape", "index", "products", "pool", "sort", "fft", "fast")
NOT_KERNELS = {"inexact", "not_double", "scattering", "scatters", "to_host", "from_host"}


def _category(dtype: Any) -> str:
    return COMPLEX if dtype == mx.complex64 else BOOL if dtype == mx.bool_ else "int" if dtype in INTEGERS else FLOAT


def _table() -> SimpleNamespace:
    from . import mlx_elementwise, mlx_fast

    table: dict[str, Any] = {name: getattr(mx, name) for name in mlx_elementwise.SAME}
    table |= {name: getattr(mx, theirs) for name, theirs in mlx_elementwise.RENAMED.items()}
    fits: dict[str, Callable[..., bool]] = {}
    for family in FAMILIES:
        module = importlib.import_module(f".mlx_{family}", __package__)
        table |= {name: f for name, f in public_functions(module).items() if name not in NOT_KERNELS}
        fits |= getattr(module, "FITS", {})
    table |= {name: or_host(name, test, table[name]) for name, test in fits.items()}
    made = SimpleNamespace(**table)
    complete(made)
    for name in vars(load("cpu").table):
        if not hasattr(made, name):
            setattr(made, name, through_host(name))
    refuse(made, _category)
    vars(mlx_fast.TABLE).update(vars(made))
    return made


class Pending(threading.local):
    """What this thread has computed and nobody has asked for yet.

    MLX records ops and computes when a value is looked at. An array that is carried from step to step and never looked
    at (a running mean, ``total += loss.detach()``) would hold the graph, and so the data, of every step. Therefore all
    results are remembered weakly, and those still alive are evaluated together: at the end of each optimizer step, and
    whenever ``LIMIT`` ops have been recorded, then without waiting. Dead ones (most: intermediate results) cost nothing.
    """

    LIMIT = 256

    def __init__(self) -> None:
        self.refs: list[weakref.ref] = []
        self.eager = threading.current_thread() is not threading.main_thread()

    def evaluate(self, *more: Any, wait: bool = True) -> None:
        alive = [array for array in (ref() for ref in self.refs) if array is not None]
        self.refs.clear()
        start = mx.eval if wait else mx.async_eval
        try:
            start(alive, *more)
        except ValueError:  # inside mx.compile or mx.vjp nothing can be evaluated, nor need be; the rest can
            for array in alive:
                with contextlib.suppress(ValueError):
                    start(array)
        except RuntimeError as problem:
            if "Stream" not in str(problem):
                raise
            raise RuntimeError(
                "MLX cannot compute in this thread what was recorded in another: call lucid.backends.load('mlx').hand_over() "
                "in the thread that made the tensor, before this one uses it"
            ) from problem


class MlxBackend(Backend):
    name = "mlx"
    array_types = (mx.array,)
    native = NATIVE
    writes_in_place = False
    caps = SimpleNamespace(float64=not ON_GPU, complex128=False, mask_read=False, aliases=False)

    def __init__(self) -> None:
        super().__init__()
        self.table = _table()
        self.random = RANDOM
        self.pending = Pending()

    def native_dtype(self, name: str) -> Any:
        return native(SimpleNamespace(name=name))

    def array(self, value: Any) -> Any:
        """Every result of an op comes by here: remembered for the next evaluation, see ``Pending``.

        In a thread other than the main one it is evaluated at once: MLX cannot do so later in another thread.
        """
        value = value if isinstance(value, mx.array) else mx.array(value)
        pending = self.pending
        pending.refs.append(weakref.ref(value))
        if pending.eager or len(pending.refs) >= pending.LIMIT:
            pending.evaluate(wait=pending.eager)
        return value

    def from_host(self, host: np.ndarray, index: int = 0, copy: bool = False) -> Any:
        native(host.dtype)  # complex128 is refused; where NumPy's kernels make it (eigenvalues), it is narrowed
        return from_host(host)

    def to_host(self, array: Any) -> np.ndarray:
        return to_host(array)

    def copy(self, array: Any) -> Any:
        return self.array(mx.array(array))

    def own(self, array: Any) -> Any:
        return self.array(array)  # never written in place, so sharing is safe

    def add_into(self, total: Any, array: Any) -> Any:
        return self.array(total + array)

    def known_bounds(self, indices: Any, low: int, high: int) -> tuple[int, int]:
        """As seen on the host, if that is enough to know; else the device is waited for, once for each array."""
        known = BOUNDS.get(id(indices))
        if known is None or ((known[0] < low or known[1] > high) and not known[2]):
            TRIPS["bounds"] += 1
            BOUNDS.note(indices, int(self.table.amin(indices)), int(self.table.amax(indices)))
            known = BOUNDS[id(indices)]
        return known[:2]

    def hand_over(self) -> None:
        self.pending.evaluate()

    def synchronize(self) -> None:
        self.pending.evaluate()
        mx.synchronize()

    def apply_update(
        self, rule: Callable, params: Sequence[Any], grads: Sequence[Any], states: Sequence[Sequence[Any]],
        scalars: dict[str, Any], cache: dict | None = None,
    ) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:  # fmt: skip
        """The rule on each parameter, and one evaluation of everything at the end of the step."""
        results = super().apply_update(rule, params, grads, states, scalars, cache)
        self.pending.evaluate(results)
        return results


def backend() -> MlxBackend:
    return MlxBackend()
