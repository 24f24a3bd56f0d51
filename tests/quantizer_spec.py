"""The rules of the quantizers as slow, obvious loops, one value at a time.

They use nothing of `quantedu.quantizers`, `scales` and `layout`, and of a codebook only its levels
and thresholds. All arithmetic that the libraries do in float32 is done in float32 here.
"""

import itertools
import math
from fractions import Fraction

import numpy as np

f32 = np.float32


def blocks(values, block_size):
    """The values, cut in lists of block_size; the last list is what is left."""
    return [values[i : i + block_size] for i in range(0, len(values), block_size)]


def largest_magnitude(block):
    largest = f32(0)
    for x in block:
        largest = max(largest, abs(f32(x)))
    return largest


def code_by_thresholds(x, codes_by_rank, thresholds):
    """Go up as long as x exceeds the threshold: ties go to the lower level."""
    rank = 0
    while rank < len(thresholds) and x > thresholds[rank]:
        rank += 1
    return int(codes_by_rank[rank])


def code_of_nearest(x, levels):
    """Code of the nearest level; of two equally near ones the even code."""
    finite = [code for code in range(len(levels)) if np.isfinite(levels[code])]
    distance = {code: abs(float(x) - float(levels[code])) for code in finite}
    nearest = [code for code in finite if distance[code] == min(distance.values())]
    return min(nearest, key=lambda code: code % 2)


def bitsandbytes_4bit(x, levels, block_size=64):
    """The rule of bitsandbytes 0.50 on a CPU: codes, absmax and x̂, value by value.

    Full blocks are multiplied by 1/absmax, the last, partial block is divided; thresholds are the
    midpoints as float32 arithmetic gives them. (A block whose absmax is below 1e-38 is divided by
    1e-38 there; not so here.)
    """
    order = sorted(range(len(levels)), key=lambda code: levels[code])
    midpoints = [
        (f32(levels[low]) + f32(levels[high])) / f32(2) for low, high in itertools.pairwise(order)
    ]
    codes, absmax, x_hat = [], [], []
    for block in blocks([f32(value) for value in x], block_size):
        largest = largest_magnitude(block)
        absmax.append(largest)
        for value in block:
            if largest == 0:
                scaled = f32(0)
            elif len(block) == block_size:
                scaled = value * (f32(1) / largest)
            else:
                scaled = value / largest
            codes.append(code_by_thresholds(scaled, order, midpoints))
            x_hat.append(f32(levels[codes[-1]]) * largest)
    return codes, absmax, x_hat


def nibbles(codes, pad, high_first=True):
    """Two codes a byte, the first in the high nibble or in the low one."""
    codes = [*codes, pad] if len(codes) % 2 else codes
    pairs = zip(codes[::2], codes[1::2])
    return [first << 4 | second if high_first else second << 4 | first for first, second in pairs]


def bit_stream(codes, bits, high_first=True):
    """The codes written bit after bit, and cut in bytes; zeros fill the last."""
    stream = []
    for code in codes:
        each = [code >> i & 1 for i in range(bits)]
        stream += each[::-1] if high_first else each
    stream += [0] * (-len(stream) % 8)
    return [
        sum(bit << (7 - i if high_first else i) for i, bit in enumerate(byte))
        for byte in blocks(stream, 8)
    ]


def double_quantized(absmax, levels):
    """QLoRA's scales of scales: the mean off, dynamic 8-bit in blocks of 256, and back."""
    center = f32(sum(float(largest) for largest in absmax) / len(absmax))
    centred = [largest - center for largest in absmax]
    codes, scales, recovered = bitsandbytes_4bit(centred, levels, block_size=256)
    return center, codes, scales, [value + center for value in recovered]


def symmetric_integers(x, bits, block_size):
    """scale = absmax / (2^(bits − 1) − 1), rint(x / scale), ties to even."""
    q, x_hat = [], []
    for block in blocks([f32(value) for value in x], block_size):
        scale = f32(float(largest_magnitude(block)) / (2 ** (bits - 1) - 1))
        for value in block:
            step = round(float(value / scale)) if scale else 0
            q.append(max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, step)))
            x_hat.append(f32(q[-1]) * scale)
    return q, x_hat


def affine_integers(x, bits, block_size):
    """Range widened to hold 0; rint(x / scale) + zero_point, clamped to 0 … 2^bits − 1."""
    q, zero_points, x_hat = [], [], []
    for block in blocks([f32(value) for value in x], block_size):
        low, high = min(0.0, *map(float, block)), max(0.0, *map(float, block))
        scale = f32(float(f32(high - low)) / (2**bits - 1))  # rounded twice, as in PyTorch
        zero_point = round(-low / float(scale)) if scale else 0
        zero_points.append(max(0, min(2**bits - 1, zero_point)))
        for value in block:
            step = (round(float(value / scale)) if scale else 0) + zero_points[-1]
            q.append(max(0, min(2**bits - 1, step)))
            x_hat.append(f32(q[-1] - zero_points[-1]) * scale)
    return q, zero_points, x_hat


def mean_magnitude(block):
    return f32(sum(abs(float(x)) for x in block) / len(block))


def binary(x, block_size):
    """XNOR-Net: the sign, +1 at 0, times the mean magnitude."""
    x_hat = []
    for block in blocks([f32(value) for value in x], block_size):
        scale = mean_magnitude(block)
        x_hat += [scale if value >= 0 else -scale for value in block]
    return x_hat


def ternary_twn(x, block_size):
    """Ternary Weight Networks: 0 up to 0.7 times the mean magnitude, the rest ± its own mean."""
    signs, x_hat = [], []
    for block in blocks([f32(value) for value in x], block_size):
        mean = mean_magnitude(block)
        kept = [mean > 0 and float(abs(value) / mean) > 0.7 for value in block]
        large = [value for value, keep in zip(block, kept) if keep]
        scale = mean_magnitude(large) if large else f32(0)
        sign = [(1 if value > 0 else -1) * keep for value, keep in zip(block, kept)]
        signs += sign
        x_hat += [f32(s) * scale for s in sign]
    return signs, x_hat


def ternary_absmean(x, block_size):
    """BitNet b1.58: x over the mean magnitude, rounded (ties to even) and clipped to −1 … 1."""
    signs, x_hat = [], []
    for block in blocks([f32(value) for value in x], block_size):
        mean = mean_magnitude(block)
        for value in block:
            signs.append(max(-1, min(1, round(float(value / mean)))) if mean else 0)
            x_hat.append(f32(signs[-1]) * mean)
    return signs, x_hat


def log2_nearest(u, bits, zero):
    """The power of two nearest to |u| in the logarithm, with the sign of u; by exact fractions.

    With a zero, what is at most half the smallest power is 0.
    """
    smallest = Fraction(1, 2 ** (2 ** (bits - 1) - 1 - zero))
    magnitude, power = abs(Fraction(float(u))), smallest
    if zero and magnitude <= smallest / 2:
        return f32(0)
    while power < 1 and magnitude**2 > 2 * power**2:  # above √2 times the power
        power *= 2
    return f32(float(power if u >= 0 else -power))


def log2(x, bits, zero, block_size):
    """Powers of two times the largest magnitude."""
    x_hat = []
    for block in blocks([f32(value) for value in x], block_size):
        scale = largest_magnitude(block)
        for value in block:
            x_hat.append(scale * (log2_nearest(value / scale, bits, zero) if scale else f32(0)))
    return x_hat


# The block formats of OCP MX and NVIDIA, in exact fractions wherever they say no float32


def power_of_two_exponent(largest, rule, emax, mantissa_bits, highest):
    """The exponent of an MX block's scale, for largest > 0; before it is clamped."""
    significand, exponent = math.frexp(float(largest))
    significand, exponent = Fraction(significand) * 2, exponent - 1  # in [1, 2)
    if rule == "floor":
        return exponent - emax
    if rule == "ceil":
        return exponent + (significand != 1) - emax
    if rule == "even":  # the significand rounded to the element's mantissa; half goes up
        steps = significand * 2**mantissa_bits
        return exponent + (math.floor(steps + Fraction(1, 2)) == 2 ** (mantissa_bits + 1)) - emax
    scaled = Fraction(float(largest)) / Fraction(highest)
    power = math.frexp(float(scaled))[1] - 3  # too small
    while Fraction(2) ** power < scaled:
        power += 1
    return power


def nearest_even_code(x, values):
    """Of the codes that mean numbers, the nearest of the sign of x; of two, the even one."""
    negative = math.copysign(1, x) < 0
    codes = [c for c, v in enumerate(values) if np.isfinite(v) and (np.signbit(v) == negative)]
    distance = [abs(Fraction(float(x)) - Fraction(float(values[c]))) for c in codes]
    least = min(distance)
    nearest = [c for c, how_far in zip(codes, distance) if how_far == least]
    return min(nearest, key=lambda c: c % 2)


def mx_floats(x, rule, values, emax, mantissa_bits):
    """Codes, E8M0 codes and x̂ of one of the MX formats of floats, block for block of 32."""
    highest = max(v for v in values if np.isfinite(v))
    codes, scales, x_hat = [], [], []
    for block in blocks([f32(value) for value in x], 32):
        largest, power = largest_magnitude(block), -127
        if largest:
            power = power_of_two_exponent(largest, rule, emax, mantissa_bits, highest)
        power = max(-127, min(127, power))
        scales.append(power + 127)
        for value in block:
            scaled = Fraction(float(value)) / Fraction(2) ** power
            # the sign of zero is lost in a Fraction
            codes.append(nearest_even_code(math.copysign(float(scaled), float(value)), values))
            recovered = float(values[codes[-1]]) * 2.0**power
            x_hat.append(f32(max(-LARGEST_FLOAT32, min(LARGEST_FLOAT32, recovered))))
    return codes, scales, x_hat


LARGEST_FLOAT32 = float(np.finfo(f32).max)


def mx_integers(x, rule):
    """MXINT8: integers of 1/64, −128 … 127, codes in two's complement; E8M0 codes; x̂."""
    codes, scales, x_hat = [], [], []
    for block in blocks([f32(value) for value in x], 32):
        largest, power = largest_magnitude(block), -127
        if largest:
            power = power_of_two_exponent(largest, rule, 0, 6, Fraction(127, 64))
        power = max(-127, min(127, power))
        scales.append(power + 127)
        for value in block:
            integer = round(Fraction(float(value)) / Fraction(2) ** power * 64)  # ties to even
            integer = max(-128, min(127, integer))
            codes.append(integer % 256)
            recovered = integer / 64 * 2.0**power
            x_hat.append(f32(max(-LARGEST_FLOAT32, min(LARGEST_FLOAT32, recovered))))
    return codes, scales, x_hat


def nvfp4(x, e2m1, e4m3):
    """NVFP4: codes, E4M3 codes of the blocks of 16, the tensor's scale t, x̂."""
    x = [f32(value) for value in x]
    t = f32(largest_magnitude(x) / f32(448 * 6))
    codes, scales, x_hat = [], [], []
    for block in blocks(x, 16):
        ratio = f32(f32(largest_magnitude(block) / f32(6)) / t) if t else f32(0)
        scales.append(nearest_even_code(max(2.0**-6, min(448.0, float(ratio))), e4m3))
        scale = f32(t * f32(e4m3[scales[-1]]))
        for value in block:
            scaled = f32(value / scale) if scale else value
            codes.append(nearest_even_code(max(f32(-6), min(f32(6), scaled)), e2m1))
            x_hat.append(f32(f32(e2m1[codes[-1]]) * scale))
    return codes, scales, t, x_hat
