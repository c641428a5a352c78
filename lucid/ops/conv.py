"""Convolution over any number of spatial dimensions, closed under differentiation: three maps, each linear in both inputs.

``x`` is (N, C, *sizes), ``w`` is (O, C / groups, *kernel); ``padding`` is a (low, high) pair per dimension, so that
one op serves "same" padding and transposed convolution (which is ``conv_input_grad``) too.
"""

from ..core.op import linear, multilinear, other

__all__ = ["channel_sum", "conv", "conv_bias", "conv_input_grad", "conv_weight_grad"]

GEOMETRY = ("stride", "padding", "dilation", "groups")


def _input_grad(xp, g, w, x_shape, stride, padding, dilation, groups):
    return xp.conv_input_grad(g, w, tuple(x_shape[2:]), stride, padding, dilation, groups)


def _weight_grad(xp, x, g, w_shape, stride, padding, dilation, groups):
    return xp.conv_weight_grad(x, g, tuple(w_shape[2:]), stride, padding, dilation, groups)


conv = multilinear(
    "conv",
    lambda xp, g, y, x_shape, stride, padding, dilation, groups: _input_grad(
        xp, g, y, x_shape, stride, padding, dilation, groups
    ),
    lambda xp, g, x, y_shape, stride, padding, dilation, groups: _weight_grad(
        xp, x, g, y_shape, stride, padding, dilation, groups
    ),
    params=GEOMETRY,
    node_name="ConvolutionBackward0",
)
conv_input_grad = multilinear(  # of the output's gradient x and the weight y; sizes: the spatial shape of the input
    "conv_input_grad",
    lambda xp, g, y, stride, padding, dilation, groups: xp.conv(g, y, stride, padding, dilation, groups),
    lambda xp, g, x, y_shape, stride, padding, dilation, groups: _weight_grad(
        xp, g, x, y_shape, stride, padding, dilation, groups
    ),
    params=("sizes", *GEOMETRY),
    node_name="ConvolutionBackward0",
)
conv_weight_grad = multilinear(  # of the input x and the output's gradient y; sizes: the kernel's spatial shape
    "conv_weight_grad",
    lambda xp, g, y, x_shape, stride, padding, dilation, groups: _input_grad(
        xp, y, g, x_shape, stride, padding, dilation, groups
    ),
    lambda xp, g, x, stride, padding, dilation, groups: xp.conv(x, g, stride, padding, dilation, groups),
    params=("sizes", *GEOMETRY),
    node_name="ConvolutionBackward0",
)

# The sum over everything but the channels, as a bias's gradient: one matrix-vector product instead of a reduction.
channel_sum = linear(
    "channel_sum",
    lambda xp, g, x_shape: xp.broadcast_to(xp.reshape(g, (1, -1, *(1 for _ in x_shape[2:]))), x_shape),
    node_name="SumBackward1",
)

# One node instead of two, and the bias is added while the output is still in the cache: 0.85 of the composed time.
conv_bias = other(
    "conv_bias",
    lambda xp, g, y, x_shape, stride, padding, dilation, groups: _input_grad(
        xp, g, y, x_shape, stride, padding, dilation, groups
    ),
    lambda xp, g, x, y_shape, stride, padding, dilation, groups: _weight_grad(
        xp, x, g, y_shape, stride, padding, dilation, groups
    ),
    lambda xp, g: xp.channel_sum(g),
    params=GEOMETRY,
    node_name="ConvolutionBackward0",
)
