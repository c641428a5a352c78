"""PyTorch's names of nodes (``grad_fn=<SelectBackward0>``) where they depend on the parameters of an op."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..core.graph import NAMES, NEXT, Node


def _by_axis(name: str, params: tuple) -> str:
    return f"{name}Backward{0 if params[0] is None else 1}"


def _getitem(node: Node) -> str:
    """The last step of an index that does something: x[0] selects, x[:, None] unsqueezes, x[1:] slices."""
    index = node.params[0]
    for item in reversed(index if isinstance(index, tuple) else (index,)):
        if item is None:
            return "UnsqueezeBackward0"
        if isinstance(item, int):
            return "SelectBackward0"
        if isinstance(item, slice) and item != slice(None):
            return "SliceBackward0"
    return "AliasBackward0"


def _permute(node: Node) -> str:
    axes = node.params[0]
    moved = sum(i != axis for i, axis in enumerate(axes))
    return (
        "TransposeBackward0" if moved == 2 and len(axes) > 2 else "PermuteBackward0" if len(axes) != 2 else "TBackward0"
    )


def _spatial(name: str, more: str) -> Callable[[Node], str]:
    def named(node: Node) -> str:
        n = len(node.shape) - 2
        return "SqueezeBackward1" if n == 1 else f"{name}{n}D{more}Backward0"

    return named


def _pow(node: Node) -> str:
    base, exponent = node.parents
    return f"PowBackward{0 if exponent is None else 1 if base is not None else 2}"


def _norm(node: Node) -> str:
    return f"Native{'Batch' if 0 in node.params[0] else 'Layer'}NormBackward0"


def _extend(node: Node) -> str:
    pads, mode = node.params
    name = {"reflect": "ReflectionPad", "replicate": "ReplicationPad"}.get(mode)
    return f"{name}{len(pads)}DBackward0" if name else "CopySlices"


NAMES.update(
    {
        "sum": lambda node: _by_axis("Sum", node.params),
        "mean": lambda node: _by_axis("Mean", node.params),
        "amax": lambda node: "MaxBackward1" if node.params[0] is None else "AmaxBackward0",
        "amin": lambda node: "MinBackward1" if node.params[0] is None else "AminBackward0",
        "getitem": _getitem,
        "pow": _pow,
        "normalize": _norm,
        "standardize": _norm,
        "permute_dims": _permute,
        "max_pool": _spatial("MaxPool", "WithIndices"),
        "avg_pool": _spatial("AvgPool", ""),
        "matmul": lambda node: "BmmBackward0" if len(node.shape) == 3 else "MmBackward0",
        "linear": lambda node: "MmBackward0" if len(node.parents) == 2 else "AddmmBackward0",
        "clip": lambda node: "ClampBackward1",
        "square": lambda node: "PowBackward0",
        "mean_square": lambda node: "MseLossBackward0",
        "log1p": lambda node: "Log1PBackward0",
        "extend": _extend,
        "place": lambda node: "ConstantPadNdBackward0",
        "entr": lambda node: "SpecialEntrBackward0",
        "fft_r2c": lambda node: "FftR2CBackward0",
    }
)


def _products_next(node: Node) -> Sequence[Node | None]:
    """PyTorch's addmm takes the bias first."""
    return (node.parents[2], *node.parents[:2]) if len(node.parents) == 3 else node.parents


def _squares_next(node: Node) -> Sequence[Node | None]:
    """The inputs of a mean squared error, whose difference is a node of its own here."""
    (difference,) = node.parents
    return difference.parents if difference is not None and difference.op.name == "subtract" else node.parents


NEXT.update({"linear": _products_next, "mean_square": _squares_next})
