"""``parity``: every op also on the reference device, and a script that reproduces the first result that differs."""

from __future__ import annotations

import base64
import functools
import io
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import base, load, loaded
from ..core import dtypes
from ..core.device import device as Device
from ..core.record import OPS, Op, wanted_by

# Relative tolerance by dtype; the absolute one is this times the largest value of the result.
TOLERANCES = {
    "float16": 5e-3, "bfloat16": 4e-2, "float32": 1e-4, "complex64": 1e-4, "float64": 1e-9, "complex128": 1e-9,
}  # fmt: skip
# Not compared: what moves data, what is not yet written, and factors that are unique only up to signs or phases.
FREE = {"to_device", "empty", "svd", "eig", "eigh", "qr", "householder", "lstsq", "geqrf"}
INLINE = 1 << 16  # bytes of arrays that go into the script itself; more go into a file beside it


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
            hosted = _down(backend, args), _down(backend, kwargs)
            out = kernel(*args, **kwargs)
            self.compare(name, backend, out, lambda: other(*hosted[0], **hosted[1]), *hosted)
            return out

        return run

    def _guarded_update(self, backend: Any) -> Callable:
        step = type(backend).apply_update

        def apply_update(rule: Callable, params: Any, grads: Any, states: Any, scalars: dict, cache: Any = None) -> Any:
            hosted = _down(backend, ([*params], [*grads], [list(s) for s in states]))
            out = step(backend, rule, params, grads, states, scalars, cache)
            got = [*out[0]], [list(s) for s in out[1]]

            def again() -> Any:
                done = base.Backend.apply_update(self.reference, rule, hosted[0], hosted[1], hosted[2], scalars)
                return [*done[0]], [list(s) for s in done[1]]

            self.compare(f"optimizer rule {getattr(rule, '__name__', rule)}", backend, got, again, hosted, {})
            return out

        return apply_update

    # ---- comparison ----

    def compare(
        self, name: str, backend: Any, got: Any, reference: Callable, args: Any, kwargs: Any, rule: Any = None
    ) -> None:
        got = _down(backend, got)
        try:
            with np.errstate(all="ignore"):
                expected = reference()
        except Exception as problem:
            fault: str | None = (
                f"{self.reference.name} raises {type(problem).__name__}: {problem}; {backend.name} gives a result"
            )
        else:
            fault = self.difference(got, expected)
        if fault is not None:
            text = f"on {backend.name!r} it differs from {self.reference.name!r}: {fault}"
            raise self.error(name, text, backend.name, args, kwargs, rule)

    def difference(self, got: Any, expected: Any) -> str | None:
        """Where two results differ, in words; None where they agree."""
        if isinstance(got, tuple | list) and isinstance(expected, tuple | list):
            if len(got) != len(expected):
                return f"{len(got)} results for {len(expected)}"
            for i, (g, e) in enumerate(zip(got, expected, strict=True)):
                fault = self.difference(g, e)
                if fault is not None:
                    return f"output {i}: {fault}"
            return None
        if got is None or expected is None:
            return None if got is expected else f"{got} for {expected}"
        a, b = np.asarray(got), np.asarray(expected)
        if a.shape != b.shape:
            return f"shape {a.shape} for {b.shape}"
        if a.dtype != b.dtype and {a.dtype.name, b.dtype.name} != {"complex64", "complex128"}:
            return f"dtype {a.dtype} for {b.dtype}"
        if a.dtype.kind in "biu":
            close = a == b
            wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
        else:
            relative = max(TOLERANCES.get(v.dtype.name, 0.0) for v in (a, b)) if self.rtol is None else self.rtol
            kind = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
            wide_a, wide_b = a.astype(kind), b.astype(kind)
            finite = np.abs(wide_b[np.isfinite(wide_b)])
            absolute = relative * float(finite.max(initial=0.0)) if self.atol is None else self.atol
            with np.errstate(all="ignore"):
                close = np.isclose(wide_a, wide_b, rtol=relative, atol=absolute, equal_nan=True)
        if np.all(close):
            return None
        with np.errstate(all="ignore"):
            apart = np.where(close, 0.0, np.nan_to_num(np.abs(wide_a - wide_b), nan=np.inf))
        worst = tuple(int(i) for i in np.unravel_index(int(np.argmax(apart)), a.shape))
        return (
            f"{int(a.size - np.sum(close))} of {a.size} elements, most at {worst}: {wide_a[worst].item()} for {wide_b[worst].item()} "
            f"({a.dtype}, shape {a.shape})"
        )

    def error(self, name: str, problem: str, device: str, args: Any, kwargs: Any, rule: Any) -> ParityError:
        stem = "".join(c if c.isalnum() else "_" for c in name)
        path = self.folder / f"lucid_parity_{stem}_{os.getpid()}_{next(_numbers)}.py"
        script = write_script(name, problem, device, self.reference.name, args, kwargs, rule, path)
        return ParityError(name, problem, script, str(path))


_numbers = iter(range(10**9))
_active: list[_Guard] = []


def _down(backend: Any, value: Any) -> Any:
    """A value with every array of the backend brought to the host, as copies."""
    if isinstance(value, backend.array_types):
        return np.array(backend.to_host(value))
    if type(value) in (tuple, list):
        return type(value)(_down(backend, v) for v in value)
    if type(value) is dict:
        return {k: _down(backend, v) for k, v in value.items()}
    if type(value).__name__ == "Dtype":  # MLX's own
        return getattr(dtypes, backend.dtype_name(value))
    return value


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
        hosted = _down(backend, (g, *saved))
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


# ---- the script ----


def _packed(array: np.ndarray) -> str:
    file = io.BytesIO()
    np.save(file, array.view(np.uint16) if array.dtype.name == "bfloat16" else array, allow_pickle=False)
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


def unpacked(text: str, dtype: str) -> np.ndarray:
    """An array of a parity script."""
    array = np.load(io.BytesIO(zlib.decompress(base64.b64decode(text))), allow_pickle=False)
    return array.view(load("cpu").native[dtype]) if dtype == "bfloat16" else array


def _source(value: Any, arrays: list[np.ndarray]) -> str:
    """A value as Python code."""
    if isinstance(value, np.ndarray | np.generic):
        arrays.append(np.asarray(value))
        return f"a[{len(arrays) - 1}]"
    if type(value) in (tuple, list):
        inside = ", ".join(_source(v, arrays) for v in value)
        return f"[{inside}]" if type(value) is list else f"({inside}{',' if len(value) == 1 else ''})"
    if type(value) is dict:
        return "{" + ", ".join(f"{k!r}: {_source(v, arrays)}" for k, v in value.items()) + "}"
    if isinstance(value, dtypes.dtype):
        return f"lucid.{value.name}"
    if isinstance(value, Device):
        return f"lucid.device({str(value)!r})"
    if isinstance(value, float) and not np.isfinite(value):
        return f'float("{value}")'
    return "..." if value is Ellipsis else repr(value)


def write_script(
    name: str, problem: str, device: str, reference: str, args: Any, kwargs: Any, rule: tuple | None, path: Path
) -> str:
    """The script that runs one kernel or rule on both devices; written to ``path`` in one piece."""
    arrays: list[np.ndarray] = []
    call = f"args, kwargs = {_source(args, arrays)}, {_source(kwargs, arrays)}"
    inline = sum(a.nbytes for a in arrays) <= INLINE
    data = path.with_suffix(".npz")
    if inline:
        lines = [f"    unpacked({_packed(a)!r}, {a.dtype.name!r})," for a in arrays]
        loading = "\n".join(["a = [", *lines, "]"])
    else:
        plain = {f"a{i}": a.view(np.uint16) if a.dtype.name == "bfloat16" else a for i, a in enumerate(arrays)}
        _replace(data, lambda file: np.savez(file, **plain))  # type: ignore[arg-type]
        kinds = [a.dtype.name for a in arrays]
        loading = (
            f"stored, kinds = np.load({str(data)!r}), {kinds!r}\n"
            'a = [stored[f"a{i}"].view(backends.load("cpu").native[k]) if k == "bfloat16" else stored[f"a{i}"] for i, k in enumerate(kinds)]'
        )
    if rule is not None:
        run = f"replay_rule({rule[0]!r}, {rule[1]!r}, {device!r}, {reference!r}, args)"
    elif name.startswith("optimizer rule"):
        run = "print('the arguments of the step: parameters, gradients, states', args)"
    else:
        run = f"replay({name!r}, {device!r}, {reference!r}, args, kwargs)"
    script = (
        f'"""lucid parity: {name}: {problem}"""\n\nimport numpy as np\n\nimport lucid\nfrom lucid import backends\n'
        f"from lucid.testing.parity import replay, replay_rule, unpacked\n\n{loading}\n{call}\n{run}\n"
    )
    _replace(path, lambda file: file.write(script.encode()))
    return script


def _replace(path: Path, write: Callable[[Any], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        write(file)
    os.replace(temporary, path)


def _up(backend: Any, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return backend.from_host(value)
    return type(value)(_up(backend, v) for v in value) if type(value) in (tuple, list) else value


def _check(name: str, device: Any, reference: Any, run: Callable[[Any], Any]) -> None:
    fault = _Guard(reference.name, None, None, None).difference(
        _down(device, run(device)), _down(reference, run(reference))
    )
    if fault is not None:
        raise AssertionError(f"{name} on {device.name!r} differs from {reference.name!r}: {fault}")


def replay(name: str, device: str, reference: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Run one kernel on both devices (what a parity script calls); AssertionError where they differ."""

    def run(backend: Any) -> Any:
        kernel = getattr(backend.table, name)
        return kernel(*_up(backend, tuple(args)), **{k: _up(backend, v) for k, v in kwargs.items()})

    _check(name, load(device), load(reference), run)


def replay_rule(name: str, i: int | None, device: str, reference: str, args: Sequence[Any]) -> None:
    """Run one derivative rule on both devices (what a parity script calls); AssertionError where they differ."""
    op = OPS[name]
    rule = op.joint if i is None else op.derivatives[i]
    assert rule is not None
    _check(f"derivative of {name}", load(device), load(reference), lambda b: rule(b.table, *_up(b, tuple(args))))
