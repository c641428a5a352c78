"""Matrix products. Vectors and stacks of matrices are brought to these forms by ``lucid.functions``."""

from ..core.op import multilinear, view

matrix_transpose = view(
    "matrix_transpose",
    lambda xp, g: xp.matrix_transpose(g),
    put=lambda xp, x, new: xp.matrix_transpose(new),
    node_name="TransposeBackward0",
)
matmul = multilinear(  # both at least 2-D; leading sizes broadcast, which the engine undoes
    "matmul",
    lambda xp, g, y: xp.matmul(g, xp.matrix_transpose(y)),
    lambda xp, g, x: xp.matmul(xp.matrix_transpose(x), g),
    node_name="MmBackward0",
)
