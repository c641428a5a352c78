"""Sequences of different lengths: padded to one tensor, or packed without the padding."""

from __future__ import annotations

import itertools
from collections import namedtuple
from collections.abc import Iterable
from typing import Any

from ...core import dtypes
from ...core.tensor import Tensor, as_tensor
from ...functions.creation import full
from ...functions.pieces import cat

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence",
    "unpack_sequence", "unpad_sequence",
]  # fmt: skip

_Packed = namedtuple("_Packed", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])


class PackedSequence(_Packed):
    """Sequences sorted by length, step by step: ``data`` (all steps), ``batch_sizes`` (sequences alive at each step).

    Made by ``pack_padded_sequence`` and ``pack_sequence``; recurrent layers take and return it.
    """

    def __new__(
        cls, data: Tensor, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with its data in another dtype or on another device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        order, back = (
            None if indices is None else indices.to(data.device)
            for indices in (self.sorted_indices, self.unsorted_indices)
        )
        return type(self)(data, self.batch_sizes, order, back)

    @property
    def is_cuda(self) -> bool:
        return self.data.is_cuda

    def cpu(self) -> PackedSequence:
        return self.to("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        return self.to("cuda")

    def pin_memory(self) -> PackedSequence:
        return self

    def is_pinned(self) -> bool:
        return False

    def _cast(self, name: str) -> PackedSequence:
        return self.to(dtypes.as_dtype(name))

    def double(self) -> PackedSequence:
        return self._cast("float64")

    def float(self) -> PackedSequence:
        return self._cast("float32")

    def half(self) -> PackedSequence:
        return self._cast("float16")

    def long(self) -> PackedSequence:
        return self._cast("int64")

    def int(self) -> PackedSequence:
        return self._cast("int32")

    def short(self) -> PackedSequence:
        return self._cast("int16")

    def char(self) -> PackedSequence:
        return self._cast("int8")

    def byte(self) -> PackedSequence:
        return self._cast("uint8")


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another."""
    return None if permutation is None else permutation.argsort()  # type: ignore[attr-defined]


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (L_i, *) as one tensor (L, N, *), or (N, L, *) with ``batch_first``; shorter ones are filled up.

    Raises ValueError for another ``padding_side`` than "right" and "left".

    >>> import lucid
    >>> lucid.nn.utils.rnn.pad_sequence([lucid.tensor([1, 2]), lucid.tensor([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if padding_side not in ("right", "left"):
        raise ValueError(f"padding_side should be 'right' or 'left', got {padding_side!r}")
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    items = list(sequences)
    if not items:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    longest = max(s.shape[0] for s in items)
    rows = []
    for s in items:
        gap = longest - s.shape[0]
        if gap:
            filler = full((gap, *s.shape[1:]), padding_value, dtype=s.dtype, device=s.device)
            s = cat([s, filler] if padding_side == "right" else [filler, s])
        rows.append(s.unsqueeze(0 if batch_first else 1))
    return cat(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor, each with its own length."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)  # type: ignore[attr-defined]
    return [row[: int(n)] for row, n in zip(rows, lengths, strict=True)]


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """A padded (L, N, *) tensor and the lengths of its N sequences as a ``PackedSequence``.

    Raises RuntimeError for lengths that are not positive, too many, or (with ``enforce_sorted``) not decreasing.

    >>> import lucid
    >>> x = lucid.tensor([[1, 2], [3, 0]])
    >>> lucid.nn.utils.rnn.pack_padded_sequence(x, [2, 1], batch_first=True).data
    tensor([1, 3, 2])
    """
    sizes = [int(n) for n in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]
    order = None
    if not enforce_sorted:
        ranked = sorted(range(len(sizes)), key=lambda i: -sizes[i])
        order = as_tensor(ranked, device=input.device)
        sizes = [sizes[i] for i in ranked]
        input = input.index_select(0 if batch_first else 1, order)  # type: ignore[attr-defined]
    steps = input.transpose(0, 1) if batch_first else input  # type: ignore[attr-defined]
    if len(sizes) != steps.shape[1]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={steps.shape[1]})"
        )
    if not input.shape.numel():
        raise RuntimeError("Cannot pack empty tensors.")
    if min(sizes) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if any(a < b for a, b in itertools.pairwise(sizes)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement "
            "if you do not need ONNX exportability."
        )
    if sizes[0] > steps.shape[0]:
        raise RuntimeError(f"Expected lengths of at most {steps.shape[0]} (the padded length), got {sizes[0]}")
    alive = [sum(n > t for n in sizes) for t in range(sizes[0])]
    data = cat([steps[t, :n] for t, n in enumerate(alive)])
    return PackedSequence(data, as_tensor(alive), order, None)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The inverse of ``pack_padded_sequence``: (padded, lengths).

    Raises ValueError if ``total_length`` is less than the longest sequence.
    """
    alive = sequence.batch_sizes.tolist()
    longest, batch = len(alive), alive[0]
    if total_length is not None and total_length < longest:
        raise ValueError(
            f"Expected total_length to be at least the length of the longest sequence in input, but got total_length={total_length} and max sequence length being {longest}"
        )
    rows, start = [], 0
    for n in alive:
        row = sequence.data[start : start + n]
        start += n
        if n < batch:
            row = cat([row, full((batch - n, *row.shape[1:]), padding_value, dtype=row.dtype, device=row.device)])
        rows.append(row.unsqueeze(0))
    for _ in range((total_length or longest) - longest):
        rows.append(
            full(
                (1, batch, *sequence.data.shape[1:]),
                padding_value,
                dtype=sequence.data.dtype,
                device=sequence.data.device,
            )
        )
    padded = cat(rows)
    lengths = as_tensor([sum(n > i for n in alive) for i in range(batch)])
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)  # type: ignore[attr-defined]
        lengths = lengths[sequence.unsorted_indices.cpu()]  # type: ignore[index]
    return (padded.transpose(0, 1) if batch_first else padded), lengths  # type: ignore[attr-defined]


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """A list of sequences (L_i, *) as a ``PackedSequence``."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a ``PackedSequence``."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
