"""Pooling and patches over any number of spatial dimensions of (N, C, *sizes).

Where windows end follows from ``places``, the output's spatial shape; padding is the number of rows before the start.
"""

from ..core.op import linear, nondifferentiable, other

__all__ = [
    "adaptive_max_indices", "avg_pool", "avg_pool_grad", "col2im", "grid_sample", "im2col", "max_pool", "max_pool_grad", "max_pool_indices", "max_pool_take",
]  # fmt: skip

WINDOW = ("kernel", "stride", "padding", "dilation", "places")

# The gradient finds the maxima again by comparing: cheaper than to compute and keep 8 bytes of index per output.
max_pool = other(
    "max_pool",
    lambda xp, g, x, out, kernel, stride, padding, dilation, places: xp.max_pool_grad(
        g, x, out, kernel, stride, padding, dilation, places
    ),
    params=WINDOW,
    promote=None,
    node_name="MaxPoolBackward0",
    private_out=True,
)
max_pool_grad = linear(  # x: the output's gradient, y: the pooled input, z: the maxima; the first of equals gets it all
    "max_pool_grad",
    lambda xp, g, y, z, kernel, stride, padding, dilation, places: xp.max_pool_take(
        g, y, z, kernel, stride, padding, dilation, places
    ),
    lambda xp, g: None,
    lambda xp, g: None,
    params=WINDOW,
)
max_pool_take = linear(  # the elements of x where y has its maxima z
    "max_pool_take",
    lambda xp, g, y, z, kernel, stride, padding, dilation, places: xp.max_pool_grad(
        g, y, z, kernel, stride, padding, dilation, places
    ),
    lambda xp, g: None,
    lambda xp, g: None,
    params=WINDOW,
)
max_pool_indices = nondifferentiable("max_pool_indices", params=WINDOW, promote=None)
adaptive_max_indices = nondifferentiable("adaptive_max_indices", params=("starts", "stops"), promote=None)

AVERAGE = ("kernel", "stride", "padding", "places", "count_include_pad", "divisor")
avg_pool = linear(
    "avg_pool",
    lambda xp, g, x_shape, kernel, stride, padding, places, count_include_pad, divisor: xp.avg_pool_grad(
        g, tuple(x_shape[2:]), kernel, stride, padding, places, count_include_pad, divisor
    ),
    params=AVERAGE,
    node_name="AvgPoolBackward0",
)
avg_pool_grad = linear(
    "avg_pool_grad",
    lambda xp, g, kernel, stride, padding, places, count_include_pad, divisor: xp.avg_pool(
        g, kernel, stride, padding, places, count_include_pad, divisor
    ),
    params=("sizes", *AVERAGE),
)

# Patches as columns (N, C * taps, places) and the sum of overlapping columns.
im2col = linear(
    "im2col",
    lambda xp, g, x_shape, kernel, stride, padding, dilation, places: xp.col2im(
        g, tuple(x_shape[2:]), kernel, stride, padding, dilation, places
    ),
    params=WINDOW,
    node_name="Im2ColBackward0",
)
col2im = linear(
    "col2im",
    lambda xp, g, kernel, stride, padding, dilation, places: xp.im2col(g, kernel, stride, padding, dilation, places),
    params=("sizes", *WINDOW),
    node_name="Col2ImBackward0",
)

# Values of (N, C, *sizes) at points (N, *places, axes). One op instead of seventy, and no values are kept for backward.
grid_sample = other(
    "grid_sample",
    joint=lambda xp, g, x, y, needs, mode, padding, align: list(
        xp.grid_sample_grad(g, x, y, mode, padding, align, needs)
    ),
    arity=2,
    params=("mode", "padding", "align"),
    node_name="GridSamplerBackward0",
)
