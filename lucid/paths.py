"""PyTorch's other paths to what lies elsewhere here: ``from lucid.optim.adamw import AdamW``.

A path of ``PATHS`` becomes a module when a program imports it, not before; ``interop`` asks here.
"""

from __future__ import annotations

import importlib.machinery
import pkgutil
from types import ModuleType
from typing import Any

# path -> where its names are ("module" or "module:object"), and which of them, if not all ("new=old" under another name)
PATHS = {
    "lucid._VF": "lucid",
    "lucid.amp.autocast_mode": "lucid.amp",
    "lucid.autograd.anomaly_mode": "lucid.autograd.anomaly detect_anomaly set_detect_anomaly",
    "lucid.autograd.grad_mode": "lucid.core.modes no_grad enable_grad set_grad_enabled inference_mode",
    "lucid.autograd.gradcheck": "lucid.autograd.finite_differences gradcheck gradgradcheck GradcheckError",
    "lucid.autograd.variable": "lucid.autograd Variable",
    "lucid.autograd.profiler": "lucid.profiler.legacy",
    "lucid.backends.mkl": "lucid.backends.switches:mkl",
    "lucid.backends.mkldnn": "lucid.backends.switches:mkldnn",
    "lucid.backends.openmp": "lucid.backends.switches:openmp",
    "lucid.backends.opt_einsum": "lucid.backends.switches:opt_einsum",
    "lucid.cpu.amp": "lucid.amp autocast GradScaler",
    "lucid.einops.layers.torch": "lucid.einops.layers",
    "lucid.functional": "lucid.functions",
    "lucid.jit.annotations": "lucid.jit BroadcastingList1 BroadcastingList2 BroadcastingList3",
    "lucid.nn.parallel.data_parallel": "lucid.nn.parallel DataParallel data_parallel",
    "lucid.nn.parallel.distributed": "lucid.nn.parallel DistributedDataParallel",
    "lucid.optim.adadelta": "lucid.optim Adadelta",
    "lucid.optim.adagrad": "lucid.optim Adagrad",
    "lucid.optim.adamax": "lucid.optim Adamax",
    "lucid.optim.adamw": "lucid.optim AdamW",
    "lucid.optim.asgd": "lucid.optim ASGD",
    "lucid.optim.nadam": "lucid.optim NAdam",
    "lucid.optim.radam": "lucid.optim RAdam",
    "lucid.optim.rmsprop": "lucid.optim RMSprop",
    "lucid.optim.rprop": "lucid.optim Rprop",
    "lucid.optim.sparse_adam": "lucid.optim SparseAdam",
    "lucid.storage": "lucid.functions.storage TypedStorage UntypedStorage",
    "lucid.utils.collect_env": "lucid.info get_env_info=report get_pretty_env_info=report",
    "lucid.utils.data._utils": "lucid.utils.data collate default_collate default_convert",
    "lucid.utils.data._utils.collate": "lucid.utils.data.collate collate default_collate default_convert default_collate_fn_map",
    "lucid.utils.deterministic": "lucid use_deterministic_algorithms",
    "lucid.utils.dlpack": "lucid from_dlpack to_dlpack",
    "lucid.utils.hooks": "lucid.autograd RemovableHandle",
    "lucid.utils.model_zoo": "lucid.hub load_url=load_state_dict_from_url",
}
DISTRIBUTIONS = {
    "categories": "categorical multinomial one_hot_categorical",
    "composite": "independent mixture_same_family",
    "counts": "bernoulli binomial geometric negative_binomial poisson",
    "gammas": "beta chi2 dirichlet exponential fishersnedecor gamma studentT",
    "intervals": "generalized_pareto uniform von_mises",
    "folded": "half_cauchy half_normal",
    "location_scale": "cauchy gumbel laplace normal",
    "matrices": "lkj_cholesky wishart",
    "multivariate_normal": "lowrank_multivariate_normal",
    "relaxed": "continuous_bernoulli relaxed_bernoulli relaxed_categorical",
    "transformed": "inverse_gamma kumaraswamy log_normal logistic_normal pareto transformed_distribution weibull",
}
PATHS |= {
    f"lucid.distributions.{p}": f"lucid.distributions.{f}" for f, all_ in DISTRIBUTIONS.items() for p in all_.split()
}


class _Path(ModuleType):
    """A module that is also the function of its name: once imported, ``lucid.autograd.gradcheck`` is both."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **kwargs)


class _Loader:
    """Fills the module of a path with the names it stands for."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Path(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        place, *names = PATHS[module.__name__].split()
        source = pkgutil.resolve_name(place)
        pairs = [name.split("=") for name in names or vars(source) if not name.startswith("_")]
        module.__dict__.update({pair[0]: getattr(source, pair[-1]) for pair in pairs})


def spec(name: str) -> importlib.machinery.ModuleSpec:
    """How to make the module of a path."""
    has_more = any(path.startswith(f"{name}.") for path in PATHS)
    return importlib.machinery.ModuleSpec(name, _Loader(), is_package=has_more)  # type: ignore[arg-type]
