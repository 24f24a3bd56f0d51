"""The network is what its formula says, and the shipped one reads digits."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from quantedu.networks import DATA, Network, digits_network, held_out

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


def test_the_scripts_gradients_are_those_of_finite_differences(script):
    rng = np.random.default_rng(1)
    parameters = [p.astype(np.float64) for p in script.initial(rng)]
    x, labels = rng.random((4, 64)), np.array([3, 1, 4, 1])

    def loss():
        net_weights, biases, y = parameters[0::2], parameters[1::2], x
        for i, (w, b) in enumerate(zip(net_weights, biases)):
            y = (np.maximum(y, 0) if i else y) @ w.T + b
        right = y[np.arange(4), labels] - np.log(np.exp(y).sum(axis=1))
        return -right.mean() + script.DECAY / 2 * sum((w**2).sum() for w in net_weights)

    for p, g in zip(parameters, script.gradients(parameters, x, labels)):
        for _ in range(5):
            place = tuple(rng.integers(n) for n in p.shape)
            middle, step = p[place], 1e-6
            p[place] = middle + step
            above = loss()
            p[place] = middle - step
            below = loss()
            p[place] = middle
            assert abs((above - below) / (2 * step) - g[place]) < 1e-6


def test_the_script_learns_and_writes_the_same_bytes_twice(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "EPOCHS", 3)
    x, labels = load_digits(return_X_y=True)
    held = held_out(labels)
    files = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for file in files:
        net = script.train(x[~held], labels[~held])
        script.save(net, file)
    assert net.accuracy(x[held], labels[held]) > 0.9
    assert files[0].read_bytes() == files[1].read_bytes()
