"""Adam and its relatives in PyTorch."""

from __future__ import annotations

import math
from typing import Any

from . import rules
from .checks import at_least, coefficients, learning_rate, number
from .ruled import Numbers, RuleOptimizer


def sqrt(x: Any) -> Any:
    return x**0.5 if hasattr(x, "requires_grad") else math.sqrt(x)


class Adam(RuleOptimizer):
    """Adam: steps of about ``lr``, scaled by the running mean and the running square of the gradient.

    ``m = b1*m + (1-b1)*g``, ``v = b2*v + (1-b2)*g*g``, ``p = p - lr * (m/(1-b1^t)) / (sqrt(v/(1-b2^t)) + eps)``.
    ``weight_decay`` is added to the gradient, or with ``decoupled_weight_decay`` shrinks the parameter as in AdamW;
    ``amsgrad`` divides by the largest ``v`` so far. State: ``step, exp_avg, exp_avg_sq`` (and ``max_exp_avg_sq``).

    Raises ValueError for a negative lr, eps or weight_decay, and betas outside [0, 1).
    Kingma and Ba, arXiv 1412.6980; AMSGrad: Reddi et al., On the convergence of Adam and beyond, 2018.

    >>> import lucid
    >>> w = lucid.tensor([1.0], requires_grad=True)
    >>> opt = lucid.optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.detach()
    tensor([0.9000])
    """

    rule = staticmethod(rules.adam)

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None, decoupled_weight_decay: bool = False,
    ):  # fmt: skip
        learning_rate(lr)
        coefficients(betas)
        at_least(0, eps=eps, weight_decay=weight_decay)
        flags = dict(
            foreach=foreach, maximize=maximize, capturable=capturable, differentiable=differentiable, fused=fused
        )
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, **flags,
                                      decoupled_weight_decay=decoupled_weight_decay))  # fmt: skip

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"exp_avg": 0, "exp_avg_sq": 0} | ({"max_exp_avg_sq": 0} if group["amsgrad"] else {})

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, t = number(group["lr"]), s["step"]
        b1, b2 = map(number, group["betas"])
        wd, decoupled = number(group["weight_decay"]), group["decoupled_weight_decay"]
        some = group["weight_decay"] != 0
        return {
            "lr": lr / (1.0 - b1**t), "root": 1.0 / sqrt(1.0 - b2**t), "b1": b1, "a1": 1.0 - b1, "b2": b2, "a2": 1.0 - b2,
            "eps": number(group["eps"]), "wd": wd, "keep": 1.0 - lr * wd, "maximize": group["maximize"],
            "l2": some and not decoupled, "decay": some and decoupled, "amsgrad": group["amsgrad"],
        }  # fmt: skip
