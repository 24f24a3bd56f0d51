"""How fast casts between float32 and the small formats are, beside the libraries people use.

    python benchmarks/formats.py [--values 16777216] [--rounds 7]

One thread; Gaussian values. Everyone has a turn in every round and the medians are compared, so
that a busy machine slows all alike. Results are checked to be the same before they are timed.
"""

import argparse
import importlib.util
import pathlib
import subprocess
import sys
from statistics import median
from time import perf_counter

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import quantedu as qe  # noqa: E402

ML_DTYPES = {
    qe.BF16: "bfloat16",
    qe.E5M2: "float8_e5m2",
    qe.E4M3: "float8_e4m3fn",
    qe.E4M3_IEEE: "float8_e4m3",
    qe.E4M3FNUZ: "float8_e4m3fnuz",
    qe.E5M2FNUZ: "float8_e5m2fnuz",
    qe.E4M3B11FNUZ: "float8_e4m3b11fnuz",
    qe.E3M4: "float8_e3m4",
    qe.E3M2: "float6_e3m2fn",
    qe.E2M3: "float6_e2m3fn",
    qe.E2M1: "float4_e2m1fn",
    qe.E8M0: "float8_e8m0fnu",
}
GFLOAT = {
    qe.FP16: "binary16",
    qe.BF16: "bfloat16",
    qe.E5M2: "ocp_e5m2",
    qe.E4M3: "ocp_e4m3",
    qe.E3M2: "ocp_e3m2",
    qe.E2M3: "ocp_e2m3",
    qe.E2M1: "ocp_e2m1",
}
TORCH = {qe.FP16: "float16", **ML_DTYPES}  # as far as torch has them; the names are the same
GFLOAT_VALUES = 2**18  # it is slow: timed on fewer, scaled up
PEERS = ("memcpy", "ml_dtypes", "numpy", "gfloat", "torch")
PROMISES = {("encode", qe.E4M3): 2.5, ("encode", qe.E5M2): 2.5}
PROMISES |= {("decode", qe.E4M3): 5.0, ("decode", qe.E5M2): 5.0}
IMPORT_PROMISE = 1.3
TIMED_IMPORT = "from time import perf_counter as t; a = t(); import {}; print(t() - a)"


def contenders(fmt, x, codes, torch):
    """Name -> (encode, decode, how many values they work on) for all who know the format."""
    out = np.zeros_like(x)
    everyone = {
        "quantedu": (lambda: fmt.encode(x), lambda: fmt.decode(codes, np.float32), x.size),
        "memcpy": (lambda: np.copyto(out, x), lambda: np.copyto(out, x), x.size),
    }
    dtypes = {}
    if fmt in ML_DTYPES:
        dtypes["ml_dtypes"] = getattr(ml_dtypes, ML_DTYPES[fmt])
    if fmt is qe.FP16:
        dtypes["numpy"] = np.float16
    for name, dtype in dtypes.items():
        typed = codes.view(dtype)
        everyone[name] = (lambda d=dtype: x.astype(d), lambda c=typed: c.astype(np.float32), x.size)
    if fmt in GFLOAT:
        info, few = getattr(gfloat.formats, f"format_info_{GFLOAT[fmt]}"), x[:GFLOAT_VALUES]
        finite, few_codes = not fmt.has_nan, codes[:GFLOAT_VALUES]
        everyone["gfloat"] = (
            lambda: gfloat.encode_ndarray(info, gfloat.round_ndarray(info, few, sat=finite)),
            lambda: gfloat.decode_ndarray(info, few_codes).astype(np.float32),
            few.size,
        )
    dtype = getattr(torch, TORCH.get(fmt, ""), None) if torch else None
    if dtype is not None and fmt.bits >= 8:  # its narrower ones are not one value a byte
        tensor, coded = torch.from_numpy(x), torch.from_numpy(codes).view(dtype)
        everyone["torch"] = (lambda: tensor.to(dtype), lambda: coded.to(torch.float32), x.size)
    return everyone


def check(fmt, x, codes, everyone):
    """All agree on the first values, or the comparison is none."""
    few = slice(0, 2**16)
    ours = fmt.decode(codes[few])
    for name, (encode, decode, _) in everyone.items():
        if name in ("quantedu", "memcpy", "torch"):
            continue
        theirs, numbers = encode()[few], decode()[few]
        theirs = theirs if theirs.dtype.kind == "u" else theirs.view(fmt.code_dtype)
        if not np.array_equal(fmt.decode(theirs), ours, equal_nan=True):
            raise SystemExit(f"{name} and quantedu encode {fmt.name} differently")
        if not np.array_equal(numbers, ours, equal_nan=True):
            raise SystemExit(f"{name} and quantedu decode {fmt.name} differently")


def nanoseconds(everyone, which, rounds):
    """Name -> median time of encode (0) or decode (1) for one value."""
    times = {name: [] for name in everyone}
    for turn in range(rounds + 1):
        for name, contender in everyone.items():
            start = perf_counter()
            contender[which]()
            if turn:  # the first warms up
                times[name].append((perf_counter() - start) / contender[2] * 1e9)
    return {name: median(seconds) for name, seconds in times.items()}


def import_seconds(rounds):
    """Median time of `import numpy` and of `import quantedu`, each in a fresh Python."""
    times = {"numpy": [], "quantedu": []}
    for turn in range(rounds + 1):
        for name, seconds in times.items():
            command = [sys.executable, "-c", TIMED_IMPORT.format(name)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            if turn:
                seconds.append(float(done.stdout))
    return {name: median(seconds) for name, seconds in times.items()}


def verdict(met):
    return "met" if met else "MISSED"


def main():
    parser = argparse.ArgumentParser(description="Speed of the casts of quantedu.formats")
    parser.add_argument("--values", type=int, default=2**24, help="how many float32 (2^24)")
    parser.add_argument("--rounds", type=int, default=7, help="timings of each, after a warm-up")
    options = parser.parse_args()
    torch = None
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    x = np.random.default_rng(0).standard_normal(options.values, dtype=np.float32)
    results = {}
    print(f"{x.size} float32 values, one thread, medians of {options.rounds}")
    print("ns: quantedu's time for one value; then how many times as long the others take")
    print(f"gfloat on {GFLOAT_VALUES} values" + ("" if torch else "; torch is not installed"))
    formats = [f for f in qe.FORMATS if f.bits <= 16]
    for direction, arrow in (("encode", "float32 → codes"), ("decode", "codes → float32")):
        print(f"\n{arrow:<18}{'ns':>8}" + "".join(f"{peer:>11}" for peer in PEERS))
        for fmt in formats:
            data = np.abs(x) if not fmt.signed else x
            codes = fmt.encode(data)
            everyone = contenders(fmt, data, codes, torch)
            if direction == "encode":
                check(fmt, data, codes, everyone)
            times = nanoseconds(everyone, int(direction == "decode"), options.rounds)
            ratios = {peer: times[peer] / times["quantedu"] for peer in PEERS if peer in times}
            results[direction, fmt] = ratios
            cells = [f"{ratios[peer]:10.2f}×" if peer in ratios else f"{'–':>11}" for peer in PEERS]
            print(f"{fmt.name:<18}{times['quantedu']:8.2f}" + "".join(cells), flush=True)

    print("\npromised, against ml_dtypes")
    for (direction, fmt), least in PROMISES.items():
        ratio = results[direction, fmt]["ml_dtypes"]
        said = f"{direction} {fmt.name}: {ratio:.2f}× as fast, at least {least}"
        print(f"  {said}: {verdict(ratio >= least)}")
    seconds = import_seconds(options.rounds)
    ratio = seconds["quantedu"] / seconds["numpy"]
    print(
        f"  import quantedu: {ratio:.2f}× import numpy ({seconds['numpy'] * 1e3:.0f} ms), "
        f"at most {IMPORT_PROMISE}: {verdict(ratio <= IMPORT_PROMISE)}"
    )


if __name__ == "__main__":
    main()
