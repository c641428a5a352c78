"""The state of a module as a flat dictionary, and back: all faults in one error, and nothing changed if there is one."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ..core.graph import RemovableHandle
from ..core.modes import no_grad
from ..core.tensor import Tensor, as_tensor
from .hooks import Registry
from .parameter import Parameter, is_lazy

EXTRA_STATE = "_extra_state"


class _IncompatibleKeys(namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What ``load_state_dict(strict=False)`` did not find and did not use."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


# While load_state_dict runs, what it is going to write: nothing is written before everything has been checked.
_plan: ContextVar[list[Callable[[], None]] | None] = ContextVar("lucid_load_plan", default=None)


class StateDict:
    """The part of Module that saves and loads; ``_version`` says how a class's state is laid out."""

    _version: int = 1
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: dict[int, Callable]
    _state_dict_pre_hooks: dict[int, Callable]
    _load_state_dict_pre_hooks: dict[int, Callable]
    _load_state_dict_post_hooks: dict[int, Callable]

    # ---- saving ----

    def get_extra_state(self) -> Any:
        """Override (with ``set_extra_state``) to keep more than parameters and buffers in the ``state_dict``."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called: override it in your class."
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what ``get_extra_state`` returned."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called: override it in your class."
        )

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not StateDict.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """An ordered dictionary of all parameters and persistent buffers, by their dotted names.

        The tensors share memory with the module's, detached unless ``keep_vars``.

        >>> import lucid
        >>> list(lucid.nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        if args:
            warnings.warn("Positional args are being deprecated, use kwargs instead.", FutureWarning, stacklevel=2)
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        for hook in list(self._state_dict_hooks.values()):
            result = hook(self, destination, prefix, metadata)
            if result is not None:
                if getattr(hook, "_from_public_api", False):
                    raise RuntimeError("state_dict post-hook must return None")
                destination = result
        return destination

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via register_state_dict_post_hook"
            )
        return RemovableHandle(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after this module's part is in; it may edit it."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return RemovableHandle(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before this module's part is collected."""
        return RemovableHandle(self._state_dict_pre_hooks, hook)

    # ---- loading ----

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> RemovableHandle:
        return RemovableHandle(self._load_state_dict_pre_hooks, _WithModule(hook, self) if with_module else hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)``."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` when the module is loaded; it may edit the two lists in place."""
        return RemovableHandle(self._load_state_dict_post_hooks, hook)

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own part (not its children's); classes override it to read older layouts."""
        arguments = (state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        for hook in list(Registry.load_pre.values()):
            hook(self, *arguments)
        for hook in list(self._load_state_dict_pre_hooks.values()):
            hook(*arguments)
        buffers = {k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set}
        local = {k: v for k, v in (self._parameters | buffers).items() if v is not None}
        assign = local_metadata.get("assign_to_params_buffers", False)
        plan = _plan.get()
        for name, param in local.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            try:
                write = _planned(self, name, key, param, state_dict[key], assign)
            except _Fault as fault:
                error_msgs.append(str(fault))
                continue
            if plan is None:
                write()
            else:
                plan.append(write)
        extra = prefix + EXTRA_STATE
        if type(self).set_extra_state is not StateDict.set_extra_state:
            if extra in state_dict:
                state = state_dict[extra]
                if plan is None:
                    self.set_extra_state(state)
                else:
                    plan.append(lambda: self.set_extra_state(state))
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra:
                    head, dot, _ = key[len(prefix) :].partition(".")
                    if head not in (self._modules if dot else local):
                        unexpected_keys.append(key)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy (or with ``assign`` take over) the tensors of a state dict; arrays of any library will do as values.

        Raises RuntimeError that lists all missing, unexpected and wrong-shaped names at once; nothing is changed then.
        ``strict=False`` tolerates missing and unexpected names and returns them.

        >>> import lucid
        >>> a, b = lucid.nn.Linear(2, 3), lucid.nn.Linear(2, 3)
        >>> a.load_state_dict(b.state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        state: Any = OrderedDict(state_dict)  # hooks may edit it
        if metadata is not None:
            state._metadata = metadata
        keys = _IncompatibleKeys([], [])
        errors: list[str] = []
        visited: list[StateDict] = []

        def visit(module: StateDict, part: dict, prefix: str) -> None:
            local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
            if assign:
                local["assign_to_params_buffers"] = assign
            module._load_from_state_dict(part, prefix, local, True, *keys, errors)
            for name, child in module._modules.items():
                if child is not None:
                    below = prefix + name + "."
                    visit(child, {k: v for k, v in part.items() if k.startswith(below)}, below)
            visited.append(module)

        plan: list[Callable[[], None]] = []
        token = _plan.set(plan)
        try:
            visit(self, state, "")
        finally:
            _plan.reset(token)
        hooked = bool(Registry.load_post) or any(m._load_state_dict_post_hooks for m in visited)
        failed = bool(errors) or (strict and any(keys))
        if failed and hooked and not errors:
            _run_post_hooks(visited, keys)  # a hook may take names off the lists
            hooked, failed = False, any(keys)
        if not failed:
            for write in plan:
                write()
            if hooked:
                _run_post_hooks(visited, keys)
        if strict:
            for what, names in (("Missing", keys.missing_keys), ("Unexpected", keys.unexpected_keys)):
                if names:
                    listed = ", ".join(f'"{k}"' for k in names)
                    errors.insert(
                        0 if what == "Missing" else len(errors[:1]) if keys.missing_keys else 0,
                        f"{what} key(s) in state_dict: {listed}. ",
                    )
        if errors:
            raise RuntimeError(
                "Error(s) in loading state_dict for {}:\n\t{}".format(type(self).__name__, "\n\t".join(errors))
            )
        return keys


class _WithModule:
    """A hook that also gets the module, which it does not keep alive; pickles and copies with it."""

    def __init__(self, hook: Callable, module: StateDict):
        self.__setstate__((hook, module))

    def __call__(self, *args: Any) -> Any:
        return self.hook(self.module(), *args)

    def __getstate__(self) -> tuple:
        return self.hook, self.module()

    def __setstate__(self, state: tuple) -> None:
        self.hook, self.module = state[0], weakref.ref(state[1])


class _Fault(Exception):
    pass


def _planned(module: Any, name: str, key: str, param: Tensor, given: Any, assign: bool) -> Callable[[], None]:
    """Check one value against its place and return what writes it."""
    if not isinstance(given, Tensor):
        if not (hasattr(given, "__array__") or hasattr(given, "__dlpack__")):
            raise _Fault(
                f'While copying the parameter named "{key}", expected a tensor or an array but received {type(given)}'
            )
        given = as_tensor(given)
    if is_lazy(given) and not is_lazy(param):
        raise _Fault(
            f'While copying the parameter named "{key}": cannot access the shape of an uninitialized parameter or buffer, '
            f"which the state dict holds; the one in the model has shape {tuple(param.shape)}"
        )
    if not is_lazy(param):
        if param.ndim == 0 and tuple(given.shape) == (1,):
            given = given[0]
        if given.shape != param.shape:
            raise _Fault(
                f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, "
                f"the shape in current model is {param.shape}."
            )
        if given.dtype.is_complex and not param.dtype.is_complex:
            raise _Fault(
                f"dtype mismatch for {key}: {given.dtype} in the checkpoint does not fit {param.dtype} in the model."
            )

    def write() -> None:
        if assign:
            setattr(module, name, _assigned(param, given))
        else:
            if param.device.type == "meta" != given.device.type:
                warnings.warn(
                    f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current model, "
                    "which is a no-op. (Did you mean to pass `assign=True`?)",
                    stacklevel=2,
                )
            if not is_lazy(given):  # both unknown: the model stays as it is
                with no_grad():
                    param.copy_(given)  # type: ignore[attr-defined]

    return write


def _assigned(param: Tensor, given: Tensor) -> Tensor:
    """``given`` as what the model holds there, with the model's ``requires_grad``."""
    if not isinstance(param, Parameter):
        return given
    if isinstance(given, Parameter):
        given.requires_grad_(param.requires_grad)
        return given
    return Parameter(given, requires_grad=param.requires_grad)


def _run_post_hooks(modules: list[StateDict], keys: _IncompatibleKeys) -> None:
    for module in modules:
        for hook in [*Registry.load_post.values(), *module._load_state_dict_post_hooks.values()]:
            if hook(module, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values; "
                    "edit incompatible_keys in place."
                )
