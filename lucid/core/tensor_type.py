"""The class of the class of views."""

from __future__ import annotations


class Alike(type):
    """A class equal to its base: ``type(x[0]) == lucid.Tensor``, as in PyTorch, though x[0] is a ``View``; so in dicts of classes.

    Only ``==`` and hashing can be taught this; ``is`` sees two classes. Tensor itself stays a plain class: isinstance is quick for those.
    """

    def __eq__(cls, other: object) -> bool:
        return cls is other or cls.__base__ is other

    def __hash__(cls) -> int:
        return hash(cls.__base__)
