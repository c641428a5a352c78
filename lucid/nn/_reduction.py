"""PyTorch's numbers for the reductions of losses: ``torch.nn._reduction``, which losses written elsewhere import."""

from .functional._reduction import REDUCTIONS, reduction_arg

__all__ = ["get_enum", "legacy_get_enum", "legacy_get_string"]


def get_enum(reduction: str) -> int:
    """0, 1 and 2 for "none", "mean" and "sum"; ValueError for another name."""
    return REDUCTIONS.index(reduction_arg(reduction))


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The reduction that the two old arguments mean."""
    return "none" if reduce is False else "sum" if size_average is False else "mean"


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """The number of the reduction that the two old arguments mean."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
