"""Module hooks: the global registries, and the call of a module that has any hook."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..core.graph import RemovableHandle
from ..core.op import linear
from ..core.tensor import Tensor

if TYPE_CHECKING:
    from .modules.module import Module

__all__ = [
    "RemovableHandle",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_load_state_dict_post_hook",
    "register_module_load_state_dict_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]


class Registry:
    """Hooks that act on every module; those around calls are in nn/modules/module.py, where PyTorch's programs rebind them."""

    load_pre: dict[int, Callable] = OrderedDict()
    load_post: dict[int, Callable] = OrderedDict()
    buffers: dict[int, Callable] = OrderedDict()
    modules: dict[int, Callable] = OrderedDict()
    parameters: dict[int, Callable] = OrderedDict()


def _home() -> Any:
    from .modules import module

    return module


def register_module_forward_pre_hook(hook: Callable, *, with_kwargs: bool = False) -> RemovableHandle:
    """Call ``hook(module, args)`` before every module's forward; what it returns, if not None, replaces the arguments.

    ``with_kwargs`` (Lucid's own) passes the keyword arguments too: ``hook(module, args, kwargs)`` may return both.
    """
    home = _home()
    flags = (home._global_forward_hooks_with_kwargs,) * with_kwargs
    return RemovableHandle(home._global_forward_pre_hooks, hook, flags=flags)


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after every module's forward; what it returns, if not None, is the output."""
    home = _home()
    flags = (home._global_forward_hooks_with_kwargs,) * with_kwargs
    flags += (home._global_forward_hooks_always_called,) * always_call
    return RemovableHandle(home._global_forward_hooks, hook, flags=flags)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` when the gradients of any module's outputs are known."""
    return RemovableHandle(_home()._global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` when the gradients of any module's inputs are known."""
    return RemovableHandle(_home()._global_backward_hooks, hook)


register_module_backward_hook = register_module_full_backward_hook


def register_module_load_state_dict_pre_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, state_dict, prefix, ...)`` before any module takes its part of a state dict."""
    return RemovableHandle(Registry.load_pre, hook)


def register_module_load_state_dict_post_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, incompatible_keys)`` after any module took its part of a state dict."""
    return RemovableHandle(Registry.load_post, hook)


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` when a buffer is registered; what it returns, if not None, replaces it."""
    return RemovableHandle(Registry.buffers, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` when a submodule is registered; what it returns replaces it."""
    return RemovableHandle(Registry.modules, hook)


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, name, param)`` when a parameter is registered; what it returns, if not None, replaces it."""
    return RemovableHandle(Registry.parameters, hook)


# ---- calling a module that has hooks ----


def call(module: Module, args: tuple, kwargs: dict) -> Any:
    """``module(*args, **kwargs)`` with its own and the global hooks around ``forward``."""
    done: set[int] = set()
    try:
        return _call(module, args, kwargs, done)
    except Exception:
        _after_failure(module, args, kwargs, done)
        raise


def _call(module: Module, args: tuple, kwargs: dict, done: set[int]) -> Any:
    home = _home()
    for key, hook, own in _both(home._global_forward_pre_hooks, module._forward_pre_hooks):
        if key in (module._forward_pre_hooks_with_kwargs if own else home._global_forward_hooks_with_kwargs):
            changed = hook(module, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                args, kwargs = changed
        else:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    backward = [h for _, h, _ in _both(home._global_backward_hooks, module._backward_hooks)]
    backward_pre = [h for _, h, _ in _both(home._global_backward_pre_hooks, module._backward_pre_hooks)]
    boundary = _Boundary(module, backward, backward_pre) if backward or backward_pre else None
    if boundary is not None:
        args = boundary.enter(args)
    result = module._forward(args, kwargs)
    for key, hook, own in _both(home._global_forward_hooks, module._forward_hooks):
        done.add(key)
        if key in (module._forward_hooks_with_kwargs if own else home._global_forward_hooks_with_kwargs):
            changed = hook(module, args, kwargs, result)
        else:
            changed = hook(module, args, result)
        if changed is not None:
            result = changed
    return result if boundary is None else boundary.leave(result)


def _both(shared: dict, own: dict) -> Iterator[tuple[int, Callable, bool]]:
    yield from ((k, h, False) for k, h in list(shared.items()))
    yield from ((k, h, True) for k, h in list(own.items()))


def _after_failure(module: Module, args: tuple, kwargs: dict, done: set[int]) -> None:
    """Call the ``always_call`` hooks that have not run; what they raise is reported, the first error stays."""
    home = _home()
    for key, hook, own in _both(home._global_forward_hooks, module._forward_hooks):
        if key in done or key not in (
            module._forward_hooks_always_called if own else home._global_forward_hooks_always_called
        ):
            continue
        try:
            if key in (module._forward_hooks_with_kwargs if own else home._global_forward_hooks_with_kwargs):
                hook(module, args, kwargs, None)
            else:
                hook(module, args, None)
        except Exception as error:
            where = "module" if own else "global module"
            warnings.warn(
                f"{where} forward hook with ``always_call=True`` raised an exception that was silenced as another error was raised in forward: {error}",
                stacklevel=3,
            )


# Identity on several tensors at once: its node is where hooks see the gradients of a module's inputs or outputs.
boundary = linear(
    "module_boundary", joint=lambda xp, g: list(g), variadic=True, node_name="BackwardHookFunctionBackward"
)


class _Boundary:
    """The backward hooks of one call of a module."""

    def __init__(self, module: Module, hooks: list[Callable], pre_hooks: list[Callable]):
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs: tuple | None = None
        self.inputs_have_node = False
        self.input_places: list[int] = []
        self.input_count = 0

    def enter(self, args: tuple) -> tuple:
        """Pass the differentiable arguments through one node, whose gradients are ``grad_input``."""
        args, node, self.input_places = _through_one_node(args)
        self.input_count = len(args)
        if node is not None:
            self.inputs_have_node = True
            node.register_hook(self._input_gradients)
        return args

    def leave(self, result: Any) -> Any:
        """Pass the outputs through one node, whose incoming gradients are ``grad_output``."""
        single = isinstance(result, Tensor)
        by_name = type(result) is dict
        if not (single or by_name or isinstance(result, list | tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
                stacklevel=4,
            )
            return result
        outputs = (result,) if single else tuple(result.values() if by_name else result)
        count = len(outputs)
        outputs, node, places = _through_one_node(outputs)
        if node is not None:
            node.register_prehook(lambda grads: self._output_gradients(grads, places, count))
        if single:
            return outputs[0]
        if by_name:
            return dict(zip(result, outputs, strict=True))
        return type(result)(*outputs) if hasattr(result, "_fields") else type(result)(outputs)

    def _output_gradients(self, grads: tuple, places: list[int], count: int) -> tuple | None:
        spread: list[Any] = [None] * count
        for place, g in zip(places, grads, strict=True):
            spread[place] = g
        full = tuple(spread)
        for hook in self.pre_hooks:
            changed = hook(self.module, full)
            if changed is not None:
                full = _checked(changed, count, "grad_output")
        self.grad_outputs = full
        if not self.inputs_have_node:  # no input needs a gradient: the hooks still see those of the outputs
            for hook in self.hooks:
                changed = hook(self.module, (None,) * self.input_count, full)
                if changed is not None and not (isinstance(changed, tuple) and all(g is None for g in changed)):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return None or None for all gradients."
                    )
        return tuple(full[p] for p in places)

    def _input_gradients(self, grad_inputs: tuple, _: tuple) -> tuple | None:
        spread: list[Any] = [None] * self.input_count
        for place, g in zip(self.input_places, grad_inputs, strict=True):
            spread[place] = g
        full = tuple(spread)
        for hook in self.hooks:
            changed = hook(self.module, full, self.grad_outputs)
            if changed is not None:
                full = _checked(changed, self.input_count, "grad_input")
        return tuple(full[p] for p in self.input_places)


def _checked(changed: Any, count: int, what: str) -> tuple:
    changed = changed if isinstance(changed, tuple) else (changed,)
    if len(changed) != count:
        raise RuntimeError(
            f"Backward hook returned an invalid number of {what}, got {len(changed)}, but expected {count}"
        )
    return changed


def _through_one_node(values: tuple) -> tuple[tuple, Any, list[int]]:
    """The tensors among ``values`` that require grad, passed through one node; that node and their places."""
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.node is not None]
    if not places:
        return values, None, []
    through = boundary([values[i] for i in places])
    if through[0].node is None:  # no_grad
        return values, None, []
    spread = list(values)
    for i, t in zip(places, through, strict=True):
        spread[i] = t
    return tuple(spread), through[0].node.parents[0], places
