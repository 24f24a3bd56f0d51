"""The scene of chapter 00 says what the records say."""

import itertools

import pytest

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
        "a�⟨20 spaces⟩b\n\nc" + "d" * 95 + "\n" + "d" * 5
    )
