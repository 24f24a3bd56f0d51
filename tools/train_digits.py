"""Train the small network that ships with the course, in plain NumPy, and store it.

    python tools/train_digits.py              writes quantedu/data/digits_network.npz
    python tools/train_digits.py --output F   writes another file

Data: scikit-learn's digits, 1797 images of 8 × 8 pixels, 0 … 16; every fifth is held out
(`quantedu.networks.held_out`). The same seed and the same BLAS give the same file, byte for byte;
another BLAS adds in another order, and the weights drift apart within the training's noise.
"""

import argparse
import dataclasses
import pathlib

import numpy as np
from sklearn.datasets import load_digits

from quantedu import networks
from quantedu.networks import DATA, Network, held_out

WIDTHS, EPOCHS, RATE, DECAY = (64, 128, 64, 10), 60, 2e-3, 1e-4


def train(x: np.ndarray, labels: np.ndarray, seed: int = 0, epochs: int = EPOCHS) -> Network:
    """On pixels of 0 … 1; the first layer then takes them as they are, 0 … 16."""
    rng = np.random.default_rng(seed)
    net = networks.initial(WIDTHS, rng)
    net = networks.train(net, x / 16, labels, epochs, rng, rate=RATE, decay=DECAY, progress=True)
    first = next(iter(net.layers))  # a division by a power of two is exact
    return dataclasses.replace(net, layers={**net.layers, first: net.layers[first] / 16})


def save(net: Network, path: pathlib.Path) -> None:
    """Plain arrays, no pickle; the same network gives the same bytes."""
    arrays = sorted(net.parameters.items(), key=lambda item: item[0].endswith("bias"))
    np.savez(path, **dict(arrays))  # type: ignore[arg-type]  # its stub takes any name for an option


def main() -> None:
    summary, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--output", type=pathlib.Path, default=DATA / "digits_network.npz")
    output = parser.parse_args().output
    x, labels = load_digits(return_X_y=True)
    test = held_out(labels)
    net = train(x[~test], labels[~test])
    for name, rows in (("training", ~test), ("held out", test)):
        right = int((net.predict(x[rows]) == labels[rows]).sum())
        print(f"{name}: {right} of {rows.sum()} right ({right / rows.sum():.1%})")
    save(net, output)
    print(f"{output.name}: {net}, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
