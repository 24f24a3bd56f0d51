"""Exercises: solutions pass, stubs and wrong answers do not, and the notebooks name them all."""

import importlib
import json
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import quantedu.exercises
from quantedu.exercises import Exercise
from quantedu.exercises.exercise import close, same

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
CHAPTERS = [
    importlib.import_module(f"quantedu.exercises.{module.name}")
    for module in pkgutil.iter_modules(quantedu.exercises.__path__)
    if module.name.startswith("chapter_")
]
EXERCISES = [
    pytest.param(exercise, id=f"{chapter.__name__.rpartition('.')[2]}-{name}")
    for chapter in CHAPTERS
    for name, exercise in vars(chapter).items()
    if isinstance(exercise, Exercise)
]


def test_every_chapter_has_three_to_five_exercises():
    for chapter in CHAPTERS:
        found = {name: e for name, e in vars(chapter).items() if isinstance(e, Exercise)}
        assert 3 <= len(found) <= 5, chapter.__name__
        assert all(name == exercise.name for name, exercise in found.items())


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_solution_is_right(exercise):
    namespace = {}
    exec(str(exercise.solution()), namespace)
    verdict = exercise.check(namespace[exercise.name])
    assert verdict.state == "right", verdict


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_stub_is_not_accepted(exercise):
    def raises(*arguments):
        raise NotImplementedError

    for stub in (lambda *arguments: ..., lambda *arguments: None, raises):
        assert exercise.check(stub).state == "not attempted"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_constant_answers_are_wrong(exercise):
    for constant in (0, 1.0, float("nan"), "text", np.zeros(3), ()):
        assert exercise.check(lambda *arguments, c=constant: c).state == "wrong"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_hints_lead_on_and_end_with_a_clear_error(exercise):
    assert len(exercise.hints) >= 2
    for number in range(1, len(exercise.hints) + 1):
        assert str(exercise.hint(number)).strip()
    with pytest.raises(ValueError, match="has hints 1 …"):
        exercise.hint(len(exercise.hints) + 1)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.__name__[-2:])
def test_the_notebook_leaves_every_exercise_unattempted(chapter):
    (path,) = NOTEBOOKS.glob(f"{chapter.__name__[-2:]}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = {}
    for cell in cells:
        for name in re.findall(r"(\w+)\.check\(", "".join(cell["source"])):
            outputs[name] = "".join(
                "".join(out.get("data", {}).get("text/plain", "")) for out in cell["outputs"]
            )
    names = {name for name, e in vars(chapter).items() if isinstance(e, Exercise)}
    assert set(outputs) == names
    assert all("not attempted" in text for text in outputs.values())


def halve(model="def halve(x):\n    return x / 2"):
    return Exercise("halve", lambda x: x / 2, lambda rng: [(2.0,), (rng.random(),)], ("÷",), model)


def test_an_answer_that_raises_is_wrong_and_says_where():
    verdict = halve().check(lambda x: x / 0)
    assert verdict.state == "wrong"
    assert "halve(2.0) raises ZeroDivisionError" in repr(verdict)


def test_an_answer_that_returns_none_is_asked_for_its_return():
    assert "is a return missing?" in repr(halve().check(lambda x: None))


def test_an_answer_called_by_mistake_is_refused():
    with pytest.raises(TypeError, match=r"check\(halve\), not 1.0"):
        halve().check(1.0)


def test_an_answer_cannot_change_the_cases():
    def add_one(x):
        return x + 1

    cases = [(np.zeros(3),), (np.zeros(3),)]
    exercise = Exercise("add_one", add_one, lambda rng: cases, ("+",), "")

    def in_place(x):
        x += 1
        return x

    assert exercise.check(in_place).state == "right"
    assert not cases[0][0].any()


def test_a_wrong_answer_comes_with_its_picture():
    exercise = Exercise(
        "halve",
        lambda x: x / 2,
        lambda rng: [(1.0,)],
        ("÷",),
        "",
        picture=lambda arguments, expected, got: f"{arguments} {expected} {got}".encode(),
    )
    assert exercise.check(lambda x: x)._repr_png_() == b"(1.0,) 0.5 1.0"


def test_same_knows_nan_and_signed_zero_and_shape():
    assert same(float("nan"), np.nan)
    assert not same(-0.0, 0.0)
    assert not same([1, 2], [1, 2, 3])
    assert same([1.0, np.nan], np.array([1.0, np.nan]))
    assert same("normal", "normal")
    assert not same("normal", np.array(["normal"]))
    assert not same(1, "1")
    assert not same(1.0, None)


def test_close_allows_another_order_of_summation_and_no_more():
    assert close(0.6, 0.1 + 0.2 + 0.3)
    assert not close(0.6, 0.600001)
    assert not close(0.6, "x")


def test_results_that_are_written_alike_are_told_apart():
    def check(expected, got):
        exercise = Exercise("f", lambda: expected, lambda rng: [()], ("",), "", lambda a, b: False)
        return exercise.check(lambda: got).message

    long = np.arange(20.0)
    assert check(long, np.where(long == 9, 5, long)).endswith(" (entry [9]: 5.0, not 9.0)")
    assert check(1.0, np.float32(1)).endswith(" (of type float32, not float)")
    assert check(1.0, 2.0).endswith("should be 1.0, but your function gives 2.0")
    assert check(1.0, 1.0).endswith("gives 1.0")


def test_numpys_scalars_in_a_pair_are_shown_as_the_numbers_they_are():
    pair = Exercise("pair", lambda: (1.0, 2.0), lambda rng: [()], ("",), "…")
    assert "gives (1.5, 2)" in pair.check(lambda: (np.float64(1.5), np.int64(2))).message
    assert "gives [1.5, 'a']" in pair.check(lambda: [np.float32(1.5), "a"]).message
