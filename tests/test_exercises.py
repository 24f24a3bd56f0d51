"""Exercises: solutions pass, stubs and wrong answers do not, and the notebooks name them all."""

import importlib
import json
import pkgutil
import re
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import quantedu.exercises
from quantedu.exercises import Exercise
from quantedu.exercises.exercise import Verdict, close, same, same_integers

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


def answers(which):
    """(exercise, answer) for all answers that the chapters' own tests name: WRONG or RIGHT."""
    found = []
    for chapter in CHAPTERS:
        name = chapter.__name__.rpartition(".")[2]
        tests = importlib.import_module(f"test_exercises_{name}")
        for task, those in getattr(tests, which).items():
            named = those if isinstance(those, dict) else {a.__name__: a for a in those}
            for words, answer in named.items():
                case = pytest.param(getattr(chapter, task), answer, id=f"{name}-{task}-{words}")
                found.append(case)
    return found


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


@pytest.mark.parametrize(("exercise", "answer"), answers("WRONG"))
def test_a_typical_wrong_answer_is_called_wrong(exercise, answer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what wraps or overflows
        verdict = exercise.check(answer)
    assert verdict.state == "wrong", verdict
    assert f"{exercise.name}(" in verdict.message


@pytest.mark.parametrize(("exercise", "answer"), answers("RIGHT"))
def test_a_right_answer_of_another_style_passes(exercise, answer):
    with np.errstate(all="ignore"):
        verdict = exercise.check(answer)
    assert verdict.state == "right", verdict


def test_three_mistakes_and_another_style_are_tried_of_each_exercise():
    wrong, right = ([param.values[0] for param in answers(which)] for which in ("WRONG", "RIGHT"))
    for exercise in (param.values[0] for param in EXERCISES):
        assert wrong.count(exercise) >= 3, exercise.name
        assert right.count(exercise) >= 1, exercise.name


@pytest.mark.parametrize("exercise", EXERCISES)
def test_hints_lead_on_and_end_with_a_clear_error(exercise):
    assert len(exercise.hints) >= 2
    for number in range(1, len(exercise.hints) + 1):
        hint = str(exercise.hint(number))
        assert hint.strip()
        assert max(map(len, hint.splitlines())) <= 79
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


def test_a_long_verdict_breaks_between_words():
    verdict = Verdict("wrong", " ".join(["halve(2.0) should be 1.0"] * 9))
    assert " ".join(repr(verdict).split()) == f"✗ wrong: {verdict.message}"
    assert max(map(len, repr(verdict).splitlines())) <= 79


def test_an_answer_that_returns_none_is_asked_for_its_return():
    assert "is a return missing?" in halve().check(lambda x: None).message


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
    assert check(long, np.where(long == 9, 5, long)).endswith(
        " (furthest apart at [9]: 9.0 and 5.0)"
    )
    assert check(1.0, np.float32(1)).endswith(" (of type float32, not float64)")
    assert check(1.0, 2.0).endswith("should be 1.0, but your function gives 2.0")
    assert check(1.0, 1.0).endswith("gives 1.0")


def test_numpys_scalars_in_a_pair_are_shown_as_the_numbers_they_are():
    pair = Exercise("pair", lambda: (1.0, 2.0), lambda rng: [()], ("",), "…")
    assert "gives (1.5, 2)" in pair.check(lambda: (np.float64(1.5), np.int64(2))).message
    assert "gives [1.5, 'a']" in pair.check(lambda: [np.float32(1.5), "a"]).message


# ---------------------------------------------------------------------- odd answers


class Unprintable(np.ndarray):
    def __repr__(self):
        raise RuntimeError("no words")

    __str__ = __array__ = __repr__


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def silent(*arguments):
    raise Silent


def leaves(*arguments):
    raise SystemExit(3)


def endless():
    knot = []
    knot.append(knot)
    return knot


ODD = {
    "a number as text": lambda *a: "0.5",
    "bytes": lambda *a: b"0.5",
    "texts": lambda *a: np.array(["1.0", "2.0"]),
    "a ragged list": lambda *a: [[1.0], [2.0, 3.0]],
    "objects": lambda *a: np.array([1.0, None], dtype=object),
    "complex": lambda *a: 0.5 + 0j,
    "complex numbers": lambda *a: np.ones(3, complex),
    "a generator": lambda *a: (x for x in (1.0, 2.0)),
    "a dict": lambda *a: {"scale": 1.0},
    "a set": lambda *a: {1.0},
    "another function": lambda *a: np.sum,
    "dates": lambda *a: np.array(["2020"], dtype="datetime64[s]"),
    "records": lambda *a: np.zeros(2, [("a", "f4")]),
    "NaN": lambda *a: np.nan,
    "NaN everywhere": lambda *a: np.full(8, np.nan),
    "another shape": lambda *a: np.zeros((8, 1, 1)),
    "a matrix": lambda *a: np.ones((2, 2, 2)),
    "a pair too many": lambda *a: (1.0, 2.0, 3.0, 4.0, 5.0),
    "a pair of Nones": lambda *a: (None, None),
    "what cannot be printed": lambda *a: np.ones(3).view(Unprintable),
    "a list in itself": lambda *a: endless(),
    "an error without words": silent,
    "an exit": leaves,
    "too few parameters": lambda: 1.0,
}


@pytest.mark.parametrize("exercise", EXERCISES)
def test_an_odd_answer_gets_a_word_and_raises_nothing(exercise):
    for odd, answer in ODD.items():
        verdict = exercise.check(answer)
        assert verdict.state == "wrong", (odd, verdict)
        assert 20 < len(verdict.message) < 5000, odd


@pytest.mark.parametrize("agree", [same, close])
@pytest.mark.parametrize("got", ["0.5", b"0.5", np.array("0.5"), 0.5 + 0j, np.array(0.5 + 3j)])
def test_text_and_complex_numbers_are_no_numbers(agree, got):
    assert not agree(0.5, got)


def right_but(change):
    """Answers of the solution, changed in kind but not in value."""

    def changed(exercise):
        namespace = {}
        exec(str(exercise.solution()), namespace)
        return lambda *arguments: change(namespace[exercise.name](*arguments))

    return changed


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_right_numbers_as_text_or_complex_numbers_are_not_right(exercise):
    if isinstance(exercise.spec(*next(iter(exercise.cases(np.random.default_rng(0))))), str):
        pytest.skip("text is what is asked for")

    def kind(dtype):
        def change(value):
            if isinstance(value, (tuple, list)):
                return [change(v) for v in value]
            return np.asarray(value).astype(dtype)

        return change

    for dtype in (complex, str):
        verdict = exercise.check(right_but(kind(dtype))(exercise))
        assert verdict.state == "wrong", (dtype, verdict)


def words_of(expected, got, agree=None):
    exercise = Exercise("it", lambda: expected, lambda rng: [(), ()], ("",), "", agree)
    return exercise.check(lambda: got).message


def test_the_words_say_what_two_printed_results_would_not_show():
    assert "gives '0.5' (text, not numbers)" in words_of(0.5, "0.5", close)
    assert "(complex, not real)" in words_of(0.5, 0.5 + 0j)
    assert "(shape (2, 1), not (2,))" in words_of(np.ones(2), np.ones((2, 1)))
    far = np.arange(100.0)
    other = far.copy()
    other[[50, 60]] += [1e-12, 3]
    assert "(furthest apart at [60]: 60.0 and 63.0)" in words_of(far, other)
    other[70] = np.nan
    assert "(furthest apart at [70]: 70.0 and nan)" in words_of(far, other)
    assert "make it a list or an array" in words_of([1.0], iter([1.0]))
    assert "an array of object" in words_of([1.0], np.array([1.0], dtype=object))
    assert words_of(2.0, 1.0).endswith("gives 1.0")


def test_a_return_that_is_missing_on_one_path_only_is_asked_for():
    answers = iter([1.0, None])
    exercise = Exercise("it", lambda: 1.0, lambda rng: [(), ()], ("",), "")
    verdict = exercise.check(lambda: next(answers))
    assert verdict.state == "wrong"
    assert verdict.message.endswith("gives None (is a return missing?)")


@pytest.mark.parametrize("agree", [same, close])
@pytest.mark.parametrize(
    ("expected", "got"), [(0.5, Fraction(1, 2)), (float(2**70), 2**70), (1.0, True), (2, 2.0)]
)
def test_fractions_and_long_integers_count_as_the_numbers_they_are(agree, expected, got):
    assert words_of(expected, got, agree).startswith("it agrees")
    assert "should be" in words_of(expected + 1, got, agree) or expected > 1e15


def test_bfloat16_counts_as_the_numbers_it_holds():
    import ml_dtypes

    assert words_of(np.float32([1.5, 2]), np.array([1.5, 2], ml_dtypes.bfloat16)).startswith(
        "it agrees"
    )
    assert "gives [1.5, 4.]" in words_of([1.5, 2.0], np.array([1.5, 4], ml_dtypes.bfloat16))


def test_an_answer_cannot_change_arrays_inside_a_list_either():
    inner = np.ones(2)
    exercise = Exercise("it", lambda ws: ws[0].sum(), lambda rng: [([inner],)] * 2, ("",), "")

    def in_place(ws):
        ws[0] *= 2
        return ws[0].sum() / 2

    assert exercise.check(in_place).state == "right"
    assert inner.tolist() == [1, 1]


def test_a_picture_that_cannot_be_drawn_takes_no_word_away():
    def draw(arguments, expected, got):
        raise ZeroDivisionError

    exercise = Exercise("it", lambda: 1.0, lambda rng: [()], ("",), "", picture=draw)
    verdict = exercise.check(lambda: 2.0)
    assert (verdict.state, verdict._repr_png_()) == ("wrong", None)


@pytest.mark.parametrize("number", [0, 9, "1", 1.0, None])
def test_a_hint_that_is_not_there_is_refused(number):
    with pytest.raises(ValueError, match="has hints 1 …"):
        halve().hint(number)


def test_what_numpy_warns_of_becomes_words_and_no_warning():
    """`filterwarnings = error` would turn a warning that comes through into "raises"."""
    ratio = Exercise("ratio", lambda x: 0.0, lambda rng: [(np.zeros(2),)], ("",), "")
    for answer in (lambda x: (x / x)[0], lambda x: x[x > 0].mean()):
        verdict = ratio.check(answer)
        assert verdict.state == "wrong"
        assert "gives nan (NaN is what 0/0 gives" in verdict.message
    nothing = Exercise("nothing", lambda x: x, lambda rng: [(np.zeros(2),)], ("",), "")
    assert nothing.check(lambda x: np.where(x == 0, 0, x / x)).state == "right"


def test_integers_made_of_nan_on_the_way_get_a_word():
    """0/0 cast to an integer is 0 on one machine and −2^63 on another; np.where may drop it."""
    code = Exercise("code", lambda x: np.int64([0]), lambda rng: [(np.zeros(1),)], ("",), "")

    def casts(x):
        return np.where(x == 0, 0, (x / x).astype(np.int64))

    verdict = code.check(casts)
    assert verdict.state == "right"
    assert "makes integers of NaN" in verdict.message
    assert "NaN" not in code.check(lambda x: np.int64(x)).message


def test_more_than_two_arguments_are_shown_by_name_and_matrices_on_a_line():
    line = Exercise("line", lambda w, x, b: w @ x + b, lambda rng: [CASE], ("",), "")
    message = line.check(lambda w, x, b: w @ x).message
    assert message.startswith("line(w=[[1., 2.], [3., 4.]], x=[1., 0.5], b=10) should be [12.,")
    assert words_of((1.0, np.eye(2)), 0.0).startswith("it() should be (1.0, [[1., 0.], [0., 1.]])")


CASE = (np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 0.5]), 10)


def test_a_wrong_shape_is_named():
    two = Exercise("two", lambda: np.zeros(2), lambda rng: [()], ("",), "")
    assert "(shape (3,), not (2,))" in two.check(lambda: np.zeros(3)).message
    assert "(shape (), not (2,))" in two.check(lambda: 0).message
    one = Exercise("one", lambda: 1, lambda rng: [()], ("",), "")
    assert "(one number is asked for)" in one.check(lambda: [1, 2]).message
    assert one.check(lambda: [[1], [1, 2]]).message.endswith("[[1], [1, 2]]")


def test_codes_that_are_floats_are_told_so():
    codes = Exercise(
        "codes", lambda: np.arange(3), lambda rng: [()], ("",), "", agree=same_integers
    )
    assert codes.check(lambda: [0, 1, 2]).state == "right"
    assert codes.check(lambda: np.arange(3, dtype=np.uint8)).state == "right"
    verdict = codes.check(lambda: np.arange(3.0))
    assert verdict.state == "wrong"
    assert "the numbers are right, but floats cannot index" in verdict.message
