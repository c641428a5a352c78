"""The arguments that say where and of which dtype parameters are made."""

from __future__ import annotations

from typing import Any

__all__ = ["factory_kwargs"]


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """``device``, ``dtype`` and ``memory_format`` of a layer's keywords, to hand on to ``lucid.empty`` and the like.

    They may stand in a dictionary of their own, ``factory_kwargs=``, too. Raises TypeError for other names, and for one
    that is given in both places.

    >>> from lucid import nn
    >>> nn.factory_kwargs({"factory_kwargs": {"dtype": "float64"}, "device": "cpu"})
    {'dtype': 'float64', 'device': 'cpu'}
    """
    if kwargs is None:
        return {}
    names = ("device", "dtype", "memory_format")
    unknown = sorted(set(kwargs) - {*names, "factory_kwargs"})
    if unknown:
        raise TypeError(f"unexpected kwargs {unknown}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in names:
        if name in kwargs:
            if name in found:
                raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
            found[name] = kwargs[name]
    unknown = sorted(set(found) - set(names))
    if unknown:
        raise TypeError(f"unexpected kwargs {unknown}")
    return found
