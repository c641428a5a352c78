"""Kullback-Leibler divergences: the registry. The formulas are in ``kl_same`` (one family) and ``kl_cross`` (two)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY: dict[tuple[type, type], Callable] = {}
_KL_MEMOIZE: dict[tuple[type, type], Callable | None] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """Decorator: the function is ``kl_divergence`` of the two classes and their subclasses.

    The most specific pair is taken; where two are (p's class first, or q's class first), a RuntimeWarning says how to
    decide. Raises TypeError for what is not a class of distributions.

    >>> import lucid
    >>> d = lucid.distributions
    >>> class Mine(d.Normal):
    ...     pass
    >>> @d.register_kl(Mine, Mine)
    ... def _(p, q):
    ...     return lucid.zeros(p.batch_shape)
    >>> d.kl_divergence(Mine(0.0, 1.0), Mine(1.0, 1.0))
    tensor(0.)
    """
    for name, cls in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(cls, type):  # any class: Pyro's distributions are not of this family
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {cls}")

    def decorator(function: Callable) -> Callable:
        _KL_REGISTRY[type_p, type_q] = function
        _KL_MEMOIZE.clear()
        return function

    return decorator


def _dispatch_kl(type_p: type, type_q: type) -> Callable | None:
    """The function of the most specific registered pair, or None."""
    fitting = [pair for pair in _KL_REGISTRY if issubclass(type_p, pair[0]) and issubclass(type_q, pair[1])]
    if not fitting:
        return None
    p_place, q_place = type_p.__mro__.index, type_q.__mro__.index
    p_first = min(fitting, key=lambda pair: (p_place(pair[0]), q_place(pair[1])))
    q_first = min(fitting, key=lambda pair: (q_place(pair[1]), p_place(pair[0])))
    found = _KL_REGISTRY[p_first]
    if found is not _KL_REGISTRY[q_first]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
            f"Please register_kl({p_first[0].__name__}, {q_first[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return found


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """``KL(p || q) = E_p[log p(x) - log q(x)]``, one number for each member of the batch.

    Raises NotImplementedError for a pair without a closed form.

    >>> import lucid
    >>> d = lucid.distributions
    >>> d.kl_divergence(d.Normal(0.0, 1.0), d.Normal(1.0, 1.0))
    tensor(0.5000)
    """
    pair = type(p), type(q)
    if pair not in _KL_MEMOIZE:
        _KL_MEMOIZE[pair] = _dispatch_kl(*pair)
    found = _KL_MEMOIZE[pair]
    if found is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {p.__class__.__name__} and q type {q.__class__.__name__}"
        )
    return found(p, q)
