"""``assert_close``: two structures of tensors agree, or an AssertionError says where they do not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

from ..core.tensor import Tensor, as_tensor

# PyTorch's tolerances (relative, absolute) by the less exact of the two dtypes; integers must be equal.
TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}

OLDER_TOLERANCES = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Assert ``|actual - expected| <= atol + rtol * |expected|`` for tensors, arrays, numbers, or structures of them.

    Tolerances default to PyTorch's for the dtype (1.3e-6 and 1e-5 for float32) and must be given together. AssertionError
    says how many elements differ, the largest difference, and where in the structure; TypeError where the two are not
    comparable. Every tensor is dense: ``check_layout`` has nothing to check.

    >>> import lucid
    >>> from lucid.testing import assert_close
    >>> assert_close(lucid.tensor([1.0, 2.0]), lucid.tensor([1.0, 2.0 + 1e-6]))
    >>> assert_close({"a": 1}, {"a": 2})
    Traceback (most recent call last):
        ...
    AssertionError: Scalars are not equal!
    ...
    """
    if (rtol is None) != (atol is None):
        given, missing = ("rtol", "atol") if atol is None else ("atol", "rtol")
        raise ValueError(f"rtol and atol must both be specified or both be unspecified: got {given} without {missing}")

    def fail(problem: str, where: str) -> AssertionError:
        if where:
            problem += f"\n\nThe failure occurred for item {where}"
        return AssertionError(msg(problem) if callable(msg) else msg or problem)

    def compare(a: Any, b: Any, where: str) -> None:
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            if set(a) != set(b):
                raise fail(
                    f"The keys of the mappings do not match: {sorted(map(str, set(a) ^ set(b)))} are in one", where
                )
            for key in a:
                compare(a[key], b[key], f"{where}[{key!r}]")
        elif _is_sequence(a) and _is_sequence(b):
            if len(a) != len(b):
                raise fail(f"The length of the sequences mismatch: {len(a)} != {len(b)}", where)
            for i, (x, y) in enumerate(zip(a, b, strict=True)):
                compare(x, y, f"{where}[{i}]")
        elif a is None or b is None:
            if a is not b:
                raise fail(f"None mismatch: {a!r} is not {b!r}", where)
        elif _is_leaf(a) and _is_leaf(b) and (isinstance(a, Number) == isinstance(b, Number)):
            if not allow_subclasses and type(a) is not type(b):
                raise TypeError(f"assert_close: subclasses are not allowed, got {type(a).__name__}, {type(b).__name__}")
            _compare_leaves(a, b, lambda problem: fail(problem, where))
        else:
            raise TypeError(f"No comparison pair was able to handle inputs of type {type(a)} and {type(b)}.{where}")

    def _compare_leaves(a: Any, b: Any, failure: Callable[[str], AssertionError]) -> None:
        kind = "Scalars" if isinstance(a, Number) else "Tensor-likes"
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            if check_device and a.device != b.device:
                raise failure(f"The values for attribute 'device' do not match: {a.device} != {b.device}.")
            if check_stride and a.stride() != b.stride():
                raise failure(f"The values for attribute 'stride()' do not match: {a.stride()} != {b.stride()}.")
        x, y = _host(a), _host(b)
        if x.shape != y.shape:
            raise failure(f"The values for attribute 'shape' do not match: {x.shape} != {y.shape}.")
        if check_dtype and kind != "Scalars" and x.dtype != y.dtype:
            raise failure(f"The values for attribute 'dtype' do not match: lucid.{x.dtype} != lucid.{y.dtype}.")
        defaults = [TOLERANCES.get(v.dtype.name, (0.0, 0.0)) for v in (x, y)]
        relative = max(d[0] for d in defaults) if rtol is None else rtol
        absolute = max(d[1] for d in defaults) if atol is None else atol
        exact = x.dtype.kind in "biu" and y.dtype.kind in "biu" and relative == absolute == 0
        wide = x.dtype if exact else np.complex128 if "c" in x.dtype.kind + y.dtype.kind else np.float64
        x, y = x.astype(wide), y.astype(wide)
        close = x == y if exact else np.isclose(x, y, rtol=relative, atol=absolute, equal_nan=equal_nan)
        if close.all():
            return
        off = np.where(close, 0.0, np.abs(x.astype(np.complex128) - y.astype(np.complex128)))
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = {"absolute": off, "relative": np.where(close, 0.0, off / np.abs(y))}
        bounds = {"absolute": absolute, "relative": relative}
        kind = kind if x.ndim else "Scalars"
        head = f"{kind} are not {'equal' if absolute == relative == 0 else 'close'}!\n\n"
        if x.ndim == 0:
            lines = [f"Expected {_plain(b)} but got {_plain(a)}."]
        else:
            count = int(x.size - close.sum())
            lines = [f"Mismatched elements: {count} / {x.size} ({count / x.size:.1%})"]
        for name, part in parts.items():
            at = np.unravel_index(np.argmax(part), x.shape)
            found = int(part[at]) if exact and name == "absolute" else part[at]
            where = f" at index {tuple(map(int, at))}" if x.ndim else ""
            allowed = f" (up to {bounds[name]} allowed)" if absolute or relative else ""
            title = "Greatest " if x.ndim else ""
            lines.append(f"{title}{name} difference: {found}{where}{allowed}".capitalize())
        raise failure(head + "\n".join(lines))

    compare(actual, expected, "")


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older ``assert_close``, with its wider tolerances: whatever becomes a tensor, of any dtypes.

    >>> import lucid
    >>> lucid.testing.assert_allclose(lucid.tensor([1.0, float("nan")]), [1.00001, float("nan")])
    """
    warnings.warn("`assert_allclose()` is deprecated: use `assert_close()`", FutureWarning, stacklevel=2)
    actual = as_tensor(actual)
    expected = as_tensor(expected, dtype=None if isinstance(expected, Tensor) else actual.dtype)
    if rtol is None and atol is None:
        pairs = [OLDER_TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (actual, expected)]
        rtol, atol = max(r for r, _ in pairs), max(a for _, a in pairs)
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None)


def _plain(x: Any) -> Any:
    return x.item() if hasattr(x, "item") else x


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, (str, bytes))


def _is_leaf(x: Any) -> bool:
    return isinstance(x, (Tensor, np.ndarray, Number, bool))


def _host(x: Any) -> np.ndarray:
    return x.detach().cpu().resolve_conj().numpy() if isinstance(x, Tensor) else np.asarray(x)
