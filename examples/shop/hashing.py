"""Chance that depends on ids alone.

Everything simulated is drawn by hashing the id it belongs to. So household 900
has the same name at any scale, in any order of work, on any machine, and under
any PYTHONHASHSEED.

The mixing function is the finaliser of splitmix64 (Steele, Lea and Flood, "Fast
splittable pseudorandom number generators", 2014).
"""

import hashlib

import numpy as np
import numpy.typing as npt

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)


def _salt(seed: int, purpose: str) -> np.uint64:
    digest = hashlib.blake2b(f"{seed}:{purpose}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "big"))


def mix(ids: npt.ArrayLike, seed: int, purpose: str) -> np.ndarray:
    """One 64-bit number an id: uint64[n]. Other purposes give independent numbers."""
    # Wrapping around at 2**64 is what the function is built on, not an accident.
    with np.errstate(over="ignore"):
        state = np.asarray(ids, dtype=np.int64).astype(np.uint64) * GOLDEN + _salt(seed, purpose)
        state = (state ^ (state >> np.uint64(30))) * FIRST
        state = (state ^ (state >> np.uint64(27))) * SECOND
        return state ^ (state >> np.uint64(31))


def share(ids: npt.ArrayLike, seed: int, purpose: str) -> np.ndarray:
    """A number from [0, 1) an id: float64[n]. `share(…) < 0.08` holds for about 8 % of ids."""
    return (mix(ids, seed, purpose) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def pick(ids: npt.ArrayLike, seed: int, purpose: str, choices: int) -> np.ndarray:
    """One of 0 … choices - 1 an id: int64[n]."""
    return (mix(ids, seed, purpose) % np.uint64(choices)).astype(np.int64)


def between(ids: npt.ArrayLike, seed: int, purpose: str, low: npt.ArrayLike, high: npt.ArrayLike) -> np.ndarray:
    """A whole number from low … high, both included; the bounds may be arrays: int64[n]."""
    lowest = np.asarray(low, dtype=np.int64)
    span = (np.asarray(high, dtype=np.int64) - lowest + 1).astype(np.uint64)
    return lowest + (mix(ids, seed, purpose) % span).astype(np.int64)


def uuids(ids: npt.ArrayLike, seed: int, purpose: str) -> list[str]:
    """A UUID of version 4's form an id."""
    high, low = mix(ids, seed, f"{purpose}, high"), mix(ids, seed, f"{purpose}, low")
    high = high & np.uint64(0xFFFFFFFFFFFF0FFF) | np.uint64(0x4000)
    low = low & np.uint64(0x3FFFFFFFFFFFFFFF) | np.uint64(0x8000000000000000)
    digits = np.column_stack([high, low]).astype(">u8").tobytes().hex()
    return [
        f"{digits[at : at + 8]}-{digits[at + 8 : at + 12]}-{digits[at + 12 : at + 16]}"
        f"-{digits[at + 16 : at + 20]}-{digits[at + 20 : at + 32]}"
        for at in range(0, len(digits), 32)
    ]


def lottery(ids: npt.ArrayLike, seed: int, purpose: str) -> np.ndarray:
    """The positions of `ids` in the order in which a lottery would draw them: int64[n]."""
    return np.argsort(mix(ids, seed, purpose), kind="stable")
