"""Record what chapters 04 to 07 quote about the language model: the cost of a text, by windows.

    python tools/record_windows.py             writes quantedu/data/window_records.npz
    python tools/record_windows.py NF4 …       makes only these rows again, and keeps the others

The text is the first 16 KB of held_out.txt, 64 windows of 256 bytes; each row holds the bits per
byte of every window under one recipe for the weights. So two recipes can be compared window by
window, and the spread of the differences says how sure one may be. It takes some ten minutes.
"""

import argparse
import pathlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from quantedu import FloatFormat, codebooks, fp4, int_absmax, nf4, scales
from quantedu.language_model import LanguageModel, bits_per_byte, held_out_text, language_model
from quantedu.networks import DATA
from quantedu.quantizers import Quantizer
from quantedu.recipes import binary_weights, ternary_weights
from quantedu.scenes.chapter_06 import maps

WINDOW, COUNT = 256, 64
E3M0 = codebooks.format_codebook(FloatFormat("FP4 E3M0", 3, 0, specials="finite"))


def k_means(bits: int) -> Callable[[np.ndarray], np.ndarray]:
    """One table for a whole matrix, as in chapter 07."""

    def recipe(w: np.ndarray) -> np.ndarray:
        book = codebooks.lloyd_max(w, bits)
        return book.decode(book.encode(w))

    return recipe


def best_scale(book: codebooks.Codebook) -> Quantizer:
    """The scale of least squared error for each row, as in chapter 07."""
    return Quantizer(book, scales.mse_best, axis=-1)


SIGN = binary_weights(axis=-1)
RECIPES: dict[str, Any] = {  # name: recipe, or recipe and the layers it is for
    "INT4 per tensor": int_absmax(4),
    "INT4 per channel": int_absmax(4, axis=-1),
    **{f"INT4 block {size}": int_absmax(4, block_size=size) for size in (256, 64, 32, 16)},
    "NF4 + DQ": nf4(double_quant=True),
    "FP4 E3M0": replace(fp4(), codebook=E3M0),
    **{name: recipe for name, recipe in maps().items() if name != "INT4 narrow"},
    "1 bit, sign": SIGN,
    "1.58 bits, TWN": ternary_weights("twn", axis=-1),
    **{f"{bits} bits, k-means": k_means(bits) for bits in (2, 3, 4)},
    **{f"{b} bits, even steps": best_scale(codebooks.integers(b, narrow=True)) for b in (3, 4)},
    **{f"{b} bits, powers of two": best_scale(codebooks.log2(b)) for b in (3, 4)},
    "1 bit, sign, block 5 alone": (SIGN, ".block5."),
    "1 bit, sign, q and k alone": (SIGN, ".q.k."),
}


def changed(model: LanguageModel, name: str) -> LanguageModel:
    """The model with one recipe of the list in its weights."""
    recipe = RECIPES[name]
    if isinstance(recipe, tuple):
        recipe, parts = recipe
        chosen = [n for n in model.layers if any(f".{p}." in parts for p in n.split("."))]
        return model.with_weights(recipe, chosen)
    return model.with_weights(recipe)


def by_window(model: LanguageModel, count: int = COUNT) -> np.ndarray:
    """Bits per byte of each of the first windows; their mean is that of the text."""
    text = held_out_text()
    starts = range(0, WINDOW * count, WINDOW)
    return np.array([bits_per_byte(model, text[i : i + WINDOW + 1]) for i in starts], np.float32)


def main() -> None:
    summary, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("names", nargs="*", help="rows to make again")
    parser.add_argument("--output", type=pathlib.Path, default=DATA / "window_records.npz")
    given = parser.parse_args()
    rows: dict[str, Any] = {}
    if given.names and given.output.exists():
        with np.load(given.output) as stored:
            rows = dict(stored)
    model = language_model()
    for name in tqdm(given.names or ["FP32", *RECIPES]):
        rows[name] = by_window(model if name == "FP32" else changed(model, name))
    np.savez(given.output, **rows)


if __name__ == "__main__":
    main()
