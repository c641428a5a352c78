"""Heads of queries that share a head of keys and values."""

from __future__ import annotations

from ...core.tensor import Tensor


def queries_per_key(query: Tensor, key: Tensor, enable_gqa: bool) -> int:
    """How many heads of ``query`` go with each of ``key`` (axis 1); ValueError for heads that do not fit."""
    heads, shared = query.shape[1], key.shape[1]
    if heads != shared and not enable_gqa:
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq={heads} and Hkv={shared}. Try setting enable_gqa=True for GQA."
        )
    if heads % shared:
        raise ValueError(
            f"Expect number of query heads to be a multiple of kv heads for GQA but got Hq={heads} and Hkv={shared}."
        )
    return heads // shared
