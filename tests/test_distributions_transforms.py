"""Transforms of lucid.distributions, and what is built of them, beside torch's."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

import lucid
from distribution_table import KINDS, T, close, rng
from lucid import distributions as D
from reference import needs_torch, torch


def transforms(lib):
    t = torch.tensor if lib is T else lucid.tensor
    c = lib.constraints
    two = t([2.0, -0.5], dtype=torch.float64 if lib is T else lucid.float64)
    made = {
        "exp": (lib.ExpTransform(), "real", (2,)),
        "abs": (lib.AbsTransform(), "real", (2,)),
        "power": (lib.PowerTransform(two), "positive", (2,)),
        "sigmoid": (lib.SigmoidTransform(), "real", (2,)),
        "softplus": (lib.SoftplusTransform(), "real", (2,)),
        "tanh": (lib.TanhTransform(), "real", (2,)),
        "affine": (lib.AffineTransform(0.5, -2.0), "real", (2,)),
        "affine tensors": (lib.AffineTransform(two, two), "real", (2,)),
        "affine event": (lib.AffineTransform(0.5, two, event_dim=1), "real", (2,)),
        "affine event number": (lib.AffineTransform(0.5, 3.0, event_dim=2), "real", (3, 2)),
        "softmax": (lib.SoftmaxTransform(), "real", (3,)),
        "stick breaking": (lib.StickBreakingTransform(), "real", (3,)),
        "lower cholesky": (lib.LowerCholeskyTransform(), "real", (3, 3)),
        "positive definite": (lib.PositiveDefiniteTransform(), "real", (3, 3)),
        "corr cholesky": (lib.CorrCholeskyTransform(), "real", (6,)),
        "cdf": (lib.CumulativeDistributionTransform(lib.Normal(two, two.abs())), "real", (2,)),
        "reshape": (lib.ReshapeTransform((4,), (2, 2)), "real", (4,)),
        "independent": (lib.IndependentTransform(lib.ExpTransform(), 1), "real", (3,)),
        "compose": (lib.ComposeTransform([lib.AffineTransform(1.0, 2.0), lib.StickBreakingTransform()]), "real", (3,)),
        "compose down": (
            lib.ComposeTransform([lib.StickBreakingTransform(), lib.StickBreakingTransform().inv, lib.TanhTransform()]),
            "real",
            (3,),
        ),
        "identity": (lib.transforms.identity_transform, "real", (2,)),
        "cat": (lib.CatTransform([lib.ExpTransform(), lib.TanhTransform()], dim=-1, lengths=[1, 2]), "real", (3,)),
        "cat events": (
            lib.CatTransform([lib.StickBreakingTransform(), lib.StickBreakingTransform()], dim=0, lengths=[1, 1]),
            "real",
            (3,),
        ),
        "stack": (lib.StackTransform([lib.ExpTransform(), lib.SigmoidTransform()], dim=-1), "real", (2,)),
        "biject positive": (lib.biject_to(c.positive), "real", (2,)),
        "biject less": (lib.biject_to(c.less_than(2.0)), "real", (2,)),
        "biject interval": (lib.biject_to(c.interval(-1.0, 3.0)), "real", (2,)),
        "biject unit": (lib.biject_to(c.unit_interval), "real", (2,)),
        "biject simplex": (lib.biject_to(c.simplex), "real", (2,)),
        "to simplex": (lib.transform_to(c.simplex), "real", (2,)),
        "to vectors": (lib.transform_to(c.independent(c.positive, 1)), "real", (2,)),
        "to lower cholesky": (lib.transform_to(c.lower_cholesky), "real", (2, 2)),
        "to corr cholesky": (lib.transform_to(c.corr_cholesky), "real", (3,)),
        "to cat": (lib.transform_to(c.cat([c.positive, c.real], -1, [1, 2])), "real", (3,)),
        "to stack": (lib.biject_to(c.stack([c.positive, c.real], -1)), "real", (2,)),
    }
    return made


def same_or_missing(ours, theirs, what, *args):
    """Equal values, or NotImplementedError from both."""
    try:
        expected = theirs(*args[1::2])
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            ours(*args[::2])
        return
    close(ours(*args[::2]), expected, what, rtol=1e-8)


@needs_torch
@pytest.mark.parametrize("name", list(transforms(D)))
def test_transforms(name):
    ours, kind, event = transforms(D)[name]
    theirs, *_ = transforms(T)[name]
    array = KINDS[kind](rng(name), (2, *event))
    x, x_ = lucid.tensor(array), torch.tensor(array)
    y, y_ = ours(x), theirs(x_)
    close(y, y_, "forward")
    if name != "cdf":  # torch has no inverse beyond what rounding leaves
        same_or_missing(ours.inv, theirs.inv, "inverse", y, y_)
    same_or_missing(ours.log_abs_det_jacobian, theirs.log_abs_det_jacobian, "jacobian", x, x_, y, y_)
    same_or_missing(ours.inv.log_abs_det_jacobian, theirs.inv.log_abs_det_jacobian, "inverse", y, y_, x, x_)
    assert ours.bijective == theirs.bijective and repr(ours) == repr(theirs)
    assert (ours.domain.event_dim, ours.codomain.event_dim) == (theirs.domain.event_dim, theirs.codomain.event_dim)
    assert ours.inv.inv is ours and bool(ours.codomain.check(y).all()) == bool(theirs.codomain.check(y_).all())
    assert tuple(ours.forward_shape(x.shape)) == tuple(theirs.forward_shape(x_.shape))
    assert tuple(ours.inverse_shape(y.shape)) == tuple(theirs.inverse_shape(y_.shape))
    cached = ours.with_cache()
    assert ours.with_cache(0) is ours
    if name not in ("identity", "abs", "softmax"):
        z = cached(x)
        assert cached.inv(z) is x or isinstance(cached, D.ComposeTransform | D.IndependentTransform)


@pytest.mark.parametrize("name", ["exp", "power", "sigmoid", "softplus", "tanh", "affine", "cdf"])
def test_jacobians_are_those_of_autograd(name):
    t, kind, event = transforms(D)[name]
    x = lucid.tensor(KINDS[kind](rng(name, 1), (3, *event)), requires_grad=True)
    y = t(x)
    (g,) = lucid.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(t.log_abs_det_jacobian(x, y).detach().numpy(), np.log(np.abs(g.numpy())), rtol=1e-8)


@pytest.mark.parametrize("name", ["stick breaking", "corr cholesky"])
def test_jacobians_of_vectors(name):
    """The determinant of the free coordinates: all parts but the last, the entries below the diagonal."""
    t, _, (n,) = transforms(D)[name]
    x = lucid.tensor(rng(name, 2).normal(size=n))

    def free(x):
        y = t(x)
        return y[:-1] if y.ndim == 1 else D.utils.tril_matrix_to_vec(y, -1)

    jacobian = lucid.func.jacrev(free)(x)
    expected = np.linalg.slogdet(jacobian.numpy())[1]
    assert float(t.log_abs_det_jacobian(x, t(x))) == pytest.approx(expected, rel=1e-8)


@needs_torch
def test_transformed_distributions():
    array = rng("transformed").normal(size=(4, 3))
    for build in (
        lambda d, t: d.TransformedDistribution(d.Normal(t([0.0, 1.0, 2.0]), 1.5), [d.TanhTransform()]),
        lambda d, t: d.TransformedDistribution(d.Normal(t([0.0, 1.0, 2.0]), 1.0), d.AffineTransform(1.0, -2.0)),
        lambda d, t: d.TransformedDistribution(d.Normal(0.0, 1.0), d.AffineTransform(t([1.0, 2.0, 3.0]), 2.0)),
        lambda d, t: d.TransformedDistribution(d.Independent(d.Normal(t([0.0, 1.0, 2.0]), 1.0), 1), [d.ExpTransform()]),
        lambda d, t: d.TransformedDistribution(d.Normal(t([0.0, 1.0]), 1.0), [d.StickBreakingTransform()]),
        lambda d, t: d.TransformedDistribution(d.Uniform(t([0.0]), 1.0), []),
    ):
        ours, theirs = build(D, lucid.tensor), build(T, torch.tensor)
        assert (ours.batch_shape, ours.event_shape) == (tuple(theirs.batch_shape), tuple(theirs.event_shape))
        assert repr(ours.support) == repr(theirs.support)
        torch.manual_seed(0)
        x = theirs.sample((4,))
        close(ours.log_prob(lucid.tensor(x.numpy())), theirs.log_prob(x), "log_prob", rtol=1e-4, atol=1e-5)
        wide = ours.expand((5, *ours.batch_shape))
        assert wide.rsample().shape == (5, *ours.batch_shape, *ours.event_shape)
        if not ours.event_shape and ours.transforms:
            u = lucid.tensor(scipy.special.expit(array[:, : ours.batch_shape[0]]), dtype=lucid.float32)
            close(ours.icdf(u), theirs.icdf(torch.tensor(u.numpy())), "icdf", rtol=1e-4, atol=1e-5)
            close(ours.cdf(ours.icdf(u)), torch.tensor(u.numpy()), "cdf", rtol=1e-3, atol=1e-4)
    for bad in (3, [D.ExpTransform(), 3]):
        with pytest.raises(ValueError):
            D.TransformedDistribution(D.Normal(0, 1), bad)
    with pytest.raises(ValueError):
        D.TransformedDistribution(D.Normal(0, 1), D.StickBreakingTransform())


@needs_torch
def test_mixtures():
    g = rng("mixture")
    logits, loc, scale = g.normal(size=(2, 3)), g.normal(size=(2, 3, 2)), g.uniform(0.5, 2, (2, 3, 2))
    for vector, x in ((False, g.normal(size=(5, 2))), (True, g.normal(size=(5, 2, 2)))):
        made = []
        for d, t in ((D, lucid.tensor), (T, torch.tensor)):
            parts = (
                d.Independent(d.Normal(t(loc), t(scale)), 1) if vector else d.Normal(t(loc[..., 0]), t(scale[..., 0]))
            )
            made.append(d.MixtureSameFamily(d.Categorical(logits=t(logits)), parts))
        ours, theirs = made
        close(ours.log_prob(lucid.tensor(x)), theirs.log_prob(torch.tensor(x)), "log_prob")
        close(ours.mean, theirs.mean, "mean")
        close(ours.variance, theirs.variance, "variance")
        if not vector:
            close(ours.cdf(lucid.tensor(x)), theirs.cdf(torch.tensor(x)), "cdf")
        assert repr(ours.support) == repr(theirs.support)
        lucid.manual_seed(0)
        s = ours.expand((4, 2)).sample((1000,))
        assert s.shape == (1000, 4, 2, *ours.event_shape)
        error = (ours.variance / 4000).sqrt()
        assert bool(((s.mean((0, 1)) - ours.mean).abs() < 5 * error).all())
    c, n = D.Categorical(lucid.ones(3)), D.Normal(lucid.zeros(2), 1.0)
    for bad in ((n, n), (c, c.probs), (c, n), (D.Categorical(lucid.ones(3, 2)), D.Normal(lucid.zeros(4, 2), 1.0))):
        with pytest.raises(ValueError):
            D.MixtureSameFamily(*bad)


@needs_torch
def test_independent():
    loc = rng("independent").normal(size=(2, 3))
    for n in range(3):
        ours = D.Independent(D.Normal(lucid.tensor(loc), 1.0), n)
        theirs = T.Independent(T.Normal(torch.tensor(loc), 1.0), n)
        assert (ours.batch_shape, ours.event_shape) == (tuple(theirs.batch_shape), tuple(theirs.event_shape))
        close(ours.log_prob(lucid.zeros(4, 2, 3)), theirs.log_prob(torch.zeros(4, 2, 3)), "log_prob")
        close(ours.entropy(), theirs.entropy(), "entropy")
        assert ours.expand((5, *ours.batch_shape)).batch_shape == (5, *ours.batch_shape)
        assert repr(ours).replace("lucid.", "") == repr(theirs).replace("torch.", "")
    with pytest.raises(ValueError):
        D.Independent(D.Normal(0, 1), 1)
    with pytest.raises(NotImplementedError):
        D.Independent(D.Bernoulli(lucid.ones(2)), 1).enumerate_support()
