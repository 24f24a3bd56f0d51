"""How numbers are stored in few bits, and how language models run on them.

A format says what a bit pattern means; a quantizer is a codebook and a scale.

>>> import numpy as np
>>> import quantedu as qe
>>> print(qe.FP16.explain(0xC100))
FP16 0xC100 = 1 10000 0100000000
x = (−1)^1 · 2^(16 − 15) · (1 + 256/1024)
  = −1 · 2^1 · 1.25
  = -2.5
>>> recipe = qe.int_absmax(8, axis=-1)
>>> q = recipe.quantize(np.float32([[127.0, 1.4], [0.5, -1.0]]))
>>> q.values
array([[ 127,    1],
       [  64, -127]], dtype=int8)
>>> round(qe.sqnr_db([[127.0, 1.4], [0.5, -1.0]], q.dequantize()), 1)
50.0

Formats: `FORMATS`, or a `FloatFormat` of your own. Codebooks: `NF4`, `integers(8)`, … or a
`Codebook`. Recipes: `int_absmax`, `int_affine`, `fp8`, `fp4`, `nf4`, … or a `Quantizer`. Measures:
`sqnr_db`, `mse`, `entropy`, … Loaded when they are asked for, as they need matplotlib or
ipywidgets: `plots`, `widgets`, `explorer`.
"""

# Names are set as text here, not one a line.
# fmt: off
# isort: off
from importlib import import_module as _import_module
from types import ModuleType as _ModuleType

from quantedu import codebooks, comparison, formats, layout, metrics, quantizers, recipes, scales
from quantedu.codebooks import (
    BINARY, DYNAMIC8, FP4_BITSANDBYTES, NF4, Codebook, format_codebook, integers, lloyd_max,
    log2, normal_float, ternary, uniform,
)
from quantedu.comparison import compare
from quantedu.formats import (
    BF16, E2M1, E2M3, E3M2, E3M4, E4M3, E4M3_IEEE, E4M3B11FNUZ, E4M3FNUZ, E5M2, E5M2FNUZ, E8M0,
    FORMATS, FP4, FP16, FP32, FP64, TF32, FloatFormat,
)
from quantedu.metrics import code_usage, entropy, max_error, mean_abs_error, mse, sqnr_db
from quantedu.quantizers import QTensor, Quantizer
from quantedu.recipes import (
    binary_weights, fp4, fp8, int_absmax, int_affine, log2_weights, mxfp4, mxfp6, mxfp8, mxint8,
    nf4, nvfp4, ternary_weights,
)

__version__ = "0.3.0"

_ON_DEMAND = (  # they load matplotlib, ipywidgets, or what only some need
    *("exercises", "explorer", "language_model", "networks", "plots", "ptq", "qat", "scenes"),
    *("sketch", "widgets"),
)


def __getattr__(name: str) -> _ModuleType:
    if name in _ON_DEMAND:
        return _import_module(f"quantedu.{name}")
    raise AttributeError(f"module 'quantedu' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({"__all__", "__doc__", "__version__", *__all__, *_ON_DEMAND})


__all__ = [
    "BF16", "BINARY", "DYNAMIC8", "E2M1", "E2M3", "E3M2", "E3M4", "E4M3", "E4M3B11FNUZ",
    "E4M3FNUZ", "E4M3_IEEE", "E5M2", "E5M2FNUZ", "E8M0", "FORMATS", "FP4", "FP4_BITSANDBYTES",
    "FP16", "FP32", "FP64", "NF4", "TF32", "Codebook", "FloatFormat", "QTensor", "Quantizer",
    "binary_weights", "code_usage", "codebooks", "compare", "comparison", "entropy",
    "format_codebook", "formats", "fp4", "fp8", "int_absmax", "int_affine", "integers",
    "layout", "lloyd_max", "log2", "log2_weights", "max_error", "mean_abs_error", "metrics",
    "mse", "mxfp4", "mxfp6", "mxfp8", "mxint8", "nf4", "normal_float", "nvfp4", "quantizers",
    "recipes", "scales", "sqnr_db", "ternary", "ternary_weights", "uniform",
]
