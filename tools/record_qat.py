"""Record what takes too long for a cell of chapter 09: training with quantization, many times.

    python tools/record_qat.py              writes quantedu/data/qat_records.npz
    python tools/record_qat.py --output F   writes another file

Everything is small networks that read scikit-learn's digits, 1437 images for training and 360 held
out (`quantedu.networks.held_out`). What comes out of training differs between CPUs in the last
bits, and from there on: expect the same story, not the same bytes.
"""

import argparse
import pathlib
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

from quantedu import networks, qat
from quantedu.codebooks import integers, uniform
from quantedu.networks import DATA, Network
from quantedu.quantizers import Quantizer
from quantedu.scales import mean_abs, mse_best

WIDTHS, SEEDS, BITS = (64, 128, 64, 10), range(5), (8, 4, 3, 2, 1)
FULL, MORE, EPOCHS = 30, 10, 20  # epochs: of the float32 network, of finetuning, of the pictures
STEP: dict[str, Any] = {"optimizer": networks.sgd, "rate": 0.05, "learn_scales": True}
METHODS = ("after training", "straight-through", "learned step", "learned step, from scratch")


def recipe(bits: int) -> Quantizer:
    """Integers with the scale of least squared error; ±mean|w| where there is one bit."""
    return Quantizer(integers(bits), rough_best) if bits > 1 else Quantizer(uniform(1), mean_abs)


def rough_best(groups: Any, codebook: Any) -> Any:
    """`mse_best` among 20 scales: five times as fast, and a training step fits it each time."""
    return mse_best(groups, codebook, n_steps=20)


def digits() -> tuple[np.ndarray, ...]:
    """Images [n, 64] of 0 … 1 and labels [n]: two for training, two held out."""
    x, labels = load_digits(return_X_y=True)
    test = networks.held_out(labels)
    x = (x / 16).astype(np.float32)
    return x[~test], labels[~test], x[test], labels[test]


def trained(seed: int) -> Network:
    """The float32 network that everything of this seed begins with."""
    x, labels, _, _ = digits()
    rng = np.random.default_rng(seed)
    return networks.train(networks.initial(WIDTHS, rng), x, labels, FULL, rng)


def run(method: str, bits: int, seed: int, net: Network) -> Network:
    """The network of so many bits that a method makes of the float32 one."""
    x, labels, _, _ = digits()
    rng, one = np.random.default_rng(100 + seed), recipe(bits)
    if method == "after training":
        return net.with_weights(one)
    if method == "straight-through":
        return qat.finetune(net, x, labels, MORE, rng, one, rate=1e-3).network
    epochs = FULL + MORE if "scratch" in method else MORE
    start = networks.initial(WIDTHS, rng) if "scratch" in method else net
    return qat.finetune(start, x, labels, epochs, rng, one, **STEP).network


def scores(net: Network) -> tuple[int, float]:
    """How many of the 360 held-out images are right, and the mean cross-entropy on them."""
    _, _, x, labels = digits()
    return int((net.predict(x) == labels).sum()), net.loss(x, labels)


def compare() -> dict[str, np.ndarray]:
    """Right answers and losses [methods, bits, seeds]; and of float32 [2, seeds], FULL, + MORE."""
    x, labels, _, _ = digits()
    table = np.zeros((len(METHODS), len(BITS), len(SEEDS), 2))
    full = np.zeros((2, len(SEEDS), 2))
    for seed in SEEDS:
        net = trained(seed)
        more = networks.train(net, x, labels, MORE, np.random.default_rng(100 + seed), rate=1e-3)
        full[:, seed] = scores(net), scores(more)
        for at in tqdm(list(np.ndindex(len(METHODS), len(BITS))), desc=f"seed {seed}"):
            table[(*at, seed)] = scores(run(METHODS[at[0]], BITS[at[1]], seed, net))
    return {
        "correct": table[..., 0].astype(np.int16),
        "loss": table[..., 1].astype(np.float32),
        "full_correct": full[..., 0].astype(np.int16),
        "full_loss": full[..., 1].astype(np.float32),
    }


def follow(bits: int, method: str) -> dict[str, np.ndarray]:
    """Layer "hidden2" of seed 0 through EPOCHS of training, epoch by epoch.

    Returns
    -------
    latent, float16 [epochs + 1, 300] : every 27th weight before it is rounded
    scale, error, moved [epochs + 1] : the scale; root mean square of w − ŵ; which part of all codes
        is not what it was before the first step
    train_loss, correct [epochs + 1] : of the quantized network, on training and held-out images
    """
    x, labels, _, _ = digits()
    one = recipe(bits)
    rows: list[Any] = []

    def watch(epoch: int, p: Any) -> None:
        parts = {n: one.quantize(p[f"{n}.weight"], p.get(f"{n}.scale")) for n in net.layers}
        hats = {f"{n}.weight": q.dequantize() for n, q in parts.items()}
        now, w, q = Network.from_parameters({**p, **hats}), p["hidden2.weight"], parts["hidden2"]
        first = rows[0][-1] if rows else q.codes
        error = np.sqrt(np.mean((w - q.dequantize()) ** 2))
        moved = np.mean(q.codes != first)
        right = scores(now)[0]
        sample = w.ravel()[::27][:300].astype(np.float16)
        rows.append((sample, q.scale.item(), error, moved, now.loss(x, labels), right, first))

    net = trained(0)
    how = STEP if method == "learned step" else {"rate": 1e-3}
    qat.finetune(net, x, labels, EPOCHS, np.random.default_rng(100), one, watch=watch, **how)
    names = ("latent", "scale", "error", "moved", "train_loss", "correct")
    dtypes = (np.float16, *[np.float32] * 4, np.int16)
    return {name: np.array(c, d) for name, c, d in zip(names, zip(*rows), dtypes, strict=False)}


def main() -> None:
    summary, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--output", type=pathlib.Path, default=DATA / "qat_records.npz")
    output = parser.parse_args().output
    arrays = compare()
    for bits in (4, 3, 2, 1):
        for method in METHODS[1:3]:
            found = follow(bits, method)
            arrays |= {f"{method}/{bits}/{name}": array for name, array in found.items()}
    np.savez_compressed(output, **arrays)  # type: ignore[arg-type]  # takes any name for an option
    print(f"{output.name}: {len(arrays)} arrays, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
