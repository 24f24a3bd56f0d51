"""Train the small network that ships with the course, in plain NumPy, and store it.

    python tools/train_digits.py              writes quantedu/data/digits_network.npz
    python tools/train_digits.py --output F   writes another file

Data: scikit-learn's digits, 1797 images of 8 × 8 pixels, 0 … 16; every fifth is held out
(`quantedu.networks.held_out`). The same seed and the same BLAS give the same file, byte for byte;
another BLAS adds in another order, and the weights drift apart within the training's noise.
"""

import argparse
import itertools
import pathlib

import numpy as np
from sklearn.datasets import load_digits

from quantedu.networks import DATA, Network, held_out

NAMES, WIDTHS = ("hidden1", "hidden2", "output"), (64, 128, 64, 10)
EPOCHS, BATCH, RATE, DECAY = 60, 32, 2e-3, 1e-4
BETA1, BETA2, TINY = 0.9, 0.999, 1e-8


def initial(rng: np.random.Generator) -> list[np.ndarray]:
    """Weights [n_out, n_in] and biases [n_out] in turn (He et al., arXiv 1502.01852)."""
    parameters = []
    for n_in, n_out in itertools.pairwise(WIDTHS):
        weights = rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)
        parameters += [weights.astype(np.float32), np.zeros(n_out, dtype=np.float32)]
    return parameters


def gradients(parameters: list[np.ndarray], x: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Of the mean cross-entropy plus DECAY/2 · |weights|², for a batch x [n, 64], labels [n]."""
    weights, biases = parameters[0::2], parameters[1::2]
    inputs, y = [], x
    for i, (w, b) in enumerate(zip(weights, biases)):
        inputs.append(np.maximum(y, 0) if i else y)
        y = inputs[-1] @ w.T + b
    y = np.exp(y - y.max(axis=1, keepdims=True))
    error = y / y.sum(axis=1, keepdims=True)  # softmax; minus one-hot it is d loss / d scores
    error[np.arange(len(labels)), labels] -= 1
    error /= len(labels)
    found: list[np.ndarray] = []
    for w, into in zip(weights[::-1], inputs[::-1]):
        found = [error.T @ into + np.float32(DECAY) * w, error.sum(axis=0), *found]
        error = (error @ w) * (into > 0)
    return found


def train(x: np.ndarray, labels: np.ndarray, seed: int = 0) -> Network:
    """Adam (Kingma and Ba, arXiv 1412.6980) with a rate that falls to zero in a straight line."""
    rng = np.random.default_rng(seed)
    x = (x / 16).astype(np.float32)
    parameters = initial(rng)
    mean = [np.zeros_like(p) for p in parameters]
    square = [np.zeros_like(p) for p in parameters]
    steps = EPOCHS * (len(x) // BATCH)
    for t in range(1, steps + 1):
        if t % (len(x) // BATCH) == 1:
            shuffled = iter(rng.permutation(len(x))[: len(x) // BATCH * BATCH].reshape(-1, BATCH))
        rows = next(shuffled)
        rate = RATE * (1 - (t - 1) / steps)
        for p, g, m, s in zip(
            parameters, gradients(parameters, x[rows], labels[rows]), mean, square
        ):
            m += (1 - BETA1) * (g - m)
            s += (1 - BETA2) * (g * g - s)
            p -= rate * (m / (1 - BETA1**t)) / (np.sqrt(s / (1 - BETA2**t)) + TINY)
    parameters[0] /= 16  # so that it takes the pixels as they are; a power of two, hence exact
    return Network(dict(zip(NAMES, parameters[0::2])), dict(zip(NAMES, parameters[1::2])))


def save(net: Network, path: pathlib.Path) -> None:
    """Plain arrays, no pickle; the same network gives the same bytes."""
    arrays = {f"{name}.weight": w for name, w in net.layers.items()}
    arrays |= {f"{name}.bias": b for name, b in net.biases.items()}
    np.savez(path, **arrays)  # type: ignore[arg-type]  # its stub takes any name for an option


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
