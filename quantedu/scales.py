"""Scale rules: how the scale of a group is found.

A rule takes the groups of an array and a codebook and gives the scale that divides each group
before its values are encoded, and the zero-point that is added after:

    rule(groups, codebook) -> scale, zero_point         x̂ = scale · (level − zero_point)

    groups      float array [n_groups, group_size], converted to float32
    codebook    a Codebook; all rules but `mse_best` take a bare array of levels too
    scale       float32 array [n_groups, 1]; 0 where a group is all zeros
    zero_point  0.0, or, from `min_max`, a float32 array [n_groups, 1] of integers

NaN and infinity are refused with a ValueError that counts them and names the first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from quantedu import _checks

Rule = Callable[[Any, Any], tuple[np.ndarray, Any]]
_PIECE = 2**18  # values worked on at a time, as in `quantedu.layout`


def absmax(groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
    """Scale that puts the largest magnitude on the highest level, max|x| / max(levels).

    For INT8 this is max|x|/127, as in bitsandbytes, SmoothQuant and quanto; for NF4 max|x|.

    References
    ----------
    Dettmers et al., 8-bit Optimizers via Block-wise Quantization, arXiv 2110.02861, section 2.1.

    Examples
    --------
    >>> absmax(np.array([[-2.0, 1.0]]), np.arange(-127, 128))[0]
    array([[0.01574803]], dtype=float32)
    """
    return _divide(_largest_magnitude(groups), _ends(codebook)[1]), 0.0


def absmax_half_range(groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
    """Scale by half the range of the levels, 2·max|x| / (max − min): INT8's 127.5, INT4's 7.5.

    As in torch's observers, torchao's SYMMETRIC, compressed-tensors and GPTQ. The largest positive
    value lands half a step above 127 and comes back clipped by half a step.

    >>> float(absmax_half_range(np.array([[-255.0]]), np.arange(-128, 128))[0][0, 0])
    2.0
    """
    lowest, highest = _ends(codebook)
    return _divide(_largest_magnitude(groups), (highest - lowest) / 2), 0.0


def absmax_full_range(groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
    """Scale that puts the largest magnitude on the lowest level, max|x| / |min|: INT8's 128.

    Every code is used; a positive x at max|x| comes back clipped by a whole step.

    >>> float(absmax_full_range(np.array([[-256.0]]), np.arange(-128, 128))[0][0, 0])
    2.0
    """
    return _divide(_largest_magnitude(groups), abs(_ends(codebook)[0])), 0.0


def absmax_no_clipping(groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
    """The smallest scale that clips nothing, max(−min(x)/128, max(x)/127) for INT8.

    As torchao's SYMMETRIC_NO_CLIPPING_ERR. Only one sign of the levels: that sign's end counts.

    >>> float(absmax_no_clipping(np.array([[-256.0, 127.0]]), np.arange(-128, 128))[0][0, 0])
    2.0
    """
    groups = _as_groups(groups)
    lowest, highest = _ends(codebook)
    low, high = _range(groups)
    scale = np.zeros_like(low)
    if lowest < 0:
        scale = low / lowest
    if highest > 0:
        scale = np.maximum(scale, high / highest)
    return _as_scale(scale), 0.0


def min_max(groups: Any, codebook: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero-point that spread the integers over the range of x, widened to hold 0.

    scale = (max − min) / (highest − lowest) and zero_point = lowest − rint(min/scale): an integer
    of the codebook, so that 0 is exact. Without the widening a group of one sign would need a
    zero-point that no code holds.

    Raises
    ------
    ValueError
        If the levels are not consecutive integers.

    References
    ----------
    Jacob et al., arXiv 1712.05877, section 2.1 and equation 13.

    Examples
    --------
    >>> scale, zero_point = min_max(np.array([[-1.0, 2.0]]), np.arange(16))
    >>> float(scale[0, 0]), float(zero_point[0, 0])
    (0.20000000298023224, 5.0)
    """
    lowest, highest = _ends(codebook)
    if not getattr(codebook, "is_integer", True) or highest == lowest:
        raise ValueError(
            f"min_max gives a zero-point, which needs consecutive integers as levels, not "
            f"{codebook!r}; absmax serves any levels"
        )
    low, high = _range(_as_groups(groups))
    with np.errstate(over="ignore"):
        span = (high - low).astype(np.float32)  # rounded before it is divided, as in PyTorch
    scale = _divide(np.where(np.isinf(span), high - low, span), highest - lowest)
    # in float32, so that the same rounding happens here and in the quantizer
    zero_point = lowest - np.rint(low.astype(np.float32) / np.where(scale == 0, 1, scale))
    return scale, np.clip(zero_point, lowest, highest).astype(np.float32)


@dataclass(frozen=True)
class percentile:  # a rule with a parameter; written small, as the functions are
    """The rule that puts the q-th percentile of |x| on the highest level; what is larger, clips.

    Where that percentile is 0, as among sparse activations, it is absmax: else all would be 0.

    Parameters
    ----------
    q : 0 to 100, with linear interpolation; 100 is absmax

    Returns
    -------
    rule(groups, codebook); rules of the same q are equal

    Examples
    --------
    >>> float(percentile(50)(np.array([[1.0, -2.0, 300.0]]), np.array([-1.0, 1.0]))[0][0, 0])
    2.0
    """

    q: float = 99.9

    def __post_init__(self) -> None:
        if not 0 <= self.q <= 100:
            raise ValueError(f"q={self.q} is no percentile; choose 0 to 100")
        object.__setattr__(self, "__name__", f"percentile({self.q:g})")

    def __call__(self, groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
        """Scale that puts the q-th percentile of |x| on the highest level, and no zero-point."""
        groups = _as_groups(groups)
        largest = _largest_magnitude(groups)  # refuses NaN and infinity
        if not groups.size:
            return largest, 0.0
        reached = np.percentile(np.abs(groups), self.q, axis=1, keepdims=True)
        top = _ends(codebook)[1]
        scale = _divide(reached, top)
        return np.where(scale == 0, _divide(largest, top), scale), 0.0


def mse_best(groups: Any, codebook: Any, n_steps: int = 100) -> tuple[np.ndarray, float]:
    """The scale with the least squared error among k/n_steps times absmax's, k = 1 … n_steps.

    Clipping the few largest values makes the steps of all others finer; this rule finds how far
    that pays. Of equal errors the larger scale is taken.

    Parameters
    ----------
    groups, codebook : as for every rule; here a Codebook
    n_steps : number of scales tried; each costs an encode and a decode

    Examples
    --------
    >>> from quantedu.codebooks import integers
    >>> x = np.array([[-1.0, -0.9, 0.8, 1.0, 4.0]])
    >>> round(float(mse_best(x, integers(3))[0][0, 0] / absmax(x, integers(3))[0][0, 0]), 2)
    0.91
    """
    if not hasattr(codebook, "encoder"):
        raise TypeError(f"mse_best encodes with a Codebook; it got {type(codebook).__name__}")
    if n_steps < 1:
        raise ValueError(f"n_steps={n_steps}: at least one scale has to be tried")
    groups = _as_groups(groups)
    whole = absmax(groups, codebook)[0].astype(np.float64)
    if not groups.size:
        return _as_scale(whole), 0.0
    best, least = _as_scale(whole), np.full(whole.shape, np.inf)
    encode, decode = codebook.encoder(groups.size), codebook.decoder(groups.size)
    for k in range(n_steps, 0, -1):
        scale = _as_scale(whole * (k / n_steps))
        error = _squared_error(groups, np.where(scale == 0, 1, scale), encode, decode)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return best, 0.0


def _squared_error(
    groups: np.ndarray, scale: np.ndarray, encode: Callable[..., None], decode: Callable[..., None]
) -> np.ndarray:
    """Sum of (x − x̂)² in each group [n_groups, 1], in float64, a cache-full at a time."""
    total = np.zeros(scale.shape)
    rows, columns = max(1, _PIECE // groups.shape[1]), min(_PIECE, groups.shape[1])
    for i in range(0, len(groups), rows):
        for j in range(0, groups.shape[1], columns):
            x, s = groups[i : i + rows, j : j + columns], scale[i : i + rows]
            with np.errstate(over="ignore"):  # an end level serves infinity too
                scaled = np.divide(x, s)
            codes, levels = np.empty(x.size, np.uint8), np.empty(x.size, np.float32)
            encode(scaled.reshape(-1), codes)
            decode(codes, levels)
            error = levels.reshape(x.shape).astype(np.float64) * s - x
            total[i : i + rows] += np.square(error, out=error).sum(axis=1, keepdims=True)
    return total


def mean_abs(groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
    """Scale that is the mean magnitude, mean|x|: the best one for the levels −1 and 1.

    References
    ----------
    Rastegari et al., XNOR-Net, arXiv 1603.05279, section 3.1.

    Examples
    --------
    >>> float(mean_abs(np.array([[1.0, -3.0]]), np.array([-1.0, 1.0]))[0][0, 0])
    2.0
    """
    groups = _as_groups(groups)
    total = np.zeros((len(groups), 1))
    for i in range(0, groups.shape[1], _PIECE):
        total += np.abs(groups[:, i : i + _PIECE]).sum(axis=1, dtype=np.float64, keepdims=True)
    if not np.isfinite(total).all():
        _checks.require_finite(groups)
    return _as_scale(total / max(groups.shape[1], 1)), 0.0


@dataclass(frozen=True)
class mean_abs_above:
    """The rule that gives the mean magnitude of what exceeds share·mean|x|; what is less is 0.

    The best scale for the levels −1, 0 and 1 where that is the threshold.

    Parameters
    ----------
    share : 0 to below 1; 0 leaves only the zeros out

    Returns
    -------
    rule(groups, codebook); rules of the same share are equal

    References
    ----------
    Li, Zhang, Liu, Ternary Weight Networks, arXiv 1605.04711, equations 5 and 6.

    Examples
    --------
    >>> float(mean_abs_above()(np.array([[4.0, -2.0, 0.5, 0.0]]), None)[0][0, 0])
    3.0
    """

    share: float = 0.7

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(
                f"share={self.share} must be at least 0 and below 1, so that something exceeds"
            )
        object.__setattr__(self, "__name__", f"mean_abs_above({self.share:g})")

    def __call__(self, groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
        """Mean magnitude of what exceeds the threshold, and no zero-point."""
        groups, mean = _as_groups(groups), mean_abs(groups, codebook)[0]
        total, count = np.zeros((2, len(groups), 1))
        for i in range(0, groups.shape[1], _PIECE):
            magnitude = np.abs(groups[:, i : i + _PIECE])
            # divided in float32, as the quantizer does before it compares
            above = magnitude / np.where(mean == 0, 1, mean) > np.float64(self.share)
            total += np.sum(magnitude, axis=1, dtype=np.float64, keepdims=True, where=above)
            count += above.sum(axis=1, keepdims=True)
        return _as_scale(total / np.maximum(count, 1)), 0.0


# Powers of two, as E8M0 stores them: 2^(floor(log2 max|x|) − floor(log2 max(levels))), or twice
# that where the significand of max|x|, in [1, 2), is above what the rule says.


def power_of_two(groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
    """Scale 2^(floor(log2 max|x|) − floor(log2 max(levels))): FLOOR, the rule of OCP MX.

    The floor may leave max|x| above the highest level, where it clips.

    References
    ----------
    OCP Microscaling (MX) v1.0, section 6.3.

    Examples
    --------
    >>> x, fp4 = np.array([[6.5]]), np.array([-6.0, -4.0, 4.0, 6.0])
    >>> [rule(x, fp4)[0].item() for rule in POWER_OF_TWO_RULES.values()]
    [1.0, 2.0, 1.0, 2.0]
    """
    return _power_of_two(groups, codebook, 2.0)


def power_of_two_ceil(groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
    """Scale 2^(ceil(log2 max|x|) − floor(log2 max(levels))): CEIL, which never clips.

    >>> power_of_two_ceil(np.array([[4.5]]), np.array([-6.0, 6.0]))[0].item()
    2.0
    """
    return _power_of_two(groups, codebook, 1.0)


def power_of_two_even(groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
    """As `power_of_two` of max|x| rounded to the levels' mantissa: EVEN.

    The mantissa is read off the two highest levels. A max|x| that would round up to the next power
    of two gets the larger scale.

    References
    ----------
    `ScaleCalculationMode.EVEN` in torchao.

    Examples
    --------
    >>> power_of_two_even(np.array([[6.99], [7.0]]), np.array([-6.0, 4.0, 6.0]))[0].tolist()
    [[1.0], [2.0]]
    """
    levels = np.asarray(getattr(codebook, "levels", codebook))
    highest, *below = np.unique(levels[np.isfinite(levels)])[::-1]
    step = (highest - below[0]) / 2.0 ** (np.frexp(highest)[1] - 1) if below else 0
    # from half a step below 2 on
    return _power_of_two(groups, codebook, np.nextafter(np.float32(2 - step / 2), np.float32(0)))


def power_of_two_rceil(groups: Any, codebook: Any) -> tuple[np.ndarray, float]:
    """Scale 2^ceil(log2(max|x| / max(levels))): RCEIL, the smallest that clips nothing.

    >>> power_of_two_rceil(np.array([[6.0], [6.01]]), np.array([-6.0, 6.0]))[0].tolist()
    [[1.0], [2.0]]
    """
    return _power_of_two(groups, codebook, 2 * np.frexp(_ends(codebook)[1])[0])


POWER_OF_TWO_RULES = {
    "floor": power_of_two,
    "ceil": power_of_two_ceil,
    "even": power_of_two_even,
    "rceil": power_of_two_rceil,
}


def _power_of_two(groups: Any, codebook: Any, doubled_above: Any) -> tuple[np.ndarray, float]:
    largest = _largest_magnitude(groups)
    fraction, exponent = np.frexp(largest)  # the fraction is half of the significand
    exponent = exponent - np.frexp(_positive(_ends(codebook)[1]))[1]
    exponent = np.minimum(exponent + (2 * fraction > doubled_above), 127)
    return np.where(largest == 0, 0, np.ldexp(np.float32(1), exponent)).astype(np.float32), 0.0


def nvfp4_tensor_scale(x: Any) -> np.ndarray:
    """NVFP4's scale of scales, max|x| / (448·6) of the whole array: a `tensor_scale`, no rule.

    From the blocks' scales, max|x| / 6, it cannot be found: that would round twice.

    >>> nvfp4_tensor_scale([2688.0, -1.0]).item()
    1.0
    """
    return absmax(np.reshape(x, (1, -1)), [448 * 6])[0]


# What the rules share


def _as_groups(groups: Any) -> np.ndarray:
    groups = _checks.as_real(groups)[0]
    if groups.ndim != 2:
        raise ValueError(
            f"groups must have shape [n_groups, group_size], not {groups.shape}; "
            "x.reshape(1, -1) is one group"
        )
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(groups, dtype=np.float32)


def _ends(codebook: Any) -> tuple[float, float]:
    """The lowest and the highest level."""
    if hasattr(codebook, "levels"):
        return codebook.min, codebook.max
    levels = _checks.as_real(codebook)[0]
    levels = levels[np.isfinite(levels)]
    if not levels.size:
        raise ValueError(f"levels need a finite number among them; got {codebook!r}")
    return float(levels.min()), float(levels.max())


def _largest_magnitude(groups: Any) -> np.ndarray:
    """max|x| of each group [n_groups, 1].

    Magnitudes are ordered as their bits are, read as integers. NaN and infinity come out on top.
    """
    groups = _as_groups(groups)
    largest = np.zeros((len(groups), 1), dtype=np.int32)
    for i in range(0, groups.shape[1] if len(groups) else 0, _PIECE):
        magnitude = groups[:, i : i + _PIECE].view(np.int32) & 0x7FFFFFFF
        starts = np.arange(0, magnitude.size, magnitude.shape[1])
        reached = np.maximum.reduceat(magnitude.reshape(-1), starts)[:, None]
        largest = np.maximum(largest, reached)
    found = largest.view(np.float32)
    if not np.isfinite(found).all():
        _checks.require_finite(groups)
    return found


def _range(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """min(x, 0) and max(x, 0) of each group, float64 [n_groups, 1]."""
    if not groups.size:
        return np.zeros((len(groups), 1)), np.zeros((len(groups), 1))
    starts = np.arange(0, groups.size, groups.shape[1])
    low = np.minimum.reduceat(groups.reshape(-1), starts)[:, None].astype(np.float64)
    high = np.maximum.reduceat(groups.reshape(-1), starts)[:, None].astype(np.float64)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        _checks.require_finite(groups)
    return np.minimum(low, 0), np.maximum(high, 0)


def _positive(divisor: float) -> float:
    if not divisor > 0:
        raise ValueError(
            f"the levels end at {divisor:g}, which no scale can put a magnitude on; "
            "choose a codebook with levels on that side of 0"
        )
    return divisor


def _divide(magnitude: np.ndarray, divisor: float) -> np.ndarray:
    return _as_scale(magnitude.astype(np.float64) / _positive(divisor))


def _as_scale(scale: np.ndarray) -> np.ndarray:
    """Round to float32, at most the largest: tiny levels would ask for more."""
    return np.minimum(scale + 0.0, np.finfo(np.float32).max).astype(np.float32)  # no −0
