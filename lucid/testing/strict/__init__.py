"""A GPU's strictness on a CPU: an imitation of the module ``cupy`` over NumPy, under which lucid's own CuPy backend runs.

``install()`` puts the imitation into ``sys.modules["cupy"]`` and makes device ``"cuda"`` usable; ``uninstall()`` takes all of
it back; ``with installed():`` does both. What runs then is the real ``lucid/backends/cupy_*.py``. Every mistake that a GPU
would punish is an error here too:

* NumPy arrays and lists as operands raise TypeError, and so does ``np.asarray`` of a device array; as indices too.
* Reductions and indexing return 0-d arrays. ``bool()``, ``int()``, ``float()``, ``item()``, ``get()``, ``nonzero``, boolean masks that
  are read, ``unique`` and their like are counted as synchronisations, and raise inside ``no_sync()``.
* A function has the arguments that CuPy 14.2 gives it and no others; a name that CuPy lacks is missing.
* Index arrays out of range wrap around; ``empty`` is full of NaN; float16 has no linear algebra; a factorisation that fails
  gives NaN; integer atomics exist for int32, uint32 and uint64 only; complex numbers have no ``floor`` and no ``logical_and``.
* ``no_float64=True`` refuses every array of float64 or complex128, as an Apple GPU does. ``no_aliasing=True`` gives lucid a
  device whose slices are copies, as MLX's are. ``devices=2`` gives a machine of two cards, each with its memory: an array of one
  in a kernel on the other raises ValueError. ``cudnn=True`` adds an imitation of NVIDIA's module ``cudnn``.

**Kernels** are compiled for real, by g++ (``compiler()`` is None where it is missing), and cached on disk.

``ElementwiseKernel``: parameters ``T x, raw U y, float32 z``; ``i``, ``_ind.size()``, ``_ind.get()``, ``x.size()``, ``x.shape()``, ``x.strides()``, ``x[i]`` of raw
arrays; ``loop_prep``, ``after_loop``, ``preamble``; ``size=``. Placeholders are known from arrays alone. ``ReductionKernel``: ``a``, ``b``, ``_i``, ``_j``, ``_J``,
``identity``, ``axis``, ``keepdims``, ``reduce_type``. ``RawKernel`` and ``RawModule`` (``name_expressions`` too): any grid and block, ``shared_mem``, ``__shared__`` (also
dynamic), ``__syncthreads``, ``__syncwarp``, ``__shfl_*_sync``, ``__ballot_sync``, ``__any_sync``, ``__all_sync``, ``atomicAdd/Sub/Max/Min/Exch/CAS/Or/And``; CUDA's math
names (``rsqrtf``, ``__expf``, ``erfinv``, ``max``, ``min``, ...); float16 (``__half``), bfloat16, ``complex<T>``. Arguments are checked against the kernel's
signature (a Python float for a ``float`` parameter, an array of another dtype than the pointer's: TypeError).
Not there: textures, cooperative groups, tensor cores, dynamic parallelism, ``float4`` arithmetic, ``printf``, inline PTX.
``fuse`` runs the function and counts one launch. ``Stream.begin_capture`` and ``Graph.launch`` record and repeat, from and into the same memory;
nothing that was written while capturing stays written, as on a GPU.

``counters`` has ``launches``, ``syncs``, ``waited`` (what they were), ``uploads``, and ``reset()``.

>>> import lucid
>>> from lucid.testing import strict
>>> with strict.installed():  # doctest: +SKIP
...     x = lucid.ones(3, device="cuda", requires_grad=True)
...     with strict.no_sync():
...         (x * 2).sum().backward()
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from .record import Counters, counters, no_sync
from .toolchain import compiler

__all__ = ["Counters", "compiler", "counters", "install", "installed", "is_installed", "no_sync", "uninstall"]

_standing_in = False
ROOMS = ("cupy", "cupyx", "cupy_backends", "cudnn", "lucid.backends.cupy_", "lucid.backends.cudnn_")


def is_installed() -> bool:
    """Whether the imitation stands in for CuPy."""
    return _standing_in


def _ours(name: str) -> bool:
    return name.partition(".")[0] in ROOMS[:4] or name.startswith(ROOMS[4:])


def install(*, no_float64: bool = False, no_aliasing: bool = False, devices: int = 1, cudnn: bool = False) -> None:
    """Make the imitation the machine's CuPy, and device ``"cuda"`` usable through it.

    Raises RuntimeError where the real CuPy is loaded, or the imitation already is.
    """
    global _standing_in
    if _standing_in:
        raise RuntimeError("strict: already installed")
    if "cupy" in sys.modules:
        raise RuntimeError("strict: the real CuPy is loaded in this process; start a fresh one")
    from ...backends import catalogue, load
    from .modules import build

    sys.modules.update(build())
    if cudnn:
        from . import cudnn_frontend

        sys.modules["cudnn"] = cudnn_frontend.build()
    _standing_in = True
    catalogue.cuda_fault.cache_clear()
    counters.reset()
    counters.no_float64, counters.devices, counters.current = no_float64, devices, 0
    try:
        if no_aliasing:
            from .aliasing import without_aliasing

            without_aliasing(load("cuda"))
    except BaseException:
        uninstall()
        raise


def uninstall() -> None:
    """Take the imitation, the backend that was loaded for it, and all that was kept for its arrays, away again."""
    global _standing_in
    if not _standing_in:
        raise RuntimeError("strict: not installed")
    from ... import backends
    from ...backends import base, catalogue
    from ...backends.switches import CURRENT
    from ...core.apply import scalars
    from ...core.op import OPS
    from ...functions import random
    from .array import ndarray

    CURRENT.pop("cuda", None)
    counters.devices, counters.current = 1, 0
    counters.hooks.clear()
    if "lucid.cuda.memory" in sys.modules:
        sys.modules["lucid.cuda.memory"].forget_peaks()
    _standing_in = False
    for name in [n for n in sys.modules if _ours(n)]:
        del sys.modules[name]
    for name in [n for n in vars(backends) if n.startswith(("cupy_", "cudnn_"))]:
        delattr(backends, name)
    base._by_name.pop("cuda", None)
    base._by_type.pop(ndarray, None)
    for o in OPS.values():
        o.kernels.pop(ndarray, None)
        if o.complex_form is not None:
            o.complex_form.kernels.pop(ndarray, None)
    for cache in scalars.values():
        for key in [k for k in cache if k[2] is ndarray]:
            del cache[key]
    for device in [d for d in random._defaults if d.type == "cuda"]:
        del random._defaults[device]
    catalogue.cuda_fault.cache_clear()
    counters.no_float64 = False
    counters.capturing = None


@contextlib.contextmanager
def installed(
    *, no_float64: bool = False, no_aliasing: bool = False, devices: int = 1, cudnn: bool = False
) -> Iterator[Counters]:
    """The imitation for the length of a block; gives the counters.

    >>> from lucid.testing import strict
    >>> with strict.installed() as counters:
    ...     import cupy
    ...     x = cupy.arange(3) + 1
    >>> counters.launches, counters.syncs
    (2, 0)
    """
    install(no_float64=no_float64, no_aliasing=no_aliasing, devices=devices, cudnn=cudnn)
    try:
        yield counters
    finally:
        uninstall()
