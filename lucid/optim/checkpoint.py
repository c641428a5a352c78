"""An optimizer's options and state as plain dicts: by position as PyTorch lays them out, or by parameter name."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..core import dtypes
from ..core.tensor import Tensor, as_tensor
from .tracking import State

if TYPE_CHECKING:
    from .optimizer import Optimizer

Packed = dict[str, Any]
# State that keeps its own dtype: counters and the like, not of the parameter's shape.
SCALARS = ("step",)


def pack(opt: Optimizer, named: bool) -> Packed:
    """``{"state": {id: {...}}, "param_groups": [{..., "params": [ids]}]}``."""
    if named and not all("param_names" in group for group in opt.param_groups):
        raise ValueError(
            "state_dict(named=True): this optimizer does not know the names of its parameters; "
            "make it from model.named_parameters()"
        )
    ids: dict[int, Any] = {}
    for group in opt.param_groups:
        for p, name in zip(group["params"], group["param_names"] if named else group["params"], strict=True):
            ids.setdefault(id(p), name if named else len(ids))
    if named and len(set(ids.values())) != len(ids):
        raise ValueError("state_dict(named=True): two parameters have the same name")
    groups = []
    for group in opt.param_groups:
        kept = {k: v for k, v in group.items() if k != "params" and not (named and k == "param_names")}
        groups.append({**kept, "params": [ids[id(p)] for p in group["params"]]})
    state = {
        (ids[id(k)] if isinstance(k, Tensor) else k): dict(v) if isinstance(v, dict) else v
        for k, v in opt.state.items()
    }
    return {"state": state, "param_groups": groups}


def unpack(opt: Optimizer, saved: Packed, strict: bool) -> tuple[State, list[dict[str, Any]]]:
    """The state and groups that loading ``saved`` gives; ValueError listing every difference. Changes nothing."""
    saved_groups = saved["param_groups"]
    ids = [i for group in saved_groups for i in group["params"]]
    named = any(isinstance(i, str) for i in ids)
    problems: list[str] = []
    if named:
        where, groups = _by_name(opt, saved_groups, strict, problems)
    else:
        where, groups = _by_position(opt, saved_groups)
    state = State()
    for key, entry in saved["state"].items():
        if key not in where:
            if key not in ids:
                state[key] = entry  # what a subclass keeps beside its parameters
            continue
        p, options = where[key]
        check = getattr(opt, "_misfits", None)
        label = repr(key) if named else f"parameter {key}"
        if check is not None:
            problems.extend(f"{label}: {problem}" for problem in check(p, options, entry))
        if not problems:
            state[p] = _owned(opt, p, options, entry)
    if problems:
        raise ValueError("loaded state dict does not fit this optimizer:\n  " + "\n  ".join(problems))
    return state, groups


def _by_position(opt: Optimizer, saved_groups: list[Packed]) -> tuple[dict, list[dict]]:
    if len(saved_groups) != len(opt.param_groups):
        raise ValueError(
            f"loaded state dict has a different number of parameter groups: {len(saved_groups)}, not {len(opt.param_groups)}"
        )
    sizes = [
        (i, len(s["params"]), len(g["params"]))
        for i, (s, g) in enumerate(zip(saved_groups, opt.param_groups, strict=True))
    ]
    if any(theirs != ours for _, theirs, ours in sizes):
        listed = "; ".join(f"group {i}: {theirs} saved, {ours} here" for i, theirs, ours in sizes if theirs != ours)
        raise ValueError(
            f"loaded state dict contains a parameter group that doesn't match the size of optimizer's group ({listed})"
        )
    where: dict[Any, tuple[Tensor, dict]] = {}
    groups = []
    for saved, group in zip(saved_groups, opt.param_groups, strict=True):
        new = {k: copy.deepcopy(v) for k, v in saved.items() if k != "params"}
        new["params"] = group["params"]
        if "param_names" in group:
            new.setdefault("param_names", group["param_names"])
        groups.append(new)
        where.update({i: (p, new) for i, p in zip(saved["params"], group["params"], strict=True)})
    return where, groups


def _by_name(opt: Optimizer, saved_groups: list[Packed], strict: bool, problems: list[str]) -> tuple[dict, list[dict]]:
    if not all("param_names" in group for group in opt.param_groups):
        raise ValueError(
            "loaded state dict is by parameter name, but this optimizer does not know the names of its parameters; "
            "make it from model.named_parameters()"
        )
    saved_in = {name: saved for saved in saved_groups for name in saved["params"]}
    here = [name for group in opt.param_groups for name in group["param_names"]]
    missing, extra = [n for n in here if n not in saved_in], [n for n in saved_in if n not in set(here)]
    if strict or len(missing) == len(here):
        problems.extend(f"{name!r}: not in the loaded state" for name in missing)
        problems.extend(f"{name!r}: not a parameter of this optimizer" for name in extra)
    where: dict[Any, tuple[Tensor, dict]] = {}
    groups = []
    for group in opt.param_groups:
        homes = [saved_in[name] for name in group["param_names"] if name in saved_in]
        # The options of the saved group that most of the parameters come from; a wholly new group keeps its own.
        source = max(homes, key=lambda s: sum(h is s for h in homes)) if homes else group
        new = {k: copy.deepcopy(v) for k, v in source.items() if k not in ("params", "param_names")}
        new |= {"params": group["params"], "param_names": group["param_names"]}
        groups.append(new)
        where.update({name: (p, new) for name, p in zip(group["param_names"], group["params"], strict=True)})
    return where, groups


def _owned(opt: Optimizer, p: Tensor, options: dict, value: Any, key: Any = None) -> Any:
    """A copy of a saved value, with floating tensors in the parameter's dtype and on its device (counters excepted)."""
    if isinstance(value, dict):
        return {k: _owned(opt, p, options, v, k) for k, v in value.items()}
    if hasattr(value, "__array__") and hasattr(value, "dtype"):
        t = value if isinstance(value, Tensor) else as_tensor(value.detach() if hasattr(value, "detach") else value)
        t = as_tensor(t.detach(), copy=True)
        if key in SCALARS or key in getattr(opt, "keeps_dtype", ()):
            return t
        wanted = p.dtype if p.dtype.category >= dtypes.FLOAT and t.dtype.category >= dtypes.FLOAT else None
        if wanted is not None and t.dtype.category > wanted.category:
            wanted = None
        return as_tensor(t, dtype=wanted, device=p.device)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return type(value)(_owned(opt, p, options, v) for v in value)  # type: ignore[call-arg]
    return value
