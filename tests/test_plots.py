"""The pictures: what is drawn is read back and compared with the formats."""

import io
import itertools
import math
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from matplotlib.text import Text

import quantedu as qe
from quantedu import plots
from quantedu.formats import FORMATS, FloatFormat
from tools import notebooks

SMALL = [fmt for fmt in FORMATS if fmt.bits <= 8]
HUGE = FloatFormat("huge", exponent_bits=4, mantissa_bits=3, bias=-20)
HALVES = [-1.0, -0.5, 0.0, 0.5, 1.0]
WAVE = np.sin(np.linspace(0, 6, 100))
PICTURES = {
    "bit layout": lambda ax=None: plots.bit_layout(ax=ax),
    "bit layout of three": lambda ax=None: plots.bit_layout([qe.FP16, qe.E4M3, qe.E2M1], ax=ax),
    "bits, one row": lambda ax=None: plots.bits(qe.FP16, 0xC100, ax=ax),
    "bits, two rows": lambda ax=None: plots.bits(qe.FP64, 0x3FB999999999999A, ax=ax),
    "bits, subnormal": lambda ax=None: plots.bits(qe.FP64, 1, ax=ax),
    "bits, few": lambda ax=None: plots.bits(qe.E2M1, 7, ax=ax),
    "bits, NaN": lambda ax=None: plots.bits(qe.E4M3, 0x7F, ax=ax),
    "line": lambda ax=None: plots.number_line(qe.E5M2, ax=ax),
    "line, logarithmic": lambda ax=None: plots.number_line(qe.E5M2, log=True, ax=ax),
    "line, thinned": lambda ax=None: plots.number_line(qe.FP16, log=True, ax=ax),
    "line, unsigned": lambda ax=None: plots.number_line(qe.E8M0, log=True, ax=ax),
    "map": lambda ax=None: plots.range_precision(ax=ax, tables={"halves": HALVES}),
    "map of three": lambda ax=None: plots.range_precision([qe.E4M3, qe.E5M2, qe.E2M1], ax=ax),
    "map of one": lambda ax=None: plots.range_precision(qe.E8M0, ax=ax),
    "spacing": lambda ax=None: plots.spacing([qe.FP32, qe.TF32, qe.FP16, qe.E4M3, qe.E2M1], ax=ax),
    "spacing of all": lambda ax=None: plots.spacing(FORMATS, ax=ax),
    "staircase": lambda ax=None: plots.staircase(qe.E2M1, ax=ax),
    "staircase, stochastic": lambda ax=None: plots.staircase(
        qe.E2M1, "stochastic", low=-2, ax=ax, rng=np.random.default_rng(0)
    ),
    "damage": lambda ax=None: plots.damage(WAVE, qe.E2M1, ax=ax),
}
every_picture = pytest.mark.parametrize("draw", PICTURES.values(), ids=list(PICTURES))


@pytest.fixture(autouse=True)
def _no_figures_left_open():
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.subplots(figsize=(8.5, 4), layout="constrained")[1]


def drawn(ax, gid):
    """What the artists with this gid show: the points of lines, the extents of bars."""
    lines = [line.get_xydata() for line in ax.lines if line.get_gid() == gid]
    bars = [bar.get_bbox().intervalx for bar in ax.patches if bar.get_gid() == gid]
    return lines or bars


def texts_on(figure):
    """The texts that one sees, each with its extent in pixels."""
    figure.canvas.draw()
    unseen = set()
    for ax in figure.findobj(plt.Axes):
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not (ax.axison and low <= tick.get_loc() <= high):
                    unseen |= {id(tick.label1), id(tick.label2)}
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    return [(t, Text.get_window_extent(t)) for t in texts if id(t) not in unseen]


# Every picture


@every_picture
def test_draws_into_the_axes_given_and_opens_no_figure(draw, ax):
    open_before = plt.get_fignums()
    assert draw(ax) is ax
    assert plt.get_fignums() == open_before
    assert ax.has_data()


@every_picture
def test_without_axes_makes_one_figure_of_notebook_width_in_our_style_which_to_png_closes(draw):
    picture = draw()
    assert len(plt.get_fignums()) == 1
    png = plots.to_png(picture)
    assert plt.get_fignums() == []
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(png[16:20], "big") == 8.5 * 80
    with plt.rc_context({"font.size": 20, "figure.facecolor": "red", "axes.grid": True}):
        before = dict(plt.rcParams)
        assert plots.to_png(draw()) == png
        assert dict(plt.rcParams) == before


@every_picture
def test_no_text_touches_another_or_is_cut_off(draw):
    figure = draw().figure
    seen = texts_on(figure)
    for text, extent in seen:
        assert extent.x0 >= -1, text
        assert extent.y0 >= -1, text
        assert extent.x1 <= figure.bbox.x1 + 1, text
        assert extent.y1 <= figure.bbox.y1 + 1, text
    for (one, extent), (other, extent2) in itertools.combinations(seen, 2):
        assert not extent.padded(-1).overlaps(extent2.padded(-1)), (one, other)


def test_every_figure_is_shown_in_a_notebook_that_does_not_say_matplotlib_inline():
    draw = "quantedu.plots.bits(quantedu.FP4, 1);"
    cells = [nbformat.v4.new_code_cell(source) for source in ("import quantedu", draw, draw)]
    done = notebooks.run(nbformat.v4.new_notebook(cells=cells), notebooks.FOLDER)
    shown = [[*output.get("data", {})] for cell in done.cells[1:] for output in cell.outputs]
    assert shown == [["text/plain", "image/png"]] * 2


def test_classes_differ_in_shape_as_well_as_in_color():
    colors, markers = zip(*plots.CLASSES.values())
    assert len(set(colors)) == len(set(markers)) == 5


# How bits are laid out


def test_the_bars_of_the_layout_are_as_long_as_the_fields_and_side_by_side():
    ax = plots.bit_layout()
    for fmt in FORMATS:
        fields = {"sign": fmt.signed, "exponent": fmt.exponent_bits, "mantissa": fmt.mantissa_bits}
        end = 0
        for name, bits in fields.items():
            bars = drawn(ax, f"{fmt.name} {name}")
            assert [list(bar) for bar in bars] == ([[end, end + bits]] if bits else [])
            end += bits
        assert end == fmt.bits


def test_letters_of_the_layout_stand_inside_their_bars():
    ax = plots.bit_layout()
    inside = {text: extent for text, extent in texts_on(ax.figure) if text.get_text()[0] in "SEM"}
    bars = [bar.get_window_extent() for bar in ax.patches if bar.get_gid()]
    labels = [(text, extent) for text, extent in inside.items() if text.get_fontsize() == 7.5]
    assert len(labels) == len(bars) == sum(2 + fmt.signed for fmt in FORMATS) - 1  # E8M0: no M
    for text, extent in labels:
        assert any(bar.x0 <= extent.x0 and extent.x1 <= bar.x1 for bar in bars), text


def test_the_layout_marks_the_word_that_tf32_is_kept_in():
    (word,) = [bar for bar in plots.bit_layout(qe.TF32).patches if bar.get_hatch()]
    assert list(word.get_bbox().intervalx) == [19, 32]
    assert not any(bar.get_hatch() for bar in plots.bit_layout(qe.FP16).patches)


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_the_boxes_of_a_code_spell_it_and_the_text_explains_it(fmt):
    code = int(fmt.encode(1.5))
    ax = plots.bits(fmt, code)
    texts = [text.get_text() for text in ax.texts]
    digits = [text.get_text() for text in ax.texts if text.get_fontsize() == 11]
    assert "".join(digits) == f"{code:0{fmt.bits}b}"
    numbers = [text.get_text() for text in ax.texts if text.get_fontsize() == 6.5]
    assert numbers == [str(number) for number in reversed(range(fmt.bits))]
    boxes = [box.get_gid() for box in ax.patches]
    counts = [boxes.count(field) for field in ("sign", "exponent", "mantissa")]
    assert counts == [fmt.signed, fmt.exponent_bits, fmt.mantissa_bits]
    heading, formula = fmt.explain(code).split("\n", 1)
    assert formula in texts
    assert heading.startswith(ax.get_title(loc="left").removesuffix(" is a normal number"))
    for letter, value, count in zip("SEM", fmt.split(code), counts):
        assert any(text.endswith(f"{letter} = {value}") for text in texts) == bool(count)


# Where the numbers lie


@pytest.mark.parametrize("log", [False, True], ids=["linear", "logarithmic"])
@pytest.mark.parametrize("fmt", SMALL, ids=lambda fmt: fmt.name)
def test_the_line_shows_every_number_in_its_class(fmt, log):
    ax = plots.number_line(fmt, log=log)
    values, classes = fmt.values(), fmt.classify(np.arange(2**fmt.bits))
    shown = values > 0 if log else np.ones(values.size, bool)
    for kind in ("zero", "subnormal", "normal"):
        expected = values[(classes == kind) & shown]
        lines = drawn(ax, kind)
        assert len(lines) == (expected.size > 0)
        assert all(np.array_equal(line[:, 0], expected) for line in lines)
        assert all((line[:, 1] == 0).all() for line in lines)
    left, right = ax.get_xlim()
    assert ((left < values) & (values < right))[np.isfinite(values) & shown].all()


@pytest.mark.parametrize("fmt", FORMATS[3:], ids=lambda fmt: fmt.name)
def test_the_legend_of_the_line_counts_the_codes_of_each_class(fmt):
    legend = plots.number_line(fmt).get_legend()
    counts = dict(text.get_text().split(": ") for text in legend.get_texts())
    kinds, expected = np.unique(fmt.classify(np.arange(2**fmt.bits)), return_counts=True)
    there = {str(kind): f"{count:,}" for kind, count in zip(kinds, expected)}
    assert counts == dict.fromkeys(plots.CLASSES, "0") | there


def test_what_has_no_place_on_the_line_stands_at_its_ends():
    infinities = drawn(plots.number_line(qe.E5M2), "infinity at the end")
    assert [line[0, 0] > 0.5 for line in infinities] == [True, False]
    log = plots.number_line(qe.E5M2, log=True)
    assert len(drawn(log, "infinity at the end")) == 1
    assert len(drawn(log, "zero at the end")) == 1
    assert len(drawn(log, "NaN at the end")) == 1
    for kind in ("infinity", "zero", "NaN"):
        assert not drawn(plots.number_line(qe.E2M1), f"{kind} at the end")


@pytest.mark.parametrize("fmt", [qe.FP16, qe.BF16], ids=lambda fmt: fmt.name)
def test_of_many_numbers_the_line_draws_one_in_so_many_and_the_ends(fmt):
    ax = plots.number_line(fmt, log=True)
    values = fmt.values()
    values = values[(values > 0) & np.isfinite(values)]
    for kind, ends in (
        ("normal", [fmt.smallest_normal, fmt.max]),
        ("subnormal", [fmt.smallest_subnormal, fmt.smallest_normal - fmt.smallest_subnormal]),
    ):
        (line,) = drawn(ax, kind)
        assert [line[0, 0], line[-1, 0]] == ends
        assert np.isin(line[:, 0], values).all()
        steps = np.diff(np.searchsorted(values, line[:, 0]))
        assert set(steps[:-1]) <= {128}
    assert "one number in 128" in ax.get_xlabel()


def test_half_of_the_numbers_lie_where_the_title_says():
    assert plots.number_line(qe.E4M3).get_title(loc="left").endswith("±1.875, all within ±448")
    finite = np.abs(qe.E4M3.values()[np.isfinite(qe.E4M3.values())])
    assert np.count_nonzero(finite <= 1.875) * 2 == pytest.approx(finite.size, rel=0.02)


@pytest.mark.parametrize("fmt", FORMATS[3:], ids=lambda fmt: fmt.name)
def test_as_many_normal_numbers_stand_between_powers_of_two_as_the_title_says(fmt):
    title = plots.number_line(fmt, log=True).get_title(loc="left")
    each, *top = [
        int(n.replace(",", "")) for n in re.findall(r"[\d,]+(?= normal| at the top)", title)
    ]
    values = fmt.values()
    normal = values[(values >= fmt.smallest_normal) & np.isfinite(values)]
    _, counts = np.unique(np.floor(np.log2(normal)), return_counts=True)
    assert set(counts[:-1]) == {each}
    assert counts[-1:].tolist() == (top or [each])


# Formats beside one another


def test_the_bars_of_the_map_reach_from_the_smallest_to_the_largest_number():
    ax = plots.range_precision()
    left, right = ax.get_xlim()
    for fmt in FORMATS[1:]:
        (normal,) = drawn(ax, fmt.name)
        assert normal == pytest.approx([math.log2(fmt.smallest_normal), math.log2(fmt.max)])
        subnormal = [list(bar) for bar in drawn(ax, f"{fmt.name} subnormal")]
        expected = [math.log2(fmt.smallest_subnormal), math.log2(fmt.smallest_normal)]
        assert subnormal == ([expected] if fmt.subnormals and fmt.mantissa_bits else [])
        assert left < normal[0] < normal[1] < right
    (off_the_map,) = drawn(ax, "FP64")
    assert off_the_map == pytest.approx([left, right])
    (alone,) = drawn(plots.range_precision(qe.FP64), "FP64")
    assert list(alone) == [-1022, 1024]


def test_the_map_puts_more_precise_formats_higher_up_and_formats_of_one_precision_together():
    ax = plots.range_precision()
    bars = {bar.get_gid(): bar.get_bbox().y0 for bar in ax.patches}
    order = sorted(FORMATS, key=lambda fmt: bars[fmt.name])
    precisions = [fmt.mantissa_bits for fmt in order]
    assert precisions == sorted(precisions, reverse=True)
    assert ax.yaxis_inverted()


@pytest.mark.parametrize("formats", [FORMATS, SMALL, [qe.E4M3, qe.E5M2, qe.E2M1]])
def test_names_on_the_map_stand_white_inside_a_bar_or_dark_beside_it(formats):
    ax = plots.range_precision(formats)
    seen = [(text, extent) for text, extent in texts_on(ax.figure) if text in ax.texts]
    bars = [bar.get_window_extent() for bar in ax.patches]
    assert len(seen) == len(formats)
    for text, extent in seen:
        inside = any(
            bar.x0 < extent.x0 and extent.x1 < bar.x1 for bar in bars if bar.overlaps(extent)
        )
        beside = not any(bar.overlaps(extent) for bar in bars)
        assert inside if text.get_color() == "white" else beside, text


def test_the_map_shows_a_table_apart_as_its_positive_levels():
    ax = plots.range_precision(tables={"halves": HALVES})
    (line,) = drawn(ax, "halves")
    assert line[:, 0].tolist() == [-1, 0]
    assert line[0, 1] > max(bar.get_bbox().y1 for bar in ax.patches)
    assert ax.get_yticklabels()[-1].get_text() == "no fields"


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_spacing_is_the_distance_to_the_upper_neighbour(fmt):
    (line,) = drawn(plots.spacing(fmt), fmt.name)
    x, distance = line.T
    assert x[0] == max(fmt.smallest_subnormal, 2.0**-26)
    assert x[-1] == min(fmt.max, 2.0**18)
    below = x[x < fmt.max]
    assert (fmt.neighbours(below)[1] - below).tolist() == distance[x < fmt.max].tolist()
    powers = np.log2(x[:-1])  # every one, so that no change is left out
    assert powers.tolist() == list(range(round(powers[0]), math.ceil(math.log2(x[-1]))))


def test_lines_of_spacing_are_named_in_the_order_of_their_ends():
    ax = plots.spacing([qe.FP32, qe.E4M3, qe.BF16])
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    ends = [drawn(ax, name)[0][-1, 1] for name in names]
    assert ends == [2.0**11, 32, 2.0**-5]
    assert names == ["BF16", "FP8 E4M3", "FP32"]


# What rounding does


@pytest.mark.parametrize("rounding", ["nearest_even", "toward_zero", "up"])
@pytest.mark.parametrize("fmt", [qe.E2M1, qe.E4M3, qe.FP16], ids=lambda fmt: fmt.name)
def test_the_staircase_is_the_rounded_number_and_its_error(fmt, rounding):
    ax = plots.staircase(fmt, rounding)
    (original,), (rounded,), (error,) = (drawn(ax, g) for g in ("original", "rounded", "error"))
    assert (original[:, 0] == original[:, 1]).all()
    assert (rounded[:, 1] == fmt.round(rounded[:, 0], rounding)).all()
    below = error[:, 1] - (rounded[:, 1] - original[:, 1])  # all the same: where its zero is drawn
    assert np.ptp(below) == pytest.approx(0, abs=1e-9 * np.ptp(original[:, 1]))
    assert error[:, 1].max() < rounded[:, 1].min()


def test_the_staircase_shows_25_numbers_or_all_and_a_little_more():
    levels = np.unique(drawn(plots.staircase(qe.E4M3), "rounded")[0][:, 1])
    assert levels.tolist() == qe.E4M3.values()[:25].tolist()
    x, levels = drawn(plots.staircase(qe.E2M1), "rounded")[0].T
    assert np.unique(levels).tolist() == qe.E2M1.values()[:8].tolist()
    assert x[-1] > 6


def test_the_stochastic_staircase_needs_rng_and_takes_both_neighbours():
    with pytest.raises(TypeError, match="needs rng"):
        plots.staircase(qe.E2M1, "stochastic")
    assert plt.get_fignums() == []
    ax = plots.staircase(qe.E2M1, "stochastic", rng=np.random.default_rng(1))
    x, rounded = drawn(ax, "rounded")[0].T
    between = rounded[(x > 4.5) & (x < 5.5)]
    assert set(between) == {4.0, 6.0}


def test_damage_shows_the_original_and_what_is_left_of_it():
    formats = [qe.FP16, qe.E4M3, qe.E2M1]
    axes = plots.damage(WAVE, formats)
    assert axes.shape == (3,)
    for ax, fmt in zip(axes, formats):
        (original,), (rounded,) = drawn(ax, "original"), drawn(ax, "rounded")
        assert (original[:, 1] == WAVE).all()
        assert (rounded[:, 1] == fmt.round(WAVE)).all()
        error = np.abs(fmt.round(WAVE) - WAVE).max()
        assert f"largest error {error:.2g}" in ax.get_title(loc="left")
        assert not drawn(ax, "lost")
    assert plots.to_png(axes)[1:4] == b"PNG"
    assert plt.get_fignums() == []


def test_damage_draws_into_as_many_axes_as_formats():
    axes = plt.subplots(2)[1]
    assert plots.damage(WAVE, [qe.FP16, qe.E2M1], ax=axes).tolist() == axes.tolist()
    with pytest.raises(ValueError, match="3 formats need as many Axes, not 2"):
        plots.damage(WAVE, [qe.FP16, qe.BF16, qe.E2M1], ax=axes)


def test_damage_marks_what_became_infinite_or_nan():
    ax = plots.damage([1.0, 448.0, 500.0, 1e9], qe.E4M3)
    (lost,) = drawn(ax, "lost")
    assert lost.tolist() == [[2, 500], [3, 1e9]]
    assert "2 of 4 lost" in ax.get_title(loc="left")


# Pictures as bytes


def test_the_same_picture_is_the_same_bytes():
    assert plots.to_png(plots.bits(qe.FP16, 1)) == plots.to_png(plots.bits(qe.FP16, 1))
    assert plots.to_png(plots.bits(qe.FP16, 1)) != plots.to_png(plots.bits(qe.FP16, 2))


def test_a_png_is_opaque_white():
    png = plots.to_png(plots.bits(qe.E2M1, 7).figure)
    pixels = plt.imread(io.BytesIO(png))
    assert (pixels[..., 3:] == 1).all()
    assert (pixels[-1, -1, :3] == 1).all()


# Bad input


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: plots.bit_layout("FP16"), TypeError, "FloatFormat such as .* not 'FP16'"),
        (lambda: plots.bit_layout([qe.FP16, 8]), TypeError, "not 8"),
        (lambda: plots.bit_layout([]), ValueError, "formats is empty"),
        (lambda: plots.bit_layout(ax="left"), TypeError, "Axes or None, not 'left'"),
        (lambda: plots.bits(16, 0), TypeError, "not 16"),
        (lambda: plots.bits(qe.E2M1, 16), ValueError, "codes of FP4 E2M1 are 0 … 15; got 16"),
        (lambda: plots.bits(qe.E2M1, 0.5), TypeError, "codes must be integers"),
        (lambda: plots.bits(qe.E2M1, [1, 2]), ValueError, "one code, not an array"),
        (lambda: plots.number_line(qe.FP32), ValueError, "FP32 has 2\\^32 codes"),
        (lambda: plots.range_precision(tables={"T": [0, -1]}), ValueError, r"tables\['T'\] must"),
        (lambda: plots.spacing(None), TypeError, "not None"),
        (lambda: plots.spacing([qe.FP16, HUGE]), ValueError, "huge has no numbers from 2\\^-26"),
        (lambda: plots.staircase(qe.E2M1, "nearest"), ValueError, "unknown rounding 'nearest'"),
        (
            lambda: plots.staircase(qe.E4M3, low=1e3, high=2e3),
            ValueError,
            "is a number in FP8 E4M3",
        ),
        (lambda: plots.staircase(qe.E4M3, low=2, high=1), ValueError, "got low=2, high=1"),
        (lambda: plots.staircase(qe.E4M3, high=math.inf), ValueError, "both finite"),
        (lambda: plots.staircase(qe.FP64), ValueError, "got low=0.0, high=1.2e-322"),
        (lambda: plots.damage([[1, 2]], qe.FP16), ValueError, r"shape \(1, 2\)"),
        (lambda: plots.damage([1, math.nan], qe.FP16), ValueError, "with 1 infinite or NaN"),
        (lambda: plots.damage(["a"], qe.FP16), TypeError, "x must hold real numbers"),
        (lambda: plots.damage([], qe.FP16), ValueError, r"shape \(0,\)"),
        (lambda: plots.damage([1.0], qe.FP16, ax=3), TypeError, "not 3"),
        (lambda: plots.to_png(3), TypeError, "not 3"),
    ],
)
def test_bad_input_is_named_and_leaves_no_figure_behind(draw, error, message):
    with pytest.raises(error, match=message):
        draw()
    assert plt.get_fignums() == []
