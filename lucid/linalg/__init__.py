"""Linear algebra with PyTorch's names (``torch.linalg``): products, systems, factorisations, norms; all but LDL differentiable."""

from ..core.errors import LinAlgError
from ..functions.linalg_factor import *  # noqa: F403
from ..functions.linalg_norms import *  # noqa: F403
from ..functions.linalg_products import cross, diagonal, dot, inner, matmul, matrix_transpose, outer, vecdot
from ..functions.linalg_solve import *  # noqa: F403
