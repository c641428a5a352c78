"""What the classes of lucid.distributions refuse, how they behave as objects, and whole programs that use them."""

import math
import pickle

import numpy as np
import pytest
import scipy.special
import scipy.stats

import lucid
from distribution_table import T, close, rng
from lucid import distributions as D
from lucid.distributions import constraints
from reference import needs_torch, torch

BAD = [
    lambda d, t: d.Normal(t([0.0]), t([-1.0])),
    lambda d, t: d.Normal(t([math.nan]), 1.0),
    lambda d, t: d.Normal("a", 1.0),
    lambda d, t: d.Uniform(t([1.0]), t([0.0])),
    lambda d, t: d.Bernoulli(t([1.5])),
    lambda d, t: d.Bernoulli(),
    lambda d, t: d.Bernoulli(probs=0.5, logits=0.5),
    lambda d, t: d.Categorical(t(0.5)),
    lambda d, t: d.Categorical(t([-1.0, 2.0])),
    lambda d, t: d.Categorical(logits=t([math.nan, 2.0])),
    lambda d, t: d.Categorical(),
    lambda d, t: d.Dirichlet(t(1.0)),
    lambda d, t: d.Gamma(t([0.0]), 1.0),
    lambda d, t: d.Geometric(0.0),
    lambda d, t: d.Multinomial(t(3), t([0.5, 0.5])),
    lambda d, t: d.MultivariateNormal(t(0.0), t([[1.0]])),
    lambda d, t: d.MultivariateNormal(t([0.0]), t([1.0])),
    lambda d, t: d.MultivariateNormal(t([0.0]), t([[-1.0]])),
    lambda d, t: d.MultivariateNormal(t([0.0]), t([[1.0]]), t([[1.0]])),
    lambda d, t: d.MultivariateNormal(t([0.0, 1.0]), t([[1.0, 0.5], [0.0, 1.0]])),
    lambda d, t: d.LowRankMultivariateNormal(t([0.0]), t([[1.0], [1.0]]), t([1.0])),
    lambda d, t: d.Wishart(t(0.5), t([[1.0, 0.0], [0.0, 1.0]])),
    lambda d, t: d.Wishart(t(3.0)),
    lambda d, t: d.LKJCholesky(1),
    lambda d, t: d.Normal(0.0, 1.0).log_prob(0.0),
    lambda d, t: d.Normal(0.0, 1.0).log_prob(t(math.nan)),
    lambda d, t: d.Normal(t([0.0, 1.0]), 1.0).log_prob(t([1.0, 2.0, 3.0])),
    lambda d, t: d.Categorical(t([0.5, 0.5])).log_prob(t(2)),
    lambda d, t: d.Bernoulli(0.5).log_prob(t(0.5)),
    lambda d, t: d.Exponential(1.0).log_prob(t(-1.0)),
    lambda d, t: d.Dirichlet(t([1.0, 1.0])).log_prob(t([0.5, 0.6])),
    lambda d, t: d.MultivariateNormal(t([0.0, 0.0]), t([[1.0, 0.0], [0.0, 1.0]])).log_prob(t([0.0])),
    lambda d, t: d.Binomial(t([2, 3]), t([0.5, 0.5])).enumerate_support(),
    lambda d, t: d.Normal(0.0, 1.0).enumerate_support(),
    lambda d, t: d.Categorical(t([0.5, 0.5])).rsample(),
    lambda d, t: d.ExpTransform(cache_size=2),
    lambda d, t: d.AbsTransform().log_abs_det_jacobian(t(1.0), t(1.0)),
    lambda d, t: d.biject_to(d.constraints.positive_definite),
    lambda d, t: d.transform_to.register(3, int),
    lambda d, t: d.constraints.dependent.check(t(1.0)),
    lambda d, t: d.ReshapeTransform((2,), (3,)),
    lambda d, t: d.Distribution.set_default_validate_args("yes"),
    lambda d, t: d.utils.vec_to_tril_matrix(t([1.0, 2.0])),
]


@needs_torch
@pytest.mark.parametrize("number", range(len(BAD)))
def test_errors_are_those_of_torch(number):
    with pytest.raises(Exception) as theirs:
        BAD[number](T, torch.tensor)
    with pytest.raises(theirs.type):
        BAD[number](D, lucid.tensor)


def test_validation_can_be_turned_off():
    assert D.Normal(0.0, -1.0, validate_args=False).scale == -1
    d = D.Exponential(1.0, validate_args=False)
    assert d.expand((2,)).log_prob(lucid.tensor(-1.0)).shape == (2,)
    try:
        D.Distribution.set_default_validate_args(False)
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match=r"Expected parameter scale \(Tensor of shape \(\)\) of distribution Normal"):
        D.Normal(0.0, -1.0)


CHECKS = {
    "boolean": [0.0, 1.0, 0.5],
    "one_hot": [[0.0, 1.0], [1.0, 1.0], [0.5, 0.5]],
    "nonnegative_integer": [0.0, -1.0, 1.5],
    "positive_integer": [0.0, 1.0],
    "real": [0.0, math.nan, math.inf],
    "real_vector": [[0.0, 1.0], [math.nan, 0.0]],
    "positive": [0.0, 1.0],
    "nonnegative": [0.0, -1.0],
    "unit_interval": [0.0, 1.0, 1.1],
    "simplex": [[0.5, 0.5], [0.5, 0.6], [-0.5, 1.5]],
    "lower_triangular": [[[1.0, 0.0], [1.0, -1.0]], [[1.0, 1.0], [0.0, 1.0]]],
    "lower_cholesky": [[[1.0, 0.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, -1.0]]],
    "corr_cholesky": [[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.5, 0.8]]],
    "square": [[[1.0, 2.0], [3.0, 4.0]]],
    "symmetric": [[[1.0, 2.0], [2.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]],
    "positive_semidefinite": [[[1.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [2.0, 1.0]]],
    "positive_definite": [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]]],
    "integer_interval(0, 2)": [0.0, 2.0, 3.0, 0.5],
    "half_open_interval(0.0, 1.0)": [0.0, 1.0],
    "interval(-1.0, 1.0)": [-1.0, 1.0, 2.0],
    "greater_than(1.0)": [1.0, 2.0],
    "greater_than_eq(1.0)": [1.0, 0.0],
    "less_than(1.0)": [1.0, 0.0],
    "multinomial(2)": [[1.0, 1.0], [2.0, 1.0], [-1.0, 2.0]],
    "independent(positive, 1)": [[1.0, 2.0], [1.0, 0.0]],
    "cat([positive, real], -1, [1, 1])": [[1.0, -1.0], [-1.0, 1.0]],
    "stack([positive, real], -1)": [[1.0, -1.0], [-1.0, 1.0]],
}


@needs_torch
@pytest.mark.parametrize("expression", CHECKS)
def test_constraints(expression):
    ours, theirs = (eval(expression, vars(m).copy()) for m in (constraints, T.constraints))
    data = CHECKS[expression]
    close(ours.check(lucid.tensor(data)), theirs.check(torch.tensor(data)), expression)
    assert repr(ours) == repr(theirs)
    assert (ours.is_discrete, ours.event_dim) == (theirs.is_discrete, theirs.event_dim)


# ---- subclasses, other behaviour ----


def test_subclasses():
    class Shifted(D.Normal):
        def __init__(self, loc, scale, shift):
            self.shift = shift
            super().__init__(loc, scale)

        def log_prob(self, value):
            return super().log_prob(value - self.shift)

    class Own(D.Distribution):
        arg_constraints = {}

        def rsample(self, sample_shape=()):
            return lucid.zeros(self._extended_shape(sample_shape))

    with pytest.raises(NotImplementedError, match="custom .expand"):
        Shifted(0.0, 1.0, 2.0).expand((3,))
    own = Own((2,), (3,))
    assert own.sample((4,)).shape == (4, 2, 3)
    for missing in ("mean", "variance", "mode", "support"):
        with pytest.raises(NotImplementedError):
            getattr(own, missing)
    with pytest.warns(UserWarning, match="does not define `support`"):
        own._validate_sample(lucid.zeros(2, 3))
    with pytest.warns(FutureWarning):
        assert D.Normal(0, 1).sample_n(3).shape == (3,)
    assert float(D.Bernoulli(0.5).perplexity()) == pytest.approx(2)


def test_caches_pickles_and_module_paths():
    from lucid.distributions.categorical import Categorical
    from lucid.distributions.kl import kl_divergence
    from lucid.distributions.multivariate_normal import MultivariateNormal
    from lucid.distributions.utils import broadcast_all

    assert (Categorical, kl_divergence, MultivariateNormal) == (D.Categorical, D.kl_divergence, D.MultivariateNormal)
    assert broadcast_all(1, 2)[0].dtype is lucid.float32
    d = pickle.loads(
        pickle.dumps(D.TransformedDistribution(D.Normal(0.0, 1.0), [D.ExpTransform().inv, D.TanhTransform(1)]))
    )
    assert d.transforms[0] == D.ExpTransform().inv != D.ExpTransform()
    with lucid.no_grad():
        b = D.Bernoulli(logits=lucid.zeros(2, requires_grad=True))
        assert b.probs.requires_grad  # computed once, and differentiable for later uses


# ---- whole programs ----


def test_reinforce_learns_a_bandit():
    lucid.manual_seed(0)
    logits = lucid.zeros(3, requires_grad=True)
    opt = lucid.optim.Adam([logits], lr=0.1)
    for _ in range(60):
        policy = D.Categorical(logits=logits)
        action = policy.sample((32,))
        reward = (action == 2).float()
        loss = -(policy.log_prob(action) * (reward - reward.mean())).mean() - 0.001 * policy.entropy()
        opt.zero_grad()
        loss.backward()
        opt.step()
    assert float(D.Categorical(logits=logits).probs[2]) > 0.9


def test_tanh_policy_of_soft_actor_critic():
    """The squashed density by TransformedDistribution and by the formula that SAC programs write out."""
    lucid.manual_seed(0)
    mean, log_std = lucid.randn(5, 2, requires_grad=True), lucid.zeros(5, 2, requires_grad=True)
    base = D.Normal(mean, log_std.exp())
    squashed = D.TransformedDistribution(D.Independent(base, 1), [D.TanhTransform(cache_size=1)])
    action = squashed.rsample()
    x = squashed.transforms[0].inv(action)
    by_hand = (base.log_prob(x) - lucid.log(1 - action.pow(2) + 1e-7)).sum(-1)
    np.testing.assert_allclose(squashed.log_prob(action).detach().numpy(), by_hand.detach().numpy(), atol=1e-3)
    squashed.log_prob(action).mean().backward()
    assert bool(mean.grad.isfinite().all()) and bool((log_std.grad != 0).all())


def test_a_mixture_is_fitted():
    g = rng("fit")
    data = lucid.tensor(np.where(g.random(400) < 0.3, g.normal(-2, 0.5, 400), g.normal(3, 1.0, 400)))
    weights = lucid.zeros(2, dtype=lucid.float64, requires_grad=True)
    loc = lucid.tensor([-1.0, 1.0], dtype=lucid.float64, requires_grad=True)
    raw = lucid.zeros(2, dtype=lucid.float64, requires_grad=True)
    opt = lucid.optim.Adam([weights, loc, raw], lr=0.1)
    for _ in range(120):
        scale = D.transform_to(constraints.positive)(raw)
        mixture = D.MixtureSameFamily(D.Categorical(logits=weights), D.Normal(loc, scale))
        opt.zero_grad()
        (-mixture.log_prob(data).mean()).backward()
        opt.step()
    np.testing.assert_allclose(loc.detach().numpy(), [-2, 3], atol=0.2)
    np.testing.assert_allclose(D.Categorical(logits=weights).probs.detach().numpy(), [0.3, 0.7], atol=0.07)


def test_vmap_and_grad_of_log_prob():
    x = lucid.tensor([0.5, 1.0])
    by_func = lucid.func.grad(lambda loc: D.Normal(loc, 1.0, validate_args=False).log_prob(x).sum())(lucid.tensor(0.0))
    assert float(by_func) == pytest.approx(1.5)
    one = lucid.vmap(lambda loc, v: D.Normal(loc, 1.0, validate_args=False).log_prob(v))(lucid.zeros(2), x)
    np.testing.assert_allclose(one.numpy(), scipy.stats.norm.logpdf([0.5, 1.0]), rtol=1e-6)


@pytest.mark.parametrize("dtype", [lucid.float32, lucid.float64])
def test_small_concentrations_draw_from_the_open_interval(dtype):
    """At 0 and 1 the density is infinite; PyTorch draws neither."""
    a = lucid.tensor(1e-2, dtype=dtype)
    for d in (lucid.distributions.Beta(a, a), lucid.distributions.Dirichlet(a.expand(3))):
        x = d.sample((2000,))
        assert bool(((x > 0) & (x < 1)).all())
        assert bool(d.log_prob(x).isfinite().all()) and float(x.amax()) > 0.99
