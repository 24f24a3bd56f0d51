"""The pictures: what is drawn is read back and compared with the formats."""

import io
import itertools

import matplotlib.pyplot as plt
import nbformat
import pytest
from matplotlib.text import Text

import quantedu as qe
from quantedu import plots
from quantedu.formats import FORMATS
from tools import notebooks

SMALL = [fmt for fmt in FORMATS if fmt.bits <= 8]
HALVES = [-1.0, -0.5, 0.0, 0.5, 1.0]
PICTURES = {
    "bits, one row": lambda ax=None: plots.bits(qe.FP16, 0xC100, ax=ax),
    "bits, two rows": lambda ax=None: plots.bits(qe.FP64, 0x3FB999999999999A, ax=ax),
    "bits, subnormal": lambda ax=None: plots.bits(qe.FP64, 1, ax=ax),
    "bits, few": lambda ax=None: plots.bits(qe.E2M1, 7, ax=ax),
    "bits, NaN": lambda ax=None: plots.bits(qe.E4M3, 0x7F, ax=ax),
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
    assert int.from_bytes(png[16:20], "big") == 8.5 * 96
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
        (lambda: plots.bits(qe.FP16, 0, ax="left"), TypeError, "Axes or None, not 'left'"),
        (lambda: plots.bits(16, 0), TypeError, "not 16"),
        (lambda: plots.bits(qe.E2M1, 16), ValueError, "codes of FP4 E2M1 are 0 … 15; got 16"),
        (lambda: plots.bits(qe.E2M1, 0.5), TypeError, "codes must be integers"),
        (lambda: plots.bits(qe.E2M1, [1, 2]), ValueError, "one code, not an array"),
        (lambda: plots.to_png(3), TypeError, "not 3"),
    ],
)
def test_bad_input_is_named_and_leaves_no_figure_behind(draw, error, message):
    with pytest.raises(error, match=message):
        draw()
    assert plt.get_fignums() == []
