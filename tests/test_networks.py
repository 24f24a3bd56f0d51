"""The network is what its formula says, and the shipped one reads digits."""

import copy
import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from quantedu import int_absmax, int_affine
from quantedu.networks import (
    DATA,
    Network,
    adam,
    descend,
    digits_network,
    held_out,
    initial,
    sgd,
    train,
)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("train_digits", ROOT / "tools/train_digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def two_layers():
    return Network(
        {"a": [[1, 2], [-1, 1], [0, 3]], "b": [[1, 1, 1], [1, -1, 2]]},
        {"a": [0, 1, -1], "b": [0.5, 0]},
    )


def forward_spec(net, x):
    """Neuron by neuron."""
    for depth, (name, weights) in enumerate(net.layers.items()):
        values = []
        for row, bias in zip(weights.tolist(), net.biases[name].tolist()):
            inputs = [max(v, 0.0) if depth else v for v in x]
            values.append(sum(w * v for w, v in zip(row, inputs)) + bias)
        x = values
    return x


def test_forward_is_the_formula_by_hand():
    # [1, −2] → hidden 1 − 4 = −3, −1 − 2 + 1 = −2, −6 − 1 = −7, all cut to 0 → only the biases
    assert two_layers().forward([[1, -2]]).tolist() == [[0.5, 0]]
    # [1, 2] → 5, 2, 5 → 12 + 0.5 and 5 − 2 + 10
    assert two_layers().forward([[1, 2]]).tolist() == [[12.5, 13]]


def test_forward_is_the_slow_loop_on_the_shipped_network():
    x, _ = load_digits(return_X_y=True)
    net = digits_network()
    expected = [forward_spec(net, image) for image in x[:5].tolist()]
    assert np.allclose(net.forward(x[:5]), expected, rtol=0, atol=1e-3)


def test_the_last_layer_is_not_cut_at_zero():
    assert Network({"only": [[1]]}, {"only": [0]}).forward([[-3]]).item() == -3


def test_a_network_is_frozen():
    net = digits_network()
    with pytest.raises(ValueError, match="read-only"):
        net.layers["output"][0, 0] = 1
    with pytest.raises(TypeError):
        net.layers["output"] = np.zeros((10, 64))
    with pytest.raises(AttributeError):
        net.layers = {}


def test_with_weights_changes_the_named_layers_only():
    net = two_layers()
    doubled = net.with_weights(lambda w: 2 * w, layers=["b"])
    assert np.array_equal(doubled.layers["b"], 2 * net.layers["b"])
    assert np.array_equal(doubled.layers["a"], net.layers["a"])
    assert np.array_equal(doubled.biases["b"], net.biases["b"])
    zeroed = net.with_weights(np.zeros_like)
    assert not any(w.any() for w in zeroed.layers.values())


@pytest.mark.parametrize(
    ("layers", "biases", "message"),
    [
        ({"a": [[1]]}, {"b": [1]}, r"same names in the same order.*\['a'\] and \['b'\]"),
        ({}, {}, "at least one"),
        ({"a": [1]}, {"a": [1]}, r"layers\['a'\] must have 2 axes, not shape \(1,\)"),
        ({"a": [[1]]}, {"a": 1}, r"biases\['a'\] must have 1 axes, not shape \(\)"),
        (
            {"a": [[np.nan]]},
            {"a": [1]},
            r"layers\['a'\] must be finite .* got 1 of 1, the first nan",
        ),
        ({"a": [[1]]}, {"a": [-np.inf]}, r"biases\['a'\] must be finite as float32; .* -inf at 0"),
        ({"a": [[1.0, 1e39]]}, {"a": [0]}, r"layers\['a'\] must be finite .* the first inf"),
        ({"a": [[1], [1, 2]]}, {"a": [0]}, "inhomogeneous"),
        ({"a": [[1, 2]]}, {"a": [1, 2]}, r"'a' has weights \(1, 2\) and bias \(2,\)"),
        ({"a": [[1]], "b": [[1, 2]]}, {"a": [0], "b": [0]}, "'b' .* gets 1 numbers"),
    ],
)
def test_what_does_not_fit_together_is_refused(layers, biases, message):
    with pytest.raises(ValueError, match=message):
        Network(layers, biases)


def test_an_unknown_layer_is_refused_and_the_known_ones_named():
    with pytest.raises(ValueError, match=r"no layer \['c'\]; this network has \['a', 'b'\]"):
        two_layers().with_weights(np.round, layers=["c"])


# ---------------------------------------------------------------------- the protocol of a Model


def digits(n=40):
    return load_digits().data[:n].astype(np.float32)


def test_a_recipe_for_each_layer_changes_these_layers():
    net = two_layers().with_weights({"b": np.negative})
    assert np.array_equal(net.layers["b"], -two_layers().layers["b"])
    assert np.array_equal(net.layers["a"], two_layers().layers["a"])
    both = {"a": np.negative, "b": np.negative}
    assert np.array_equal(two_layers().with_weights(both, "b").layers["a"], net.layers["a"])


def test_a_recipe_that_changes_the_shape_is_refused():
    with pytest.raises(
        ValueError, match=r"keep the shape; for layer 'a' it made \(3,\) of \(3, 2\)"
    ):
        two_layers().with_weights(lambda w: w[:, 0])
    with pytest.raises(ValueError, match="keep the shape; for layer 'b'"):
        two_layers().with_activations(np.transpose, "b").forward(np.ones((4, 2)))


@pytest.mark.parametrize("method", ["with_weights", "with_activations"])
@pytest.mark.parametrize("arguments", [(np.round, ["c"]), ({"c": np.round},), (np.round, "c")])
def test_every_way_to_name_an_unknown_layer_is_refused(method, arguments):
    with pytest.raises(ValueError, match=r"no layer \['c'\]; this network has \['a', 'b'\]"):
        getattr(two_layers(), method)(*arguments)


def test_with_activations_is_the_recipe_before_the_matmul():
    net, x = digits_network(), digits()
    rounded = net.with_activations(np.round, ["hidden2"])
    hidden = np.maximum(x @ net.layers["hidden1"].T + net.biases["hidden1"], 0).round()
    hidden = np.maximum(hidden @ net.layers["hidden2"].T + net.biases["hidden2"], 0)
    assert np.array_equal(
        rounded.forward(x), hidden @ net.layers["output"].T + net.biases["output"]
    )
    assert np.array_equal(net.forward(x), digits_network().forward(x))  # the old one is as it was


def test_a_second_recipe_for_a_layer_replaces_the_first_and_leaves_the_others():
    net = two_layers().with_activations(np.floor).with_activations(np.ceil, "b")
    assert net.activations == {"a": np.floor, "b": np.ceil}
    assert net.with_weights(np.round).activations == net.activations


def test_record_hears_what_enters_each_layer_before_its_recipe():
    net, x = two_layers(), np.array([[1.5, 2], [-3, 4]], dtype=np.float32)
    heard = net.record(x)
    assert np.array_equal(heard["a"], x)
    assert np.array_equal(heard["b"], np.maximum(x @ net.layers["a"].T + net.biases["a"], 0))
    assert list(net.record(x, ["b"])) == ["b"]
    heard = net.with_activations(np.floor).record(x)
    assert np.array_equal(heard["a"], x)
    assert net.activations == {}


def test_rescaled_inputs_leave_the_function_as_it_was():
    net, x = digits_network(), digits()
    rng = np.random.default_rng(0)
    s = {"hidden2": rng.uniform(0.1, 10, 128), "output": rng.uniform(0.1, 10, 64)}
    same = net.rescale_inputs(s)
    assert np.allclose(same.forward(x), net.forward(x), rtol=1e-4, atol=1e-4)
    before, after = net.record(x), same.record(x)
    for name in s:
        assert np.allclose(after[name] * s[name], before[name], rtol=1e-4, atol=1e-4)
        assert not np.allclose(after[name], before[name])


def test_rescaling_by_powers_of_two_changes_no_bit():
    net, x = digits_network(), digits()
    same = net.rescale_inputs({"hidden2": 2.0 ** (np.arange(128) % 9 - 4)})
    assert np.array_equal(same.forward(x), net.forward(x))


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ({"a": [1, 1]}, r"cannot rescale what enters \['a'\]; one can for \(\('b',\),\)"),
        ({"c": [1, 1]}, r"cannot rescale what enters \['c'\]"),
        ({"b": [1, 1]}, r"must be 3 positive finite numbers; got shape \(2,\)"),
        ({"b": [1, 0, 1]}, r"positive .* from 0 to 1"),
        ({"b": [1, np.nan, 1]}, "finite"),
    ],
)
def test_what_cannot_be_rescaled_is_refused(scales, message):
    with pytest.raises(ValueError, match=message):
        two_layers().rescale_inputs(scales)


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_a_copy_is_the_same_network_and_as_frozen(again):
    net = again(two_layers().with_activations(np.floor))
    assert np.array_equal(net.forward([[1, 2]]), [[12.5, 13]])
    assert net.activations == {"a": np.floor, "b": np.floor}
    with pytest.raises(ValueError, match="read-only"):
        net.layers["a"][0, 0] = 1


def test_inputs_of_the_wrong_width_are_refused():
    with pytest.raises(ValueError, match=r"layer 'a' takes \[..., 2\], but got shape \(4, 3\)"):
        two_layers().forward(np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"layer 'a' takes \[..., 2\], but got shape \(\)"):
        two_layers().forward(1.0)


# ---------------------------------------------------------------------- loss and gradients


def loss_spec(parameters, x, labels):
    """Image by image, in float64."""
    losses = []
    for values, label in zip(x, labels):
        for i, (w, b) in enumerate(zip(parameters[0::2], parameters[1::2])):
            values = w @ (np.maximum(values, 0) if i else values) + b
        losses.append(np.log(np.exp(values - values[label]).sum()))
    return np.mean(losses)


def test_the_gradients_are_those_of_finite_differences():
    rng = np.random.default_rng(1)
    net, x, labels = digits_network(), digits(8), rng.integers(0, 10, 8)
    loss, found = net.gradients(x, labels)
    parameters = [p.astype(np.float64) for p in net.parameters.values()]
    assert np.isclose(loss, loss_spec(parameters, x, labels), rtol=1e-5)
    assert loss == net.loss(x, labels)
    assert list(found) == list(net.parameters)
    for p, g in zip(parameters, found.values()):
        for _ in range(8):
            place = tuple(rng.integers(n) for n in p.shape)
            ends = []
            for step in (1e-6, -1e-6):
                p[place] += step
                ends.append(loss_spec(parameters, x, labels))
                p[place] -= step
            assert abs((ends[0] - ends[1]) / 2e-6 - g[place]) < 1e-4 * max(1, abs(g[place]))


def test_the_loss_does_not_overflow_for_scores_beyond_exps_range():
    net = Network({"only": [[1], [-1]]}, {"only": [0, 0]})
    assert net.loss([[1000], [1000]], [0, 1]) == 1000  # 0 for the first, 2000 for the second


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 2], r"labels must be 0 … 1; got 1 others, the first of them 2"),
        ([-1, 0], r"first of them -1"),
        ([0], r"shape \(2,\), one for each input; got int64 of shape \(1,\)"),
        ([0.0, 1.0], "got float64"),
    ],
)
@pytest.mark.parametrize("method", ["loss", "gradients", "accuracy"])
def test_labels_that_do_not_fit_are_refused(method, labels, message):
    with pytest.raises(ValueError, match=message):
        getattr(two_layers(), method)(np.ones((2, 2)), labels)


@pytest.mark.parametrize("shape", [(2,), (0, 2), (3, 1, 2)])
@pytest.mark.parametrize("method", ["loss", "gradients", "accuracy"])
def test_a_score_needs_inputs_in_rows_and_at_least_one(method, shape):
    with pytest.raises(ValueError, match=r"must be \[n, n_in\], at least one; got shape \("):
        getattr(two_layers(), method)(np.ones(shape), np.zeros(shape[:-1], int))


def test_a_missing_bias_is_said_to_be_missing():
    with pytest.raises(ValueError, match=r"same names .* got \['a'\] and \[\]"):
        Network.from_parameters({"a.weight": [[1]]})


def test_a_recipe_that_works_in_place_cannot_change_what_was_given():
    x = np.full((1, 2), 2.0, dtype=np.float32)
    with pytest.raises(ValueError, match="read-only"):
        two_layers().with_activations(lambda z: np.multiply(z, 0, out=z)).forward(x)
    assert (x == 2).all()


def test_held_out_takes_one_fifth_of_each_digit():
    _, labels = load_digits(return_X_y=True)
    held = held_out(labels)
    assert held.sum() == 360
    of_each = np.bincount(labels[held]) / np.bincount(labels)
    assert np.allclose(of_each, 1 / 5, atol=0.005)


def test_the_shipped_network_reads_at_least_97_percent_of_digits_it_never_saw():
    x, labels = load_digits(return_X_y=True)
    test = held_out(labels)
    assert digits_network().accuracy(x[test], labels[test]) >= 0.97


def test_the_shipped_weights_are_few_and_finite_and_without_pickle():
    assert (DATA / "digits_network.npz").stat().st_size < 2**17
    weights = digits_network().layers
    assert [w.shape for w in weights.values()] == [(128, 64), (64, 128), (10, 64)]
    assert all(w.dtype == np.float32 and np.isfinite(w).all() for w in weights.values())


# ---------------------------------------------------------------------- training


def halves(n=200):
    x, labels = load_digits(return_X_y=True)
    test = held_out(labels)
    return (x / 16)[~test][:n], labels[~test][:n], (x / 16)[test], labels[test]


def adam_spec(p, gradient, steps, rate):
    """One number at a time, as the paper's Algorithm 1 has it, with a rate that falls to zero."""
    m = v = 0.0
    for t in range(1, steps + 1):
        g = gradient(p)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        p -= rate * (1 - (t - 1) / steps) * m_hat / (v_hat**0.5 + 1e-8)
    return p


def sgd_spec(p, gradient, steps, rate):
    speed = 0.0
    for t in range(steps):
        speed = 0.9 * speed + gradient(p)
        p -= rate * (1 - t / steps) * speed
    return p


@pytest.mark.parametrize(("optimizer", "spec"), [(adam, adam_spec), (sgd, sgd_spec)])
def test_descend_is_the_published_optimizer(optimizer, spec):
    start = {"p": np.array([3.0, -1.0])}
    found = descend(
        start,
        lambda p, rows: (0.0, {"p": 2 * (p["p"] - 1)}),
        n=6,
        batch=2,
        epochs=4,
        rng=np.random.default_rng(0),
        rate=0.05,
        optimizer=optimizer,
    )
    expected = [spec(p, lambda p: 2 * (p - 1), steps=12, rate=0.05) for p in (3.0, -1.0)]
    assert np.allclose(found["p"], expected, rtol=1e-12)
    assert start["p"].tolist() == [3, -1]


def test_every_epoch_sees_every_example_once_in_a_new_order():
    seen, epochs = [], []
    descend(
        {"p": np.zeros(1)},
        lambda p, rows: (0.0, seen.append(rows) or {"p": np.zeros(1)}),
        n=8,
        batch=4,
        epochs=2,
        rng=np.random.default_rng(0),
        watch=lambda epoch, p: epochs.append(epoch),
    )
    first, second = np.concatenate(seen[:2]), np.concatenate(seen[2:])
    assert sorted(first) == sorted(second) == list(range(8))
    assert not np.array_equal(first, second)
    assert epochs == [0, 1, 2]


def test_a_few_epochs_are_enough_for_97_percent_whatever_the_seed():
    x, labels, unseen, right = halves(None)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        net = train(initial((64, 128, 64, 10), rng), x, labels, 25, rng)
        assert net.accuracy(unseen, right) >= 0.97


def test_training_learns_with_momentum_too():
    x, labels, unseen, right = halves(None)
    rng = np.random.default_rng(0)
    net = train(initial((64, 32, 10), rng), x, labels, 10, rng, optimizer=sgd, rate=0.1)
    assert net.accuracy(unseen, right) > 0.9


def test_the_same_seed_gives_the_same_network_and_the_old_one_stays():
    x, labels, _, _ = halves()
    start = initial((64, 8, 10), np.random.default_rng(0))
    before = start.layers["hidden1"].copy()
    one, two = (train(start, x, labels, 2, np.random.default_rng(1)) for _ in range(2))
    assert all(np.array_equal(p, two.parameters[name]) for name, p in one.parameters.items())
    assert np.array_equal(start.layers["hidden1"], before)
    assert not np.array_equal(one.layers["hidden1"], before)


def test_decay_makes_weights_smaller():
    x, labels, _, _ = halves()
    start = initial((64, 8, 10), np.random.default_rng(0))
    sizes = [
        np.abs(train(start, x, labels, 3, np.random.default_rng(1), decay=d).layers["output"]).sum()
        for d in (0, 0.1)
    ]
    assert sizes[1] < sizes[0]


def test_first_weights_have_the_variance_that_keeps_a_signals_size():
    net = initial((400, 300, 10), np.random.default_rng(0))
    assert list(net.layers) == ["hidden1", "output"]
    assert abs(net.layers["hidden1"].std() / (2 / 400) ** 0.5 - 1) < 0.02
    assert not any(b.any() for b in net.biases.values())


def test_training_that_diverges_stops_and_gives_finite_weights_back():
    x, labels, unseen, _ = halves()
    start = initial((64, 8, 10), np.random.default_rng(0))
    with pytest.warns(RuntimeWarning, match="met NaN or infinity after .* lower rate than 1e.30"):
        net = train(start, x, labels, 2, np.random.default_rng(1), optimizer=sgd, rate=1e30)
    assert np.isfinite(net.forward(unseen)).all()


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_given_back_are_the_last_parameters_that_had_a_finite_loss(what):
    losses = []

    def gradients(p, rows):
        losses.append(p["p"])
        bad = np.nan if len(losses) == 4 else 0.0
        return bad * (what == "loss"), {"p": np.ones(1) + bad * (what == "gradient")}

    with pytest.warns(RuntimeWarning, match="after 3 steps"):
        found = descend({"p": np.ones(1)}, gradients, 8, 2, np.random.default_rng(0), batch=1)
    assert found["p"] == losses[2] != losses[3]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e39])
def test_inputs_that_are_not_finite_are_refused_before_the_first_step(bad):
    x, labels, _, _ = halves()
    x[7, 3] = bad
    start = initial((64, 8, 10), np.random.default_rng(0))
    with pytest.raises(
        ValueError, match=r"must be finite; got 1 of 12800, the first .* at \(7, 3\)"
    ):
        train(start, x, labels, 1, np.random.default_rng(1))
    for method in (start.loss, start.gradients, start.accuracy):
        with pytest.raises(ValueError, match="inputs must be finite; got 1 of"):
            method(x, labels)


@pytest.mark.parametrize("options", [{"batch": 0}, {"batch": 1000}, {"rate": 0}, {"epochs": -1}])
def test_training_with_nothing_to_go_by_is_refused(options):
    x, labels, _, _ = halves()
    arguments = {"epochs": 1, **options}
    with pytest.raises(ValueError, match=r"training needs n ≥ batch ≥ 1.*got n=200"):
        train(two_layers(), x, labels % 2, rng=np.random.default_rng(0), **arguments)


@pytest.mark.parametrize("n", [199, 201])
def test_training_does_not_leave_out_labels_without_a_word(n):
    x, labels, _, _ = halves()
    start = initial((64, 8, 10), np.random.default_rng(0))
    with pytest.raises(ValueError, match=rf"shape \(200,\), one for each input; .*\({n},\)"):
        train(start, x, np.resize(labels, n), 1, np.random.default_rng(1))


def test_a_label_out_of_range_is_found_before_training_whatever_batch_it_is_in():
    x, labels, _, _ = halves()
    watched = []
    with pytest.raises(ValueError, match="got 1 others, the first of them 10"):
        train(
            *(initial((64, 8, 10), np.random.default_rng(0)), x, np.append(labels[:-1], 10), 1),
            np.random.default_rng(1),
            watch=lambda *_: watched.append(1),
        )
    assert watched == []


def test_weights_that_overflow_in_a_step_are_never_seen_by_the_next():
    seen = []

    def gradients(p, rows):
        seen.append(p["p"])
        return 0.0, {"p": np.full(1, 1e30, np.float32)}

    with pytest.warns(RuntimeWarning, match="after 1 steps"):
        found = descend(
            *({"p": np.ones(1, np.float32)}, gradients, 8, 2, np.random.default_rng(0)),
            batch=1,
            rate=1e10,
            optimizer=sgd,
        )
    assert len(seen) == found["p"] == 1


def test_a_bar_on_stderr_is_shown_on_request_only(capsys):
    x, labels, _, _ = halves()
    start = initial((64, 8, 10), np.random.default_rng(0))
    train(start, x, labels, 1, np.random.default_rng(0))
    assert capsys.readouterr().err == ""
    train(start, x, labels, 1, np.random.default_rng(0), progress=True)
    assert "6/6" in capsys.readouterr().err


def test_the_script_learns_and_writes_the_same_bytes_twice(script, tmp_path):
    x, labels = load_digits(return_X_y=True)
    held = held_out(labels)
    files = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for file in files:
        net = script.train(x[~held], labels[~held], epochs=3)
        script.save(net, file)
    assert net.accuracy(x[held], labels[held]) > 0.9
    assert files[0].read_bytes() == files[1].read_bytes()


# ---------------------------------------------------------------------- what cannot be computed


@pytest.mark.parametrize("optimizer", [sgd, adam])
@pytest.mark.parametrize("recipe", [int_absmax(8), int_affine(4), np.floor, None])
def test_training_that_diverges_under_recipes_for_activations_stops_as_without(recipe, optimizer):
    """Of finite weights a step makes activations beyond float32, which no recipe takes."""
    x, labels, _, _ = halves()
    start = initial((64, 8, 8, 10), np.random.default_rng(0))
    start = start if recipe is None else start.with_activations(recipe)
    with pytest.warns(RuntimeWarning, match="met NaN or infinity after .* lower rate than 1e.20"):
        net = train(start, x, labels, 2, np.random.default_rng(1), optimizer=optimizer, rate=1e20)
    assert all(np.isfinite(p).all() for p in net.parameters.values())


def test_gradients_beyond_float32_are_nan_all_of_them_and_so_is_the_loss():
    net = Network(
        {"a": [[1e38]], "b": [[1.0]], "c": [[1.0], [2.0]]}, {"a": [0], "b": [0], "c": [0, 0]}
    ).with_activations(int_absmax(8))
    with np.errstate(all="ignore"):
        loss, found = net.gradients([[1e5]], [1])
    assert np.isnan(loss)
    assert {name: g.shape for name, g in found.items()} == {
        name: p.shape for name, p in net.parameters.items()
    }
    assert all(np.isnan(g).all() for g in found.values())


def test_scores_that_are_nan_have_no_class_and_count_as_wrong():
    net = Network({"a": [[1e30], [1e30]], "b": [[1e30, -1e30]]}, {"a": [0, 0], "b": [0]})
    with np.errstate(all="ignore"):
        assert np.isnan(net.forward([[1.0]])).all()
        assert net.accuracy([[1.0], [0.0]], [0, 0]) == 0.5
        with pytest.raises(ValueError, match=r"NaN among the scores .* got 1 of 2, the first nan"):
            net.predict([[1.0], [0.0]])


@pytest.mark.parametrize(
    "inputs", [[["1", "2"]], [[1j, 2]], [[None, 1]], "text", np.array([[1, 2]], dtype=object)]
)
def test_inputs_that_are_no_real_numbers_are_refused_by_their_type(inputs):
    for call in (
        two_layers().forward,
        two_layers().predict,
        two_layers().record,
        lambda x: two_layers().loss(x, [0]),
        lambda x: Network({"a": x}, {"a": [0]}),
        lambda x: two_layers().with_weights(lambda w: np.resize(x, w.shape)),
        lambda x: two_layers().with_activations(lambda y: np.resize(x, y.shape)).forward([[1, 2]]),
        lambda x: two_layers().rescale_inputs({"b": np.resize(x, 3)}),
    ):
        with pytest.raises(TypeError, match="must hold real numbers"):
            call(inputs)


def test_a_recipe_that_makes_nan_of_weights_is_refused_by_the_layers_name():
    with pytest.raises(ValueError, match=r"layers\['b'\] must be finite as float32; got 6 of 6"):
        two_layers().with_weights(lambda w: w * np.nan, "b")


def test_a_divisor_too_small_for_float32_is_refused():
    with pytest.raises(ValueError, match=r"layers\['a'\] must be finite as float32"):
        two_layers().rescale_inputs({"b": [1e-39, 1, 1]})


@pytest.mark.parametrize("widths", [(0, 3), (4, 0, 2), (4, -1), (4, 2.0), ("4", 2)])
def test_a_layer_has_at_least_one_input_and_one_output(widths):
    with pytest.raises(ValueError, match="a width must be an integer from 1 on, not"):
        initial(widths, np.random.default_rng(0))


def test_labels_in_rows_of_rows_cannot_be_held_out():
    with pytest.raises(ValueError, match=r"must stand in a row \[n\], not in shape \(1, 3\)"):
        held_out([[1, 2, 3]])


def test_decay_pulls_on_weights_and_leaves_biases_alone():
    """With a gradient of zero (one class is all there is), only decay moves anything."""
    start = Network({"a": [[4.0]]}, {"a": [4.0]})
    net = train(
        *(start, [[0.0], [0.0]], [0, 0], 3, np.random.default_rng(0)),
        decay=0.1,
        batch=1,
        rate=0.5,
        optimizer=sgd,
    )
    assert net.biases["a"].tolist() == [4.0]
    # steps t = 0 … 5 of rate 0.5·(1 − t/6), momentum 0.9, gradient 0.1 · w
    w, speed = 4.0, 0.0
    for t in range(6):
        speed = 0.9 * speed + 0.1 * w
        w -= 0.5 * (1 - t / 6) * speed
    assert net.layers["a"].item() == pytest.approx(w, rel=1e-6)


@pytest.mark.parametrize("rng", [None, 0, "0", np.float32(1)])
def test_a_seed_is_no_generator_and_the_words_say_how_to_make_one(rng):
    for call in (
        lambda: initial((2, 2), rng),
        lambda: train(two_layers(), np.ones((9, 2)), np.zeros(9, int), 1, rng, batch=1),
        lambda: descend({}, lambda p, rows: (0.0, {}), 1, 1, rng, batch=1),
    ):
        with pytest.raises(
            TypeError, match=r"must be a generator: np.random.default_rng\(0\), say"
        ):
            call()


@pytest.mark.parametrize("decay", [-0.1, np.nan, np.inf, [0.1, 0.2]])
def test_decay_is_one_number_from_0_on(decay):
    with pytest.raises(ValueError, match="must be one number from 0 on"):
        train(two_layers(), np.ones((9, 2)), np.zeros(9, int), 1, None, decay=decay)


@pytest.mark.parametrize("infinite", [np.inf, [1.0, np.inf, 2.0]])
def test_an_infinite_divisor_is_refused_as_one_of_zero_is(infinite):
    with pytest.raises(ValueError, match=r"positive finite numbers; got shape .* to inf"):
        two_layers().rescale_inputs({"b": np.resize(infinite, 3)})
