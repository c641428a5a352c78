"""What the graph shows of itself: names of nodes, edges, and the warning of ``.grad`` where none will come."""

import warnings

import pytest

import lucid
import lucid.nn.functional as F
from lucid.autograd.graph import get_gradient_edge

X = lucid.rand(4, 4).add(0.1).requires_grad_()
V = lucid.rand(4).requires_grad_()
IMAGE = lucid.rand(2, 4, 8, 8).requires_grad_()
ROWS = lucid.tensor([0, 2])
# Names as PyTorch 2.13 gives them.
NAMES = {
    "unsqueeze": (lambda: X.unsqueeze(0), "UnsqueezeBackward0"),
    "squeeze": (lambda: X.unsqueeze(0).squeeze(0), "SqueezeBackward1"),
    "view": (lambda: X.view(16), "ViewBackward0"),
    "pow": (lambda: X**2, "PowBackward0"),
    "pow_tensor": (lambda: X**X, "PowBackward1"),
    "pow_scalar_base": (lambda: 2**X, "PowBackward2"),
    "amax": (lambda: X.amax(), "AmaxBackward0"),
    "max": (lambda: X.max(), "MaxBackward1"),
    "lerp": (lambda: X.lerp(X, 0.5), "LerpBackward0"),
    "addcmul": (lambda: X.addcmul(X, X), "AddcmulBackward0"),
    "addmm": (lambda: lucid.addmm(X, X, X), "AddmmBackward0"),
    "dot": (lambda: V.dot(V), "DotBackward0"),
    "mv": (lambda: X.mv(V), "MvBackward0"),
    "roll": (lambda: X.roll(1), "RollBackward0"),
    "repeat": (lambda: V.repeat(2), "RepeatBackward0"),
    "median": (lambda: X.median(0).values, "MedianBackward1"),
    "kthvalue": (lambda: X.kthvalue(1).values, "KthvalueBackward0"),
    "cummax": (lambda: X.cummax(0).values, "CummaxBackward0"),
    "index_select": (lambda: X.index_select(0, ROWS), "IndexSelectBackward0"),
    "index_add": (lambda: X.index_add(0, ROWS, X[:2]), "IndexAddBackward0"),
    "embedding": (lambda: F.embedding(ROWS, X), "EmbeddingBackward0"),
    "layer_norm": (lambda: F.layer_norm(X, (4,)), "NativeLayerNormBackward0"),
    "batch_norm": (lambda: F.batch_norm(IMAGE, None, None, training=True), "NativeBatchNormBackward0"),
    "group_norm": (lambda: F.group_norm(IMAGE, 2, V, V), "NativeGroupNormBackward0"),
    "nearest": (lambda: F.interpolate(IMAGE, scale_factor=2), "UpsampleNearest2DBackward0"),
    "bilinear": (lambda: F.interpolate(IMAGE, size=5, mode="bilinear"), "UpsampleBilinear2DBackward0"),
    "adaptive": (lambda: F.adaptive_avg_pool2d(IMAGE, 2), "AdaptiveAvgPool2DBackward0"),
    "mish": (lambda: F.mish(X), "MishBackward0"),
    "hardsigmoid": (lambda: F.hardsigmoid(X), "HardsigmoidBackward0"),
    "glu": (lambda: F.glu(X), "GluBackward0"),
    "prelu": (lambda: F.prelu(X, V[:1]), "PreluKernelBackward0"),
    "split": (lambda: X.split(2)[0], "SplitBackward0"),
    "chunk": (lambda: X.chunk(2)[1], "SplitBackward0"),
    "split_sizes": (lambda: X.split([1, 3])[0], "SplitWithSizesBackward0"),
    "unbind": (lambda: X.unbind()[2], "UnbindBackward0"),
}


@pytest.mark.parametrize("case", NAMES)
def test_nodes_have_the_names_of_pytorch(case):
    make, name = NAMES[case]
    out = make()
    assert type(out.grad_fn).__name__ == out.grad_fn.name() == name
    out.sum().backward()  # the name changes nothing else


def test_an_input_given_back_keeps_its_name():
    y = IMAGE * 1.0
    F.interpolate(y, size=8, mode="bilinear")
    F.adaptive_avg_pool2d(y, 8)
    assert y.grad_fn.name() == "MulBackward0"


def test_the_leaf_node_is_accumulate_grad():
    node = (X * 2).grad_fn.next_functions[0][0]
    assert type(node).__name__ == node.name() == "AccumulateGrad" and node.variable is X


def test_an_edge_is_a_named_tuple():
    x = lucid.ones(3, requires_grad=True)
    y = x * 2
    edge = get_gradient_edge(y)
    node, output_nr, _ = edge
    assert node is edge.node and output_nr == edge.output_nr == 0
    assert lucid.autograd.grad(y.sum(), edge)[0].tolist() == [1.0, 1.0, 1.0]
    assert lucid.autograd.grad(get_gradient_edge((y * y).sum()), x)[0].tolist() == [8.0, 8.0, 8.0]


def test_grad_of_a_tensor_that_keeps_none_warns():
    x = lucid.ones(3, requires_grad=True)
    y = x * 2
    with pytest.warns(UserWarning, match="attribute of a Tensor that is not a leaf Tensor is being accessed"):
        assert y.grad is None
    y.retain_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert y.grad is None and x.grad is None and lucid.ones(2).grad is None
        y.sum().backward()
        assert y.grad is not None


def test_pieces_know_their_number_and_cannot_be_written_to():
    x = lucid.arange(6.0).reshape(3, 2).requires_grad_()
    y = x * 1
    assert [p.output_nr for p in y.unbind()] == [0, 1, 2] and [p.output_nr for p in y.split(2)] == [0, 1]
    for piece in (y.unbind()[1], y.chunk(3)[1], y.unbind()[1].view(2)):
        with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
            piece.add_(1)
    with lucid.no_grad():
        x.unbind()[0].add_(1)
        lucid.chunk(y, 3)[0].zero_()
    assert x[0].tolist() == [1.0, 2.0]
    free = lucid.zeros(3, 2)
    free.unbind()[0].add_(1)
    assert free.sum().item() == 2
    first = y.select(0, 0)
    first.add_(1)  # one output: as ever
    y.sum().backward()


def test_strict_jvp_and_vectorized_jacobians_check_the_function():
    from lucid.autograd import functional

    a, b = lucid.ones(2), lucid.ones(2)
    with pytest.raises(RuntimeError, match="independent of input 1"):
        functional.jvp(lambda x, y: x * 2, (a, b), (a, b), strict=True)
    assert functional.jvp(lambda x, y: x * y, (a, b), (a, b), strict=True)[1].tolist() == [2.0, 2.0]
    for strategy in ("reverse-mode", "forward-mode"):
        with pytest.raises(TypeError, match="must be either a Tensor or a tuple of Tensors"):
            functional.jacobian(lambda x: 3, a, vectorize=True, strategy=strategy)
