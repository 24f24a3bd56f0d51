"""Chapter 01's exercises: the mistakes that learners make are found, other right styles are not."""

import math
import re

import ml_dtypes
import numpy as np

from quantedu.exercises import chapter_01 as chapter

WRONG = {  # exercise → the mistake in words → an answer that makes it
    "encode_power_of_two": {
        "no bias": lambda k: (k % 32) << 10,
        "bias 16": lambda k: (k + 16) << 10,
        "no subnormals": lambda k: max(k + 15, 0) << 10,
        "subnormals one step off": lambda k: (k + 15) << 10 if k >= -14 else 1 << (k + 25),
        "the number, not its code": lambda k: 2.0**k,
        "E = 0 counted as an exponent": lambda k: (k + 15) << 10 if k >= -15 else 1 << (k + 24),
    },
    "last_integer": {
        "without the hidden one": lambda m: 2**m,
        "one too small": lambda m: 2 ** (m + 1) - 1,
        "one too large": lambda m: 2 ** (m + 1) + 1,
        "a power too large": lambda m: 2 ** (m + 2),
    },
    "next_up": {
        "always one more": lambda c: c + 1,
        "beyond infinity": lambda c: 1 if c & 0x7FFF == 0 else c - 1 if c & 0x8000 else c + 1,
        "zeros step to each other": lambda c: (
            c
            if c & 0x7FFF > 0x7C00 or c == 0x7C00
            else (0 if c == 0x8000 else c - 1 if c & 0x8000 else c + 1)
        ),
        "the number, not its code": lambda c: float(c),
        "downward": lambda c: c - 1 if c else 0x8001,
    },
    "sort_key": {
        "the codes": lambda codes: codes,
        "signed integers": lambda codes: codes.view(np.int16),
        "minus in uint16": lambda codes: np.where(
            codes & 0x8000, -(codes & np.uint16(0x7FFF)), codes
        ),
        "magnitudes": lambda codes: codes & 0x7FFF,
        "the numbers": lambda codes: codes.view(np.float16),
        "another shape": lambda codes: codes[:, None].astype(int),
    },
    "decode_fnuz": {
        "bias 7": lambda c: float(np.uint8(c).view(ml_dtypes.float8_e4m3fn)),
        "NaN on top": lambda c: math.nan if c & 0x7F == 0x7F else chapter._decode_fnuz_spec(c),
        "minus zero": lambda c: -0.0 if c == 0x80 else chapter._decode_fnuz_spec(c),
        "hidden one in E = 0": lambda c: (
            (-1) ** (c >> 7) * 2.0 ** ((c >> 3 & 15) - 8) * (1 + c % 8 / 8)
        ),
    },
}

RIGHT = {
    "encode_power_of_two": [
        lambda k: int(np.float16(2.0**k).view(np.uint16)),
        lambda k: np.float16(2.0**k).view(np.uint16),
    ],
    "last_integer": [lambda m: 1 << (m + 1), lambda m: np.int64(2) << m, lambda m: 2.0 ** (m + 1)],
    "next_up": [
        lambda c: int(np.nextafter(np.uint16(c).view(np.float16), np.float16(np.inf)).view("u2")),
        lambda c: np.nextafter(np.uint16(c).view(np.float16), np.float16(np.inf)).view("u2"),
    ],
    "sort_key": [
        lambda codes: np.where(codes >= 0x8000, 0xFFFF - codes.astype(int), codes + 0x8000),
        lambda codes: codes ^ np.where(codes & 0x8000, 0xFFFF, 0x8000).astype(np.uint16),
    ],
    "decode_fnuz": [lambda c: float(np.uint8(c).view(ml_dtypes.float8_e4m3fnuz))],
}


def test_a_wrong_answer_is_shown_on_the_input_where_it_fails():
    message = chapter.next_up.check(lambda code: code + 1).message
    code, expected, got = (int(n, 16) for n in re.findall(r"0x[0-9A-F]{4}", message))
    assert got == code + 1
    assert expected == chapter._next_up_spec(code)
    assert code == 0x7BFF or code >= 0x7C00


def test_codes_are_written_as_the_chapter_writes_them():
    message = chapter.next_up.check(lambda code: code + 1).message
    assert message == "next_up(0x8000) should be 0x0001, but your function gives 0x8001"
    message = chapter.decode_fnuz.check(lambda code: 1.0).message
    assert message == "decode_fnuz(0xC0) should be -1.0, but your function gives 1.0"
    assert "gives -1" in chapter.next_up.check(lambda code: -1).message
