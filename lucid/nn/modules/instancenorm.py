"""Instance normalisation."""

from __future__ import annotations

from typing import Any

from ...core.errors import ShapeError
from ...core.tensor import Tensor
from .. import functional as F
from .batchnorm import _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _channel_dim(self, input: Tensor) -> int:
        return 0 if input.ndim == self.ranks[0] else 1  # 0: without a batch

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        at = self._channel_dim(input)
        channels, single = input.shape[at], at == 0
        if channels != self.num_features:
            if self.affine or self.track_running_stats:
                raise ShapeError(
                    f"{type(self).__name__}: expected input's size at dim={at} to match num_features ({self.num_features}), but got: {channels}."
                )
            import warnings

            warnings.warn(
                f"input's size at dim={at} does not match num_features. num_features is not used because affine=False.",
                stacklevel=2,
            )
        batch = self.training or not self.track_running_stats
        x = input.unsqueeze(0) if single else input  # type: ignore[attr-defined]
        out = F.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, batch, self.momentum or 0.0, self.eps
        )
        return out.squeeze(0) if single else out  # type: ignore[attr-defined]

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing: list,
        unexpected: list,
        errors: list,
    ) -> None:
        version = local_metadata.get("version")
        if version is None and not self.track_running_stats:
            stale = [n for n in ("running_mean", "running_var") if prefix + n in state_dict]
            if stale:
                errors.append(
                    f"Unexpected running stats buffer(s) {' and '.join(repr(n) for n in stale)} for {type(self).__name__} with track_running_stats=False."
                )
                for n in stale:
                    state_dict.pop(prefix + n)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L). Ulyanov et al., 2016. Raises ValueError for other ranks.

    >>> import lucid
    >>> lucid.nn.InstanceNorm1d(3)(lucid.randn(2, 3, 8)).shape
    lucid.Size([2, 3, 8])
    """

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of (N, C, H, W) or (C, H, W). Raises ValueError for other ranks."""

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W). Raises ValueError for other ranks."""

    ranks = (4, 5)


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """An InstanceNorm1d whose ``num_features`` comes from the first input."""

    cls_to_become, ranks = InstanceNorm1d, (2, 3)


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """An InstanceNorm2d whose ``num_features`` comes from the first input."""

    cls_to_become, ranks = InstanceNorm2d, (3, 4)


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """An InstanceNorm3d whose ``num_features`` comes from the first input."""

    cls_to_become, ranks = InstanceNorm3d, (4, 5)
