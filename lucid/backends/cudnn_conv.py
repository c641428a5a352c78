"""Convolution through cuDNN, where NVIDIA's frontend for it is installed: ``pip install nvidia-cudnn-frontend nvidia-cudnn-cu13``.

A convolution of given sizes is a graph of one operation, for which cuDNN chooses an algorithm once; the plan is kept. Where
cuDNN has none, or is not there, the caller goes its own way (``cupy_conv``). Never run on a GPU: tested on an imitation
of the frontend (``lucid.testing.strict``); the real one (1.32) takes the graphs as far as it goes without a driver.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import threading
from typing import Any

import cupy as cp
import numpy as np

from . import cudnn as switches
from .switches import algorithms

TYPES = {"float16": "HALF", "bfloat16": "BFLOAT16", "float32": "FLOAT", "float64": "DOUBLE"}
OPERANDS = {"conv_fprop": ("image", "weight"), "conv_dgrad": ("loss", "filter"), "conv_wgrad": ("image", "loss")}
MOST = 1024  # plans that are kept


@functools.cache
def frontend() -> Any:
    """The module ``cudnn`` if it and cuDNN's own libraries are there, else None."""
    if importlib.util.find_spec("cudnn") is None:
        return None
    try:
        found = importlib.import_module("cudnn")
        found.backend_version()
    except (ImportError, OSError, RuntimeError):  # the frontend without cuDNN, or for another CUDA
        return None
    return found


class _Handles(threading.local):
    """A handle for each device; cuDNN's are not for use by several threads."""

    def __init__(self) -> None:
        self.held: dict[int, Any] = {}


class Plan:
    """A built graph, the numbers of its two inputs and its output, and how many bytes of workspace it wants."""

    def __init__(self, graph: Any, uids: tuple[int, int, int]):
        self.graph, self.uids = graph, uids
        self.bytes = max(1, int(graph.get_workspace_size()))


_handles = _Handles()
_plans: dict[tuple, Plan | None] = {}


def fill(kind: str, a: Any, b: Any, out: Any, stride: tuple, padding: tuple, dilation: tuple) -> bool:
    """Compute into ``out``, all arrays contiguous; False where cuDNN cannot. ``kind`` is a name of OPERANDS."""
    library = frontend() if switches.enabled else None
    if library is None or a.dtype.name not in TYPES:
        return False
    if a.ndim == 3:  # cuDNN knows two and three dimensions
        a, b, out = (v.reshape(*v.shape[:2], 1, v.shape[2]) for v in (a, b, out))
        stride, padding, dilation = (1, *stride), ((0, 0), *padding), (1, *dilation)
    device = cp.cuda.get_device_id()
    handle = _handles.held.get(device)
    if handle is None:
        handle = _handles.held[device] = library.create_handle()
    exact = a.dtype.name == "float32" and not switches.allow_tf32
    repeatable = algorithms.deterministic or switches.deterministic
    key = (kind, device, a.dtype.name, a.shape, b.shape, out.shape, stride, padding, dilation, exact, repeatable)
    if key not in _plans:
        if len(_plans) >= MOST:
            _plans.clear()
        _plans[key] = _planned(library, handle, kind, a, b, out, (stride, padding, dilation), exact, repeatable)
    plan = _plans[key]
    if plan is None:
        return False
    library.set_stream(handle=handle, stream=cp.cuda.get_current_stream().ptr)
    workspace = cp.empty(plan.bytes, np.uint8)  # from CuPy's pool, which knows the stream
    addresses = {uid: int(v.data.ptr) for uid, v in zip(plan.uids, (a, b, out), strict=True)}
    plan.graph.execute(addresses, int(workspace.data.ptr), handle=handle)
    return True


def _planned(
    library: Any, handle: Any, kind: str, a: Any, b: Any, out: Any, geometry: tuple, exact: bool, repeatable: bool
) -> Plan | None:
    """The plan of a graph of one convolution; None where cuDNN has none."""
    stride, padding, dilation = geometry
    data = getattr(library.data_type, TYPES[a.dtype.name])
    wide = library.data_type.DOUBLE if a.dtype.name == "float64" else library.data_type.FLOAT
    graph = library.pygraph(
        io_data_type=data, intermediate_data_type=wide, compute_data_type=wide, handle=handle, name=kind
    )
    inputs = [graph.tensor(dim=list(v.shape), stride=_strides(v), data_type=data, uid=i) for i, v in ((1, a), (2, b))]
    result = getattr(graph, kind)(
        **dict(zip(OPERANDS[kind], inputs, strict=True)),
        pre_padding=[p[0] for p in padding],
        post_padding=[p[1] for p in padding],
        stride=list(stride),
        dilation=list(dilation),
    )
    result.set_output(True).set_data_type(data).set_dim(list(out.shape)).set_stride(_strides(out)).set_uid(3)
    notes = library.numerical_note
    unwanted = [notes.TENSOR_CORE, notes.DOWN_CONVERT_INPUTS] if exact else []  # TF32 on float32
    unwanted += [notes.NONDETERMINISTIC] if repeatable else []
    try:
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([library.heur_mode.A, library.heur_mode.FALLBACK])
        if unwanted:
            graph.deselect_numeric_notes(unwanted)
        graph.check_support()
        graph.build_plans()
    except (library.cudnnGraphNotSupportedError, NotImplementedError, RuntimeError):
        return None
    return Plan(graph, (1, 2, 3))


def _strides(x: Any) -> list[int]:
    return [s // x.itemsize for s in x.strides]
