"""A page for a picture: one size, a number, a headline with the idea, a line on what is seen."""

import io
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from quantedu.plots import INK, STYLE

WIDTH, HEIGHT, DPI = 10.0, 4.4, 160  # inches; 1600 × 704 dots, and a point is a dot at 720
MARGIN = 0.4
QUIET = "#5F5F5F"  # for words beside the point; 6 : 1 on white
LOOK: dict[str, Any] = STYLE | {
    "font.size": 11,
    "text.hinting": "none",
    "axes.linewidth": 0.9,
    "axes.titlesize": 11,
    "axes.titleweight": "normal",
    "axes.titlepad": 7,
    "lines.linewidth": 2.2,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
}


def page(number: int, headline: str, caption: str) -> Figure:
    """An empty page; below its caption, 3.1 inches are left for the picture."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="none", facecolor="white")
    FigureCanvasAgg(figure)
    words = {"va": "baseline", "fontsize": 17}
    figure.text(MARGIN / WIDTH, 3.87 / HEIGHT, f"{number:02}", color="#7A7A7A", **words)
    left = (MARGIN + 0.5) / WIDTH
    figure.text(left, 3.87 / HEIGHT, headline, color=INK, weight="bold", **words)
    figure.text(left, 3.52 / HEIGHT, caption, color=QUIET, va="baseline", fontsize=11)
    return figure


def room(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches, from the lower left corner of the page."""
    return figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))


def canvas(figure: Figure) -> Axes:
    """Axes over the whole page that count in inches and show nothing of themselves."""
    axes = room(figure, 0, 0, WIDTH, HEIGHT)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.set_axis_off()
    axes.patch.set_alpha(0)
    return axes


def words(figure: Figure) -> list[Text]:
    """All that is written on a drawn figure and can be seen."""
    figure.canvas.draw()
    of_hidden_axes = {
        text
        for axes in figure.axes
        if not axes.axison
        for axis in (axes.xaxis, axes.yaxis)
        for text in axis.findobj(Text)
    }
    texts = [text for text in figure.findobj(Text) if text not in of_hidden_axes]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def to_png(figure: Figure) -> bytes:
    """The page as PNG of at most 256 colours; the same page gives the same bytes. Closes it.

    What is written on it stands in the file as text too: a test compares that word by word, since
    letters come out a little different in each version of Matplotlib.
    """
    file, about, agg = io.BytesIO(), PngInfo(), FigureCanvasAgg(figure)
    about.add_itxt("Description", "\n".join(text.get_text() for text in words(figure)))
    dots = np.asarray(agg.buffer_rgba())[..., :3]
    plt.close(figure)
    image = Image.fromarray(np.ascontiguousarray(dots)).quantize(256, dither=Image.Dither.NONE)
    image.save(file, format="png", optimize=True, pnginfo=about)
    return file.getvalue()
