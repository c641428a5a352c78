"""The engine: Tensor, Op, Node and backward. It knows backends; it does not know any particular op."""
