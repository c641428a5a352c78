"""Random numbers on CuPy: Philox 4x32-10, a counter-based generator, in kernels of our own.

The state of a generator is a seed and how many draws were made: two integers on the host. So reading and setting it
costs nothing, a draw waits for nothing, and the same seed gives the same numbers on every card (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", 2011). They are other numbers than NumPy's or PyTorch's.
"""

from __future__ import annotations

from typing import Any

import cupy as cp
import numpy as np

from .alike import native
from .cupy_fuse import elementwise, wide

PHILOX = """
struct Philox {
    unsigned int c[4], k[2], out[4], used;
    __device__ Philox(unsigned long long seed, unsigned long long draw, unsigned long long i) {
        k[0] = (unsigned int)seed; k[1] = (unsigned int)(seed >> 32);
        c[0] = 0; c[1] = (unsigned int)draw; c[2] = (unsigned int)i; c[3] = (unsigned int)(i >> 32) ^ ((unsigned int)(draw >> 32) << 16);
        used = 4;
    }
    __device__ void block() {
        unsigned int x0 = c[0], x1 = c[1], x2 = c[2], x3 = c[3], a = k[0], b = k[1];
        for (int r = 0; r < 10; ++r) {
            const unsigned long long p = 0xD2511F53ULL * x0, q = 0xCD9E8D57ULL * x2;
            const unsigned int y0 = (unsigned int)(q >> 32) ^ x1 ^ a, y2 = (unsigned int)(p >> 32) ^ x3 ^ b;
            x1 = (unsigned int)q; x3 = (unsigned int)p; x0 = y0; x2 = y2;
            a += 0x9E3779B9U; b += 0xBB67AE85U;
        }
        out[0] = x0; out[1] = x1; out[2] = x2; out[3] = x3;
        c[0] += 1; used = 0;
    }
    __device__ unsigned int next() { if (used == 4) block(); return out[used++]; }
    __device__ unsigned long long next64() { const unsigned long long high = next(); return high << 32 | next(); }
    __device__ float single() { return (float)(next() >> 8) * (1.0f / 16777216.0f); }
    __device__ double uniform() { return (double)(next64() >> 11) * (1.0 / 9007199254740992.0); }
    __device__ double normal() {
        const double r = sqrt(-2.0 * log(1.0 - uniform()));
        return r * cos(6.283185307179586 * uniform());
    }
};
"""


class Stream:
    """A stream of random numbers on one device."""

    __slots__ = ("draws", "index", "seed")

    def __init__(self, seed: int, index: int = 0):
        self.seed, self.index, self.draws = int(seed) % 2**64, index, 0

    def next(self) -> tuple[int, int]:
        """Seed and number of the next draw."""
        self.draws += 1
        return self.seed, self.draws - 1


def generator(seed: int, index: int = 0) -> Stream:
    return Stream(seed, index)


def get_state(g: Stream) -> dict:
    return {"seed": g.seed, "draws": g.draws}


def set_state(g: Stream, state: dict) -> None:
    g.seed, g.draws = int(state["seed"]), int(state["draws"])


def _shape(shape: Any) -> tuple:
    return (shape,) if isinstance(shape, int) else tuple(shape)


EACH = 4  # elements per thread: what one block of Philox gives


def _fill(g: Stream, name: str, shape: Any, dtype: Any, body: str, *given: tuple[str, Any], more: str = "") -> Any:
    """``body`` sets ``y[j]`` for four elements; ``r`` is the thread's generator."""
    wanted = native(dtype)
    with cp.cuda.Device(g.index):
        out = cp.empty(_shape(shape), wanted)
        if out.size:
            extra = "".join(f", {kind}" for kind, _ in given)
            source = f"""
            Philox r(seed, draw, i);
            for (long long j = i * {EACH}; j < (i + 1) * {EACH} && j < len; ++j) {{ {body} }}"""
            elementwise(
                name, f"uint64 seed, uint64 draw, int64 len{extra}", "raw T y", source, wide(wanted), PHILOX + more
            )(*map(np.uint64, g.next()), out.size, *(v for _, v in given), out, size=-(-out.size // EACH))
    return out


_BITS = {"float16": 11, "bfloat16": 8}


def uniform(g: Stream, shape: Any, dtype: Any) -> Any:
    """In [0, 1): half types get as many bits as they hold, since rounding could give 1."""
    if dtype.name == "float64":
        return _fill(g, "uniform64", shape, dtype, "y[j] = (T)r.uniform();")
    bits = _BITS.get(dtype.name)
    if bits is not None:
        return _fill(
            g, f"uniform{bits}", shape, dtype, f"y[j] = (T)((float)(r.next() >> {32 - bits}) * {2.0**-bits!r}f);"
        )
    return _fill(g, "uniform", shape, dtype, "y[j] = (T)r.single();")


def kept(g: Stream, p: float, shape: Any, dtype: Any) -> Any:
    """Noise for dropout: 0 with probability ``p``, else ``1 / (1 - p)``; in one kernel, which gets both as numbers."""
    body = "y[j] = r.single() >= (float)p ? (T)(W)scale : (T)(W)0;"
    return _fill(g, "kept", shape, dtype, body, ("float64 p", float(p)), ("float64 scale", 1 / (1 - p)))


_NORMAL = """
if (j % 2 == 0) {
    const float u = (float)((r.next() >> 8) + 1) * (1.0f / 16777216.0f), v = r.single() * 6.2831853f;
    const float size = sqrt(-2.0f * log(u));
    y[j] = (T)(size * cos(v));
    if (j + 1 < len) y[j + 1] = (T)(size * sin(v));
}"""


def normal(g: Stream, shape: Any, dtype: Any) -> Any:
    """By the Box-Muller transform."""
    if dtype.name == "float64":
        return _fill(g, "normal64", shape, dtype, "y[j] = (T)r.normal();")
    return _fill(g, "normal", shape, dtype, _NORMAL)


_MULHI = """
__device__ unsigned long long mulhi(unsigned long long a, unsigned long long b) {
    const unsigned long long al = a & 0xffffffffULL, ah = a >> 32, bl = b & 0xffffffffULL, bh = b >> 32;
    const unsigned long long m = ah * bl + (al * bl >> 32), t = al * bh + (m & 0xffffffffULL);
    return ah * bh + (m >> 32) + (t >> 32);
}
"""


def integers(g: Stream, low: int, high: int, shape: Any, dtype: Any) -> Any:
    """In [low, high): the high half of 64 random bits times the span, with a bias below span / 2^64."""
    unsigned = native(dtype).kind == "u"
    value = "low + (span ? mulhi(r.next64(), span) : r.next64())"
    body = f"const unsigned long long v = {value}; y[j] = (T){'v' if unsigned else '(long long)v'};"
    given = ("uint64 low", np.uint64(low % 2**64)), ("uint64 span", np.uint64((high - low) % 2**64))
    return _fill(g, f"integers_{int(unsigned)}", shape, dtype, body, *given, more=_MULHI)


def permutation(g: Stream, n: int, dtype: Any) -> Any:
    """The order of random keys."""
    from ..core import dtypes

    keys = _fill(g, "uniform64", n, dtypes.float64, "y[j] = (T)r.uniform();")
    return cp.argsort(keys).astype(native(dtype), copy=False)


def exponential(g: Stream, shape: Any, dtype: Any) -> Any:
    """Of rate 1; never 0."""
    tiny = float(np.finfo(np.float64 if dtype.name == "float64" else np.float32).tiny)
    body = "const double e = -log(1.0 - r.uniform()); y[j] = (T)(e > least ? e : least);"
    return _fill(g, "exponential", shape, dtype, body, ("float64 least", tiny))


def _each(g: Stream, name: str, shape: Any, dtype: Any, body: str, *arrays: Any) -> Any:
    """One generator per element, for what takes a number of random numbers that is not known beforehand."""
    with cp.cuda.Device(g.index):
        out = cp.empty(_shape(shape), native(dtype))
        inputs = "".join(f", float64 x{k}" for k in range(len(arrays)))
        full = [cp.broadcast_to(a, out.shape).astype(np.float64) for a in arrays]
        if out.size:
            source = "Philox r(seed, draw, i); " + body
            elementwise(name, f"uint64 seed, uint64 draw{inputs}", "T y", source, "double", PHILOX + DRAWS)(
                *map(np.uint64, g.next()), *full, out
            )
    return out


# Poisson and binomial: by multiplication or counting where the mean is small, else by the transformed rejection of Hoermann
# (1993); gamma: Marsaglia and Tsang (2000).
DRAWS = """
__device__ double draw_poisson(Philox& r, double mean) {
    if (!(mean > 0)) return 0;
    if (mean < 10) {
        const double limit = exp(-mean);
        double p = r.uniform(), k = 0;
        while (p > limit) { p *= r.uniform(); k += 1; }
        return k;
    }
    const double s = sqrt(mean), b = 0.931 + 2.53 * s, a = -0.059 + 0.02483 * b, v = 0.9277 - 3.6224 / (b - 2);
    const double inverse = 1.1239 + 1.1328 / (b - 3.4);
    for (;;) {
        const double u = r.uniform() - 0.5, w = r.uniform(), us = 0.5 - fabs(u);
        const double k = floor((2 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && w <= v) return k;
        if (k < 0 || (us < 0.013 && w > us)) continue;
        if (log(w) + log(inverse) - log(a / (us * us) + b) <= -mean + k * log(mean) - lgamma(k + 1)) return k;
    }
}
__device__ double draw_binomial(Philox& r, double len, double chance) {
    if (!(len > 0) || !(chance > 0)) return 0;
    if (chance >= 1) return len;
    const double p = chance > 0.5 ? 1 - chance : chance, q = 1 - p;
    double k = 0;
    if (len * p < 10) {
        for (double i = 0;;) {
            i += floor(log(1 - r.uniform()) / log(q)) + 1;
            if (i > len) break;
            k += 1;
        }
    } else {
        const double s = sqrt(len * p * q), b = 1.15 + 2.53 * s, a = -0.0873 + 0.0248 * b + 0.01 * p, m = floor((len + 1) * p);
        const double c = len * p + 0.5, v = 0.92 - 4.2 / b, alpha = (2.83 + 5.1 / b) * s;
        const double h = lgamma(m + 1) + lgamma(len - m + 1);
        for (;;) {
            const double u = r.uniform() - 0.5, us = 0.5 - fabs(u);
            double w = r.uniform();
            k = floor((2 * a / us + b) * u + c);
            if (k < 0 || k > len) continue;
            if (us >= 0.07 && w <= v) break;
            w = log(w * alpha / (a / (us * us) + b));
            if (w <= h - lgamma(k + 1) - lgamma(len - k + 1) + (k - m) * log(p / q)) break;
        }
    }
    return chance > 0.5 ? len - k : k;
}
__device__ double draw_gamma(Philox& r, double shape) {
    if (!(shape > 0)) return shape == 0 ? 0 : shape - shape + 0.0 / (shape - shape);
    const double boost = shape < 1 ? pow(1 - r.uniform(), 1 / shape) : 1;
    const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = r.normal(), t = 1 + c * x;
        if (t <= 0) continue;
        const double v = t * t * t, u = 1 - r.uniform();
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) return boost * d * v;
    }
}
"""


def poisson(g: Stream, rate: Any, shape: Any, dtype: Any) -> Any:
    return _each(g, "poisson", shape, dtype, "y = (T)draw_poisson(r, x0)", rate)


def binomial(g: Stream, count: Any, p: Any, shape: Any, dtype: Any) -> Any:
    return _each(g, "binomial", shape, dtype, "y = (T)draw_binomial(r, x0, x1)", count, p)


def gamma(g: Stream, concentration: Any, shape: Any, dtype: Any) -> Any:
    """Of scale 1."""
    return _each(g, "gamma", shape, dtype, "y = (T)draw_gamma(r, x0)", concentration)
