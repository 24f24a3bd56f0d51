"""The scene of chapter 04: one outlier among 4,096 values, in blocks."""

import re

import numpy as np
import pytest

from quantedu.metrics import sqnr_db
from quantedu.scenes.chapter_04 import BLOCK_SIZES, OUTLIER_AT, outlier_in_blocks


def int4(x, block_size):
    """The chapter's own three lines."""
    blocks = x.reshape(-1, block_size)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(7)
    return (np.rint(blocks / scale) * scale).ravel()


def wild(outlier):
    x = np.random.default_rng(0).standard_normal(4096).astype(np.float32)
    x[OUTLIER_AT] = outlier
    return x


def mark(panel, label):
    (found,) = (m for m in panel.marks if m.label == label)
    return found


@pytest.mark.parametrize("outlier", [1, 10, 100])
@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_the_scene_shows_what_bare_numpy_computes(outlier, block_size):
    x = wild(outlier)
    x_hat = int4(x, block_size)
    values, scores = outlier_in_blocks(outlier, block_size).panels
    seen = mark(values, "x̂").x.astype(int)
    assert np.array_equal(mark(values, "x").y, x[seen])
    assert np.allclose(mark(values, "x̂").y, x_hat[seen], rtol=1e-6)

    others = np.arange(4096) != OUTLIER_AT
    expected = sqnr_db(x[others], x_hat[others])
    (here,) = mark(scores, f"B = {block_size}").y
    assert here == pytest.approx(expected, abs=1e-3)
    assert mark(scores, "with the outlier").y[BLOCK_SIZES.index(block_size)] == here


def test_an_outlier_of_100_leaves_nothing_in_its_block():
    for block_size in BLOCK_SIZES:
        text = outlier_in_blocks(100, block_size).text
        lost, neighbours = map(int, re.match(r"(\d+) of the (\d+) neighbours", text).groups())
        assert lost == neighbours == block_size - 1


def test_the_shaded_block_is_the_outliers():
    values = outlier_in_blocks(100, 64).panels[0]
    first, last = mark(values, "the outlier's block").x
    assert (first, last) == (1983.5, 2047.5)


def test_bits_per_value_are_4_and_32_over_the_block_size():
    for block_size in BLOCK_SIZES:
        last = outlier_in_blocks(5, block_size).text.splitlines()[-1]
        assert last == f"{4 + 32 / block_size:.6g} bits per value"


def test_the_scene_is_small_enough_for_a_quick_picture():
    panels = outlier_in_blocks(100, 4096).panels
    assert sum(m.x.size for panel in panels for m in panel.marks) < 1000


def test_a_block_size_that_leaves_a_tail_is_shown_too():
    text = outlier_in_blocks(100, 48).text
    assert text.startswith("47 of the 47 neighbours")
    assert text.endswith(f"{4 + 32 * 86 / 4096:.6g} bits per value")  # 85 blocks of 48 and a tail
    assert outlier_in_blocks(100, 5000).text.startswith("4095 of the 4095 neighbours")


@pytest.mark.parametrize("block_size", [0, -64])
def test_a_block_size_that_is_none_is_refused(block_size):
    with pytest.raises((ValueError, ZeroDivisionError)):
        outlier_in_blocks(100, block_size)
