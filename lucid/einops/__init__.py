"""Shapes by pattern: ``rearrange``, ``reduce`` and ``repeat`` in einops' notation (Rogozhnikov 2022), and ``einsum``.

Our own, so that nothing needs to be installed; the einops library itself takes Tensors too (see ``lucid.interop``).
``lucid.einops.layers`` has ``Rearrange`` and ``Reduce`` as modules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import functions as F
from .. import ops
from ..core.tensor import Tensor
from ..functions import einsum as _einsum

__all__ = ["EinopsError", "einsum", "pack", "parse_shape", "rearrange", "reduce", "repeat", "unpack"]


class EinopsError(RuntimeError):
    """A pattern that does not fit the tensor, or makes no sense."""


Group = list[str]  # the names in one place of a pattern; empty for a 1


def _side(text: str, pattern: str) -> list[Group | None]:
    """One side of a pattern as groups of names; None for an ellipsis."""
    spaced = text.replace("(", " ( ").replace(")", " ) ").replace("...", " ... ")
    groups: list[Group | None] = []
    inside: Group | None = None
    for word in spaced.split():
        if word == "(":
            if inside is not None:
                raise EinopsError(f"nested parentheses in {pattern!r}")
            inside = []
        elif word == ")":
            if inside is None:
                raise EinopsError(f"unbalanced parentheses in {pattern!r}")
            groups.append(inside)
            inside = None
        elif word == "...":
            groups.append(None)
            if inside is not None:
                raise EinopsError(f"an ellipsis inside parentheses in {pattern!r}; name the axes instead")
        elif word == "1" and inside is None:
            groups.append([])
        elif word.isdecimal() or word.isidentifier():
            inside.append(word) if inside is not None else groups.append([word])
        else:
            raise EinopsError(f"invalid axis name {word!r} in {pattern!r}")
    if inside is not None:
        raise EinopsError(f"unbalanced parentheses in {pattern!r}")
    if groups.count(None) > 1:
        raise EinopsError(f"more than one ellipsis in {pattern!r}")
    return groups


def _parsed(pattern: str, ndim: int) -> tuple[list[Group], list[Group]]:
    left_text, arrow, right_text = pattern.partition("->")
    if not arrow:
        raise EinopsError(f"a pattern needs '->': {pattern!r}")
    left, right = _side(left_text, pattern), _side(right_text, pattern)
    if None in right and None not in left:
        raise EinopsError(f"an ellipsis on the right only: {pattern!r}")
    spare = ndim - len([g for g in left if g is not None])
    if spare < 0 or (spare and None not in left):
        raise EinopsError(f"pattern {pattern!r} names {len(left)} dimensions; the tensor has {ndim}")
    dots = [[f"...{i}"] for i in range(spare)]

    def spread(side: list[Group | None]) -> list[Group]:
        return [g for group in side for g in (dots if group is None else [group])]

    return spread(left), spread(right)


def _lengths(shape: tuple, left: list[Group], given: dict[str, int], pattern: str) -> dict[str, int]:
    """The length of every name; one unknown per group follows from the rest."""
    known = dict(given)
    names = [name for group in left for name in group]
    if len(set(names)) != len(names):
        raise EinopsError(f"an axis appears twice on the left of {pattern!r}")
    for n, group in zip(shape, left, strict=True):
        for name in group:
            if name.isdecimal():
                known[name] = int(name)
        unknown = [name for name in group if name not in known]
        product = math.prod(known[name] for name in group if name in known)
        if len(unknown) > 1:
            raise EinopsError(f"could not infer sizes for {unknown} in {pattern!r}; give all but one")
        if unknown:
            if not product or n % product:
                raise EinopsError(
                    f"shape mismatch: can't divide axis of length {n} in chunks of {product} ({pattern!r}, shape {shape})"
                )
            known[unknown[0]] = n // product
        elif product != n:
            raise EinopsError(
                f"shape mismatch: an axis of length {n} does not equal {' '.join(group) or '1'} = {product} ({pattern!r}, shape {shape})"
            )
    return known


def _tensor(x: Any) -> Tensor:
    return F.stack(list(x)) if isinstance(x, list | tuple) else x  # type: ignore[attr-defined]


def _transform(tensor: Any, pattern: str, lengths: dict[str, int], reduction: Any, new_axes: bool) -> Tensor:
    x = _tensor(tensor)
    shape = tuple(x.shape)
    left, right = _parsed(pattern, len(shape))
    for name, n in lengths.items():
        if not isinstance(n, int):
            raise EinopsError(f"the length of {name!r} must be an int, got {n!r}")
    known = _lengths(shape, left, lengths, pattern)
    before, after = [n for g in left for n in g], [n for g in right for n in g]
    if len(set(after)) != len(after):
        raise EinopsError(f"an axis appears twice on the right of {pattern!r}")
    extra, lost = [n for n in after if n not in before], [n for n in before if n not in after]
    unused = [n for n in lengths if n not in before and n not in after]
    if unused:
        raise EinopsError(f"axes {unused} do not appear in {pattern!r}")
    if extra and not new_axes and not all(n.isdecimal() and int(n) == 1 for n in extra):
        raise EinopsError(f"identifiers only on the right of {pattern!r}: {extra}")
    if lost and reduction is None:
        raise EinopsError(f"identifiers only on the left of {pattern!r}: {lost}")
    for name in extra:
        if name.isdecimal():
            known[name] = int(name)
        elif name not in known:
            raise EinopsError(f"specify the size of the new axis {name!r} in {pattern!r}")
    x = ops.reshape(x, tuple(known[n] for n in before))
    if lost:
        x = _reduced(x, tuple(before.index(n) for n in lost), reduction)
        before = [n for n in before if n in after]
    kept = [n for n in after if n in before]
    x = ops.permute_dims(x, tuple(before.index(n) for n in kept))
    if extra:
        x = ops.reshape(x, tuple(1 if n in extra else known[n] for n in after))
        x = ops.broadcast_to(x, tuple(known[n] for n in after))
    return ops.reshape(x, tuple(math.prod(known[n] for n in group) for group in right))


def _reduced(x: Tensor, axes: tuple[int, ...], reduction: str | Callable) -> Tensor:
    if callable(reduction):
        return reduction(x, axes)
    if reduction == "mean" and x.dtype.category < 2:
        raise EinopsError(f"reduction 'mean' is not available for dtype {x.dtype}")
    if reduction in ("any", "all", "prod"):
        for axis in sorted(axes, reverse=True):
            x = getattr(F, reduction)(x, axis)
        return x
    if reduction not in ("min", "max", "sum", "mean"):
        raise EinopsError(
            f"unknown reduction {reduction!r}; expected min, max, sum, mean, prod, any, all or a function"
        )
    return getattr(F, {"min": "amin", "max": "amax"}.get(reduction, reduction))(x, axes)


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Tensor:
    """Dimensions reordered, split and merged as the pattern says. A list of tensors counts as stacked.

    >>> import lucid
    >>> lucid.einops.rearrange(lucid.zeros(2, 3, 4), "a b c -> c (a b)").shape
    lucid.Size([4, 6])
    """
    return _transform(tensor, pattern, axes_lengths, None, False)


def reduce(tensor: Any, pattern: str, reduction: str | Callable, **axes_lengths: int) -> Tensor:
    """``rearrange``, with the names that are missing on the right reduced: min, max, sum, mean, prod, any, all; "repeat" is ``repeat``.

    >>> import lucid
    >>> lucid.einops.reduce(lucid.ones(4, 6), "(a b) c -> a c", "sum", b=2).shape
    lucid.Size([2, 6])
    """
    if reduction == "repeat":
        return repeat(tensor, pattern, **axes_lengths)
    return _transform(tensor, pattern, axes_lengths, reduction, False)


def repeat(tensor: Any, pattern: str, **axes_lengths: int) -> Tensor:
    """``rearrange``, with new names on the right along which the tensor is repeated.

    >>> import lucid
    >>> lucid.einops.repeat(lucid.tensor([1, 2]), "a -> (a n)", n=2)
    tensor([1, 1, 2, 2])
    """
    return _transform(tensor, pattern, axes_lengths, None, True)


def einsum(*tensors_and_pattern: Any) -> Tensor:
    """``lucid.einsum`` with the equation first, or einops' form: tensors first, names separated by spaces.

    >>> import lucid
    >>> lucid.einops.einsum(lucid.ones(2, 3), lucid.ones(3, 4), "batch k, k out -> batch out").shape
    lucid.Size([2, 4])
    """
    if isinstance(tensors_and_pattern[0], str):
        return _einsum(*tensors_and_pattern)  # type: ignore[operator]
    *tensors, pattern = tensors_and_pattern
    letters: dict[str, str] = {}
    left, arrow, right = pattern.partition("->")
    if not arrow:
        raise EinopsError(f"a pattern needs '->': {pattern!r}")

    def spelled(side: str) -> str:
        words = side.replace("...", " ... ").split()
        return "".join(
            w
            if w == "..."
            else letters.setdefault(
                w, chr(ord("a") + len(letters)) if len(letters) < 26 else chr(ord("A") + len(letters) - 26)
            )
            for w in words
        )

    return _einsum(",".join(spelled(term) for term in left.split(",")) + "->" + spelled(right), *tensors)  # type: ignore[operator]


def _packing(pattern: str, what: str) -> tuple[int, int]:
    """How many dimensions stand before and after the ``*`` of a packing pattern."""
    names = pattern.split()
    if names.count("*") != 1 or len(set(names)) != len(names):
        raise EinopsError(f"{what}: a pattern has distinct names and one '*', got {pattern!r}")
    return names.index("*"), len(names) - names.index("*") - 1


def pack(tensors: Sequence[Tensor], pattern: str) -> tuple[Tensor, list[tuple[int, ...]]]:
    """Tensors joined along the dimension ``*``, whatever number of dimensions each has there, and their shapes there.

    >>> import lucid
    >>> packed, shapes = lucid.einops.pack([lucid.zeros(2, 3), lucid.zeros(2, 4, 5)], "b *")
    >>> packed.shape, shapes
    (lucid.Size([2, 23]), [(3,), (4, 5)])
    """
    before, after = _packing(pattern, "pack")
    parts, shapes = [], []
    for i, t in enumerate(tensors):
        shape = tuple(t.shape)
        if len(shape) < before + after:
            raise EinopsError(
                f"pack: tensor {i} has shape {shape}; {pattern!r} needs {before + after} dimensions or more"
            )
        end = len(shape) - after
        shapes.append(shape[before:end])
        parts.append(ops.reshape(t, (*shape[:before], math.prod(shape[before:end]), *shape[end:])))
    return F.cat(parts, before), shapes  # type: ignore[attr-defined]


def unpack(tensor: Tensor, packed_shapes: Sequence[Sequence[int]], pattern: str) -> list[Tensor]:
    """The tensors that ``pack`` joined; one of the lengths may be -1.

    >>> import lucid
    >>> [t.shape for t in lucid.einops.unpack(lucid.zeros(2, 23), [(3,), (4, 5)], "b *")]
    [lucid.Size([2, 3]), lucid.Size([2, 4, 5])]
    """
    before, after = _packing(pattern, "unpack")
    shape = tuple(tensor.shape)
    if len(shape) != before + 1 + after:
        raise EinopsError(f"unpack: {pattern!r} names {before + 1 + after} dimensions, the tensor has shape {shape}")
    sizes = [math.prod(s) if -1 not in s else -1 for s in packed_shapes]
    if sizes.count(-1) > 1:
        raise EinopsError(f"unpack: only one of the shapes may hold -1, got {list(packed_shapes)}")
    rest = shape[before] - sum(n for n in sizes if n != -1)
    if rest < 0 or (rest and -1 not in sizes):
        raise EinopsError(f"unpack: shapes {list(packed_shapes)} do not add up to {shape[before]}")
    parts = F.split(tensor, [rest if n == -1 else n for n in sizes], before)  # type: ignore[attr-defined]
    return [
        F.reshape(part, (*shape[:before], *inner, *shape[before + 1 :]))  # type: ignore[attr-defined]
        for part, inner in zip(parts, packed_shapes, strict=True)
    ]


def parse_shape(x: Tensor, pattern: str) -> dict[str, int]:
    """The lengths of a tensor's dimensions by name; ``_`` skips one.

    >>> import lucid
    >>> lucid.einops.parse_shape(lucid.zeros(2, 3, 4), "b _ w")
    {'b': 2, 'w': 4}
    """
    names = pattern.split()
    if "..." in names:
        i = names.index("...")
        names[i : i + 1] = ["_"] * (x.ndim - len(names) + 1)
    if len(names) != x.ndim:
        raise EinopsError(
            f"parse_shape: {pattern!r} names {len(names)} dimensions, the tensor has shape {tuple(x.shape)}"
        )
    return {name: int(n) for name, n in zip(names, x.shape, strict=True) if name != "_"}
