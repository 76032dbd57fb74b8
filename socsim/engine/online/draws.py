"""Everything random: one independent stream for each application and purpose, the same in every process."""

from __future__ import annotations

from hashlib import sha256
from math import log, log1p
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socsim.engine.online.model import Variation

ONE = 1 << 32
"""What factors are counted in."""
_BITS = 53
_NEVER = 1 << 62
"""More often than anything is tried."""


class Draws:
    """One stream of random numbers, all of them whole.

    Args:
        seed: of the simulation.
        names: whose stream it is, and what for.
    """

    def __init__(self, seed: int, *names: str) -> None:
        key = "\0".join((str(seed), *names)).encode()
        self.count = 0
        """How many numbers were drawn."""
        self._random = Random(int.from_bytes(sha256(key).digest(), "big"))  # noqa: S311, no secret is made of it

    def below(self, limit: int) -> int:
        """Return one of 0 to limit - 1, each as likely."""
        self.count += 1
        return self._random.getrandbits(_BITS) * limit >> _BITS

    def trials(self, probability: float) -> int:
        """Return how often something of a probability is tried until it happens."""
        if probability >= 1:
            return 1
        if probability <= 0:
            return _NEVER
        self.count += 1
        return min(_NEVER, int(log(1.0 - self._random.random()) / log1p(-probability)) + 1)

    def exponential(self) -> int:
        """Return a factor of mean 1, exponentially distributed, in 2**-32."""
        self.count += 1
        return int(-log(1.0 - self._random.random()) * ONE)

    def factor(self, variation: Variation) -> int:
        """Return a factor of mean 1, in 2**-32."""
        if variation.kind == "exponential":
            return self.exponential()
        if variation.kind == "uniform":
            spread = int(variation.spread * ONE)
            return ONE - spread + self.below(2 * spread + 1)
        return ONE
