"""What came after Adam, one element at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core import modes
from . import rules
from .checks import at_least, checked, coefficients, decays, l2_only, learning_rate, moments, number, options, root
from .ruled import Numbers, RuleOptimizer


class AdaBelief(RuleOptimizer):
    """Adam that divides by how far the gradient is from its mean: ``v = b2*v + (1-b2)*(g - m)^2 + eps``.

    ``weight_decay`` is decoupled unless ``decoupled_weight_decay=False``. State: ``step, exp_avg, exp_avg_var`` (and
    ``max_exp_avg_var`` with ``amsgrad``). Raises ValueError for negative arguments and betas outside [0, 1).
    Zhuang et al., AdaBelief optimizer, arXiv 2010.07468.
    """

    rule = staticmethod(rules.adabelief)

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-16, weight_decay: float = 0,
        amsgrad: bool = False, *, decoupled_weight_decay: bool = True, maximize: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals())
        super().__init__(params, defaults)

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"exp_avg": 0, "exp_avg_var": 0} | ({"max_exp_avg_var": 0} if group["amsgrad"] else {})

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, t, betas = number(group["lr"]), s["step"], moments(group["betas"])
        return decays(group, lr, group["decoupled_weight_decay"]) | betas | {
            "lr": lr / (1.0 - betas["b1"] ** t), "root": 1.0 / root(1.0 - betas["b2"] ** t), "eps": number(group["eps"]),
            "amsgrad": bool(group["amsgrad"]),
        }  # fmt: skip


class Yogi(RuleOptimizer):
    """Adam whose mean square moves additively: ``v = v - (1-b2) * sign(v - g*g) * g*g``.

    Both moments start at ``initial_accumulator``; ``weight_decay`` is added to g. State: ``step, exp_avg, exp_avg_sq``.
    Raises ValueError for negative arguments and betas outside [0, 1).
    Zaheer et al., Adaptive methods for nonconvex optimization, 2018.
    """

    rule = staticmethod(rules.yogi)

    def __init__(
        self, params: Any, lr: Any = 1e-2, betas: tuple = (0.9, 0.999), eps: float = 1e-3,
        initial_accumulator: float = 1e-6, weight_decay: float = 0, *, maximize: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "initial_accumulator")
        super().__init__(params, defaults)

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"exp_avg": group["initial_accumulator"], "exp_avg_sq": group["initial_accumulator"]}

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, t, betas = number(group["lr"]), s["step"], moments(group["betas"])
        b2 = betas.pop("b2")
        return l2_only(group) | betas | {
            "lr": lr / (1.0 - betas["b1"] ** t), "root": 1.0 / root(1.0 - b2**t), "eps": number(group["eps"]),
        }  # fmt: skip


class Adan(RuleOptimizer):
    """Adaptive Nesterov momentum: means of the gradient, of its differences, and of the square of both.

    ``m = b1*m + (1-b1)*g``, ``d = b2*d + (1-b2)*(g - g_old)``, ``n = b3*n + (1-b3)*(g + b2*(g - g_old))^2``,
    ``p = (p - lr * (m/(1-b1^t) + b2*d/(1-b2^t)) / (sqrt(n/(1-b3^t)) + eps)) / (1 + lr*weight_decay)``, or the decay as
    in AdamW with ``decoupled_weight_decay``. State: ``step, exp_avg, exp_avg_diff, exp_avg_sq, previous_grad``.

    Raises ValueError for negative arguments and betas outside [0, 1). Xie et al., Adan, arXiv 2208.06677.
    """

    rule = staticmethod(rules.adan)
    zeros = ("exp_avg", "exp_avg_diff", "exp_avg_sq", "previous_grad")

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple = (0.98, 0.92, 0.99), eps: float = 1e-8, weight_decay: float = 0,
        *, decoupled_weight_decay: bool = False, maximize: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), betas=3)
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, t = number(group["lr"]), s["step"]
        b1, b2, b3 = map(number, group["betas"])
        own = decays(group, lr, group["decoupled_weight_decay"])
        return {
            "lr": lr / (1.0 - b1**t), "lr_d": lr * b2 / (1.0 - b2**t), "b1": b1, "a1": 1.0 - b1, "b2": b2, "a2": 1.0 - b2,
            "b3": b3, "a3": 1.0 - b3, "root": 1.0 / root(1.0 - b3**t), "eps": number(group["eps"]), "keep": own["keep"],
            "shrink": 1.0 / (1.0 + lr * own["wd"]), "later": 0.0 if s["fresh"] else 1.0, "maximize": own["maximize"],
            "decay": own["decay"],
        }  # fmt: skip


class AdEMAMix(RuleOptimizer):
    """Adam with a second, much slower mean of the gradient.

    ``p = p - lr * ((m/(1-b1^t) + alpha * slow) / (sqrt(v/(1-b2^t)) + eps))``, with ``slow`` of coefficient b3. Over
    ``t_alpha_beta3`` steps, if given, alpha rises from 0 and b3 from b1. ``weight_decay`` is decoupled unless
    ``decoupled_weight_decay=False``. State: ``step, exp_avg, exp_avg_slow, exp_avg_sq``.

    Raises ValueError for negative arguments and betas outside [0, 1).
    Pagliardini, Ablin and Grangier, The AdEMAMix optimizer, arXiv 2409.03137.
    """

    rule = staticmethod(rules.ademamix)
    zeros = ("exp_avg", "exp_avg_slow", "exp_avg_sq")

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple = (0.9, 0.999, 0.9999), alpha: float = 5.0,
        t_alpha_beta3: float | None = None, eps: float = 1e-8, weight_decay: float = 0, *,
        decoupled_weight_decay: bool = True, maximize: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "alpha", "t_alpha_beta3", betas=3)
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, t, long = number(group["lr"]), s["step"], group["t_alpha_beta3"]
        betas = moments(group["betas"][:2])
        b1, b3, alpha = betas["b1"], number(group["betas"][2]), number(group["alpha"])
        if long:
            w = min(t / long, 1.0)
            alpha = alpha * w
            if b1 > 0:
                b3 = min(math.exp(math.log(b1) * math.log(b3) / ((1 - w) * math.log(b3) + w * math.log(b1))), b3)
        return decays(group, lr, group["decoupled_weight_decay"]) | betas | {
            "lr": lr, "c1": 1.0 / (1.0 - b1**t), "b3": b3, "a3": 1.0 - b3, "alpha": alpha,
            "root": 1.0 / root(1.0 - betas["b2"] ** t), "eps": number(group["eps"]),
        }  # fmt: skip


class Sophia(RuleOptimizer):
    """Momentum divided by an estimate of the Hessian's diagonal, and clipped: a light second-order method.

    ``m = b1*m + (1-b1)*g``, ``p = (1 - lr*wd) * p - lr * sign(m) * min(|m| / (rho * bs * h + 1e-15), 1)``. Every ten
    steps or so, compute gradients of a loss with labels sampled from the model's own prediction and call
    ``update_hessian()``, which sets ``h = b2*h + (1-b2)*g*g``; ``bs`` is the number of examples of that loss.
    State: ``step, exp_avg, hessian``.

    Raises ValueError for negative arguments and betas outside [0, 1).
    Liu et al., Sophia, arXiv 2305.14342 (the Gauss-Newton-Bartlett form).
    """

    rule = staticmethod(rules.sophia)
    zeros = ("exp_avg", "hessian")

    def __init__(
        self, params: Any, lr: Any = 1e-4, betas: tuple = (0.965, 0.99), rho: float = 0.04, weight_decay: float = 0.1,
        *, bs: float = 5120, maximize: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "rho", "bs")
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, b = number(group["lr"]), number(group["betas"][0])
        own = decays(group, lr, True)
        return {
            "lr": lr, "b": b, "a": 1.0 - b, "keep": own["keep"], "rho": number(group["rho"]) * float(group["bs"]),
            "tiny": 1e-15, "maximize": own["maximize"], "decay": own["decay"],
        }  # fmt: skip

    def update_hessian(self) -> None:
        """Take the squares of the present gradients into the estimate of the Hessian's diagonal."""
        with modes.no_grad():
            for group in self.param_groups:
                b2 = number(group["betas"][1])
                for p in group["params"]:
                    if p.grad is not None:
                        entry, _ = self._entry(p, group)
                        entry["hessian"].copy_(b2 * entry["hessian"] + (1.0 - b2) * (p.grad * p.grad))


class _ScheduleFree(RuleOptimizer):
    """What both schedule-free optimizers share: modes, warmup and the weights of the average."""

    counts = False
    # What the group remembers from step to step, as in the authors' code.
    progress = {"k": 0, "train_mode": True, "weight_sum": 0.0, "lr_max": -1.0, "scheduled_lr": 0.0}

    def beta(self, group: dict[str, Any]) -> float:
        """How far the parameters lie between z (0) and the average (1)."""
        raise NotImplementedError

    def begin(self, group: dict[str, Any]) -> None:
        k, warmup = group["k"], group["warmup_steps"]
        lr = float(group["lr"]) * ((k + 1) / warmup if k < warmup else 1.0)
        group["scheduled_lr"] = lr
        group["lr_max"] = max(lr, group["lr_max"])
        weight = (k + 1) ** group["r"] * group["lr_max"] ** group["weight_lr_power"]
        group["weight_sum"] += weight
        group["ck"] = weight / group["weight_sum"] if group["weight_sum"] else 0.0
        group["k"] = k + 1

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters. Raises RuntimeError in evaluation mode: call ``train()`` first."""
        if not all(group["train_mode"] for group in self.param_groups):
            raise RuntimeError(
                f"{type(self).__name__}: the optimizer is in evaluation mode; call its train() before step()"
            )
        return super().step(closure)

    def shared(self, group: dict[str, Any]) -> Numbers:
        lr, ck = group["scheduled_lr"], group["ck"]
        return {"lr": lr, "ck": float(ck), "lr_y": lr * (1.0 - self.beta(group) * (1.0 - ck))}

    def _move(self, training: bool) -> None:
        with modes.no_grad():
            for group in self.param_groups:
                if group["train_mode"] != training:
                    b = self.beta(group)
                    weight = 1.0 - b if training else 1.0 - 1.0 / b
                    for p in group["params"]:
                        if p in self.state and "z" in self.state[p]:
                            p.copy_(p + weight * (self.state[p]["z"] - p))
                    group["train_mode"] = training

    def eval(self) -> None:
        """Put the averaged weights into the parameters, to evaluate or to save them."""
        self._move(False)

    def train(self) -> None:
        """Put the weights for training back."""
        self._move(True)


class SGDScheduleFree(_ScheduleFree):
    """SGD that needs no schedule: gradients at ``y = momentum * x + (1-momentum) * z``, where x averages z.

    ``z = z - lr * g``, ``x`` moves towards z by a weight that falls like 1/t. In training the parameters are y;
    ``opt.eval()`` makes them x, and ``opt.train()`` y again. ``weight_decay * y`` is added to g. State: ``z``.

    Raises ValueError for a negative lr or weight_decay and a momentum outside (0, 1); RuntimeError for a step in
    evaluation mode. Defazio et al., The road less scheduled, arXiv 2405.15682.
    """

    rule = staticmethod(rules.schedule_free)

    def __init__(
        self, params: Any, lr: Any = 1.0, momentum: float = 0.9, weight_decay: float = 0, warmup_steps: int = 0,
        r: float = 0.0, weight_lr_power: float = 2.0, *, maximize: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "warmup_steps") | self.progress
        if not 0 < momentum < 1:
            raise ValueError(f"Momentum must be between 0 and 1 exclusive: {momentum}")
        super().__init__(params, defaults)

    def beta(self, group: dict[str, Any]) -> float:
        return float(group["momentum"])

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"z": lambda p: p.detach().clone()}

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        return l2_only(group) | self.shared(group)


class AdamWScheduleFree(_ScheduleFree):
    """AdamW that needs no schedule, with modes as in ``SGDScheduleFree``.

    The gradient is divided by ``sqrt(v/(1-b2^t)) + eps``, ``weight_decay * y`` is added to the result, and z and x move
    as in ``SGDScheduleFree``, with b1 for its momentum. State: ``z, exp_avg_sq``.

    Raises ValueError for negative arguments and betas outside (0, 1); RuntimeError for a step in evaluation mode.
    Defazio et al., The road less scheduled, arXiv 2405.15682.
    """

    rule = staticmethod(rules.schedule_free_adamw)

    def __init__(
        self, params: Any, lr: Any = 2.5e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        warmup_steps: int = 0, r: float = 0.0, weight_lr_power: float = 2.0, *, maximize: bool = False,
    ):  # fmt: skip
        defaults = options(locals()) | self.progress
        learning_rate(lr)
        coefficients(betas)
        if not betas[0] > 0:
            raise ValueError(f"Invalid beta parameter at index 0: {betas[0]} (schedule-free needs it above 0)")
        at_least(0, eps=eps, weight_decay=weight_decay, warmup_steps=warmup_steps)
        super().__init__(params, defaults)

    def beta(self, group: dict[str, Any]) -> float:
        return float(group["betas"][0])

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"z": lambda p: p.detach().clone(), "exp_avg_sq": 0}

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        b2, own = number(group["betas"][1]), l2_only(group)
        return self.shared(group) | {
            "b2": b2, "a2": 1.0 - b2, "root": 1.0 / root(1.0 - b2 ** group["k"]), "eps": number(group["eps"]),
            "wd": own["wd"], "maximize": own["maximize"], "decay": own["l2"],
        }  # fmt: skip
