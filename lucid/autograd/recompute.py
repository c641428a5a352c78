"""``checkpoint``: keep nothing of a part of the forward pass, compute it again when backward needs it.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.
"""

from __future__ import annotations

import contextlib
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from ..backends import load, loaded
from ..core import modes
from ..core.modes import Scope
from ..core.precision import current_policy
from ..core.tensor import Tensor, wrap
from ..functions import random
from .function import Function
from .gradients import backward as run
from .hooks import is_array


class CheckpointError(RuntimeError):
    """The second forward saved other tensors than the first."""


class _RandomState:
    """The state of all random generators in use, to draw the same numbers again."""

    def __init__(self) -> None:
        self.states = {d: _native_state(g) for d, g in random._defaults.items()}

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """Random functions draw what they drew then; afterwards they go on as if nothing had happened."""
        now = _RandomState()
        self.restore()
        try:
            yield
        finally:
            now.restore()

    def restore(self) -> None:
        for d, g in random._defaults.items():
            if d in self.states:
                load(g.device.type).random.set_state(g.native, self.states[d])  # type: ignore[attr-defined]
            else:  # of a further card, made since: the first run found it at its seed
                g.manual_seed(g.initial_seed())


def _native_state(g: Any) -> Any:
    return load(g.device.type).random.get_state(g.native)  # type: ignore[attr-defined]


def _prepared(preserve: bool) -> _RandomState | None:
    if not preserve:
        return None
    for backend in loaded():  # a generator that is made during the first run would not be among the states kept
        random.default_generator(random.Device(backend.name, 0 if backend.name == "cuda" else None))
    return _RandomState()


def _precision(policy: Any) -> Scope:
    """The ``autocast`` of the first run, whatever holds now."""
    mode, now = modes.current(), current_policy()
    others = tuple(w for w in (() if mode is None else mode.watchers) if w is not now)
    return Scope(watchers=others if policy is None else (*others, policy))


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable | None = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, whose inner values are computed again in backward instead of kept.

    With ``preserve_rng_state`` dropout draws the same numbers the second time. ``use_reentrant=True`` runs a backward
    inside backward (tensors in nested structures get no gradient then); the default does not. ``context_fn`` returns two
    context managers, for the first and the second run. Raises CheckpointError if the second run saves other tensors
    than the first.

    >>> import lucid
    >>> from lucid.utils.checkpoint import checkpoint
    >>> x = lucid.ones(2, requires_grad=True)
    >>> checkpoint(lambda t: (t.exp() * t).sum(), x, use_reentrant=False).backward()
    >>> x.grad
    tensor([5.4366, 5.4366])
    """
    if use_reentrant is None:
        use_reentrant = False
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ('default', 'none') but got {determinism_check}")
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not None or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        if modes.is_grad_enabled() and not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)
        return _Reentrant.apply(function, preserve_rng_state, *args)
    if not modes.is_grad_enabled():
        return function(*args, **kwargs)
    first, second = context_fn() if context_fn is not None else (contextlib.nullcontext(), contextlib.nullcontext())
    state, policy = _prepared(preserve_rng_state), current_policy()

    def again() -> None:
        with state.again() if state is not None else contextlib.nullcontext(), _precision(policy), second:
            function(*args, **kwargs)

    forced = _early_stop.get()
    frame = _Frame(again, early_stop if forced is None else forced, determinism_check == "default")
    with Scope(pack=frame.pack), first:
        return function(*args, **kwargs)


_early_stop: ContextVar[bool | None] = ContextVar("lucid_checkpoint_early_stop", default=None)


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Within the block, checkpoints stop recomputing at the last value needed (or never do), whatever they were told."""
    token = _early_stop.set(enable)
    try:
        yield
    finally:
        _early_stop.reset(token)


class _Place:
    """Stands in the graph for the values that one node would have saved."""

    __slots__ = ("__weakref__", "index")

    def __init__(self, index: int):
        self.index = index


class _Enough(Exception):
    """The second run has made all that was asked for."""


class _Frame:
    """One checkpointed call: the nodes' places, and the values once they are computed again."""

    def __init__(self, again: Callable, early_stop: bool, check: bool):
        self.again, self.early_stop, self.check = again, early_stop, check
        self.shapes: list[Any] = []
        self.places: list[weakref.ref] = []
        self.found: dict[int, tuple] = {}

    def pack(self, saved: tuple, tensors: Any) -> Callable[[], tuple]:
        place = _Place(len(self.places))
        self.places.append(weakref.ref(place))
        self.shapes.append(_shapes(saved))
        rest = tuple(None if is_array(v) else v for v in saved)
        return lambda: self.unpack(place, rest)

    def unpack(self, place: _Place, rest: tuple) -> tuple:
        if place.index not in self.found:
            self.recompute()
        values = self.found.pop(place.index)
        return tuple(v if is_array(v) else r for v, r in zip(values, rest, strict=True))

    def recompute(self) -> None:
        count = 0
        self.found.clear()

        def pack(saved: tuple, tensors: Any) -> Callable[[], tuple]:
            nonlocal count
            index = count
            count += 1
            if index >= len(self.shapes):
                if self.check:
                    raise CheckpointError(
                        f"checkpoint: A different number of tensors was saved during the original forward and recomputation: {len(self.shapes)} "
                        "ops saved something in the forward, more in the recomputation"
                    )
                return lambda: saved
            if self.check and _shapes(saved) != self.shapes[index]:
                raise CheckpointError(
                    "checkpoint: Recomputed values for the following tensors have different metadata than during the forward pass: op "
                    f"number {index} saved {self.shapes[index]} in the forward and {_shapes(saved)} in the recomputation"
                )
            if self.places[index]() is not None:
                self.found[index] = saved
            if self.early_stop and index == len(self.shapes) - 1:
                raise _Enough
            return lambda: saved

        with Scope(pack=pack, record=True), contextlib.suppress(_Enough):
            self.again()
        if self.check and count != len(self.shapes):
            raise CheckpointError(
                "checkpoint: A different number of tensors was saved during the original forward and recomputation: "
                f"{len(self.shapes)} ops saved something in the forward, {count} in the recomputation"
            )


def _shapes(saved: tuple) -> tuple:
    return tuple((tuple(v.shape), str(v.dtype)) if is_array(v) else None for v in saved)


class _Reentrant(Function):
    @staticmethod
    def forward(ctx: Any, function: Callable, preserve: bool, *args: Any) -> Any:
        ctx.function = function
        ctx.random, ctx.policy = _prepared(preserve), current_policy()
        ctx.args = [None if isinstance(a, Tensor) else a for a in args]
        ctx.at = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.at))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple:
        args = list(ctx.args)
        for i, t in zip(ctx.at, ctx.saved_tensors, strict=True):
            fresh = wrap(t.value)
            args[i] = fresh.requires_grad_() if t.requires_grad else fresh
        random_again = ctx.random.again() if ctx.random is not None else contextlib.nullcontext()
        with modes.enable_grad(), _precision(ctx.policy), random_again:
            outs = ctx.function(*args)
        outs = outs if isinstance(outs, tuple | list) else (outs,)
        pairs = [(o, g) for o, g in zip(outs, grads, strict=True) if isinstance(o, Tensor) and o.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        run([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *(a.grad if isinstance(a, Tensor) else None for a in args))


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Run a sequence of layers in ``segments`` parts, each but the last one checkpointed.

    >>> import lucid
    >>> from lucid.utils.checkpoint import checkpoint_sequential
    >>> checkpoint_sequential([lucid.exp, lucid.sin, lucid.cos], 2, lucid.zeros(1))
    tensor([0.6664])
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    layers = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(layers) // segments
    if size < 1:
        raise ValueError(f"checkpoint_sequential: cannot cut {len(layers)} layers into {segments} segments")

    def part(start: int, stop: int) -> Callable:
        def forward(x: Any) -> Any:
            for layer in layers[start:stop]:
                x = layer(x)
            return x

        return forward

    for k in range(segments - 1):
        input = checkpoint(
            part(k * size, (k + 1) * size), input, use_reentrant=use_reentrant, preserve_rng_state=preserve
        )
    return part((segments - 1) * size, len(layers))(input)
