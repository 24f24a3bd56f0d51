"""What a format's numbers are and how to round to them, in exact rational arithmetic.

Slow and plain: it takes a format's parameters as they are written down, searches among the codes
for the two numbers on either side of x, and picks one as IEEE 754-2019 sections 4.3 and 7.4 say.
It shares no arithmetic with `quantedu.formats`.
"""

import functools
import math
from fractions import Fraction

NAN = "NaN"
INFINITY = "infinity"


def fields(fmt, magnitude):
    """E and M of a code without its sign."""
    text = f"{magnitude:0{fmt.exponent_bits + fmt.mantissa_bits}b}"
    return int(text[: fmt.exponent_bits], 2), int("0" + text[fmt.exponent_bits :], 2)


@functools.lru_cache(maxsize=2**12)
def value(fmt, magnitude):
    """What a code without its sign means: a Fraction, INFINITY or NAN (of "fnuz", see decode)."""
    exponent, mantissa = fields(fmt, magnitude)
    top_exponent = exponent == 2**fmt.exponent_bits - 1
    if fmt.specials == "ieee" and top_exponent:
        return NAN if mantissa else INFINITY
    if fmt.specials == "fn" and top_exponent and mantissa == 2**fmt.mantissa_bits - 1:
        return NAN
    if exponent == 0 and fmt.subnormals:
        return power_of_two(1 - fmt.bias) * Fraction(mantissa, 2**fmt.mantissa_bits)
    return power_of_two(exponent - fmt.bias) * (1 + Fraction(mantissa, 2**fmt.mantissa_bits))


def decode(fmt, code):
    """The sign (+1 or −1) and the magnitude of a code; the magnitude may be INFINITY or NAN."""
    if not fmt.signed:
        return 1, value(fmt, code)
    text = f"{code:0{1 + fmt.exponent_bits + fmt.mantissa_bits}b}"
    sign, magnitude = (-1 if text[0] == "1" else 1), int(text[1:], 2)
    if fmt.specials == "fnuz" and sign < 0 and magnitude == 0:
        return 1, NAN
    return sign, value(fmt, magnitude)


def power_of_two(exponent):
    return Fraction(2) ** exponent


@functools.cache
def largest(fmt):
    """The code of the largest finite number."""
    code = 2 ** (fmt.exponent_bits + fmt.mantissa_bits) - 1
    if fmt.specials == "ieee":
        code -= 2**fmt.mantissa_bits  # the infinities and NaNs at the top
    if fmt.specials == "fn":
        code -= 1
    assert isinstance(value(fmt, code), Fraction)
    return code


def is_even(fmt, magnitude):
    """Whether the significand, read as an integer, hidden one and all, is even."""
    exponent, mantissa = fields(fmt, magnitude)
    hidden = exponent > 0 or not fmt.subnormals
    return (2**fmt.mantissa_bits * hidden + mantissa) % 2 == 0


class Bracket:
    """The two numbers of a format (were there no largest exponent) on either side of |x|.

    `lower` and `upper` are codes without sign; `upper` is "beyond" one unit past the largest,
    `lower` is None below the smallest number of a format without zero. Equal where x is exact.
    """

    def __init__(self, fmt, x):
        top = largest(fmt)
        if x >= value(fmt, top):
            self.lower = top
            unit = power_of_two(fields(fmt, top)[0] - fmt.bias - fmt.mantissa_bits)
            self.far = x >= value(fmt, top) + unit
            self.upper = top if x == value(fmt, top) else "beyond"
            gap = unit
        elif x < value(fmt, 0):
            self.lower, self.upper, self.far, self.rest = None, 0, False, None
            return
        else:
            low, high = 0, top  # value(low) <= x < value(high)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if value(fmt, middle) <= x else (low, middle)
            self.lower, self.far = low, False
            self.upper = low if value(fmt, low) == x else high
            gap = value(fmt, high) - value(fmt, low)
        self.rest = (x - value(fmt, self.lower)) / gap  # how far x is from lower to upper


@functools.lru_cache(maxsize=2**12)
def bracket(fmt, x):
    """The `Bracket` of a float x >= 0, remembered: every rounding asks for it."""
    return Bracket(fmt, Fraction(x))


def pick(fmt, around, rounding, negative):
    """The codes, without sign, that x may round to: one, or two if stochastic; maybe "beyond"."""
    lower, upper = around.lower, around.upper
    if around.far and rounding in ("nearest_even", "nearest_away", "stochastic"):
        return {"beyond"}
    if lower == upper:
        return {lower}
    outward = {"up": not negative, "down": negative, "toward_zero": False}
    if rounding in outward:
        return {upper if outward[rounding] else lower}
    if lower is None:
        return {upper}
    if rounding == "stochastic":
        return {lower, upper}
    if around.rest != Fraction(1, 2):
        return {upper if around.rest > Fraction(1, 2) else lower}
    if rounding == "nearest_away":
        return {upper}
    return {lower if is_even(fmt, lower) else upper}  # both odd (one digit only): the larger


def encode(fmt, x, rounding, overflow):
    """The set of codes that the float x may become; a NaN is NAN, whatever its bits.

    None in the set: the format refuses x.
    """
    has_nan, has_infinity = fmt.specials != "finite", fmt.specials == "ieee"
    saturate = overflow == "saturate" or not has_nan
    negative = math.copysign(1, x) < 0
    if math.isnan(x) or (x < 0 and not fmt.signed):
        return {NAN if has_nan else None}
    if math.isinf(x):
        found = {"beyond"}
    else:
        found = pick(fmt, bracket(fmt, abs(x)), rounding, negative)
    zero_without_code = x == 0 and not fmt.subnormals
    return {_with_sign(fmt, c, negative, saturate, has_infinity, zero_without_code) for c in found}


def _with_sign(fmt, magnitude, negative, saturate, has_infinity, zero_without_code):
    if magnitude == "beyond" and not saturate:
        if not has_infinity:
            return NAN
        magnitude = largest(fmt) + 1
    elif magnitude == "beyond":
        magnitude = largest(fmt)
    elif magnitude is None or zero_without_code:  # nothing below the smallest, not even zero
        if not saturate:
            return NAN
        magnitude = 0
    if not (fmt.signed and negative) or (fmt.specials == "fnuz" and magnitude == 0):
        return magnitude
    return magnitude + 2 ** (fmt.exponent_bits + fmt.mantissa_bits)
