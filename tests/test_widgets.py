"""The widgets without a browser: Python owns every number, so every number is tested here."""

import base64
import dataclasses
import gc
import itertools
import json
import math
import re
import weakref
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from traitlets import TraitError

import quantedu as qe
from quantedu import widgets
from quantedu.widgets import BitInspector, predict

TINY = qe.FloatFormat("E11M51", exponent_bits=11, mantissa_bits=51)
UNSIGNED = qe.FloatFormat("UE2M2", 2, 2, signed=False, specials="finite")


def browser_sends(widget, action, **content):
    """What arrives when the JavaScript calls model.send."""
    widget._handle_custom_msg({"do": action, **content}, [])


def state(widget):
    return widget.fmt, widget.code, widget.typed, json.dumps(widget.view)


# ---------------------------------------------------------------------- reading what is typed


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("1", 0x3C00),
        ("  1.0 ", 0x3C00),
        ("1.", 0x3C00),
        (".5", 0x3800),
        ("+1", 0x3C00),
        ("-1", 0xBC00),
        ("−1", 0xBC00),  # the typographer's minus
        ("1e-3", 0x1419),
        ("1E+2", 0x5640),
        ("1/3", 0x3555),
        ("-2/6", 0xB555),
        ("2^-14", 0x0400),
        ("-2**(-24)", 0x8001),
        ("0", 0x0000),
        ("-0", 0x8000),
        ("-0.0", 0x8000),
        ("-0/7", 0x8000),
        ("inf", 0x7C00),
        ("-Infinity", 0xFC00),
        ("∞", 0x7C00),
        ("nan", 0x7E00),
        ("65519.999999999999999999999", 0x7BFF),
        ("65520", 0x7C00),
        ("1e400", 0x7C00),  # no float64
        ("-1e5000", 0xFC00),
        ("1e-400", 0x0000),
        ("-1e-5000", 0x8000),
        ("0x3C00", 0x3C00),
        ("0xffff", 0xFFFF),
        ("0X3c00", 0x3C00),
        ("0b11", 0x0003),
        ("0b0 01111 0000000001", 0x3C01),
        ("0x3C_00", 0x3C00),
    ],
)
def test_what_is_typed_gives_the_code(typed, code):
    inspector = BitInspector(qe.FP16, "7")
    inspector.typed = typed
    assert hex(inspector.code) == hex(code)
    assert inspector.typed == inspector.view["text"] == typed.strip()


@pytest.mark.parametrize(
    ("fmt", "typed", "said"),
    [
        (qe.FP16, "abc", "“abc” cannot be read as a number; type one such as 0.1"),
        (qe.FP16, "", "there is no number; type"),
        (qe.FP16, "   ", "there is no number"),
        (qe.FP16, "1/0", "divides by zero; for infinity type inf"),
        (qe.FP16, "0,1", "cannot be read as a number; type one such as 0.1"),
        (qe.FP16, "1 2", "cannot be read"),
        (qe.FP16, "1/3/5", "cannot be read"),
        (qe.FP16, "1e99999", "cannot be read"),  # would take minutes to write out
        (qe.FP16, "2^99999", "cannot be read"),
        (qe.FP16, "9" * 100_000, "cannot be read"),
        (qe.FP16, "0xZZ", "0xZZ is no code: 0x takes digits 0 to 9 and A to F"),
        (qe.FP16, "0x", "is no code"),
        (qe.FP16, "0b12", "0b takes digits 0 and 1"),
        (qe.FP16, "0x10000", "0x10000 is no code of FP16, whose 16 bits hold 0x0 to 0xFFFF"),
        (qe.E2M1, "nan", "FP4 E2M1 has no NaN"),
        (qe.E8M0, "-1", "E8M0 has no sign: it holds nothing below zero"),
        (qe.E8M0, "-inf", "E8M0 has no sign"),
        (UNSIGNED, "-1e-99", "UE2M2 has no sign"),
    ],
)
def test_wrong_text_is_said_and_changes_nothing(fmt, typed, said):
    inspector = BitInspector(fmt, "1")
    before = state(inspector)
    with pytest.raises(TraitError, match=said):
        inspector.typed = typed
    assert state(inspector) == before
    browser_sends(inspector, "type", text=typed)
    assert re.search(said, inspector.view["error"])
    assert len(inspector.view["error"]) < 200
    assert state(inspector)[:3] == before[:3]
    assert {**inspector.view, "error": ""} == json.loads(before[3])
    browser_sends(inspector, "type", text="2")
    assert inspector.view["error"] == ""
    with pytest.raises(ValueError, match=said):
        BitInspector(fmt, typed)


def nearest_by_search(fmt, q):
    """The codes that the exact number q may get: the nearest values', found by looking at all."""
    codes = np.arange(2**fmt.bits)[np.isfinite(fmt.values())]
    distance = {int(code): abs(Fraction(float(fmt.decode(code))) - q) for code in codes}
    least = min(distance.values())
    best = [code for code in distance if distance[code] == least]
    return [code for code in best if code % 2 == 0] or best


rationals = st.fractions() | st.builds(
    lambda n, d, power: Fraction(n, d) * Fraction(2) ** power,
    *(st.integers(-(10**30), 10**30), st.integers(1, 10**30), st.integers(-1100, 1000)),
)


@given(
    st.sampled_from([qe.E4M3, qe.E5M2, qe.E2M1, qe.E3M2, qe.E4M3FNUZ, UNSIGNED]),
    *(st.integers(0, 254), st.integers(-3, 3), st.integers(2, 60)),
)
def test_a_number_near_a_tie_gets_the_nearest_code(fmt, code, offset, digits):
    """Next to a midpoint, by 10^-digits, a rounding by way of float64 would go wrong."""
    low, high = (float(fmt.decode((code + i) % 2**fmt.bits)) for i in (0, 1))
    if not (math.isfinite(low) and math.isfinite(high)):
        return
    q = (Fraction(low) + Fraction(high)) / 2 + Fraction(offset, 10**digits)
    if not 0 < abs(q) <= fmt.max or (q < 0 and not fmt.signed):
        return
    inspector = BitInspector(fmt, q)
    expected = nearest_by_search(fmt, q)
    assert inspector.code in expected or inspector.value == 0 == fmt.decode(expected[0])


@given(rationals)
@example(Fraction(1, 3))
@example(Fraction(2**54 + 1, 2**54))
@example(Fraction(3, 2**1076))
@example(Fraction(2**1024 - 2**970 - 1))
@example(Fraction(2**1024 - 2**970))
def test_fp64_is_what_python_rounds_to(q):
    """Python's int / int is rounded once and correctly."""
    try:
        expected = float(q)
    except OverflowError:
        expected = math.inf if q > 0 else -math.inf
    got = float(BitInspector(qe.FP64, q).value)
    assert (got, math.copysign(1, got)) == (expected, math.copysign(1, expected))


@given(st.sampled_from([qe.FP32, qe.FP16, qe.BF16, qe.TF32, TINY]), rationals, st.booleans())
def test_no_neighbour_is_nearer(fmt, q, tie):
    if tie:  # between two numbers
        x = float(fmt.round(float(min(max(q, -(2**1000)), 2**1000))))
        above = float(fmt.neighbours(x)[1])
        if not (math.isfinite(x) and math.isfinite(above)):
            return
        q = (Fraction(x) + Fraction(above)) / 2
    inspector = BitInspector(fmt, q)
    value = float(inspector.value)
    if math.isinf(value):
        ulp = Fraction(2) ** (fmt.max_exponent - fmt.mantissa_bits)
        assert abs(q) >= Fraction(fmt.max) + ulp / 2
        return
    error = abs(Fraction(value) - q)
    for beside in map(float, fmt.neighbours(value)):
        if math.isfinite(beside):
            other = abs(Fraction(beside) - q)
            assert error < other or (error == other and inspector.code % 2 == 0)


def test_e8m0_takes_tiny_numbers_to_its_smallest_as_encode_does():
    for typed in ("1e-40", "2^-127", "1e-4000"):
        assert BitInspector(qe.E8M0, typed).code == 0
    assert BitInspector(qe.E8M0, "3").code == qe.E8M0.encode(3.0) == 129  # a tie goes up
    assert math.isnan(BitInspector(qe.E8M0, "0").value)


@given(st.sampled_from(qe.FORMATS), st.floats(allow_nan=False) | st.just(math.nan))
def test_a_float_typed_gets_the_code_that_encode_gives(fmt, x):
    if (math.isnan(x) and not fmt.has_nan) or (x < 0 and not fmt.signed):
        return
    assert BitInspector(fmt, Fraction(x) if math.isfinite(x) and x else x).code == fmt.encode(x)


# ---------------------------------------------------------------------- the bit inspector


def test_setting_the_code_changes_everything_else():
    inspector = BitInspector(qe.FP16, "1")
    inspector.code ^= 1 << 15
    assert inspector.value == -1.0
    assert isinstance(inspector.value, np.float64)
    assert inspector.typed == ""
    assert inspector.view["text"] == inspector.view["value"] == "-1"
    assert inspector.view["hex"] == "0xBC00"
    assert inspector.view["rounding"] == ""
    inspector.code = np.uint16(0x7C00)
    assert inspector.view["kind"] == "infinity"
    assert type(inspector.code) is int


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("code", 0x10000, "0x10000 is no code of FP16, whose 16 bits hold 0x0 to 0xFFFF"),
        ("code", -1, "-0x1 is no code"),
        ("code", 1.5, "a code is an integer, not 1.5; to set a number, set value"),
        ("code", True, "a code is an integer"),
        ("code", "0x3C00", "a code is an integer"),
        ("fmt", "FP16", "fmt"),
        ("fmt", None, "fmt"),
        ("fmt", qe.E2M1, "FP4 E2M1 has no NaN"),
        ("value", "abc", "cannot be read"),
        ("value", None, "cannot be read"),
        ("typed", 1.0, "typed"),
    ],
)
def test_setting_what_cannot_be_is_refused_and_changes_nothing(name, wrong, said):
    inspector = BitInspector(qe.FP16, "nan")
    before = state(inspector)
    with pytest.raises(TraitError, match=said):
        setattr(inspector, name, wrong)
    assert state(inspector) == before
    inspector.code = 1
    assert inspector.value == 2.0**-24


def test_only_formats_are_inspected():
    with pytest.raises(TypeError, match=r"fmt must be a FloatFormat such as qe.FP16, not 'FP16'"):
        BitInspector("FP16")


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 63), min_size=1), st.booleans())
def test_64_bit_codes_survive_the_way_to_the_browser_and_back(code, bits, on):
    inspector = BitInspector(qe.FP64, "1")
    inspector.code = code
    view = json.loads(json.dumps(inspector.view))
    assert int("".join(field["bits"] for field in view["fields"]), 2) == code == int(view["hex"], 0)
    assert view["format"] < 2**53  # the only number that is an integer there
    assert {type(x) for x in view["places"]} <= {float, type(None)}
    browser_sends(inspector, "set", bits=bits, on=on)
    mask = sum(1 << bit for bit in set(bits))
    assert inspector.code == (code | mask if on else code & ~mask)
    browser_sends(inspector, "flip", bit=bits[0])
    assert inspector.code == (code | mask if on else code & ~mask) ^ (1 << bits[0])


@pytest.mark.parametrize("fmt", [*qe.FORMATS, TINY, UNSIGNED], ids=lambda fmt: fmt.name)
def test_every_format_is_drawn_with_its_fields_and_its_formula(fmt):
    for code in {0, 1, 2 ** (fmt.bits - 1), 2**fmt.bits - 1, int(fmt.encode(fmt.max))}:
        inspector = BitInspector(fmt, f"{code:#x}")
        view = inspector.view
        assert "".join(field["bits"] for field in view["fields"]) == f"{code:0{fmt.bits}b}"
        assert [int(field["bits"], 2) for field in view["fields"]] == [
            int(field["held"]) for field in view["fields"]
        ]
        explained = fmt.explain(code)
        assert all(line in explained for line in (*view["formula"], view["value"]))
        assert view["formats"][view["format"]] == fmt.name
        assert repr(inspector).startswith(explained)


def test_a_new_format_keeps_the_number_that_was_typed():
    inspector = BitInspector(qe.FP16, "0.1")
    for fmt in (qe.E2M1, qe.E4M3, qe.FP64):
        inspector.fmt = fmt
        assert inspector.typed == "0.1"
        assert inspector.value == fmt.round(0.1)
    assert inspector.view["rounding"].startswith("0.1 is stored with an error of 5.55·10^-18")


def test_a_new_format_keeps_the_value_where_bits_were_set():
    inspector = BitInspector(qe.FP16, "1")
    inspector.code = 0x3C01
    for index in (qe.FORMATS.index(qe.E4M3), qe.FORMATS.index(qe.FP64)):
        browser_sends(inspector, "format", index=index)
    assert inspector.fmt == qe.FP64
    assert inspector.value == 1 + 2**-10  # not the 1 that E4M3 makes of it
    assert inspector.view["rounding"] == "1.0009765625 is stored exactly"


def test_a_format_without_the_number_is_refused():
    inspector = BitInspector(qe.FP16, "-2")
    before = state(inspector)
    browser_sends(inspector, "format", index=qe.FORMATS.index(qe.E8M0))
    assert inspector.view["error"] == "E8M0 has no sign: it holds nothing below zero"
    assert state(inspector)[:3] == before[:3]


def test_a_format_of_ones_own_joins_the_selector_even_under_a_known_name():
    own = dataclasses.replace(qe.E4M3, specials="finite")
    inspector = BitInspector(own, "1000")
    assert inspector.view["formats"].count("FP8 E4M3") == 2
    assert inspector.view["format"] == len(qe.FORMATS)
    assert inspector.value == 480
    inspector.fmt = qe.E4M3
    assert math.isnan(inspector.value)


def test_stepping_up_visits_every_number_once():
    inspector = BitInspector(qe.E2M1, "-6")
    visited = [float(inspector.value)]
    while inspector.view["above"]:
        browser_sends(inspector, "step", to="above")
        assert inspector.view["value"] != "", inspector.view
        visited.append(float(inspector.value))
    assert visited == sorted(set(qe.E2M1.values()))
    browser_sends(inspector, "step", to="below")
    assert inspector.value == 4


@pytest.mark.parametrize(
    ("fmt", "typed", "sentence"),
    [
        (qe.FP16, "0.5", "0.5 is stored exactly"),
        (qe.FP16, "0.1", "0.1 is stored with an error of −2.44·10^-5 (−0.0244 %)"),
        (qe.E2M1, "1/3", "1/3 is stored with an error of 0.167 (50 %)"),
        (qe.FP16, "1e-4000", "1e-4000 is stored with an error of −1.00·10^-4000 (−100 %)"),
        (qe.FP16, "1e6", "the largest number of FP16 is 65504: 1e6 becomes inf"),
        (
            *(qe.E4M3, "1e6"),
            "the largest number of FP8 E4M3 is 448, and there is no infinity: 1e6 becomes NaN",
        ),
        (
            *(qe.E2M1, "-inf"),
            "the largest number of FP4 E2M1 is 6, and there is no infinity: -inf becomes -6",
        ),
        (
            *(qe.E2M1, "100"),
            "100 is stored with an error of −94 (−94 %); the largest number of FP4 E2M1 is 6",
        ),
        (qe.FP16, "-inf", "-inf is stored exactly"),
        (qe.FP16, "nan", ""),
        (qe.FP16, "-0", "-0 is stored exactly"),
        (qe.E4M3FNUZ, "-0", "FP8 E4M3FNUZ has no −0: it becomes 0"),
        (qe.E8M0, "0", "E8M0 has no zero: it becomes NaN"),
        (qe.FP16, "0x3C00", ""),
    ],
)
def test_the_rounding_is_said_in_a_sentence(fmt, typed, sentence):
    assert BitInspector(fmt, typed).view["rounding"] == sentence


def test_the_marks_stand_where_the_numbers_are():
    assert BitInspector(qe.E2M1, "2.25").view["places"] == [1 / 3, 1 / 2]  # 1.5 … 2 … 3
    assert BitInspector(qe.FP16, "inf").view["places"] == [None, None]
    assert BitInspector(qe.E2M1, "0x2").view["places"] == [0.5, None]  # 0.5 … 1 … 1.5


def bundle(widget):
    data, _ = widget._repr_mimebundle_()
    return data


def test_a_notebook_without_a_kernel_has_picture_and_text():
    widget = BitInspector()
    first = bundle(widget)
    assert first["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    assert base64.b64decode(first["image/png"]).startswith(b"\x89PNG")
    assert first["text/plain"] == repr(widget)
    assert bundle(widget)["image/png"] == first["image/png"]
    widget.code ^= 1
    assert bundle(widget)["image/png"] != first["image/png"]
    assert bundle(widget)["text/plain"] != first["text/plain"]


# ---------------------------------------------------------------------- the prediction box

asked = (f"Question {i}?" for i in itertools.count())


def test_a_question_asked_again_keeps_its_prediction():
    question = next(asked)
    box = predict(question, ["a", "b"])
    browser_sends(box, "predict", text="b")
    assert predict(question, ["a", "b"]) is box
    assert box.predicted == box.view["predicted"] == "b"
    other = predict(question, ["a", "c"])
    assert other is not box
    assert other.predicted == ""
    assert box.comm is None  # the old one left the page
    assert predict(next(asked), ["a", "b"]).predicted == ""


def test_the_comparison_follows_a_later_prediction():
    box = predict(next(asked), ["a", "b"])
    comparison = box.compare("a", because="it comes first")
    assert repr(comparison) == "You predicted: no prediction yet\nAnswer: a\nit comes first"
    box.predicted = "b"
    assert comparison.view["rows"] == [["You predicted", "b"], ["Answer", "a"]]
    assert box.compare("b") is comparison
    assert comparison.view == {"rows": [["You predicted", "b"], ["Answer", "b"]], "because": ""}


def test_a_number_is_predicted_with_its_unit():
    box = predict(next(asked), unit="numbers")
    comparison = box.compare(1024)
    browser_sends(box, "predict", text="2^10")
    assert comparison.view["rows"] == [
        ["You predicted", "2^10 numbers"],
        ["Answer", "1024 numbers"],
    ]
    browser_sends(box, "predict", text="many")
    assert "cannot be read as a number" in box.view["error"]
    assert box.predicted == "2^10"
    browser_sends(box, "predict", text="2^10")
    assert box.view["error"] == ""
    browser_sends(box, "predict", text="")
    assert comparison.view["rows"][0] == ["You predicted", "no prediction yet"]


def test_a_prediction_reads_well_without_a_kernel():
    box = predict(question := next(asked), ["a", "b"])
    box.predicted = "b"
    assert bundle(box)["text/plain"] == f"Predict: {question}\n  ( ) a\n  (•) b"
    assert bundle(box)["text/markdown"] == f"**Predict** {question}\n\n- ○ a\n- ● b"
    comparison = bundle(box.compare("a", "because."))
    assert comparison["text/markdown"] == "You predicted: **b** · Answer: **a**\n\nbecause."
    number = predict(question := next(asked), unit="bits")
    assert bundle(number)["text/markdown"] == f"**Predict** {question}\n\n… bits"
    assert bundle(number)["text/plain"] == f"Predict: {question}\n  ____ bits"


def test_wrong_predictions_and_questions_are_refused():
    box = predict(question := next(asked), ["a", "b"])
    with pytest.raises(TraitError, match=r"'c' is none of the options: a, b"):
        box.predicted = "c"
    assert box.predicted == ""
    with pytest.raises(ValueError, match="the answer 'c' is none of the options"):
        box.compare("c")
    for options in (["a"], ["a", "a"], []):
        with pytest.raises(ValueError, match="at least two, all different"):
            predict(question, options)
    for wrong in (dict(options="ab"), dict(options=[1, 2]), dict(unit=1)):  # noqa: C408
        with pytest.raises(TypeError, match="must be text"):
            predict(question, **wrong)
    with pytest.raises(TypeError, match="must be text"):
        predict(1)


def test_a_closed_comparison_is_made_anew():
    box = predict(next(asked), ["a", "b"])
    first = box.compare("a")
    first.close()
    box.predicted = "b"
    assert box.compare("a") is not first


# ---------------------------------------------------------------------- all of them


@pytest.mark.parametrize("make", [BitInspector, lambda: predict(next(asked), ["a", "b"])])
def test_a_closed_widget_leaves_nothing_behind(make):
    widget = make()
    parts = [weakref.ref(widget)]
    if isinstance(widget, widgets.Prediction):
        parts.append(weakref.ref(widget.compare("a")))
    widget.close()
    del widget
    gc.collect()
    assert [part() for part in parts] == [None] * len(parts)


def test_an_observer_sees_one_consistent_state():
    inspector = BitInspector(qe.FP16, "1")
    seen = []
    for name in ("code", "fmt", "typed", "view"):
        inspector.observe(
            lambda change: seen.append(
                (inspector.view["hex"], int(inspector.view["hex"], 16) == inspector.code)
            ),
            name,
        )
    inspector.code = 0x1234
    inspector.fmt = qe.BF16
    assert {consistent for _, consistent in seen} == {True}


def test_scripts_ask_nothing_of_the_network():
    for file in widgets._STATIC.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|import\(|fetch\(|@import|innerHTML", text), file.name
