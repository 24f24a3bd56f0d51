"""How numbers are stored in few bits, and how language models run on them."""

from importlib import import_module
from types import ModuleType

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

__version__ = "0.1.0"

_ON_DEMAND = ("exercises", "plots", "widgets")  # they load matplotlib and ipywidgets


def __getattr__(name: str) -> ModuleType:
    if name in _ON_DEMAND:
        return import_module(f"quantedu.{name}")
    raise AttributeError(f"module 'quantedu' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})


__all__ = [
    "BF16",
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
    "FP16",
    "FP32",
    "FP64",
    "TF32",
    "FloatFormat",
]
