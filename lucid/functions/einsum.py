"""Einstein summation: pairs of operands are contracted by matrix products, the cheapest pair first."""

from __future__ import annotations

import functools
import math
from typing import Any

from .. import ops
from ..core.errors import DTypeError, ShapeError
from ..core.precision import autocast_unites
from ..core.tensor import Tensor
from ..ops import elementwise
from ..ops import shape as shape_ops
from .products import matmul
from .registry import public, tensor_arg

Labels = tuple[Any, ...]
ORDER = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@public(method=False, out=False)
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products by labelled dimensions: ``"ij,jk->ik"``, with ``...``, repeated labels, or lists of numbers as labels.

    More than two operands are contracted in the order that keeps intermediate results small.

    >>> import lucid
    >>> lucid.einsum("ij,jk->ik", lucid.ones(2, 3), lucid.ones(3, 4)).shape
    lucid.Size([2, 4])
    """
    if not isinstance(equation, str):
        tensor_arg(equation, "einsum", "equation")
        if not operands:
            raise ShapeError(
                "einsum(): must specify the equation string and at least one operand, or operands with lists"
            )
        equation, operands = _from_lists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    tensors = [tensor_arg(x, "einsum", f"operands[{i}]") for i, x in enumerate(operands)]
    if not tensors:
        raise ShapeError("einsum(): must provide at least one operand")
    items: dict[int, Tensor] = dict(enumerate(tensors))
    steps, last = _plan(equation, tuple([tuple(x.value.shape) for x in tensors]))
    for target, run, sources, arguments in steps:
        items[target] = run(*[items[i] for i in sources], *arguments)
    return items[last]


def _from_lists(arguments: tuple) -> tuple[str, tuple]:
    """The form ``einsum(x, [0, 1], y, [1, 2], [0, 2])`` as an equation."""
    operands, lists = [], []
    pairs = len(arguments) // 2
    for k in range(pairs):
        operands.append(arguments[2 * k])
        lists.append(_spelled(arguments[2 * k + 1]))
    equation = ",".join(lists)
    if len(arguments) % 2:
        equation += "->" + _spelled(arguments[-1])
    return equation, tuple(operands)


def _spelled(labels: Any) -> str:
    parts = []
    for label in labels:
        if label is not Ellipsis and not 0 <= label < 52:
            raise ValueError(f"einsum(): subscripts in subscript list should be within [0, 52), got {label}")
        parts.append("..." if label is Ellipsis else ORDER[label])
    return "".join(parts)


def _parse(equation: str, ranks: list[int]) -> tuple[list[Labels], Labels]:
    """Labels of each operand and of the result; dimensions under ``...`` are numbered from the right."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ShapeError(
            f"einsum(): {'fewer' if len(terms) > len(ranks) else 'more'} operands were provided than specified in the equation {equation!r}"
        )
    inputs: list[Labels] = []
    widest = 0
    for i, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        letters = term.replace("...", "", 1)
        for letter in letters:
            if letter not in ORDER:
                raise RuntimeError(
                    f"einsum(): invalid subscript given at index {equation.find(letter)} in the equation string, subscripts must be in [a-zA-Z]"
                )
        spare = rank - len(letters)
        if spare < 0 or (spare and "..." not in term):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(letters)}) does not match the number of dimensions ({rank}) for operand {i}"
            )
        if "..." in term:
            widest = max(widest, spare)
            head = term.index("...")
            inputs.append((*letters[:head], *range(spare - 1, -1, -1), *letters[head:]))
        else:
            inputs.append(tuple(letters))
    if arrow:
        letters = right.replace("...", "", 1)
        if any(letter not in ORDER for letter in letters):
            raise RuntimeError(f"einsum(): invalid subscript in the output {right!r}, subscripts must be in [a-zA-Z]")
        if len(set(letters)) != len(letters):
            raise RuntimeError(
                f"einsum(): output subscript {next(c for c in letters if letters.count(c) > 1)} appears more than once in the output"
            )
        head = right.index("...") if "..." in right else 0
        dots = tuple(range(widest - 1, -1, -1)) if "..." in right else ()
        return inputs, (*letters[:head], *dots, *letters[head:])
    count: dict[str, int] = {}
    for labels in inputs:
        for label in labels:
            if not isinstance(label, int):
                count[label] = count.get(label, 0) + 1
    return inputs, (*range(widest - 1, -1, -1), *sorted((c for c, k in count.items() if k == 1), key=ORDER.index))


# ---- the plan: worked out on shapes alone, and remembered ----


class _Item:
    """An operand or intermediate result of a plan: its number, its shape, and the labels of its dimensions."""

    def __init__(self, number: int, shape: tuple[int, ...], labels: Labels):
        self.number, self.shape, self.labels = number, shape, labels

    @property
    def sizes(self) -> dict[Any, int]:
        return dict(zip(self.labels, self.shape, strict=True))


class _Planner:
    """Writes down steps ``(number of the result, function, numbers of its operands, further arguments)``."""

    def __init__(self) -> None:
        self.steps: list[tuple] = []
        self.count = 0

    def item(self, shape: tuple[int, ...], labels: Labels) -> _Item:
        self.count += 1
        return _Item(self.count - 1, shape, labels)

    def run(
        self, f: Any, sources: tuple[_Item, ...], arguments: tuple, shape: tuple[int, ...], labels: Labels
    ) -> _Item:
        made = self.item(shape, labels)
        self.steps.append((made.number, f, tuple([s.number for s in sources]), arguments))
        return made

    def reshape(self, x: _Item, shape: tuple[int, ...], labels: Labels) -> _Item:
        if shape == x.shape:
            x.labels = labels
            return x
        return self.run(shape_ops.reshape, (x,), (shape,), shape, labels)

    def ordered(self, x: _Item, labels: Labels) -> _Item:
        if labels == x.labels:
            return x
        axes = tuple([x.labels.index(c) for c in labels])
        return self.run(shape_ops.permute_dims, (x,), (axes,), tuple([x.shape[a] for a in axes]), labels)

    def simplified(self, x: _Item) -> _Item:
        """A repeated label of one operand means its diagonal."""
        while len(set(x.labels)) < len(x.labels):
            label = next(c for c in x.labels if x.labels.count(c) > 1)
            a = x.labels.index(label)
            b = x.labels.index(label, a + 1)
            n = x.shape[a]
            if n != x.shape[b]:
                raise ShapeError(
                    f"einsum(): subscript {label} is repeated for operand but the sizes don't match, {n} != {x.shape[b]}"
                )
            others = [i for i in range(len(x.labels)) if i not in (a, b)]
            shape, labels = [(*(part[i] for i in others), last) for part, last in ((x.shape, n), (x.labels, label))]
            x = self.run(ops.diagonal, (x,), (0, a, b), shape, labels)
        return x

    def without_broadcast(self, items: list[_Item]) -> list[_Item]:
        """Dimensions of size 1 under a label that is larger elsewhere broadcast: they are dropped here."""
        sizes: dict[Any, int] = {}
        for x in items:
            for label, n in x.sizes.items():
                held = sizes.get(label, 1)
                if n != held and 1 not in (n, held):
                    raise ShapeError(
                        f"einsum(): subscript {label} has size {n} for an operand which does not broadcast with previously seen size {held}"
                    )
                sizes[label] = n if held == 1 else held
        result = []
        for x in items:
            kept = {label: n for label, n in x.sizes.items() if n == sizes[label]}
            result.append(self.reshape(x, tuple(kept.values()), tuple(kept)))
        return result

    def summed(self, x: _Item, keep: set) -> _Item:
        """Sum over labels that nobody else needs."""
        axes = tuple([i for i, label in enumerate(x.labels) if label not in keep])
        if not axes:
            return x
        kept = {label: n for label, n in x.sizes.items() if label in keep}
        return self.run(_sum, (x,), (axes,), tuple(kept.values()), tuple(kept))

    def contract(self, x: _Item, y: _Item, needed: set, output: Labels) -> _Item:
        """The product of two, in the order of the output where that costs nothing: programs take views of it, as of PyTorch's."""
        x, y = self.summed(x, needed | set(y.labels)), self.summed(y, needed | set(x.labels))
        place = {label: i for i, label in enumerate(output)}
        first, second = (
            min((place[c] for c in a.labels if c in place and c not in b.labels), default=0)
            for a, b in ((x, y), (y, x))
        )
        if second < first:
            x, y = y, x
        p, q, size = x.labels, y.labels, x.sizes | y.sizes
        batch = [c for c in p if c in q and c in needed]
        inner = [c for c in p if c in q and c not in needed]
        left, right = [c for c in p if c not in q], [c for c in q if c not in p]
        labels = (*batch, *left, *right)
        if not inner:  # nothing to sum: an elementwise product
            labels = tuple(sorted(labels, key=lambda c: place.get(c, -1)))
            x, y = (self.ordered(a, tuple([c for c in labels if c in a.labels])) for a in (x, y))
            x, y = (self.reshape(a, tuple([size[c] if c in a.labels else 1 for c in labels]), ()) for a in (x, y))
            return self.run(_times, (x, y), (), tuple([size[c] for c in labels]), labels)
        shape = tuple([size[c] for c in labels])
        x, y = self.ordered(x, (*batch, *left, *inner)), self.ordered(y, (*batch, *inner, *right))
        lead = tuple([size[c] for c in batch])
        k, rows, cols = (math.prod(size[c] for c in part) for part in (inner, left, right))
        x, y = self.reshape(x, (*lead, rows, k), ()), self.reshape(y, (*lead, k, cols), ())
        return self.reshape(self.run(_matmul, (x, y), (), (*lead, rows, cols), ()), shape, labels)


@functools.lru_cache(512)
def _plan(equation: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[list[tuple], int]:
    """The steps, and the number of the result."""
    inputs, output = _parse(equation, [len(shape) for shape in shapes])
    planner = _Planner()
    items = [planner.item(shape, labels) for shape, labels in zip(shapes, inputs, strict=True)]
    items = planner.without_broadcast([planner.simplified(x) for x in items])
    seen = {label for x in items for label in x.labels}
    for label in output:
        if label not in seen and not isinstance(label, int):
            raise RuntimeError(
                f"einsum(): output subscript {label} does not appear in the equation for any input operand"
            )
    while len(items) > 1:
        i, j = _cheapest(items, output) if len(items) > 2 else (0, 1)
        rest = [item for k, item in enumerate(items) if k not in (i, j)]
        needed = set(output).union(*(x.labels for x in rest))
        items = [planner.contract(items[i], items[j], needed, output), *rest]
    x = planner.summed(items[0], set(output))
    missing = tuple([label for label in output if label not in x.labels])  # sizes of 1 under "..." that were dropped
    x = planner.reshape(x, (*x.shape, *(1 for _ in missing)), (*x.labels, *missing))
    return planner.steps, planner.ordered(x, output).number


def _cheapest(items: list[_Item], output: Labels) -> tuple[int, int]:
    """The pair whose product is smallest compared with what it replaces; of equals, the fewest multiplications."""
    best, found = None, (0, 1)
    for i in range(len(items)):
        for j in range(i + 1, len(items)):
            needed = set(output).union(*(x.labels for k, x in enumerate(items) if k not in (i, j)))
            sizes = items[i].sizes | items[j].sizes
            product = math.prod(n for label, n in sizes.items() if label in needed)
            price = (product - math.prod(items[i].shape) - math.prod(items[j].shape), math.prod(sizes.values()))
            if best is None or price < best:
                best, found = price, (i, j)
    return found


def _sum(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x.sum(axes)


def _united(x: Tensor, y: Tensor) -> None:
    if x.dtype is not y.dtype and not autocast_unites(x, y):
        raise DTypeError(f"einsum(): expected operands of one dtype, got {x.dtype} and {y.dtype}")


def _times(x: Tensor, y: Tensor) -> Tensor:
    """The product where nothing is summed: an ordinary one, so dtypes promote, as in PyTorch."""
    return elementwise.multiply(x, y)


def _matmul(x: Tensor, y: Tensor) -> Tensor:
    _united(x, y)
    return matmul(x, y)
