"""Optimizers that look at a whole parameter: trust ratios, orthogonal steps, preconditioners."""

from __future__ import annotations

import math
from typing import Any

from ..functions.creation import eye
from . import rules
from .checks import at_least, checked, decays, l2_only, moments, number, real_only, root
from .ruled import Numbers, RuleOptimizer


class LAMB(RuleOptimizer):
    """Adam's step, rescaled in each parameter to the parameter's own size.

    ``u = m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps) + weight_decay * p``, ``p = p - lr * |p| / |u| * u`` (1 where either norm
    is 0). ``bias_correction=False`` drops the corrections, ``clamp`` bounds ``|p|``. State: ``step, exp_avg, exp_avg_sq``.

    Raises ValueError for negative arguments, betas outside [0, 1) and complex parameters.
    You et al., Large batch optimization for deep learning: Training BERT in 76 minutes, arXiv 1904.00962.
    """

    rule = staticmethod(rules.lamb)
    zeros = ("exp_avg", "exp_avg_sq")

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-6, weight_decay: float = 0, *,
        bias_correction: bool = True, clamp: float | None = None, maximize: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "clamp")
        super().__init__(params, defaults)
        real_only(self)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        t, betas, corrected = s["step"], moments(group["betas"]), group["bias_correction"]
        return betas | {
            "lr": number(group["lr"]), "c1": 1.0 / (1.0 - betas["b1"] ** t) if corrected else 1.0,
            "root": 1.0 / root(1.0 - betas["b2"] ** t) if corrected else 1.0, "eps": number(group["eps"]),
            **l2_only(group), "largest": float(group["clamp"] or 0), "clamped": group["clamp"] is not None,
        }  # fmt: skip


def _all_matrices(opt: RuleOptimizer) -> None:
    for group in opt.param_groups:
        for p in group["params"]:
            if p.ndim != 2:
                raise ValueError(
                    f"{type(opt).__name__} only supports 2D parameters whereas we found a parameter with size: {tuple(p.shape)}"
                )


class Muon(RuleOptimizer):
    """Momentum orthogonalized by Newton-Schulz iterations, for matrices.

    ``m = m + (1-momentum) * (g - m)``, ``u = orthogonalized(m)`` (of ``g + momentum*(m-g)`` for Nesterov),
    ``p = (1 - lr*weight_decay) * p - lr * ratio * u``; ``ratio`` is ``sqrt(max(1, rows/columns))``, or
    ``0.2*sqrt(max(rows, columns))`` with ``adjust_lr_fn="match_rms_adamw"``. The iteration runs in the parameter's
    dtype; PyTorch rounds it to bfloat16. State: ``momentum_buffer``.

    Raises ValueError for negative arguments, parameters that are not matrices, and 100 ns_steps or more.
    Jordan et al., Muon: An optimizer for hidden layers, 2024; the ratios: Liu et al., arXiv 2502.16982.
    """

    rule = staticmethod(rules.muon)
    zeros = ("momentum_buffer",)
    counts = False
    per_parameter = True

    def __init__(
        self, params: Any, lr: float = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95, nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315), eps: float = 1e-7, ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):  # fmt: skip
        defaults = checked(locals(), "momentum")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        if ns_steps >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(ns_coefficients) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        super().__init__(params, defaults)
        _all_matrices(self)
        real_only(self)

    def numbers_for(self, p: Any, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, momentum = number(group["lr"]), number(group["momentum"])
        rows, columns = p.shape
        matched = group["adjust_lr_fn"] == "match_rms_adamw"
        ratio = 0.2 * math.sqrt(max(rows, columns)) if matched else math.sqrt(max(1.0, rows / columns))
        return {
            "lr": lr * ratio, "keep": 1.0 - lr * number(group["weight_decay"]), "momentum": momentum, "a": 1.0 - momentum,
            "nesterov": bool(group["nesterov"]), "coefficients": tuple(group["ns_coefficients"]),
            "steps": int(group["ns_steps"]), "eps": (group["eps"],), "tall": rows > columns,
        }  # fmt: skip


class Shampoo(RuleOptimizer):
    """A preconditioner for each axis of a parameter: the full second moment of the gradient along it.

    ``L_i = L_i + G_i G_i^T`` (from ``epsilon * I``; G_i is g unfolded along axis i), and g is multiplied by
    ``L_i^(-1/root)`` along every axis, ``root`` twice the number of axes. ``momentum`` and L2 ``weight_decay`` as in SGD; the
    roots are computed anew every ``update_freq`` steps. State: ``step, precond_i, root_i`` (``momentum_buffer``).

    Raises ValueError for negative arguments and complex parameters.
    Gupta, Koren and Singer, Shampoo: Preconditioned stochastic tensor optimization, arXiv 1802.09568.
    """

    rule = staticmethod(rules.shampoo)
    per_parameter = True

    def __init__(
        self, params: Any, lr: Any = 1e-1, momentum: float = 0.0, weight_decay: float = 0.0, epsilon: float = 1e-4,
        update_freq: int = 1, root: int | None = None, *, maximize: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "momentum", "epsilon")
        at_least(1, update_freq=update_freq, root=1 if root is None else root)
        super().__init__(params, defaults)
        real_only(self)

    def slots_for(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for i, n in enumerate(p.shape):
            result[f"precond_{i}"] = lambda p, n=n: _eye(p, n) * group["epsilon"]
        for i, n in enumerate(p.shape):
            result[f"root_{i}"] = lambda p, n=n: _eye(p, n)
        return result | ({"momentum_buffer": 0} if group["momentum"] != 0 else {})

    def numbers_for(self, p: Any, group: dict[str, Any], s: Numbers) -> Numbers:
        return l2_only(group) | {
            "lr": number(group["lr"]), "momentum": number(group["momentum"]), "power": -1.0 / (group["root"] or 2 * max(p.ndim, 1)),
            "heavy": group["momentum"] != 0, "refresh": (s["step"] - 1) % group["update_freq"] == 0,
        }  # fmt: skip


def _eye(p: Any, n: int) -> Any:
    return eye(n, dtype=p.dtype, device=p.device)


class SOAP(RuleOptimizer):
    """Adam in the eigenbases of Shampoo's matrices.

    For each axis up to ``max_precondition_dim`` long, ``L = b*L + (1-b)*G G^T`` and Q, its eigenvectors, refreshed by one
    power iteration every ``precondition_frequency`` steps; Adam's ``v`` averages the square of the rotated gradient, and
    the rotated step is turned back. The first step only makes the bases. Vectors are left to Adam unless
    ``precondition_1d``. ``weight_decay`` is decoupled. State: ``step, exp_avg, exp_avg_sq, gg_i, q_i``.

    Raises ValueError for negative arguments, betas outside [0, 1) and complex parameters.
    Vyas et al., SOAP: Improving and stabilizing Shampoo using Adam, arXiv 2409.11321.
    """

    per_parameter = True

    def __init__(
        self, params: Any, lr: Any = 3e-3, betas: tuple = (0.95, 0.95), shampoo_beta: float | None = None,
        weight_decay: float = 1e-2, precondition_frequency: int = 10, max_precondition_dim: int = 10000,
        precondition_1d: bool = False, correct_bias: bool = True, eps: float = 1e-8, *, maximize: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "shampoo_beta")
        at_least(1, precondition_frequency=precondition_frequency, max_precondition_dim=max_precondition_dim)
        super().__init__(params, defaults)
        real_only(self)

    @staticmethod
    def axes(p: Any, group: dict[str, Any]) -> tuple[int, ...]:
        if p.ndim == 1 and not group["precondition_1d"]:
            return ()
        return tuple(i for i, n in enumerate(p.shape) if n <= group["max_precondition_dim"])

    def slots_for(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        axes = self.axes(p, group)
        sums = {f"gg_{i}": lambda p, n=p.shape[i]: _eye(p, n) * 0.0 for i in axes}
        return {"exp_avg": 0, "exp_avg_sq": 0} | sums | {f"q_{i}": lambda p, n=p.shape[i]: _eye(p, n) for i in axes}

    def rule_of(self, group: dict[str, Any]) -> Any:
        return _soap

    def numbers_for(self, p: Any, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, betas, t = number(group["lr"]), moments(group["betas"]), s["step"] - 1
        b = betas["b2"] if group["shampoo_beta"] is None else float(group["shampoo_beta"])
        own = decays(group, lr, True)
        shared = {"axes": self.axes(p, group), "a": 1.0 - b, "maximize": own["maximize"], "start": s["fresh"] or t < 1}
        if shared["start"]:
            return shared
        rate = lr * root(1.0 - betas["b2"] ** t) / (1.0 - betas["b1"] ** t) if group["correct_bias"] else lr
        return shared | betas | {
            "lr": rate, "eps": number(group["eps"]), "keep": own["keep"], "decay": own["decay"],
            "refresh": t % group["precondition_frequency"] == 0,
        }  # fmt: skip


def _soap(xp: Any, p: Any, g: Any, *state: Any, start: bool, **numbers: Any) -> tuple:
    return (rules.soap_start if start else rules.soap)(xp, p, g, *state, **numbers)
