"""Benchmarks: lucid beside torch and plain NumPy in one process. They print figures and goals, never a verdict."""
