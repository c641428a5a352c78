"""Keys and values of earlier positions, kept while a model generates."""

from __future__ import annotations

from ...core.modes import no_grad
from ...core.tensor import Tensor
from ...functions.pieces import cat

__all__ = ["Cache", "DynamicKVCache", "EncoderDecoderCache", "KVCache", "StaticKVCache"]


class Cache:
    """What all caches can do: ``reset``, and reorder their batch for beam search."""

    def reset(self) -> None:
        """Forget everything."""
        raise NotImplementedError(f"{type(self).__name__} is missing reset()")

    def reorder(self, beam: Tensor) -> None:
        """Take the rows ``beam`` of the batch."""
        raise NotImplementedError(f"{type(self).__name__} is missing reorder()")


class KVCache(Cache):
    """Keys and values per layer, each (N, heads, L, d)."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def update(self, key: Tensor, value: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        """Add the newest positions of a layer; all keys and values so far."""
        raise NotImplementedError(f"{type(self).__name__} is missing update()")

    def get(self, layer_idx: int) -> tuple[Tensor, Tensor] | None:
        """The keys and values of a layer, or None."""
        return self._kept.get(layer_idx)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """How many positions of a layer are kept."""
        found = self.get(layer_idx)
        return 0 if found is None else found[0].shape[-2]

    def reset(self) -> None:
        self._kept.clear()

    def reorder(self, beam: Tensor) -> None:
        self._kept = {i: tuple(t.index_select(0, beam) for t in kept) for i, kept in self._kept.items()}  # type: ignore[attr-defined, misc]

    def __len__(self) -> int:
        return len(self._kept)


class DynamicKVCache(KVCache):
    """A cache that grows.

    >>> import lucid
    >>> cache = lucid.nn.DynamicKVCache()
    >>> step = lucid.ones(1, 2, 3, 4)
    >>> cache.update(step, step, 0)[0].shape, cache.update(step, step, 0)[0].shape
    (lucid.Size([1, 2, 3, 4]), lucid.Size([1, 2, 6, 4]))
    """

    def update(self, key: Tensor, value: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        before = self._kept.get(layer_idx)
        if before is not None:
            key, value = cat([before[0], key], -2), cat([before[1], value], -2)
        self._kept[layer_idx] = key, value
        return key, value


class StaticKVCache(KVCache):
    """A cache with room for ``max_cache_len`` positions, written in place. Raises RuntimeError when it is full."""

    def __init__(self, max_cache_len: int, num_layers: int):
        super().__init__()
        if max_cache_len <= 0 or num_layers <= 0:
            raise ValueError(f"StaticKVCache: sizes must be positive, got {max_cache_len} and {num_layers}")
        self.max_cache_len, self.num_layers = max_cache_len, num_layers
        self._lengths = [0] * num_layers

    def update(self, key: Tensor, value: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        if not 0 <= layer_idx < self.num_layers:
            raise IndexError(f"StaticKVCache: layer {layer_idx} of {self.num_layers}")
        start = self._lengths[layer_idx]
        stop = start + key.shape[-2]
        if stop > self.max_cache_len:
            raise RuntimeError(f"StaticKVCache: {stop} positions do not fit into {self.max_cache_len}")
        if layer_idx not in self._kept:
            rooms = [t.new_zeros(*t.shape[:-2], self.max_cache_len, t.shape[-1]) for t in (key, value)]  # type: ignore[attr-defined]
            self._kept[layer_idx] = rooms[0], rooms[1]
        with no_grad():
            for room, new in zip(self._kept[layer_idx], (key, value), strict=True):
                room[..., start:stop, :] = new.detach()  # type: ignore[index, attr-defined]
        self._lengths[layer_idx] = stop
        found = self.get(layer_idx)
        assert found is not None
        return found

    def get(self, layer_idx: int) -> tuple[Tensor, Tensor] | None:
        kept = self._kept.get(layer_idx)
        if kept is None:
            return None
        n = self._lengths[layer_idx]
        return kept[0][..., :n, :], kept[1][..., :n, :]  # type: ignore[index]

    def reset(self) -> None:
        super().reset()
        self._lengths = [0] * self.num_layers


class EncoderDecoderCache(Cache):
    """The caches of a decoder's self-attention and of its attention to the encoder."""

    def __init__(self, self_attention_cache: KVCache | None = None, cross_attention_cache: KVCache | None = None):
        self.self_attention_cache = DynamicKVCache() if self_attention_cache is None else self_attention_cache
        self.cross_attention_cache = DynamicKVCache() if cross_attention_cache is None else cross_attention_cache

    def reset(self) -> None:
        self.self_attention_cache.reset()
        self.cross_attention_cache.reset()

    def reorder(self, beam: Tensor) -> None:
        self.self_attention_cache.reorder(beam)
        self.cross_attention_cache.reorder(beam)
