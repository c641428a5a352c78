"""Recurrent layers: RNN, LSTM and GRU of any depth and both directions. Their single steps are in ``rnn_cells.py``."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ... import ops
from ...core.precision import current_policy, lowered
from ...core.tensor import Tensor
from ...functions.creation import zeros
from ...functions.pieces import cat, stack
from .. import functional as F
from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .linear import empty_parameter
from .module import Module
from .rnn_cells import STEPS, GRUCell, LSTMCell, RNNCell, RNNCellBase, State

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}


def _run(
    step: Callable, gates: list[Tensor], alive: Sequence[int], state: State, weights: tuple, backwards: bool
) -> tuple[list[Tensor], State]:
    """All steps of one layer in one direction. ``alive[t]`` sequences (the first ones) still run at step t.

    Forward, sequences that end leave from the end of the state; backward, they join there with their first state.
    """
    outputs: list[Any] = [None] * len(gates)
    start, ended = state, []
    order = range(len(gates) - 1, -1, -1) if backwards else range(len(gates))
    now = alive[order[0]]
    state = tuple(s[:now] if s.shape[0] != now else s for s in state)
    for t in order:
        n = alive[t]
        if n < now:
            ended.append(tuple(s[n:] for s in state))
            state = tuple(s[:n] for s in state)
        elif n > now:
            state = tuple(cat([s, first[now:n]]) for s, first in zip(state, start, strict=True))
        now = n
        state = step(gates[t], state, *weights)
        outputs[t] = state[0]
    if ended:
        state = tuple(cat(parts) for parts in zip(state, *reversed(ended), strict=True))
    return outputs, state


def _apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    return tensor.index_select(dim, permutation)  # type: ignore[attr-defined]


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, layers, directions, packed and unbatched input."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        if not isinstance(dropout, int | float) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        for name, flag in (("bias", bias), ("batch_first", batch_first), ("bidirectional", bidirectional)):
            if not isinstance(flag, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(flag).__name__}")
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(size, int):
                raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size < 0 or proj_size >= hidden_size:
            raise ValueError(
                f"proj_size should be a positive integer smaller than hidden_size, or zero to disable projections; got {proj_size}"
            )
        if proj_size and mode != "LSTM":
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
                f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        self.mode, self.input_size, self.hidden_size, self.num_layers, self.bias = (
            mode,
            input_size,
            hidden_size,
            num_layers,
            bias,
        )
        self.batch_first, self.dropout, self.bidirectional, self.proj_size = (
            batch_first,
            float(dropout),
            bidirectional,
            proj_size,
        )
        self._all_weights: list[list[str]] = []
        out_size, rows = proj_size or hidden_size, GATES[mode] * hidden_size
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                width = input_size if layer == 0 else out_size * (2 if bidirectional else 1)
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, out_size)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    setattr(self, name + suffix, empty_parameter(shape, device, dtype))
                self._all_weights.append([name + suffix for name in shapes])
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"] if self.bidirectional else [f"_l{layer}"]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do: there is no cuDNN whose memory order would matter."""

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        packed = input if isinstance(input, PackedSequence) else None
        is_lstm = self.mode == "LSTM"
        if packed is not None:
            data, alive = packed.data, packed.batch_sizes.tolist()
            unbatched, batch = False, alive[0]
        else:
            if input.ndim not in (2, 3):
                raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.ndim}D instead")
            unbatched = input.ndim == 2
            data = input.unsqueeze(1) if unbatched else input.transpose(0, 1) if self.batch_first else input
            batch, alive = data.shape[1], [data.shape[1]] * data.shape[0]
            if not alive:
                raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        self.check_input(data, None if packed is None else packed.batch_sizes)
        states = self._first_states(hx, batch, unbatched, data, is_lstm)
        if is_lstm:  # PyTorch's, unlike its other layers, is in the lower precision throughout
            states = lowered(data.device.type, *states) or states  # type: ignore[assignment]
        if packed is not None and packed.sorted_indices is not None and hx is not None:
            states = [_apply_permutation(s, packed.sorted_indices) for s in states]
        steps, last = self._layers(data, alive, states, packed is not None)
        finals: list[Tensor] = [stack(list(parts)) for parts in zip(*last, strict=True)]
        if packed is not None:
            if packed.unsorted_indices is not None:
                finals = [_apply_permutation(s, packed.unsorted_indices) for s in finals]
            output: Any = PackedSequence(steps, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        else:
            output = steps.squeeze(1) if unbatched else steps.transpose(0, 1) if self.batch_first else steps  # type: ignore[attr-defined]
            finals = [s.squeeze(1) for s in finals] if unbatched else finals  # type: ignore[attr-defined]
        return output, (tuple(finals) if is_lstm else finals[0])

    def _first_states(self, hx: Any, batch: int, unbatched: bool, data: Tensor, is_lstm: bool) -> list[Tensor]:
        """The initial (h,) or (h, c), each (layers * directions, batch, size), checked."""
        count = self.num_layers * (2 if self.bidirectional else 1)
        sizes = [self.proj_size or self.hidden_size, self.hidden_size] if is_lstm else [self.hidden_size]
        if hx is None:
            return [zeros(count, batch, size, dtype=data.dtype, device=data.device) for size in sizes]
        if is_lstm and (isinstance(hx, Tensor) or len(hx) != 2):
            got = f"one tensor of shape {tuple(hx.shape)}" if isinstance(hx, Tensor) else f"{len(hx)} values"
            raise RuntimeError(f"LSTM: hx is a pair (h_0, c_0), got {got}")
        given = list(hx) if is_lstm else [hx]
        for i, s in enumerate(given):
            if not isinstance(s, Tensor):
                raise TypeError(
                    f"{type(self).__name__}: hx must be {'a pair of tensors' if is_lstm else 'a tensor'}, got {type(s).__name__}"
                )
            if s.ndim != (2 if unbatched else 3):
                wanted = ("unbatched 2", 2) if unbatched else ("batched 3", 3)
                raise RuntimeError(
                    f"For {wanted[0]}-D input, hx should also be {wanted[1]}-D but got {s.ndim}-D tensor"
                )
            part = f"hidden[{i}]" if is_lstm else "hidden"
            full = s.unsqueeze(1) if unbatched else s
            self.check_hidden_size(full, (count, batch, sizes[i]), f"Expected {part} size {{}}, got {{}}")
            given[i] = full
        return given

    # ---- PyTorch's checks, for subclasses that call them ----

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Verify the dtype, the rank and the last size of a batch (2-D data where it is packed)."""
        weight = self._parameters["weight_ih_l0"]
        if weight is not None and input.dtype is not weight.dtype and current_policy() is None:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert input: input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        ndim = 3 if batch_sizes is None else 2
        if input.ndim != ndim:
            raise RuntimeError(f"input must have {ndim} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of ``h`` for a batched or packed input."""
        batch = input.shape[0 if self.batch_first else 1] if batch_sizes is None else int(batch_sizes[0])  # type: ignore[index]
        return self.num_layers * (2 if self.bidirectional else 1), batch, self.proj_size or self.hidden_size

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple[int, int, int], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """RuntimeError, with ``msg``, unless the shape is the expected one."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(tuple(expected_hidden_size), list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Verify a batched or packed input and its states."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The states of a batch in another order."""
        return hx if permutation is None else _apply_permutation(hx, permutation)

    def _layers(self, data: Tensor, alive: list[int], states: list[Tensor], packed: bool) -> tuple[Tensor, list[State]]:
        step = STEPS[self.mode]
        last: list[State] = []
        # Not under autocast, whose casts are per op, nor inside jvp and vmap, which know the cell.
        whole = self.mode == "LSTM" and not packed and current_policy() is None and not hasattr(data.value, "level")
        for layer in range(self.num_layers):
            directions = []
            for d, suffix in enumerate(self._suffixes(layer)):
                w_ih, b_ih, w_hh, b_hh, w_hr = (
                    getattr(self, name + suffix, None)
                    for name in ("weight_ih", "bias_ih", "weight_hh", "bias_hh", "weight_hr")
                )
                assert w_ih is not None
                first = tuple(s[layer * (2 if self.bidirectional else 1) + d] for s in states)  # type: ignore[index]
                if whole and w_hr is None:
                    b = b_ih if b_hh is None else b_ih + b_hh  # type: ignore[operator]
                    hs, cs, _ = ops.lstm_sequence(F.linear(data, w_ih, b), *first, w_hh, d == 1)
                    directions.append(hs)
                    last.append((hs[0], cs[0]) if d else (hs[-1], cs[-1]))
                    continue
                # One large product for the inputs of all steps; only the recurrence goes step by step.
                gates = F.linear(data, w_ih, b_ih)
                parts = list(gates.split(alive)) if packed else list(gates.unbind(0))  # type: ignore[attr-defined]
                outputs, final = _run(step, parts, alive, first, (w_hh, b_hh, w_hr), backwards=d == 1)
                directions.append(cat(outputs) if packed else stack(outputs))
                last.append(final)
            data = directions[0] if len(directions) == 1 else cat(directions, -1)
            if self.dropout and layer < self.num_layers - 1:
                data = F.dropout(data, self.dropout, self.training)
        return data, last

    def extra_repr(self) -> str:
        shown = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        shown += [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        return ", ".join(shown)


class RNN(RNNBase):
    """``h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)`` (or relu): (L, N, H_in) to (L, N, H) and the last states.

    Takes PyTorch's arguments: ``input_size, hidden_size, num_layers, nonlinearity, bias, batch_first, dropout,
    bidirectional``. Elman, Finding structure in time, 1990.

    >>> import lucid
    >>> output, h = lucid.nn.RNN(3, 4)(lucid.ones(5, 2, 3))
    >>> output.shape, h.shape
    (lucid.Size([5, 2, 4]), lucid.Size([1, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *args: Any,
        **kwargs: Any,
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity {nonlinearity!r}. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory: (L, N, H_in) to (L, N, H) and the last ``(h, c)``.

    ``i, f, o = sigmoid, g = tanh`` of ``W_ih x + b_ih + W_hh h + b_hh``; ``c' = f c + i g``; ``h' = o tanh(c')``, projected
    to ``proj_size`` if given. Hochreiter & Schmidhuber, 1997; Sak et al., 2014 (arXiv 1402.1128) for projections.

    >>> import lucid
    >>> output, (h, c) = lucid.nn.LSTM(3, 4, bidirectional=True)(lucid.ones(5, 2, 3))
    >>> output.shape, c.shape
    (lucid.Size([5, 2, 8]), lucid.Size([2, 2, 4]))
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of ``c`` for a batched or packed input."""
        return (*self.get_expected_hidden_size(input, batch_sizes)[:2], self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        sizes = (self.get_expected_hidden_size, self.get_expected_cell_size)
        for i, size in enumerate(sizes):
            self.check_hidden_size(hidden[i], size(input, batch_sizes), f"Expected hidden[{i}] size {{}}, got {{}}")

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        return hx if permutation is None else tuple(_apply_permutation(s, permutation) for s in hx)


class GRU(RNNBase):
    """Gated recurrent units: (L, N, H_in) to (L, N, H) and the last states.

    ``r, z = sigmoid``; ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))``; ``h' = (1 - z) n + z h``.
    Cho et al., 2014 (arXiv 1406.1078).

    >>> import lucid
    >>> output, h = lucid.nn.GRU(3, 4, batch_first=True)(lucid.ones(2, 5, 3))
    >>> output.shape
    lucid.Size([2, 5, 4])
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__("GRU", *args, **kwargs)
