"""lucid.fft against torch.fft: every function, norm, size and dimension; values and derivatives of first and second order."""

import pytest

import lucid
from against_torch import check, draw
from reference import needs_torch, torch

NORMS = pytest.mark.parametrize("norm", [None, "backward", "forward", "ortho"])


@needs_torch
@NORMS
@pytest.mark.parametrize("n", [None, 3, 5, 8])
def test_one_dimension(norm, n):
    for name in ("fft", "ifft"):
        for c in (False, True):
            check(lambda L, x, f=name: getattr(L.fft, f)(x, n, dim=1, norm=norm), draw(2, 6, complex=c))
    for name in ("rfft", "ihfft"):
        check(lambda L, x, f=name: getattr(L.fft, f)(x, n, dim=0, norm=norm), draw(6, 2))
    for name in ("irfft", "hfft"):
        check(lambda L, x, f=name: getattr(L.fft, f)(x, n, norm=norm), draw(2, 5, complex=True))


@needs_torch
@NORMS
@pytest.mark.parametrize("kw", [{}, {"dim": (0, 2)}, {"s": (3, 6)}, {"s": (5, 2), "dim": (2, 0)}], ids=str)
def test_more_dimensions(norm, kw):
    for stem, c in {"fft": True, "ifft": True, "irfft": True, "hfft": True, "rfft": False, "ihfft": False}.items():
        for suffix in ("2", "n"):
            check(
                lambda L, x, f=stem + suffix: getattr(L.fft, f)(x, norm=norm, **kw),
                draw(3, 4, 5, complex=c),
                second=suffix == "n",
            )


@needs_torch
def test_frequencies_and_shifts():
    for n in (1, 4, 5):
        check(lambda L, n=n: L.fft.fftfreq(n, 0.5, dtype=L.float64))
        check(lambda L, n=n: L.fft.rfftfreq(n))
    for kw in ({}, {"dim": 1}, {"dim": (0, 1)}):
        check(lambda L, x, kw=kw: L.fft.fftshift(x, **kw), draw(3, 4))
        check(lambda L, x, kw=kw: L.fft.ifftshift(x, **kw), draw(5, 4))


@needs_torch
def test_integers_single_precision_and_complex64():
    check(lambda L: L.fft.fft(L.arange(5)))
    check(lambda L: L.fft.rfft(L.arange(5.0)))
    check(lambda L: L.fft.irfft(L.ones(3, dtype=L.complex64)))


@needs_torch
@pytest.mark.parametrize(
    "call",
    [
        lambda L: L.fft.fft(L.zeros(3), 0),
        lambda L: L.fft.rfft(L.zeros(3, dtype=L.complex64)),
        lambda L: L.fft.fft(L.zeros(3), norm="none"),
        lambda L: L.fft.fft(L.zeros(3), dim=2),
        lambda L: L.fft.fftn(L.zeros(3, 3), dim=(0, 0)),
        lambda L: L.fft.fftn(L.zeros(3, 3), s=(1, 2, 3)),
        lambda L: L.fft.fftn(L.zeros(3, 3), s=(1, 2), dim=(0,)),
    ],
)
def test_errors_are_of_torchs_type(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type):
        call(lucid)


def test_every_name_of_torch_fft_is_there():
    names = "fft fft2 fftfreq fftn fftshift hfft hfft2 hfftn ifft ifft2 ifftn ifftshift ihfft ihfft2 ihfftn irfft irfft2 irfftn rfft rfft2 rfftfreq rfftn"
    assert not [n for n in names.split() if not hasattr(lucid.fft, n)]


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_short_time_transform_and_back():
    for kw in (
        {},
        {"hop_length": 3},
        {"center": False},
        {"normalized": True},
        {"onesided": False},
        {"win_length": 6},
        {"pad_mode": "replicate"},
    ):
        check(
            lambda L, x, kw=kw: L.stft(
                x, 8, window=L.hann_window(kw.get("win_length", 8), dtype=L.float64), return_complex=True, **kw
            ),
            draw(2, 33),
        )
    check(lambda L, x: L.stft(x, 8, return_complex=False), draw(33))
    check(lambda L, x: L.stft(x, 8), draw(33, complex=True))
    for kw in ({}, {"hop_length": 3}, {"normalized": True}, {"length": 30}):

        def round_trip(L, x, kw=kw):
            window = L.hann_window(8, dtype=L.float64)
            first = {k: v for k, v in kw.items() if k != "length"}
            return L.istft(L.stft(x, 8, window=window, return_complex=True, **first) * 2, 8, window=window, **kw)

        check(round_trip, draw(2, 33))
    with pytest.raises(RuntimeError):
        lucid.stft(lucid.zeros(20), 8)
