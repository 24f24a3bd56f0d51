"""Exercises of chapter 04, why blocks are used."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from quantedu.codebooks import integers
from quantedu.exercises.exercise import Exercise
from quantedu.metrics import sqnr_db
from quantedu.quantizers import Quantizer
from quantedu.recipes import int_absmax, nf4
from quantedu.scales import absmax


def _block_absmax_spec(x: np.ndarray, block_size: int) -> np.ndarray:
    """Visit the values one by one, and start a new block when one is full."""
    found: list[float] = []
    for position, value in enumerate(x.ravel()):
        if position % block_size == 0:
            found.append(0.0)
        found[-1] = max(found[-1], abs(float(value)))
    return np.array(found)


def _block_absmax_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([1.0, -2.0, 3.0, 0.5, 0.25, -0.75]), 3
    yield np.array([1.0, -2.0, 3.0, 0.5, -9.0]), 2  # the last block is a tail
    yield np.array([[1.0, -2.0, 3.0], [-4.0, 0.0, 0.0]]), 2  # a block crosses the rows
    yield np.array([-5.0, 1.0]), 64
    yield np.zeros(4), 2
    yield rng.standard_normal((7, 11)), 16


block_absmax = Exercise(
    "block_absmax",
    _block_absmax_spec,
    _block_absmax_cases,
    hints=(
        "Where the length is a multiple of block_size, x.reshape(-1, block_size) has a block in "
        "each row. What would you have to append to a tail, so that its absmax stays what it is?",
        "Zeros: no absmax notices them. -x.size % block_size says how many are missing.",
        "flat = np.append(x, np.zeros(-x.size % block_size)); then reshape, take np.abs, and the "
        "maximum along axis 1.",
    ),
    model="""
    import numpy as np

    def block_absmax(x, block_size):
        flat = np.append(x, np.zeros(-x.size % block_size))
        return np.abs(flat.reshape(-1, block_size)).max(axis=1)
    """,
)


def _blockwise_spec(x: np.ndarray, bits: int, block_size: int) -> np.ndarray:
    """Take one block after the other, and one value after the other."""
    largest_code, flat, found = 2 ** (bits - 1) - 1, x.ravel(), []
    for start in range(0, flat.size, block_size):
        block = flat[start : start + block_size]
        scale = max(abs(float(value)) for value in block) / largest_code
        for value in block:
            found.append(0.0 if scale == 0 else round(float(value) / scale) * scale)
    return np.array(found).reshape(x.shape)


def _blockwise_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([7.0, 3.2, -1.1, 0.4]), 4, 4
    yield np.array([7.0, 3.2, -1.1, 0.4, 0.7, 0.1]), 4, 4  # the last block is a tail
    yield np.array([0.0, 0.0, 14.0, -5.0]), 4, 2  # a block of zeros
    yield np.array([[127.0, 1.3, -2.2], [0.6, 0.1, 300.0]]), 8, 2
    yield rng.standard_normal((5, 13)), 4, 16
    yield rng.standard_normal(300), 3, 64


def _close_with_zeros(expected: Any, got: Any) -> bool:
    """Equal up to the rounding of float32 arithmetic, in shape and finiteness too."""
    try:
        got = np.asarray(got, dtype=np.float64)
        return got.shape == np.shape(expected) and np.allclose(got, expected, rtol=1e-5, atol=1e-12)
    except (TypeError, ValueError):
        return False


blockwise = Exercise(
    "blockwise",
    _blockwise_spec,
    _blockwise_cases,
    hints=(
        "You have block_absmax already. The scale of a block is its absmax, divided by the "
        "largest code, 2^(bits − 1) − 1.",
        "np.repeat(scale, block_size)[: x.size].reshape(x.shape) puts beside each value the scale "
        "of its block, in a tail too.",
        "A block of zeros has scale 0, and 0/0 is NaN: divide by np.where(scale == 0, 1, scale).",
    ),
    model="""
    import numpy as np

    def blockwise(x, bits, block_size):
        flat = np.append(x, np.zeros(-x.size % block_size))
        absmax = np.abs(flat.reshape(-1, block_size)).max(axis=1)
        scale = np.repeat(absmax / (2 ** (bits - 1) - 1), block_size)
        scale = scale[: x.size].reshape(x.shape)
        return np.rint(x / np.where(scale == 0, 1, scale)) * scale
    """,
    agree=_close_with_zeros,
)


def _unpack_nibbles_spec(packed: np.ndarray, count: int, high_first: bool) -> np.ndarray:
    """Read the hexadecimal digits of each byte."""
    codes: list[int] = []
    for byte in packed:
        digits = f"{int(byte):02x}"
        codes.extend(int(digit, 16) for digit in (digits if high_first else digits[::-1]))
    return np.array(codes[:count], dtype=np.uint8)


def _unpack_nibbles_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield np.array([0x12, 0x3A], dtype=np.uint8), 4, True
    yield np.array([0x12, 0x3A], dtype=np.uint8), 4, False
    yield np.array([0xF0, 0x70], dtype=np.uint8), 3, True  # an odd count
    yield np.array([0xF0, 0x07], dtype=np.uint8), 3, False
    yield rng.integers(0, 256, 20, dtype=np.uint8), 40, True
    yield rng.integers(0, 256, 20, dtype=np.uint8), 39, False


unpack_nibbles = Exercise(
    "unpack_nibbles",
    _unpack_nibbles_spec,
    _unpack_nibbles_cases,
    hints=(
        "packed >> 4 is the high nibble of each byte, packed & 15 the low one.",
        "np.stack([first, second], axis=1).ravel() lets two arrays take turns.",
        "Which of the two is first, high_first says. Then cut to `count`: an odd one leaves a "
        "nibble of padding behind.",
    ),
    model="""
    import numpy as np

    def unpack_nibbles(packed, count, high_first):
        pair = [packed >> 4, packed & 15]
        if not high_first:
            pair.reverse()
        return np.stack(pair, axis=1).ravel()[:count]
    """,
)


def _stored_bytes_spec(n: int, bits: int, block_size: int, double_quant: bool) -> int:
    """Quantize n values, pack them, and count."""
    recipe = Quantizer(integers(bits), absmax, block_size=block_size)
    if double_quant:
        storage = nf4(double_quant=True).scale_storage
        recipe = dataclasses.replace(recipe, scale_storage=storage, encode_with="exact")
    return sum(part.size for part in recipe.quantize(np.zeros(n)).pack().values())


def _stored_bytes_cases(rng: np.random.Generator) -> Iterator[tuple]:
    yield from [(4096, 4, 64, False), (4096, 8, 64, False), (4096, 4, 32, False)]
    yield from [(4097, 4, 64, False), (13, 3, 64, False)]  # a tail; a byte that is not full
    yield from [(2**18, 4, 64, True), (64 * 256 + 1, 4, 64, True), (100, 4, 64, True)]
    for _ in range(5):
        n, bits = int(rng.integers(1, 50_000)), int(rng.integers(2, 9))
        yield n, bits, int(2 ** rng.integers(4, 9)), bool(rng.integers(2))


stored_bytes = Exercise(
    "stored_bytes",
    _stored_bytes_spec,
    _stored_bytes_cases,
    hints=(
        "Three sums: the bytes of the codes, of the scales, and, with double quantization, of the "
        "scales' scales. Every count of blocks is rounded up, and so is the count of bytes.",
        "-(-a // b) is a/b, rounded up. Plain: 4 bytes for each block. Double: 1 byte for each "
        "block, 4 bytes for each 256 blocks.",
        "And the mean that was taken off is an FP32 number: 4 bytes more for the whole array.",
    ),
    model="""
    def stored_bytes(n, bits, block_size, double_quant):
        codes = -(-n * bits // 8)
        blocks = -(-n // block_size)
        if not double_quant:
            return codes + 4 * blocks
        return codes + blocks + 4 * -(-blocks // 256) + 4
    """,
)


def _choose_block_size_spec(x: np.ndarray, bits: int, wanted_db: float) -> int | None:
    """Try all of them, the largest first."""
    for block_size in (4096, 2048, 1024, 512, 256, 128, 64, 32, 16):
        if sqnr_db(x, int_absmax(bits, block_size=block_size)(x)) >= wanted_db:
            return block_size
    return None


def _choose_block_size_cases(rng: np.random.Generator) -> Iterator[tuple]:
    bell = rng.standard_normal(8192).astype(np.float32)
    heavy = rng.standard_t(3, 8192).astype(np.float32)
    for wanted_db in (18.0, 10.0, 20.0, 40.0):
        yield bell, 4, wanted_db
    for bits, wanted_db in ((4, 13.0), (4, 5.0), (3, 8.0)):
        yield heavy, bits, wanted_db


def _is_the_integer_or_none(expected: Any, got: Any) -> bool:
    if expected is None or got is None:
        return expected is got
    return isinstance(got, int | np.integer) and int(got) == expected


choose_block_size = Exercise(
    "choose_block_size",
    _choose_block_size_spec,
    _choose_block_size_cases,
    hints=(
        "int_absmax(bits, block_size=64)(x) is x̂, and sqnr_db(x, x_hat) its score; both stand "
        "among the imports of the chapter.",
        "Larger blocks are cheaper: try 4096 first, halve, and stop at the first that is good "
        "enough. After 16 there is None.",
        "Mind the comparison: a score of exactly wanted_db is good enough.",
    ),
    model="""
    from quantedu.metrics import sqnr_db
    from quantedu.recipes import int_absmax

    def choose_block_size(x, bits, wanted_db):
        block_size = 4096
        while block_size >= 16:
            x_hat = int_absmax(bits, block_size=block_size)(x)
            if sqnr_db(x, x_hat) >= wanted_db:
                return block_size
            block_size //= 2
        return None
    """,
    agree=_is_the_integer_or_none,
)
