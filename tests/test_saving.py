"""What is saved comes back bit for bit; what is no such file is refused in words."""

import copy
import dataclasses
import json
import pickle

import ml_dtypes
import numpy as np
import pytest
from test_quantizers import RECIPES, gaussian, of_recipes

from quantedu import formats, ptq, scales
from quantedu.codebooks import FP4_BITSANDBYTES, INT8, NF4, format_codebook
from quantedu.language_model import language_model
from quantedu.networks import Model, digits_network
from quantedu.quantizers import QTensor, Quantizer
from quantedu.recipes import int_absmax, int_affine, mxfp4, mxint8, nf4, nvfp4

BLOCK_FORMATS = {"mxfp4": mxfp4(), "mxint8": mxint8("even", axis=-1), "nvfp4": nvfp4()}


def same(a, b):
    """Equal to the last bit, all that they hold."""
    assert a.quantizer == b.quantizer
    assert a.dtype == b.dtype
    for name in ("codes", "scale", "zero_point"):
        assert np.asarray(getattr(a, name)).tobytes() == np.asarray(getattr(b, name)).tobytes()
    assert (a.center is None) == (b.center is None)
    assert a.dequantize().tobytes() == b.dequantize().tobytes()
    if isinstance(a.stored_scale, QTensor):
        same(a.stored_scale, b.stored_scale)
    else:
        np.testing.assert_array_equal(a.stored_scale, b.stored_scale)
    return True


@pytest.mark.parametrize("recipe", [*RECIPES.values(), *BLOCK_FORMATS.values()])
@pytest.mark.parametrize("shape", [(6, 20), (3, 7), (2, 0)])
def test_what_is_saved_comes_back_bit_for_bit(tmp_path, recipe, shape):
    q = recipe.quantize(gaussian(shape, seed=1))
    q.save(tmp_path / "q.npz")
    assert same(QTensor.load(tmp_path / "q.npz"), q)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16, np.int8])
def test_the_dtype_of_x_comes_back(tmp_path, dtype):
    q = nf4(double_quant=True).quantize((gaussian(100) * 9).astype(dtype))
    q.save(str(tmp_path / "no suffix is added"))
    assert same(QTensor.load(tmp_path / "no suffix is added"), q)


def test_the_file_needs_neither_pickle_nor_this_library(tmp_path):
    q = nf4().quantize(gaussian(64))
    q.save(tmp_path / "q.npz")
    with np.load(tmp_path / "q.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == ["codes", "header", "scale"]
        np.testing.assert_array_equal(archive["codes"], q.pack()["codes"])
        header = json.loads(archive["header"].tobytes())
    assert header["shape"] == [64]
    levels = bytes.fromhex(header["recipe"]["codebook"]["made"][1])
    np.testing.assert_array_equal(np.frombuffer(levels, "<f4"), NF4.levels)


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_said_to_be(tmp_path, kept):
    path = tmp_path / "q.npz"
    nf4().quantize(gaussian(1000)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match=r"q\.npz is no file of QTensor\.save, or cut off"):
        QTensor.load(path)


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "q.npz"
    nf4().quantize(gaussian(1000)).save(path)
    whole = bytearray(path.read_bytes())
    place = whole.find(b"codes.npy") + 200
    whole[place] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="cut off, or damaged"):
        QTensor.load(path)


class Foreign:
    pass


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("weights"),
        lambda path: np.save(path, np.arange(3)),
        lambda path: np.savez(path, codes=np.arange(3)),
        lambda path: np.savez(path, header=np.arange(3)),
        lambda path: np.save(path, Foreign(), allow_pickle=True),
        lambda path: np.savez(path, header=np.array(Foreign())),
        lambda path: path.write_bytes(pickle.dumps({"codes": 1})),
    ],
)
def test_a_foreign_file_is_refused_and_never_unpickled(tmp_path, write):
    write(tmp_path / "q.npy")
    path = next(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"is no file of QTensor\.save"):
        QTensor.load(path)


def with_header(path, **changed):
    with np.load(path) as archive:
        parts = {name: archive[name] for name in archive.files}
    header = json.loads(parts.pop("header").tobytes()) | changed
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **parts)


def test_a_newer_file_says_what_to_do(tmp_path):
    path = tmp_path / "q.npz"
    nf4().quantize(gaussian(10)).save(path)
    with_header(path, version=2, recipe="in a way not yet thought of")
    with pytest.raises(ValueError, match=r"has version 2 .* reads version 1: install a newer one"):
        QTensor.load(path)


@pytest.mark.parametrize(
    "changed",
    [
        *({"shape": [11]}, {"shape": 10}, {"recipe": None}, {"format": "else"}),
        *({"dtype": name} for name in ("float31", "int8", "complex64", "str_", "add", "int4", 4)),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path, changed):
    path = tmp_path / "q.npz"
    nf4().quantize(gaussian(10)).save(path)
    with_header(path, **changed)
    with pytest.raises(ValueError, match="or damaged"):
        QTensor.load(path)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        QTensor.load(tmp_path / "q.npz")


def test_a_rule_of_ones_own_has_no_name_to_be_saved_by(tmp_path):
    def absmax(groups, codebook):  # not that of quantedu.scales
        return np.abs(groups).max(axis=1, keepdims=True), 0.0

    with pytest.raises(TypeError, match="a file keeps a function by its name"):
        Quantizer(NF4, absmax).quantize([1.0]).save(tmp_path / "q.npz")
    with pytest.raises(TypeError, match="a file keeps a function by its name"):
        Quantizer(NF4, scales.absmax, center=np.max).quantize([1.0]).save(tmp_path / "q.npz")


# ---------------------------------------------------------------------- pickles and copies


@of_recipes
def test_recipes_and_what_they_make_are_copied_and_pickled(recipe):
    q = recipe.quantize(gaussian((6, 20)))
    for again in (pickle.loads(pickle.dumps(q)), copy.deepcopy(q), copy.copy(q)):
        assert same(again, q)
        assert hash(again.quantizer) == hash(recipe)
        with pytest.raises(ValueError, match="read-only"):
            again.codes[...] = 0


@pytest.mark.parametrize(
    "book", [NF4, INT8, FP4_BITSANDBYTES, format_codebook(formats.E4M3)], ids=lambda b: b.name
)
def test_a_copied_codebook_is_the_same_to_the_sign_of_zero_and_read_only(book):
    for again in (pickle.loads(pickle.dumps(book)), copy.deepcopy(book)):
        assert again == book
        assert again.ties == book.ties
        assert again.thresholds.tobytes() == book.thresholds.tobytes()
        assert not again.levels.flags.writeable
        np.testing.assert_array_equal(again.encode([0.0, -0.0]), book.encode([0.0, -0.0]))


COPIES = {
    "pickle": lambda it: pickle.loads(pickle.dumps(it)),
    "the oldest pickle": lambda it: pickle.loads(pickle.dumps(it, protocol=0)),
    "deep copy": copy.deepcopy,
    "copy": copy.copy,
}
each_copy = pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)


@each_copy
@pytest.mark.parametrize("fmt", formats.FORMATS, ids=lambda fmt: fmt.name)
def test_a_copied_format_is_the_same_and_hashes_the_same(again, fmt):
    fmt.max  # noqa: B018  # a value kept for later must not stand in the way
    other = again(fmt)
    assert (other, hash(other), other.max) == (fmt, hash(fmt), fmt.max)
    x = [-1.5, 0.0, 3.14159]
    if fmt.signed and fmt.subnormals:
        np.testing.assert_array_equal(other.encode(x), fmt.encode(x))


def digits():
    return np.float32(np.random.default_rng(0).integers(0, 17, (5, 64)))


def integers_only():
    net = digits_network()
    return ptq.integer_network(
        net, int_absmax(8, axis=-1), ptq.calibrate(net, [digits()], int_affine(8))
    )


MODELS = {
    "Network": (digits_network, digits),
    "Network under recipes": (
        lambda: ptq.quantized(digits_network(), int_absmax(4, -1), int_affine(8)),
        digits,
    ),
    "IntegerNetwork": (integers_only, digits),
    "LanguageModel": (language_model, lambda: "import os"),
    "LanguageModel under recipes": (
        lambda: ptq.quantized(language_model(), nf4(), ptq.SplitOutliers()),
        lambda: "import os",
    ),
}


@each_copy
@pytest.mark.parametrize(("make", "inputs"), MODELS.values(), ids=MODELS)
def test_a_copied_model_computes_the_same_bits_and_is_as_frozen(again, make, inputs):
    model, x = make(), inputs()
    other = again(model)
    assert type(other) is type(model)
    np.testing.assert_array_equal(other.forward(x), model.forward(x))
    assert list(other.layers) == list(model.layers)
    with pytest.raises(dataclasses.FrozenInstanceError):
        other.layers = {}
    if isinstance(other, Model):
        first = next(iter(other.layers))
        with pytest.raises(ValueError, match="read-only"):
            other.layers[first][0, 0] = 1
        with pytest.raises(TypeError, match="does not support item assignment"):
            other.layers[first] = np.zeros((1, 1))
        assert list(other.rescalable) == list(model.rescalable)


RECORDS = {
    "Static": lambda: ptq.calibrate(digits_network(), [digits()], int_affine(4))["hidden2"],
    "Static by channel": lambda: ptq.calibrate(digits_network(), [digits()], int_affine(4, axis=0))[
        "hidden1"
    ],
    "SplitOutliers": lambda: ptq.SplitOutliers(2.0, int_absmax(4, axis=-1)),
    "Quantizer": lambda: Quantizer(
        NF4, scales.percentile(99.0), -1, 16, scale_storage=formats.FP16
    ),
}


@each_copy
@pytest.mark.parametrize("make", RECORDS.values(), ids=RECORDS)
def test_a_copied_recipe_gives_the_same_bits(again, make):
    recipe, x = make(), np.random.default_rng(1).standard_normal((7, 64)).astype(np.float32)
    other = again(recipe)
    assert type(other) is type(recipe)
    np.testing.assert_array_equal(other(x), recipe(x))
    if isinstance(recipe, Quantizer | ptq.SplitOutliers):
        assert (other, hash(other)) == (recipe, hash(recipe))


# ---------------------------------------------------------------------- zero-points


def test_an_affine_recipe_does_not_do_without_its_zero_points():
    q = int_affine(4, block_size=8).quantize(np.linspace(-1, 2, 20))
    parts = q.pack()
    del parts["zero_point"]
    with pytest.raises(ValueError, match=r"needs the part 'zero_point'; got \['codes', 'scale'\]"):
        QTensor.unpack(parts, q.quantizer, (20,))


def test_an_affine_recipe_under_a_given_scale_stores_zero_points_of_0():
    q = int_affine(4).quantize([0.0, 1.0, 2.0], scale=0.2)
    assert q.zero_point.tolist() == [[0.0]]
    assert q.dequantize().tolist() == pytest.approx([0, 1, 2], abs=1e-6)
    assert same(QTensor.unpack(q.pack(), q.quantizer, (3,), np.float64), q)


@pytest.mark.parametrize(
    "rule", [scales.percentile(np.float32(99.9)), scales.mean_abs_above(np.float32(0.7))]
)
def test_a_float32_parameter_of_a_rule_is_not_cut_to_an_integer(tmp_path, rule):
    q = Quantizer(INT8, rule).quantize(gaussian(10))
    q.save(tmp_path / "q.npz")
    assert QTensor.load(tmp_path / "q.npz").quantizer == q.quantizer


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_the_other_byte_order_is_made_the_machines_own(tmp_path, dtype):
    q = nf4().quantize(gaussian(100).astype(dtype))
    assert q.dtype.isnative
    q.save(tmp_path / "q.npz")
    assert same(q, QTensor.load(tmp_path / "q.npz"))


def test_any_flipped_bit_gives_the_same_tensor_or_a_value_error(tmp_path):
    path, q = tmp_path / "q.npz", int_affine(4, block_size=8).quantize(gaussian(40))
    q.save(path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x80]) + whole[place + 1 :])
        try:
            again = QTensor.load(path)
        except ValueError:
            continue
        assert same(q, again), place


@pytest.mark.parametrize("path", [0, 1, True, None])
def test_a_number_is_no_file_to_save_to_or_load_from(path):
    """open() would take it for the number of an open file: standard output, say."""
    with pytest.raises(TypeError):
        nf4().quantize([1.0]).save(path)
    with pytest.raises(TypeError):
        QTensor.load(path)
