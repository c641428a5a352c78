"""Shape functions against torch: values, gradients, errors; views stay views."""

import itertools

import numpy as np
import pytest

import lucid
from against_torch import check, draw
from reference import needs_torch, torch

X = (2, 3, 4)
PROGRAMS = {
    # reshaping
    "reshape": lambda L, x: x.reshape(4, -1),
    "view": lambda L, x: x.view(6, 4),
    "view_as": lambda L, x: x.view_as(L.zeros(4, 6)),
    "flatten": lambda L, x: L.flatten(x, 1),
    "flatten all": lambda L, x: x.flatten(),
    "unflatten": lambda L, x: x.unflatten(2, (2, -1)),
    "ravel": lambda L, x: L.ravel(x),
    "squeeze dims": lambda L, x: x.unsqueeze(0).unsqueeze(-1).squeeze((0, 1, -1)),
    "unsqueeze": lambda L, x: x.unsqueeze(-2),
    # order of dimensions
    "permute": lambda L, x: x.permute(2, 0, 1),
    "permute negative": lambda L, x: L.permute(x, (-1, 0, -2)),
    "transpose": lambda L, x: x.transpose(0, -1),
    "swapaxes": lambda L, x: L.swapaxes(x, 0, 1),
    "swapdims": lambda L, x: x.swapdims(0, 1),
    "movedim": lambda L, x: x.movedim((0, 1), (-1, 0)),
    "moveaxis": lambda L, x: L.moveaxis(x, 0, 2),
    "mT": lambda L, x: x.mT,
    "mH": lambda L, x: x.mH,
    "T": lambda L, x: x[0].T,
    "H": lambda L, x: x[0].H,
    "t": lambda L, x: x[0].t(),
    "adjoint": lambda L, x: x.adjoint(),
    # repeating
    "expand": lambda L, x: x.unsqueeze(0).expand(5, -1, 3, 4),
    "expand_as": lambda L, x: x[0].expand_as(L.zeros(2, 3, 4)),
    "broadcast_to": lambda L, x: L.broadcast_to(x, (5, 2, 3, 4)),
    "repeat": lambda L, x: x.repeat(2, 1, 3),
    "repeat longer": lambda L, x: x.repeat(2, 1, 1, 2),
    "repeat none": lambda L, x: x.repeat(1, 0, 2),
    "tile": lambda L, x: L.tile(x, (2,)),
    "tile method": lambda L, x: x.tile(2, 1, 1, 1),
    "repeat_interleave": lambda L, x: L.repeat_interleave(x, 2),
    "repeat_interleave dim": lambda L, x: x.repeat_interleave(3, dim=1),
    "repeat_interleave each": lambda L, x: x.repeat_interleave(L.tensor([2, 0, 1]), dim=1),
    "repeat_interleave one": lambda L, x: x.repeat_interleave(L.tensor([2]), dim=-1),
    # turning
    "flip": lambda L, x: x.flip(0, 2),
    "flip negative": lambda L, x: L.flip(x, (-1,)),
    "fliplr": lambda L, x: L.fliplr(x),
    "flipud": lambda L, x: L.flipud(x),
    "roll": lambda L, x: x.roll(5),
    "roll dims": lambda L, x: x.roll((1, -2), (0, 2)),
    "roll twice": lambda L, x: x.roll((1, 1), (2, 2)),
    "rot90": lambda L, x: L.rot90(x, 1, (1, 2)),
    "rot90 -1": lambda L, x: L.rot90(x, -1, (0, 1)),
    "rot90 2": lambda L, x: x.rot90(2, (0, 2)),
    # joining
    "cat": lambda L, x: L.cat([x, x * 2], 1),
    "cat empty": lambda L, x: L.cat([L.zeros(0, dtype=x.dtype), x], -1),
    "stack": lambda L, x: L.stack((x, x), -1),
    "hstack": lambda L, x: L.hstack((x, x)),
    "vstack": lambda L, x: L.vstack((x[0, 0], x[0, 1])),
    "row_stack": lambda L, x: L.row_stack((x[0, 0], x[0, 1])),
    "dstack": lambda L, x: L.dstack((x[0], x[1])),
    "column_stack": lambda L, x: L.column_stack((x[0, :, 0], x[0])),
    "block_diag": lambda L, x: L.block_diag(x[0], x[1, 0], x[0, 0, 0]),
    # splitting
    "split": lambda L, x: x.split(3, 2),
    "split sizes": lambda L, x: L.split(x, [1, 3], -1),
    "chunk": lambda L, x: L.chunk(x, 3, 2),
    "unsafe_chunk": lambda L, x: x.unsafe_chunk(2, 2),
    "tensor_split": lambda L, x: L.tensor_split(x, 3, 2),
    "tensor_split at": lambda L, x: x.tensor_split((1, 3), dim=2),
    "tensor_split beyond": lambda L, x: x.tensor_split((2, 1, 9), dim=2),
    "hsplit": lambda L, x: L.hsplit(x, 3),
    "vsplit": lambda L, x: x.vsplit([1]),
    "dsplit": lambda L, x: L.dsplit(x, 2),
    "unbind": lambda L, x: x.unbind(1),
    "select": lambda L, x: x.select(1, -1),
    "narrow": lambda L, x: x.narrow(2, 1, 2),
    "narrow tensor": lambda L, x: L.narrow(x, 2, L.tensor(-3), 2),
    # diagonals and triangles
    "diagonal": lambda L, x: L.diagonal(x, 1, 1, 2),
    "diagonal below": lambda L, x: x.diagonal(-1, 0, -1),
    "linalg.diagonal": lambda L, x: L.linalg.diagonal(x, offset=1),
    "diag": lambda L, x: L.diag(x[0], 1),
    "diag vector": lambda L, x: L.diag(x[0, 0], -1),
    "diag_embed": lambda L, x: L.diag_embed(x),
    "diag_embed dims": lambda L, x: L.diag_embed(x, 1, 0, 2),
    "diagflat": lambda L, x: L.diagflat(x, -1),
    "diagonal_scatter": lambda L, x: (
        L.diagonal_scatter(x, x[:, :2, 0] * 2, 1, 1, 2) if False else L.diagonal_scatter(x[0], x[0, :, 0] * 2)
    ),
    "fill_diagonal_": lambda L, x: (x[0] * 1).fill_diagonal_(5.0),
    "tril": lambda L, x: x.tril(),
    "tril k": lambda L, x: L.tril(x, 1),
    "triu": lambda L, x: L.triu(x, -1),
    "triu_": lambda L, x: (x * 1).triu_(1),
    # windows and strides
    "unfold": lambda L, x: x.unfold(2, 2, 1),
    "unfold apart": lambda L, x: x.unfold(1, 1, 2),
    "as_strided": lambda L, x: L.as_strided(x, (2, 2), (3, 1)),
    "as_strided overlap": lambda L, x: x.as_strided((4, 3), (1, 2), 5),
    "as_strided of a view": lambda L, x: x[1].as_strided((2, 2), (1, 4)),
    "as_strided of transposed": lambda L, x: x.mT.as_strided((3, 2), (2, 1), 1),
    # grids
    "meshgrid ij": lambda L, x: L.meshgrid(x[0, 0], x[0, :, 0], indexing="ij"),
    "meshgrid xy": lambda L, x: L.meshgrid(x[0, 0], x[0, :, 0], x[:, 0, 0], indexing="xy"),
    "cartesian_prod": lambda L, x: L.cartesian_prod(x[0, 0], x[0, :, 0]),
    "combinations": lambda L, x: L.combinations(x[0, 0]),
    "combinations 3": lambda L, x: L.combinations(x[0, 0], 3, True),
    "atleast_1d": lambda L, x: L.atleast_1d(x[0, 0, 0]),
    "atleast_2d": lambda L, x: L.atleast_2d(x[0, 0], x[0], x[0, 0, 0]),
    "atleast_3d": lambda L, x: L.atleast_3d(x[0, 0], x[0], x, x[0, 0, 0]),
    "broadcast_tensors": lambda L, x: L.broadcast_tensors(x, x[0, 0]),
    # in place
    "unsqueeze_": lambda L, x: (x * 1).unsqueeze_(1) * 2,
    "squeeze_": lambda L, x: (x[:1] * 1).squeeze_() * 2,
    "transpose_": lambda L, x: (x * 1).transpose_(0, 2) * 2,
    "t_": lambda L, x: (x[0] * 1).t_() * 2,
    "swapaxes_": lambda L, x: (x * 1).swapaxes_(0, 1).add_(1),
}


@needs_torch
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    check(PROGRAMS[name], draw(*X), rtol=1e-9, atol=1e-9)


@needs_torch
@pytest.mark.parametrize(
    "name", ["diagonal", "flip", "roll dims", "cat", "unfold", "as_strided overlap", "expand", "tril", "repeat"]
)
def test_complex(name):
    check(PROGRAMS[name], draw(*X, complex=True))


@needs_torch
def test_integers_empty_and_scalars():
    for name, program in PROGRAMS.items():
        if name not in ("cat empty",):
            check(program, np.arange(24).reshape(X))
    empty = np.zeros((0, 3))
    for f in (
        lambda L, x: x.reshape(3, 0),
        lambda L, x: x.T,
        lambda L, x: x.flip(0),
        lambda L, x: x.roll(1, 0),
        lambda L, x: x.tril(),
        lambda L, x: x.diagonal(),
        lambda L, x: x.repeat(2, 2),
        lambda L, x: L.cat([x, x]),
        lambda L, x: x.chunk(2, 1),
        lambda L, x: x.unfold(1, 2, 1),
        lambda L, x: x.expand(4, 0, 3),
        lambda L, x: x.unbind(1),
        lambda L, x: x.split(2),
    ):
        check(f, empty)
    for f in (lambda L, x: x.flatten(), lambda L, x: x.permute(()), lambda L, x: x.flip(()), lambda L, x: x.squeeze(0), lambda L, x: x.expand(2, 3),
              lambda L, x: x.transpose(0, -1), lambda L, x: x.unfold(0, 1, 1), lambda L, x: x.roll(1), lambda L, x: x.repeat(2), lambda L, x: x.T):  # fmt: skip
        check(f, np.asarray(3.0))


@needs_torch
def test_indices_of_triangles():
    for row, col, offset in itertools.product((0, 3), (2, 4), (-1, 0, 2)):
        check(lambda L, r=row, c=col, k=offset: L.tril_indices(r, c, k))
        check(lambda L, r=row, c=col, k=offset: L.triu_indices(r, c, offset=k))


PADS = [(1, 2), (0, 1, 2, 1), (1, 1, 1, 1, 1, 0), (-1, 2), (2, -1, -1, 1)]


@needs_torch
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("amounts", PADS, ids=str)
def test_pad(mode, amounts):
    n = len(amounts) // 2
    for lead in (1, 2):
        x = draw(*((2, 3)[:lead]), *((4, 3, 4)[-n:]))

        def program(L, x):
            function = L.pad if L is lucid else torch.nn.functional.pad
            return function(x, amounts, mode=mode)

        check(program, x)
    if mode == "constant":
        check(lambda L, x: (L.pad if L is lucid else torch.nn.functional.pad)(x, amounts, value=2.5), draw(4, 4, 5))


@needs_torch
def test_pad_errors():
    for amounts, mode in [((1,), "constant"), ((1, 1, 1, 1), "constant"), ((5, 0), "reflect"), ((5, 0), "circular")]:
        for f in (lucid.pad, torch.nn.functional.pad):
            library = lucid if f is lucid.pad else torch
            with pytest.raises(RuntimeError):
                f(library.zeros(1, 4) if mode != "constant" else library.zeros(4), amounts, mode=mode)
    with pytest.raises(NotImplementedError):
        lucid.pad(lucid.zeros(2, 4), (1, 1), mode="mirror")


@needs_torch
@pytest.mark.parametrize("dtype", ["int32", "float16", "uint8", "float64", "bool"])
def test_view_as_another_dtype(dtype):
    check(
        lambda L: (
            L.arange(8, dtype=L.float32).reshape(2, 4).view(getattr(L, dtype))
            if dtype != "bool"
            else L.arange(4, dtype=L.uint8).view(L.int8)
        )
    )
    x = lucid.zeros(4)
    x.view(lucid.int32).fill_(1065353216)
    assert x.tolist() == [1, 1, 1, 1]


BAD = {
    "reshape": lambda L, x: x.reshape(5, 5),
    "reshape two -1": lambda L, x: x.reshape(-1, -1),
    "view": lambda L, x: x.mT.view(24),
    "permute": lambda L, x: x.permute(0, 1),
    "permute twice": lambda L, x: x.permute(0, 0, 1),
    "transpose": lambda L, x: x.transpose(0, 3),
    "squeeze": lambda L, x: x.squeeze(3),
    "unsqueeze": lambda L, x: x.unsqueeze(5),
    "expand": lambda L, x: x.expand(2, 3, 5),
    "expand few": lambda L, x: x.expand(3, 4),
    "cat": lambda L, x: L.cat([x, x[0]]),
    "cat sizes": lambda L, x: L.cat([x, x[:, :2]]),
    "cat nothing": lambda L, x: L.cat([]),
    "cat a tensor": lambda L, x: L.cat(x),
    "stack": lambda L, x: L.stack([x, x[0]]),
    "split": lambda L, x: x.split([1, 1], 2),
    "split negative": lambda L, x: x.split(-1),
    "chunk": lambda L, x: x.chunk(0),
    "narrow": lambda L, x: x.narrow(0, 1, 2),
    "narrow start": lambda L, x: x.narrow(0, 5, 1),
    "select": lambda L, x: x.select(0, 2),
    "diagonal": lambda L, x: x.diagonal(0, 1, 1),
    "flip": lambda L, x: x.flip(3),
    "roll": lambda L, x: x.roll((1, 2), 0),
    "unfold": lambda L, x: x.unfold(2, 5, 1),
    "unfold step": lambda L, x: x.unfold(2, 2, 0),
    "as_strided": lambda L, x: x.as_strided((2, 20), (10, 1)),
    "as_strided negative": lambda L, x: x.as_strided((2,), (-1,)),
    "movedim": lambda L, x: x.movedim((0, 1), (0, 0)),
    "repeat": lambda L, x: x.repeat(2),
    "repeat_interleave": lambda L, x: x.repeat_interleave(L.tensor([1, 2]), 1),
    "tril": lambda L, x: x[0, 0].tril(),
    "T of leaf": lambda L, x: L.zeros(2, 2, requires_grad=True).t_(),
    "unflatten": lambda L, x: x.unflatten(2, (3, 2)),
    "rot90": lambda L, x: x.rot90(1, (0, 0)),
    "hsplit": lambda L, x: L.hsplit(x, 2),
    "meshgrid": lambda L, x: L.meshgrid(x, x),
    "t": lambda L, x: x.t(),
}


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BAD)
def test_errors_are_of_torchs_type(name):
    with pytest.raises(Exception) as theirs:
        BAD[name](torch, torch.zeros(X))
    with pytest.raises(theirs.type):
        BAD[name](lucid, lucid.zeros(X))


VIEWS = ["reshape", "view", "unsqueeze", "permute", "transpose", "movedim", "mT", "expand", "split", "chunk", "tensor_split", "unbind", "select",
         "narrow", "diagonal", "unfold", "as_strided", "flatten", "unflatten", "hsplit"]  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_these_share_memory(name):
    x = lucid.zeros(X)
    result = PROGRAMS[name](lucid, x)
    first = result[0] if isinstance(result, tuple) else result
    assert first._is_view()
    x.fill_(3.0)
    assert bool((first == 3).all())


def test_memory_questions():
    x = lucid.arange(6).reshape(2, 3).clone()
    assert x[1].storage_offset() == 3 and x[1].data_ptr() == x.data_ptr() + 3 * 8
    assert x.T.stride() == (1, 3) and x.stride(0) == 3
    assert x.untyped_storage().data_ptr() == x[1].untyped_storage().data_ptr()
    assert x[:].is_set_to(x) and not x[1].is_set_to(x)
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]]
    assert x.share_memory_() is x


KEYWORDS = [
    lambda L, x: L.flip(x, dims=[0]),
    lambda L, x: L.permute(input=x, dims=(1, 0, 2)),
    lambda L, x: x.reshape(shape=(4, 6)),
    lambda L, x: x.view(size=(4, 6)),
    lambda L, x: x.expand(size=(2, 3, 4)),
    lambda L, x: x.repeat(repeats=(1, 2, 1)),
    lambda L, x: L.tile(x, dims=(2, 1)),
    lambda L, x: x.split(split_size=2, dim=2),
    lambda L, x: L.broadcast_to(x, size=(2, 2, 3, 4)),
    lambda L, x: L.cat(tensors=[x, x], dim=1),
    lambda L, x: L.diagonal(x, offset=1, dim1=1, dim2=2),
]


@needs_torch
def test_arguments_by_name():
    for program in KEYWORDS:
        check(program, draw(*X), second=False)


FREE = {  # under vmap: each against a loop
    "roll", "diagonal", "unfold", "tril", "flip", "diag_embed", "repeat_interleave dim", "rot90", "cat", "T", "squeeze dims", "movedim", "tile",
    "tensor_split", "as_strided",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(FREE))
def test_under_vmap(name):
    xs = lucid.tensor(draw(3, *X))

    def program(x):
        return PROGRAMS[name](lucid, x)

    found = lucid.vmap(program)(xs)
    looped = [program(x) for x in xs.clone().unbind(0)]
    for k, part in enumerate(found if isinstance(found, tuple) else (found,)):
        wanted = lucid.stack([one[k] if isinstance(one, tuple) else one for one in looped])
        assert lucid.equal(part, wanted)
