"""Record what loud channels do to the shipped language model, and what SmoothQuant undoes.

    python tools/record_outliers.py      writes quantedu/data/outlier_records.json

It takes some minutes on two cores. Bits per byte over the first 16,384 bytes of held_out.txt;
what needs calibration has it on the last 4,096. A test computes one of these again.
"""

import argparse
import json
import pathlib
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from quantedu import int_absmax
from quantedu.language_model import LanguageModel, bits_per_byte, held_out_text, language_model
from quantedu.networks import DATA
from quantedu.ptq import SplitOutliers, calibrate, plant_loud_channels, quantized, smooth

BYTES, CALIBRATION = 16_384, 4_096
CHANNELS, FACTOR = (26, 78, 100, 163), 64
NORM_FED = ("q", "gate")  # and what reads with them: k and v, up
ALPHAS = [i / 8 for i in range(9)]
SWEPT = ("W8A8 per tensor", "W6A6 per tensor", "W4A4 per token")


def groups(model: LanguageModel, readers: tuple[str, ...] = NORM_FED) -> list[str]:
    """The first layer of each group whose reader is one of these."""
    return [group[0] for group in model.rescalable if group[0].split(".")[1] in readers]


def planted(model: LanguageModel, readers: tuple[str, ...] = NORM_FED) -> LanguageModel:
    """The model with a few loud channels before each of these readers; the same function."""
    loud: LanguageModel = plant_loud_channels(model, groups(model, readers), list(CHANNELS), FACTOR)
    return loud


def smoothed(model: LanguageModel, alpha: float = 0.5) -> LanguageModel:
    """The model with SmoothQuant behind its norms, as in the paper."""
    calm: LanguageModel = smooth(model, calibration(), dict.fromkeys(groups(model), alpha))
    return calm


def calibration() -> bytes:
    return held_out_text()[-CALIBRATION:]


def split(model: LanguageModel) -> LanguageModel:
    """LLM.int8()'s way: INT8 per channel and per token, loud columns of activations as they are."""
    return model.with_weights(int_absmax(8, axis=-1)).with_activations(SplitOutliers())


def run(name: str) -> Callable[[LanguageModel], LanguageModel]:
    """What a record's name stands for: a scheme, "smoothed + " a scheme, or one of these."""
    if name.startswith("smoothed + "):
        then = run(name.removeprefix("smoothed + "))
        return lambda model: then(smoothed(model))
    if name == "W8 only":
        return lambda model: model.with_weights(int_absmax(8, axis=-1))
    if name in ("FP32", "split"):
        return {"FP32": lambda model: model, "split": split}[name]
    return lambda model: in_few_bits(model, name)


def in_few_bits(model: LanguageModel, name: str) -> LanguageModel:
    """The model as in "W8A8 per tensor, static"; weights have a scale for each output channel."""
    bits = int(name[1])
    activations: Any = int_absmax(bits, axis=-1 if "per token" in name else None)
    if name.endswith("static"):
        activations = calibrate(model, [calibration()], activations)
    few: LanguageModel = quantized(model, int_absmax(bits, axis=-1), activations)
    return few


def score(model: LanguageModel) -> float:
    return round(bits_per_byte(model, held_out_text()[:BYTES]), 5)


TRAINED = (
    *("FP32", "W8 only", "W8A8 per tensor", "W8A8 per tensor, static", "W8A8 per token", "split"),
    *("W6A6 per tensor", "W6A6 per token", "W4A4 per tensor", "W4A4 per token"),
    *("smoothed + W8A8 per tensor", "smoothed + W8A8 per tensor, static"),
    *("smoothed + W8A8 per token", "smoothed + W4A4 per token"),
)


def main() -> None:
    summary, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=summary)
    output = DATA / "outlier_records.json"
    parser.add_argument("--output", type=pathlib.Path, default=output)
    output = parser.parse_args().output
    model = language_model()
    records: dict[str, Any] = {
        "bytes": BYTES,
        "calibration": CALIBRATION,
        "channels": CHANNELS,
        "factor": FACTOR,
        "trained": {name: score(run(name)(model)) for name in tqdm(TRAINED)},
        "planted": {name: score(run(name)(planted(model))) for name in tqdm(TRAINED)},
        "planted before down": {
            name: score(run(name)(planted(model, ("down",))))
            for name in tqdm(("FP32", "W8A8 per tensor", "smoothed + W8A8 per tensor"))
        },
        "alphas": ALPHAS,
        "swept": {
            name: [score(in_few_bits(smoothed(model, alpha), name)) for alpha in tqdm(ALPHAS)]
            for name in SWEPT
        },
    }
    text = json.dumps(records, indent=1, ensure_ascii=False) + "\n"
    output.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
