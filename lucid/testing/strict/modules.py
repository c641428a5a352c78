"""The modules ``cupy`` and ``cupyx`` of the imitation, put together from their parts."""

from __future__ import annotations

import contextlib
import importlib.machinery
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from . import kernels, runtime, sampling
from .array import lift, matmul, ndarray, operand, quietly
from .functions import FFT_TABLE, FUNCTION_TABLE, LINALG_TABLE
from .memory import MemoryHook
from .record import counters
from .toolchain import CompileException
from .ufuncs import TABLE, ufunc

VERSION = "14.2.0"
BORROWED = """e inf nan newaxis pi euler_gamma float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_
    complex64 complex128 dtype finfo iinfo issubdtype isdtype promote_types broadcast_shapes integer floating complexfloating
    inexact number generic signedinteger unsignedinteger intp""".split()

SPECIAL = """beta betainc betaincinv betaln binom cbrt digamma entr erf erfc erfcinv erfcx erfinv exp1 exp10 exp2 expi expit expm1
    expn exprel gamma gammainc gammaincc gammainccinv gammaincinv gammaln gammasgn i0 i0e i1 i1e j0 j1 k0 k0e k1 k1e kl_div
    log1p log_ndtr logit loggamma ndtr ndtri poch polygamma psi rel_entr rgamma sinc xlog1py xlogy y0 y1 yn zeta zetac
    log_expit""".split()  # fmt: skip


def _module(name: str, contents: dict[str, Any], package: bool = False) -> ModuleType:
    made = ModuleType(name, "An imitation over NumPy: see lucid.testing.strict.")
    made.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=package)
    if package:
        made.__path__ = []
    made.__dict__.update(contents)
    return made


class _Special(ModuleType):
    """``cupyx.scipy.special``: SciPy's functions of the names that CuPy has, looked up when asked for."""

    def __getattr__(self, name: str) -> Any:
        if name not in SPECIAL:
            raise AttributeError(f"module 'cupyx.scipy.special' has no attribute {name!r}")
        try:
            import scipy.special
        except ImportError:
            raise AttributeError(
                f"strict: cupyx.scipy.special.{name} is imitated with SciPy: pip install scipy"
            ) from None
        f = getattr(scipy.special, name)
        if isinstance(f, np.ufunc):
            made: Any = ufunc(name, f, "c")
        else:

            def made(*args: Any) -> Any:
                counters.launch()
                return lift(np.asarray(quietly(f, *(operand(a) for a in args))))

        setattr(self, name, made)
        return made


def _rsqrt(x: Any) -> Any:
    dtype = np.asarray(operand(x)).dtype
    return lift(
        np.asarray(quietly(lambda a: (1 / np.sqrt(a)).astype(dtype if dtype.kind in "fc" else float), operand(x)))
    )


def _strict_linalg(name: str, f: Any) -> Any:
    """As CuPy's: no half types; a failure is not raised but gives NaN, unless ``cupyx.errstate(linalg="raise")``."""

    def run(*args: Any, **kwargs: Any) -> Any:
        for a in args:
            if type(a) is ndarray and a.dtype.itemsize == 2:
                raise TypeError(f"{a.dtype} is unsupported in linalg")
        if name == "lstsq" and any(type(a) is ndarray and a.ndim > 2 for a in args):
            raise np.linalg.LinAlgError("3-dimensional array given. Array must be two-dimensional")
        try:
            return f(*args, **kwargs)
        except np.linalg.LinAlgError as problem:
            if ERRSTATE[-1] == "raise":
                counters.sync(f"linalg.{name} under errstate(linalg='raise')")
                raise
            if (
                "ingular" not in str(problem)
                and "positive definite" not in str(problem)
                and "converge" not in str(problem)
            ):
                raise
            return _poisoned(f, args, kwargs)

    run.__name__ = name
    return run


def _poisoned(f: Any, args: tuple, kwargs: dict) -> Any:
    """What a factorisation that failed leaves: NaN in the shapes of a result, for each failed matrix of a stack."""
    first = args[0]
    stack = first.shape[:-2]
    square = np.broadcast_to(np.eye(*first.shape[-2:], dtype=first.dtype), first.shape)
    out = f(lift(square.copy()), *args[1:], **kwargs)
    if not stack:
        return _filled(out)
    for where in np.ndindex(*stack):
        others = [lift(a._a[where].copy()) if type(a) is ndarray and a.ndim > len(stack) else a for a in args]
        try:
            part = f(*others, **kwargs)
        except np.linalg.LinAlgError:
            part = _filled(f(lift(square[where].copy()), *others[1:], **kwargs))
        for whole, p in zip(
            out if isinstance(out, tuple) else (out,), part if isinstance(part, tuple) else (part,), strict=True
        ):
            whole._a[where] = p._a
    return out


def _filled(out: Any) -> Any:
    for o in out if isinstance(out, tuple) else (out,):
        o._a[...] = np.nan
    return out


ERRSTATE: list[Any] = [None]


@contextlib.contextmanager
def errstate(
    *, divide: Any = None, over: Any = None, under: Any = None, invalid: Any = None, linalg: Any = None
) -> Iterator[None]:
    ERRSTATE.append(linalg)
    try:
        yield
    finally:
        ERRSTATE.pop()


def _scatter(method: str) -> Any:
    return lambda a, slices, value: getattr(a, method)(slices, value)


def _as_strided(x: Any, shape: Any = None, strides: Any = None) -> Any:
    return lift(np.lib.stride_tricks.as_strided(x._a, shape, strides), x)


def build() -> dict[str, ModuleType]:
    """New modules by their names in ``sys.modules``."""
    stride_tricks = _module("cupy.lib.stride_tricks", {"as_strided": _as_strided})
    lib = _module("cupy.lib", {"stride_tricks": stride_tricks}, package=True)
    linalg = _module(
        "cupy.linalg",
        {n: _strict_linalg(n, f) for n, f in LINALG_TABLE.items()}
        | {"LinAlgError": np.linalg.LinAlgError, "matmul": matmul},
    )
    fft = _module("cupy.fft", dict(FFT_TABLE))
    random = _module("cupy.random", sampling.functions())
    compiler = _module("cupy.cuda.compiler", {"CompileException": CompileException})
    memory = _module("cupy.cuda.memory", {"MemoryPool": runtime.MemoryPool, "OutOfMemoryError": MemoryError})
    stream = _module("cupy.cuda.stream", {"Stream": runtime.Stream, "get_current_stream": runtime.get_current_stream})
    cuda_runtime = _module("cupy.cuda.runtime", dict(vars(runtime.runtime)))
    names = (
        "Device",
        "Event",
        "Graph",
        "MemoryPool",
        "PinnedMemoryPool",
        "Stream",
        "alloc",
        "get_allocator",
        "get_current_stream",
        "get_elapsed_time",
        "set_allocator",
    )
    cuda = _module(
        "cupy.cuda",
        {n: getattr(runtime, n) for n in names}
        | {"runtime": cuda_runtime, "is_available": lambda: True, "compiler": compiler, "memory": memory, "stream": stream, "get_device_id": lambda: counters.current,
           "MemoryPointer": runtime.Pointer, "MemoryHook": MemoryHook},
        package=True,
    )  # fmt: skip
    contents = {n: getattr(np, n) for n in BORROWED} | TABLE | FUNCTION_TABLE
    contents |= {
        "ndarray": ndarray, "ufunc": ufunc, "matmul": matmul, "cuda": cuda, "linalg": linalg, "fft": fft, "random": random, "lib": lib,
        "ElementwiseKernel": kernels.ElementwiseKernel, "ReductionKernel": kernels.ReductionKernel, "RawKernel": kernels.RawKernel,
        "RawModule": kernels.RawModule, "fuse": kernels.fuse, "is_available": lambda: True, "__version__": VERSION,
        "get_default_memory_pool": lambda: runtime.POOL, "get_default_pinned_memory_pool": lambda: runtime.PINNED,
    }  # fmt: skip
    contents["bool"] = np.bool_
    compute_types: dict[str, int] = {}
    routines = _module(
        "cupy._core._routines_linalg",
        {"COMPUTE_TYPE_TF32": 7, "set_compute_type": lambda dtype, kind: compute_types.update({np.dtype(dtype).name: kind}),
         "get_compute_type": lambda dtype: compute_types.get(np.dtype(dtype).name, 1)},
    )  # fmt: skip
    core = _module("cupy._core", {"_routines_linalg": routines}, package=True)
    runtime.set_allocator()
    cupy = _module("cupy", contents, package=True)
    special = _Special("cupyx.scipy.special")
    special.__spec__ = importlib.machinery.ModuleSpec("cupyx.scipy.special", None)
    scipy = _module("cupyx.scipy", {"special": special}, package=True)
    cupyx = _module(
        "cupyx",
        {f"scatter_{n}": _scatter(f"scatter_{n}") for n in ("add", "max", "min")}
        | {"rsqrt": _rsqrt, "errstate": errstate, "scipy": scipy, "empty_pinned": np.empty, "zeros_pinned": np.zeros},
        package=True,
    )
    made = (
        cupy,
        core,
        routines,
        cuda,
        cuda_runtime,
        compiler,
        memory,
        stream,
        linalg,
        fft,
        random,
        lib,
        stride_tricks,
        cupyx,
        scipy,
        special,
    )
    return {m.__name__: m for m in made}
