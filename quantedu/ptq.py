"""Quantization after training: calibration, integer-only inference, and loud channels.

A model is whatever has the protocol of `networks`: `layers`, `with_weights`, `with_activations`,
`record`, `rescale_inputs`. An observer sees what enters a layer and gives the range to keep:

    observer(groups, recipe) -> ranges

    groups      one float32 array [n_groups, n] for each batch, in order
    recipe      the Quantizer that the range is for
    ranges      float32 [n_groups, 2], the lowest and the highest value to represent

The recipe's scale rule turns a range into scale and zero-point, as if it were all the data there
is; so it has to be a rule that looks at the ends only, such as `scales.absmax` or `scales.min_max`.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from quantedu import _checks
from quantedu.quantizers import QTensor, Quantizer
from quantedu.recipes import int_absmax

Observer = Callable[[list[np.ndarray], Quantizer], np.ndarray]
INT32 = 2**31  # sums have to stay below


def plant_loud_channels(model: Any, layers: Iterable[str], channels: Any, factor: float) -> Any:
    """The model in which some input channels of some layers are `factor` times as large.

    The layer's weights on them are as many times smaller, so that in exact arithmetic the model
    computes what it did. It now has what large language models have: a few loud channels.

    Parameters
    ----------
    layers : names of layers that can be rescaled; those that read one input, together
    channels : integer array, which input channels
    factor : above 0

    Raises
    ------
    ValueError, IndexError
        If a layer is unknown or cannot be rescaled, or has no such channel.

    Examples
    --------
    >>> from quantedu.networks import digits_network
    >>> net, x = digits_network(), np.ones((1, 64))
    >>> loud = plant_loud_channels(net, ["output"], [3], 8)
    >>> bool(np.allclose(loud.forward(x), net.forward(x), rtol=1e-4))
    True
    """
    if not (np.isfinite(factor) and factor > 0):
        raise ValueError(f"factor={factor} must be a finite number above 0")
    divisors, layers = {}, _named(layers) or ()
    if unknown := sorted({*layers} - {*model.layers}):
        raise ValueError(f"no layer {unknown}; this model has {list(model.layers)}")
    for name in layers:
        divisors[name] = np.ones(model.layers[name].shape[1], dtype=np.float32)
        divisors[name][channels] = 1 / factor
    return model.rescale_inputs(divisors)


def _named(layers: Any) -> list[str] | None:
    """Names that can be gone through more than once; None is all."""
    return [layers] if isinstance(layers, str) else layers if layers is None else [*layers]


# Observers


def observe_min_max(groups: list[np.ndarray], recipe: Any = None) -> np.ndarray:
    """The smallest and the largest value seen.

    With `scales.min_max` scale and zero-point are those of PyTorch's MinMaxObserver, with
    `absmax_half_range` those of its symmetric ones, to the last bit; but a group of zeros has
    scale 0 here, where PyTorch lets no scale fall below 2^−23.

    >>> observe_min_max([np.float32([[0, 3]]), np.float32([[-1, 2]])])
    array([[-1.,  3.]], dtype=float32)
    """
    return np.stack(_ends(np.concatenate(groups, axis=1)), axis=1)


@functools.cache
def observe_moving_average(constant: float = 0.01) -> Observer:
    """The observer that moves its range towards that of each batch by a part of the difference.

    As PyTorch's MovingAverageMinMaxObserver, to rounding. The order of the batches matters.

    >>> observe_moving_average(0.5)([np.float32([[0, 3]]), np.float32([[-1, 2]])], None)
    array([[-0.5,  2.5]], dtype=float32)
    """
    if not 0 < constant <= 1:
        raise ValueError(f"constant={constant} must be above 0 and at most 1")

    def observe(groups: list[np.ndarray], recipe: Any) -> np.ndarray:
        ranges = observe_min_max(groups[:1])
        for batch in groups[1:]:
            ranges = ranges + np.float32(constant) * (observe_min_max([batch]) - ranges)
        return ranges

    return observe


@functools.cache
def observe_percentile(q: float = 99.9) -> Observer:
    """The observer that keeps what lies within the q-th percentile of |x|; what is larger, clips.

    With `scales.absmax` the scale is that of `scales.percentile(q)`. All values are kept until
    the end (PyTorch's HistogramObserver keeps a histogram). Where the percentile, or the scale that
    it would give, is 0, all is kept.

    >>> observe_percentile(50)([np.float32([[-1, 2, 300]])], None)
    array([[-1.,  2.]], dtype=float32)
    """
    if not 0 <= q <= 100:
        raise ValueError(f"q={q} is no percentile; choose 0 to 100")

    def observe(groups: list[np.ndarray], recipe: Any) -> np.ndarray:
        values = np.concatenate(groups, axis=1)
        reached = np.percentile(np.abs(values), q, axis=1)
        scale = np.float32(reached / (recipe.codebook.max if recipe else 1))
        return _within(values, np.where(scale == 0, np.inf, reached).astype(np.float32))

    return observe


@functools.cache
def observe_mse(n_steps: int = 100) -> Observer:
    """The observer that keeps the range with the least squared error under the recipe.

    Tried are k/n_steps of the largest magnitude, k = n_steps … 1; of equal errors the wider range.

    >>> from quantedu.recipes import int_absmax
    >>> x = np.float32([[-1, -0.9, 0.8, 1, 4]])
    >>> observe_mse(100)([x], int_absmax(3)).round(2)
    array([[-1.  ,  3.64]], dtype=float32)
    """
    if n_steps < 1:
        raise ValueError(f"n_steps={n_steps}: at least one range has to be tried")

    def observe(groups: list[np.ndarray], recipe: Quantizer) -> np.ndarray:
        values = np.concatenate(groups, axis=1)
        by_row = dataclasses.replace(recipe, axis=-1)
        largest = np.abs(values).max(axis=1)
        best, least = observe_min_max(groups), np.full(len(values), np.inf)
        for k in range(n_steps, 0, -1):
            ranges = _within(values, largest * np.float32(k / n_steps))
            x_hat = by_row.quantize(values, *by_row.fit(ranges)).dequantize()
            error = np.square(x_hat - values, dtype=np.float64).sum(axis=1)
            best = np.where((error < least)[:, None], ranges, best)
            least = np.minimum(error, least)
        return best

    return observe


def _ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values.min(axis=1), values.max(axis=1)


def _within(values: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """The range of the values [n_groups, 2], cut at ± threshold [n_groups]."""
    low, high = _ends(values)
    return np.stack([np.maximum(low, -threshold), np.minimum(high, threshold)], axis=1)


# Calibration


@dataclasses.dataclass(frozen=True, eq=False)
class Static:
    """A quantizer whose scale was fixed before it sees x: what calibration gives.

    Called with an array, it gives x̂.

    Parameters
    ----------
    recipe : Quantizer
    scale : float32 [n_groups, 1]
    zero_point : 0.0, or float32 [n_groups, 1]

    >>> from quantedu.recipes import int_absmax
    >>> Static(int_absmax(8), 0.5)(np.float32([1.3, 100]))
    array([ 1.5, 63.5], dtype=float32)
    """

    recipe: Quantizer
    scale: Any
    zero_point: Any = 0.0

    def quantize(self, x: Any) -> QTensor:
        """Codes of x under the fixed scale.

        >>> from quantedu.recipes import int_absmax
        >>> Static(int_absmax(8), 0.5).quantize(np.float32([1.3, 100])).values
        array([  3, 127], dtype=int8)
        """
        return self.recipe.quantize(x, self.scale, self.zero_point)

    def __call__(self, x: Any) -> np.ndarray:
        """The x̂ of x under the fixed scale."""
        return self.quantize(x).dequantize()


def calibrate(
    model: Any,
    batches: Iterable[Any],
    recipe: Quantizer,
    observer: Observer = observe_min_max,
    layers: Iterable[str] | None = None,
) -> dict[str, Static]:
    """Static recipes for what enters each layer, from what a few batches bring there.

    Parameters
    ----------
    model : of the protocol; what is recorded is what this one computes
    batches : inputs of the model, one after the other
    recipe : Quantizer; axis None is one scale for each layer, axis 0 one for each input channel
    observer : `observe_min_max`, `observe_moving_average(…)`, `observe_percentile(…)`,
        `observe_mse(…)`
    layers : names; None is all

    Returns
    -------
    dict, name → Static, as `with_activations` takes it

    Raises
    ------
    ValueError
        If there are no batches, or nothing in them; if the scale would depend on how many inputs
        there are (axis −1, blocks).

    Examples
    --------
    >>> from quantedu.networks import digits_network
    >>> from quantedu.recipes import int_affine
    >>> batches = [np.full((2, 64), 8.0), np.full((2, 64), 6.0)]
    >>> calibrate(digits_network(), batches, int_affine(4))["hidden1"].scale
    array([[0.53333336]], dtype=float32)
    """
    if not isinstance(recipe, Quantizer):
        raise TypeError(f"calibration fixes the scales of a Quantizer, not of {recipe!r}")
    if recipe.axis not in (None, 0) or recipe.block_size is not None:
        raise ValueError(
            f"{recipe!r} has as many scales as inputs come; a fixed one needs axis=None, or axis=0 "
            "for each channel"
        )
    if isinstance(batches, (np.ndarray, str, bytes)):
        raise TypeError("batches must be a list of inputs, not one input; [x] is a single batch")
    seen, layers = dict[str, list[np.ndarray]](), _named(layers)
    for batch in batches:
        for name, x in model.record(batch, layers).items():
            if x.size:
                seen.setdefault(name, []).append(x.T if recipe.axis == 0 else x.reshape(1, -1))
    if not seen:
        raise ValueError("calibration needs data, and batches held none; give at least one input")
    by_row = dataclasses.replace(recipe, axis=-1)
    ranges = {name: observer(groups, recipe) for name, groups in seen.items()}
    return {name: Static(recipe, *by_row.fit(found)) for name, found in ranges.items()}


def quantized(
    model: Any, weights: Any = None, activations: Any = None, layers: Iterable[str] | None = None
) -> Any:
    """The model with x̂ in place of its weights, and of what enters its layers.

    Without data: `quantized(model, int4)` for weights only, or `quantized(model, int4, int8)`,
    in which each batch of activations finds its own scale (dynamic). With data:
    `quantized(model, int4, calibrate(model, batches, int8))`, in which scales are fixed (static).

    Parameters
    ----------
    weights, activations : Quantizer, another function of an array, or name → function; or None
    layers : names; None is all

    Examples
    --------
    >>> from quantedu.networks import Network
    >>> net = Network({"one": [[1.4, -1.6]]}, {"one": [0]})
    >>> quantized(net, np.round, np.floor).forward([[3.9, 1.5]])    # 1·3 − 2·1
    array([[1.]], dtype=float32)
    """
    layers = _named(layers)
    if weights is not None:
        model = model.with_weights(weights, layers)
    return model if activations is None else model.with_activations(activations, layers)


def sensitivity(
    model: Any, score: Callable[[Any], Any], weights: Any = None, activations: Any = None
) -> dict[str, Any]:
    """The score of the model with only one layer quantized, for each layer.

    Parameters
    ----------
    score : function of a model
    weights, activations : as for `quantized`

    Examples
    --------
    >>> from quantedu.networks import Network
    >>> net = Network({"one": [[1.0]], "two": [[3.0]]}, {"one": [0], "two": [1]})
    >>> sensitivity(net, lambda model: model.forward([[5]]).item(), np.zeros_like)
    {'one': 1.0, 'two': 1.0}
    """
    return {name: score(quantized(model, weights, activations, [name])) for name in model.layers}


# Inference in integers only


def fixed_point(factor: Any) -> tuple[np.ndarray, np.ndarray]:
    """A positive factor as an int32 multiplier and a shift to the right.

    factor ≈ multiplier · 2^−shift, with a multiplier of 2^30 … 2^31 − 1; below 2^−31, where no
    sum of 32 bits would come to 1, with fewer bits.

    References
    ----------
    Jacob et al., arXiv 1712.05877, section 2.2.

    Examples
    --------
    >>> multiplier, shift = fixed_point(0.375)
    >>> int(multiplier) == 0.75 * 2**31, int(shift)    # 0.375 = 0.75 · 2^−1
    (True, 32)
    """
    factor = _checks.as_real(factor)[0].astype(np.float64)
    if not ((factor > 0) & (factor < 2**30)).all():
        raise ValueError(
            f"a factor must be above 0 and below 2^30; got {factor.min():g} … {factor.max():g}"
        )
    shift = np.minimum(31 - np.frexp(factor)[1], 62)
    shift = shift - (np.rint(np.ldexp(factor, shift)) == INT32)  # rounded up to 2^31
    return np.rint(np.ldexp(factor, shift)).astype(np.int32), shift


def requantize(sums: Any, multiplier: Any, shift: Any) -> np.ndarray:
    """Round sums · multiplier · 2^−shift to integers, by integer operations alone.

    A half goes up. (gemmlowp and the paper round twice, in 32 bits; here it is once, in 64.)

    >>> requantize([-10, 3, 4, 1000], *fixed_point(0.375))    # −3.75, 1.125, 1.5, 375
    array([ -4,   1,   2, 375])
    """
    total, shift = np.asarray(sums).astype(np.int64, casting="safe"), np.asarray(shift)
    if ((total < -INT32) | (total >= INT32)).any() or ((shift < 0) | (shift > 62)).any():
        raise ValueError(
            f"sums are of 32 bits and a shift, as of `fixed_point`, is 0 … 62; got sums "
            f"{total.min(initial=0)} … {total.max(initial=0)}, shifts {shift.min()} … {shift.max()}"
        )
    return (total * multiplier + ((np.int64(1) << shift) >> 1)) >> shift


@dataclasses.dataclass(frozen=True, eq=False)
class IntegerLayer:
    """A dense layer on codes: sums = codes @ weights.T + bias in int32, and codes for the next.

    Parameters
    ----------
    weights : int8 [n_out, n_in]
    bias : int32 [n_out], with −Σ weights · zero_point of the input already in it
    unit : float64 [n_out], what a sum of 1 stands for: the input's scale times the weights'
    multiplier, shift : unit / scale of the next layer's input as fixed point [n_out]
    low, high : the next layer's codes of 0 (ReLU ends there) and of the largest number

    Examples
    --------
    >>> layer = IntegerLayer(np.int8([[1, -2]]), np.int32([3]), np.ones(1))
    >>> layer.sums([[10, 4]])
    array([[5]], dtype=int32)
    """

    weights: np.ndarray
    bias: np.ndarray
    unit: np.ndarray
    multiplier: Any = None
    shift: Any = None
    low: int = 0
    high: int = 0

    def sums(self, codes: Any) -> np.ndarray:
        """What the layer adds up for codes [n, n_in]: int32 [n, n_out], exact."""
        codes, n_in = np.asarray(codes), self.weights.shape[1]
        if codes.shape[-1:] != (n_in,) or codes.dtype.kind not in "iu":
            raise ValueError(
                f"codes must be integers [n, {n_in}], not {codes.dtype} of shape {codes.shape}"
            )
        if codes.size and not -128 <= codes.min() <= codes.max() <= 255:
            raise ValueError(f"codes are of 8 bits; got {codes.min()} … {codes.max()}")
        return codes.astype(np.int32) @ self.weights.T.astype(np.int32) + self.bias

    def __call__(self, codes: Any) -> np.ndarray:
        """The codes that enter the next layer: int32 [n, n_out]."""
        code = requantize(self.sums(codes), self.multiplier, self.shift) + self.low
        return np.clip(code, self.low, self.high).astype(np.int32)


@dataclasses.dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Layers on codes, one after another; floats only where inputs come in and scores go out."""

    layers: Mapping[str, IntegerLayer]
    entrance: Static

    def forward(self, x: Any) -> np.ndarray:
        """The scores of inputs x [n, n_in]: float32 [n, n_out]."""
        codes = self.entrance.quantize(x).values
        *hidden, last = self.layers.values()
        for layer in hidden:
            codes = layer(codes)
        return (last.sums(codes) * last.unit).astype(np.float32)

    def predict(self, x: Any) -> np.ndarray:
        """The class of each input x [n, n_in]: int64 [n]."""
        return self.forward(x).argmax(axis=-1)


def integer_network(
    network: Any, weights: Quantizer, activations: Mapping[str, Static]
) -> IntegerNetwork:
    """A `networks.Network`, computed with integers alone.

    Weights and activations are codes, a layer's sum is int32, and the factor that makes it the
    next layer's code is a fixed-point number.

    Parameters
    ----------
    weights : Quantizer of integers without zero-point; one scale, or one a row (axis=-1)
    activations : from `calibrate`, per tensor, integers with or without zero-point, all layers

    Raises
    ------
    TypeError, ValueError
        If a recipe is not of these; if a layer has no activations, or saw only zeros; if a sum
        could leave int32.

    References
    ----------
    Jacob et al., arXiv 1712.05877, sections 2.2 to 2.4.

    Examples
    --------
    >>> from quantedu.networks import digits_network
    >>> from quantedu.recipes import int_absmax, int_affine
    >>> net, x = digits_network(), np.tile(np.arange(64.0) % 17, (3, 1))
    >>> integers = integer_network(net, int_absmax(8), calibrate(net, [x], int_affine(8)))
    >>> isinstance(integers, IntegerNetwork), bool((integers.predict(x) == net.predict(x)).all())
    (True, True)
    """
    if not isinstance(weights, Quantizer):
        raise TypeError(f"weights must be a Quantizer, such as int_absmax(8), not {weights!r}")
    of = activations.values() if isinstance(activations, Mapping) else [activations]
    if wrong := [one for one in of if not isinstance(one, Static)]:
        raise TypeError(f"activations must be name → Static, from calibrate, not {wrong[0]!r}")
    if missing := [name for name in network.layers if name not in activations]:
        raise ValueError(f"no activations for {missing}; calibrate all layers")
    for name, static in activations.items():
        if not static.recipe.codebook.is_integer or np.size(static.scale) != 1:
            raise ValueError(
                f"what enters {name!r} must be integers under one scale, not {static.recipe!r}"
            )
        if not np.all(static.scale):
            raise ValueError(f"what entered {name!r} was always 0; calibrate with other inputs")
    if weights.axis not in (None, -1, 1) or weights.block_size or weights.center:
        raise ValueError(f"weights need one scale, or one a row (axis=-1), not {weights!r}")
    layers, names = {}, list(network.layers)
    for name, following in zip(names, [*names[1:], None], strict=True):
        w, b, x = network.layers[name], network.biases[name], activations[name]
        scale, zero_point = weights.fit(w)
        if not weights.codebook.is_integer or np.ndim(zero_point):
            raise ValueError(
                f"weights must be integers without zero-point, as of int_absmax, not {weights!r}; "
                "a zero-point would need the sum of each input's codes beside every product"
            )
        # a row of next to nothing must not ask for a bias beyond int32
        least = (np.abs(b) / (_only(x.scale) * INT32 / 4)).reshape(-1, 1)
        scale = np.maximum(scale, least.max(axis=0) if len(scale) == 1 else least)
        q = weights.quantize(w, np.where(scale == 0, 1, scale))
        unit = np.broadcast_to(_only(x.scale) * q.scale.reshape(-1).astype(np.float64), len(w))
        integers = q.values.astype(np.int64)
        bias = np.rint(b / unit) - _only(x.zero_point) * integers.sum(axis=1)
        book = x.recipe.codebook
        reach = np.abs(bias) + np.abs(integers).sum(axis=1) * max(abs(book.min), book.max)
        if reach.max() >= INT32:
            raise ValueError(f"the sums of {name!r} could reach {reach.max():.3g}, beyond int32")
        then: tuple = ()
        if following is not None:
            y = activations[following]
            then = (
                *fixed_point(unit / _only(y.scale)),
                int(_only(y.zero_point)),
                int(y.recipe.codebook.max),
            )
        layers[name] = IntegerLayer(q.values, bias.astype(np.int32), unit, *then)
    return IntegerNetwork(layers, activations[names[0]])


def _only(values: Any) -> float:
    return float(np.reshape(values, -1)[0])


# Loud channels: SmoothQuant, and the split of LLM.int8()

LEAST = 1e-5  # no s is smaller, and no maximum of weights counts as less: as in SmoothQuant's code


def smoothing(
    model: Any, inputs: Any, alpha: float | Mapping[str, float] = 0.5
) -> dict[str, np.ndarray]:
    """SmoothQuant's divisor of each input channel, s_j = max|X_j|^α / max|W_j|^(1 − α).

    Parameters
    ----------
    model : of the protocol
    inputs : what the model is calibrated on, as `forward` takes it; or what `record` gave for it
    alpha : 0 … 1, how much of the difficulty moves from activations to weights, for all layers
        that can be rescaled; or name → α, for these layers and those that read the same input

    Returns
    -------
    dict, name → float64 [n_in], at least 1e-5, as `rescale_inputs` takes it. One name stands for
        all layers that read the same input, and max|W_j| is over all their matrices. A channel
        that was silent has s = 1, one that no weight reads counts as max|W_j| = 1e-5.

    Raises
    ------
    ValueError
        If an α is not in 0 … 1, or a layer is unknown, cannot be rescaled, or was not recorded; if
        layers that read the same input are given different α.

    References
    ----------
    Xiao et al., SmoothQuant, arXiv 2211.10438, equation 4; its code for the bound 1e-5.

    Examples
    --------
    >>> from quantedu.networks import Network
    >>> net = Network({"one": [[1, 0], [0, 1]], "two": [[4, 1]]}, {"one": [0, 0], "two": [0]})
    >>> smoothing(net, [[1, 0], [0, 16]])["two"].tolist()    # √(1/4), √(16/1)
    [0.5, 4.0]
    """
    groups = {name: group for group in model.rescalable for name in group}
    chosen: dict[tuple[str, ...], float] = {}
    given = alpha if isinstance(alpha, Mapping) else dict.fromkeys(groups, alpha)
    for name, a in given.items():
        if name not in groups:
            raise ValueError(f"cannot smooth what enters {name!r}; one can for {list(groups)}")
        if not 0 <= a <= 1:
            raise ValueError(f"alpha={a} for {name!r} must be a number from 0 to 1")
        if chosen.setdefault(groups[name], a) != a:
            raise ValueError(f"{groups[name]} read the same input; give them the same alpha")
    heads = [group[0] for group in chosen]
    recorded = inputs if isinstance(inputs, Mapping) else model.record(inputs, heads)
    if missing := sorted(name for name in heads if not np.size(recorded.get(name, ()))):
        raise ValueError(f"nothing was recorded of {missing}; got {list(recorded)}")
    scales = {}
    for group, a in chosen.items():
        x = np.abs(recorded[group[0]]).max(axis=0).astype(np.float64)
        w = np.max([np.abs(model.layers[name]).max(axis=0) for name in group], axis=0)
        s = x**a / np.maximum(w, LEAST, dtype=np.float64) ** (1 - a)
        scales[group[0]] = np.where(x > 0, np.maximum(s, LEAST), 1.0)
    return scales


def smooth(model: Any, inputs: Any, alpha: float | Mapping[str, float] = 0.5) -> Any:
    """The same function with smoother activations: X/s enters, and sW is there to meet it.

    Parameters and errors as for `smoothing`. Nothing is quantized, and nothing is added to the
    model: s is folded into the weights, and into what comes before.

    >>> from quantedu.networks import digits_network
    >>> net, x = digits_network(), np.eye(64)
    >>> bool(np.allclose(smooth(net, x).forward(x), net.forward(x), atol=1e-5))
    True
    """
    return model.rescale_inputs(smoothing(model, inputs, alpha))


def best_alpha(
    model: Any,
    inputs: Any,
    weights: Callable[[Any], Any],
    activations: Callable[[Any], Any],
    alphas: Iterable[float] = tuple(np.arange(11) / 10),
) -> dict[str, float]:
    """The α of each layer with which its quantized product comes closest to X @ W.T.

    Parameters
    ----------
    model, inputs : as for `smoothing`
    weights, activations : recipes; a scale is found on these same inputs
    alphas : which to try; of equal errors the first

    Returns
    -------
    dict, name → α, as `smooth` takes it; layers that read the same input are judged together

    Examples
    --------
    >>> from quantedu.networks import digits_network
    >>> net, x = digits_network(), np.eye(64)
    >>> list(best_alpha(net, x, int_absmax(8, axis=-1), int_absmax(8)))
    ['hidden2', 'output']
    """
    recorded = inputs if isinstance(inputs, Mapping) else model.record(inputs)
    best, alphas = dict[str, float](), [*alphas]
    if not alphas:
        raise ValueError("alphas is empty; give at least one number from 0 to 1")
    for group in model.rescalable:
        x, errors = recorded[group[0]], {}
        for a in alphas:
            s = smoothing(model, recorded, {group[0]: a})[group[0]].astype(np.float32)
            x_hat, errors[a] = activations(x / s), 0.0
            for w in (model.layers[name] for name in group):
                error = x_hat @ weights(w * s).T - x @ w.T
                errors[a] += float(np.square(error, dtype=np.float64).sum())
        best[group[0]] = min(errors, key=errors.__getitem__)
    return best


_BY_TOKEN = int_absmax(8, axis=-1)


@dataclasses.dataclass(frozen=True)
class SplitOutliers:
    """A recipe for activations that leaves loud columns alone and quantizes the rest.

    Parameters
    ----------
    threshold : a column with any |x| at least so large is loud; above 0
    recipe : for the other columns, which are judged without the loud ones

    Notes
    -----
    LLM.int8() multiplies the loud columns with their weights in FP16 and adds the product to that
    of the INT8 part. Here only the rounding is simulated: loud columns stay float32. In the paper
    their weights are FP16 too; bitsandbytes keeps INT8 weights and decodes those of the loud
    columns, which is what `with_weights(int_absmax(8, axis=-1))` and this recipe give together.
    Which columns are loud depends on all rows of x, that is on the batch. The threshold is the
    paper's, and the default of transformers; bitsandbytes' own layer has 0.0, meaning no split.

    References
    ----------
    Dettmers et al., LLM.int8(), arXiv 2208.07339, section 3.2.

    Examples
    --------
    >>> SplitOutliers(recipe=int_absmax(2))(np.float32([[1, 0.4, 80], [-0.9, 0.1, -70]]))
    array([[  1.,   0.,  80.],
           [ -1.,   0., -70.]], dtype=float32)
    """

    threshold: float = 6.0
    recipe: Any = _BY_TOKEN

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise ValueError(
                f"threshold={self.threshold} must be above 0; to split nothing use the recipe alone"
            )

    def loud(self, x: Any) -> np.ndarray:
        """Which columns of x [..., n_in] stay as they are: bool [n_in]."""
        x = _checks.as_real(x)[0]
        return (np.abs(x) >= self.threshold).any(axis=tuple(range(x.ndim - 1)))

    def __call__(self, x: Any) -> np.ndarray:
        """The x̂ of x [..., n_in]; float32 where x is of integers."""
        x = _checks.as_real(x)[0]
        x_hat = np.array(x, dtype=np.float32 if x.dtype.kind in "biu" else x.dtype)
        rest = ~self.loud(x)
        if rest.any():
            x_hat[..., rest] = self.recipe(x_hat[..., rest])
        return x_hat
