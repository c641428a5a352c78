"""lucid: a deep-learning framework that runs wherever NumPy runs, with PyTorch's names.

This file only names things. What is heavy, or what a program may not need, is imported at first use (``_LAZY``).
"""

import importlib as _importlib
import warnings as _warnings
from typing import Any as _Any

from . import ops
from .core import dtypes as _dtypes
from .core._repr import set_printoptions
from .core.device import device, get_default_device, set_default_device
from .core.dtypes import can_cast, dtype, finfo, get_default_dtype, iinfo, promote_types, set_default_dtype
from .core.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.tensor import Size, Tensor
from .functions import *  # noqa: F403
from .version import __version__

from . import autograd  # isort: skip  (needs the functions)
from .interop import announce as _announce

_announce()
for _kind in (Tensor, Size, device, dtype):
    _kind.__module__ = __name__  # `<class 'lucid.Tensor'>`, as PyTorch prints it

# NumPy warns of overflow and division by zero; PyTorch does not, and nor do we. Only warnings raised from our files.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"lucid\.")

globals().update(_dtypes.NAMES)
globals().update({alias: _dtypes.NAMES[name] for alias, name in _dtypes.ALIASES.items()})

# name -> where it is: "module" alone is a submodule of that name, "module:attribute" something in one.
_LAZY = {
    **{
        name: name
        for name in (
            "_C",
            "_VF",
            "_utils",
            "accelerator",
            "amp",
            "backends",
            "compiler",
            "cpu",
            "cuda",
            "datasets",
            "distributed",
            "distributions",
            "einops",
            "fft",
            "func",
            "functional",
            "futures",
            "fx",
            "hub",
            "jit",
            "linalg",
            "masked",
            "mps",
            "multiprocessing",
            "nn",
            "onnx",
            "optim",
            "overrides",
            "profiler",
            "quasirandom",
            "random",
            "return_types",
            "serialization",
            "signal",
            "sparse",
            "special",
            "storage",
            "testing",
            "types",
            "utils",
            "version",
            "xpu",
        )
    },
    "GradScaler": "amp:GradScaler",
    "_assert": "functions.settings:_assert",
    "_assert_async": "functions.settings:_assert_async",
    "OutOfMemoryError": "cuda:OutOfMemoryError",
    "autocast": "amp:autocast",
    "compile": "compiler:compile",
    "get_autocast_dtype": "amp:get_autocast_dtype",
    "is_autocast_enabled": "amp:is_autocast_enabled",
    "save": "serialization:save",
    "load": "serialization:load",
    "set_num_threads": "threads:set_num_threads",
    "get_num_threads": "threads:get_num_threads",
    "summary": "model_summary:summary",
    "vmap": "func:vmap",
    "fork": "jit:fork",
    "is_anomaly_check_nan_enabled": "autograd:is_anomaly_check_nan_enabled",
    "is_anomaly_enabled": "autograd:is_anomaly_enabled",
    "set_anomaly_enabled": "autograd:set_detect_anomaly",
    "sparse_coo": "sparse:sparse_coo",
    "sparse_coo_tensor": "sparse:sparse_coo_tensor",
    "spmm": "sparse:spmm",
    "dsmm": "sparse:mm",
    "wait": "jit:wait",
    "default_generator": "random:default_generator",
}


# With the arguments of PyTorch's C++, which are not those of ``nn.functional``.
_NATIVE = frozenset(
    """batch_norm instance_norm layer_norm group_norm embedding embedding_bag grid_sampler grid_sampler_2d grid_sampler_3d native_layer_norm
    native_group_norm native_batch_norm native_dropout adaptive_max_pool1d affine_grid_generator alpha_dropout
    binary_cross_entropy_with_logits celu cosine_embedding_loss ctc_loss dropout feature_alpha_dropout feature_dropout
    hinge_embedding_loss kl_div margin_ranking_loss poisson_nll_loss rrelu selu triplet_margin_loss""".split()
)
# PyTorch also has these functions of ``nn.functional`` at the top.
_FUNCTIONAL = frozenset(
    """celu_ rrelu_ selu_ threshold_ adaptive_avg_pool1d avg_pool1d bilinear channel_shuffle conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity hardshrink max_pool1d max_pool2d max_pool3d
    pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu rms_norm threshold""".split()
)


def __getattr__(name: str) -> _Any:
    if name in _LAZY:
        module, _, attribute = _LAZY[name].partition(":")
        found = _importlib.import_module(f".{module}", __name__)
        found = getattr(found, attribute) if attribute else found
    elif name in _NATIVE:
        found = getattr(_importlib.import_module(".nn.functional.native", __name__), name)
    elif name in _FUNCTIONAL:
        found = getattr(_importlib.import_module(".nn.functional", __name__), name)
    elif name.endswith("_") and not name.startswith("_") and hasattr(Tensor, name):
        found = getattr(Tensor, name)  # `lucid.sqrt_(x)` is `x.sqrt_()`
    elif name.startswith("_foreach_"):
        found = _importlib.import_module(".functions.foreach", __name__).make(name)
    else:
        raise AttributeError(f"module 'lucid' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
