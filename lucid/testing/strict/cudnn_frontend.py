"""An imitation of NVIDIA's module ``cudnn`` (nvidia-cudnn-frontend): graphs of one convolution, checked and run by NumPy.

It wants its methods called in cuDNN's order, with its names, refuses what has no plan (``refuse``), and computes from
raw addresses by the strides it was told, so that a wrong one shows.
"""

from __future__ import annotations

import importlib.machinery
import math
from collections.abc import Callable
from enum import Enum
from types import ModuleType
from typing import Any

import numpy as np

from .memory import Pointer, Window
from .record import counters

DataType = Enum("DataType", "FLOAT DOUBLE HALF BFLOAT16 INT8 INT32 NOT_SET")
HeurMode = Enum("HeurMode", "A B FALLBACK")
Note = Enum("Note", "TENSOR_CORE DOWN_CONVERT_INPUTS REDUCED_PRECISION_REDUCTION FFT NONDETERMINISTIC WINOGRAD")
STAGES = ["validate", "build_operation_graph", "create_execution_plans", "check_support", "build_plans"]
WORKSPACE = 4096
refuse: list[Callable[[Graph], bool]] = []  # tests put in what cuDNN shall not support
built: list[Graph] = []


class cudnnGraphNotSupportedError(Exception):
    """There is no plan for this graph."""


class Handle:
    def __init__(self, device: int):
        self.device, self.stream = device, 0


class Tensor:
    def __init__(self, dim: list[int], stride: list[int] | None, data_type: Any, uid: int | None):
        self.dim, self.stride, self.data_type, self.uid, self.output = dim, stride, data_type, uid, False

    def _set(self, name: str, value: Any) -> Tensor:
        setattr(self, name, value)
        return self

    set_dim = lambda self, dim: self._set("dim", dim)  # noqa: E731
    set_stride = lambda self, stride: self._set("stride", stride)  # noqa: E731
    set_data_type = lambda self, data_type: self._set("data_type", data_type)  # noqa: E731
    set_uid = lambda self, uid: self._set("uid", uid)  # noqa: E731
    set_output = lambda self, output: self._set("output", output)  # noqa: E731


class Graph:
    """``cudnn.pygraph``."""

    def __init__(
        self,
        name: str = "",
        io_data_type: Any = None,
        intermediate_data_type: Any = None,
        compute_data_type: Any = None,
        handle: Any = None,
    ):
        self.io, self.compute, self.handle = io_data_type, compute_data_type, handle
        self.kind, self.stage, self.deselected = "", 0, []  # type: ignore[var-annotated]
        self.launches = 0
        built.append(self)

    def tensor(
        self, dim: Any, stride: Any = None, data_type: Any = None, name: str = "", uid: int | None = None
    ) -> Tensor:
        return Tensor(dim, stride, data_type, uid)

    def _operation(self, kind: str, first: Tensor, second: Tensor, geometry: dict[str, Any]) -> Tensor:
        if self.kind:
            raise RuntimeError("strict: this imitation knows graphs of one operation")
        unknown = geometry.keys() - {"pre_padding", "post_padding", "stride", "dilation", "name", "compute_data_type"}
        if unknown:
            raise TypeError(f"{kind}() got an unexpected keyword argument {unknown.pop()!r}")
        self.kind, self.inputs, self.geometry = kind, (first, second), geometry
        self.result = Tensor([], None, None, None)
        return self.result

    def conv_fprop(self, image: Tensor, weight: Tensor, **geometry: Any) -> Tensor:
        return self._operation("conv_fprop", image, weight, geometry)

    def conv_dgrad(self, loss: Tensor, filter: Tensor, **geometry: Any) -> Tensor:
        return self._operation("conv_dgrad", loss, filter, geometry)

    def conv_wgrad(self, image: Tensor, loss: Tensor, **geometry: Any) -> Tensor:
        return self._operation("conv_wgrad", image, loss, geometry)

    def _reach(self, stage: str) -> None:
        if STAGES[self.stage] != stage:
            raise RuntimeError(f"strict: {stage}() where {STAGES[self.stage]}() is next")
        self.stage += 1

    def validate(self) -> None:
        self._reach("validate")
        spatial = len(self.inputs[0].dim) - 2
        if spatial not in (2, 3) or any(len(self.geometry[g]) != spatial for g in self.geometry if g != "name"):
            raise RuntimeError("strict: cuDNN convolves 4-D and 5-D tensors, with a number for each spatial dimension")
        everything = (*self.inputs, self.result)
        if not self.result.output or len({t.uid for t in everything}) < 3:
            raise RuntimeError("strict: the result must be an output, and numbers of tensors differ")
        if any(t.data_type is not self.io or len(t.dim) != len(t.stride or []) for t in everything):
            raise RuntimeError("strict: dtype or strides of a tensor are missing")

    def build_operation_graph(self) -> None:
        self._reach("build_operation_graph")

    def create_execution_plans(self, heuristics: list) -> None:
        self._reach("create_execution_plans")
        if HeurMode.A not in heuristics:
            raise RuntimeError("strict: no heuristic")

    def deselect_numeric_notes(self, notes: list) -> Graph:
        self.deselected += [Note(n) for n in notes]
        return self

    def check_support(self) -> None:
        self._reach("check_support")
        if any(unsupported(self) for unsupported in refuse):
            raise cudnnGraphNotSupportedError("no engine supports this graph")

    def build_plans(self) -> None:
        self._reach("build_plans")

    def get_workspace_size(self) -> int:
        return WORKSPACE

    def execute(self, tensors: dict[int, int], workspace: int, handle: Handle | None = None) -> None:
        if self.stage < len(STAGES):
            raise RuntimeError("strict: execute() of a graph that is not built")
        from .runtime import get_current_stream

        if handle is None or handle.device != counters.current or handle.stream != get_current_stream().ptr:
            raise RuntimeError("strict: the handle belongs to another device, or its stream is not the current one")
        counters.launch()
        self.launches += 1
        np.asarray(Window(Pointer(workspace, None, None), (WORKSPACE,), np.dtype(np.uint8), None))[...] = 255
        first, second, out = (_memory(t, tensors[t.uid]) for t in (*self.inputs, self.result))  # type: ignore[index]
        out[...] = _run(self.kind, first, second, out.shape, **_geometry(self.geometry)).astype(out.dtype)


def _memory(tensor: Tensor, address: int) -> np.ndarray:
    name = {"HALF": "float16", "BFLOAT16": "bfloat16", "FLOAT": "float32", "DOUBLE": "float64"}[tensor.data_type.name]
    if name == "bfloat16":
        import ml_dtypes

        dtype = np.dtype(ml_dtypes.bfloat16)
    else:
        dtype = np.dtype(name)
    strides = tuple(s * dtype.itemsize for s in tensor.stride or ())
    window = Window(Pointer(address, None, None), tuple(tensor.dim), np.dtype(f"u{dtype.itemsize}"), strides)
    return np.asarray(window).view(dtype)


def _geometry(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("pre_padding", "post_padding", "stride", "dilation")}


def _run(
    kind: str,
    a: np.ndarray,
    b: np.ndarray,
    shape: tuple,
    pre_padding: list,
    post_padding: list,
    stride: list,
    dilation: list,
) -> np.ndarray:
    """One tap of the filter at a time, in float64."""
    a, b = a.astype(float), b.astype(float)
    image = np.zeros(shape) if kind == "conv_dgrad" else a
    filters = np.zeros(shape) if kind == "conv_wgrad" else b
    grad = a if kind == "conv_dgrad" else b if kind == "conv_wgrad" else np.zeros(shape)
    padded = np.pad(image, [(0, 0), (0, 0), *zip(pre_padding, post_padding, strict=True)])
    groups = image.shape[1] // filters.shape[1]
    places = grad.shape[2:]
    y = grad.reshape(len(grad), groups, -1, math.prod(places))
    for tap in np.ndindex(*filters.shape[2:]):
        at = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilation, places, stride, strict=True)
        )
        patch = padded[(slice(None), slice(None), *at)].reshape(len(image), groups, filters.shape[1], -1)
        w = filters[(slice(None), slice(None), *tap)].reshape(groups, -1, filters.shape[1])
        if kind == "conv_fprop":
            y += np.einsum("ngcp,gkc->ngkp", patch, w)
        elif kind == "conv_dgrad":
            part = np.einsum("ngkp,gkc->ngcp", y, w).reshape(len(image), -1, *places)
            padded[(slice(None), slice(None), *at)] += part
        else:
            found = np.einsum("ngkp,ngcp->gkc", y, patch)
            filters[(slice(None), slice(None), *tap)] = found.reshape(-1, filters.shape[1])
    if kind == "conv_fprop":
        return y.reshape(shape)
    inside = tuple(slice(p, p + n) for p, n in zip(pre_padding, shape[2:], strict=True))
    return filters if kind == "conv_wgrad" else padded[(slice(None), slice(None), *inside)]


def create_handle() -> Handle:
    return Handle(counters.current)


def set_stream(handle: Handle, stream: int) -> None:
    handle.stream = stream


def build() -> ModuleType:
    """The module."""
    made = ModuleType("cudnn", "An imitation over NumPy: see lucid.testing.strict.")
    made.__spec__ = importlib.machinery.ModuleSpec("cudnn", None)
    refuse.clear()
    built.clear()
    made.__dict__.update(
        data_type=DataType, heur_mode=HeurMode, numerical_note=Note, pygraph=Graph, create_handle=create_handle,
        set_stream=set_stream, backend_version=lambda: 91000, cudnnGraphNotSupportedError=cudnnGraphNotSupportedError,
    )  # fmt: skip
    return made
