"""What a parity script runs: one kernel, rule or optimizer step on two devices, and the comparison; and how scripts are written."""

from __future__ import annotations

import base64
import functools
import importlib
import io
import os
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import load
from ..backends.base import Backend
from ..core import dtypes
from ..core.device import device as Device
from ..core.record import OPS

# Relative tolerance by dtype; the absolute one is this times the largest value of the result.
TOLERANCES = {
    "float16": 5e-3, "bfloat16": 4e-2, "float32": 1e-4, "complex64": 1e-4, "float64": 1e-9, "complex128": 1e-9,
}  # fmt: skip
INLINE = 1 << 16  # bytes of arrays that go into the script itself; more go into a file beside it


def down(backend: Any, value: Any) -> Any:
    """A value with every array of the backend brought to the host, as copies."""
    if isinstance(value, backend.array_types):
        return np.array(backend.to_host(value))
    if type(value) in (tuple, list):
        return type(value)(down(backend, v) for v in value)
    if type(value) is dict:
        return {k: down(backend, v) for k, v in value.items()}
    if type(value).__name__ == "Dtype":  # MLX's own
        return getattr(dtypes, backend.dtype_name(value))
    return value


def difference(got: Any, expected: Any, rtol: float | None = None, atol: float | None = None) -> str | None:
    """Where two results differ, in words; None where they agree."""
    if isinstance(got, tuple | list) and isinstance(expected, tuple | list):
        if len(got) != len(expected):
            return f"{len(got)} results for {len(expected)}"
        for i, (g, e) in enumerate(zip(got, expected, strict=True)):
            fault = difference(g, e, rtol, atol)
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
        relative = max(TOLERANCES.get(v.dtype.name, 0.0) for v in (a, b)) if rtol is None else rtol
        kind = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
        wide_a, wide_b = a.astype(kind), b.astype(kind)
        finite = np.abs(wide_b[np.isfinite(wide_b)])
        absolute = relative * float(finite.max(initial=0.0)) if atol is None else atol
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
    kwargs = dict(kwargs)
    run = ""
    if name.startswith("optimizer rule"):
        run = f"replay_update({kwargs.pop('rule')!r}, {device!r}, {reference!r}, args, kwargs)"
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
    elif not run:
        run = f"replay({name!r}, {device!r}, {reference!r}, args, kwargs)"
    script = (
        f'"""lucid parity: {name}: {problem}"""\n\nimport numpy as np\n\nimport lucid\nfrom lucid import backends\n'
        f"from lucid.testing.replay import replay, replay_rule, replay_update, unpacked\n\n{loading}\n{call}\n{run}\n"
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
    fault = difference(down(device, run(device)), down(reference, run(reference)))
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


def replay_update(rule: str, device: str, reference: str, args: Sequence[Any], scalars: dict[str, Any]) -> None:
    """Run one optimizer step on both devices (what a parity script calls); ``rule`` is where it is found: ``module:name``."""
    module, _, name = rule.partition(":")
    if "<" in name:
        raise RuntimeError(f"the rule {name} is made inside a function: call replay_update where it can be imported")
    found: Any = functools.reduce(getattr, name.split("."), importlib.import_module(module))

    def run(backend: Any) -> Any:
        params, grads, states = (_up(backend, v) for v in args)
        step = type(backend).apply_update if backend.name == device else Backend.apply_update
        done = step(backend, found, params, grads, states, scalars)
        return [*done[0]], [list(s) for s in done[1]]

    _check(f"optimizer rule {name}", load(device), load(reference), run)
