"""Random numbers: generators, the state functions of PyTorch, and draws as arrays for the operations.

A generator is a place in a counter-based stream (see `philox`): three integers (seed, offset, stream). The same seed
gives the same numbers on every backend and device, on any number of threads; integers, uniform numbers and masks to
the last bit. What goes through logarithms and cosines (normal, exponential, ...) is computed in float64 and rounded
once, so for float32 it differs between libraries in rare last bits only, for float64 by a few units in the last place.

`draws` makes arrays from these generators.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import core
from . import philox as _philox
from .core import TensorBase, wrap
from .device import as_device, device
from .dtypes import uint8

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "Generator", "default_generator", "fork_rng", "get_rng_state", "initial_seed", "keyed", "keyed_bits",
    "keyed_uniform", "manual_seed", "seed", "set_rng_state",
]  # fmt: skip

State: TypeAlias = tuple[int, int, int]  # key, number of the first block, stream: where a draw's words come from
_MASK64 = 0xFFFFFFFFFFFFFFFF
_STATE_BYTES = 24


# ---------------------------------------------------------------- generators
class Generator:
    """A source of random numbers: `Generator().manual_seed(0)`, for the argument `generator=` of random functions.

    The device is kept for PyTorch's sake: numbers depend on the seed only, and any generator serves any device. The
    state is a seed and an offset that grows by one for every 128 bits drawn; drawing from several threads is safe.

    >>> import retrograd as rg
    >>> g = rg.Generator().manual_seed(0)
    >>> a = rg.rand(3, generator=g)
    >>> bool((a == rg.rand(3, generator=rg.Generator().manual_seed(0))).all())
    True
    """

    __slots__ = ("__weakref__", "_device", "_lock", "_offset", "_placed", "_seed", "_stream")

    def __init__(self, device: str | int | device | None = "cpu") -> None:
        self._device = as_device(device)
        self._lock = threading.Lock()
        self._placed = False  # whether it draws again what was drawn from a place, inside an operation
        self._seed, self._offset, self._stream = 67280421310721, 0, 0  # PyTorch's default seed

    @property
    def device(self) -> device:
        """The device that the generator was made for."""
        return self._device

    def manual_seed(self, seed: int) -> Generator:
        """Start again from this seed (-2^63 to 2^64 - 1; a negative one has 2^64 added); returns the generator."""
        number = _as_seed(seed, "Generator.manual_seed")
        with self._lock:
            self._seed, self._offset, self._stream = number, 0, 0
        return self

    def seed(self) -> int:
        """Start again from a seed that the operating system draws, and return it."""
        number = int.from_bytes(os.urandom(8), "little") >> 11  # 53 bits, so that it is exact as a float64 too
        self.manual_seed(number)
        return number

    def initial_seed(self) -> int:
        """The seed that the generator last started from."""
        return self._seed

    def get_offset(self) -> int:
        """How many blocks of 128 bits have been drawn since the start."""
        return self._offset

    def set_offset(self, offset: int) -> None:
        """Go to this place of the stream."""
        if not 0 <= offset <= _MASK64:
            raise ValueError(f"Generator.set_offset: got {offset}; expected 0 to 2**64 - 1")
        with self._lock:
            self._offset = int(offset)

    def get_state(self) -> Tensor:
        """The state as a tensor of 24 bytes (uint8): seed, offset and stream, little-endian."""
        with self._lock:
            numbers = (self._seed, self._offset, self._stream)
        return wrap(np.array(numbers, dtype="<u8").view(np.uint8))

    def set_state(self, new_state: Tensor) -> None:
        """Return to a state that `get_state` gave."""
        if not isinstance(new_state, TensorBase):
            raise TypeError(
                f"Generator.set_state: expected the tensor that get_state() returns, got {type(new_state).__name__}"
            )
        if new_state._dtype is not uint8 or new_state._shape != (_STATE_BYTES,):
            raise TypeError(
                f"Generator.set_state: got a tensor {new_state._shape} of {new_state._dtype.name}; expected the "
                f"({_STATE_BYTES},) of uint8 that get_state() returns (PyTorch's generators have other states)"
            )
        a = np.ascontiguousarray(_to_numpy(new_state._data))
        numbers = [int(v) for v in a.view("<u8")]
        with self._lock:
            self._seed, self._offset, self._stream = numbers

    def clone_state(self) -> Generator:
        """A new generator in the same state."""
        other = Generator(self._device)
        with self._lock:
            other._seed, other._offset, other._stream = self._seed, self._offset, self._stream
        return other

    graphsafe_get_state = clone_state

    def graphsafe_set_state(self, state: Generator) -> None:
        """Take over the state of another generator."""
        self.set_state(state.get_state())

    def reserve(self, n_words: int) -> State:
        """Take the next blocks that hold n 32-bit words, and return where they are."""
        if core.lifting is not None and core.lifting.active.levels and not self._placed:
            return core.lifting.reserve(self, n_words)
        return self._take(n_words)

    def _take(self, n_words: int) -> State:
        with self._lock:
            offset = self._offset
            self._offset = (offset + (n_words + 3) // 4) & _MASK64
            return self._seed, offset, self._stream

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (str(self._device), self._seed, self._offset, self._stream))

    def __repr__(self) -> str:
        return f"<Generator device={str(self._device)!r} seed={self._seed} offset={self._offset}>"


def _restore(device: str, *state: int) -> Generator:
    g = Generator(device)
    g._seed, g._offset, g._stream = state
    return g


def _as_seed(seed: Any, op: str) -> int:
    try:
        number = int(seed)
    except (TypeError, ValueError):
        raise TypeError(f"{op}: the seed must be an int, got {type(seed).__name__} ({seed!r})") from None
    if not -(1 << 63) <= number <= _MASK64:
        raise ValueError(f"{op}: the seed {number} does not fit into 64 bits; expected -2**63 to 2**64 - 1")
    return number & _MASK64


def _to_numpy(a: Any) -> np.ndarray:
    from .backend import of

    return of(a).to_numpy(a)


default_generator = Generator()
default_generator.seed()


def at(state: State) -> Generator:
    """A generator that draws again what was drawn from this place on."""
    g = _restore("cpu", *state)
    g._placed = True
    return g


def branch(state: State) -> Generator:
    """A generator of its own for the four words at this place, for draws of unknown length."""
    key, offset, stream = state
    g = _restore("cpu", _philox.fold(key, offset, stream), 0, 0)
    g._placed = True
    return g


def as_generator(generator: Any, op: str) -> Generator:
    """The generator given as `generator=`, the default one for None."""
    if generator is None:
        return default_generator
    if isinstance(generator, Generator):
        return generator
    raise TypeError(f"{op}: generator must be a retrograd.Generator, got {type(generator).__name__}")


# ---------------------------------------------------------------- the default generator
def manual_seed(seed: int) -> Generator:
    """Seed the default generator, which serves every device, and return it.

    >>> import retrograd as rg
    >>> _ = rg.manual_seed(0)
    >>> a = rg.rand(2)
    >>> _ = rg.manual_seed(0)
    >>> bool((a == rg.rand(2)).all())
    True
    """
    return default_generator.manual_seed(_as_seed(seed, "manual_seed"))


def seed() -> int:
    """Seed the default generator from the operating system, and return the seed.

    >>> import retrograd as rg
    >>> rg.seed() == rg.initial_seed()
    True
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator last started from.

    >>> import retrograd as rg
    >>> rg.manual_seed(3).initial_seed(), rg.initial_seed()
    (3, 3)
    """
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, as a uint8 tensor.

    >>> import retrograd as rg
    >>> rg.get_rng_state().dtype
    retrograd.uint8
    """
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Return the default generator to a state that `get_rng_state` gave.

    >>> import retrograd as rg
    >>> state = rg.get_rng_state()
    >>> a = rg.rand(2)
    >>> rg.set_rng_state(state)
    >>> bool((a == rg.rand(2)).all())
    True
    """
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, device_type: str = "cuda") -> Iterator[None]:
    """Restore the default generator at the end of the block, whatever was drawn or seeded inside.

    `devices` and `device_type` are accepted for PyTorch's sake: one generator serves all devices.

    >>> import retrograd as rg
    >>> state = rg.get_rng_state()
    >>> with rg.fork_rng():
    ...     _ = rg.rand(2)
    >>> bool((rg.get_rng_state() == state).all())
    True
    """
    if not enabled:
        yield
        return
    before = default_generator.clone_state()
    try:
        yield
    finally:
        default_generator.graphsafe_set_state(before)


# ---------------------------------------------------------------- keyed streams
def keyed(seed: int, *key: int, device: str | int | device | None = "cpu") -> Generator:
    """A generator of its own for every (seed, *key), such as (seed, epoch, index): independent, and free to make.

    The last number of the key selects the stream (so `keyed(s, e, i)` for different i never share a number), those
    before it are folded into the seed.

    >>> from retrograd.autograd.random import keyed
    >>> keyed(0, 3, 17).get_offset()
    0
    """
    g = Generator(device)
    g._seed, g._stream = _keyed(seed, key)
    return g


def _keyed(seed: int, key: tuple[int, ...]) -> tuple[int, int]:
    number = _as_seed(seed, "keyed")
    if not key:
        return number, 0
    *folded, stream = (int(k) for k in key)
    return _philox.fold(number, *folded), (stream + 1) & _MASK64  # stream 0 is that of plain generators


def keyed_bits(seed: int, *key: int, index: Any, n: int, xp: Any = np) -> Any:
    """The first n words of `keyed(seed, *key, i)` for each i of index (R,): an array (R, n) of uint32."""
    number, _ = _keyed(seed, (*key, 0))
    streams = xp.asarray(index).astype(xp.uint64) + np.uint64(1)
    return _philox.rows(xp, n, number, 0, streams)


def keyed_uniform(seed: int, *key: int, index: Any, n: int, xp: Any = np) -> Any:
    """n uniform numbers in [0, 1) for each i of index (R,), an array (R, n) of float32: what `keyed` would draw first.

    >>> from retrograd.autograd.random import keyed_uniform
    >>> keyed_uniform(0, 5, index=[3, 1, 2], n=2).shape
    (3, 2)
    """
    words = keyed_bits(seed, *key, index=index, n=n, xp=xp)
    return (words >> 8).astype(xp.float32) * np.float32(2.0**-24)
