"""Discrete Fourier transforms with PyTorch's names (``torch.fft``), differentiable to every order."""

from ..functions.fft import *  # noqa: F403
