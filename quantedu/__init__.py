"""How numbers are stored in few bits, and how language models run on them."""

from importlib import import_module
from types import ModuleType

from quantedu import codebooks, formats, layout, metrics, quantizers, scales
from quantedu.codebooks import (
    DYNAMIC8,
    FP4_BITSANDBYTES,
    NF4,
    Codebook,
    format_codebook,
    integers,
    normal_float,
    uniform,
)
from quantedu.formats import (
    BF16,
    E2M1,
    E2M3,
    E3M2,
    E3M4,
    E4M3,
    E4M3_IEEE,
    E4M3B11FNUZ,
    E4M3FNUZ,
    E5M2,
    E5M2FNUZ,
    E8M0,
    FORMATS,
    FP4,
    FP16,
    FP32,
    FP64,
    TF32,
    FloatFormat,
)
from quantedu.metrics import code_usage, entropy, max_error, mean_abs_error, mse, sqnr_db
from quantedu.quantizers import QTensor, Quantizer, fp4, fp8, int_absmax, int_affine, nf4

__version__ = "0.1.0"

_ON_DEMAND = (  # they load matplotlib, ipywidgets, or what only some need
    *(
        "exercises",
        "explorer",
        "language_model",
        "networks",
        "plots",
        "scenes",
        "sketch",
        "widgets",
    ),
)


def __getattr__(name: str) -> ModuleType:
    if name in _ON_DEMAND:
        return import_module(f"quantedu.{name}")
    raise AttributeError(f"module 'quantedu' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})


__all__ = [
    "BF16",
    "DYNAMIC8",
    "E2M1",
    "E2M3",
    "E3M2",
    "E3M4",
    "E4M3",
    "E4M3B11FNUZ",
    "E4M3FNUZ",
    "E4M3_IEEE",
    "E5M2",
    "E5M2FNUZ",
    "E8M0",
    "FORMATS",
    "FP4",
    "FP4_BITSANDBYTES",
    "FP16",
    "FP32",
    "FP64",
    "NF4",
    "TF32",
    "Codebook",
    "FloatFormat",
    "QTensor",
    "Quantizer",
    "code_usage",
    "codebooks",
    "entropy",
    "format_codebook",
    "formats",
    "fp4",
    "fp8",
    "int_absmax",
    "int_affine",
    "integers",
    "layout",
    "max_error",
    "mean_abs_error",
    "metrics",
    "mse",
    "nf4",
    "normal_float",
    "quantizers",
    "scales",
    "sqnr_db",
    "uniform",
]
