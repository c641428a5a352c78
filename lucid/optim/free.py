"""Optimizers without a learning rate to tune: leave ``lr`` at 1, and the distance to the solution is estimated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from ..backends import backend_of
from ..core import modes, mutation
from ..core.tensor import Tensor
from . import rules
from .checks import at_least, checked, coefficients, learning_rate, options
from .ruled import RuleOptimizer, assign, check_gradient


class _Estimating(RuleOptimizer):
    """A step in two passes: gather sums over all parameters, improve the estimate ``d``, then move."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; returns the closure's loss, if there is one.

        Raises RuntimeError for groups whose lr differ in anything but being 0.
        """
        loss = None
        if closure is not None:
            with modes.enable_grad():
                loss = closure()
        rates = {float(group["lr"]) for group in self.param_groups} - {0.0}
        if len(rates) > 1:
            raise RuntimeError(f"{type(self).__name__}: groups may only have the same lr, or 0; got {sorted(rates)}")
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    check_gradient(type(self).__name__, p)
        self._update(max(rates, default=0.0))
        return loss

    def _update(self, lr: float) -> None:
        raise NotImplementedError

    def _each(self) -> Iterator[tuple[dict[str, Any], Tensor, dict[str, Tensor], Any, Any]]:
        """Group, parameter, state, table and gradient (negated to maximize, with L2 decay) of all that have one."""
        for group in self.param_groups:
            decay = 0.0 if group.get("decouple") else float(group["weight_decay"])
            for p in group["params"]:
                if p.grad is not None:
                    g = -p.grad.value if group["maximize"] else p.grad.value
                    g = g + decay * p.value if decay else g
                    yield group, p, self._entry(p, group)[0], backend_of(p.value).table, g

    def _sweep(self, rule: Callable, rows: list[tuple[Tensor, Any, list[Tensor]]], **numbers: Any) -> None:
        """Run an elementwise rule on ``(target, array, state)`` rows, in place where the backend can."""
        homes: dict[Any, list[tuple[Tensor, Any, list[Tensor]]]] = {}
        for row in rows:
            homes.setdefault((row[0].device, row[0].dtype), []).append(row)
        for home in homes.values():
            targets, arrays = [row[0] for row in home], [row[1] for row in home]
            columns = [list(column) for column in zip(*(row[2] for row in home), strict=True)]
            values, states = [t.value for t in targets], [[t.value for t in column] for column in columns]
            backend = backend_of(values[0])
            new_values, new_states = backend.apply_update(rule, values, arrays, states, numbers)
            for tensors, news in zip([targets, *columns], [new_values, *new_states], strict=True):
                for tensor, new in zip(tensors, news, strict=True):
                    if tensor.value is new:
                        mutation.note(new)
                        tensor._version += 1
                    else:
                        assign(tensor, new)

    def _share(self, **values: Any) -> None:
        for group in self.param_groups:
            group.update(values)
            group["k"] += 1


class _AdaptedAdam(_Estimating):
    """Prodigy and DAdaptAdam differ in what they estimate, not in how they step."""

    def _move(self, rate: float, shrink: float, scale: float) -> None:
        """Adam's step: ``p -= rate * m / (sqrt(v) + scale * eps)``, after a decay by ``shrink * weight_decay``."""
        for group in self.param_groups:
            rows = []
            for p in group["params"]:
                if p.grad is not None:
                    entry = self.state[p]
                    rows.append((p, entry["exp_avg"].value, [entry["exp_avg_sq"]]))
                    entry["step"].add_(1)
            decay = bool(group["decouple"]) and group["weight_decay"] != 0
            keep = 1.0 - float(group["weight_decay"]) * shrink
            self._sweep(rules.estimate_step, rows, lr=rate, keep=keep, eps=scale * float(group["eps"]), decay=decay)


class Prodigy(_AdaptedAdam):
    """Adam whose rate is ``lr`` times an estimate d of the distance to the solution, which only grows.

    ``s = b3*s + d/d0 * d*lr * g`` and the sum of ``<g, p0 - p>`` give ``d = max(d, d_coef * numerator / |s|_1)``; m and v
    are Adam's of ``d*g``; ``p = p - d*lr * m / (sqrt(v) + d*eps)``. ``weight_decay`` is decoupled unless
    ``decouple=False``. State: ``step, exp_avg, exp_avg_sq, s, p0``; d is in the groups.

    Raises ValueError for an lr, eps or d0 that is not positive and betas outside [0, 1).
    Mishchenko and Defazio, Prodigy: An expeditiously adaptive parameter-free learner, arXiv 2306.06101.
    """

    def __init__(
        self, params: Any, lr: Any = 1.0, betas: tuple = (0.9, 0.999), beta3: float | None = None, eps: float = 1e-8,
        weight_decay: float = 0, decouple: bool = True, use_bias_correction: bool = False, safeguard_warmup: bool = False,
        d0: float = 1e-6, d_coef: float = 1.0, growth_rate: float = float("inf"), *, maximize: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), positive=True)
        if not (eps > 0 and d0 > 0):
            raise ValueError(f"Invalid eps or d0 value: {eps}, {d0} (must be positive)")
        super().__init__(params, defaults | {"d": d0, "d_max": d0, "d_numerator": 0.0, "k": 0})

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"exp_avg": 0, "exp_avg_sq": 0, "s": 0, "p0": lambda p: p.detach().clone()}

    def _update(self, lr: float) -> None:
        first = self.param_groups[0]
        (b1, b2), d, d0 = map(float, first["betas"]), first["d"], first["d0"]
        b3 = math.sqrt(b2) if first["beta3"] is None else float(first["beta3"])
        k, numerator, denominator = first["k"] + 1, first["d_numerator"] * b3, 0.0
        rate = d * lr * (math.sqrt(1 - b2**k) / (1 - b1**k) if first["use_bias_correction"] else 1.0)
        rows, terms = [], []
        for group, p, entry, xp, g in self._each():
            if float(group["lr"]) > 0:
                rows.append((entry["s"], g, [entry["exp_avg"], entry["exp_avg_sq"]]))
                terms.append((xp, entry["s"], xp.sum(g * (entry["p0"].value - p.value))))
        self._sweep(
            rules.estimate_gather, rows, b1=b1, a1=d * (1 - b1), b2=b2, a2=d * d * (1 - b2), b3=b3,
            a3=d / d0 * (d if first["safeguard_warmup"] else rate),
        )  # fmt: skip
        for xp, s, above in terms:
            numerator += d / d0 * rate * float(above)
            denominator += float(xp.sum(xp.abs(s.value)))
        if denominator == 0:
            return
        d_max = first["d_max"]
        if lr > 0:
            d_hat = first["d_coef"] * numerator / denominator
            d = max(d, d_hat) if d == d0 else d
            d_max = max(d_max, d_hat)
            d = min(d_max, d * first["growth_rate"])
        self._move(rate, rate, d)
        self._share(d=d, d_max=d_max, d_numerator=numerator)


class DAdaptAdam(_AdaptedAdam):
    """Adam with D-Adaptation: the rate is ``lr`` times a lower bound d of the distance to the solution.

    Moments are Adam's, m of ``d*lr*g``; ``s`` averages ``d*lr*g`` with coefficient sqrt(b2), and
    ``d = max(d, sum of <g, s/sqrt(v)> / ((1-sqrt(b2)) * |s|_1))``; ``p = p - m / (sqrt(v) + eps)``.
    State: ``step, s, exp_avg, exp_avg_sq``; d is in the groups.

    Raises ValueError for an lr, eps or d0 that is not positive and betas outside [0, 1).
    Defazio and Mishchenko, Learning-rate-free learning by D-Adaptation, arXiv 2301.07733.
    """

    def __init__(
        self, params: Any, lr: Any = 1.0, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        decouple: bool = False, use_bias_correction: bool = False, d0: float = 1e-6, growth_rate: float = float("inf"), *,
        maximize: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), positive=True)
        if not (eps > 0 and d0 > 0):
            raise ValueError(f"Invalid eps or d0 value: {eps}, {d0} (must be positive)")
        super().__init__(params, defaults | {"d": d0, "k": 0, "numerator_weighted": 0.0})

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"exp_avg": 0, "exp_avg_sq": 0, "s": 0}

    def _update(self, lr: float) -> None:
        first = self.param_groups[0]
        (b1, b2), d, k = map(float, first["betas"]), first["d"], first["k"] + 1
        b3 = math.sqrt(b2)
        rate = d * lr * (math.sqrt(1 - b2**k) / (1 - b1**k) if first["use_bias_correction"] else 1.0)
        gathered, length, rows = 0.0, 0.0, []
        for group, _, entry, xp, g in self._each():
            if float(group["lr"]) > 0:
                direction = entry["s"].value / (xp.sqrt(entry["exp_avg_sq"].value) + float(group["eps"]))
                gathered += rate * float(xp.sum(g * direction))
                rows.append((entry["s"], g, [entry["exp_avg"], entry["exp_avg_sq"]]))
        self._sweep(rules.estimate_gather, rows, b1=b1, a1=rate * (1 - b1), b2=b2, a2=1 - b2, b3=b3, a3=rate * (1 - b3))
        for s, _, _ in rows:
            xp = backend_of(s.value).table
            length += float(xp.sum(xp.abs(s.value)))
        if length == 0:
            return
        numerator = b3 * first["numerator_weighted"] + (1 - b3) * gathered
        if lr > 0:
            d = max(d, min(numerator / ((1 - b3) * length), d * first["growth_rate"]))
        self._move(1.0, rate, 1.0)
        self._share(d=d, numerator_weighted=numerator)


class DAdaptSGD(_Estimating):
    """SGD with D-Adaptation.

    ``s = s + d*lr/|g_0| * g``, ``d = max(d, 2 * sum of d*lr/|g_0| * <g, s> / |s|)``, ``z = x0 - s``,
    ``p = momentum * p + (1-momentum) * z``. ``weight_decay`` is added to g. State: ``z, s, x0``; d is in the groups.

    Raises ValueError for an lr or d0 that is not positive and a momentum outside [0, 1).
    Defazio and Mishchenko, Learning-rate-free learning by D-Adaptation, arXiv 2301.07733.
    """

    counts = False

    def __init__(
        self, params: Any, lr: Any = 1.0, momentum: float = 0.0, weight_decay: float = 0, d0: float = 1e-6,
        growth_rate: float = float("inf"), *, maximize: bool = False,
    ):  # fmt: skip
        defaults = options(locals())
        learning_rate(lr, positive=True)
        coefficients((momentum,), 1, "momentum")
        at_least(0, weight_decay=weight_decay)
        if not d0 > 0:
            raise ValueError(f"Invalid d0 value: {d0} (must be positive)")
        super().__init__(params, defaults | {"d": d0, "k": 0, "numerator_weighted": 0.0, "g0_norm": 0.0})

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"z": lambda p: p.detach().clone(), "s": 0, "x0": lambda p: p.detach().clone()}

    def _update(self, lr: float) -> None:
        first = self.param_groups[0]
        d, size, numerator = first["d"], first["g0_norm"], first["numerator_weighted"]
        if first["k"] == 0:
            first_gradients = [(xp, p.grad.value) for group, p, _, xp, _ in self._each() if float(group["lr"]) > 0]  # type: ignore[union-attr]
            size = math.sqrt(sum(float(xp.sum(g * g)) for xp, g in first_gradients))  # without the decay
        if size == 0:
            return
        rate, length = d * lr / size, 0.0
        rows: list[tuple[Tensor, Any, list[Tensor]]] = []
        for group, _, entry, xp, g in self._each():
            if float(group["lr"]) > 0:
                numerator += rate * float(xp.sum(g * entry["s"].value))
                rows.append((entry["s"], g, []))
        self._sweep(rules.dadapt_sgd_gather, rows, lr=rate)
        for s, _, _ in rows:
            xp = backend_of(s.value).table
            length += float(xp.sum(s.value * s.value))
        if length == 0:
            return
        if lr > 0:
            d = max(d, min(2 * numerator / math.sqrt(length), d * first["growth_rate"]))
        for group in self.param_groups:
            entries = [(p, self.state[p]) for p in group["params"] if p.grad is not None]
            moved = [(p, entry["s"].value, [entry["x0"], entry["z"]]) for p, entry in entries]
            momentum = float(group["momentum"])
            self._sweep(rules.dadapt_sgd_step, moved, momentum=momentum, rest=1.0 - momentum)
        self._share(d=d, numerator_weighted=numerator, g0_norm=size)
