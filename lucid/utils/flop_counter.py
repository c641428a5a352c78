"""``FlopCounterMode``: the floating-point operations of products, by module and op, as PyTorch's formulas count them."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from ..core import modes
from ..core.tensor import Tensor
from ..model_summary import MULTIPLY_ADDS
from ..nn.modules import module as _module

__all__ = ["FlopCounterMode"]


def _title(name: str, inputs: list, out: tuple) -> str:
    if name in ("matmul", "linear"):
        return "aten.bmm" if len(out) > 2 else "aten.addmm" if len(inputs) == 3 else "aten.mm"
    return (
        f"aten.{'convolution' if 'conv' in name else '_scaled_dot_product_flash_attention' if 'att' in name else name}"
    )


def _backward(name: str, forward: int, shapes: list, params: tuple, needed: Sequence[bool]) -> int:
    if name.startswith("attention"):  # the scores again, and then two products for each of forward's
        return 2 * forward + 2 * math.prod(shapes[0]) * shapes[1][-2]
    if name.startswith("conv"):  # PyTorch's count of the weight's gradient knows nothing of groups
        return forward * (needed[0] + needed[1] * params[-1])
    return forward * (sum(needed[:2]) if name in ("matmul", "linear") else 2)


class FlopCounterMode:
    """Count the operations of matrix products, convolutions and attention inside, forward and backward.

    Two for each multiply-add; backward counts where its forward ran inside too. ``flop_counts[module][op]`` has the counts,
    with a module for "Global"; ``depth`` levels of modules are in the table, which is displayed at the end if ``display``.

    >>> import lucid
    >>> with lucid.utils.flop_counter.FlopCounterMode(display=False) as counter:
    ...     y = lucid.ones(2, 3) @ lucid.ones(3, 4)
    >>> counter.get_total_flops(), counter.get_flop_counts()
    (48, {'Global': {'aten.mm': 48}})
    """

    def __init__(self, mods: Any = None, depth: int | None = 2, display: bool = True):
        self.depth, self.display = depth, display
        self.flop_counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts.clear()
        self._names: dict[Any, str] = {}
        self._inside: list[str] = []
        self._handles = [
            _module.register_module_forward_pre_hook(self._into),
            _module.register_module_forward_hook(self._out_of, always_call=True),
        ]
        mode = modes.current() or modes.NORMAL
        modes.set_mode(mode.replace(watchers=(*mode.watchers, self._watch)))
        self._active = True
        return self

    def __exit__(self, *exc: object) -> None:
        mode = modes.current() or modes.NORMAL
        modes.set_mode(mode.replace(watchers=tuple(w for w in mode.watchers if w != self._watch)))
        self._active = False
        for handle in self._handles:
            handle.remove()
        if self.display:
            sys.stdout.write(self.get_table() + "\n")

    def get_total_flops(self) -> int:
        """All that was counted."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[str, int]]:
        """The counts: by the module's name, then by op."""
        return {name: dict(counts) for name, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The counts as text, modules with those inside them."""
        depth, total = depth or self.depth or sys.maxsize, self.get_total_flops()
        rows = [("Module", "FLOP", "% Total")]
        for name in sorted(self.flop_counts, key=lambda name: (name != "Global", name)):
            level = 0 if name == "Global" else name.count(".") + 1
            counts = self.flop_counts[name]
            for label, n in ((name, sum(counts.values())), *((f" - {op}", n) for op, n in counts.items())):
                if level <= depth:
                    rows.append((" " * level + label, f"{n:,}", f"{n / total:.2%}" if total else "0%"))
        widths = [max(len(row[k]) for row in rows) for k in range(3)]
        rows.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2]))
        return "\n".join(f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows)

    def _into(self, module: Any, args: tuple) -> None:
        if module not in self._names:
            for path, part in module.named_modules(prefix=type(module).__name__):
                self._names.setdefault(part, path)
        self._inside.append(self._names[module])

    def _out_of(self, module: Any, args: tuple, output: Any) -> None:
        self._inside.pop()

    def _watch(self, op: Any, inputs: Sequence[Any], params: tuple, proceed: Callable) -> Any:
        out = proceed()
        first = out[0] if isinstance(out, tuple) else out
        count = MULTIPLY_ADDS.get(op.name)
        if count is None or not isinstance(first, Tensor):
            return out
        shapes = [tuple(x.shape) for x in inputs if isinstance(x, Tensor)]
        flops, title = 2 * count(shapes, tuple(first.shape)), _title(op.name, shapes, tuple(first.shape))
        places = dict.fromkeys(("Global", *self._inside))

        def add(n: int, name: str) -> None:
            for place in places:
                self.flop_counts[place][name] += n

        def before_backward(_: tuple) -> None:
            if self._active and not modes.is_grad_enabled():  # with create_graph, its ops are watched as all others
                needed = [parent is not None for parent in node.parents]
                simple = op.name in ("matmul", "linear")
                name = ("aten.bmm" if title == "aten.bmm" else "aten.mm") if simple else f"{title}_backward"
                add(_backward(op.name, flops, shapes, params, needed), name)

        add(flops, title)
        node: Any = first.grad_fn
        if node is not None and node.op is not op:  # one of several outputs
            node = node.parents[0]
        if node is not None and node.op is op:
            node.register_prehook(before_backward)
        return out
