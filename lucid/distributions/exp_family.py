"""Exponential families: the entropy follows from the log normaliser."""

from __future__ import annotations

from typing import Any

import lucid

from .distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Densities ``p(x; t) = exp(<s(x), t> - F(t) + k(x))`` with natural parameters ``t``, log normaliser ``F``.

    A subclass gives ``_natural_params``, ``_log_normalizer`` and ``_mean_carrier_measure`` (the mean of ``k``).
    Reference: Nielsen and Nock (2010), https://arxiv.org/abs/1005.1541 (entropies and divergences from ``F``).

    >>> import lucid
    >>> isinstance(lucid.distributions.Normal(0, 1), lucid.distributions.ExponentialFamily)
    True
    """

    @property
    def _natural_params(self) -> tuple:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> Any:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotImplementedError

    def entropy(self) -> Any:
        result = -self._mean_carrier_measure
        params = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*params)
        gradients = lucid.autograd.grad(normalizer.sum(), params, create_graph=True)
        result = result + normalizer
        for p, g in zip(params, gradients, strict=True):
            result = result - (p * g).reshape((*self._batch_shape, -1)).sum(-1)
        return result
