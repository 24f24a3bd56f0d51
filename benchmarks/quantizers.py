"""How fast the quantizers are, beside np.searchsorted and bitsandbytes on a CPU.

    python benchmarks/quantizers.py [--values 16777216] [--rounds 7] [--largest 28]

One thread; Gaussian float32. Everyone has a turn in every round and the medians are compared, so
that a busy machine slows all alike. bitsandbytes is timed where it and torch are installed, after
a check that its bytes are ours. The last table grows to 2^28 values: 2.5 GiB of memory.
"""

import argparse
import importlib.util
import os
import pathlib
import sys
import tracemalloc
from statistics import median
from time import perf_counter
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch start their threads

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from quantedu import codebooks
from quantedu.codebooks import DYNAMIC8
from quantedu.quantizers import QTensor, Quantizer
from quantedu.recipes import fp4, fp8, int_absmax, int_affine, nf4
from quantedu.scales import absmax

RECIPES = {
    "NF4": nf4(),
    "NF4, double quantization": nf4(double_quant=True),
    "FP4 of bitsandbytes": fp4("bitsandbytes"),
    "INT4": int_absmax(4, block_size=64),
    "INT8": int_absmax(8, block_size=64),
    "INT8, one scale": int_absmax(8),
    "UINT8 with zero-points": int_affine(8, block_size=64),
    "FP8 E4M3": fp8(block_size=64),
    "dynamic 8-bit": Quantizer(DYNAMIC8, absmax, block_size=64),
}
WIDE = ("INT8", "FP8 E4M3", "dynamic 8-bit")  # to be within 2.5 times the cost of NF4


def medians(contenders, values, rounds):
    """Name -> median nanoseconds for one value; all take turns, the first round warms up."""
    times = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            start = perf_counter()
            run()
            if turn:
                times[name].append((perf_counter() - start) / values * 1e9)
    return {name: median(each) for name, each in times.items()}


def quantize_and_pack(recipe, x):
    return recipe.quantize(x).pack()


def by_searchsorted(recipe, x):
    """The same, with np.searchsorted in the place of the tables."""
    with mock.patch.object(codebooks, "_lookup", return_value=None):
        return quantize_and_pack(recipe, x)


def bitsandbytes_4bit(x):
    """(quantize, dequantize) of bitsandbytes on one thread, or None; its bytes are checked."""
    if not (importlib.util.find_spec("bitsandbytes") and importlib.util.find_spec("torch")):
        return None
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    torch.set_num_threads(1)
    tensor = torch.from_numpy(x)
    packed, state = quantize_4bit(tensor, blocksize=64, quant_type="nf4")
    ours = nf4().quantize(x)
    if not np.array_equal(packed.numpy().ravel(), ours.pack()["codes"]):
        raise SystemExit("bitsandbytes and quantedu pack other NF4 bytes")
    if not np.array_equal(dequantize_4bit(packed, state).numpy().ravel(), ours.dequantize()):
        raise SystemExit("bitsandbytes and quantedu recover other numbers")
    return (
        lambda: quantize_4bit(tensor, blocksize=64, quant_type="nf4"),
        lambda: dequantize_4bit(packed, state),
    )


def peak_mib(run):
    """MiB that NumPy holds at the most during a call, and what it holds after."""
    tracemalloc.start()
    kept = run()
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return (peak - now) / 2**20


def nf4_side_by_side(x, rounds):
    recipe, out = nf4(), np.zeros_like(x)
    q = recipe.quantize(x)
    parts = q.pack()
    everyone = {
        "copy of the input (memcpy)": lambda: np.copyto(out, x),
        "quantize and pack": lambda: quantize_and_pack(recipe, x),
        "  the same by np.searchsorted": lambda: by_searchsorted(recipe, x),
        "dequantize": q.dequantize,
        "  from packed bytes": lambda: QTensor.unpack(parts, recipe, x.shape).dequantize(),
    }
    theirs = bitsandbytes_4bit(x)
    if theirs:
        everyone["  bitsandbytes, quantize"], everyone["  bitsandbytes, dequantize"] = theirs
    times = medians(everyone, x.size, rounds)
    print(f"\nNF4, blocks of 64{'':<16}{'ns':>8}")
    for name, ns in times.items():
        print(f"{name:<33}{ns:8.2f}", flush=True)
    quantize, dequantize = times["quantize and pack"], times["dequantize"]
    promised = [("np.searchsorted", times["  the same by np.searchsorted"] / quantize, 6)]
    if theirs:
        promised.append(("bitsandbytes quantizes", times["  bitsandbytes, quantize"] / quantize, 8))
        promised.append(
            ("bitsandbytes dequantizes", times["  bitsandbytes, dequantize"] / dequantize, 1.5)
        )
    else:
        print("bitsandbytes is not installed")
    return promised


def every_recipe(x, rounds):
    kept = {name: recipe.quantize(x) for name, recipe in RECIPES.items()}
    forth = {name: lambda r=r: quantize_and_pack(r, x) for name, r in RECIPES.items()}
    back = {name: q.dequantize for name, q in kept.items()}
    ns, ns_back = medians(forth, x.size, rounds), medians(back, x.size, rounds)
    print(f"\nblocks of 64{'':<14}{'quantize+pack ns':>17}{'dequantize ns':>15}{'extra MiB':>11}")
    for name, recipe in RECIPES.items():
        extra = max(peak_mib(lambda r=recipe: r.quantize(x)), peak_mib(kept[name].dequantize))
        print(f"{name:<26}{ns[name]:17.2f}{ns_back[name]:15.2f}{extra:11.1f}", flush=True)
    return [(f"{name}, of NF4's cost", ns[name] / ns["NF4"], 2.5) for name in WIDE]


def growth(largest):
    print(f"\nNF4 {'values':>8}{'quantize+pack ns':>19}{'dequantize ns':>16}")
    recipe, sizes = nf4(), [k for k in range(16, 31, 2) if k <= largest]
    rng = np.random.default_rng(1)
    for k in sizes:
        x = rng.standard_normal(2**k, dtype=np.float32)
        q, repeat = recipe.quantize(x), max(1, 2 ** (22 - k))

        def forth(x=x, repeat=repeat):
            for _ in range(repeat):
                quantize_and_pack(recipe, x)

        def back(q=q, repeat=repeat):
            for _ in range(repeat):
                q.dequantize()

        rounds = 5 if k <= 24 else 2
        times = medians({"forth": forth, "back": back}, x.size * repeat, rounds)
        print(f"    2^{k:<6}{times['forth']:19.2f}{times['back']:16.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Speed of quantedu.quantizers")
    parser.add_argument("--values", type=int, default=2**24, help="how many float32 (2^24)")
    parser.add_argument("--rounds", type=int, default=7, help="timings of each, after a warm-up")
    parser.add_argument("--largest", type=int, default=28, help="last table: up to 2^28 values")
    options = parser.parse_args()
    x = np.random.default_rng(0).standard_normal(options.values, dtype=np.float32)
    print(f"{x.size} float32 values, one thread, medians of {options.rounds}; ns for one value")
    faster = nf4_side_by_side(x, options.rounds)
    within = every_recipe(x, options.rounds)
    growth(options.largest)
    print("\npromised")
    for what, ratio, least in faster:
        met = "met" if ratio >= least else "MISSED"
        print(f"  {what}: {ratio:.2f}× as long as quantedu, at least {least}: {met}")
    for what, ratio, most in within:
        print(f"  {what}: {ratio:.2f}×, at most {most}: {'met' if ratio <= most else 'MISSED'}")


if __name__ == "__main__":
    main()
