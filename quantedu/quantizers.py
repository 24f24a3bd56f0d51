"""A quantizer is a codebook and a scale: the recipe, and what it makes of an array.

    x ──group──▶ values that share a scale ──scale rule──▶ scale, zero_point
      ──x / scale──▶ ──codebook.encode──▶ codes                        (stored)
    codes ──levels[codes]──▶ values ──(− zero_point) × scale──▶ x̂      (recovered)

A `Quantizer` is a recipe: it says which codebook, which rule, who shares a scale, and how the
scale itself is stored. A `QTensor` is the result: codes, scales, and how to make numbers of them.
"""

import dataclasses
import functools
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from quantedu import _checks, scales
from quantedu.codebooks import Codebook
from quantedu.formats import FP32, FloatFormat
from quantedu.layout import Layout, Piece, pack, packed_size, unpack
from quantedu.scales import Rule, min_max

ENCODE_WITH = ("stored", "exact")


@dataclass(frozen=True, repr=False)
class Quantizer:
    """A recipe: codebook, scale rule, who shares a scale, how scales are stored.

    Arithmetic is float32; x of another type is converted once. Called with an array, a recipe
    gives x̂.

    Parameters
    ----------
    codebook : Codebook
    scale_rule : function of `quantedu.scales`, rule(groups, codebook) -> scale, zero_point
    axis : axis or axes along which values share a scale, as in a NumPy reduction; None is all
    block_size : cuts these in groups of so many; the rest at the end is a group of its own
    scale_storage : FloatFormat that scales are rounded to, or Quantizer that they are quantized by
    encode_with : "stored" divides by the scale as it will be read back, "exact" by what the rule
        gave (QLoRA); a rule divides by a scale of its own, which is not kept (ternary weights)
    center : function such as np.mean; what it gives is subtracted from x first and stored as FP32
    tensor_scale : function of x whose result is the scale of a `scale_storage` that is a Quantizer
        (NVFP4); None leaves it to that quantizer's rule
    reciprocal : True multiplies by the float32 1/scale, except in a ragged tail, which is divided:
        the arithmetic of bitsandbytes. False divides everywhere.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong kind; the message says which.

    Notes
    -----
    A group whose scale is 0, because it is all zeros or its scale underflows in storage, is
    divided by 1 and comes back as 0, whatever the codebook; under E8M0, which has no 0, it takes a
    level 0, and a codebook without one refuses such a group. Where x̂ would lie beyond the largest
    number of its type it is that number.

    Examples
    --------
    >>> from quantedu.codebooks import integers
    >>> from quantedu.scales import absmax
    >>> int8 = Quantizer(integers(8), absmax)
    >>> int8(np.array([100.25, -50.5, 127.0], dtype=np.float32))
    array([100., -50., 127.], dtype=float32)
    >>> dataclasses.replace(int8, block_size=64)
    Quantizer(INT8, absmax, block_size=64)
    """

    codebook: Codebook
    scale_rule: Rule
    axis: Any = None
    block_size: int | None = None
    scale_storage: Any = FP32
    encode_with: str | Rule = "stored"
    center: Callable[[Any], Any] | None = None
    reciprocal: bool = False
    tensor_scale: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        rule, storage, center = self.scale_rule, self.scale_storage, self.center
        nested, is_format = isinstance(storage, Quantizer), isinstance(storage, FloatFormat)
        outer = self.tensor_scale
        for name, wanted, fits in (
            ("codebook", "a Codebook", isinstance(self.codebook, Codebook)),
            ("scale_rule", "a function such as quantedu.scales.absmax", callable(rule)),
            ("scale_storage", "a FloatFormat or Quantizer", nested or is_format),
            ("center", "None or a function such as np.mean", center is None or callable(center)),
            (
                "tensor_scale",
                "None, or a function where scale_storage is a Quantizer",
                outer is None or (callable(outer) and nested),
            ),
        ):
            if not fits:
                raise TypeError(f"{name} must be {wanted}, not {getattr(self, name)!r}")
        if not callable(self.encode_with):
            _checks.require_choice("encode_with", self.encode_with, ENCODE_WITH)
        Layout((1,) * 64, self.axis, self.block_size)  # refuses what no array could have

    def __repr__(self) -> str:
        said = [self.codebook.name, _name(self.scale_rule)]
        for entry in dataclasses.fields(self)[2:]:
            value = getattr(self, entry.name)
            if value != entry.default:
                value = value.name if isinstance(value, FloatFormat) else value
                said.append(f"{entry.name}={_name(value)}")
        return f"Quantizer({', '.join(said)})"

    def __call__(self, x: Any) -> np.ndarray:
        """The x̂ that x becomes: quantize, then dequantize."""
        return self.quantize(x).dequantize()

    @property
    def is_affine(self) -> bool:
        """Whether the rule gives zero-points, so that they are always stored: that of `min_max`.

        >>> from quantedu.recipes import int_absmax, int_affine
        >>> int_affine().is_affine, int_absmax().is_affine
        (True, False)
        """
        return self.scale_rule is min_max

    def fit(self, x: Any) -> tuple[np.ndarray, Any]:
        """The scale and zero-point of each group, as the rule finds them.

        Parameters
        ----------
        x : real array, any shape

        Returns
        -------
        scale : float32 [n_groups, 1], before it is rounded to its storage
        zero_point : 0.0, or float32 [n_groups, 1]

        Raises
        ------
        TypeError, ValueError
            As `quantize`.

        Examples
        --------
        >>> from quantedu.recipes import int_absmax
        >>> int_absmax(8, axis=-1).fit([[127.0, 1.0], [0.0, 0.0]])[0]
        array([[1.],
               [0.]], dtype=float32)
        """
        x = _checks.as_real(x)[0]
        layout = Layout(x.shape, self.axis, self.block_size)
        return self._fit(x, layout, self._center(x), self.scale_rule)

    def _center(self, x: np.ndarray) -> np.float32 | None:
        if self.center is None:
            return None
        _checks.require_finite(x)
        return np.float32(self.center(x.astype(np.float64)) if x.size else 0)

    def _fit(
        self, x: np.ndarray, layout: Layout, center: Any, rule: Rule
    ) -> tuple[np.ndarray, Any]:
        rows = layout.rows(x)
        scale, zero_point = np.zeros((2, layout.n_rows, layout.groups_per_row), dtype=np.float32)
        affine = False
        if getattr(rule, "__module__", "") != "quantedu.scales":
            _checks.require_finite(x)  # our own rules refuse by themselves
        for row, column, group in layout.pieces(whole=True):
            place = scale[row, group]
            values = _float32(rows[row, column], center)
            try:
                found, zero = rule(values.reshape(place.size, -1), self.codebook)
            except ValueError:  # the rule saw a part of x: name the place in the whole
                _checks.require_finite(x)
                raise
            place[...] = np.reshape(found, place.shape)
            if np.ndim(zero):
                zero_point[row, group], affine = np.reshape(zero, place.shape), True
        if not np.isfinite(scale).all():
            _checks.require_finite(x)
        _check_scale(scale)
        return scale.reshape(-1, 1), zero_point.reshape(-1, 1) if affine else 0.0

    def quantize(self, x: Any, scale: Any = None, zero_point: Any = None) -> "QTensor":
        """Codes and scales of an array.

        Parameters
        ----------
        x : real array or scalar, any shape
        scale : one number, or [n_groups, 1]; None finds it from x
        zero_point : one integer, or [n_groups, 1]; None is what the rule found, and 0 where a
            scale was given

        Returns
        -------
        QTensor, whose codes have the shape of x

        Raises
        ------
        TypeError, ValueError
            If x is not real, or holds NaN, infinity, or numbers beyond float32: the message counts
            them and names the first. If a scale is negative or not finite, or not one for each
            group. If a zero-point is no integer of the codebook.

        Examples
        --------
        >>> from quantedu.recipes import int_affine
        >>> q = int_affine(4).quantize([-1.0, 0.0, 2.0])
        >>> q.codes, q.scale.item(), q.zero_point.item()
        (array([ 0,  5, 15], dtype=uint8), 0.20000000298023224, 5.0)
        """
        x = _checks.as_real(x)[0]
        layout, center = Layout(x.shape, self.axis, self.block_size), self._center(x)
        if scale is None:
            scale, fitted = self._fit(x, layout, center, self.scale_rule)
            zero_point = fitted if zero_point is None else zero_point
        else:
            scale = _per_group("scale", scale, layout)
            _check_scale(scale)
            _checks.require_finite(x)
        zero_point = self._check_zero_point(zero_point, layout)
        stored, recovered = self._store(scale, x)
        used = scale if self.encode_with == "exact" else recovered
        if callable(self.encode_with):
            used = self._fit(x, layout, center, self.encode_with)[0]
        codes = self._encode(x, layout, center, used, zero_point)
        integer = x.dtype.kind in "biu" or "int" in x.dtype.name  # "int4" is of `ml_dtypes`
        dtype = np.dtype(np.float32) if integer else x.dtype.newbyteorder("=")
        return QTensor(codes, recovered, zero_point, self, dtype, center, stored)

    def _check_zero_point(self, zero_point: Any, layout: Layout) -> Any:
        if np.ndim(zero_point) == 0 and not zero_point:
            if not self.is_affine:
                return 0.0
            zero_point = 0
        given, book = _per_group("zero_point", zero_point, layout), self.codebook
        if not book.is_integer:
            raise ValueError(
                f"a zero-point needs consecutive integers as levels, not {book!r}; leave it 0"
            )
        wrong = (given != np.rint(given)) | ~((given >= book.min) & (given <= book.max))
        if wrong.any():
            raise ValueError(
                f"a zero-point is stored as a code: an integer {book.min:g} … {book.max:g}; "
                f"got {_checks.first_wrong(given, wrong)}"
            )
        return given

    def _store(self, scale: np.ndarray, x: np.ndarray) -> tuple[Any, np.ndarray]:
        """What is kept of the scales, a QTensor or codes; and the scales as read back."""
        if isinstance(self.scale_storage, Quantizer):
            outer = None if self.tensor_scale is None else self.tensor_scale(x)
            stored = self.scale_storage.quantize(scale.reshape(-1), outer)
            return stored, stored.dequantize().reshape(-1, 1)
        if self.scale_storage == FP32:
            return scale.view(np.uint32), scale
        storage, wrong = self.scale_storage, scale == 0
        if not storage.subnormals and wrong.any() and 0 not in self.codebook.levels:
            raise ValueError(
                f"a group of zeros needs a scale 0, which {storage.name} lacks, or a level 0, "
                f"which {self.codebook!r} lacks; got {_checks.first_wrong(scale, wrong)}; "
                "choose another scale_storage or codebook"
            )
        codes = storage.encode(scale, overflow="saturate")
        return codes, storage.decode(codes).astype(np.float32)

    def _encode(
        self, x: np.ndarray, layout: Layout, center: Any, scale: np.ndarray, zero_point: Any
    ) -> np.ndarray:
        rows, codes = layout.rows(x), np.empty(x.shape, dtype=np.uint8)
        divisor = np.where(scale == 0, np.float32(1), scale)
        encode = self.codebook.encoder(x.size)

        def fill(piece: Piece, out: np.ndarray) -> None:
            row, column, group = piece
            values = _float32(rows[row, column], center).reshape(out.shape)
            full = group.stop * layout.group_size <= layout.row_length
            with np.errstate(over="ignore", invalid="ignore"):  # an end level serves infinity too
                values = _scaled(values, layout.pick(divisor, piece), self.reciprocal and full)
            if np.ndim(zero_point):
                np.rint(values, out=values)
                values += layout.pick(zero_point, piece)
            encode(values.reshape(-1), out.reshape(-1))

        layout.fill(codes, np.uint8, fill)
        return codes


def _scaled(values: np.ndarray, divisor: np.ndarray, reciprocal: bool) -> np.ndarray:
    if not reciprocal:
        return values / divisor
    inverse = np.float32(1) / divisor
    scaled = values * inverse
    tiny = np.isinf(inverse[:, 0])  # below 2^−128; multiplying would make NaN of 0
    if tiny.any():
        scaled[tiny] = values[tiny] / divisor[tiny]
    return scaled


@dataclass(frozen=True, eq=False, repr=False)
class QTensor:
    """An array in few bits: x̂ = scale · (levels[codes] − zero_point) + center.

    Made by `Quantizer.quantize` and `QTensor.unpack`.

    Parameters
    ----------
    codes : uint8 array of the shape of x, not packed
    scale : float32 [n_groups, 1], as read back from its storage
    zero_point : 0.0, or float32 [n_groups, 1] of integers
    quantizer : the recipe
    dtype : of x̂; that of x where it was a float, else float32
    center : None, or the float32 that is added to all
    stored_scale : how scales are kept: codes of the recipe's `scale_storage`, or a QTensor of it
    """

    codes: np.ndarray
    scale: np.ndarray
    zero_point: Any
    quantizer: Quantizer
    dtype: np.dtype
    center: Any
    stored_scale: Any

    def __post_init__(self) -> None:
        self.quantizer.codebook.check_codes(self.codes)
        for name in ("codes", "scale", "zero_point", "stored_scale"):
            if isinstance(array := getattr(self, name), np.ndarray):
                array = array.view()
                array.flags.writeable = False  # frozen all the way down
                object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        return (
            f"<QTensor {self.codes.shape} {self.dtype}: {self.quantizer!r}, "
            f"{self.bits_per_value:.4g} bits per value>"
        )

    def __reduce__(self) -> tuple:  # so that copies are read-only too
        return QTensor, tuple(getattr(self, entry.name) for entry in dataclasses.fields(self))

    @functools.cached_property
    def layout(self) -> Layout:
        """Which codes share a scale.

        >>> from quantedu.recipes import nf4
        >>> nf4().quantize(np.ones((2, 100))).layout.n_groups
        4
        """
        return Layout(self.codes.shape, self.quantizer.axis, self.quantizer.block_size)

    @property
    def values(self) -> np.ndarray:
        """The levels of the codes; integers where the levels are, as integer arithmetic takes them.

        Returns
        -------
        int8 array, uint8 or int16 where a level exceeds 127, float32 where a level is no integer
        or beyond int16; the shape of codes

        Examples
        --------
        >>> from quantedu.recipes import int_absmax
        >>> int_absmax(8).quantize([-1.0, 0.5, 1.0]).values
        array([-127,   64,  127], dtype=int8)
        """
        book = self.quantizer.codebook
        if not book.is_integer:
            return book.decode(self.codes)
        fits = (d for d in (np.int8, np.uint8, np.int16) if np.iinfo(d).min <= book.min)
        dtype = next((d for d in fits if book.max <= np.iinfo(d).max), np.float32)
        levels = np.where(np.isfinite(book.levels), book.levels, 0).astype(dtype)
        return levels[self.codes]

    def dequantize(self) -> np.ndarray:
        """The recovered array x̂, of the shape and dtype of x.

        Examples
        --------
        >>> from quantedu.recipes import int_absmax
        >>> int_absmax(8).quantize([-1.0, 0.5, 1.0]).dequantize()
        array([-1.        ,  0.50393701,  1.        ])
        """
        layout, rows = self.layout, self.layout.rows(self.codes)
        x_hat = np.empty(self.codes.shape, dtype=self.dtype)
        decode, limit = self.quantizer.codebook.decoder(self.codes.size), self._limit()

        def fill(piece: Piece, out: np.ndarray) -> None:
            decode(np.ascontiguousarray(rows[piece[:2]]).reshape(-1), out.reshape(-1))
            with np.errstate(over="ignore"):
                if np.ndim(self.zero_point):
                    out -= layout.pick(self.zero_point, piece)
                out *= layout.pick(self.scale, piece)
                if self.center is not None:
                    out += self.center
            if limit is not None:
                np.clip(out, -limit, limit, out=out)

        layout.fill(x_hat, np.float32, fill)
        return x_hat

    def _limit(self) -> np.float32 | None:
        """The largest number of the type, where x̂ could lie beyond it; else None."""
        book = self.quantizer.codebook
        span = max(abs(book.min), abs(book.max)) * (1 + bool(np.ndim(self.zero_point)))
        reach = float(np.abs(self.scale).max(initial=0)) * span + abs(float(self.center or 0))
        home = sys.modules[self.dtype.type.__module__]  # NumPy, or `ml_dtypes`
        largest = float(getattr(home, "finfo", np.finfo)(self.dtype).max)
        largest = min(largest, float(np.finfo(np.float32).max))
        return np.float32(largest) if reach * (1 + 1e-6) > largest else None

    # What it costs

    @property
    def nbytes(self) -> int:
        """Bytes that `pack` makes: codes, scales, scales of scales, zero-points, center.

        >>> from quantedu.recipes import nf4
        >>> nf4().quantize(np.ones(64)).nbytes    # 64 codes of 4 bits, one scale of 4 bytes
        36
        """
        bits, n_groups = self.quantizer.codebook.bits, self.layout.n_groups
        total = packed_size(self.codes.size, bits) + 4 * (self.center is not None)
        total += packed_size(n_groups, bits) * bool(np.ndim(self.zero_point))
        if isinstance(self.stored_scale, QTensor):
            return total + self.stored_scale.nbytes
        return total + packed_size(n_groups, _stored_bits(self.quantizer.scale_storage))

    @property
    def bits_per_value(self) -> float:
        """Bits of storage for each value, everything counted; NaN for an empty array.

        Examples
        --------
        >>> from quantedu.recipes import nf4
        >>> nf4().quantize(np.ones(4096)).bits_per_value    # 4 + 32/64
        4.5
        """
        return 8 * self.nbytes / self.codes.size if self.codes.size else float("nan")

    def pack(self, order: str = "high_first") -> dict[str, np.ndarray]:
        """The bytes to store.

        Parameters
        ----------
        order : of codes within a byte, as in `quantedu.layout.pack`; the last byte of the codes is
            filled with the code of 0

        Returns
        -------
        uint8 arrays by name: "codes", "scale" (or "scale.codes", "scale.scale", … where a
        quantizer stores it), and where there are such "zero_point" and "center". Numbers of more
        than a byte are little-endian.

        Examples
        --------
        >>> from quantedu.recipes import nf4
        >>> packed = nf4().quantize([0.0, 1.0, -1.0]).pack()
        >>> [f"{byte:02x}" for byte in packed["codes"]], packed["scale"].size
        (['7f', '07'], 4)
        """
        book = self.quantizer.codebook
        parts = {"codes": pack(self.codes, book.bits, order, pad=int(book.encode(0.0)))}
        if isinstance(self.stored_scale, QTensor):
            inner = self.stored_scale.pack(order)
            parts.update({f"scale.{name}": part for name, part in inner.items()})
        elif self.quantizer.scale_storage.bits <= 8:
            parts["scale"] = pack(self.stored_scale, self.quantizer.scale_storage.bits, order)
        else:
            parts["scale"] = _to_bytes(self.stored_scale)
        if np.ndim(self.zero_point):
            parts["zero_point"] = pack(book.encode(self.zero_point), book.bits, order)
        if self.center is not None:
            parts["center"] = _to_bytes(np.float32(self.center))
        return parts

    @classmethod
    def unpack(
        cls,
        parts: dict[str, np.ndarray],
        quantizer: Quantizer,
        shape: tuple[int, ...],
        dtype: Any = np.float32,
        order: str = "high_first",
    ) -> "QTensor":
        """The QTensor that these bytes came from; `pack`, undone.

        Parameters
        ----------
        parts : uint8 arrays by name, as `pack` gives them
        quantizer, shape, dtype : the recipe, and shape and dtype of x
        order : as it was given to `pack`

        Raises
        ------
        TypeError, ValueError
            If a part is missing, too many, or not of the right size.

        Examples
        --------
        >>> from quantedu.recipes import nf4
        >>> q = nf4().quantize(np.linspace(-1, 1, 100))
        >>> again = QTensor.unpack(q.pack(), q.quantizer, (100,), np.float64)
        >>> bool(np.all(again.dequantize() == q.dequantize()))
        True
        """
        layout = Layout(tuple(shape), quantizer.axis, quantizer.block_size)
        book, storage = quantizer.codebook, quantizer.scale_storage
        rest = dict(parts)

        def take(name: str, count: int, bits: int) -> np.ndarray:
            if name not in rest:
                raise ValueError(f"{quantizer!r} needs the part {name!r}; got {sorted(parts)}")
            part = rest.pop(name)
            if bits <= 8:
                return unpack(part, bits, count, order)
            words = unpack(part, 8, count * bits // 8, order)
            return words.view(f"<u{bits // 8}").astype(f"u{bits // 8}")

        codes = take("codes", layout.size, book.bits).reshape(layout.shape)
        if isinstance(storage, Quantizer):
            inner = {name[6:]: rest.pop(name) for name in list(rest) if name.startswith("scale.")}
            stored: Any = cls.unpack(inner, storage, (layout.n_groups,), np.float32, order)
            scale = stored.dequantize().reshape(-1, 1)
        else:
            stored = take("scale", layout.n_groups, _stored_bits(storage)).reshape(-1, 1)
            scale = storage.decode(stored).astype(np.float32)
        zero_point: Any = 0.0
        if "zero_point" in rest or quantizer.is_affine:
            zeros = book.decode(take("zero_point", layout.n_groups, book.bits))
            zero_point = quantizer._check_zero_point(zeros.reshape(-1, 1), layout)
        center = None
        if quantizer.center is not None:
            center = take("center", 1, 32).view(np.float32)[0]
        if rest:
            raise ValueError(f"{quantizer!r} has no use for the parts {sorted(rest)}")
        return cls(codes, scale, zero_point, quantizer, np.dtype(dtype), center, stored)

    def save(self, path: Any) -> None:
        """Write what `pack` gives, and the recipe, to a file: an .npz without pickle.

        The arrays are those of `pack`, each by its name; "header" holds JSON: shape, dtype, and
        the recipe as plain data.

        Parameters
        ----------
        path : of the file, which is overwritten

        Raises
        ------
        TypeError
            If the recipe's rule or function is not one of `quantedu.scales` or NumPy, so that a
            name would not bring it back.

        Examples
        --------
        >>> from quantedu.recipes import mxfp4
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "w.npz"
        >>> mxfp4().quantize(np.linspace(-1, 1, 96)).save(path)
        >>> QTensor.load(path)
        <QTensor (96,) float64: Quantizer(FP4 E2M1, power_of_two, block_size=32, \
scale_storage='E8M0'), 4.25 bits per value>
        """
        header = {
            "format": _FILE_FORMAT,
            "version": _FILE_VERSION,
            "shape": self.codes.shape,
            "dtype": self.dtype.name,
            "recipe": _to_data(self.quantizer),
        }
        text = np.frombuffer(json.dumps(header, default=np.generic.item).encode(), np.uint8)
        parts: dict[str, Any] = {"header": text, **self.pack()}
        with open(Path(path), "wb") as file:  # np.savez would add a suffix to a name
            np.savez(file, **parts)

    @classmethod
    def load(cls, path: Any) -> "QTensor":
        """The QTensor that `save` wrote, bit for bit, scales of scales and all.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is cut off, damaged, no file of `save`, or of a newer version.
        """
        content = io.BytesIO(Path(path).read_bytes())  # from here on, no error is the disk's
        try:
            if not content.getvalue().startswith(b"PK"):  # NumPy would advise to allow pickle
                raise ValueError("it is no archive")
            with np.load(content, allow_pickle=False) as archive:
                parts = {name: archive[name] for name in archive.files}
            header = json.loads(parts.pop("header").tobytes())
            if header["format"] != _FILE_FORMAT:
                raise ValueError(f"its format is {header['format']!r}")
            if header["version"] == _FILE_VERSION:
                recipe, name = _from_data(header["recipe"]), header["dtype"]
                home = np if hasattr(np, name) else import_module("ml_dtypes")
                dtype = np.dtype(getattr(home, name))
                if "float" not in dtype.name:
                    raise ValueError(f"its dtype is {name!r}, no float")
                return cls.unpack(parts, recipe, tuple(header["shape"]), dtype)
        except Exception as error:  # whatever zipfile, NumPy and JSON make of other bytes
            raise ValueError(
                f"{path} is no file of QTensor.save, or cut off, or damaged: {error!r}"
            ) from error
        raise ValueError(
            f"{path} has version {header['version']} of its format; this quantedu reads version "
            f"{_FILE_VERSION}: install a newer one"
        )


# A recipe as plain data, for JSON

_FILE_FORMAT, _FILE_VERSION = "quantedu QTensor", 1
_RECORDS = {
    record.__name__: record
    for record in (Quantizer, FloatFormat, scales.percentile, scales.mean_abs_above)
}
_FUNCTIONS = {
    name: function
    for name, function in (vars(scales) | {"mean": np.mean, "median": np.median}).items()
    if name in ("mean", "median") or getattr(function, "__module__", "") == scales.__name__
}


def _to_data(value: Any) -> Any:
    """A recipe, or what is in one, as numbers, texts, lists and dicts; functions by their name."""
    if isinstance(value, Codebook):  # bits as hexadecimal text: −0 and NaN keep theirs
        arrays = (_to_bytes(array).tobytes().hex() for array in (value.levels, value.thresholds))
        return {"type": "Codebook", "made": [value.name, *arrays, value.ties]}
    if type(value) in _RECORDS.values():
        entries = {e.name: _to_data(getattr(value, e.name)) for e in dataclasses.fields(value)}
        return {"type": type(value).__name__, **entries}
    if callable(value) and _FUNCTIONS.get(_name(value)) is not value:
        raise TypeError(
            f"a file keeps a function by its name, one of {', '.join(_FUNCTIONS)}; not {value!r}; "
            "pack() gives the bytes, to be kept beside a recipe of your own"
        )
    return {"type": "function", "name": _name(value)} if callable(value) else value


def _from_data(data: Any) -> Any:
    if not isinstance(data, dict):
        return tuple(data) if isinstance(data, list) else data
    if data["type"] == "Codebook":
        name, *arrays, ties = data["made"]
        levels, thresholds = (np.frombuffer(bytes.fromhex(text), "<f4") for text in arrays)
        return Codebook(name, levels, thresholds, ties)
    if data["type"] == "function":
        return _FUNCTIONS[data["name"]]
    entries = {name: _from_data(entry) for name, entry in data.items() if name != "type"}
    return _RECORDS[data["type"]](**entries)


def _name(value: Any) -> str:
    return getattr(value, "__name__", None) or repr(value)


def _stored_bits(fmt: FloatFormat) -> int:
    """Bits that a packed code takes: codes of up to a byte lie side by side, others in words."""
    return fmt.bits if fmt.bits <= 8 else 8 * fmt.code_dtype.itemsize


def _to_bytes(array: Any) -> np.ndarray:
    array = np.ascontiguousarray(array)
    return array.astype(array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)


# At the door


def _float32(piece: np.ndarray, center: Any) -> np.ndarray:
    """A piece as contiguous float32; a view where it is that already."""
    with np.errstate(over="ignore", invalid="ignore"):  # refused by require_finite
        piece = np.ascontiguousarray(piece, dtype=np.float32)
        return piece if center is None else piece - center


def _check_scale(scale: np.ndarray) -> None:
    wrong = ~(np.isfinite(scale) & (scale >= 0))
    if wrong.any():
        raise ValueError(
            f"a scale must be finite and not negative; got {_checks.first_wrong(scale, wrong)}"
        )


def _per_group(what: str, given: Any, layout: Layout) -> np.ndarray:
    """What was given for all groups or for each, as float32 [n_groups, 1]."""
    with np.errstate(over="ignore"):
        given = np.asarray(_checks.as_real(given)[0], dtype=np.float32)
    if given.size != 1 and given.shape not in ((layout.n_groups, 1), (layout.n_groups,)):
        raise ValueError(
            f"{what} of shape {given.shape} for {layout.n_groups} groups; give one number, or one "
            f"for each group as [{layout.n_groups}, 1]"
        )
    return np.array(np.broadcast_to(given.reshape(-1, 1), (layout.n_groups, 1)))
