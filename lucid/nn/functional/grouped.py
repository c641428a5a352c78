"""Products of groups of rows with a matrix each, as mixtures of experts need them."""

from __future__ import annotations

from typing import Any

from ...core import dtypes
from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...functions.pieces import cat, stack

__all__ = ["grouped_mm"]


def grouped_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    *,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: Any = None,
) -> Tensor:
    """One product for each group; ``offs`` (G,) says where the groups end in the dimension that they share.

    (T, K) with (G, K, N): rows in groups, to (T, N). (G, M, K) with (K, T): columns in groups, to (M, T). (M, T) with (T, N):
    the summed dimension in groups, to (G, M, N). (G, M, K) with (G, K, N): all products, without ``offs``. What lies
    beyond the last offset takes no part; its results are 0. Raises RuntimeError where shapes or offsets do not fit.

    >>> import lucid
    >>> import lucid.nn.functional as F
    >>> tokens, experts = lucid.ones(5, 2), lucid.ones(3, 2, 4)
    >>> F.grouped_mm(tokens, experts, offs=lucid.tensor([1, 3, 5], dtype=lucid.int32)).shape
    lucid.Size([5, 4])
    """
    ends = _checked(mat_a, mat_b, offs)
    if offs is None:
        out: Tensor = mat_a @ mat_b if bias is None else mat_a @ mat_b + bias  # type: ignore[operator]
        return out if out_dtype is None else out.to(out_dtype)  # type: ignore[attr-defined]
    rows, columns = mat_a.ndim == 2, mat_b.ndim == 2
    parts = []
    for i, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        span = slice(start, end)
        a = mat_a[i] if not rows else mat_a[:, span] if columns else mat_a[span]  # type: ignore[index]
        b = mat_b[i] if not columns else mat_b[span] if rows else mat_b[:, span]  # type: ignore[index]
        parts.append(a @ b if bias is None else a @ b + bias)
    if rows and columns:
        out = stack(parts)
    else:
        axis = 0 if rows else 1
        rest = (mat_a if rows else mat_b).shape[axis] - ends[-1]
        if rest:
            shape = (rest, mat_b.shape[-1]) if rows else (mat_a.shape[1], rest)
            parts.append(mat_a.new_zeros(shape))  # type: ignore[attr-defined]
        out = cat(parts, axis)
    return out if out_dtype is None else out.to(out_dtype)  # type: ignore[attr-defined]


def _checked(mat_a: Tensor, mat_b: Tensor, offs: Tensor | None) -> list[int]:
    """The ends of the groups, with everything verified."""
    a, b = tuple(mat_a.shape), tuple(mat_b.shape)
    for name, shape in (("mat_a", a), ("mat_b", b)):
        if len(shape) not in (2, 3):
            raise ShapeError(f"grouped_mm: {name} has to be 2 or 3d, got shape {shape}")
    if a[-1] != b[-2]:
        raise ShapeError(f"grouped_mm: contraction dimension of mat_a and mat_b must match: {a} and {b}")
    if mat_a.dtype is not mat_b.dtype:
        raise RuntimeError(
            f"grouped_mm: Expected mat_a and mat_b to have one dtype, got {mat_a.dtype} and {mat_b.dtype}"
        )
    if (offs is None) != (len(a) == len(b) == 3):
        raise RuntimeError(
            "grouped_mm: Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"
        )
    if offs is None:
        if a[0] != b[0]:
            raise ShapeError(f"grouped_mm: batched dimension has to match: {a} and {b}")
        return []
    if offs.dtype is not dtypes.int32 or offs.ndim != 1:
        raise RuntimeError(
            f"grouped_mm: Offsets have to be int32 and 1-D, got {offs.dtype} of shape {tuple(offs.shape)}"
        )
    for shape in (a, b):
        if len(shape) == 3 and shape[0] != offs.shape[0]:
            raise ShapeError(f"grouped_mm: matrix batch sizes have to match: {offs.shape[0]} offsets for {shape}")
    ends = offs.tolist()  # type: ignore[attr-defined]
    total = a[-1] if len(a) == len(b) else a[0] if len(a) == 2 else b[1]
    if any(low > high for low, high in zip([0, *ends], [*ends, total], strict=True)):
        raise RuntimeError(f"grouped_mm: offsets have to grow from 0 to at most {total}, got {ends}")
    return ends
