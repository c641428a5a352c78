"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from . import rules
from .checks import at_least, learning_rate, number
from .ruled import Numbers, RuleOptimizer


class SGD(RuleOptimizer):
    """Stochastic gradient descent with momentum.

    ``m = momentum * m + (1 - dampening) * g`` (``m = g`` at first), ``p = p - lr * m``; with ``nesterov``,
    ``g + momentum * m`` takes the place of ``m``. ``weight_decay`` is added to the gradient. State: ``momentum_buffer``.

    Raises ValueError for negative arguments, and for ``nesterov`` without momentum or with dampening.
    Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.

    >>> import lucid
    >>> w = lucid.tensor([1.0], requires_grad=True)
    >>> opt = lucid.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.detach()
    tensor([0.8000])
    """

    rule = staticmethod(rules.sgd)
    counts = False

    def __init__(
        self, params: Any, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
        nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None, differentiable: bool = False,
        fused: bool | None = None,
    ):  # fmt: skip
        learning_rate(lr)
        at_least(0, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (float(momentum) <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        flags = dict(maximize=maximize, foreach=foreach, differentiable=differentiable, fused=fused)
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                                      nesterov=nesterov, **flags))  # fmt: skip

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": 0} if group["momentum"] != 0 else {}

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        momentum, wd = number(group["momentum"]), number(group["weight_decay"])
        return {
            "lr": number(group["lr"]), "wd": wd, "momentum": momentum,
            "undamped": 1.0 if s["fresh"] else 1.0 - number(group["dampening"]),
            "maximize": group["maximize"], "l2": group["weight_decay"] != 0, "nesterov": group["nesterov"],
        }  # fmt: skip
