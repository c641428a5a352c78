"""Hooks on what the graph saves and on several gradients at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from ..core import modes
from ..core.apply import scalars
from ..core.graph import RemovableHandle
from ..core.modes import Scope
from ..core.tensor import Tensor, wrap


class saved_tensors_hooks(Scope):
    """While active, what the graph would save goes through ``pack_hook``, and through ``unpack_hook`` when backward wants it.

    >>> import lucid
    >>> x = lucid.ones(2, requires_grad=True)
    >>> with lucid.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), lambda v: lucid.tensor(v)):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 2.])
    """

    def __init__(self, pack_hook: Callable, unpack_hook: Callable):
        super().__init__(pack=lambda saved, tensors: _pack(saved, pack_hook, unpack_hook))

    def __enter__(self) -> Any:
        mode = modes.current()
        refusal = getattr(None if mode is None else mode.pack, "refusal", None)
        if refusal is not None:
            raise RuntimeError(refusal)
        return super().__enter__()


def _pack(saved: tuple, pack_hook: Callable, unpack_hook: Callable) -> Callable[[], tuple]:
    def packed_one(v: Any) -> tuple:
        if not is_array(v) or (v.shape == () and _is_number(v)):
            return False, v
        t = wrap(v)
        held = pack_hook(t)
        if t._version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not be "
                "modified by in-place operations as this can lead to unexpected side-effects."
            )
        return True, held

    with Scope(pack=None, record=False):
        packed = tuple([packed_one(v) for v in saved])

    def restore() -> tuple:
        return tuple(_unpacked(unpack_hook(v)) if is_packed else v for is_packed, v in packed)

    return restore


def is_array(v: Any) -> bool:
    return hasattr(v, "shape") and hasattr(v, "dtype")


def _is_number(v: Any) -> bool:
    """Whether this is the array that stands for a Python number, which is no tensor of the user's."""
    return any(known is v for numbers in scalars.values() for known in numbers.values())


def _unpacked(t: Any) -> Any:
    if not isinstance(t, Tensor):
        raise TypeError(
            f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(t).__name__}"
        )
    return t.value


class save_on_cpu(saved_tensors_hooks):
    """Keep what the graph saves on the CPU, and bring it back for backward: device memory for time."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(lambda t: (t.device, t.cpu()), lambda packed: packed[1].to(device=packed[0]))


class disable_saved_tensors_hooks(Scope):
    """While active, entering ``saved_tensors_hooks`` raises RuntimeError with this message."""

    def __init__(self, error_message: str):
        def keep(saved: tuple, tensors: Any) -> Callable[[], tuple]:
            return lambda: saved

        keep.refusal = error_message  # type: ignore[attr-defined]
        super().__init__(pack=keep)


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """While active, what the graph saves is copied, so that overwriting it later changes no gradient.

    Raises RuntimeError inside another such block; AssertionError for a backward outside of the block.
    """

    active: Any = None

    def __init__(self) -> None:
        super().__init__(lambda t: t.clone(), self._inside)

    def _inside(self, t: Tensor) -> Tensor:
        if allow_mutation_on_saved_tensors.active is not self:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the graph was originally recorded."
            )
        return t

    def __enter__(self) -> Any:
        if allow_mutation_on_saved_tensors.active is not None:
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
        allow_mutation_on_saved_tensors.active = self
        return super().__enter__()

    def __exit__(self, *exc: object) -> None:
        allow_mutation_on_saved_tensors.active = None
        super().__exit__(*exc)

    def clone(self) -> Scope:
        return allow_mutation_on_saved_tensors()


def increment_version(tensor: Any) -> None:
    """Say that the memory of a tensor was changed behind lucid's back: backward through what saved it then raises."""
    from ..core import mutation

    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        mutation.note(t.value)
        t._version += 1


class MultiHandle(RemovableHandle):
    """The handles of several hooks as one."""

    def __init__(self, handles: Sequence[RemovableHandle]):
        self.handles = tuple(handles)

    def remove(self) -> None:
        for h in self.handles:
            h.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all") -> RemovableHandle:
    """Call ``fn(gradients)`` once per backward when the gradients of all ``tensors`` are known (None: no gradient).

    With ``mode="any"`` call ``fn(gradient)`` at the first one. Returns a handle with ``remove()``.

    >>> import lucid
    >>> a, b = lucid.ones(1, requires_grad=True), lucid.ones(1, requires_grad=True)
    >>> handle = lucid.autograd.graph.register_multi_grad_hook([a, b], lambda grads: print(len(grads)))
    >>> (a * b).backward()
    2
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    for t in tensors:
        if t.node is None:
            raise RuntimeError(
                "register_multi_grad_hook: cannot register a hook on a tensor that doesn't require gradient"
            )
    lock = threading.Lock()
    state: WeakKeyDictionary[Any, _Pass] = WeakKeyDictionary()  # by backward: several may run, and not reach all

    def hook_of(i: int) -> Callable:
        def hook(g: Tensor) -> None:
            run = current_pass()
            with lock:
                found = state.get(run)
                if found is None:
                    found = state[run] = _Pass(len(tensors), _reachable(run, tensors))
                found.grads[i] = g
                found.missing -= 1
                first, last = found.count == 0, found.missing == 0
                found.count += 1
            if mode == "any" and first:
                fn(g)
            elif mode == "all" and last:
                fn(found.grads)

        return hook

    return MultiHandle([t.register_hook(hook_of(i)) for i, t in enumerate(tensors)])


class _Pass:
    """What one backward has brought so far."""

    def __init__(self, count: int, expected: int):
        self.missing, self.count = expected, 0
        self.grads: list[Tensor | None] = [None] * count


def current_pass() -> Any:
    from ..core.backward import running

    return running.get()


def _reachable(run: Any, tensors: Sequence[Tensor]) -> int:
    """How many of the tensors this backward will reach."""
    return sum(run.reaches(t.node) for t in tensors)
