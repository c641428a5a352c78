"""``detect_anomaly``: which forward line made the NaN that backward met, and what went into it. Free when off."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

from ..backends import backend_of
from ..core import modes
from ..core.graph import Extra, Node
from ..core.modes import Scope
from ..core.node_hooks import anomaly
from ..core.tensor import Tensor, unwrap, wrap
from ..core.transform import everything

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _watch(op: Any, inputs: Sequence[Any], params: tuple, proceed: Any) -> Any:
    """Remember where each recorded op was called."""
    result = proceed()
    trace = None
    for t in result if isinstance(result, tuple) else (result,):
        if isinstance(t, Tensor) and t.node is not None:
            node = t.grad_fn
            if node is not None:
                trace = trace or _where()
                if node.extra is None:
                    node.extra = Extra()
                node.extra.trace = trace
    return result


def _where() -> str:
    """The innermost lines of the call stack that are not lucid's own."""
    frames = [f for f in traceback.extract_stack() if not f.filename.startswith(_HERE)]
    return "".join(traceback.format_list(frames[-4:]))


class detect_anomaly(Scope):
    """While active, a NaN that appears in backward is an error that names the op, its line in forward and its inputs.

    Slow; for finding faults. Raises RuntimeError from ``backward``.

    >>> import lucid
    >>> x = lucid.zeros(1, requires_grad=True)
    >>> with lucid.autograd.detect_anomaly():
    ...     y = (x.sqrt() * 0).sum()
    ...     try:
    ...         y.backward()
    ...     except RuntimeError as error:
    ...         print(str(error).splitlines()[0])
    Function 'SqrtBackward0' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True):
        super().__init__()
        self.check_nan = bool(check_nan)
        self._flags: list[bool] = []

    def __enter__(self) -> Any:
        mode = modes.current()
        self._changes = {"watchers": _with_watch(mode)}
        self._flags.append(anomaly.get())
        anomaly.set(self.check_nan)
        return super().__enter__()

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        anomaly.set(self._flags.pop())

    def clone(self) -> Scope:
        return detect_anomaly(self.check_nan)


def _with_watch(mode: Any) -> tuple:
    watchers = () if mode is None else mode.watchers
    return watchers if _watch in watchers else (*watchers, _watch)


class set_detect_anomaly:
    """Switch ``detect_anomaly`` on or off in this thread: at once when called, until the block ends with ``with``."""

    def __init__(self, mode: bool, check_nan: bool = True):
        before = modes.current()
        self._before = before, anomaly.get()
        watchers = () if before is None else tuple(w for w in before.watchers if w is not _watch)
        modes.set_mode((before or modes.NORMAL).replace(watchers=(*watchers, _watch) if mode else watchers))
        anomaly.set(bool(mode and check_nan))

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        modes.set_mode(self._before[0])
        anomaly.set(self._before[1])


def is_anomaly_enabled() -> bool:
    """Whether ``detect_anomaly`` is active in this thread."""
    mode = modes.current()
    return mode is not None and _watch in mode.watchers


def is_anomaly_check_nan_enabled() -> bool:
    """Whether backward looks for NaN."""
    return anomaly.get()


def _has_nan(v: Any) -> bool:
    t = everything(v if isinstance(v, Tensor) else wrap(v))
    if t.dtype.category < 2 or not t.shape.numel():
        return False
    table = backend_of(t.value).table
    return bool(wrap(table.any(table.isnan(t.value), None, False)))


def statistics(v: Any) -> str:
    """Shape, dtype, range, and how many elements are NaN or infinite."""
    t = wrap(unwrap(v))
    if hasattr(t.value, "level"):
        return f"shape {tuple(t.shape)}, {t.dtype}, inside a transform"
    text = f"shape {tuple(t.shape)}, {t.dtype}"
    if t.dtype.category != 2 or not t.shape.numel():
        return text
    table = backend_of(t.value).table
    n_nan = int(table.isnan(t.value).sum())
    n_inf = int(table.isinf(t.value).sum())
    known = t[t.isfinite()]  # type: ignore[index, attr-defined]
    if known.shape.numel():
        text += f", min {float(known.min()):.6g}, max {float(known.max()):.6g}, mean {float(known.mean()):.6g}"
    return f"{text}, {n_nan} nan, {n_inf} inf"


def check_gradients(node: Node, results: Sequence[Any], outputs: Sequence[Any], saved: Any) -> None:
    """Raise if a derivative that ``node`` computed holds a NaN."""
    for i, (v, parent) in enumerate(zip(results, node.parents, strict=True)):
        if v is None or parent is None or not _has_nan(v):
            continue
        lines = [f"Function '{node.name()}' returned nan values in its {i}th output."]
        for k, g in enumerate(outputs):
            if g is not None:
                lines.append(f"  gradient of output {k}: {statistics(g)}")
        if type(saved) is tuple:
            n = len(node.parents)
            for k, s in enumerate(saved[: n + 1]):
                if hasattr(s, "shape"):
                    lines.append(f"  {'output' if k == n else f'input {k}'}: {statistics(s)}")
        trace = node.extra.trace if node.extra is not None else None
        if trace:
            lines.append("The forward call was:\n" + trace.rstrip())
        else:
            warnings.warn(
                "Error detected in backward, and no forward pass information is available: enable detect_anomaly during the forward pass too.",
                stacklevel=4,
            )
        raise RuntimeError("\n".join(lines))
