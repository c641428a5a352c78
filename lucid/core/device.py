"""Where a tensor lives: ``"cpu"`` (NumPy), ``"cuda"``, ``"cuda:1"`` (CuPy), ``"mlx"`` (MLX), or nowhere: ``"meta"``."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

from ..backends.switches import CURRENT

ALIASES = {"cpu": "cpu", "cuda": "cuda", "mlx": "mlx", "metal": "mlx", "gpu": "mlx", "mps": "mlx", "meta": "meta"}


class device:
    """A place for tensors; also a context manager that makes it the default.

    >>> import lucid
    >>> lucid.device("cuda:1").index
    1
    >>> lucid.device("metal")
    device(type='mlx')
    """

    __slots__ = ("_tokens", "index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None):
        if isinstance(type, device):
            type, index = type.type, type.index if index is None else index
        if isinstance(type, int):
            type, index = "cuda", type
        if not isinstance(type, str):
            raise TypeError(f"device: expected a name such as 'cpu' or 'cuda:0', got {type!r}")
        name, colon, number = type.partition(":")
        if colon:
            if index is not None:
                raise RuntimeError(f"device: index given twice: {type!r} and index={index}")
            if not number.isdecimal() or str(int(number)) != number:
                raise RuntimeError(f"device: invalid device string {type!r}; expected 'name' or 'name:number'")
            index = int(number)
        if index is not None and index < 0:
            raise RuntimeError(f"device: index must not be negative, got {index}")
        if name not in ALIASES:
            raise RuntimeError(f"device: unknown device {type!r}; expected one of {', '.join(ALIASES)}")
        self.type = ALIASES[name]
        self.index = index
        self._tokens: list[Token] = []

    @property
    def key(self) -> tuple[str, int]:
        return self.type, self.index or 0

    @property
    def number(self) -> int:
        """The index; where none was given that of the current device."""
        if self.index is None and self.type in CURRENT:
            return CURRENT[self.type]()
        return self.index or 0

    def resolved(self) -> device:
        """This device; ``"cuda"`` on a machine of several cards as the current one by its number."""
        return device(self.type, self.number) if self.index is None and self.type in CURRENT else self

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            try:
                other = device(other)
            except RuntimeError:
                return False
        return isinstance(other, device) and self.key == other.key

    def __hash__(self) -> int:
        return hash((self.type, self.index or 0))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return (
            f"device(type={self.type!r})" if self.index is None else f"device(type={self.type!r}, index={self.index})"
        )

    def __reduce__(self) -> Any:
        return device, (self.type, self.index)

    def __copy__(self) -> device:
        return self

    def __deepcopy__(self, memo: dict) -> device:
        return self

    def __enter__(self) -> device:
        self._tokens.append(_scoped.set(self))
        return self

    def __exit__(self, *exc: object) -> None:
        _scoped.reset(self._tokens.pop())


cpu = device("cpu")
_scoped: ContextVar[device | None] = ContextVar("lucid_device", default=None)


class _Default:
    device: device = cpu


def get_default_device() -> device:
    """The device of new tensors: that of the innermost ``with device(...)``, else the process-wide default."""
    return _scoped.get() or _Default.device


def set_default_device(d: Any) -> None:
    """Set the device of new tensors for the whole process; ``None`` means the CPU."""
    _Default.device = cpu if d is None else device(d)
