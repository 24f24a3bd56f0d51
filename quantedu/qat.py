"""Quantization in training: quantized going forward, straight through going back.

    w ──recipe──▶ ŵ ──forward──▶ loss          every step sees the quantized network
    w ◀── − rate · gradient at ŵ               every step moves the weights behind it

Rounding is a staircase: its derivative is 0 on the stairs and infinite between them. Training with
the true gradient would stand still. The straight-through estimator takes the staircase for the
ramp that it climbs: derivative 1 where ŵ follows w, 0 beyond the end levels, where ŵ stays.
"""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from quantedu.layout import Layout
from quantedu.networks import Network, Parameters, descend
from quantedu.quantizers import QTensor, Quantizer

Pull = Callable[[np.ndarray], tuple[np.ndarray, Any]]


def fake_quantize(w: Any, recipe: Quantizer, scale: Any = None) -> tuple[np.ndarray, Pull]:
    """What a recipe makes of w, as numbers again; and the way back for a gradient.

    Parameters
    ----------
    w : float32 array, any shape
    recipe : Quantizer, with any codebook
    scale : [n_groups, 1], learned (LSQ); None fits it to w, and takes it for a constant going back

    Returns
    -------
    w_hat : float32, shape of w; at most 2^bits different values in each group
    pull : function of the gradient by w_hat, gives the gradient by w, and by the scale (None where
        it was fitted)

    Raises
    ------
    TypeError, ValueError
        If the recipe is no Quantizer, or does not take w or the scale; from `pull`, if the
        gradient has another shape.

    Notes
    -----
    Fitted scale: the gradient passes up to half a step beyond the end levels, the places that
    round to them (as in PyTorch's `fake_quantize`). Learned scale: it passes strictly between the
    end levels, and d w_hat / d scale is level − w/scale there, and the end level beyond; their sum
    is multiplied by 1/√(N·Q), N the group's size and Q the highest level.

    References
    ----------
    Bengio et al., arXiv 1308.3432; Jacob et al., arXiv 1712.05877, section 3; Esser et al.,
    Learned Step Size Quantization, arXiv 1902.08153, equations 3 and 5 and section 2.2.

    Examples
    --------
    >>> from quantedu.codebooks import integers
    >>> from quantedu.scales import absmax
    >>> w = np.array([-4.0, -0.4, 0.8, 2.0], dtype=np.float32)
    >>> w_hat, pull = fake_quantize(w, Quantizer(integers(2), absmax), scale=1.0)
    >>> w_hat, pull(np.ones(4))[0]
    (array([-2.,  0.,  1.,  1.], dtype=float32), array([0., 1., 1., 0.]))
    """
    if not isinstance(recipe, Quantizer):
        raise TypeError(f"a recipe in training is a Quantizer, not {recipe!r}; int_absmax(4), say")
    q, book = recipe.quantize(w, scale), recipe.codebook
    layout, ranked = q.layout, book.levels[book.codes_by_rank]
    steps = _spread(layout, np.where(q.scale == 0, 1, q.scale))
    zero = _spread(layout, q.zero_point)
    u = (np.asarray(w) - (0 if q.center is None else q.center)) / steps  # beside level − zero
    half = np.diff(ranked)[[0, -1]] / 2 if scale is None and ranked.size > 1 else (0, 0)
    low, high = ranked[0] - half[0] - zero, ranked[-1] + half[1] - zero
    inside = (u >= low) & (u <= high) if scale is None else (u > low) & (u < high)

    def pull(gradient: np.ndarray) -> tuple[np.ndarray, Any]:
        if np.shape(gradient) != u.shape:
            raise ValueError(f"the gradient has shape {np.shape(gradient)}, but w has {u.shape}")
        if scale is None:
            return gradient * inside, None
        by_scale = gradient * (book.levels[q.codes] - np.where(inside, u, 0))  # zero is 0
        sizes = _sums(layout, np.ones(u.shape))
        return gradient * inside, _sums(layout, by_scale) / np.sqrt(sizes * book.max)

    return q.dequantize(), pull


def _spread(layout: Layout, per_group: Any) -> np.ndarray:
    """What belongs to a group, at each of its values: float32, the layout's shape."""
    out = np.empty(layout.shape, dtype=np.float32)
    layout.fill(out, np.float32, lambda piece, part: np.copyto(part, layout.pick(per_group, piece)))
    return out


def _sums(layout: Layout, x: np.ndarray) -> np.ndarray:
    """The sum over each group: [n_groups, 1]."""
    rows, total = layout.rows(x), np.zeros((layout.n_rows, layout.groups_per_row))
    for row, column, group in layout.pieces(whole=True):
        place = total[row, group]
        place[...] = rows[row, column].reshape(*place.shape, -1).sum(axis=-1)
    return total.reshape(-1, 1)


@dataclasses.dataclass(frozen=True, eq=False)
class Finetuned:
    """What quantization-aware training ends with.

    Parameters
    ----------
    latent : the network of float32 weights that training moved; not needed any more
    tensors : name → QTensor, what is stored of the layers that were quantized

    Examples
    --------
    >>> from quantedu.recipes import int_absmax
    >>> net = Network({"one": [[1.0, -0.5]]}, {"one": [0]})
    >>> Finetuned(net, {"one": int_absmax(2).quantize(net.layers["one"])}).network.layers["one"]
    array([[1., 0.]], dtype=float32)
    """

    latent: Network
    tensors: Mapping[str, QTensor]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))

    def __reduce__(self) -> Any:  # a read-only mapping can be neither copied nor pickled
        return Finetuned, (self.latent, dict(self.tensors))

    @property
    def network(self) -> Network:
        """The network that training saw in its last step: weights out of `tensors`."""
        layers = {name: q.dequantize() for name, q in self.tensors.items()}
        return dataclasses.replace(self.latent, layers={**self.latent.layers, **layers})


def finetune(
    network: Network,
    x: Any,
    labels: Any,
    epochs: int,
    rng: np.random.Generator,
    recipe: Quantizer | Mapping[str, Quantizer],
    learn_scales: bool = False,
    **options: Any,
) -> Finetuned:
    """Train a network whose weights are quantized in every forward pass.

    Parameters
    ----------
    network : trained, or not yet (`quantedu.networks.initial`)
    x, labels, epochs, rng : as for `quantedu.networks.train`
    recipe : for all layers, or name → recipe for some; biases stay float32
    learn_scales : False fits the scale to the weights anew in each step; True (LSQ) begins with
        the scale that the recipe's rule finds, and learns it
    options : as for `quantedu.networks.descend`

    Raises
    ------
    TypeError, ValueError
        If a recipe is no Quantizer, or one with a zero-point whose scale should be learned; if a
        layer is unknown; if inputs and labels do not fit the network and each other.

    Examples
    --------
    >>> from quantedu.networks import initial
    >>> from quantedu.recipes import int_absmax
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 2))
    >>> done = finetune(initial((2, 8, 2), rng), x, (x[:, 0] > x[:, 1]).astype(int), 5, rng,
    ...                 int_absmax(3), rate=0.02)
    >>> len(np.unique(done.network.layers["hidden1"])) <= 2**3
    True
    """
    (x, labels), kept = network._examples(x, labels), network.activations
    recipes = recipe if isinstance(recipe, Mapping) else dict.fromkeys(network.layers, recipe)
    if wrong := [one for one in recipes.values() if not isinstance(one, Quantizer)]:
        raise TypeError(f"recipes in training are Quantizers, not {wrong[0]!r}; int_absmax(4), say")
    network.with_weights(recipes)  # refuses unknown names

    def learned(p: Parameters, name: str) -> Any:
        scale = p.get(f"{name}.scale")
        # a step below 0 has no meaning, and what diverges must still be a float32
        return None if scale is None else np.clip(scale, 1e-8, np.finfo(np.float32).max)

    def seen(p: Parameters) -> tuple[Parameters, dict[str, Pull]]:
        hats, pulls = dict(p), {}
        for name, one in recipes.items():
            key = f"{name}.weight"
            hats[key], pulls[name] = fake_quantize(p[key], one, learned(p, name))
        return hats, pulls

    def gradients(p: Parameters, rows: np.ndarray) -> tuple[float, Parameters]:
        hats, pulls = seen(p)
        now = Network.from_parameters(hats, activations=kept)
        loss, found = now.gradients(x[rows], labels[rows])
        for name, pull in pulls.items():
            found[f"{name}.weight"], by_scale = pull(found[f"{name}.weight"])
            found |= {f"{name}.scale": by_scale} if learn_scales else {}
        return loss, found

    start = dict(network.parameters)
    if learn_scales:
        for name, one in recipes.items():
            start[f"{name}.scale"], zero_point = one.fit(network.layers[name])
            if np.ndim(zero_point):
                raise ValueError(
                    f"a scale is learned without a zero-point, and {one!r} has one; int_absmax "
                    "has none"
                )
    found = descend(start, gradients, len(x), epochs, rng, **options)
    latent = Network.from_parameters(found, activations=kept)
    tensors = {
        name: one.quantize(latent.layers[name], learned(found, name))
        for name, one in recipes.items()
    }
    return Finetuned(latent, tensors)
