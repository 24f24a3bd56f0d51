"""Which values share a scale, and how codes become bytes.

A `Layout` sees an array as rows and cuts every row in blocks. A block is a group: its values share
a scale. What is left at the end of a row, the ragged tail, is a group of its own, never padded.

    axis=None        one row: all values in C order
    axis=-1          the rows of a matrix: a scale per token, or per output channel
    block_size=64    rows cut in blocks of 64
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from quantedu import _checks

ORDERS = ("high_first", "low_first")
PIECE = 2**18  # values worked on at a time: near the cache, and few enough turns of the loop
Piece = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Layout:
    """The groups of an array of one shape.

    Parameters
    ----------
    shape : of the array
    axis : the axis, or axes, along which values share a scale, as in a NumPy reduction; None is
        all of them
    block_size : cuts each row in groups of this many values; None leaves it whole

    Raises
    ------
    TypeError, ValueError
        If the shape has no such axis, one is named twice, or block_size is no positive integer.

    Examples
    --------
    >>> layout = Layout((2, 5), axis=-1, block_size=2)
    >>> layout.n_rows, layout.groups_per_row, layout.n_groups
    (2, 3, 6)
    """

    shape: tuple[int, ...]
    axis: Any = None
    block_size: int | None = None

    def __post_init__(self) -> None:
        if self.block_size is not None and not _checks.is_integer(self.block_size):
            raise TypeError(f"block_size must be an integer or None, not {self.block_size!r}")
        if self.block_size is not None and self.block_size < 1:
            raise ValueError(
                f"block_size={self.block_size}: a block holds at least one value; None does not cut"
            )
        if self.block_size is not None:
            object.__setattr__(self, "block_size", int(self.block_size))
        if self.axis is None:
            return
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if not (axes and all(_checks.is_integer(axis) for axis in axes)):
            raise TypeError(f"axis must be an integer, a tuple of them or None, not {self.axis!r}")
        dimensions = len(self.shape)
        if not all(-dimensions <= axis < dimensions for axis in axes):
            raise ValueError(
                f"axis={self.axis} of an array of shape {self.shape}: there are {dimensions} axes; "
                "axis=None groups all values"
            )
        axes = tuple(int(axis) % dimensions for axis in axes)
        if len(set(axes)) < len(axes):
            raise ValueError(f"axis={self.axis} names an axis of shape {self.shape} twice")
        object.__setattr__(self, "axis", axes)

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def row_length(self) -> int:
        """Number of values in a row.

        >>> Layout((4, 64), axis=-1).row_length, Layout((4, 64)).size
        (64, 256)
        """
        return self.size if self.axis is None else prod(self.shape[axis] for axis in self.axis)

    @property
    def n_rows(self) -> int:
        """Number of rows, 0 if they are empty."""
        return self.size // max(self.row_length, 1)

    @property
    def group_size(self) -> int:
        """Number of values in every group but the ragged tails.

        >>> Layout((4, 64), axis=-1).group_size, Layout((4, 64), block_size=32).group_size
        (64, 32)
        """
        return self.block_size or self.row_length

    @property
    def groups_per_row(self) -> int:
        """Number of groups in a row, a ragged tail counted."""
        return -(-self.row_length // max(self.group_size, 1))

    @property
    def n_groups(self) -> int:
        """Number of groups, which is the number of scales."""
        return self.n_rows * self.groups_per_row

    def rows(self, x: np.ndarray) -> np.ndarray:
        """The array as rows [n_rows, row_length]; a view where strides allow.

        >>> Layout((2, 3), axis=0).rows(np.array([[1, 2, 3], [4, 5, 6]])).tolist()
        [[1, 4], [2, 5], [3, 6]]
        """
        if self.axis is not None:
            x = np.moveaxis(x, self.axis, range(-len(self.axis), 0))
        return x.reshape(self.n_rows, self.row_length)

    def pieces(self, whole: bool = False) -> Iterator[Piece]:
        """Cut the rows into pieces that fit the cache; the groups in one have the same size.

        Parameters
        ----------
        whole : True never cuts a group, however large

        Yields
        ------
        row, column, group : slices of the rows, of the values in a row, of the groups in a row

        Examples
        --------
        >>> for row, column, group in Layout((5,), block_size=2).pieces():
        ...     print(column, group)
        slice(0, 4, None) slice(0, 2, None)
        slice(4, 5, None) slice(2, 3, None)
        """
        n_full, tail = divmod(self.row_length, max(self.group_size, 1))
        for start, n, size in ((0, n_full, self.group_size), (n_full, 1, tail)):
            n_rows = max(1, PIECE // max(n * size, 1))
            n_groups = max(1, PIECE // max(size, 1))
            step = n_groups * size if whole or size <= PIECE else PIECE
            for row in range(0, self.n_rows if n * size else 0, n_rows):
                for group in range(start, start + n, n_groups):
                    last_group = min(group + n_groups, start + n)
                    first = group * self.group_size
                    last = first + (last_group - group) * size
                    for column in range(first, last, step):
                        yield (
                            slice(row, min(row + n_rows, self.n_rows)),
                            slice(column, min(column + step, last)),
                            slice(group, last_group),
                        )

    def pick(self, per_group: Any, piece: Piece) -> Any:
        """The numbers [n, 1] that belong to the groups of a piece; one number for all as it is.

        >>> layout = Layout((4,), block_size=2)
        >>> [layout.pick(np.array([[0.5], [3.0]]), piece).tolist() for piece in layout.pieces()]
        [[[0.5], [3.0]]]
        """
        if np.ndim(per_group) == 0:
            return per_group
        return per_group.reshape(self.n_rows, -1)[piece[0], piece[2]].reshape(-1, 1)

    def fill(
        self, out: np.ndarray, dtype: Any, function: Callable[[Piece, np.ndarray], Any]
    ) -> None:
        """Fill an array by function(piece, part), part [n_groups, size] contiguous, of `dtype`.

        >>> layout, out = Layout((5,), block_size=2), np.empty(5)
        >>> def number(piece, part):    # of the group, into each of its values
        ...     part[...] = np.arange(piece[2].start, piece[2].stop)[:, None]
        >>> layout.fill(out, np.float64, number)
        >>> out
        array([0., 0., 1., 1., 2.])
        """
        rows = self.rows(out)
        for piece in self.pieces():
            target = rows[piece[:2]]
            direct = target.dtype == dtype and target.flags.c_contiguous
            part = target if direct else np.empty(target.shape, dtype)
            n_groups = (piece[0].stop - piece[0].start) * (piece[2].stop - piece[2].start)
            function(piece, part.reshape(n_groups, -1))
            if not direct:
                target[...] = part
        if out.size and not np.may_share_memory(rows, out):  # rows are a copy
            moved = np.moveaxis(out, self.axis, range(-len(self.axis), 0))
            moved[...] = rows.reshape(moved.shape)


def packed_size(n: int, bits: int) -> int:
    """Number of bytes that n codes of so many bits fill, the last byte padded.

    >>> packed_size(3, bits=4)
    2
    """
    return -(-n * bits // 8)


def pack(codes: Any, bits: int, order: str = "high_first", pad: int = 0) -> np.ndarray:
    """Codes side by side in bytes.

    Parameters
    ----------
    codes : integer array, any shape, entries 0 … 2^bits − 1; taken in C order
    bits : 1 to 8; a code of 3, 5, 6 or 7 bits may lie across two bytes
    order : "high_first" fills each byte from its highest bit down (bitsandbytes' 4-bit order),
        "low_first" from its lowest bit up (the order of NVFP4 in torchao)
    pad : code that fills what is left of the last byte

    Returns
    -------
    uint8 array [packed_size(codes.size, bits)]

    Raises
    ------
    TypeError, ValueError
        If codes are not integers, or one is out of range; if bits or order are unknown.

    Examples
    --------
    >>> [f"{byte:02x}" for byte in pack([0x1, 0x2, 0x3], bits=4)]
    ['12', '30']
    >>> [f"{byte:02x}" for byte in pack([0x1, 0x2, 0x3], bits=4, order="low_first")]
    ['21', '03']
    """
    _checks.require_choice("order", order, ORDERS)
    bits = _checks.integer_in("bits", bits, 1, 8)
    codes = _checks.as_codes(codes, f"{bits} bits", bits, 2**bits).reshape(-1)
    _checks.as_codes(pad, f"{bits} bits, pad too,", bits, 2**bits)
    packed = np.empty(packed_size(codes.size, bits), dtype=np.uint8)
    for start in range(0, codes.size, PIECE):  # a piece fills whole bytes, the last one excepted
        piece = np.ascontiguousarray(codes[start : start + PIECE], dtype=np.uint8)
        if piece.size % 8:
            piece = np.concatenate([piece, np.full(-piece.size % 8, pad, dtype=np.uint8)])
        out = packed[start * bits // 8 :][: packed_size(PIECE, bits)]
        out[:] = _pack_eights(piece, bits, order == "high_first")[: out.size]
    return packed


def _pack_eights(codes: np.ndarray, bits: int, high_first: bool) -> np.ndarray:
    """A multiple of eight codes, so that bytes come out whole."""
    if bits not in (1, 2, 4, 8):
        bitorder: Any = "big" if high_first else "little"
        each = np.unpackbits(codes[:, None], axis=1, bitorder=bitorder)
        return np.packbits(each[:, 8 - bits :] if high_first else each[:, :bits], bitorder=bitorder)
    # two neighbours, the first in the lower byte, become one code of twice the bits
    while bits < 8:
        pairs = codes.view("<u2")
        pairs = pairs << bits | pairs >> 8 if high_first else pairs | pairs >> (8 - bits)
        codes, bits = pairs.astype(np.uint8), 2 * bits
    return codes


def unpack(packed: Any, bits: int, count: int, order: str = "high_first") -> np.ndarray:
    """The first `count` codes that lie in these bytes: `pack`, undone.

    Parameters
    ----------
    packed : uint8 array [packed_size(count, bits)]
    bits, order : as they were given to `pack`

    Returns
    -------
    uint8 array [count]

    Raises
    ------
    TypeError, ValueError
        If these are not bytes, or not as many as the codes need; if bits or order are unknown.

    Examples
    --------
    >>> unpack(pack([5, 6, 7], bits=3), bits=3, count=3)
    array([5, 6, 7], dtype=uint8)
    """
    _checks.require_choice("order", order, ORDERS)
    bits, count = _checks.integer_in("bits", bits, 1, 8), _checks.integer_in("count", count, 0)
    packed, needed = np.asarray(packed), packed_size(count, bits)
    if packed.dtype != np.uint8:
        raise TypeError(f"packed codes are uint8, not {packed.dtype}")
    if packed.shape != (needed,):
        raise ValueError(
            f"{count} codes of {bits} bits fill {needed} bytes; got an array of shape "
            f"{packed.shape}: was it cut off, or packed with another number of bits?"
        )
    codes = np.empty(count, dtype=np.uint8)
    for start in range(0, count, PIECE):
        piece = packed[start * bits // 8 :][: packed_size(PIECE, bits)]
        out = codes[start : start + PIECE]
        out[:] = _unpack_bytes(piece, bits, order == "high_first")[: out.size]
    return codes


def _unpack_bytes(packed: np.ndarray, bits: int, high_first: bool) -> np.ndarray:
    if bits not in (1, 2, 4, 8):
        ones = np.unpackbits(packed, bitorder="big" if high_first else "little")
        each = ones[: ones.size // bits * bits].reshape(-1, bits)
        return each @ (1 << np.arange(bits, dtype=np.uint8)[:: -1 if high_first else 1])
    width = 8
    while width > bits:  # a code of two halves becomes two neighbours
        width //= 2
        both, low = packed.astype("<u2"), 2**width - 1
        first, second = (both >> width, both & low) if high_first else (both & low, both >> width)
        packed = (first | second << 8).view(np.uint8)
    return packed
