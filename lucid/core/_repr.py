"""How a tensor prints: aligned, truncated, with dtype, device and grad_fn where they are not the default (as PyTorch)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..backends import backend_of
from . import dtypes
from .graph import Leaf

if TYPE_CHECKING:
    from .tensor import Tensor


class _Options:
    precision = 4
    threshold = 1000
    edgeitems = 3
    linewidth = 80
    sci_mode: bool | None = None


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print: digits, elements before summarising, items shown at each edge, line width.

    ``profile`` is "default", "short" or "full". Raises ValueError for another profile.
    """
    profiles = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}
    if profile is not None:
        if profile not in profiles:
            raise ValueError(f"set_printoptions: profile must be one of {', '.join(profiles)}, got {profile!r}")
        _Options.precision, _Options.threshold, _Options.edgeitems, _Options.linewidth = profiles[profile]  # type: ignore[assignment]
    for name, value in (
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
    ):
        if value is not None:
            setattr(_Options, name, value)
    _Options.sci_mode = sci_mode


class _Format:
    """One width and style for all elements that are shown."""

    def __init__(self, values: list, category: int):
        self.category = category
        self.integral = self.scientific = False
        self.width = 1
        if category <= dtypes.INTEGER:
            self.width = max((len(str(v)) for v in values), default=1)
            return
        finite = [abs(v) for v in values if math.isfinite(v) and v != 0]
        if finite:
            low, high = min(finite), max(finite)
            self.integral = all(v == math.ceil(v) for v in finite)
            self.scientific = high / low > 1000.0 or high > 1e8 or (low < 1e-4 and not self.integral)
        if _Options.sci_mode is not None:
            self.scientific = _Options.sci_mode
        if not finite:
            self.integral = True
        self.width = max((len(self(v, pad=False)) for v in values if math.isfinite(v) and v != 0), default=1)

    def __call__(self, value: Any, pad: bool = True) -> str:
        if self.category <= dtypes.INTEGER:
            text = str(value)
        elif self.scientific:
            text = f"{value:.{_Options.precision}e}"
        elif self.integral:
            text = f"{value:.0f}" + ("." if math.isfinite(value) else "")
        else:
            text = f"{value:.{_Options.precision}f}"
        return text.rjust(self.width) if pad else text


def _shown(array: Any, summarize: bool) -> Any:
    """The nested list of the elements that are printed; ``...`` where some are left out."""
    if array.ndim == 0:
        return array.item()
    n, edge = array.shape[0], _Options.edgeitems
    if summarize and n > 2 * edge:
        head = [_shown(array[i], summarize) for i in range(edge)]
        tail = [_shown(array[i], summarize) for i in range(n - edge, n)]
        return [*head, ..., *tail]
    return [_shown(array[i], summarize) for i in range(n)]


def _flat(nested: Any) -> list:
    if isinstance(nested, list):
        return [v for part in nested for v in _flat(part)]
    return [] if nested is ... else [nested]


def _lines(nested: Any, indent: int, style: Any) -> str:
    if not isinstance(nested, list):
        return style(nested)
    if not any(isinstance(v, list) for v in nested):
        per_line = max(1, int((_Options.linewidth - indent) / (style.width + 2)))
        words = [" ..." if v is ... else style(v) for v in nested]
        rows = [words[i : i + per_line] for i in range(0, len(words), per_line)] or [[]]
        return "[" + (",\n" + " " * (indent + 1)).join(", ".join(row) for row in rows) + "]"
    depth = 0
    inner: Any = next(v for v in nested if isinstance(v, list))
    while isinstance(inner, list):
        depth += 1
        inner = next((v for v in inner if v is not ...), None)
    parts = ["..." if v is ... else _lines(v, indent + 1, style) for v in nested]
    return "[" + ("," + "\n" * depth + " " * (indent + 1)).join(parts) + "]"


class _ComplexFormat:
    def __init__(self, values: list):
        self.real = _Format([v.real for v in values], dtypes.FLOAT)
        self.imag = _Format([v.imag for v in values], dtypes.FLOAT)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value: complex) -> str:
        imag = self.imag(value.imag, pad=False)
        return f"{self.real(value.real)}{'' if imag.startswith('-') else '+'}{imag}j"


def contents(t: Tensor, indent: int) -> str:
    array = backend_of(t.value).to_host(t.value)
    if t.dtype in (dtypes.bfloat16, dtypes.float16):
        array = array.astype("float32")
    size = t.shape.numel()
    nested = _shown(array, size > _Options.threshold)
    values = _flat(nested)
    style: Any = _ComplexFormat(values) if t.dtype.is_complex else _Format(values, t.dtype.category)
    return _lines(nested, indent, style)


def tensor_repr(t: Tensor) -> str:
    """``tensor([[1., 2.]], dtype=..., device=..., grad_fn=<...>)``."""
    kind = "Parameter containing:\n" if type(t).__name__ == "Parameter" else ""
    prefix = "tensor(" if type(t).__module__.partition(".")[0] == "lucid" else f"{type(t).__name__}("
    if hasattr(t.value, "level"):  # inside jvp or vmap there is no single array to show
        return f"{prefix}{t.value!r})"
    suffixes = []
    without_memory = t.device.type == "meta"
    if without_memory:
        body = "..."
        suffixes += ["device='meta'", f"size={tuple(t.shape)}"]
    elif t.shape.numel() == 0:
        body = "[]"
        if len(t.shape) != 1:
            suffixes.append(f"size={tuple(t.shape)}")
    else:
        body = contents(t, len(prefix))
    default = (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_)
    if (
        t.dtype not in (default[:1] if without_memory else default)
        and t.dtype is not dtypes.get_default_dtype().to_complex()
    ) or (t.shape.numel() == 0 and not without_memory and t.dtype is not default[0]):
        suffixes.append(f"dtype={t.dtype}")
    if t.device.type not in ("cpu", "meta"):
        suffixes.append(f"device='{t.device}'")
    if t.grad_fn is not None:
        suffixes.append(f"grad_fn=<{t.grad_fn.name()}>")
    elif type(t.node) is Leaf:
        suffixes.append("requires_grad=True")
    text = prefix + body
    width = len(text) - text.rfind("\n") + 1  # PyTorch counts the line of the numbers two too long
    for suffix in suffixes:  # a suffix that would overrun the line goes on a line of its own
        if width + 2 + len(suffix) > _Options.linewidth:
            text += ",\n" + " " * len(prefix) + suffix
            width = len(prefix) + len(suffix)
        else:
            text += ", " + suffix
            width += 2 + len(suffix)
    return kind + text + ")"
