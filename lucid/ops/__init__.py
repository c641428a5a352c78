"""The vocabulary, on Tensors: the Python array API's names, and the extra names that derivative rules use.

``Tensor.__array_namespace__`` returns this module, and it is the ``xp`` that rules get when a derivative shall itself
be differentiable.
"""

from .activation import *  # noqa: F403
from .conv import *  # noqa: F403
from .complex_ import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .fft import *  # noqa: F403
from .fused import *  # noqa: F403
from .indexing import *  # noqa: F403
from .linalg import *  # noqa: F403
from .order import *  # noqa: F403
from .norms import *  # noqa: F403
from .pool import *  # noqa: F403
from .reduce import *  # noqa: F403
from .scatter import *  # noqa: F403
from .shape import *  # noqa: F403
from .special import *  # noqa: F403

from .namespace import *  # noqa: F403  isort: skip  (last: these replace the bare ops of the same name)
from .fused import linear  # isort: skip  (the op; star imports brought the declarator of that name)
