"""``lucid.summary``: what a model is made of, what passes through it, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .core import dtypes, modes
from .core.modes import no_grad
from .core.tensor import Tensor
from .nn.modules.module import Module

__all__ = ["Row", "Summary", "summary"]


def _product(shapes: list, out: tuple) -> int:
    return math.prod(out) * shapes[0][-1]


def _attention(shapes: list, out: tuple) -> int:
    return math.prod(shapes[0][:-1]) * shapes[1][-2] * (shapes[0][-1] + shapes[2][-1])


# Multiply-adds of the ops that are products, from the shapes of their inputs and their output.
MULTIPLY_ADDS: dict[str, Callable[[list, tuple], int]] = {
    "linear": _product,
    "matmul": _product,
    "conv": lambda shapes, out: math.prod(out) * math.prod(shapes[1][1:]),
    "conv_bias": lambda shapes, out: math.prod(out) * math.prod(shapes[1][1:]),
    "conv_input_grad": lambda shapes, out: math.prod(shapes[0]) * math.prod(shapes[1][1:]),  # transposed convolution
    "conv_weight_grad": lambda shapes, out: math.prod(shapes[1]) * math.prod(out[1:]),
    "attention": _attention,
    "attention_dropout": _attention,
    "lstm_sequence": lambda shapes, out: math.prod(out[:2]) * math.prod(shapes[3]),
}


@dataclass
class Row:
    """One call of one module."""

    name: str
    kind: str
    depth: int
    input: str
    output: str = ""
    params: int = 0
    multiply_adds: int = 0
    output_bytes: int = 0
    leaf: bool = True
    repeated: bool = False
    failed: bool = False


@dataclass
class Summary:
    """What ``summary`` found; its ``repr`` is the table."""

    model: str
    rows: list[Row] = field(default_factory=list)
    total_params: int = 0
    trainable_params: int = 0
    buffers_bytes: int = 0
    params_bytes: int = 0
    input_bytes: int = 0
    activation_bytes: int = 0
    total_multiply_adds: int = 0
    error: Exception | None = None

    def __repr__(self) -> str:
        return _table(self)

    __str__ = __repr__


def summary(
    model: Module,
    input_size: Any = None,
    inputs: Any = None,
    *,
    dtypes: Any = None,
    device: Any = None,
    depth: int | None = None,
    **kwargs: Any,
) -> Summary:
    """Run a model once, in evaluation mode and without gradients, and list its layers as a tree.

    ``input_size`` is one shape or a list of shapes (zeros of ``dtypes`` are passed), ``inputs`` a tensor or a tuple of
    tensors; keyword arguments go to the model. Columns: input and output shapes, parameters, multiply-adds (of matrix
    products and convolutions). The result also has the totals, among them the activation memory (outputs of the layers
    that have no sublayers). If the forward fails, the table ends at the failing layer, with the error.
    Raises TypeError unless the model is a Module and the shapes are shapes, ValueError unless one of input_size and inputs is given.

    >>> import lucid
    >>> from lucid import nn
    >>> lucid.summary(nn.Sequential(nn.Linear(8, 4), nn.ReLU()), (1, 8)).total_params
    36
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: expected an nn.Module, got {type(model).__name__}")
    args = _arguments(model, input_size, inputs, dtypes, device)
    result = Summary(type(model).__name__)
    with _evaluating(model), no_grad(), _recorded(model, result, depth):
        try:
            model(*args, **kwargs)
        except Exception as error:
            result.error = error
    _totals(model, result, (*args, *kwargs.values()))
    return result


def _arguments(model: Module, input_size: Any, inputs: Any, given: Any, device: Any) -> tuple:
    if (input_size is None) == (inputs is None):
        raise ValueError("summary: give either input_size=(1, 3, 224, 224) or inputs=tensor (or a tuple of tensors)")
    if inputs is not None:
        return tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    from . import zeros

    if not _is_shapes(input_size):
        raise TypeError(
            f"summary: input_size is a shape such as (1, 3, 224, 224) or a list of shapes, got {input_size!r}"
        )
    first: Any = next(iter((*model.parameters(), *model.buffers())), None)
    where = device if device is not None else None if first is None else first.device
    shapes: Sequence = [input_size] if all(isinstance(n, int) for n in input_size) else list(input_size)
    kinds = list(given) if isinstance(given, list | tuple) else [given] * len(shapes)
    if len(kinds) != len(shapes):
        raise ValueError(f"summary: {len(shapes)} shapes and {len(kinds)} dtypes")
    floating = first.dtype if first is not None and first.dtype.is_floating_point else dtypes.get_default_dtype()
    return tuple(
        zeros(tuple(s), dtype=floating if k is None else k, device=where) for s, k in zip(shapes, kinds, strict=True)
    )


def _is_shapes(value: Any) -> bool:
    """Whether it is a shape or a list of shapes."""
    if not isinstance(value, list | tuple):
        return False
    return all(isinstance(n, int) for n in value) or all(
        isinstance(s, list | tuple) and all(isinstance(n, int) for n in s) for s in value
    )


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every module is in the mode it was in."""
    before = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode


@contextmanager
def _recorded(model: Module, result: Summary, depth: int | None) -> Iterator[None]:
    """Hooks on every module and a watcher on every op, for the time of one forward."""
    stack: list[Row] = []
    seen: set[Module] = set()
    names = {module: path.rpartition(".")[2] for path, module in model.named_modules()}
    handles = []

    def enter(module: Module, args: tuple, kwargs: dict) -> None:
        if stack:
            stack[-1].leaf = False
        row = Row(names.get(module, ""), type(module).__name__, len(stack), _shapes((*args, *kwargs.values())))
        row.repeated = module in seen
        row.failed = True  # until it returns
        stack.append(row)
        if depth is None or row.depth <= depth:
            result.rows.append(row)

    def leave(module: Module, args: tuple, output: Any) -> None:
        row = stack.pop()
        row.failed = False
        row.output = _shapes((output,))
        if not row.repeated:
            row.params = sum(p.shape.numel() for p in module.parameters())
        seen.add(module)
        row.kind = type(module).__name__  # a lazy module has become another
        if row.leaf:
            row.output_bytes = _bytes(output)
            result.activation_bytes += row.output_bytes
        if stack:
            stack[-1].multiply_adds += row.multiply_adds

    def watch(op: Any, inputs: Sequence, params: tuple, proceed: Callable) -> Any:
        out = proceed()
        count = MULTIPLY_ADDS.get(op.name)
        if count is not None and isinstance(out, Tensor | tuple):
            first = out[0] if isinstance(out, tuple) else out
            cost = count([tuple(x.shape) for x in inputs if isinstance(x, Tensor)], tuple(first.shape))
            result.total_multiply_adds += cost
            if stack:
                stack[-1].multiply_adds += cost
        return out

    before = modes.current()
    try:
        for module in model.modules():
            handles.append(module.register_forward_pre_hook(enter, prepend=True, with_kwargs=True))
            handles.append(module.register_forward_hook(leave))
        mode = before or modes.NORMAL
        modes.set_mode(mode.replace(watchers=(*mode.watchers, watch)))
        yield
    finally:
        modes.set_mode(before)
        for handle in handles:
            handle.remove()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _shapes(value: Any) -> str:
    found = [str(list(t.shape)) for t in _tensors(value)]
    return ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")


def _bytes(value: Any) -> int:
    return sum(t.shape.numel() * t.dtype.itemsize for t in _tensors(value))


def _totals(model: Module, result: Summary, args: tuple) -> None:
    from .nn.parameter import is_lazy

    params = [p for p in model.parameters() if not is_lazy(p)]
    result.total_params = sum(p.shape.numel() for p in params)
    result.trainable_params = sum(p.shape.numel() for p in params if p.requires_grad)
    result.params_bytes = _bytes(params)
    result.buffers_bytes = _bytes([b for b in model.buffers() if not is_lazy(b)])
    result.input_bytes = _bytes(list(args))
    for row in result.rows:
        if row.failed:
            row.output = "failed"


# ---- the table ----


def _short(n: int) -> str:
    for size, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if n >= size:
            return f"{n / size:.2f} {unit}"
    return f"{n:,}"


def _size(n: int) -> str:
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if n >= size:
            return f"{n / size:.2f} {unit}"
    return f"{n} B"


def _table(s: Summary) -> str:
    head = ("Layer", "Input", "Output", "Parameters", "Multiply-adds")
    lines: list[tuple[str, ...]] = []
    for i, row in enumerate(s.rows):
        name = f"{row.name}: {row.kind}" if row.name else row.kind
        params = "(shared)" if row.repeated else f"{row.params:,}" if row.params else "-"
        lines.append(
            (
                _branch(s.rows, i) + name,
                row.input,
                row.output,
                params,
                _short(row.multiply_adds) if row.multiply_adds else "-",
            )
        )
    widths = [max(len(line[k]) for line in [head, *lines]) for k in range(5)]
    rule = "-" * (sum(widths) + 8)

    def text(line: tuple[str, ...]) -> str:
        cells = [c.ljust(w) if k < 3 else c.rjust(w) for k, (c, w) in enumerate(zip(line, widths, strict=True))]
        return "  ".join(cells).rstrip()

    out = [text(head), rule, *map(text, lines), rule]
    frozen = s.total_params - s.trainable_params
    out.append(
        f"Parameters: {s.total_params:,} ({s.trainable_params:,} trainable, {frozen:,} frozen), {_size(s.params_bytes)}"
    )
    if s.buffers_bytes:
        out.append(f"Buffers: {_size(s.buffers_bytes)}")
    out.append(f"Multiply-adds: {_short(s.total_multiply_adds)}")
    out.append(f"Memory: input {_size(s.input_bytes)}, activations {_size(s.activation_bytes)}")
    if s.error is not None:
        out.append(f"The forward failed: {type(s.error).__name__}: {s.error}")
        out.extend(f"  {note}" for note in getattr(s.error, "__notes__", ()))  # the path, where the message lacks it
    return "\n".join(out)


def _branch(rows: list[Row], i: int) -> str:
    """The lines of the tree in front of a row."""
    depth = rows[i].depth
    text = ""
    for level in range(1, depth + 1):
        more = next((r.depth for r in rows[i + 1 :] if r.depth <= level), 0) == level
        text += ("├─ " if more else "└─ ") if level == depth else ("│  " if more else "   ")
    return text
