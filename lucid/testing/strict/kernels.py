"""``ElementwiseKernel``, ``ReductionKernel``, ``RawKernel``, ``RawModule``: their CUDA C++ compiled for real, by g++.

The threads of a launch run one after the other; where a kernel has barriers or shuffles, the threads of a block are
coroutines. Libraries are kept on disk under the hash of their source.
"""

from __future__ import annotations

import ctypes
import functools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .array import here, ndarray
from .functions import empty
from .memory import Pointer
from .record import before, counters, record
from .toolchain import library

C_TYPES = {
    "bool": "bool", "int8": "signed char", "uint8": "unsigned char", "int16": "short", "uint16": "unsigned short", "int32": "int",
    "uint32": "unsigned int", "int64": "long long", "uint64": "unsigned long long", "float16": "float16", "bfloat16": "bfloat16",
    "float32": "float", "float64": "double", "complex64": "complex<float>", "complex128": "complex<double>",
}  # fmt: skip
SKIPPED = re.compile(
    r'^\s*#\s*include\s*[<"](cupy/|cuda|cooperative_groups|math_constants|cstdint|stdint|cmath|math\.h).*$', re.M
)
DYNAMIC = re.compile(r"extern\s+__shared__\s+([\w:<> ]+?)\s+(\w+)\s*\[\s*\]\s*;")
BARRIERS = re.compile(r"__syncthreads|__syncwarp|_sync\s*\(")


def _stored(value: Any, dtype: np.dtype) -> np.ndarray:
    return np.asarray(value).astype(dtype, copy=False).reshape(1)


def _address(a: np.ndarray) -> int:
    return a.__array_interface__["data"][0]


# ---- RawKernel ----


class RawKernel:
    """A kernel of CUDA C++: ``kernel(grid, block, args)``; strides of arrays are the kernel's own business, as in CUDA."""

    def __init__(
        self, code: str, name: str, options: tuple = (), backend: str = "nvrtc", translate_cucomplex: bool = False, *,
        enable_cooperative_groups: bool = False, jitify: Any = None,
    ):  # fmt: skip
        self.code, self.name, self.options, self.backend = code, name, tuple(options), backend
        self.max_dynamic_shared_size_bytes = 49152
        self._ready: tuple | None = None

    def compile(self, log_stream: Any = None) -> None:
        self._load()

    def _load(self) -> tuple:
        if self._ready is None:
            body = DYNAMIC.sub(r"\1* \2 = reinterpret_cast<\1*>(lucid_shared);", SKIPPED.sub("", self.code))
            defines = "".join(f"#define {o[2:].replace('=', ' ', 1)}\n" for o in self.options if o.startswith("-D"))
            fibers = "true" if BARRIERS.search(body) else "false"
            made = library(
                f"{defines}{body}\n"
                f'extern "C" void lucid_args(char* out) {{ lucid_signature(&{self.name}, out); }}\n'
                'extern "C" int lucid_start(void** a, const unsigned* d, char* shared) '
                f"{{ lucid_shared = shared; return lucid_launch(&{self.name}, a, d, {fibers}); }}\n"
            )
            text = ctypes.create_string_buffer(3 * 128)
            made.lucid_args(text)
            kinds = text.value.decode()
            self._ready = made.lucid_start, [kinds[i : i + 3] for i in range(0, len(kinds), 3)]
        return self._ready

    def __call__(self, grid: tuple, block: tuple, args: tuple, *, shared_mem: int = 0, stream: Any = None) -> None:
        sizes = [int(n) for n in (*grid, *(1,) * (3 - len(grid)), *block, *(1,) * (3 - len(block)))]
        threads = math.prod(sizes[3:])
        if threads > 1024 or sizes[1] > 65535 or sizes[2] > 65535 or sizes[0] >= 2**31 or min(sizes) < 0:
            raise ValueError(f"cudaErrorInvalidValue: grid {grid}, block {block}")
        if 0 in sizes:
            raise ValueError(
                f"cudaErrorInvalidConfiguration: grid {grid}, block {block}: an empty launch fails on a GPU"
            )
        if shared_mem > self.max_dynamic_shared_size_bytes:
            raise ValueError(f"cudaErrorInvalidValue: {shared_mem} bytes of shared memory")
        start, kinds = self._load()
        if len(args) != len(kinds):
            raise TypeError(f"kernel {self.name}: {len(args)} arguments for {len(kinds)} parameters")
        kept = [_argument(self.name, i, a, k) for i, (a, k) in enumerate(zip(args, kinds, strict=True))]
        before(*(here(a) for a in args if type(a) is ndarray))
        counters.launch()

        def run() -> None:
            places = (ctypes.c_void_p * max(1, len(kept)))(*(_address(k) for k in kept))
            dims = (ctypes.c_uint * 6)(*sizes)
            if start(places, dims, ctypes.create_string_buffer(b"\xff" * (shared_mem + 16), shared_mem + 16)):
                raise RuntimeError(f"kernel {self.name}: a barrier that not all threads of its block (or warp) reach")

        run()
        record(run, (), {}, None, keep=args)


def _argument(kernel: str, i: int, value: Any, kind: str) -> np.ndarray:
    """An argument as cudaLaunchKernel wants it, checked as CUDA does not check it."""
    where = f"kernel {kernel}, argument {i}"
    if type(value) is ndarray or isinstance(value, Pointer):
        if kind[0] != "p":
            raise TypeError(f"{where}: an array for a parameter that is a number")
        if type(value) is ndarray and kind[1:] not in ("o1", "i1", "u1"):
            have = ("f" if value.dtype.kind == "V" else value.dtype.kind) + chr(ord("0") + value.itemsize)
            if have != kind[1:]:
                raise TypeError(
                    f"{where}: an array of {value.dtype} for a pointer to {kind[1]}{8 * (ord(kind[2]) - 48)}"
                )
        return np.array([_address(value._a) if type(value) is ndarray else value.ptr], np.uint64)  # type: ignore[union-attr]
    if value is None and kind[0] == "p":
        return np.zeros(1, np.uint64)
    if isinstance(value, bool):
        stored = np.array([value])
    elif isinstance(value, int):
        stored = np.array([value], np.uint64 if kind[:2] == "vu" else np.int64)
    elif isinstance(value, float):
        stored = np.array([value], np.float64)
    elif isinstance(value, complex | np.generic):
        stored = np.asarray(value).reshape(1)
    else:
        raise TypeError(f"Unsupported type {type(value)} ({where})")
    if kind[0] == "p":
        return stored.astype(np.uint64) if stored.dtype.kind in "iu" else _wrong(where, stored, kind)
    size, wanted = ord(kind[2]) - 48, kind[1]
    have_kind = "f" if stored.dtype.kind == "V" else stored.dtype.kind
    same = have_kind == wanted or {have_kind, wanted} <= {"i", "u"}
    if stored.itemsize != size or not same:
        _wrong(where, stored, kind)
    return stored


def _wrong(where: str, stored: np.ndarray, kind: str) -> np.ndarray:
    raise TypeError(
        f"{where}: a number of {stored.dtype} for a parameter of kind {kind[1]} and {ord(kind[2]) - 48} bytes; on a GPU the kernel "
        "would read garbage (Python's int is a long long, its float a double: wrap it in numpy.int32, numpy.float32, ...)"
    )


class RawModule:
    """Several kernels in one source."""

    def __init__(
        self, code: str | None = None, *, path: str | None = None, options: tuple = (), backend: str = "nvrtc",
        translate_cucomplex: bool = False, enable_cooperative_groups: bool = False, name_expressions: Any = None, jitify: Any = None,
    ):  # fmt: skip
        if code is None or path is not None:
            raise ValueError("strict: a RawModule is made from code")
        self.code, self.options, self.names = code, tuple(options), name_expressions
        self._kernels: dict[str, RawKernel] = {}

    def compile(self, log_stream: Any = None) -> None:
        for name in self.names or ():
            self.get_function(name).compile()

    def get_function(self, name: str) -> RawKernel:
        if self.names is not None and name not in self.names:
            raise ValueError(f"name_expressions does not contain {name!r}")
        if name not in self._kernels:
            self._kernels[name] = RawKernel(self.code, name, self.options)
        return self._kernels[name]


# ---- ElementwiseKernel and ReductionKernel ----


class Parameter:
    def __init__(self, text: str, const: bool):
        *words, self.type, self.name = text.split()
        self.raw = "raw" in words
        self.const = const
        if self.name == "i":
            raise ValueError("Can not use 'i' as a parameter name")
        if set(words) - {"raw"}:
            raise SyntaxError(f"strict: unknown words in the kernel parameter {text!r}")
        self.dtype = None if len(self.type) == 1 else np.dtype(_numpy_name(self.type))


def _numpy_name(name: str) -> Any:
    if name == "bfloat16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return name


def _parameters(text: str, const: bool) -> list[Parameter]:
    return [Parameter(part, const) for part in text.split(",") if part.strip()]


def _types(params: list[Parameter], args: list) -> dict[str, np.dtype]:
    """The dtype of each placeholder, from the arrays alone, as CuPy decides it."""
    found: dict[str, np.dtype] = {}
    for p, a in zip(params, args, strict=False):
        if type(a) is not ndarray:
            continue
        wanted = p.dtype if p.dtype is not None else found.setdefault(p.type, a.dtype)
        if wanted != a.dtype:
            raise TypeError(f"Type is mismatched. {p.name} {a.dtype} {wanted}")
    for p in params:
        if p.dtype is None and p.type not in found:
            raise TypeError(f"the type {p.type} of {p.name} is not known from any array argument")
    return found


class _Compiled:
    """What the two kinds of kernel share: parameters, types, descriptors of arrays."""

    def __init__(self, in_params: str, out_params: str, name: str):
        self.ins, self.outs = _parameters(in_params, True), _parameters(out_params, False)
        self.params = self.ins + self.outs
        self.nin, self.nout, self.nargs, self.name = len(self.ins), len(self.outs), len(self.params), name
        self._loaded: dict[tuple, Any] = {}

    def _split(self, args: tuple) -> list:
        if len(args) not in (self.nin, self.nargs):
            raise TypeError(
                f"Wrong number of arguments for {self.name!r}. It must be either {self.nin} or {self.nargs}."
            )
        for a in args:
            if type(a) is not ndarray and not isinstance(a, bool | int | float | complex | np.generic):
                raise TypeError(f"Unsupported type {type(a)}")
        return list(args)

    def _kinds(self, args: list) -> dict[str, np.dtype]:
        known = _types(self.params, args)
        return {p.name: p.dtype if p.dtype is not None else known[p.type] for p in self.params} | {
            p.type: known[p.type] for p in self.params if p.dtype is None
        }

    def _declare(self, kinds: dict, arrays: list[bool]) -> str:
        lines = [
            f"typedef {C_TYPES[k.name]} {t};"
            for t, k in kinds.items()
            if len(t) == 1 and t not in [p.name for p in self.params]
        ]
        for i, (p, is_array) in enumerate(zip(self.params, arrays, strict=True)):
            t = C_TYPES[kinds[p.name].name]
            if is_array:
                raw = f"{'const ' if p.const else ''}CArray<{t}> {p.name if p.raw else '_raw_' + p.name} = {{({t}*)_p[{i}], _s[{i}], _t[{i}], _d[{i}], _z[{i}], (bool)_f[{i}]}};"
                lines.append(raw)
            else:
                lines.append(f"const {t} {p.name} = *({t}*)_p[{i}];")
        return "\n".join(lines)

    def _element(self, kinds: dict, arrays: list[bool], where: list[Parameter], index: str) -> str:
        return "\n".join(
            f"{'const ' if p.const else ''}{C_TYPES[kinds[p.name].name]} &{p.name} = _raw_{p.name}[{index}];"
            for p, is_array in zip(self.params, arrays, strict=True)
            if p in where and is_array and not p.raw
        )


HEAD = (
    'extern "C" void lucid_start(void** _p, ptrdiff_t** _s, ptrdiff_t** _t, const int* _d, const ptrdiff_t* _z, const int* _f, '
    "ptrdiff_t _n, int _nd, const ptrdiff_t* _shape, ptrdiff_t _m) {"
)


def _run(start: Any, values: list[np.ndarray], n: int, shape: tuple, inner: int) -> None:
    count = len(values)
    longs = lambda xs: (ctypes.c_ssize_t * max(1, len(xs)))(*xs)  # noqa: E731
    shapes = [longs(v.shape) for v in values]
    strides = [longs(v.strides) for v in values]
    table = ctypes.POINTER(ctypes.c_ssize_t) * max(1, count)
    start(
        (ctypes.c_void_p * max(1, count))(*(_address(v) for v in values)),
        table(*(ctypes.cast(s, ctypes.POINTER(ctypes.c_ssize_t)) for s in shapes)),
        table(*(ctypes.cast(s, ctypes.POINTER(ctypes.c_ssize_t)) for s in strides)),
        (ctypes.c_int * max(1, count))(*(v.ndim for v in values)), longs([v.size for v in values]),
        (ctypes.c_int * max(1, count))(*(v.flags.c_contiguous for v in values)),
        ctypes.c_ssize_t(n), len(shape), longs(shape), ctypes.c_ssize_t(inner),
    )  # fmt: skip


class ElementwiseKernel(_Compiled):
    """``ElementwiseKernel("T x, T y", "T z", "z = x + y", "name")``: one loop body over broadcast arrays."""

    def __init__(
        self, in_params: str, out_params: str, operation: str, name: str = "kernel", reduce_dims: bool = True, preamble: str = "",
        no_return: bool = False, return_tuple: bool = False, *, loop_prep: str = "", after_loop: str = "", options: tuple = (),
        doc: str = "",
    ):  # fmt: skip
        super().__init__(in_params, out_params, name)
        self.operation, self.preamble, self.no_return, self.return_tuple = operation, preamble, no_return, return_tuple
        self.loop_prep, self.after_loop = loop_prep, after_loop

    def _program(self, kinds: dict, arrays: list[bool]) -> Any:
        key = (tuple(kinds.values()), tuple(arrays))
        if key not in self._loaded:
            source = (
                f"{SKIPPED.sub('', self.preamble)}\n{HEAD}\n{self._declare(kinds, arrays)}\nIndexer _ind = {{_n, _nd, _shape}};\n"
                f"{self.loop_prep};\nfor (ptrdiff_t i = 0; i < _n; ++i) {{\n_ind.set(i);\n"
                f"{self._element(kinds, arrays, self.params, 'i')}\n{self.operation};\n}}\n{self.after_loop};\n}}\n"
            )
            self._loaded[key] = library(source).lucid_start
        return self._loaded[key]

    def __call__(self, *args: Any, size: int | None = None, stream: Any = None, block_size: int = 128) -> Any:
        given = self._split(args)
        kinds = self._kinds(given)
        fixed = [a._a for p, a in zip(self.params, given, strict=False) if type(a) is ndarray and not p.raw]
        shape = np.broadcast_shapes(*(a.shape for a in fixed)) if fixed else None
        if size is not None:
            if fixed:
                raise ValueError("Specified 'size' can be used only if all of the ndarray are 'raw'.")
            shape = (int(size),)
        if shape is None:
            raise ValueError("Loop size is undecided.")
        outs = given[self.nin :] or [_fresh(self.outs, kinds, shape, i) for i in range(self.nout)]
        for p, o in zip(self.outs, outs, strict=True):
            if type(o) is not ndarray:
                raise TypeError(f"Output arguments type must be cupy.ndarray, not {type(o)}")
            if not p.raw and o.shape != shape:
                raise ValueError(f"Out shape is mismatched: {o.shape} for {shape}")
        everything = given[: self.nin] + outs
        arrays = [type(a) is ndarray for a in everything]
        start = self._program(kinds, arrays)
        values = [
            _stored(a, kinds[p.name]) if type(a) is not ndarray else a._a if p.raw else np.broadcast_to(a._a, shape)
            for p, a in zip(self.params, everything, strict=True)
        ]
        before(*(here(a) for a in everything if type(a) is ndarray))
        counters.launch()
        n = math.prod(shape)
        _run(start, values, n, shape, 0)
        record(_run, (start, values, n, shape, 0), {}, None, keep=everything)
        if self.no_return:
            return None
        return tuple(outs) if self.return_tuple or len(outs) != 1 else outs[0]


def _fresh(outs: list[Parameter], kinds: dict, shape: tuple, i: int) -> Any:
    if outs[i].raw:
        raise ValueError("Output array size is Undecided")
    return empty(shape, kinds[outs[i].name])


class ReductionKernel(_Compiled):
    """``ReductionKernel("T x", "T y", "x * x", "a + b", "y = sqrt(a)", "0", "norm")``: 512 lanes and a tree, as on a GPU."""

    def __init__(
        self, in_params: str, out_params: str, map_expr: str, reduce_expr: str, post_map_expr: str, identity: Any, name: str = "reduce_kernel",
        reduce_type: str | None = None, reduce_dims: bool = True, preamble: str = "", options: tuple = (),
    ):  # fmt: skip
        super().__init__(in_params, out_params, name)
        self.map_expr, self.reduce_expr, self.post_map_expr = map_expr, reduce_expr, post_map_expr
        self.identity, self.reduce_type, self.preamble = (
            "" if identity is None else str(identity),
            reduce_type,
            preamble,
        )

    def _program(self, kinds: dict, arrays: list[bool]) -> Any:
        key = (tuple(kinds.values()), tuple(arrays))
        if key not in self._loaded:
            held = self.reduce_type or self.outs[0].type
            held = C_TYPES.get(held, held) if len(held) > 1 else held
            empty_value = f"static_cast<_held>({self.identity or 0})"
            source = (
                f"{SKIPPED.sub('', self.preamble)}\n#define REDUCE(a, b) ({self.reduce_expr})\n{HEAD}\n{self._declare(kinds, arrays)}\n"
                f"typedef {held} _held;\nptrdiff_t _rest = _m ? _n / _m : 0, _lanes = 1;\nwhile (_lanes < 512 && 2 * _lanes <= _rest) _lanes *= 2;\n"
                f"std::vector<{'char' if held == 'bool' else '_held'}> _lane(_lanes);\n"
                "Indexer _in_ind = {_n, _nd, _shape}, _out_ind = {_m, 0, _shape};\nfor (ptrdiff_t _i = 0; _i < _m; ++_i) {\n"
                "for (ptrdiff_t _J = 0; _J < _rest; ++_J) {\nptrdiff_t _j = _i * _rest + _J; const ptrdiff_t i = _j;\n_in_ind.set(_j);\n"
                f"{self._element(kinds, arrays, self.ins, '_j')}\n_held _a = static_cast<_held>({self.map_expr});\n"
                "if (_J < _lanes) _lane[_J] = _a; else { _held a = _lane[_J % _lanes], b = _a; _lane[_J % _lanes] = REDUCE(a, b); }\n}\n"
                "for (ptrdiff_t _k = _lanes / 2; _rest && _k; _k /= 2) for (ptrdiff_t _l = 0; _l < _k; ++_l) { _held a = _lane[_l], b = _lane[_l + _k]; _lane[_l] = REDUCE(a, b); }\n"
                f"{{ {self._element(kinds, arrays, self.outs, '_i')}\n_held a = _rest ? (_held)_lane[0] : {empty_value}; {self.post_map_expr}; }}\n}}\n}}\n"
            )
            self._loaded[key] = library(source).lucid_start
        return self._loaded[key]

    def __call__(
        self, *args: Any, out: Any = None, axis: Any = None, keepdims: bool = False, stream: Any = None
    ) -> Any:
        given = self._split(args)
        if out is not None:
            if len(given) != self.nin:
                raise ValueError("cannot specify 'out' as both a positional and keyword argument")
            given.append(out)
        kinds = self._kinds(given)
        fixed = [a._a for p, a in zip(self.ins, given, strict=False) if type(a) is ndarray and not p.raw]
        shape = np.broadcast_shapes(*(a.shape for a in fixed))
        axes = (
            tuple(range(len(shape)))
            if axis is None
            else tuple(a % len(shape) for a in ((axis,) if isinstance(axis, int) else axis))
        )
        kept = [d for d in range(len(shape)) if d not in axes]
        turned = tuple(shape[d] for d in (*kept, *axes))
        out_shape = tuple(1 if d in axes else n for d, n in enumerate(shape) if keepdims or d not in axes)
        if not self.identity and 0 in (shape[a] for a in axes):
            raise ValueError(f"zero-size array to reduction operation {self.name} which has no identity")
        outs = given[self.nin :] or [empty(out_shape, kinds[p.name]) for p in self.outs]
        for o in outs:
            if o.shape != out_shape:
                raise ValueError(f"output has shape {o.shape}, the reduction {out_shape}")
        everything = given[: self.nin] + outs
        arrays = [type(a) is ndarray for a in everything]
        start = self._program(kinds, arrays)
        values = []
        for p, a in zip(self.params, everything, strict=True):
            if type(a) is not ndarray:
                values.append(_stored(a, kinds[p.name]))
            elif p.raw or not p.const:
                values.append(a._a)
            else:
                values.append(np.broadcast_to(a._a, shape).transpose(*kept, *axes))
        before(*(a._a for a in outs))
        counters.launch()
        n, m = math.prod(shape), math.prod(out_shape)
        _run(start, values, n, turned, m)
        record(_run, (start, values, n, turned, m), {}, None, keep=everything)
        return tuple(outs) if len(outs) != 1 else outs[0]


def fuse(*args: Any, **kwargs: Any) -> Any:
    """``cupy.fuse``: here the function itself, counted as one launch."""

    def decorate(f: Callable) -> Callable:
        @functools.wraps(f)
        def run(*inputs: Any) -> Any:
            started = counters.launches
            with_result = f(*inputs)
            counters.launches = started + 1
            return with_result

        return run

    return decorate(args[0]) if args and callable(args[0]) else decorate
