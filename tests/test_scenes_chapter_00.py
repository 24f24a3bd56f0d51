"""The scene of chapter 00 says what the records say."""

import itertools

import numpy as np
import pytest

import quantedu as qe
from quantedu.scenes import chapter_00 as scenes


@pytest.mark.parametrize("weights", scenes.WEIGHTS)
def test_a_scene_shows_the_record_of_its_recipe(weights):
    [record] = [r for r in scenes.records()["squeezed"] if weights.endswith(f" {r['name']}")]
    scene = scenes.squeezed(weights)
    assert weights.startswith(f"{record['bits']} bits, ")
    assert scene.title.startswith(f"{weights}: {record['bits_per_byte']:.3f} bits per byte")
    [here] = [m for m in scene.panels[0].marks if m.kind == "points"]
    assert (here.x.item(), here.y.item()) == (record["bits"], record["bits_per_byte"])
    assert f"{record['bits_per_weight']:g} bits a weight" in scene.text
    assert f"open(▸{record['text'][:4]}" in scene.text


def test_fewer_bits_never_help():
    names = [n for n in scenes.WEIGHTS if "NF4" not in n]
    scores = [scenes.squeezed(n).panels[0].marks[-1].y.item() for n in names]
    assert all(a < b + 5e-4 for a, b in itertools.pairwise(scores))


def test_what_cannot_be_printed_is_shown_all_the_same():
    assert scenes._shown("a\x07" + " " * 20 + "b\n\nc" + "d" * 100) == (
        "a�⟨20 spaces⟩b\n\nc" + "d" * 74 + "\n" + "d" * 26
    )


def test_every_text_has_the_same_height_in_a_narrow_window():
    """75 letters fit into a window of 800 pixels; longer lines would wrap, and the page jump."""
    texts = [scenes.squeezed(weights).text.split("\n") for weights in scenes.WEIGHTS]
    assert {len(lines) for lines in texts} == {9}
    assert max(len(line) for lines in texts for line in lines) <= 75


def test_damage_shows_the_original_and_what_is_left_of_it():
    wave = np.sin(np.linspace(0, 6, 100))
    formats = [qe.FP16, qe.E4M3, qe.E2M1]
    panels = scenes.damage(wave, formats).panels
    assert len(panels) == 3
    for panel, fmt in zip(panels, formats):
        gap, rounded, original = panel.marks
        assert (original.y == wave).all()
        assert (rounded.y == fmt.round(wave)).all()
        assert (gap.y == rounded.y).all()
        assert (gap.base == original.y).all()
        error = np.abs(fmt.round(wave) - wave).max()
        assert f"largest error {error:.2g}" in panel.y.label
        assert "lost" not in panel.y.label


def test_damage_marks_what_became_infinite_or_nan():
    [panel] = scenes.damage([1.0, 448.0, 500.0, 1e9], [qe.E4M3]).panels
    lost = panel.marks[-1]
    assert (lost.x.tolist(), lost.y.tolist()) == ([2, 3], [500, 1e9])
    assert "2 of 4 lost" in panel.y.label


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([[1, 2]], ValueError, r"shape \(1, 2\)"),
        ([1, np.nan], ValueError, "with 1 infinite or NaN"),
        (["a"], TypeError, "x must hold real numbers"),
        ([], ValueError, r"shape \(0,\)"),
    ],
)
def test_damage_takes_a_row_of_finite_numbers(x, error, message):
    with pytest.raises(error, match=message):
        scenes.damage(x, [qe.FP16])
