"""Parametrization: a parameter that is computed from others whenever it is looked at."""

from __future__ import annotations

import copyreg
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ...core.modes import no_grad
from ...core.tensor import Tensor
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationContainer", "ParametrizationList", "cached", "is_parametrized", "register_parametrization",
    "remove_parametrizations", "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip

_cache: ContextVar[dict | None] = ContextVar("lucid_parametrization_cache", default=None)


@contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized tensor is computed once, however often it is looked at."""
    if _cache.get() is not None:
        yield
        return
    token = _cache.set({})
    try:
        yield
    finally:
        _cache.reset(token)


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _inverted(modules: list[Module], value: Any) -> Any:
    """The originals that give ``value``, as far as the parametrizations can tell."""
    with no_grad():
        for module in reversed(modules):
            if hasattr(module, "right_inverse"):
                try:
                    value = module.right_inverse(value)
                except NotImplementedError:
                    continue
    return value


def _must_fit(what: str, found: Any, dtype: Any, shape: Any = None) -> None:
    if not isinstance(found, Tensor):
        raise ValueError(f"{what} must return a tensor. Got {type(found).__name__}.")
    if found.dtype is not dtype:
        raise ValueError(
            f"{what} may not change the dtype of the tensor, unless the `unsafe` flag is enabled: {dtype} became {found.dtype}"
        )
    if shape is not None and found.shape != shape:
        raise ValueError(
            f"{what} may not change the shape of the tensor, unless the `unsafe` flag is enabled: {tuple(shape)} became {tuple(found.shape)}"
        )


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, first to last, with the ``original`` (or ``original0, ...``) they start from."""

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False):
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        new = _inverted(list(modules), original)
        if not isinstance(new, Tensor | Sequence):
            raise ValueError(
                f"'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if isinstance(new, Tensor) else len(new)
        shape, dtype = original.shape, original.dtype
        if isinstance(new, Tensor):
            if new.dtype is not original.dtype:
                raise ValueError(
                    f"When `right_inverse` outputs one tensor, it may not change the dtype: {original.dtype} became {new.dtype}"
                )
            _set(original, new)
            _register(self, "original", original)
        else:
            for i, part in enumerate(new):
                if not isinstance(part, Tensor):
                    raise ValueError(
                        f"'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got element {i} of the sequence with type {type(part).__name__}."
                    )
                part = part.detach()  # type: ignore[attr-defined]
                if isinstance(original, Parameter):
                    part = Parameter(part, original.requires_grad)
                _register(self, f"original{i}", part)
        if not unsafe:
            _must_fit("Registering a parametrization", self(), dtype, shape)

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes ``value``. Raises RuntimeError where that is not defined."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
            if self.is_tensor:
                _must_fit("`right_inverse`", value, self.original.dtype)
                _set(self.original, value)
                return
            if not isinstance(value, Sequence) or len(value) != self.ntensors:
                raise ValueError(f"'right_inverse' must return a sequence of tensors of length {self.ntensors}.")
            for i, part in enumerate(value):
                original = getattr(self, f"original{i}")
                _must_fit("`right_inverse`", part, original.dtype)
                _set(original, part)

    def forward(self) -> Tensor:
        originals = [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]
        first, *rest = self._modules.values()
        x = first(*originals)
        for module in rest:
            x = module(x)
        return x


ParametrizationContainer = ParametrizationList


def _set(target: Tensor, value: Tensor) -> None:
    """Give a parameter or buffer other contents; it may change its shape."""
    if value is target:
        return
    target.data = value.detach().clone() if value.shape == target.shape else value.detach()  # type: ignore[attr-defined]


def _property(name: str) -> property:
    def get(self: Any) -> Tensor:
        cache = _cache.get()
        if cache is None:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in cache:
            cache[key] = self.parametrizations[name]()
        return cache[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def _made(base: type, names: tuple[str, ...], owner: Any = None) -> type:
    """A subclass of a module class whose ``names`` are computed."""

    def set_attribute(self: Any, name: str, value: Any) -> None:
        computed = type(self).__dict__.get(name)
        if isinstance(computed, property):
            computed.__set__(self, value)
        else:
            base.__setattr__(self, name, value)  # type: ignore[call-arg]

    body: dict[str, Any] = {
        "__setattr__": set_attribute,
        "__reduce_ex__": _reduced,
        "__module__": base.__module__,
        "_unparametrized": base,
    }
    return type(f"Parametrized{base.__name__}", (base,), body | {name: _property(name) for name in names})


def _reduced(self: Any, protocol: Any) -> Any:
    """Classes made at run time are rebuilt from their base and names (pickle, copy)."""
    return _rebuild, (type(self)._unparametrized, tuple(self.parametrizations)), self.__dict__


def _rebuild(base: type, names: tuple[str, ...]) -> Any:
    return copyreg.__newobj__(_made(base, names))  # type: ignore[attr-defined]


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Compute a parameter or buffer of a module by ``parametrization`` from now on; several are applied in order.

    A ``right_inverse`` method lets the present value be kept, and the tensor be assigned to. ``unsafe`` allows a change
    of shape or dtype. Raises ValueError for an unknown name, or for a change of shape or dtype.

    >>> import lucid
    >>> from lucid import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> m = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((m.weight == m.weight.mT).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            now = getattr(module, tensor_name)
            after = parametrization(now)
            _must_fit("Registering a parametrization", after, now.dtype, now.shape)
            if hasattr(parametrization, "right_inverse"):
                try:
                    back = parametrization.right_inverse(after)
                except NotImplementedError:
                    pass
                else:
                    _must_fit("parametrization.right_inverse", back, now.dtype, now.shape)
        chain = module.parametrizations[tensor_name]
        chain.append(parametrization)
        chain.unsafe |= unsafe
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    chain = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.__class__ = _made(type(module), ())
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = chain
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module (or one of its tensors) is parametrized."""
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make the tensor an ordinary one again, with its present value, or with the original's (``leave_parametrized=False``).

    Raises ValueError if it is not parametrized, or if there is no single original to go back to.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    chain = module.parametrizations[tensor_name]
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach().clone()
        if chain.is_tensor:
            original = chain.original
            _set(original, value)
        else:
            first = chain.original0
            original = Parameter(value, first.requires_grad) if isinstance(first, Parameter) else value
    elif chain.is_tensor:
        original = chain.original
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module)._unparametrized  # type: ignore[attr-defined]
    _register(module, tensor_name, original)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class of a module as it was before it was parametrized."""
    return type(module)._unparametrized if is_parametrized(module) else type(module)  # type: ignore[attr-defined]


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Put (copies of) the parametrizations and originals of one module onto another."""
    import copy

    if not is_parametrized(from_module):
        return to_module
    for name in [tensor_name] if tensor_name is not None else list(from_module.parametrizations):
        chain = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach().clone()))
        for parametrization in chain:
            register_parametrization(to_module, name, copy.deepcopy(parametrization), unsafe=True)
        target = to_module.parametrizations[name]
        for key in ("original",) if chain.is_tensor else tuple(f"original{i}" for i in range(chain.ntensors)):
            _set(getattr(target, key), getattr(chain, key))
    return to_module
