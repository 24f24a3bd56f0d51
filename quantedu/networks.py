"""A small dense network as plain data, to try recipes on; the one that is shipped reads digits."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

DATA = Path(__file__).parent / "data"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Network:
    """Dense layers with ReLU between them: y = max(x @ W.T + b, 0), the last one without max.

    Parameters
    ----------
    layers : name → float32 weights [n_out, n_in], in the order they are passed through
    biases : name → float32 [n_out], the same names; a ValueError says what does not fit

    >>> net = Network({"one": [[1, -1]], "two": [[2]]}, {"one": [0], "two": [1]})
    >>> net.forward([[3, 1], [1, 3]])
    array([[5.],
           [1.]], dtype=float32)
    """

    layers: Mapping[str, np.ndarray]
    biases: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        if list(self.layers) != list(self.biases) or not self.layers:
            raise ValueError(
                f"layers and biases need the same names in the same order, at least one; "
                f"got {list(self.layers)} and {list(self.biases)}"
            )
        for field, ndim in (("layers", 2), ("biases", 1)):
            given = getattr(self, field).items()
            frozen = {name: _frozen(a, f"{field}[{name!r}]", ndim) for name, a in given}
            object.__setattr__(self, field, MappingProxyType(frozen))
        width = next(iter(self.layers.values())).shape[1]
        for name, weights in self.layers.items():
            if weights.shape[1] != width or self.biases[name].shape != weights.shape[:1]:
                raise ValueError(
                    f"layer {name!r} has weights {weights.shape} and bias "
                    f"{self.biases[name].shape}, but gets {width} numbers from what is before it"
                )
            width = weights.shape[0]

    def __repr__(self) -> str:
        shapes = (f"{name} {w.shape[0]}×{w.shape[1]}" for name, w in self.layers.items())
        return f"<Network {', '.join(shapes)}>"

    def forward(self, x: Any) -> np.ndarray:
        """The scores that inputs x [n, n_in] get, before any softmax: float32 [n, n_out]."""
        y = np.asarray(x, dtype=np.float32)
        for i, (name, weights) in enumerate(self.layers.items()):
            y = (np.maximum(y, 0) if i else y) @ weights.T + self.biases[name]
        return y

    def predict(self, x: Any) -> np.ndarray:
        """The class of each input x [n, n_in], the one with the highest score: int64 [n]."""
        return self.forward(x).argmax(axis=1)

    def accuracy(self, x: Any, labels: Any) -> float:
        """Which part of the inputs x [n, n_in] gets its label [n]: 0 … 1."""
        return float((self.predict(x) == np.asarray(labels)).mean())

    def with_weights(
        self, recipe: Callable[[Any], Any], layers: Iterable[str] | None = None
    ) -> "Network":
        """The network with recipe(W) in place of W, in all layers or those named.

        A recipe is a function of an array, such as a Quantizer. An unknown name is a ValueError.

        >>> digits_network().with_weights(np.round, layers=["output"])
        <Network hidden1 128×64, hidden2 64×128, output 10×64>
        """
        chosen = list(self.layers) if layers is None else list(layers)
        if unknown := set(chosen) - set(self.layers):
            raise ValueError(f"no layer {sorted(unknown)}; this network has {list(self.layers)}")
        changed = {name: recipe(w) if name in chosen else w for name, w in self.layers.items()}
        return dataclasses.replace(self, layers=changed)


def _frozen(array: Any, name: str, ndim: int) -> np.ndarray:
    array = np.array(array, dtype=np.float32)
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, not shape {array.shape}")
    array.flags.writeable = False
    return array


def held_out(labels: Any) -> np.ndarray:
    """Which images training never saw: sorted by label [n], every fifth. Bool [n].

    >>> held_out([1, 0, 0, 1, 1, 0]).tolist()    # sorted: 0 0 0 1 1 1
    [False, True, False, False, True, False]
    """
    labels = np.asarray(labels)
    held = np.zeros(labels.shape, dtype=bool)
    held[np.argsort(labels, kind="stable")[::5]] = True
    return held


def digits_network() -> Network:
    """The trained network that reads scikit-learn's digits: 64 pixels of 0 … 16 to 10 scores.

    `tools/train_digits.py` made it. Its layers are "hidden1", "hidden2" and "output".

    >>> digits_network().layers["output"].shape
    (10, 64)
    """
    with np.load(DATA / "digits_network.npz", allow_pickle=False) as file:
        names = [key.removesuffix(".weight") for key in file if key.endswith(".weight")]
        return Network(
            {name: file[f"{name}.weight"] for name in names},
            {name: file[f"{name}.bias"] for name in names},
        )
