"""Einstein summation: pairs of operands are contracted by matrix products, the cheapest pair first."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core.errors import ShapeError
from ..core.precision import autocast_unites
from ..core.tensor import Tensor
from .products import matmul
from .registry import public, tensor_arg

Labels = tuple[Any, ...]
ORDER = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@public(method=False)
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products by labelled dimensions: ``"ij,jk->ik"``, with ``...``, repeated labels, or lists of numbers as labels.

    More than two operands are contracted in the order that keeps intermediate results small.

    >>> import lucid
    >>> lucid.einsum("ij,jk->ik", lucid.ones(2, 3), lucid.ones(3, 4)).shape
    lucid.Size([2, 4])
    """
    if not isinstance(equation, str):
        equation, operands = _from_lists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    tensors = [tensor_arg(x, "einsum", f"operands[{i}]") for i, x in enumerate(operands)]
    if not tensors:
        raise RuntimeError("einsum(): must provide at least one operand")
    inputs, output = _parse(equation, tensors)
    items = [_simplified(x, labels) for x, labels in zip(tensors, inputs, strict=True)]
    items = _without_broadcast(items)
    seen = {label for _, labels in items for label in labels}
    for label in output:
        if label not in seen and not isinstance(label, int):
            raise RuntimeError(
                f"einsum(): output subscript {label} does not appear in the equation for any input operand"
            )
    while len(items) > 1:
        i, j = _cheapest(items, output) if len(items) > 2 else (0, 1)
        a, b = items[i], items[j]
        rest = [item for k, item in enumerate(items) if k not in (i, j)]
        needed = set(output).union(*(labels for _, labels in rest)) if rest else set(output)
        items = [_contract(a, b, needed), *rest]
    return _ordered(items[0], output)


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


def _parse(equation: str, tensors: list[Tensor]) -> tuple[list[Labels], Labels]:
    """Labels of each operand and of the result; dimensions under ``...`` are numbered from the right."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        raise RuntimeError(
            f"einsum(): {'fewer' if len(terms) > len(tensors) else 'more'} operands were provided than specified in the equation {equation!r}"
        )
    inputs: list[Labels] = []
    widest = 0
    for i, (term, x) in enumerate(zip(terms, tensors, strict=True)):
        letters = term.replace("...", "", 1)
        for letter in letters:
            if letter not in ORDER:
                raise RuntimeError(
                    f"einsum(): invalid subscript given at index {equation.find(letter)} in the equation string, subscripts must be in [a-zA-Z]"
                )
        spare = x.ndim - len(letters)
        if spare < 0 or (spare and "..." not in term):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(letters)}) does not match the number of dimensions ({x.ndim}) for operand {i}"
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


def _simplified(x: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """A repeated label of one operand means its diagonal."""
    while len(set(labels)) < len(labels):
        label = next(c for c in labels if labels.count(c) > 1)
        a = labels.index(label)
        b = labels.index(label, a + 1)
        if x.shape[a] != x.shape[b]:
            raise ShapeError(
                f"einsum(): subscript {label} is repeated for operand but the sizes don't match, {x.shape[a]} != {x.shape[b]}"
            )
        x = ops.diagonal(x, 0, a, b)
        labels = (*(c for i, c in enumerate(labels) if i not in (a, b)), label)
    return x, labels


def _without_broadcast(items: list[tuple[Tensor, Labels]]) -> list[tuple[Tensor, Labels]]:
    """Dimensions of size 1 under a label that is larger elsewhere broadcast: they are dropped here."""
    sizes: dict[Any, int] = {}
    for x, labels in items:
        for n, label in zip(x.shape, labels, strict=True):
            held = sizes.get(label, 1)
            if n != held and 1 not in (n, held):
                raise ShapeError(
                    f"einsum(): subscript {label} has size {n} for an operand which does not broadcast with previously seen size {held}"
                )
            sizes[label] = n if held == 1 else held
    result = []
    for x, labels in items:
        keep = [n == sizes[label] for n, label in zip(x.shape, labels, strict=True)]
        if not all(keep):
            x = ops.reshape(x, tuple(n for n, k in zip(x.shape, keep, strict=True) if k))
            labels = tuple(label for label, k in zip(labels, keep, strict=True) if k)
        result.append((x, labels))
    return result


def _cheapest(items: list[tuple[Tensor, Labels]], output: Labels) -> tuple[int, int]:
    """The pair whose product is smallest compared with what it replaces; of equals, the fewest multiplications."""
    best, found = None, (0, 1)
    for i in range(len(items)):
        for j in range(i + 1, len(items)):
            needed = set(output).union(*(labels for k, (_, labels) in enumerate(items) if k not in (i, j)))
            sizes = dict(zip(items[i][1], items[i][0].shape, strict=True)) | dict(
                zip(items[j][1], items[j][0].shape, strict=True)
            )
            product = math.prod(n for label, n in sizes.items() if label in needed)
            price = (product - items[i][0].shape.numel() - items[j][0].shape.numel(), math.prod(sizes.values()))
            if best is None or price < best:
                best, found = price, (i, j)
    return found


def _summed(x: Tensor, labels: Labels, keep: set) -> tuple[Tensor, Labels]:
    """Sum over labels that nobody else needs."""
    axes = tuple(i for i, label in enumerate(labels) if label not in keep)
    if not axes:
        return x, labels
    dtype = x.dtype
    return x.sum(axes, dtype=dtype), tuple(label for label in labels if label in keep)


def _contract(a: tuple[Tensor, Labels], b: tuple[Tensor, Labels], needed: set) -> tuple[Tensor, Labels]:
    x, p = _summed(*a, needed | set(b[1]))
    y, q = _summed(*b, needed | set(p))
    size = dict(zip(p, x.shape, strict=True)) | dict(zip(q, y.shape, strict=True))
    batch = [c for c in p if c in q and c in needed]
    inner = [c for c in p if c in q and c not in needed]
    left, right = [c for c in p if c not in q], [c for c in q if c not in p]
    labels = (*batch, *left, *right)
    shape = tuple(size[c] for c in labels)
    if x.dtype is not y.dtype and not autocast_unites(x, y):
        raise RuntimeError(f"einsum(): expected operands of one dtype, got {x.dtype} and {y.dtype}")
    x = ops.permute_dims(x, tuple(p.index(c) for c in (*batch, *left, *inner)))
    y = ops.permute_dims(y, tuple(q.index(c) for c in (*batch, *inner, *right)))
    lead = tuple(size[c] for c in batch)
    if not inner:  # nothing to sum: an elementwise product
        x = ops.reshape(x, (*lead, *(size[c] for c in left), *(1 for _ in right)))
        y = ops.reshape(y, (*lead, *(1 for _ in left), *(size[c] for c in right)))
        return x * y, labels
    k, rows, cols = (math.prod(size[c] for c in part) for part in (inner, left, right))
    x, y = ops.reshape(x, (*lead, rows, k)), ops.reshape(y, (*lead, k, cols))
    return ops.reshape(matmul(x, y), shape), labels


def _ordered(item: tuple[Tensor, Labels], output: Labels) -> Tensor:
    x, labels = _summed(*item, set(output))
    missing = [label for label in output if label not in labels]  # sizes of 1 under "..." that were dropped
    if missing:
        x, labels = ops.reshape(x, (*x.shape, *(1 for _ in missing))), (*labels, *missing)
    axes = tuple(labels.index(label) for label in output)
    return x if axes == tuple(range(len(axes))) else ops.permute_dims(x, axes)
