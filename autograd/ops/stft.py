"""The short-time Fourier transform and its inverse: windowed frames of a signal, each transformed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import backend
from ..core import as_tensor_arg, wrap
from ..errors import DtypeError, ShapeError
from ..generic import cast
from ..op import public
from ..samples import call, raises, t
from .args import as_int
from .axes import transpose
from .complex import view_as_real
from .fourier_core import ALL, ONE, ROOT, c2c_p, c2r_p, r2c_p
from .pad import pad, pad_p
from .shape import getitem_p, reshape_p, unfold_backward_p, unfold_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["istft", "stft"]


def _sizes(n_fft: Any, hop_length: Any, win_length: Any, op: str) -> tuple[int, int, int]:
    """n_fft, and the two lengths with their defaults."""
    n = as_int(n_fft, op, "n_fft")
    hop = n // 4 if hop_length is None else as_int(hop_length, op, "hop_length")
    win = n if win_length is None else as_int(win_length, op, "win_length")
    if n < 1:
        raise ShapeError(f"{op}: n_fft must be positive, got {n}")
    if hop < 1:
        way = "; give hop_length (its default is n_fft // 4)" if hop_length is None else ""
        raise ShapeError(f"{op}: hop_length must be positive, got {hop}{way}")
    if not 0 < win <= n:
        raise ShapeError(f"{op}: win_length must be between 1 and n_fft={n}, got {win}")
    return n, hop, win


def _window(window: Any, n: int, win: int, like: Any, op: str) -> Any:
    """The window (n,), filled up with zeros on both sides; None stands for ones (None where these fill all of n)."""
    if window is None:
        if win == n:
            return None
        d = like._dtype.to_real().np
        window = wrap(backend.xp_of(like._data).ones(win, dtype=d))
    else:
        window = as_tensor_arg(window, op)
        if window._shape != (win,):
            raise ShapeError(f"{op}: window must have shape ({win},), as win_length says, got {tuple(window._shape)}")
    left = (n - win) // 2
    return pad_p(window, ((left, n - win - left),), 0) if win < n else window


def _z(*shape: int) -> Any:
    return t(*shape, dtype="complex128")


@public(
    samples=lambda: [
        call(t(20), 8, return_complex=True),
        call(t(2, 20), 8, 3, 5, t(5, low=0.1), return_complex=True),
        call(t(20), 8, window=t(8, low=0.1), normalized=True, onesided=False, return_complex=True),
        call(t(2, 9), 4, hop_length=2, center=False, return_complex=True),
        call(t(9), 4, 1, win_length=3, pad_mode="constant", return_complex=False),
        call(t(9), 5, 2, pad_mode="replicate", return_complex=True),
        call(t(9), 5, 2, pad_mode="circular", return_complex=True),
        call(_z(12), 4, 2, window=t(4, low=0.1)),
        call(_z(2, 12), 4, 2, onesided=False, normalized=True),
        call(t(12), 4, 2, window=_z(4)),
        call(t(20), 8, 3, 4, t(4, low=0.1), False, return_complex=True, align_to_window=True),
        call(t(20), 8, 3, 5, t(5, low=0.1), False, return_complex=True, align_to_window=True, torch=False),
        call(t(20), 8, 3, 4, t(4, low=0.1), False, return_complex=True, align_to_window=False),
    ],
    errors=lambda: [
        raises(RuntimeError, r"stft: return_complex must be given", t(20), 8),
        raises(RuntimeError, r"stft: input is int64", t(20, dtype="int64", grad=False), 8, return_complex=True),
        raises(
            RuntimeError, r"stft: float16 is not supported", t(20, dtype="float16", grad=False), 8, return_complex=True
        ),
        raises(RuntimeError, r"stft: a signal \(L,\) or a batch \(N, L\)", t(2, 2, 20), 8, return_complex=True),
        raises(RuntimeError, r"too much for mode 'reflect'", t(4), 8, return_complex=True),
        raises(RuntimeError, r"stft: n_fft=8 .* 4 samples", t(4), 8, center=False, return_complex=True),
        raises(RuntimeError, r"stft: hop_length must be positive", t(20), 8, 0, return_complex=True),
        raises(RuntimeError, r"stft: win_length must be between 1 and", t(20), 8, win_length=9, return_complex=True),
        raises(RuntimeError, r"stft: window must have shape \(8,\)", t(20), 8, window=t(3), return_complex=True),
        raises(RuntimeError, r"stft: onesided=True", t(20, dtype="complex64", grad=False), 8, onesided=True),
        raises(RuntimeError, r"stft: align_to_window", t(20), 8, return_complex=True, align_to_window=True),
        raises(NotImplementedError, r"mode must be", t(20), 8, pad_mode="x", return_complex=True),
    ],
)
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The short-time Fourier transform X[f, k] = sum_j w[j] x[k hop + j] exp(-2 pi i f j / n_fft).

    input: a signal `(L,)` or a batch `(N, L)`, real or complex. The result is `(F, T)` or `(N, F, T)`: F = n_fft // 2 + 1
    frequencies of a real signal (n_fft if onesided=False or where anything is complex) in T = 1 + L // hop_length frames,
    or 1 + (L - n_fft) // hop_length without center; with return_complex=False pairs of reals in a last dimension.

    hop_length: n_fft // 4. window `(win_length,)`: ones; filled up with zeros to n_fft. center: frame k is centred at
    k hop_length, and the signal is padded as pad_mode says. normalized: divided by sqrt(n_fft). align_to_window: without
    center, frames begin where the window does. Raises ShapeError and DtypeError (RuntimeErrors).

    Reference: Allen and Rabiner, A Unified Approach to Short-Time Fourier Analysis and Synthesis, 1977.

    >>> import retrograd as rg
    >>> rg.stft(rg.ones(16), 8, window=rg.hann_window(8), return_complex=True).shape
    retrograd.Size([5, 9])
    """
    x: Any = as_tensor_arg(input, "stft")
    n, hop, win = _sizes(n_fft, hop_length, win_length, "stft")
    if center and align_to_window is not None:
        raise ShapeError("stft: align_to_window is only for center=False")
    d = x._dtype
    if d.kind not in "fc":
        raise DtypeError(f"stft: input is {d.name}; a floating-point or complex dtype is expected, as in x.float()")
    if d.kind == "f" and d.itemsize < 4 and not (window is not None and window.is_complex()):
        raise DtypeError(f"stft: {d.name} is not supported; use float32, as in x.float()")
    if len(x._shape) not in (1, 2):
        raise ShapeError(f"stft: a signal (L,) or a batch (N, L) is expected, got shape {tuple(x._shape)}")
    w = _window(window, n, win, x, "stft")
    if return_complex is None:
        if d.kind != "c" and (w is None or w._dtype.kind != "c"):
            raise ShapeError("stft: return_complex must be given for real inputs; return_complex=True is recommended")
        return_complex = True
    batch = len(x._shape) == 2
    if not batch:
        x = reshape_p(x, (1, *x._shape))
    if center:
        x = pad(x, (n // 2, n // 2), pad_mode)
    elif align_to_window:
        left = (n - win) // 2
        x = pad_p(x, ((0, 0), (left, n - win - left)), 0)
    if n > x._shape[1]:
        raise ShapeError(f"stft: n_fft={n} is more than the {x._shape[1]} samples of the signal")
    frames = unfold_p(x, 1, n, hop)  # (N, T, n_fft)
    if w is not None:
        frames = frames * w
    by = ROOT if normalized else ONE
    if frames._dtype.kind == "c":
        if onesided:
            raise ShapeError("stft: onesided=True is not possible for a complex signal or window; leave it away")
        r = c2c_p(frames, (2,), True, by)
    elif onesided or onesided is None:
        r = r2c_p(frames, 2, by)
    else:
        r = c2c_p(cast(frames, frames._dtype.to_complex()), (2,), True, by)
    r = transpose(r, 1, 2)
    if not batch:
        r = reshape_p(r, r._shape[1:])
    return r if return_complex else view_as_real(r)


def _spectrum(x: Any, n: int, onesided: Any) -> tuple[Any, bool, bool]:
    """The input as (N, F, T), whether it was a batch, and whether it has half of the frequencies."""
    if x._dtype.kind != "c":
        raise DtypeError(
            f"istft: a complex tensor is expected, as stft(..., return_complex=True) gives, not {x._dtype.name}"
        )
    if len(x._shape) not in (2, 3):
        raise ShapeError(f"istft: a spectrum (F, T) or a batch (N, F, T) is expected, got shape {tuple(x._shape)}")
    if 0 in x._shape:
        raise ShapeError(f"istft: the input is empty, shape {tuple(x._shape)}")
    half = x._shape[-2] != n if onesided is None else bool(onesided)
    f = n // 2 + 1 if half else n
    if x._shape[-2] != f:
        raise ShapeError(
            f"istft: {f} frequencies are expected (n_fft={n}, onesided={half}), got {x._shape[-2]} in shape {tuple(x._shape)}"
        )
    batch = len(x._shape) == 3
    return x if batch else reshape_p(x, (1, *x._shape)), batch, half


def _part(n: int, hop: int, frames: int, center: bool, length: Any) -> tuple[int, int, int]:
    """(first sample, last sample + 1 of what the frames cover, samples to add) of the result."""
    total = n + hop * (frames - 1)
    start = n // 2 if center else 0
    if length is None:
        return start, total - start, 0
    length = as_int(length, "istft", "length")
    if length < 1:
        raise ShapeError(f"istft: length must be positive, got {length}")
    return start, min(start + length, total), max(start + length - total, 0)


@public(
    samples=lambda: [
        call(_z(5, 7), 8),
        call(_z(2, 5, 7), 8, 3, 6, t(6, low=0.5, high=1.0, dtype="float64"), length=16),
        call(_z(5, 4), 8, window=t(8, low=0.5, high=1.0, dtype="float64"), normalized=True),
        call(_z(8, 4), 8, onesided=False),
        call(_z(8, 4), 8, window=_z(8), return_complex=True),
        call(_z(3, 4), 4, 2, center=False, onesided=True),
        call(_z(3, 4), 4, 1, length=12),
        call(_z(3, 5), 5, 2, length=5),
    ],
    errors=lambda: [
        raises(RuntimeError, r"istft: a complex tensor is expected", t(5, 11, 2), 8),
        raises(RuntimeError, r"istft: 8 frequencies are expected", t(5, 11, dtype="complex64", grad=False), 8, onesided=False),
        raises(RuntimeError, r"istft: onesided=True", t(5, 4, dtype="complex64", grad=False), 8, return_complex=True),
        raises(RuntimeError, r"istft: hop_length=9 is longer", t(5, 4, dtype="complex64", grad=False), 8, hop_length=9),
        raises(RuntimeError, r"istft: win_length must be between", t(5, 4, dtype="complex64", grad=False), 8, win_length=9),
        raises(RuntimeError, r"istft: the input is empty", t(5, 0, dtype="complex64", grad=False), 8),
        raises(RuntimeError, r"istft: a spectrum \(F, T\) or", t(1, 1, 5, 4, dtype="complex64", grad=False), 8),
        raises(RuntimeError, r"istft: window must have shape", t(5, 4, dtype="complex64", grad=False), 8, window=t(7)),
        raises(RuntimeError, r"istft: length must be positive", t(5, 4, dtype="complex64", grad=False), 8, length=0),
        raises(
            RuntimeError, r"istft: a complex window", t(5, 4, dtype="complex64", grad=False), 8,
            window=t(8, dtype="complex64", grad=False),
        ),
    ],
)  # fmt: skip
def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The inverse of `stft`: the signal whose spectrum is nearest (least squares) to the input.

    input: complex, `(F, T)` or `(N, F, T)`; the result is `(L,)` or `(N, L)` with L = hop_length (T - 1) if center, else
    n_fft + hop_length (T - 1), or `length`: cut, or filled up with zeros. The frames are transformed back, windowed, added
    up, and divided by the sum of the squared windows; where that is 0 (less than 1e-11) there is no inverse, which is a
    ShapeError on the CPU and inf or NaN on a GPU. The other arguments are those of `stft`; return_complex is for complex
    signals and windows.

    Reference: Griffin and Lim, Signal Estimation from Modified Short-Time Fourier Transform, 1984.

    >>> import retrograd as rg
    >>> w = rg.hann_window(4)
    >>> x = rg.stft(rg.tensor([1.0, 2.0, 3.0, 4.0]), 4, window=w, return_complex=True)
    >>> rg.istft(x, 4, window=w)
    tensor([1., 2., 3., 4.])
    """
    x: Any = as_tensor_arg(input, "istft")
    n, hop, win = _sizes(n_fft, hop_length, win_length, "istft")
    if hop > win:
        raise ShapeError(f"istft: hop_length={hop} is longer than the window (win_length={win}): samples would be lost")
    x, batch, half = _spectrum(x, n, onesided)
    w = _window(window, n, win, x, "istft")
    by = ROOT if normalized else ALL
    frames = transpose(x, 1, 2)  # (N, T, F)
    count = frames._shape[1]
    if return_complex:
        if half:
            raise ShapeError(
                "istft: onesided=True (half of the frequencies) gives a real signal; not return_complex=True"
            )
        y = c2c_p(frames, (2,), False, by)
    else:
        if w is not None and w._dtype.kind == "c":
            raise DtypeError("istft: a complex window gives a complex signal; give return_complex=True")
        if not half:
            frames = getitem_p(frames, (slice(None), slice(None), slice(0, n // 2 + 1)))
        y = c2r_p(frames, 2, n, by)
    if w is None:
        w = wrap(backend.xp_of(x._data).ones(n, dtype=x._dtype.to_real().np))
    start, stop, more = _part(n, hop, count, center, length)
    inside = (slice(None), slice(start, stop))
    total = n + hop * (count - 1)
    y = y * w
    y = getitem_p(unfold_backward_p(y, (y._shape[0], total), 1, n, hop), inside)
    squares = (w * w).expand(1, count, n)
    envelope = getitem_p(unfold_backward_p(squares, (1, total), 1, n, hop), inside)
    if isinstance(envelope._data, np.ndarray) and np.abs(envelope._data).min(initial=1.0) < 1e-11:
        raise ShapeError(
            "istft: the windows that overlap add up to 0 somewhere, so there is no inverse; use a smaller hop_length, "
            "center=True, or a window without zeros"
        )
    y = y / envelope
    if more:
        y = pad_p(y, ((0, 0), (0, more)), 0)
    return y if batch else reshape_p(y, y._shape[1:])
