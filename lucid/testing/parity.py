"""``parity``: every op also on the reference device, and a script that reproduces the first result that differs."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import base, load, loaded
from ..core.device import device as Device
from ..core.record import OPS, Op, wanted_by
from .replay import difference, down, write_script

# Not compared: what moves data, what is not yet written, and factors that are unique only up to signs or phases.
FREE = {"to_device", "empty", "svd", "eig", "eigh", "qr", "householder", "lstsq", "geqrf"}


class ParityError(AssertionError):
    """A result differs from the reference's: ``op`` names the op, ``script`` reproduces it, ``path`` is where it was written."""

    def __init__(self, op: str, problem: str, script: str, path: str):
        super().__init__(
            f"parity: {op}: {problem}\nreproduce with: python {path}\n\n{script if len(script) < 4000 else ''}"
        )
        self.op, self.problem, self.script, self.path = op, problem, script, path


class _Guard:
    """What one ``parity`` block watches, and with which tolerances."""

    def __init__(self, reference: str, rtol: float | None, atol: float | None, folder: Any):
        self.reference = load(Device(reference).type)
        self.rtol, self.atol = rtol, atol
        self.folder = Path(folder or tempfile.gettempdir())
        self.tables: dict[int, Any] = {}  # guarded tables by id, to their backends
        self.restore: list[Callable[[], None]] = []

    # ---- hooks ----

    def watch(self, backend: Any) -> None:
        """Put a guard before every kernel of a backend's table and before its optimizer steps."""
        if (
            backend is self.reference
            or not backend.name
            or not hasattr(backend, "native")
            or id(backend.table) in self.tables
        ):
            return
        table, before = backend.table, dict(vars(backend.table))
        self.tables[id(table)] = backend
        for name, kernel in before.items():
            other = getattr(self.reference.table, name, None)
            if callable(kernel) and other is not None and name not in FREE:
                setattr(table, name, self._guarded(backend, name, kernel, other))
        backend.apply_update = self._guarded_update(backend)
        _forget(backend)

        def undo() -> None:
            vars(table).clear()
            vars(table).update(before)
            del backend.apply_update
            _forget(backend)

        self.restore.append(undo)

    def _guarded(self, backend: Any, name: str, kernel: Callable, other: Callable) -> Callable:
        @functools.wraps(kernel)
        def run(*args: Any, **kwargs: Any) -> Any:
            if not any(_has_array(backend, v) for v in (*args, *kwargs.values())):
                return kernel(*args, **kwargs)
            hosted = down(backend, args), down(backend, kwargs)
            out = kernel(*args, **kwargs)
            self.compare(name, backend, out, lambda: other(*hosted[0], **hosted[1]), *hosted)
            return out

        return run

    def _guarded_update(self, backend: Any) -> Callable:
        step = type(backend).apply_update

        def apply_update(rule: Callable, params: Any, grads: Any, states: Any, scalars: dict, cache: Any = None) -> Any:
            hosted = down(backend, ([*params], [*grads], [list(s) for s in states]))
            out = step(backend, rule, params, grads, states, scalars, cache)
            got = [*out[0]], [list(s) for s in out[1]]

            def again() -> Any:
                done = base.Backend.apply_update(self.reference, rule, hosted[0], hosted[1], hosted[2], scalars)
                return [*done[0]], [list(s) for s in done[1]]

            where = {"rule": f"{rule.__module__}:{rule.__qualname__}", **scalars}
            self.compare(f"optimizer rule {rule.__name__}", backend, got, again, hosted, where)
            return out

        return apply_update

    # ---- comparison ----

    def compare(
        self, name: str, backend: Any, got: Any, reference: Callable, args: Any, kwargs: Any, rule: Any = None
    ) -> None:
        got = down(backend, got)
        try:
            with np.errstate(all="ignore"):
                expected = reference()
        except Exception as problem:
            fault: str | None = (
                f"{self.reference.name} raises {type(problem).__name__}: {problem}; {backend.name} gives a result"
            )
        else:
            fault = difference(got, expected, self.rtol, self.atol)
        if fault is not None:
            text = f"on {backend.name!r} it differs from {self.reference.name!r}: {fault}"
            raise self.error(name, text, backend.name, args, kwargs, rule)

    def error(self, name: str, problem: str, device: str, args: Any, kwargs: Any, rule: Any) -> ParityError:
        stem = "".join(c if c.isalnum() else "_" for c in name)
        path = self.folder / f"lucid_parity_{stem}_{os.getpid()}_{next(_numbers)}.py"
        script = write_script(name, problem, device, self.reference.name, args, kwargs, rule, path)
        return ParityError(name, problem, script, str(path))


_numbers = iter(range(10**9))
_active: list[_Guard] = []


def _has_array(backend: Any, value: Any) -> bool:
    if type(value) in (tuple, list):
        return any(_has_array(backend, v) for v in value)
    return isinstance(value, backend.array_types)


def _every_op() -> Iterator[Op]:
    for op in list(OPS.values()):
        yield op
        if op.complex_form is not None:
            yield op.complex_form


def _forget(backend: Any) -> None:
    """The kernels that ops found in this backend's table before."""
    for op in _every_op():
        for kind in backend.array_types:
            op.kernels.pop(kind, None)


# ---- derivative rules ----


@functools.cache
def _guarded_rule(name: str, i: int | None, rule: Callable) -> Callable:
    """A rule that compares itself while a ``parity`` block is open; made once, since the engine remembers rules."""

    def run(xp: Any, g: Any, *saved: Any) -> Any:
        out = rule(xp, g, *saved)
        guard = _active[-1] if _active else None
        backend = guard.tables.get(id(xp)) if guard is not None else None
        if guard is None or backend is None or name in FREE:
            return out
        hosted = down(backend, (g, *saved))
        what = f"derivative of {name}" if i is None else f"derivative {i} of {name}"
        guard.compare(what, backend, out, lambda: rule(guard.reference.table, *hosted), hosted, {}, (name, i))
        return out

    run.names = ("xp", "g", *wanted_by(rule))  # type: ignore[attr-defined]
    return run


def _guard_rules() -> Callable[[], None]:
    """Guard the rules of all ops; returns what puts the rules back."""
    saved = [(op, op.derivatives, op.joint, op.rules, op.step) for op in _every_op()]
    for op in {id(op): op for op in _every_op()}.values():
        op.step = None
        if op.joint is not None:
            if not op.conjugates:
                op.joint = _guarded_rule(op.name, None, op.joint)
        else:
            op.derivatives = tuple(_guarded_rule(op.name, i, r) for i, r in enumerate(op.derivatives))
            op.rules = tuple(op._bind(i) for i in range(len(op.derivatives)))

    def undo() -> None:
        for op, derivatives, joint, rules, step in saved:
            op.derivatives, op.joint, op.rules, op.step = derivatives, joint, rules, step

    return undo


@contextmanager
def parity(
    reference: str = "cpu", *, rtol: float | None = None, atol: float | None = None, folder: Any = None
) -> Iterator[None]:
    """Run every op of the other devices on ``reference`` too, forward and backward, and stop at the first that differs.

    Inputs are brought to the host before each kernel, derivative rule and optimizer step, and results are compared there:
    NaN equals NaN, dtypes and shapes must agree, floats within ``rtol`` times the value plus ``atol`` (default: by dtype, 1e-4 for
    float32, and as much of the largest value). ParityError (an AssertionError) names the op and holds a script that
    reproduces the difference, written to ``folder`` (default: the temporary folder). Factors unique only up to a sign
    (svd, eigh, qr) are not compared. It waits for the device at every op: for finding faults, not for training. The whole
    process is watched, other threads too; outside the block nothing is left of it and nothing costs anything.

    >>> import lucid
    >>> with lucid.testing.parity("cpu"):
    ...     y = lucid.ones(3).exp()  # a tensor on the reference itself: nothing to compare
    """
    if _active:
        raise RuntimeError("parity: one block is open already")
    guard = _Guard(reference, rtol, atol, folder)
    register = base.register

    def registered(backend: Any) -> Any:
        result = register(backend)
        guard.watch(result)
        return result

    for backend in loaded():
        guard.watch(backend)
    guard.restore.append(_guard_rules())
    _active.append(guard)
    base.register = registered
    try:
        yield
    finally:
        base.register = register
        _active.clear()
        for undo in reversed(guard.restore):
            undo()
