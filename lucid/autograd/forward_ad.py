"""Forward-mode AD by hand: ``dual_level``, ``make_dual``, ``unpack_dual``, as in ``torch.autograd.forward_ad``."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.dtypes import FLOAT
from ..core.tensor import Tensor
from ..core.transform import settled
from ..func.dual import JvpFrame, dual, undual
from ..func.tangents import check_tangent


class UnpackedDualTensor(NamedTuple):
    """A primal and its tangent (None: zero)."""

    primal: Any
    tangent: Any


_current_level = -1  # of this program: there is level 0 or none, as in PyTorch
_open: list[JvpFrame] = []


class dual_level:
    """The block in which dual tensors live; afterwards they are ordinary tensors, their tangents gone.

    >>> import lucid
    >>> import lucid.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(lucid.tensor(2.0), lucid.tensor(1.0))
    ...     fwAD.unpack_dual(x**3).tangent
    tensor(12.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level()


def enter_dual_level() -> int:
    """Open a dual level without ``with``; close it with ``exit_dual_level``. RuntimeError inside another one."""
    global _current_level
    if _open:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    frame = JvpFrame()
    frame.by_hand = True
    _open.append(frame)
    frame.__enter__()
    _current_level = 0
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the dual level that ``enter_dual_level`` opened."""
    global _current_level
    if not _open or level not in (None, _current_level):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    _open.pop().__exit__()
    _current_level = -1


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor that carries a tangent through every op of this dual level.

    Raises RuntimeError outside of a level, or if the tangent does not fit or has a tangent itself; ValueError for integers.
    """
    if not _open or (level is not None and level < 0):
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for what, t in (("primal", tensor), ("tangent", tangent)):
        if t.dtype.category < FLOAT:
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. "
            f"Tensor is of size {list(tensor.shape)} while the given forward gradient is of size {list(tangent.shape)}."
        )
    (frame,) = _open
    if undual(tangent, frame)[1] is not None:
        raise RuntimeError(
            "Setting a forward grad that itself has a forward gradient at the same level is not supported."
        )
    if undual(settled(tensor), frame)[1] is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level is not supported."
        )
    return dual(undual(tensor, frame)[0], check_tangent("make_dual", tensor, tangent), frame)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal and the tangent of a tensor; no tangent outside of a level."""
    if not _open or (level is not None and level < 0):
        return UnpackedDualTensor(settled(tensor), None)
    return UnpackedDualTensor(*undual(settled(tensor), _open[0]))
