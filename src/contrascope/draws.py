"""Keyed random numbers: each is a pure function of (seed, epoch, image id, view, operation, index).

The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) in
int64 tensor arithmetic, so that CPU and GPU give the same words,
whatever the batch, its order or the process.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contrascope.errors import InputError
from contrascope.machine.constants import constant

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_ID_BITS, _VIEW_BITS, _OPERATION_BITS, _BLOCK_BITS = 48, 16, 8, 24


PROBE_EPOCH = 2**20
"""The epoch whose draws are kept for measuring; no training reaches it."""


@dataclass(frozen=True, kw_only=True)
class DrawKey:
    """Which randomness: the key of all draws of one operation on a batch of images.

    >>> key = DrawKey(seed=0, epoch=3, ids=torch.tensor([7, 8]))
    >>> torch.equal(uniform(key, 5)[1:], uniform(DrawKey(seed=0, epoch=3, ids=torch.tensor([8])), 5))
    True
    """

    seed: int
    """Seed of the run, 64 bits."""
    epoch: int
    """Epoch, 32 bits."""
    ids: Tensor
    """Image ids [batch], 48 bits; their device is where numbers are drawn."""
    view: int | Tensor = 0
    """View index, 16 bits: one for all images, or [batch]."""
    operation: int = 0
    """Position of the operation in its policy, 8 bits."""

    def __post_init__(self) -> None:
        for name, bits in (("seed", 64), ("epoch", 32), ("operation", _OPERATION_BITS)):
            _check_bits(name, getattr(self, name), bits)
        if isinstance(self.view, int):
            _check_bits("view", self.view, _VIEW_BITS)

    def at(self, operation: int) -> "DrawKey":
        """The same key for another operation."""
        return replace(self, operation=operation)


def philox(counter: Int[Tensor, "4 ..."], key: tuple[int, int]) -> Int[Tensor, "4 ..."]:
    """Philox4x32-10: four 32-bit words for each counter of four 32-bit words, all held in int64.

    >>> [f"{word:08x}" for word in philox(torch.zeros(4, 1, dtype=torch.int64), (0, 0)).flatten().tolist()]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    words = counter.flatten(1)
    multipliers = constant(_MULTIPLIERS, device=counter.device)[:, None]
    keys = [[(k + r * w) & _MASK for k, w in zip(key, _WEYL, strict=True)] for r in range(_ROUNDS)]
    round_keys = constant(keys, device=counter.device)[:, :, None]
    even, odd = words[0::2], words[1::2]
    for round_key in round_keys:
        product = even * multipliers  # wraps modulo 2**64: the low 64 bits are all that is used
        high = product.flip(0).bitwise_right_shift_(32).bitwise_and_(_MASK)
        even = high.bitwise_xor_(odd).bitwise_xor_(round_key)
        odd = product.flip(0).bitwise_and_(_MASK)
    return torch.stack((even, odd), dim=1).reshape(counter.shape)


def words(key: DrawKey, count: int, *, start: int = 0) -> Int[Tensor, "batch count"]:
    """Words `start` to `start + count` of each image's stream, integers in [0, 2**32).

    >>> key = DrawKey(seed=1, epoch=0, ids=torch.arange(2))
    >>> torch.equal(words(key, 9)[:, 4:], words(key, 5, start=4))
    True
    """
    first, last = start // 4, -(-(start + count) // 4)
    _check_bits("number of blocks of draws", last, _BLOCK_BITS)
    ids = key.ids.to(torch.int64)[:, None]
    view = key.view.to(torch.int64)[:, None] if isinstance(key.view, Tensor) else key.view
    block = torch.arange(first, last, device=ids.device) | (key.operation << _BLOCK_BITS)
    counter = torch.empty(4, len(ids), last - first, dtype=torch.int64, device=ids.device)
    counter[0] = block
    counter[1] = ids & _MASK
    counter[2] = key.epoch
    counter[3] = (ids >> 32) & 0xFFFF | (view << (_ID_BITS - 32))
    random = philox(counter, (key.seed & _MASK, key.seed >> 32))
    stream = random.permute(1, 2, 0).flatten(1)
    return stream[:, start - 4 * first :][:, :count].contiguous()


def uniform(key: DrawKey, count: int, *, start: int = 0) -> Float[Tensor, "batch count"]:
    """Float32 numbers in [0, 1), multiples of 2**-24, the same bits on every device.

    >>> uniform(DrawKey(seed=0, epoch=0, ids=torch.arange(1000)), 4).mean().round(decimals=1).item()
    0.5
    """
    return to_uniform(words(key, count, start=start))


def to_uniform(random: Int[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    """Float32 in [0, 1) from 32-bit words: the upper 24 bits.

    >>> to_uniform(torch.tensor([0, 2**31])).tolist()
    [0.0, 0.5]
    """
    return (random >> 8).to(torch.float32) * 2.0**-24


def to_integers(random: Int[Tensor, " *shape"], high: int | Tensor) -> Int[Tensor, " *shape"]:
    """Integers in [0, high) from 32-bit words, biased by less than high / 2**32.

    >>> to_integers(torch.tensor([0, 2**31, 2**32 - 1]), 10).tolist()
    [0, 5, 9]
    """
    return random * high >> 32


def integers(key: DrawKey, count: int, high: int | Tensor, *, start: int = 0) -> Int[Tensor, "batch count"]:
    """Integers in [0, high), high < 2**31: one bound for all, or a tensor that broadcasts.

    >>> integers(DrawKey(seed=0, epoch=0, ids=torch.arange(100)), 1, 3).unique().tolist()
    [0, 1, 2]
    """
    return to_integers(words(key, count, start=start), high)


def normal(key: DrawKey, count: int, *, start: int = 0) -> Float[Tensor, "batch count"]:
    """Standard normal float32 numbers by Box-Muller; each uses two words of the stream.

    Computed in float64 and rounded once: logarithm and cosine of different devices differ by units in the
    last place of float64, which the rounding removes but for about one number in 10**8.

    >>> normal(DrawKey(seed=0, epoch=0, ids=torch.arange(10_000)), 1).std().round(decimals=1).item()
    1.0
    """
    random = words(key, 2 * count, start=2 * start).to(torch.float64)
    radius = (-2 * ((random[:, 0::2] + 0.5) * 2.0**-32).log()).sqrt()
    angle = random[:, 1::2] * (2 * math.pi * 2.0**-32)
    return (radius * angle.cos()).to(torch.float32)


def permutation(key: DrawKey) -> Int[Tensor, " batch"]:
    """The places 0 to batch - 1 in an order that is drawn.

    >>> sorted(permutation(DrawKey(seed=0, epoch=3, ids=torch.arange(4))).tolist())
    [0, 1, 2, 3]
    """
    return words(key, 1)[:, 0].argsort(stable=True)


def _check_bits(name: str, value: int, bits: int) -> None:
    if not 0 <= value < 2**bits:
        raise InputError(f"{name} is {value}; expected an integer in [0, 2**{bits}).")
