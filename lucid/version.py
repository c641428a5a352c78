"""The one place that names the version; setup.cfg and docs/conf.py read it from here."""

__version__ = "0.1.0"

hip = None


def __getattr__(name: str) -> str | None:
    """``cuda``: the CUDA version that CuPy runs on, as "13.0"; None without CUDA."""
    if name != "cuda":
        raise AttributeError(f"module 'lucid.version' has no attribute {name!r}")
    from .backends.catalogue import cuda_fault

    if cuda_fault() is not None:
        return None
    import cupy

    version = cupy.cuda.runtime.runtimeGetVersion()
    return f"{version // 1000}.{version % 1000 // 10}"
