"""Functions that take functions: gradients, Jacobians, products with them, batches."""
