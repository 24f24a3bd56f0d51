"""The NumPy language model is PyTorch's, and quantizing it does what the course says."""

import dataclasses
import importlib.util
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from quantedu import FP16, int_absmax, nf4
from quantedu.language_model import (
    LanguageModel,
    bits_per_byte,
    held_out_text,
    language_model,
    sample,
)
from quantedu.networks import DATA

HERE = Path(__file__).parent
FILE = DATA / "language_model.safetensors"
MODEL = language_model()
TEXT = held_out_text()


def tiny(rng, blocks=2, d=8, hidden=12, heads=2, context=16):
    """A model of random numbers, large enough ones that nothing is nearly linear."""
    shapes = {"gate": (hidden, d), "up": (hidden, d), "down": (d, hidden)}
    layers = {
        f"block{b}.{m}": rng.standard_normal(shapes.get(m, (d, d))) / 2
        for b in range(blocks)
        for m in ("q", "k", "v", "o", "gate", "up", "down")
    }
    norms = [f"block{b}.{n}_norm" for b in range(blocks) for n in ("attention", "mlp")]
    gains = {name: rng.uniform(0.5, 2, d) for name in (*norms, "final_norm")}
    tables = {name: rng.standard_normal((256, d)) for name in ("embedding", "head")}
    return LanguageModel(layers, tables, gains, heads=heads, context=context)


def logits_spec(model, text):
    """The logits after the last byte of text, float64, one number after the other."""
    norm = lambda x, name: x / np.sqrt(np.mean(x * x) + model.epsilon) * model.gains[name]  # noqa: E731
    stream = [np.float64(model.tables["embedding"][byte]) for byte in text]
    head = len(stream[0]) // model.heads

    def turned(x, place):
        z = x[: head // 2] + 1j * x[head // 2 :]
        z = z * np.exp(1j * place * model.rope_base ** (-2 * np.arange(head // 2) / head))
        return np.concatenate([z.real, z.imag])

    for b in range(model.blocks):
        w = {m: np.float64(model.layers[f"block{b}.{m}"]) for m in "qkvo"}
        w |= {m: np.float64(model.layers[f"block{b}.{m}"]) for m in ("gate", "up", "down")}
        normed = [norm(x, f"block{b}.attention_norm") for x in stream]
        for place in reversed(range(len(stream))):
            mixed = []
            for h in range(model.heads):
                rows = slice(h * head, (h + 1) * head)
                q = turned(w["q"][rows] @ normed[place], place)
                keys = [turned(w["k"][rows] @ x, i) for i, x in enumerate(normed[: place + 1])]
                share = np.exp([q @ k / np.sqrt(head) for k in keys])
                mixed.append(share @ [w["v"][rows] @ x for x in normed[: place + 1]] / share.sum())
            stream[place] = stream[place] + w["o"] @ np.concatenate(mixed)
            y = norm(stream[place], f"block{b}.mlp_norm")
            gate = w["gate"] @ y
            stream[place] = stream[place] + w["down"] @ (gate / (1 + np.exp(-gate)) * (w["up"] @ y))
    return model.tables["head"] @ norm(stream[-1], "final_norm")


# ---------------------------------------------------------------------- the forward pass


def test_the_logits_are_those_of_pytorch():
    with np.load(HERE / "language_model_logits.npz") as pytorch:
        logits = MODEL.logits(pytorch["window"][None])[0, pytorch["positions"]]
        np.testing.assert_allclose(logits, pytorch["logits"], atol=2e-4)
        assert bits_per_byte(MODEL, TEXT[:5000]) == pytest.approx(
            float(pytorch["bits_per_byte_of_5000"]), abs=1e-5
        )


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_the_logits_are_those_of_the_slow_definition(heads):
    rng = np.random.default_rng(heads)
    model = tiny(rng, heads=heads)
    text = bytes(rng.integers(0, 256, 11).tolist())
    np.testing.assert_allclose(
        model.forward(text)[-1], logits_spec(model, text), rtol=2e-3, atol=1e-4
    )


def test_a_later_byte_changes_no_earlier_logit_and_an_earlier_byte_changes_all_later_ones():
    codes = np.frombuffer(TEXT[:64], dtype=np.uint8)[None]
    other = codes.copy()
    other[0, 40] ^= 1
    before, after = MODEL.logits(codes)[0], MODEL.logits(other)[0]
    assert np.array_equal(before[:40], after[:40])
    assert (before[40:] != after[40:]).any(axis=-1).all()


def test_a_text_of_several_windows_is_read_window_by_window():
    model = tiny(np.random.default_rng(0))
    text = TEXT[:37]
    logits = np.concatenate([model.forward(text[i : i + 16]) for i in (0, 16, 32)])
    np.testing.assert_allclose(model.forward(text), logits, rtol=1e-4, atol=1e-5)
    assert model.forward("é").shape == (2, 256)


def test_bits_per_byte_is_the_mean_surprise_of_every_byte_but_the_first():
    model = tiny(np.random.default_rng(1))
    text = TEXT[:37]
    bits = []
    for i in range(1, len(text)):
        logits = np.float64(model.forward(text[(i - 1) // 16 * 16 : i])[-1])
        bits.append(np.log2(np.exp(logits).sum()) - logits[text[i]] / np.log(2))
    for batch in (1, 2, 16):
        assert bits_per_byte(model, text, batch=batch) == pytest.approx(np.mean(bits), rel=1e-5)


# ---------------------------------------------------------------------- sampling


@pytest.mark.parametrize("temperature", [0, 0.5, 1.0])
def test_sampling_with_and_without_the_cache_gives_the_same_text(temperature):
    for seed in range(2):
        texts = [
            sample(MODEL, "The :mod:`", 24, temperature, np.random.default_rng(seed), use_cache=use)
            for use in (True, False)
        ]
        assert texts[0] == texts[1]
        assert len(texts[0].encode()) >= 24


@pytest.mark.parametrize("temperature", [1e-3, 1e-300, 5e-324])
def test_next_to_no_temperature_takes_the_likeliest_byte_and_does_not_overflow(temperature):
    rng = np.random.default_rng(0)
    assert sample(MODEL, "import o", 4, temperature, rng) == sample(MODEL, "import o", 4, 0)


def test_sampling_up_to_the_last_byte_of_the_context_needs_no_cache_and_not_one_byte_more():
    texts = [sample(MODEL, TEXT[:200], 56, 0, use_cache=use) for use in (True, False)]
    assert texts[0] == texts[1]
    with pytest.raises(ValueError, match="200 bytes and n=57 more must fit the context, 256"):
        sample(MODEL, TEXT[:200], 57, 0)


def test_logits_with_a_cache_are_those_without():
    codes = np.frombuffer(TEXT[:48], dtype=np.uint8).reshape(1, -1)
    cache = {}
    parts = [MODEL.logits(part, cache) for part in np.split(codes, [20, 21, 40], axis=1)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), MODEL.logits(codes), atol=1e-4)


@pytest.mark.parametrize(
    ("filled_by", "message"),
    [
        (lambda: ([[1, 2], [3, 4]], MODEL), r"\(2, 6, 2, 32\)\] in 6 blocks, but 1 texts need one"),
        (lambda: ([[1, 2]], tiny(np.random.default_rng(0))), r"in 2 blocks, .*, 32\] in 6; begin"),
        (lambda: ([[1]], tiny(np.random.default_rng(0), 6, 192, 12, 12, 9)), "begin with an empty"),
    ],
)
def test_a_cache_of_other_texts_or_of_another_model_is_refused(filled_by, message):
    codes, model = filled_by()
    cache = {}
    model.logits(codes, cache)
    with pytest.raises(ValueError, match=message):
        MODEL.logits([[5]], cache)


def test_a_cache_that_a_failed_call_left_behind_is_refused():
    def fails(x):
        raise ZeroDivisionError

    cache = {}
    MODEL.logits([[1, 2]], cache)
    with pytest.raises(ZeroDivisionError):
        MODEL.with_activations({"block3.q": fails}).logits([[3]], cache)
    with pytest.raises(ValueError, match=r"\(1, 6, 2, 32\), \(1, 6, 3, 32\)\] in 6 blocks"):
        MODEL.logits([[3]], cache)


def test_a_cache_serves_several_texts_of_one_batch():
    codes = np.frombuffer(TEXT[:60], dtype=np.uint8).reshape(3, 20)
    cache = {}
    parts = [MODEL.logits(part, cache) for part in np.split(codes, [7], axis=1)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), MODEL.logits(codes), atol=1e-4)


def loud(factor, *names):
    """A tiny model whose logits, or whose attention scores, are beyond what exp takes."""
    model = tiny(np.random.default_rng(4), blocks=1)
    layers = {k: w * (factor if k in names else 1) for k, w in model.layers.items()}
    tables = {k: w * (factor if k in names else 1) for k, w in model.tables.items()}
    return dataclasses.replace(model, layers=layers, tables=tables)


def test_attention_scores_beyond_exps_range_choose_the_loudest_place():
    model, text = loud(1e4, "block0.q"), b"abcdef"
    with np.errstate(all="raise", under="ignore"):
        logits = model.forward(text)
    assert np.isfinite(logits).all()
    # shares of 0 and 1: what enters o is the value at one of the places, in each head
    v, o = (model.record(text)[name] for name in ("block0.v", "block0.o"))
    values = v @ model.layers["block0.v"].T
    for place in range(1, len(text)):
        for head in (slice(0, 4), slice(4, 8)):
            apart = np.abs(values[: place + 1, head] - o[place, head]).max(axis=1)
            assert apart.min() < 1e-4


def test_logits_beyond_exps_range_cost_as_many_bits_as_they_lie_below_the_highest():
    model, text = loud(1e4, "head"), TEXT[:12]
    logits = np.concatenate([model.forward(text[:-1])]).astype(np.float64)
    right = logits[np.arange(11), list(text[1:])]
    expected = np.mean(logits.max(axis=1) - right) / np.log(2)
    assert expected > 1000
    with np.errstate(all="raise", under="ignore"):
        assert bits_per_byte(model, text) == pytest.approx(expected, rel=1e-4)


def test_a_model_with_infinite_weights_is_refused_and_one_whose_scores_overflow_draws_nothing():
    with pytest.raises(ValueError, match=r"layers\['block0.q'\] must be finite"):
        MODEL.with_weights(lambda w: w * np.inf, "block0.q")
    model = tiny(np.random.default_rng(4), blocks=1).with_weights(np.zeros_like)
    tables = {"embedding": np.ones((256, 8)), "head": np.full((256, 8), 3e38)}
    model = dataclasses.replace(model, tables=tables)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="no longer finite; no byte"):
        sample(model, "a", 1, temperature=0)


class LowestLot:
    def random(self):
        return 0.0


def test_the_lowest_lot_does_not_draw_a_byte_of_probability_zero():
    assert sample(MODEL, "import o", 1, 1e-3, LowestLot()) == "s"


def test_a_byte_is_drawn_as_often_as_its_probability_says():
    model = tiny(np.random.default_rng(2))
    logits = np.float64(model.forward("a")[-1]) / 0.7
    p = np.exp(logits - logits.max())
    p /= p.sum()
    rng = np.random.default_rng(0)
    drawn = [sample(model, "a", 1, 0.7, rng) for _ in range(2000)]
    likely = [i for i in range(128) if p[i] > 0.02]
    assert likely
    for i in likely:  # five standard deviations
        assert abs(drawn.count(chr(i)) - 2000 * p[i]) < 5 * np.sqrt(2000 * p[i])
    upper = sum(d == "\N{REPLACEMENT CHARACTER}" for d in drawn)  # no UTF-8 by themselves
    assert abs(upper - 2000 * p[128:].sum()) < 4 * np.sqrt(500)


# ---------------------------------------------------------------------- the protocol


def test_its_layers_are_the_matrices_of_the_blocks_in_the_order_they_are_used():
    assert list(MODEL.layers)[:8] == [
        *(f"block0.{m}" for m in ("q", "k", "v", "o", "gate", "up", "down")),
        "block1.q",
    ]
    assert len(MODEL.layers) == 42
    assert sum(w.size for w in MODEL.layers.values()) / 2_755_008 > 0.96


def test_nf4_is_a_one_liner_and_costs_a_few_hundredths_of_a_bit():
    text = TEXT[:8000]
    cost = bits_per_byte(MODEL.with_weights(nf4()), text) - bits_per_byte(MODEL, text)
    assert 0 < cost < 0.05


def test_record_gives_what_enters_each_layer():
    seen = MODEL.record(TEXT[:300], layers=["block0.q", "block0.k", "block5.down"])
    assert {name: x.shape for name, x in seen.items()} == {
        "block0.q": (300, 192),
        "block0.k": (300, 192),
        "block5.down": (300, 512),
    }
    assert np.array_equal(seen["block0.q"], seen["block0.k"])


def test_rescaled_inputs_leave_the_function_as_it_was():
    rng = np.random.default_rng(3)
    model, text = tiny(rng), TEXT[:16]
    assert sorted(n for group in model.rescalable for n in group) == sorted(model.layers)
    for group in model.rescalable:
        name = group[-1]
        s = np.exp2(rng.integers(-3, 4, model.layers[name].shape[1]))
        same = model.rescale_inputs({name: s})
        np.testing.assert_allclose(same.forward(text), model.forward(text), rtol=1e-3, atol=1e-4)
        before, after = model.record(text)[name], same.record(text)[name]
        np.testing.assert_allclose(after * s, before, rtol=1e-3, atol=1e-5)
    s = {
        group[0]: rng.uniform(0.5, 2, model.layers[group[0]].shape[1]) for group in model.rescalable
    }
    same = model.rescale_inputs(s)
    np.testing.assert_allclose(same.forward(text), model.forward(text), rtol=1e-3, atol=1e-4)


def test_layers_that_read_the_same_input_may_be_named_together_with_one_divisor_and_no_other():
    model, s = tiny(np.random.default_rng(5)), np.exp2(np.arange(8) % 3 - 1.0)
    one = model.rescale_inputs({"block0.q": s})
    for scales in ({"block0.q": s, "block0.v": s}, {"block0.v": s.tolist()}):
        same = model.rescale_inputs(scales)
        assert all(np.array_equal(w, one.layers[name]) for name, w in same.layers.items())
    with pytest.raises(ValueError, match="read the same input; give them the same s"):
        model.rescale_inputs({"block0.q": s, "block0.v": 2 * s})


def test_the_batch_bounds_the_memory():
    peaks = []
    for batch in (2, 8):
        tracemalloc.start()
        bits_per_byte(MODEL, TEXT[:8192], batch=batch)
        peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
        tracemalloc.stop()
    assert peaks[0] < 40 < peaks[1] < 160


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: bits_per_byte(MODEL, ""), ValueError, "0 bytes; at least 2"),
        (lambda: bits_per_byte(MODEL, "a"), ValueError, "1 bytes; at least 2"),
        (lambda: bits_per_byte(MODEL, 7), TypeError, "must be str or bytes, not int"),
        (lambda: bits_per_byte(MODEL, "ab", batch=0), ValueError, "batch=0"),
        (lambda: MODEL.forward(b""), ValueError, "0 bytes; at least 1"),
        (lambda: MODEL.logits(np.zeros((1, 257), int)), ValueError, "257 bytes .* context, 256"),
        (lambda: MODEL.logits([[256]]), ValueError, "0 … 255; got 256"),
        (lambda: MODEL.logits([1, 2]), ValueError, r"integers \[n, t\]"),
        (lambda: MODEL.logits([[0.5]]), ValueError, r"integers \[n, t\]"),
        (lambda: sample(MODEL, "", 1, temperature=0), ValueError, "prompt has 0 bytes"),
        (lambda: sample(MODEL, "a", 256, temperature=0), ValueError, "must fit the context"),
        (lambda: sample(MODEL, "a", 1), ValueError, "rng=None"),
        (lambda: sample(MODEL, "a", 1, -1.0), ValueError, "temperature=-1"),
        (lambda: sample(MODEL, "a", 1, 1.0, 0), ValueError, "=1.0 with rng=0; .*default_rng"),
        (lambda: MODEL.logits([[1]], []), TypeError, r"cache must be a dict, .* not \[\]"),
        (lambda: MODEL.with_weights(nf4(), ["head"]), ValueError, r"no layer \['head'\].*block0.q"),
        (lambda: MODEL.with_weights(np.ravel), ValueError, "must keep the shape"),
        (lambda: dataclasses.replace(MODEL, heads=5), ValueError, "192, 5 heads"),
    ],
)
def test_what_cannot_be_is_refused_with_words(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_a_damaged_or_foreign_file_is_refused_by_name(tmp_path):
    whole, path = FILE.read_bytes(), tmp_path / "copy.safetensors"
    arrays = load_file(FILE)
    about = {"quantedu.language_model": json.dumps({"heads": 6, "context": 256})}
    broken = {**arrays, "block0.q": np.full((192, 192), np.nan, np.float16)}
    fewer = {name: a for name, a in arrays.items() if name != "block3.up"}
    for write, says in (
        (lambda: path.write_bytes(whole[:-1000]), "copy.safetensors is damaged"),
        (lambda: path.write_bytes(whole[:100]), "copy.safetensors is damaged"),
        (lambda: path.write_bytes(b""), "copy.safetensors is damaged"),
        (lambda: path.write_bytes(b"x" + whole), "copy.safetensors is damaged"),
        (lambda: save_file(arrays, path), "holds something else"),
        (lambda: save_file(broken, path, about), r"NaN or infinity in \['block0.q'\]"),
        (lambda: save_file(fewer, path, about), "block3.up is missing"),
        *(
            (lambda text=text: save_file(arrays, path, {"quantedu.language_model": text}), says)
            for text, says in {
                "no JSON": "says 'no JSON' of its model, which makes no sense here",
                "3": "must be a mapping",
                '{"heads": 6}': "missing 1 required .* 'context'",
                '{"heads": "6", "context": 256}': "get it again, or a newer quantedu",
                '{"heads": 6, "context": 256, "experts": 4}': "'experts'.* a newer quantedu",
                '{"heads": 6, "context": 256, "rope_base": "x"}': "makes no sense here",
                '{"heads": 6, "context": 256, "rope_base": -1}': "rope_base=-1 must be above 0",
            }.items()
        ),
    ):
        write()
        with pytest.raises(ValueError, match=says):
            language_model(path)
    with pytest.raises(FileNotFoundError):
        language_model(tmp_path / "none.safetensors")
    save_file(arrays, path, about)
    assert np.array_equal(language_model(path).layers["block0.q"], MODEL.layers["block0.q"])


# ---------------------------------------------------------------------- what is shipped


def test_what_is_shipped_is_small_and_its_text_is_no_training_text():
    assert FILE.stat().st_size < 6e6
    assert 120_000 < len(TEXT) < 140_000
    TEXT.decode()
    assert all(np.array_equal(FP16.round(w), w) for w in MODEL.layers.values())


def recorder():
    path = HERE.parent / "tools" / "record_language_model.py"
    spec = importlib.util.spec_from_file_location("record_language_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECORDS = json.loads((DATA / "language_model_records.json").read_text(encoding="utf-8"))


def test_the_records_are_what_the_script_gives():
    tool = recorder()
    assert [r["name"] for r in RECORDS["squeezed"]] == list(tool.SQUEEZED)
    [record] = [r for r in RECORDS["squeezed"] if r["name"] == "INT4"]
    small = MODEL.with_weights(tool.SQUEEZED["INT4"][1])
    found = bits_per_byte(small, TEXT[: RECORDS["short"]])
    assert found == pytest.approx(record["bits_per_byte_short"], abs=1e-3)
    assert record["bits_per_weight"] == 4.5


def test_the_records_show_what_the_course_says():
    weights, activations = (
        {(r["name"], r["shared"]): r["bits_per_byte"] for r in RECORDS[table]}
        for table in ("weights", "activations")
    )
    exact = RECORDS["float32"]["bits_per_byte"]
    assert all(abs(weights["INT8", who] - exact) < 0.002 for who in ("per tensor", "block 64"))
    nf4_, block, channel, tensor = (
        weights[key]
        for key in [
            ("NF4", "block 64"),
            *(("INT4", w) for w in ("block 64", "per channel", "per tensor")),
        ]
    )
    assert exact < nf4_ < block < channel < tensor
    assert weights["INT3", "per tensor"] > 2 * exact
    assert activations["W4A4", "per tensor"] - activations["W4A4", "per token"] > 0.5
    names = [r["name"] for r in RECORDS["squeezed"]]
    assert names == ["FP16", "INT8", "INT6", "INT5", "NF4", "INT4", "INT3", "INT2"]


def test_a_recipe_for_activations_works_on_every_layer():
    text = TEXT[:2000]
    token, tensor = (
        bits_per_byte(MODEL.with_activations(int_absmax(4, axis=axis)), text) for axis in (-1, None)
    )
    assert token < tensor


def test_the_records_by_window_are_what_the_script_gives():
    path = HERE.parent / "tools" / "record_windows.py"
    spec = importlib.util.spec_from_file_location("record_windows", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    with np.load(DATA / "window_records.npz") as stored:
        rows = dict(stored)
    assert list(rows) == ["FP32", *tool.RECIPES]
    assert all(row.shape == (tool.COUNT,) for row in rows.values())
    for name in ("NF4", "INT4 per channel", "1 bit, sign, q and k alone"):
        assert tool.by_window(tool.changed(MODEL, name), 2) == pytest.approx(rows[name][:2], 1e-3)
    for name, row in {"NF4": "NF4", "INT4 block 64": "INT4"}.items():
        [record] = [r for r in RECORDS["squeezed"] if r["name"] == row]
        assert rows[name].mean() == pytest.approx(record["bits_per_byte_short"], abs=1e-3)
