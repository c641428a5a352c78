"""``lucid.backends.cpu``: which vector instructions the processor has."""

from __future__ import annotations


def get_cpu_capability() -> str:
    """ "AVX512", "AVX2" or "DEFAULT": the widest that NumPy found and uses.

    >>> import lucid
    >>> lucid.backends.cpu.get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")
    True
    """
    from numpy._core._multiarray_umath import __cpu_features__ as found  # type: ignore[import-not-found]

    return (
        "AVX512"
        if found.get("AVX512_SKX") or found.get("X86_V4")
        else "AVX2"
        if found.get("AVX2") or found.get("X86_V3")
        else "DEFAULT"
    )
