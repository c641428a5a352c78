"""Normalisation on NumPy, one file for each layout; backends/numpy_norm.py chooses among them."""
