"""Pruning: a parameter becomes ``name_orig`` times the buffer ``name_mask`` before every forward."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from ... import ops
from ...core.modes import no_grad
from ...core.tensor import Tensor
from ...functions import ones_like  # type: ignore[attr-defined]  # made there by name
from ...functions.pieces import cat
from ...functions.random import rand
from ..modules.module import Module

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip


def _count(amount: float, size: int) -> int:
    """How many of ``size`` an amount means: a share if a float, a number if an int."""
    if not isinstance(amount, int | float) or isinstance(amount, bool):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if amount < 0 or (isinstance(amount, float) and amount > 1):
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
    count = amount if isinstance(amount, int) else round(amount * size)
    if count > size:
        raise ValueError(f"amount={amount} should be smaller than the number of parameters to prune={size}")
    return count


def _smallest(scores: Tensor, count: int) -> Tensor:
    """The positions of the ``count`` smallest of a vector."""
    return scores.topk(count, largest=False).indices  # type: ignore[attr-defined]


class BasePruningMethod(ABC):
    """A way to prune: ``compute_mask`` takes more out of a mask; the object is the forward pre-hook."""

    PRUNING_TYPE = "unstructured"
    _tensor_name: str

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for importances ``t``, starting from ``default_mask``."""

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    def apply_mask(self, module: Module) -> Tensor:
        name = self._tensor_name
        return getattr(module, name + "_mask").to(getattr(module, name + "_orig").dtype) * getattr(
            module, name + "_orig"
        )

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """``t`` with what this method prunes set to 0."""
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError("importance_scores should have the same shape as tensor t")
        mask = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, mask)  # type: ignore[operator]

    def remove(self, module: Module) -> None:
        name = self._tensor_name
        weight = self.apply_mask(module)
        original = module._parameters.pop(name + "_orig")
        delattr(module, name)
        del module._buffers[name + "_mask"]
        original.data = weight.detach()  # type: ignore[union-attr, attr-defined]
        setattr(module, name, original)

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune ``module.name``, on top of what is pruned already."""
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        held = [
            (k, h)
            for k, h in module._forward_pre_hooks.items()
            if isinstance(h, BasePruningMethod) and h._tensor_name == name
        ]
        if held:
            (key, old), *_ = held
            original, mask = getattr(module, name + "_orig"), getattr(module, name + "_mask")
            container = old if isinstance(old, PruningContainer) else PruningContainer(old)
            container.add_pruning_method(method)
        else:
            original = getattr(module, name)
            mask = None
            container = method
        if importance_scores is not None and importance_scores.shape != original.shape:
            raise AssertionError(f"importance_scores should have the same shape as parameter {name} of {module}")
        with no_grad():
            scores = (
                getattr(module, name).detach() if importance_scores is None else importance_scores
            )  # as pruned so far
            start = (original.detach() * 0 + 1) if mask is None else mask
            new_mask = container.compute_mask(scores, start)
        if held:
            del module._forward_pre_hooks[key]
            mask.copy_(new_mask)
        else:
            del module._parameters[name]
            module.register_parameter(name + "_orig", original)
            module.register_buffer(name + "_mask", new_mask)
        setattr(module, name, container.apply_mask(module))
        module.register_forward_pre_hook(container)
        return container


class PruningContainer(BasePruningMethod):
    """Several methods on one parameter, each on what the earlier ones left."""

    def __init__(self, *methods: BasePruningMethod):
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if methods:
            self._tensor_name = methods[0]._tensor_name
        for method in methods:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._pruning_methods and self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}'. Found '{method._tensor_name}'"
            )
        self._tensor_name = method._tensor_name
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Any:
        return iter(self._pruning_methods)

    def __getitem__(self, index: int) -> BasePruningMethod:
        return self._pruning_methods[index]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Only the latest method prunes, and only among what is left."""
        method: Any = self._pruning_methods[-1]
        mask: Any = default_mask.to(t.dtype)  # type: ignore[attr-defined]
        if method.PRUNING_TYPE == "global":
            return method.compute_mask(t, mask)
        if method.PRUNING_TYPE == "structured":
            axis = method.dim % t.ndim
            left = (mask.sum(tuple(d for d in range(t.ndim) if d != axis)) != 0).nonzero(as_tuple=True)[0]  # type: ignore[attr-defined]
            part = method.compute_mask(t.index_select(axis, left), mask.index_select(axis, left))  # type: ignore[attr-defined]
            result = mask.clone()  # type: ignore[attr-defined]
            result[(slice(None),) * axis + (left,)] = part
            return result
        left = mask.reshape(-1).nonzero(as_tuple=True)[0]  # type: ignore[attr-defined]
        flat = mask.reshape(-1).clone()  # type: ignore[attr-defined]
        flat[left] = method.compute_mask(t.reshape(-1)[left], flat[left])  # type: ignore[attr-defined]
        return flat.reshape(mask.shape)


class Identity(BasePruningMethod):
    """Prunes nothing, but sets up the mask."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class _Unstructured(BasePruningMethod):
    def __init__(self, amount: float):
        _count(amount, 2**63)
        self.amount = amount

    def scores(self, t: Tensor) -> Tensor:
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = _count(self.amount, t.shape.numel())
        mask = default_mask.reshape(-1).clone()  # type: ignore[attr-defined]
        if count:
            mask[_smallest(self.scores(t).reshape(-1), count)] = 0  # type: ignore[attr-defined]
        return mask.reshape(default_mask.shape)


class RandomUnstructured(_Unstructured):
    """Elements at random."""

    def scores(self, t: Tensor) -> Tensor:
        return -rand(*t.shape, device=t.device)  # PyTorch prunes where the largest numbers are drawn


class L1Unstructured(_Unstructured):
    """The smallest elements."""

    def scores(self, t: Tensor) -> Tensor:
        return ops.abs(t)


class _Structured(BasePruningMethod):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1):
        _count(amount, 2**63)
        self.amount, self.dim = amount, dim

    def scores(self, t: Tensor, axes: tuple[int, ...]) -> Tensor:
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim <= 1:
            raise ValueError(
                f"Structured pruning can only be applied to multidimensional tensors. Found tensor of shape {tuple(t.shape)}"
            )
        axis = self.dim % t.ndim
        count = _count(self.amount, t.shape[axis])
        mask = default_mask.clone()  # type: ignore[attr-defined]
        if count:
            out = _smallest(self.scores(t, tuple(d for d in range(t.ndim) if d != axis)), count)
            mask[(slice(None),) * axis + (out,)] = 0
        return mask


class RandomStructured(_Structured):
    """Slices along ``dim`` at random."""

    def scores(self, t: Tensor, axes: tuple[int, ...]) -> Tensor:
        return rand(t.shape[self.dim], device=t.device)


class LnStructured(_Structured):
    """The slices along ``dim`` of the smallest n-norm."""

    def __init__(self, amount: float, n: float | str, dim: int = -1):
        super().__init__(amount, dim)
        self.n = n

    def scores(self, t: Tensor, axes: tuple[int, ...]) -> Tensor:
        return t.norm(self.n, axes)  # type: ignore[attr-defined]


class CustomFromMask(BasePruningMethod):
    """What a given mask says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor):
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask * self.mask.to(default_mask.dtype)  # type: ignore[attr-defined, operator]


def identity(module: Module, name: str = "weight") -> Module:
    """Set up the mask without pruning."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str = "weight", amount: float = 0.5) -> Module:
    """Prune elements at random; ``amount`` is a share (float) or a number (int)."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str = "weight", amount: float = 0.5, importance_scores: Tensor | None = None
) -> Module:
    """Prune the elements of smallest magnitude (or importance).

    >>> import lucid
    >>> from lucid import nn
    >>> m = nn.utils.prune.l1_unstructured(nn.Linear(2, 3), "weight", amount=2)
    >>> int((m.weight == 0).sum())
    2
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune slices along ``dim`` at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module, name: str, amount: float, n: float | str, dim: int, importance_scores: Tensor | None = None
) -> Module:
    """Prune the slices along ``dim`` of the smallest n-norm."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune by a mask of 0 and 1."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]], pruning_method: type, importance_scores: dict | None = None, **kwargs: Any
) -> None:
    """Prune several parameters together, as if they were one vector. Raises TypeError for a structured method."""
    pairs = list(parameters)
    if not pairs:
        raise TypeError("global_unstructured(): parameters is not an Iterable of (module, name) pairs")
    if getattr(pruning_method, "PRUNING_TYPE", None) != "unstructured":
        raise TypeError('Only "unstructured" PRUNING_TYPE supported for the `pruning_method`.')
    given = importance_scores or {}
    scores = cat([given.get((m, n), getattr(m, n)).detach().reshape(-1) for m, n in pairs])
    masks = cat([getattr(m, n + "_mask", getattr(m, n).detach() * 0 + 1).reshape(-1) for m, n in pairs])
    method: Any = pruning_method(**kwargs)
    method._tensor_name = "temp"
    container = PruningContainer(method)
    final = container.compute_mask(scores, masks)
    start = 0
    for module, name in pairs:
        size = getattr(module, name).shape.numel()
        custom_from_mask(module, name, final[start : start + size].reshape(getattr(module, name).shape))  # type: ignore[index]
        start += size


def remove(module: Module, name: str) -> Module:
    """Make the pruning permanent. Raises ValueError if the parameter is not pruned."""
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Module) -> bool:
    """Whether any parameter in a module or below is pruned."""
    return any(isinstance(h, BasePruningMethod) for m in module.modules() for h in m._forward_pre_hooks.values())
