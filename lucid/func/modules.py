"""Modules as pure functions: ``functional_call`` and ``stack_module_state``."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.tensor import Tensor


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call ``module`` with the parameters and buffers of a dict (or of several dicts) in place of its own.

    What the dict leaves out stays as it is; with ``strict`` that is an error. With ``tie_weights`` one name of a
    shared parameter replaces all its places. The module itself does not change. Raises RuntimeError for missing or
    unexpected names with ``strict``, ValueError if two dicts hold the same name.

    >>> import lucid
    >>> layer = lucid.nn.Linear(2, 1, bias=False)
    >>> lucid.func.functional_call(layer, {"weight": lucid.ones(1, 2)}, (lucid.ones(3, 2),)).shape
    lucid.Size([3, 1])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        values = dict(parameter_and_buffer_dicts)
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        values = {}
        for d in parameter_and_buffer_dicts:
            if not isinstance(d, dict):
                raise ValueError(
                    f"Expected all elements of parameter_and_buffer_dicts to be dictionaries, got {type(d).__name__}"
                )
            repeated = sorted(set(values) & set(d))
            if repeated:
                raise ValueError(
                    f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous"
                )
            values.update(d)
    else:
        raise ValueError(
            f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(parameter_and_buffer_dicts)}"
        )
    inputs = () if args is None else args if isinstance(args, tuple) else (args,)
    with replaced(module, values, tie_weights, strict):
        return module(*inputs, **(kwargs or {}))


def _places(module: Any) -> dict[str, tuple[dict, str]]:
    """Where each parameter and buffer is kept: its full name to (dict, key); every name of a shared one."""
    found = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for store in (part._parameters, part._buffers):
            for key, value in store.items():
                if value is not None:
                    found[f"{prefix}.{key}" if prefix else key] = (store, key)
    return found


@contextlib.contextmanager
def replaced(module: Any, values: dict[str, Tensor], tie_weights: bool = True, strict: bool = False) -> Iterator[None]:
    """While active, the module has these tensors; afterwards its own again."""
    places = _places(module)
    unexpected = [n for n in values if n not in places]
    tied: dict[int, list[str]] = {}
    for name, (store, key) in places.items():
        tied.setdefault(id(store[key]), []).append(name)
    full = dict(values)
    if tie_weights:
        for names in tied.values():
            given = [n for n in names if n in values]
            if len({id(values[n]) for n in given}) > 1:
                raise ValueError(
                    f"functional_call got multiple values for keys {sorted(given)}, which are tied. Consider using tie_weights=False"
                )
            if given:
                full.update((n, values[given[0]]) for n in names)
    missing = [n for n in places if n not in full]
    if strict and (missing or unexpected):
        raise RuntimeError(
            f"Error(s) in reparametrizing for {type(module).__name__}: Missing key(s): {', '.join(missing) or 'none'}; "
            f"Unexpected key(s): {', '.join(unexpected) or 'none'}"
        )
    found = [places.get(n) or _other_place(module, n) for n in full]
    before = [(store, key, store.get(key, module)) for store, key in found]
    try:
        for (store, key), value in zip(found, full.values(), strict=True):
            store[key] = value
        yield
    finally:
        for store, key, value in before:
            if value is module:  # there was nothing
                del store[key]
            else:
                store[key] = value


def _other_place(module: Any, name: str) -> tuple[dict, str]:
    """Where a tensor goes that is no parameter or buffer yet: one that is None, or a plain attribute."""
    prefix, _, key = name.rpartition(".")
    if not key:
        raise KeyError(f'functional_call: tensor name can\'t be empty string "", got {name!r}')
    part = module.get_submodule(prefix)
    return next((store for store in (part._parameters, part._buffers) if key in store), part.__dict__), key


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of models of one architecture, each stacked along a new first dimension.

    With ``functional_call`` and ``vmap`` the models then run as one. Raises RuntimeError for different classes, or
    if some are in training mode and others not.

    >>> import lucid
    >>> params, buffers = lucid.func.stack_module_state([lucid.nn.Linear(2, 3) for _ in range(4)])
    >>> params["weight"].shape
    lucid.Size([4, 3, 2])
    """
    from ..functions import FUNCTIONS

    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    stack = FUNCTIONS["stack"]
    params = {}
    for name, first in models[0].named_parameters():
        group = [dict(m.named_parameters())[name] for m in models]
        if any(p.requires_grad is not first.requires_grad for p in group):
            raise RuntimeError(f"Expected {name} to have the same .requires_grad in all models")
        stacked = stack([p.detach() for p in group])
        params[name] = stacked.requires_grad_() if first.requires_grad else stacked
    buffers = {
        name: stack([dict(m.named_buffers())[name].detach() for m in models]) for name, _ in models[0].named_buffers()
    }
    return params, buffers


def make_functional(module: Any) -> tuple[Any, tuple]:
    """The module as a function of its parameters, and the parameters: ``f(params, *args)``."""
    names = [n for n, _ in module.named_parameters()]
    params = tuple(p for _, p in module.named_parameters())
    stateless = copy.deepcopy(module)

    def call(values: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
        return functional_call(stateless, dict(zip(names, values, strict=True)), args, kwargs)

    return call, params


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Let every BatchNorm in ``root`` use the statistics of its batch alone, so that it works inside vmap; returns ``root``.

    >>> import lucid
    >>> net = lucid.func.replace_all_batch_norm_modules_(lucid.nn.BatchNorm1d(2))
    >>> lucid.vmap(net)(lucid.ones(3, 4, 2)).shape
    lucid.Size([3, 4, 2])
    """
    for part in root.modules():
        if any(kind.__name__ == "_BatchNorm" for kind in type(part).__mro__):
            part.running_mean = part.running_var = part.num_batches_tracked = None
            part.track_running_stats = False
    return root
