"""Chapter 09, quantization in training: what the weights do while they are rounded."""

import functools

import numpy as np

from quantedu.codebooks import Codebook, integers, uniform
from quantedu.networks import DATA
from quantedu.sketch import Axis, Panel, Scene, hline, line, points, vline

METHODS = ("straight-through", "learned step")


@functools.cache
def records() -> dict[str, np.ndarray]:
    """What `tools/record_qat.py` recorded: arrays by name, as its functions say.

    >>> records()["correct"].shape    # methods, bits 8 4 3 2 1, seeds
    (4, 5, 5)
    """
    with np.load(DATA / "qat_records.npz", allow_pickle=False) as file:
        return dict(file)


def codebook_of(bits: int) -> Codebook:
    """The levels that the records were made with: integers, or ±1 where there is one bit."""
    return integers(bits) if bits > 1 else uniform(1)


def weights_in_training(bits: int = 2, epoch: int = 20, method: str = "straight-through") -> Scene:
    """300 weights of a hidden layer after so many epochs of training with rounding in place.

    Parameters
    ----------
    bits : 1 to 4
    epoch : 0, before the first step, to 20
    method : "straight-through", the scale fitted to the weights in each step; or "learned step"

    Examples
    --------
    >>> print(weights_in_training(bits=2, epoch=0).title)
    2 bits, before training: rounding error 0.063, loss 0.2252, 343 of 360 right
    """
    if method not in METHODS or bits not in (1, 2, 3, 4) or not 0 <= epoch <= 20:
        raise ValueError(
            f"recorded are bits 1 … 4, epochs 0 … 20 and {' and '.join(METHODS)}; "
            f"not {bits}, {epoch} and {method!r}"
        )
    key, found = f"{method}/{bits}/", records()
    scale, error, moved, loss, right = (
        found[key + name] for name in ("scale", "error", "moved", "train_loss", "correct")
    )
    latent, book = found[key + "latent"].astype(np.float32), codebook_of(bits)
    codes = book.encode(latent / scale[:, None])
    start, now, s = latent[0], latent[epoch], scale[epoch]
    changed, kept = (np.flatnonzero(which) for which in _apart(codes[0], codes[epoch]))
    w_hat, epochs = book.levels[codes[epoch]] * s, np.arange(21)
    walkers = [*kept[:8], *changed[:8]]
    limits = (-0.55, 0.55)
    walked = np.concatenate([[*latent[: epoch + 1, i], np.nan] for i in walkers])
    at = np.tile([*epochs[: epoch + 1], np.nan], len(walkers))
    panels = [
        Panel(
            [
                points(start, now, "original", "weight w"),
                points(start[kept], w_hat[kept], "quantized", "rounded ŵ"),
                points(start[changed], w_hat[changed], "error", "code changed"),
            ],
            Axis("weight before training", limits),
            Axis("weight after", (-0.8, 0.8)),
            height=230,
        ),
        Panel(
            [
                line(at, walked, "original", "16 weights"),
                hline(np.unique(book.levels) * s, "quantized", "levels"),
                hline(book.thresholds * s, label="thresholds"),
                points(np.full(len(walkers), epoch), now[walkers], "original"),
            ],
            Axis("epoch", (-0.5, 20.5)),
            Axis("weight", (-0.6, 0.6)),
            height=230,
        ),
        Panel(
            [line(epochs, loss, "error"), points([epoch], [loss[epoch]]), vline(epoch)],
            Axis("epoch", (-0.5, 20.5)),
            Axis("loss of the rounded network, training images", (5e-4, 3), log=10),
            height=140,
        ),
        Panel(
            [line(epochs, error, "error"), points([epoch], [error[epoch]]), vline(epoch)],
            Axis("epoch", (-0.5, 20.5)),
            Axis("rounding error, root mean square of w − ŵ", (0, 0.17)),
            height=140,
        ),
    ]
    when = f"after {epoch} epoch{'s' * (epoch != 1)}" if epoch else "before training"
    title = (
        f"{bits} bit{'s' * (bits > 1)}, {when}: rounding error {error[epoch]:.3f}, "
        f"loss {loss[epoch]:.4f}, {right[epoch]} of 360 right"
    )
    text = (
        f"{method}: scale {s:.4f} (at first {scale[0]:.4f}); {moved[epoch]:.1%} of the codes are "
        f"not what they were\n"
        f"rounding error {error[epoch] / error[0]:.2f} × what it was, "
        f"training loss {loss[epoch] / loss[0]:.3f} × what it was"
    )
    return Scene(title, panels, text, columns=2)


def _apart(first: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return first != now, first == now
