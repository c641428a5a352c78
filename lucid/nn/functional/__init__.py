"""The functions behind the layers: PyTorch's ``torch.nn.functional``, and a few of Lucid's own."""

from .activation import *  # noqa: F403
from .dropout import *  # noqa: F403
from .linear import *  # noqa: F403
from .loss import *  # noqa: F403
from .conv import *  # noqa: F403  isort: skip
from .pooling import *  # noqa: F403  isort: skip
