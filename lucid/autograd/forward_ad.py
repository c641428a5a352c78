"""Forward-mode AD by hand: ``dual_level``, ``make_dual``, ``unpack_dual``, as in ``torch.autograd.forward_ad``."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.tensor import Tensor
from ..core.transform import frames
from ..func.dual import JvpFrame, dual, undual
from ..func.tangents import check_tangent


class UnpackedDualTensor(NamedTuple):
    """A primal and its tangent (None: zero)."""

    primal: Any
    tangent: Any


_open: list[JvpFrame] = []


class dual_level:
    """The block in which dual tensors live.

    >>> import lucid
    >>> import lucid.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(lucid.tensor(2.0), lucid.tensor(1.0))
    ...     fwAD.unpack_dual(x**3).tangent
    tensor(12.)
    """

    def __enter__(self) -> JvpFrame:
        if any(isinstance(f, JvpFrame) and getattr(f, "by_hand", False) for f in frames()):
            raise RuntimeError("Nested forward mode AD is not supported at the moment")
        self.frame = JvpFrame()
        self.frame.by_hand = True  # type: ignore[attr-defined]
        return self.frame.__enter__()  # type: ignore[return-value]

    def __exit__(self, *exc: object) -> None:
        self.frame.__exit__(*exc)


def enter_dual_level() -> JvpFrame:
    """Open a dual level without ``with``; close it with ``exit_dual_level``."""
    level = dual_level()
    _open.append(level.__enter__())
    return _open[-1]


def exit_dual_level(*, level: Any = None) -> None:
    """Close the dual level that ``enter_dual_level`` opened."""
    if not _open:
        raise RuntimeError("Trying to exit a forward AD level but no level is open: enter one first")
    _open.pop().__exit__()


def _current(name: str, level: Any) -> JvpFrame:
    if level is not None:
        return level
    found = [f for f in frames() if getattr(f, "by_hand", False)]
    if not found:
        raise RuntimeError(
            f"Trying to {name} for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    return found[-1]  # type: ignore[return-value]


def make_dual(tensor: Tensor, tangent: Tensor, *, level: Any = None) -> Tensor:
    """A tensor that carries a tangent through every op of this dual level."""
    frame = _current("create a dual Tensor", level)
    return dual(tensor, check_tangent("make_dual", tensor, tangent), frame)


def unpack_dual(tensor: Tensor, *, level: Any = None) -> UnpackedDualTensor:
    """The primal and the tangent of a tensor."""
    found = [f for f in frames() if getattr(f, "by_hand", False)] if level is None else [level]
    if not found:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(*undual(tensor, found[-1]))  # type: ignore[arg-type]
