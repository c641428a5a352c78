"""``GradScaler``: multiply the loss so that small gradients survive float16, and skip steps that overflowed."""

from __future__ import annotations

import warnings
from typing import Any

from ..core.device import device as Device
from ..core.modes import no_grad
from ..core.tensor import Tensor, as_tensor
from .autocast import is_autocast_available


class GradScaler:
    """Scale the loss by a factor that adapts: less after a step with infinite gradients, more after many without.

    ``scaler.scale(loss).backward(); scaler.step(opt); scaler.update()``. Where ``device`` is not available it warns and does
    nothing, as PyTorch's does. Micikevicius et al., Mixed Precision Training (arXiv 1710.03740).

    >>> import lucid
    >>> w = lucid.ones(1, requires_grad=True)
    >>> opt, scaler = lucid.optim.SGD([w], lr=0.1), lucid.amp.GradScaler("cpu", init_scale=8.0)
    >>> scaler.scale((w * 2).sum()).backward()
    >>> w.grad.item()
    16.0
    >>> scaler.step(opt); scaler.update()
    >>> round(w.item(), 6)
    0.8
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        self._device = Device(device).type
        self._enabled = bool(enabled)
        if self._enabled and not is_autocast_available(self._device):
            warnings.warn(f"GradScaler is enabled, but {device!r} is not available. Disabling.", stacklevel=2)
            self._enabled = False
        if growth_factor <= 1.0:
            raise ValueError(f"The growth factor must be > 1.0, got {growth_factor}")
        if not 0.0 < backoff_factor < 1.0:
            raise ValueError(f"The backoff factor must be between 0 and 1, got {backoff_factor}")
        self._scale, self._growth_factor, self._backoff_factor = float(init_scale), growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        self._infinite: dict[int, bool] = {}  # id of an optimizer -> whether its gradients, unscaled, overflowed
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """The loss times the scale; or several, in lists and tuples."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            scaled = [self.scale(x) for x in outputs]
            return type(outputs)(*scaled) if hasattr(outputs, "_fields") else type(outputs)(scaled)
        raise ValueError(f"outputs must be a Tensor or an iterable of Tensors, not {type(outputs).__name__}")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimizer's parameters by the scale, to clip them before ``step``.

        RuntimeError if they were unscaled, or stepped with, since the last ``update``.
        """
        if not self._enabled:
            return
        if id(optimizer) in self._infinite:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if id(optimizer) in self._stepped:
            raise RuntimeError("unscale_() is being called after step().")
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not gradients:
            raise RuntimeError("GradScaler: no parameter of this optimizer has a gradient; call backward() first")
        if any(str(g.dtype).endswith("float16") and not str(g.dtype).endswith("bfloat16") for g in gradients):
            raise ValueError("Attempting to unscale FP16 gradients.")
        with no_grad():
            finite = as_tensor(True)
            for g in gradients:
                g.mul_(1.0 / self._scale)
                finite = finite & g.isfinite().all().cpu()
        self._infinite[id(optimizer)] = not bool(finite)

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(*args)`` with unscaled gradients; not called at all if one of them is infinite or NaN.

        RuntimeError when called twice without ``update``, or with a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or any(callable(a) for a in args):
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        if id(optimizer) in self._stepped:
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._infinite:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return None if self._infinite[id(optimizer)] else optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapt the scale after the steps of one iteration, or set it."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._infinite:
            raise RuntimeError("No inf checks were recorded prior to update.")
        elif any(self._infinite.values()):
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                self._growth_tracker = 0
                grown = self._scale * self._growth_factor
                self._scale = grown if grown < 3.4e38 else self._scale  # the scale stays a float32
        self._infinite, self._stepped = {}, set()

    def is_enabled(self) -> bool:
        return self._enabled

    def get_scale(self) -> float:
        """The scale now; 1 when disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """PyTorch's layout; empty when disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a ``state_dict``; RuntimeError for an empty one, which a disabled scaler saved."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty: it may have been saved from a disabled GradScaler.")
        self._scale = float(state_dict["scale"])
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval, self._growth_tracker = state_dict["growth_interval"], state_dict["_growth_tracker"]
