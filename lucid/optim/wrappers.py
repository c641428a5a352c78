"""Optimizers around optimizers, and one that samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..backends import backend_of
from ..core import modes
from ..core.tensor import Tensor, wrap
from ..functions.random import randint
from . import checkpoint, rules
from .checks import at_least, checked, l2_only, number
from .optimizer import Optimizer
from .ruled import Numbers, RuleOptimizer
from .tracking import State


class _Around(Optimizer):
    """Shares groups and state with the optimizer inside; schedulers and hooks may be put on either."""

    base_optimizer: Optimizer

    def _wrap(self, base: Optimizer, **own: Any) -> None:
        if not isinstance(base, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an Optimizer inside, got {type(base).__name__}")
        self.base_optimizer = base
        self.defaults = {**base.defaults, **own}
        for group in base.param_groups:
            for key, value in own.items():
                group.setdefault(key, value)
        self.param_groups = base.param_groups
        self.slow: Any = State()
        self._fill_hooks()

    @property
    def state(self) -> Any:
        """The state of the optimizer inside."""
        return self.base_optimizer.state

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        for key in set(self.defaults) - set(self.base_optimizer.defaults):
            param_group.setdefault(key, self.defaults[key])
        self.base_optimizer.add_param_group(param_group)

    def state_dict(self, *, named: bool = False) -> dict[str, Any]:
        """The state of the optimizer inside, and under ``"slow"`` what this one keeps for each parameter."""
        result = self.base_optimizer.state_dict(named=named)
        ids = {}
        for group, packed in zip(self.param_groups, result["param_groups"], strict=True):
            ids.update({id(p): i for p, i in zip(group["params"], packed["params"], strict=True)})
        return result | {"slow": {ids[id(p)]: dict(entry) for p, entry in self.slow.items()}}

    def load_state_dict(self, state_dict: dict[str, Any], *, strict: bool = False) -> None:
        """Load what ``state_dict`` returned; ValueError, with nothing changed, if it does not fit."""
        slow = {"state": state_dict.get("slow", {}), "param_groups": state_dict["param_groups"]}
        own, _ = checkpoint.unpack(_Shape(self.param_groups), slow, strict)  # type: ignore[arg-type]
        self.base_optimizer.load_state_dict({k: v for k, v in state_dict.items() if k != "slow"}, strict=strict)
        self.param_groups = self.base_optimizer.param_groups
        self.slow = own

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if not k.endswith("_hooks")}


class _Shape:
    """What ``checkpoint.unpack`` needs to know of an optimizer."""

    def __init__(self, param_groups: list[dict[str, Any]]):
        self.param_groups = param_groups


class Lookahead(_Around):
    """k steps of another optimizer, then the slow weights follow a part of the way: ``slow += alpha * (fast - slow)``.

    The fast weights start again from the slow ones. Call ``step`` as usual; groups, state and schedulers are those of
    the optimizer inside. Raises TypeError unless it is an Optimizer, ValueError for k below 1 or alpha outside [0, 1].
    Zhang et al., Lookahead optimizer: k steps forward, 1 step back, arXiv 1907.08610.

    >>> import lucid
    >>> w = lucid.tensor([1.0], requires_grad=True)
    >>> opt = lucid.optim.Lookahead(lucid.optim.SGD([w], lr=0.5), k=1, alpha=0.5)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.detach()
    tensor([0.7500])
    """

    def __init__(self, optimizer: Optimizer, k: int = 5, alpha: float = 0.5):
        if k < 1:
            raise ValueError(f"Invalid k: {k} (must be at least 1)")
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"Invalid alpha: {alpha} (must be in [0, 1])")
        self._wrap(optimizer, lookahead_k=k, lookahead_alpha=alpha, lookahead_step=0)
        self._remember()

    def _remember(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p not in self.slow:
                    self.slow[p]["slow_param"] = p.detach().clone()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        self._remember()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """A step of the optimizer inside, and every k-th time one of the slow weights."""
        loss = self.base_optimizer.step(closure)
        with modes.no_grad():
            for group in self.param_groups:
                group["lookahead_step"] += 1
                if group["lookahead_step"] % group["lookahead_k"] == 0:
                    for p in group["params"]:
                        slow = self.slow[p]["slow_param"]
                        slow.copy_(slow + group["lookahead_alpha"] * (p - slow))
                        p.copy_(slow)
        return loss


class SAM(_Around):
    """Sharpness-aware minimization: the gradient is taken where the loss is worst, ``rho`` away, and used here.

    ``first_step`` moves to ``p + rho * g / |g|`` (the norm over all parameters; with ``adaptive``, g is scaled by p*p and the
    norm by |p|), ``second_step`` goes back and lets the base optimizer step. ``step(closure)`` does both, and the
    closure computes the loss and calls backward. Options of the base optimizer follow as keywords.

    Raises ValueError for a negative rho; RuntimeError for ``step`` without a closure.
    Foret et al., arXiv 2010.01412; adaptive: Kwon et al., arXiv 2102.11600.

    >>> import lucid
    >>> w = lucid.tensor([1.0], requires_grad=True)
    >>> opt = lucid.optim.SAM([w], lucid.optim.SGD, rho=0.5, lr=0.1)
    >>> def closure():
    ...     opt.zero_grad()
    ...     loss = (w * w).sum()
    ...     loss.backward()
    ...     return loss
    >>> opt.step(closure).item()
    1.0
    >>> w.detach()
    tensor([0.7000])
    """

    def __init__(self, params: Any, base_optimizer: Any, rho: float = 0.05, adaptive: bool = False, **kwargs: Any):
        at_least(0, rho=rho)
        base = base_optimizer if isinstance(base_optimizer, Optimizer) else base_optimizer(params, **kwargs)
        self._wrap(base, rho=rho, adaptive=adaptive)

    def _gradient_norm(self) -> float:
        total = 0.0
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    g = p.grad * p.abs() if group["adaptive"] else p.grad
                    total += float((g * g).sum())
        return math.sqrt(total)

    def first_step(self, zero_grad: bool = False) -> None:
        """Climb to the worst point nearby."""
        with modes.no_grad():
            size = self._gradient_norm()
            for group in self.param_groups:
                scale = group["rho"] / (size + 1e-12)
                for p in group["params"]:
                    if p.grad is not None:
                        self.slow[p]["old_p"] = p.detach().clone()
                        p.copy_(p + (p * p * p.grad if group["adaptive"] else p.grad) * scale)
        if zero_grad:
            self.zero_grad()

    def second_step(self, zero_grad: bool = False) -> None:
        """Go back and step with the gradient of the worst point."""
        with modes.no_grad():
            for p in [p for group in self.param_groups for p in group["params"] if p in self.slow]:
                p.copy_(self.slow[p]["old_p"])
            self.slow.clear()
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Both steps; the closure is evaluated twice, and the first loss is returned."""
        if closure is None:
            raise RuntimeError(
                "SAM.step needs a closure that computes the loss and calls backward, or call first_step and second_step"
            )
        with modes.enable_grad():
            loss = closure()
        self.first_step(zero_grad=True)
        with modes.enable_grad():
            closure()
        self.second_step()
        return loss


class SGLD(RuleOptimizer):
    """Stochastic gradient Langevin dynamics: gradient descent that samples from a posterior.

    ``p = p - lr * g + sqrt(2 * lr * temperature) * noise``, with g the gradient of the negative log posterior
    (``weight_decay * p`` is added). The noise of a step follows from ``seed`` (drawn if None), the step and the
    parameter's place alone, so that a resumed chain goes on as if never interrupted. State: ``step``.

    Raises ValueError for negative arguments.
    Welling and Teh, Bayesian learning via stochastic gradient Langevin dynamics, 2011.
    """

    rule = staticmethod(rules.sgd)

    def __init__(
        self, params: Any, lr: Any = 1e-3, weight_decay: float = 0, temperature: float = 1.0, *, seed: int | None = None,
        maximize: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "temperature")
        if seed is None:
            defaults["seed"] = int(randint(0, 2**31 - 1, (1,)))
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        return l2_only(group) | {"lr": number(group["lr"]), "momentum": 0.0, "undamped": None, "nesterov": False}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = super().step(closure)
        place = 0
        with modes.no_grad():
            for group in self.param_groups:
                scale = math.sqrt(2.0 * float(group["lr"]) * group["temperature"])
                for p in group["params"]:
                    place += 1
                    if p.grad is not None and scale:
                        p.copy_(p + scale * _noise(p, group["seed"], int(self.state[p]["step"]), place))
        return loss


def _noise(p: Tensor, seed: int, step: int, place: int) -> Tensor:
    """Standard normal numbers that follow from the three integers."""
    backend = backend_of(p.value)
    generator = backend.random.generator((seed * 1_000_003 + step) * 1_009 + place, p.device.number)
    return wrap(backend.random.normal(generator, tuple(p.shape), p.dtype))
