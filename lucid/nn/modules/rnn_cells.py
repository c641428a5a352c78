"""One step of a recurrent layer: as a function of the gates, which the layers of ``rnn.py`` repeat, and as layers of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ... import ops
from ...core.tensor import Tensor
from ...functions.creation import zeros
from .. import functional as F
from .. import init
from .linear import empty_parameter
from .module import Module

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


# Steps take gates from the input (already projected) and the weights of the recurrence to a new state.
State = tuple[Tensor, ...]  # (h,) or (h, c)


def _simple_step(activation: Callable) -> Callable:
    def step(gates: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
        return (activation(gates + F.linear(state[0], w_hh, b_hh)),)

    return step


def _lstm_step(gates: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
    h, c, _ = ops.lstm_cell(gates + F.linear(state[0], w_hh, b_hh), state[1])
    return (h if w_hr is None else F.linear(h, w_hr)), c


def _gru_step(gates: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
    h, _ = ops.gru_cell(gates, F.linear(state[0], w_hh, b_hh), state[0])
    return (h,)


STEPS = {"RNN_TANH": _simple_step(ops.tanh), "RNN_RELU": _simple_step(ops.relu), "LSTM": _lstm_step, "GRU": _gru_step}


class RNNCellBase(Module):
    """One step of a recurrent layer, with weights of its own."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self.weight_ih = empty_parameter((num_chunks * hidden_size, input_size), device, dtype)
        self.weight_hh = empty_parameter((num_chunks * hidden_size, hidden_size), device, dtype)
        for name in ("bias_ih", "bias_hh"):
            if bias:
                setattr(self, name, empty_parameter((num_chunks * hidden_size,), device, dtype))
            else:
                self.register_parameter(name, None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else f", bias={self.bias}")
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text + ("" if nonlinearity == "tanh" else f", nonlinearity={nonlinearity}")

    def _step(self, mode: str, input: Tensor, states: Any, count: int) -> State:
        """Check the input and states, and take one step."""
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{name}: input has inconsistent input_size: got {input.shape[-1]} expected {self.input_size}"
            )
        unbatched = input.ndim == 1
        x = input.unsqueeze(0) if unbatched else input  # type: ignore[attr-defined]
        if states is None:
            given: State = (zeros(x.shape[0], self.hidden_size, dtype=x.dtype, device=x.device),) * count
        else:
            given = tuple(states) if count > 1 else (states,)
            for s in given:
                if s.ndim not in (1, 2):
                    raise ValueError(f"{name}: Expected hidden to be 1D or 2D, got {s.ndim}D instead")
                if unbatched and s.ndim == 2:
                    raise RuntimeError(
                        f"{name}: a hidden state of shape {tuple(s.shape)} does not go with an input without a batch; expected ({self.hidden_size},)"
                    )
            given = tuple(s.unsqueeze(0) if s.ndim == 1 else s for s in given)  # type: ignore[attr-defined]
            for s in given:
                if s.shape[1] != self.hidden_size:
                    raise RuntimeError(
                        f"{name}: hidden has inconsistent hidden_size: got {s.shape[1]}, expected {self.hidden_size}"
                    )
                if s.shape[0] != x.shape[0]:
                    raise RuntimeError(
                        f"{name}: Input batch size {x.shape[0]} doesn't match hidden batch size {s.shape[0]}"
                    )
        new = STEPS[mode](F.linear(x, self.weight_ih, self.bias_ih), given, self.weight_hh, self.bias_hh, None)
        return tuple(s.squeeze(0) for s in new) if unbatched else new


class RNNCell(RNNCellBase):
    """One step of ``RNN``: (N, H_in) and (N, H) to (N, H).

    >>> import lucid
    >>> lucid.nn.RNNCell(3, 4)(lucid.ones(2, 3)).shape
    lucid.Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(f"RNN_{self.nonlinearity.upper()}", input, hx, 1)[0]


class LSTMCell(RNNCellBase):
    """One step of ``LSTM``: (N, H_in) and ``(h, c)`` to the next ``(h, c)``.

    >>> import lucid
    >>> h, c = lucid.nn.LSTMCell(3, 4)(lucid.ones(2, 3))
    >>> c.shape
    lucid.Size([2, 4])
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> State:
        return self._step("LSTM", input, hx, 2)


class GRUCell(RNNCellBase):
    """One step of ``GRU``: (N, H_in) and (N, H) to (N, H).

    >>> import lucid
    >>> lucid.nn.GRUCell(3, 4)(lucid.ones(2, 3)).shape
    lucid.Size([2, 4])
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step("GRU", input, hx, 1)[0]
