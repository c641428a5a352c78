"""The one loop of all optimizers that are a rule: a pure function of a parameter, its gradient and its state.

A step costs as little Python as it can: what does not change between steps (which parameters have gradients, their
state tensors, the arrays behind them) is looked up once, kept in a ``Batch``, and only checked for identity after that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

from .. import backends
from ..backends import backend_of
from ..core import dtypes, modes, mutation
from ..core.errors import DeviceError, DTypeError, ShapeError
from ..core.tensor import Tensor, wrap
from ..core.view import View, write
from ..functions.outputs import check_leaf
from .optimizer import Optimizer
from .tracking import Entry, State

Numbers = dict[str, Any]


class RuleOptimizer(Optimizer):
    """An optimizer that is a rule, the names of its state, and the numbers that change per step.

    A subclass gives ``rule`` (or overrides ``rule_of``), ``slots`` and ``numbers``, and has no loop.
    """

    rule: Callable
    zeros: tuple[str, ...] = ()  # names of the state arrays, in the rule's order, where all begin with zeros
    counts = True  # whether state has a `step`
    keeps_dtype: tuple[str, ...] = ()  # state that does not take the parameter's dtype when loaded
    per_parameter = False  # whether state or numbers depend on the parameter's shape
    legacy: dict[str, Any] = {}

    def rule_of(self, group: dict[str, Any]) -> Callable:
        """The rule for a group."""
        return type(self).rule

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        """Names of the state arrays, in the rule's order, with first values: a number, or a function of the parameter."""
        return dict.fromkeys(self.zeros, 0)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        """The rule's keyword arguments for a parameter whose 0-d state is ``s`` (``step`` already counted up).

        ``s["fresh"]`` says that the state was made just now; values put into ``s`` are kept. Floats may change from
        step to step and rules never branch on them; everything else (flags, None, ints) is fixed, and they may.
        """
        raise NotImplementedError

    def slots_for(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """``slots``, for optimizers whose state depends on the parameter's shape (with ``per_parameter``)."""
        return self.slots(group)

    def numbers_for(self, p: Tensor, group: dict[str, Any], s: Numbers) -> Numbers:
        """``numbers``, for rules whose numbers depend on the parameter's shape (with ``per_parameter``)."""
        return self.numbers(group, s)

    def begin(self, group: dict[str, Any]) -> None:
        """Called once for each group in each step, before its numbers are asked for."""

    # ---- the step ----

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; returns the closure's loss, if there is one.

        Raises ShapeError, DTypeError or DeviceError, before anything is changed, for a gradient that does not fit.
        """
        loss = None
        if closure is not None:
            with modes.enable_grad():
                loss = closure()
        plans = self.__dict__.get("_plans")
        if plans is None:
            plans = self.__dict__["_plans"] = {}
        ready: list[tuple[Any, dict[str, Any], Any]] = []
        for group in self.param_groups:
            if group.get("differentiable"):
                ready.append((None, group, None))
                continue
            plan = plans.get(id(group))
            grads = None if plan is None else plan.gradients(self, group)
            if grads is None:
                plans.pop(id(group), None)
                if plan is not None:
                    plan.release()
                plan = Plan(self, group)
                grads = plan.gradients(self, group)
                plans[id(group)] = plan
            ready.append((plan, group, grads))
        for plan, group, grads in ready:
            self.begin(group)
            if plan is None:
                self._step_differentiably(group)
            else:
                plan.run(self, group, grads)
        if len(plans) > len(self.param_groups):
            alive = {id(group) for group in self.param_groups}
            for key in [k for k in plans if k not in alive]:
                plans.pop(key).release()
        return loss

    def counters(self, group: dict[str, Any]) -> dict[str, float]:
        """The 0-d state of each parameter, with first values; all but ``step`` are float64."""
        return {"step": 0.0} if self.counts else {}

    def _entry(self, p: Tensor, group: dict[str, Any]) -> tuple[Any, bool]:
        """The parameter's state, complete; and whether (some of) it was made just now."""
        state = self.state
        entry = state.track(p) if type(state) is State else state[p]
        fresh = False
        for name, first in self.counters(group).items():
            value = entry.get(name)
            if not isinstance(value, Tensor):
                entry[name] = _counter(name, first if value is None else value)
        for name, first in self.slots_for(p, group).items():
            if entry.get(name) is None:
                fresh = True
                entry[name] = first(p) if callable(first) else _filled(p, first)
        return entry, fresh

    def _step_differentiably(self, group: dict[str, Any]) -> None:
        """The step as recorded ops, so that one can differentiate through it (``differentiable=True``).

        Parameters and state become the results; the memory of the old ones is left to the graph that needs it.
        """
        from .. import ops

        with modes.enable_grad():
            for p in group["params"]:
                if p.grad is None:
                    continue
                check_gradient(type(self).__name__, p)
                check_leaf(p, f"{type(self).__name__}.step")
                entry, fresh = self._entry(p, group)
                targets = [p, *(entry[name] for name in self.slots_for(p, group))]
                s: Numbers = {name: float(entry[name]) for name in self.counters(group)} | {"fresh": fresh}
                if self.counts:
                    s["step"] += 1
                numbers = self.numbers_for(p, group, s)
                results = self.rule_of(group)(ops, p, p.grad, *targets[1:], **numbers)
                for target, result in zip(targets, results, strict=True):
                    if type(target) is View:
                        write(target, result, "step")
                    elif result is not target:
                        target.value, target.node, target._version = result.value, result.node, target._version + 1
                for name in self.counters(group):
                    entry[name].fill_(s[name])

    # ---- saving and loading ----

    def _misfits(self, p: Tensor, group: dict[str, Any], entry: Any) -> list[str]:
        """How the saved state of one parameter differs from what this optimizer keeps."""
        if not isinstance(entry, dict) or not entry:
            return []
        wanted = self.slots_for(p, {**self.defaults, **group})
        problems = []
        for name, first in wanted.items():
            value = entry.get(name)
            if value is None:
                if any(k in entry for k in wanted) or not set(entry) <= {"step"}:
                    problems.append(f"state {name!r} is missing (it has {', '.join(map(repr, entry))})")
                continue
            shape = tuple(p.shape if not callable(first) else first(p).shape)
            if tuple(value.shape) != shape:
                problems.append(f"state {name!r} has shape {tuple(value.shape)}, but the parameter needs {shape}")
        return problems

    def __getstate__(self) -> dict[str, Any]:
        kept = super().__getstate__()
        return kept | {
            k: v for k, v in self.__dict__.items() if k not in kept and k != "_plans" and not k.endswith("_hooks")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for plan in self.__dict__.pop("_plans", {}).values():
            plan.release()
        super().__setstate__(state)
        for group in self.param_groups:
            for name, default in {**self.defaults, **self.legacy}.items():
                group.setdefault(name, default)


class Plan:
    """One parameter group, taken apart into batches that are updated in one go."""

    def __init__(self, opt: RuleOptimizer, group: dict[str, Any]):
        self.group = group
        self.params = list(group["params"])
        self.active = [p for p in self.params if p.grad is not None]
        self.idle = [p for p in self.params if p.grad is None]
        for p in self.active:
            check_gradient(type(opt).__name__, p)
        homes: dict[Any, list[int]] = {}
        turns = _turns([p.value for p in self.active])
        for i, p in enumerate(self.active):
            home = (p.device, p.dtype, p.value.shape if opt.per_parameter else None, turns[i])
            homes.setdefault(home, []).append(i)
        self.batches: list[Batch] | None = None
        self.homes = list(homes.values())
        self.shapes = [p.value.shape for p in self.active]
        self.kinds = [type(p.value) for p in self.active]

    def gradients(self, opt: RuleOptimizer, group: dict[str, Any]) -> list[Any] | None:
        """The raw gradients, or None if this plan does not hold any more."""
        params = group["params"]
        if len(params) != len(self.params) or not all(map(is_, params, self.params)):
            return None
        try:
            grads = [p.grad.value for p in self.active]
        except AttributeError:
            return None
        if self.idle and any(p.grad is not None for p in self.idle):
            return None
        if [g.shape for g in grads] != self.shapes or list(map(type, grads)) != self.kinds:
            return None  # making a new plan explains
        if self.batches is not None:
            state = opt.state
            if state is not self.state or not self.tracked or state.changes[0] != self.changes:
                return None
            for batch in self.batches:
                if not batch.holds() or list(opt.slots_for(batch.params[0], group)) != batch.column_names:
                    return None
        return grads

    def run(self, opt: RuleOptimizer, group: dict[str, Any], grads: list[Any]) -> None:
        if self.batches is None:
            entries = [opt._entry(p, group) for p in self.active]
            self.batches = [
                Batch(opt, group, [self.active[i] for i in home], [entries[i] for i in home]) for home in self.homes
            ]
            self.state = opt.state
            self.tracked = type(self.state) is State and all(type(entry) is Entry for entry, _ in entries)
            self.changes = self.state.changes[0] if self.tracked else None
        if len(self.batches) == 1:
            self.batches[0].run(opt, group, grads)
        else:
            for batch, home in zip(self.batches, self.homes, strict=True):
                batch.run(opt, group, [grads[i] for i in home])

    def release(self) -> None:
        for batch in self.batches or ():
            batch.release()


def _turns(arrays: Sequence[Any]) -> list[int]:
    """For each array, in which turn it is updated: after those before it that it shares elements with (weights tied by
    their data), since a batch may read all its parameters before it writes any."""
    turns: list[int] = []
    known: dict[int, list[tuple[Any, int]]] = {}
    for array in arrays:
        kin = known.setdefault(id(mutation.owner(array)), [])
        meets = backend_of(array).overlap
        turn = max((t + 1 for other, t in kin if meets(array, other)), default=0)
        kin.append((array, turn))
        turns.append(turn)
    return turns


class Batch:
    """Parameters of one device and dtype with their state, as columns of raw arrays."""

    def __init__(self, opt: RuleOptimizer, group: dict[str, Any], params: list[Tensor], entries: list):
        self.params = params
        self.values = [p.value for p in params]
        self.backend = backend_of(self.values[0])
        self.names = list(opt.counters(group))
        self.column_names = list(opt.slots_for(params[0], group))
        self.columns = [[entry[name] for entry, _ in entries] for name in self.column_names]
        self.fresh: list[bool] | None = [fresh for _, fresh in entries]
        self.buffers = [_joined([entry[name] for entry, _ in entries], name) for name in self.names]
        self.tensors = [t for column in self.columns for t in column]
        self.tensors += [entry[name] for name in self.names for entry, _ in entries]
        self.cache: dict[Any, Any] = {}
        self.plain = all(type(p) is not View for p in params)
        self.together = mutation.Together(self.values) if self.backend.writes_in_place else None
        self._look()

    def _look(self) -> None:
        self.states = [[t.value for t in column] for column in self.columns]
        self.arrays = [t.value for t in self.tensors]

    def holds(self) -> bool:
        """Whether parameters and state are still the arrays that they were."""
        return all(map(is_, [p.value for p in self.params], self.values)) and all(
            map(is_, [t.value for t in self.tensors], self.arrays)
        )

    def run(self, opt: RuleOptimizer, group: dict[str, Any], grads: list[Any]) -> None:
        rule, n = opt.rule_of(group), len(grads)
        lists = [b.tolist() for b in self.buffers]
        if self.fresh is None and all(v.count(v[0]) == n for v in lists):
            s: Numbers = {name: v[0] for name, v in zip(self.names, lists, strict=True)}
            s["fresh"] = False
            self._bucket(opt, group, rule, s, range(n), self.values, grads, self.states, self.cache)
            for name, buffer in zip(self.names, self.buffers, strict=True):
                buffer.fill(s[name])
        else:
            self._run_apart(opt, group, rule, grads, lists)
        if self.together is not None:
            self.together.note()
        for p in self.params:
            p._version += 1

    def _run_apart(
        self, opt: RuleOptimizer, group: dict[str, Any], rule: Callable, grads: list[Any], lists: list[list]
    ) -> None:
        """Parameters whose counters differ (a gradient that came and went, a first step) are updated in several goes."""
        fresh = self.fresh or [False] * len(grads)
        self.fresh = None
        keys: dict[tuple, list[int]] = {}
        for i in range(len(grads)):
            keys.setdefault((fresh[i], *(v[i] for v in lists)), []).append(i)
        for (is_fresh, *counts), rows in keys.items():
            s: Numbers = {**dict(zip(self.names, counts, strict=True)), "fresh": is_fresh}
            whole = len(rows) == len(grads)
            self._bucket(
                opt, group, rule, s, rows, [self.values[i] for i in rows], [grads[i] for i in rows],
                [[column[i] for i in rows] for column in self.states], self.cache if whole else None,
            )  # fmt: skip
            for name, buffer in zip(self.names, self.buffers, strict=True):
                for i in rows:
                    buffer[i] = s[name]

    def _bucket(
        self, opt: RuleOptimizer, group: dict[str, Any], rule: Callable, s: Numbers, rows: Sequence[int],
        values: list[Any], grads: list[Any], states: list[list[Any]], cache: dict | None,
    ) -> None:  # fmt: skip
        if opt.counts:
            s["step"] += 1.0
        numbers = opt.numbers_for(self.params[0], group, s)
        new_values, new_states = self.backend.apply_update(rule, values, grads, states, numbers, cache)
        if new_values is not values:
            for i, new in zip(rows, new_values, strict=True):
                self._replace(i, new)
        if new_states is not states:
            for column, news in zip(self.columns, new_states, strict=True):
                for i, new in zip(rows, news, strict=True):
                    if column[i].value is not new:
                        column[i].value = new
            self._look()

    def _replace(self, i: int, new: Any) -> None:
        """A parameter's new array, from a backend that cannot write into the old one."""
        old, p = self.values[i], self.params[i]
        if new is old:
            return
        if type(p) is View:
            with modes.no_grad():
                write(p, wrap(new), "step")
        else:
            mutation.note(old)
            p.value = new
        self.values[i] = p.value

    def release(self) -> None:
        if self.together is not None:
            self.together.release()


# ---- helpers ----


def check_gradient(name: str, p: Tensor) -> None:
    """Raise if the gradient cannot be that of the parameter."""
    g = p.grad
    assert g is not None
    if not isinstance(g, Tensor):
        raise TypeError(f"{name}: a gradient must be a Tensor, not {type(g).__name__}")
    if g.shape != p.shape:
        raise ShapeError(f"{name}: a parameter of shape {tuple(p.shape)} has a gradient of shape {tuple(g.shape)}")
    if g.device != p.device:
        raise DeviceError(f"{name}: a parameter on {p.device} has a gradient on {g.device}")
    if p.dtype.category < dtypes.FLOAT or g.dtype.category > p.dtype.category:
        raise DTypeError(f"{name}: a parameter of {p.dtype} has a gradient of {g.dtype}")


def _filled(p: Tensor, first: float) -> Tensor:
    """State of the parameter's shape, dtype and device."""
    backend = backend_of(p.value)
    if first == 0:
        return wrap(backend.table.zeros_like(p.value))
    value = complex(first, first) if p.dtype.category == dtypes.COMPLEX else first
    return wrap(backend.table.full(tuple(p.shape), value, p.dtype, p.device.number))


def _counter_dtype(name: str) -> dtypes.dtype:
    return (
        (dtypes.float64 if dtypes.get_default_dtype() is dtypes.float64 else dtypes.float32)
        if name == "step"
        else dtypes.float64
    )


def _counter(name: str, value: float) -> Tensor:
    """A 0-d tensor on the CPU, as PyTorch keeps ``step``."""
    return wrap(backends.load("cpu").table.full((), float(value), _counter_dtype(name)))


def _joined(counters: list[Tensor], name: str) -> Any:
    """One host buffer of which the 0-d tensors become views: all are counted up at once."""
    cpu = backends.load("cpu")
    wanted = max((t.dtype for t in counters), key=lambda d: d.itemsize)
    buffer = cpu.table.zeros((len(counters),), wanted)
    for i, t in enumerate(counters):
        buffer[i] = float(t)
        t.value = buffer[i : i + 1].reshape(())
    return buffer


def assign(target: Tensor, array: Any) -> None:
    """Overwrite a tensor outside the graph with a raw array of its shape and dtype."""
    with modes.no_grad():
        write(target, wrap(array), "step")
