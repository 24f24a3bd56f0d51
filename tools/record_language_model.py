"""Record what quantization does to the shipped language model: its bits per byte, and its text.

    python tools/record_language_model.py      writes quantedu/data/language_model_records.json

It takes some minutes on two cores. What it does: for every recipe below, the bits per byte over
the first 65,536 bytes of held_out.txt, and over the first 16,384 (a test computes one of these
again); for those of the first table also what the model then writes after PROMPT, with one seed.
"""

import argparse
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from quantedu import FP16, int_absmax, nf4
from quantedu.language_model import (
    LanguageModel,
    bits_per_byte,
    held_out_text,
    language_model,
    sample,
)
from quantedu.networks import DATA

LONG, SHORT = 65_536, 16_384  # bytes
PROMPT, LENGTH, TEMPERATURE, SEED = ".. function:: open(", 200, 0.5, 0

SQUEEZED: dict[str, tuple[int, Any]] = {  # name: bits, recipe for the weights
    "FP16": (16, FP16.round),
    **{f"INT{bits}": (bits, int_absmax(bits, block_size=64)) for bits in (8, 6, 5)},
    "NF4": (4, nf4()),
    **{f"INT{bits}": (bits, int_absmax(bits, block_size=64)) for bits in (4, 3, 2)},
}
WEIGHTS: dict[tuple[str, str], Any] = {
    (f"INT{bits}", who): int_absmax(bits, **shared)
    for bits in (8, 4, 3)
    for who, shared in (
        ("per tensor", {}),
        ("per channel", {"axis": -1}),
        ("block 64", {"block_size": 64}),
    )
} | {("NF4", "block 64"): nf4()}
ACTIVATIONS: dict[tuple[str, str], tuple[Any, Any]] = {  # weights per channel, activations as said
    (f"W{bits}A{bits}", who): (int_absmax(bits, axis=-1), int_absmax(bits, axis=axis))
    for bits in (8, 6, 4)
    for who, axis in (("per tensor", None), ("per token", -1))
}


def scores(model: LanguageModel) -> dict[str, float]:
    text = held_out_text()
    return {
        "bits_per_byte": round(bits_per_byte(model, text[:LONG]), 5),
        "bits_per_byte_short": round(bits_per_byte(model, text[:SHORT]), 5),
    }


def squeezed(model: LanguageModel, name: str) -> dict[str, Any]:
    bits, recipe = SQUEEZED[name]
    small = model.with_weights(recipe)
    written = sample(small, PROMPT, LENGTH, TEMPERATURE, np.random.default_rng(SEED))
    stored = float(bits)
    if name != "FP16":
        parts = [recipe.quantize(w) for w in model.layers.values()]
        stored = 8 * sum(q.nbytes for q in parts) / sum(q.codes.size for q in parts)
    return {"name": name, "bits": bits, "bits_per_weight": stored, **scores(small), "text": written}


def main() -> None:
    summary, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=summary)
    output = DATA / "language_model_records.json"
    parser.add_argument("--output", type=pathlib.Path, default=output)
    output = parser.parse_args().output
    model = language_model()

    def table(recipes: dict[tuple[str, str], Any], change: Callable) -> list[dict[str, Any]]:
        return [
            {"name": name, "shared": shared, **scores(change(recipe))}
            for (name, shared), recipe in tqdm(recipes.items())
        ]

    records = {
        "long": LONG,
        "short": SHORT,
        "prompt": PROMPT,
        "temperature": TEMPERATURE,
        "seed": SEED,
        "float32": scores(model),
        "squeezed": [squeezed(model, name) for name in tqdm(SQUEEZED)],
        "weights": table(WEIGHTS, model.with_weights),
        "activations": table(
            ACTIVATIONS, lambda both: model.with_weights(both[0]).with_activations(both[1])
        ),
    }
    text = json.dumps(records, indent=1, ensure_ascii=False) + "\n"
    output.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
