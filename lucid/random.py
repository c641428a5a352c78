"""Random number generators (``torch.random``), and drawing under the names that Lucid 2 had here."""

from .core.device import device as _device
from .functions.distributions import bernoulli, multinomial, normal, poisson, uniform
from .functions.random import (
    Generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    rand,
    randint,
    randn,
    randperm,
    seed,
    set_rng_state,
)
from .functions.random import (
    default_generator as _default_generator,
)

permutation = randperm
get_seed = initial_seed
default_generator = _default_generator(_device("cpu"))
__all__ = [
    "Generator", "bernoulli", "default_generator", "fork_rng", "get_rng_state", "get_seed", "initial_seed", "manual_seed", "multinomial",
    "normal", "permutation", "poisson", "rand", "randint", "randn", "randperm", "seed", "set_rng_state", "uniform",
]  # fmt: skip
