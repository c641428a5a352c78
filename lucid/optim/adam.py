"""Adam and its relatives that PyTorch has."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from . import rules
from .checks import (
    checked,
    coefficients,
    decays,
    flags,
    l2_only,
    learning_rate,
    moments,
    number,
    options,
    real_only,
    root,
)
from .ruled import Numbers, RuleOptimizer


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
        defaults = checked(locals())
        if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        tensors = {} if capturable else {"lr": lr, "betas[0]": betas[0], "betas[1]": betas[1]}
        flags(fused, foreach, differentiable, **tensors)
        super().__init__(params, defaults)

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"exp_avg": 0, "exp_avg_sq": 0} | ({"max_exp_avg_sq": 0} if group["amsgrad"] else {})

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, t, betas = number(group["lr"]), s["step"], moments(group["betas"])
        corrected = root(1.0 - betas["b2"] ** t)
        return decays(group, lr, group["decoupled_weight_decay"]) | betas | {
            "lr": lr * corrected / (1.0 - betas["b1"] ** t), "eps": number(group["eps"]) * corrected,
            "amsgrad": bool(group["amsgrad"]),
        }  # fmt: skip


class AdamW(Adam):
    """Adam with decoupled weight decay: ``p = (1 - lr * weight_decay) * p`` before Adam's step.

    State and errors as in ``Adam``. Loshchilov and Hutter, Decoupled weight decay regularization, arXiv 1711.05101.
    """

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2,
        amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None,
    ):  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


class Adamax(RuleOptimizer):
    """Adam with the largest gradient in place of the mean square: ``u = max(b2*u, |g| + eps)``.

    ``m = b1*m + (1-b1)*g``, ``p = p - lr / (1-b1^t) * m / u``. State: ``step, exp_avg, exp_inf``.
    Raises ValueError for negative arguments and betas outside [0, 1). Kingma and Ba, arXiv 1412.6980, section 7.
    """

    rule = staticmethod(rules.adamax)
    zeros = ("exp_avg", "exp_inf")

    def __init__(
        self, params: Any, lr: Any = 2e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals())
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, betas = number(group["lr"]), moments(group["betas"])
        del betas["a2"]
        return l2_only(group) | betas | {"lr": lr / (1.0 - betas["b1"] ** s["step"]), "eps": number(group["eps"])}


class NAdam(RuleOptimizer):
    """Adam with Nesterov momentum: the step uses the momentum that the next one would have.

    ``mu_t = b1 * (1 - 0.96^(t * momentum_decay) / 2)``; with the product of all mu so far as bias correction,
    ``p = p - lr * ((1-mu_t)/(1-prod) * g + mu_next/(1-prod*mu_next) * m) / (sqrt(v/(1-b2^t)) + eps)``. Weight decay as
    in ``Adam``. State: ``step, mu_product, exp_avg, exp_avg_sq``; PyTorch rounds ``mu_product`` to float32.

    Raises ValueError for negative arguments and betas outside [0, 1).
    Dozat, Incorporating Nesterov momentum into Adam, 2016.
    """

    rule = staticmethod(rules.nadam)
    zeros = ("exp_avg", "exp_avg_sq")
    keeps_dtype = ("mu_product",)

    def __init__(
        self, params: Any, lr: Any = 2e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
        maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "momentum_decay")
        super().__init__(params, defaults)

    def counters(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "mu_product": 1.0}

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, t, betas = number(group["lr"]), s["step"], moments(group["betas"])
        b1, decay = float(betas["b1"]), group["momentum_decay"]
        mu, ahead = (b1 * (1.0 - 0.5 * 0.96 ** (n * decay)) for n in (t, t + 1))
        s["mu_product"] *= mu
        corrected = root(1.0 - betas["b2"] ** t)
        return decays(group, lr, group["decoupled_weight_decay"]) | betas | {
            "now": lr * corrected * (1.0 - mu) / (1.0 - s["mu_product"]),
            "then": lr * corrected * ahead / (1.0 - s["mu_product"] * ahead), "eps": number(group["eps"]) * corrected,
        }  # fmt: skip


class RAdam(RuleOptimizer):
    """Rectified Adam: no adaptive scaling until the variance of the mean square is known well enough.

    With ``rho = rho_inf - 2*t*b2^t/(1-b2^t)``, ``rho_inf = 2/(1-b2) - 1``: Adam's step times
    ``sqrt((rho-4)(rho-2)rho_inf / ((rho_inf-4)(rho_inf-2)rho))`` if ``rho > 5``, else ``lr * m/(1-b1^t)``. Weight decay
    as in ``Adam``. State: ``step, exp_avg, exp_avg_sq``.

    Raises ValueError for negative arguments and betas outside [0, 1).
    Liu et al., On the variance of the adaptive learning rate and beyond, arXiv 1908.03265.
    """

    rule = staticmethod(rules.radam)
    zeros = ("exp_avg", "exp_avg_sq")

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        decoupled_weight_decay: bool = False, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals())
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, t, betas = number(group["lr"]), s["step"], moments(group["betas"])
        b1, b2 = betas["b1"], betas["b2"]
        longest = 2.0 / (1.0 - b2) - 1.0
        rho = longest - 2.0 * t * b2**t / (1.0 - b2**t)
        rate, rectified = lr / (1.0 - b1**t), bool(rho > 5.0)
        if rectified:
            rate = (
                rate * root((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)) * root(1.0 - b2**t)
            )
        return decays(group, lr, group["decoupled_weight_decay"]) | betas | {
            "lr": rate, "eps": number(group["eps"]), "rectified": rectified,
        }  # fmt: skip


class SparseAdam(RuleOptimizer):
    """Adam for embeddings: rows without a gradient keep their parameter and state.

    Gradients are dense in lucid; a row counts as absent where the gradient is all zero (an element, for vectors).
    The bias corrections count all steps, as in PyTorch. State: ``step, exp_avg, exp_avg_sq``.

    Raises ValueError for an lr or eps that is not positive, betas outside [0, 1), and complex parameters.

    >>> import lucid
    >>> w = lucid.ones(3, 2, requires_grad=True)
    >>> opt = lucid.optim.SparseAdam([w], lr=0.1)
    >>> w[1].sum().backward()
    >>> opt.step()
    >>> w.detach()[:, 0]
    tensor([1.0000, 0.9000, 1.0000])
    """

    rule = staticmethod(rules.sparse_adam)
    zeros = ("exp_avg", "exp_avg_sq")
    per_parameter = True

    def __init__(
        self, params: Any, lr: Any = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, maximize: bool = False
    ):
        defaults = options(locals())
        learning_rate(lr, positive=True)
        coefficients(betas)
        if not eps > 0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        super().__init__(params, defaults)
        real_only(self, ValueError)

    def numbers_for(self, p: Any, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, t, betas = number(group["lr"]), s["step"], moments(group["betas"])
        rate = lr * root(1.0 - betas["b2"] ** t) / (1.0 - betas["b1"] ** t)
        return {
            "lr": rate, "a1": betas["a1"], "a2": betas["a2"], "eps": number(group["eps"]),
            "maximize": bool(group["maximize"]), "axes": tuple(range(1, p.ndim)),
        }  # fmt: skip
