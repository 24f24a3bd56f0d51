"""Functions of many numbers, fast: piece by piece in cache, or tabulated and looked up.

No rule lives here: what is tabulated is handed in, and stays the definition.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

CHUNK = 2**17  # values worked on at a time: they stay in cache, and extra memory stays small
TABULATE_FROM = 2**15  # below this many values, building a table costs more than it saves


def by_chunks(
    x: np.ndarray, dtype: Any, out_dtype: Any, function: Callable[[np.ndarray, np.ndarray], Any]
) -> np.ndarray:
    """An array filled by function(piece, out); x comes as `dtype`, contiguous, in C order."""
    with np.errstate(invalid="ignore"):  # signalling NaNs, and NaNs that become codes
        iterator = np.nditer(  # type: ignore[call-overload]  # the stubs misspell "contig"
            [x, None],
            flags=["external_loop", "buffered", "zerosize_ok"],
            op_flags=[["readonly", "contig", "nbo"], ["writeonly", "allocate"]],
            op_dtypes=[np.dtype(dtype), np.dtype(out_dtype)],
            order="C",
            casting="unsafe",
            buffersize=CHUNK,
        )
        with iterator:
            for piece, out in iterator:
                function(piece, out)
            return iterator.operands[1][()]


def filled_by(function: Callable[[np.ndarray], np.ndarray]) -> Callable[..., None]:
    def fill(piece: np.ndarray, out: np.ndarray) -> None:
        out[...] = function(piece)

    return fill


def pair_table(values: np.ndarray) -> np.ndarray:
    """The float32 values of two codes in a row, as complex64, for two bytes read as one number."""
    pairs = np.arange((len(values) - 1) * 257 + 1, dtype="<u2").view(np.uint8)
    return np.resize(values, 256)[pairs].view(np.complex64)


def take_pairs(table: np.ndarray, codes: np.ndarray, out: np.ndarray) -> None:
    """Two bytes at a time: half the look-ups."""
    even = codes.size // 2 * 2
    pairs = codes[:even].view(np.uint16).astype(np.intp)
    np.take(table, pairs, out=out[:even].view(np.complex64), mode="clip")
    out[even:] = table[codes[even:].astype(np.intp) * 257].real  # the pair of the last with itself


def carry_table(
    define: Callable[[np.ndarray], np.ndarray], shift: int, mark: int
) -> tuple[np.ndarray, np.ndarray]:
    """A function from float32 bits to codes, tabulated over the upper 16 bits; and where it fails.

    Among the float32 that share their upper half the code changes at most once, by one. The
    table's entry, added to the number's own bits, gives the code in the bits from `shift` on and
    carries into it when the lower half passes the change. Where that does not hold the entry gives
    `mark`; these entries come second, as a bool array.
    """
    upper = np.arange(2**16, dtype=np.uint32) << 16
    first, last = define(upper), define(upper | 0xFFFF)
    change = np.full(2**16, 0xFFFF, dtype=np.uint32)  # the largest lower half that has code `first`
    changing = first != last
    low = np.zeros(np.count_nonzero(changing), dtype=np.uint32)
    for bit in 1 << np.arange(15, -1, -1, dtype=np.uint32):  # bisection
        low |= np.where(define(upper[changing] | low | bit) == first[changing], bit, 0)
    change[changing] = low
    irregular = changing & (last != (first + 1) % 2 ** (32 - shift))
    first[irregular], change[irregular] = mark, 0xFFFF
    table = (first << shift) + ((1 << shift) - 1 - change) - upper  # modulo 2^32
    return table, irregular
