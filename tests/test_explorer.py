"""The explorer without a browser: Python owns every number, so every number is tested here."""

import base64
import gc
import json
import re
import weakref

import matplotlib.pyplot as plt
import numpy as np
import pytest

from quantedu import explorer, plots, sketch
from quantedu.explorer import Choice, Explorer, Slider, Toggle, draw
from quantedu.sketch import ROLES, Axis, Panel, Scene, area, bars, line, note, points, ticks

X = np.array([0.0, 1.0, 2.0])


def powers(n=2, name="x^n", even=False):
    if n == 4:
        raise ZeroDivisionError("four is too many")
    if n == 5:
        print("five")
        return None
    x = X[:: 1 + even]
    panel = Panel(line(x, x**n, label=name), x=Axis("x", (0, 2)), y=Axis("y", (0, 8)))
    return Scene(f"x to the {n}", panel, f"largest: {x.max() ** n:g}")


def made():
    return Explorer(
        powers,
        n=Slider(1, 5, value=2, unit="times"),
        name=Choice(["x^n", "power"], label="what"),
        even=Toggle(),
    )


def browser_sends(widget, **content):
    """What arrives when the JavaScript calls model.send."""
    widget._handle_custom_msg(content, [])


def state(widget):
    return widget.value, widget.scene, json.dumps(widget.view)


# ---------------------------------------------------------------------- controls


@pytest.mark.parametrize(
    ("slider", "values"),
    [
        (Slider(1, 4), (1, 2, 3, 4)),
        (Slider(0, 10, 4, value=4), (0, 4, 8)),
        (Slider(0, 0.5, 0.1), (0, 0.1, 0.2, 0.3, 0.4, 0.5)),
        (Slider(-1, 1, 0.5, value=0.3), (-1, -0.5, 0, 0.3, 0.5, 1)),  # a stop of its own
        (Slider(16, 128, log2=True), (16, 32, 64, 128)),
        (Slider(0.25, 2, log2=True), (0.25, 0.5, 1, 2)),
        (Slider(1, 2, 0.5, log2=True), (1, 2**0.5, 2)),
    ],
)
def test_a_slider_stops_where_it_says(slider, values):
    assert slider.values == values
    assert slider.value in slider.values
    whole = all(isinstance(x, int) for x in (slider.low, slider.step, slider.value))
    assert {type(x) for x in slider.values} == {int if whole else float}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Slider(2, 1), "low < high"),
        (lambda: Slider(1, 2, 0), "step > 0"),
        (lambda: Slider(1, 2, value=3), "value between"),
        (lambda: Slider(0, 8, log2=True), "with log2 low is above 0"),
        (lambda: Slider(0, 10**12), "2000 steps are the most"),
        (lambda: Choice(["a", "b"], "c"), "'c' is none of the options"),
        (lambda: Choice([]), "none of the options"),
    ],
)
def test_a_control_without_sense_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_the_browser_gets_the_controls_as_texts():
    assert made().controls == [
        {"name": "n", "kind": "slider", "label": "n", "texts": [f"{n} times" for n in range(1, 6)]},
        {"name": "name", "kind": "choice", "label": "what", "texts": ["x^n", "power"]},
        {"name": "even", "kind": "toggle", "label": "even", "texts": ["off", "on"]},
    ]
    texts = explorer._texts(Slider(-1, 1, 1 / 3, value=1e-9))
    assert (
        texts
        == ["−1", "−0.666667", "−0.333333", "0", "1e−09", "0.333333", "0.666667", "1"][: len(texts)]
    )
    assert explorer._texts(Choice(["k-means", -1, 2**20])) == ["k-means", "−1", "1048576"]


def test_a_choice_may_be_shown_as_a_row_of_buttons():
    assert [Choice(["a", "b"], buttons=b).kind for b in (False, True)] == ["choice", "buttons"]


# ---------------------------------------------------------------------- moving them


def test_it_begins_with_the_controls_own_values():
    widget = made()
    assert widget.value == {"n": 2, "name": "x^n", "even": False}
    assert widget.scene.text == widget.view["text"] == "largest: 4"
    assert repr(widget) == "n = 2 times, what = x^n, even = off\nx to the 2\nlargest: 4"


def test_a_moved_control_gives_a_new_scene():
    widget = made()
    browser_sends(widget, do="move", at={"n": 2, "name": 1, "even": 1}, ticket="7")
    assert widget.value == {"n": 3, "name": "power", "even": True}
    assert widget.scene.text == widget.view["text"] == "largest: 8"
    assert (widget.view["answers"], widget.view["error"]) == ("7", "")
    widget.set(n=2, name="x^n")
    assert widget.value == {"n": 2, "name": "x^n", "even": True}
    assert widget.view["at"] == {"n": 1, "name": 0, "even": 1}
    widget.value = {"n": 1}
    assert widget.scene.title == "x to the 1"


def test_a_message_that_only_hurries_the_server_changes_nothing():
    widget = made()
    before = state(widget)
    browser_sends(widget, do="hurry")
    assert state(widget) == before


def test_places_are_ten_thousandths_of_the_axes():
    """0, 1, 4 on an axis from 0 to 8; JSON all through, for the browser."""
    panel = json.loads(json.dumps(made().view))["panels"][0]
    assert panel["x"] == {
        "label": "x",
        "ticks": [[0, "0"], [25, "0.5"], [50, "1"], [75, "1.5"], [100, "2"]],
    }
    [mark] = panel["marks"]
    assert (mark["kind"], mark["role"], mark["label"]) == ("line", "quantized", "x^n")
    assert (mark["x"], mark["y"]) == ("0, 5000, 10000", "0, 1250, 5000")
    gap = Scene("t", Panel(line([0, np.nan, 1], [0, 1, np.inf]), "", Axis("", (0, 1))))
    [mark] = explorer._viewed(gap)["panels"][0]["marks"]
    assert [float(x) for x in mark["y"].split(",")] == [0, 1e4, 5e5]
    assert [float(x) > 0 for x in mark["x"].split(",")] == [True, False, True]
    assert "nan" in mark["x"]


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (4, "ZeroDivisionError: four is too many"),
        (5, "TypeError: the function must give a Scene, not None"),
    ],
)
def test_what_the_function_raises_is_shown_and_keeps_the_picture(n, said):
    widget = made()
    before = state(widget)
    browser_sends(widget, do="move", at={"n": n - 1, "name": 0, "even": 0}, ticket="8")
    assert widget.view["error"] == said
    assert widget.view["at"]["n"] == n - 1  # the control stays where it was put
    assert widget.view["answers"] == "8"
    assert (widget.value, widget.scene) == before[:2]
    assert widget.view["panels"] == json.loads(before[2])["panels"]
    browser_sends(widget, do="move", at={"n": 1, "name": 0, "even": 0}, ticket="")
    assert (widget.view["error"], json.dumps(widget.view)) == ("", before[2])


def test_from_python_an_error_is_raised_and_changes_nothing():
    widget = made()
    before = state(widget)
    for error, values, said in (
        (ValueError, {"bits": 3}, "there is no control 'bits'; there are n, name, even"),
        (ValueError, {"name": "power", "n": 2.5}, "n=2.5 is none of 1, 2, 3, 4, 5"),
        (ZeroDivisionError, {"n": 4}, "four"),
        (TypeError, {"n": 5}, "must give a Scene, not None"),
    ):
        with pytest.raises(error, match=said):
            widget.set(**values)
        assert state(widget) == before


def test_only_controls_and_scenes_make_an_explorer():
    with pytest.raises(TypeError, match="n must be a Slider, Choice or Toggle, not 3"):
        Explorer(powers, n=3)
    with pytest.raises(TypeError, match="the function must give a Scene, not 1"):
        Explorer(lambda: 1)


def test_a_closed_explorer_leaves_nothing_behind():
    widget = made()
    gone = weakref.ref(widget)
    widget.close()
    del widget
    gc.collect()
    assert gone() is None


# ---------------------------------------------------------------------- the still picture


def everything():
    edges = np.array([0, 0.5, 1])
    marks = [
        mark
        for role in ROLES
        for mark in (
            *(line(X, X, role, f"{role}^2"), points(X, X, role, "p"), area(X, X, 0, role, "$a$")),
            *(bars(edges, [1, 2], 0, role), ticks(X, role=role), note(1, 1, "2^(-3)", role)),
            sketch.step(edges, [1, 2], role),
        )
    ]
    panels = [Panel(marks, "x", "y_1^2"), Panel([]), Panel(vline := sketch.vline(1)), Panel(vline)]
    return Scene("A title $ with 2^-3 and a long, long tail " * 4, panels[:3], "a $ b\n2^3", 2)


def test_the_still_picture_draws_the_places_that_the_browser_draws():
    scene = made().scene
    [[ax]] = draw(scene)
    [curve] = ax.lines
    view = explorer._viewed(scene)["panels"][0]
    for drawn, sent in ((curve.get_xdata(), "x"), (curve.get_ydata(), "y")):
        places = [float(place) / 1e4 for place in view["marks"][0][sent].split(",")]
        np.testing.assert_allclose(drawn, places, atol=1e-4)
    np.testing.assert_allclose(ax.get_xticks(), [at / 100 for at, _ in view["x"]["ticks"]])
    assert (curve.get_gid(), curve.get_color()) == ("quantized", plots.QUANTIZED)
    assert ax.figure.get_suptitle() == "x to the 2"
    plt.close(ax.figure)


def test_every_mark_in_every_role_is_drawn():
    axes = draw(everything(), "caption")
    assert axes.shape == (2, 2)
    drawn = {artist.get_gid() for artist in (*axes[0, 0].lines, *axes[0, 0].collections)}
    assert drawn == set(ROLES)
    assert not axes[1, 1].axison
    assert axes[0, 0].get_title(loc="left") == "y_1$^{2}$"
    assert plots.to_png(axes).startswith(b"\x89PNG")


def test_fields_have_the_colors_of_the_bits():
    colors = {role: explorer._LOOKS[role].color for role in sketch.FIELDS}
    assert colors == plots.FIELD_COLORS
    styles = (explorer._STATIC / "explorer.css").read_text(encoding="utf-8")
    for role, color in plots.FIELD_COLORS.items():
        shown = rf'\[data-role="{role}"\] {{ --role: (light-dark\()?{color.lower()}'
        assert re.search(shown, styles)


def test_a_crowd_of_ticks_is_drawn_thin_here_and_in_the_browser():
    scene = Scene("t", Panel([ticks(X), ticks(np.linspace(0, 2, 61))]))
    assert [mark["thin"] for mark in explorer._viewed(scene)["panels"][0]["marks"]] == [False, True]
    few, many = draw(scene).flat[0].lines
    assert many.get_linewidth() < 1 < few.get_linewidth()
    plt.close(few.figure)
    for file, rule in (("explorer.css", ".qe-thin {"), ("explorer.js", 'mark.thin ? " qe-thin"')):
        assert rule in (explorer._STATIC / file).read_text(encoding="utf-8")


def test_roles_differ_in_shape_and_not_only_in_color():
    looks = [explorer._LOOKS[role] for role in ROLES]
    assert len({look.marker for look in looks}) == len(ROLES)
    assert len({(look.dashes, look.width) for look in looks}) == len(ROLES)
    script = (explorer._STATIC / "explorer.js").read_text(encoding="utf-8")
    styles = (explorer._STATIC / "explorer.css").read_text(encoding="utf-8")
    for role in ROLES:
        assert f"  {role}: (x, y) =>" in script
        assert f'.qe [data-role="{role}"] {{ --role:' in styles


def test_a_notebook_without_a_kernel_has_picture_and_text():
    widget = made()
    first, _ = widget._repr_mimebundle_()
    assert first["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    assert base64.b64decode(first["image/png"]).startswith(b"\x89PNG")
    assert first["text/plain"] == repr(widget)
    assert widget._repr_mimebundle_()[0]["image/png"] == first["image/png"]
    widget.set(n=3)
    assert widget._repr_mimebundle_()[0]["image/png"] != first["image/png"]
    assert plt.get_fignums() == []
