"""Groups and packing, held to naive loops."""

import numpy as np
import pytest
import quantizer_spec as spec
from hypothesis import given
from hypothesis import strategies as st

from quantedu import layout
from quantedu.layout import Layout, pack, packed_size, unpack

# ---------------------------------------------------------------------- which values share a scale


def groups_by_hand(shape, axis, block_size):
    """The flat positions of every group, by loops over the array's indices."""
    dimensions = range(len(shape))
    axes = dimensions if axis is None else [a % len(shape) for a in np.atleast_1d(axis).tolist()]
    position = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    rows = {}
    for index in np.ndindex(*shape):
        rows.setdefault(tuple(index[a] for a in dimensions if a not in axes), []).append(
            (tuple(index[a] for a in axes), int(position[index]))
        )
    ordered = [[place for _, place in sorted(row)] for _, row in sorted(rows.items())]
    return [block for row in ordered for block in spec.blocks(row, block_size or len(row))]


@st.composite
def layouts(draw):
    shape = tuple(draw(st.lists(st.integers(0, 7), max_size=3)))
    axes = st.permutations(range(len(shape))).flatmap(
        lambda order: st.integers(1, len(shape)).map(lambda n: tuple(order[:n]))
    )
    axis = draw(st.none() | axes if shape else st.none())
    return shape, axis, draw(st.none() | st.integers(1, 12))


@given(layouts(), st.sampled_from([4, 7, 2**16]), st.booleans())
def test_pieces_hold_each_group_once_in_order_and_whole_if_asked(case, piece_size, whole):
    shape, axis, block_size = case
    grouping = Layout(shape, axis, block_size)
    rows = grouping.rows(np.arange(grouping.size).reshape(shape))
    found = [[] for _ in range(grouping.n_groups)]
    kept = layout.PIECE
    layout.PIECE = piece_size
    try:
        for row, column, group in grouping.pieces(whole):
            n_rows, n_groups = row.stop - row.start, group.stop - group.start
            parts = rows[row, column].reshape(n_rows, n_groups, -1).tolist()
            assert rows[row, column].size <= max(piece_size, grouping.group_size * whole)
            for i, line in enumerate(parts, start=row.start):
                for j, part in enumerate(line, start=group.start):
                    assert not (whole and found[i * grouping.groups_per_row + j])
                    found[i * grouping.groups_per_row + j] += part
    finally:
        layout.PIECE = kept
    assert found == groups_by_hand(shape, axis, block_size)


@given(layouts())
def test_an_array_filled_from_its_rows_is_itself(case):
    shape, axis, block_size = case
    grouping = Layout(shape, axis, block_size)
    x = np.arange(float(grouping.size)).reshape(shape)
    rows = grouping.rows(x)

    def fill(piece, part):
        part[...] = rows[piece[:2]].reshape(part.shape)

    for dtype in (np.float64, np.float32):
        out = np.empty(shape, dtype)
        grouping.fill(out, np.float64, fill)
        assert out.tolist() == x.tolist()


def test_a_ragged_tail_is_a_group_of_its_own():
    pieces = list(Layout((10,), block_size=4).pieces())
    assert [(p[1].start, p[1].stop) for p in pieces] == [(0, 8), (8, 10)]
    assert Layout((10,), block_size=4).n_groups == 3
    assert Layout((3, 10), axis=-1, block_size=4).n_groups == 9
    assert Layout((3, 10), block_size=4).n_groups == 8  # flattened: 7 and a tail of 2


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((4,), None, 0), ValueError, "block_size=0: a block holds at least one value"),
        (((4,), None, -3), ValueError, "block_size=-3"),
        (((4,), None, 2.0), TypeError, r"block_size must be an integer or None, not 2\.0"),
        (((4,), None, True), TypeError, "block_size must be an integer or None, not True"),
        (((4,), 1), ValueError, r"axis=\(?1,?\)? of an array of shape \(4,\): there are 1 axes"),
        (((), -1), ValueError, r"shape \(\): there are 0 axes; axis=None groups all"),
        (((4, 4), (0, -2)), ValueError, "twice"),
        (((4, 4), "rows"), TypeError, "axis must be an integer, a tuple of them or None"),
        (((4, 4), ()), TypeError, "axis must be an integer"),
    ],
)
def test_what_is_no_layout_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Layout(*arguments)


# ---------------------------------------------------------------------- codes in bytes

ORDERS = pytest.mark.parametrize("order", layout.ORDERS)


@ORDERS
@pytest.mark.parametrize("bits", range(1, 9))
@given(data=st.data())
def test_packing_writes_bit_after_bit(bits, order, data):
    codes = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=40))
    packed = pack(codes, bits, order)
    assert packed.tolist() == spec.bit_stream(codes, bits, order == "high_first")
    assert packed.size == packed_size(len(codes), bits)
    assert unpack(packed, bits, len(codes), order).tolist() == codes


@ORDERS
@pytest.mark.parametrize("bits", range(1, 9))
def test_many_codes_come_back_and_the_pieces_join(bits, order, monkeypatch):
    codes = np.random.default_rng(bits).integers(0, 2**bits, 1003).astype(np.uint8)
    whole = pack(codes, bits, order)
    monkeypatch.setattr(layout, "PIECE", 64)
    np.testing.assert_array_equal(pack(codes, bits, order), whole)
    np.testing.assert_array_equal(unpack(whole, bits, codes.size, order), codes)


def test_the_first_nibble_is_the_high_one_as_in_bitsandbytes_or_the_low_one_as_in_torchao():
    assert pack([0xA, 0xB, 0xC], 4).tolist() == [0xAB, 0xC0]
    assert pack([0xA, 0xB, 0xC], 4, pad=7).tolist() == [0xAB, 0xC7]
    assert pack([0xA, 0xB, 0xC], 4, "low_first").tolist() == [0xBA, 0x0C]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pack([16], 4), ValueError, "codes of 4 bits are 0 … 15; got 1 of 1, the first 16"),
        (lambda: pack([3, -1], 4), ValueError, "got 1 of 2, the first -1 at 1"),
        (lambda: pack([0.5], 4), TypeError, "codes must be integers"),
        (lambda: pack([1], 9), ValueError, "bits must be an integer from 1 to 8, not 9"),
        (lambda: pack([1], 4, "msb"), ValueError, "unknown order 'msb'; choose one of high_first"),
        (lambda: unpack(np.uint8([1, 2]), 4, 2), ValueError, "2 codes of 4 bits fill 1 bytes"),
        (lambda: unpack(np.uint8([1]), 4, 3), ValueError, "fill 2 bytes; .* was it cut off"),
        (lambda: unpack([1.0], 4, 2), TypeError, "packed codes are uint8, not float64"),
        (lambda: unpack(np.uint8([]), 0, 0), ValueError, "from 1 to 8, not 0"),
    ],
)
def test_what_cannot_be_packed_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_column_can_be_packed():
    codes = np.arange(16, dtype=np.uint8).reshape(8, 2)
    assert np.array_equal(pack(codes[:, 0], 4), pack(codes[:, 0].copy(), 4))
