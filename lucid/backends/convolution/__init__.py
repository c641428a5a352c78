"""The ways in which NumPy can convolve; ``numpy_conv`` chooses among them."""
