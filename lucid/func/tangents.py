"""``jvp``, ``linearize`` and forward-mode AD as PyTorch spells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import dtypes, modes
from ..core.graph import next_seq
from ..core.tensor import Tensor
from .dual import JvpFrame, dual, undual
from .pytree import Structure, flatten


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """``func(*primals)`` and its derivative in the direction of ``tangents``, in one forward pass.

    Returns ``(output, tangent)``, or ``(output, tangent, aux)`` with ``has_aux``. With ``strict`` an output that does
    not depend on the inputs is an error. Raises RuntimeError if tangents do not fit the primals.

    >>> import lucid
    >>> lucid.func.jvp(lucid.sin, (lucid.zeros(2),), (lucid.ones(2),))
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError(
            f"jvp: expected primals and tangents to be tuples, got {type(primals).__name__} and {type(tangents).__name__}"
        )
    if not primals:
        raise RuntimeError("jvp: expected at least one primal")
    leaves, structure = flatten(primals)
    directions, other = flatten(tangents)
    if structure != other:
        raise RuntimeError("jvp: expected primals and tangents to have the same structure")
    directions = [check_tangent("jvp", p, t) for p, t in zip(leaves, directions, strict=True)]
    since = next_seq()
    with JvpFrame() as frame:
        duals = [dual(p, t, frame) for p, t in zip(leaves, directions, strict=True)]
        result = func(*structure.build(duals))
        if has_aux:
            result, aux = split_aux("jvp", result)
            aux = plain(aux, frame)
        outs, out_structure = tensor_outputs("jvp", result)
        pairs = [_pair(o, frame, strict) for o in outs]
    for given, seen in zip(leaves, duals, strict=True):
        frame.write_back(given, seen, since)
    out = out_structure.build(p for p, _ in pairs)
    tangent = out_structure.build(t for _, t in pairs)
    return (out, tangent, aux) if has_aux else (out, tangent)


_CALLS = {"grad": "grad_and_value(f)(*args)", "vjp": "vjp(f, *primals)", "jvp": "jvp(f, primals, tangents)"}


def split_aux(name: str, result: Any) -> tuple:
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(
            f"{_CALLS.get(name, name)}: output of function f should be a tuple: (output, aux) if has_aux is True; got {type(result).__name__}"
        )
    for v in flatten(result[1])[0]:
        if not isinstance(v, Tensor):
            raise RuntimeError(f"{name}: aux: Expected tensors, got unsupported type {type(v)}")
    return result


def tensor_outputs(name: str, tree: Any) -> tuple[list[Tensor], Structure]:
    """What a function returned, flat; RuntimeError for anything but tensors."""
    outs, structure = flatten(tree)
    if not outs or (len(outs) == 1 and outs[0] is None):
        raise RuntimeError(f"{_CALLS.get(name, name)}: Expected f to be a function that has non-empty output")
    for o in outs:
        if not isinstance(o, Tensor):
            raise RuntimeError(
                f"{_CALLS.get(name, name)}: expected f(*primals) to return only tensors, got unsupported type {type(o)}"
            )
    return outs, structure


def plain(tree: Any, frame: Any) -> Any:
    """A tree with its tensors taken out of a jvp frame."""
    leaves, structure = flatten(tree)
    return structure.build(undual(v, frame)[0] if isinstance(v, Tensor) else v for v in leaves)


def check_tangent(name: str, p: Any, t: Any) -> Tensor:
    """The tangent in the dtype of its primal."""
    if not isinstance(p, Tensor) or not isinstance(t, Tensor):
        raise RuntimeError(
            f"{name}: Expected primals and tangents to only contain Tensors, got {type(p)} and {type(t)}"
        )
    if p.shape != t.shape:
        raise RuntimeError(
            f"{name}: a tangent of shape {tuple(t.shape)} does not fit its primal of shape {tuple(p.shape)}"
        )
    if p.dtype.category < dtypes.FLOAT:
        raise ValueError(f"{name}: Expected primal to be floating point or complex, but got: {p.dtype}")
    if p.dtype is t.dtype:
        return t
    if t.dtype.category < dtypes.FLOAT:
        raise ValueError(f"{name}: Expected tangent to be floating point or complex, but got: {t.dtype}")
    if p.dtype.category < t.dtype.category:
        raise RuntimeError(f"{name}: a tangent of dtype {t.dtype} does not fit its primal of dtype {p.dtype}")
    return t.to(p.dtype)  # type: ignore[attr-defined]


def _pair(o: Tensor, frame: JvpFrame, strict: bool) -> tuple[Tensor, Tensor]:
    p, t = undual(o, frame)
    if t is None and strict:
        raise RuntimeError("jvp: an output does not depend on the primals; strict=True does not allow that")
    return p, ops.zeros_like(p) if t is None else t


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """``func(*primals)``, and its derivative there as a function of the tangents.

    ``func`` runs once, however often the derivative is applied.

    >>> import lucid
    >>> y, f = lucid.func.linearize(lucid.sin, lucid.zeros(2))
    >>> f(lucid.tensor([1.0, 3.0]))
    tensor([1., 3.])
    """
    from ..core.backward import run_backward
    from .dual import zero_probe
    from .grads import detach_own, start_with, vjp_parts

    outs, structure, inputs, leaves = vjp_parts("linearize", func, primals)
    probes = [zero_probe(o) for o in outs]
    nodes, starts = start_with(outs, probes)
    with modes.enable_grad():
        rows = (
            run_backward(
                nodes, starts, create_graph=True, retain_graph=True, inputs=[x.node for x in inputs], accumulate=False
            )
            if nodes
            else [None] * len(inputs)
        )
    shapes, in_structure = flatten(primals)

    def derivative(*tangents: Any) -> Any:
        given, found = flatten(tangents)
        if found != in_structure:
            raise RuntimeError("linearize: Expected the tangents to have the same argspec as the primals")
        for p, t in zip(shapes, given, strict=True):
            if check_tangent("linearize", p, t) is not t:
                raise RuntimeError(
                    f"linearize: a tangent of dtype {t.dtype} doesn't match the dtype {p.dtype} of its primal"
                )
        used = [(r, t) for r, t in zip(rows, given, strict=True) if r is not None and r.node is not None]
        found_t = (
            run_backward(
                [r.node for r, _ in used if r.node is not None], [t for _, t in used], create_graph=True, retain_graph=True,
                inputs=[p.node for p in probes if p.node is not None], accumulate=False,
            )
            if used
            else [None] * len(probes)
        )  # fmt: skip
        own = {*leaves, *(p.node for p in probes)}
        results = (ops.zeros_like(o) if t is None else t for o, t in zip(outs, found_t, strict=True))
        return structure.build(detach_own(r, own) for r in results)

    return structure.build(detach_own(o, set(leaves)) for o in outs), derivative
