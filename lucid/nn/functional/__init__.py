"""The functions behind the layers: PyTorch's ``torch.nn.functional``, and a few of Lucid's own."""

from ...functions.padding import pad
from ._checking import check_all as _check_all
from .activation import *  # noqa: F403
from .adaptive import *  # noqa: F403
from .attention import *  # noqa: F403
from .classification import *  # noqa: F403
from .conv import *  # noqa: F403
from .ctc import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropout import *  # noqa: F403
from .embedding import *  # noqa: F403
from .embedding_bag import *  # noqa: F403
from .fold import *  # noqa: F403
from .grid import *  # noqa: F403
from .grouped import *  # noqa: F403
from .linear import *  # noqa: F403
from .linear_cross_entropy import *  # noqa: F403
from .loss import *  # noqa: F403
from .margin import *  # noqa: F403
from .norm import *  # noqa: F403
from .own import *  # noqa: F403
from .pooling import *  # noqa: F403
from .resize import *  # noqa: F403
from .rotary import *  # noqa: F403
from .vision import *  # noqa: F403

_check_all(globals(), __name__)
