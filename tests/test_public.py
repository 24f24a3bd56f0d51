"""What a user meets: tab completion shows public names, help() reads well, examples run."""

import doctest
import inspect
import os
import pkgutil
import pydoc
import re
import subprocess
import sys
import typing
import zipfile
from importlib import import_module
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

import quantedu as qe

ROOT = Path(__file__).resolve().parent.parent
ROOMS = sorted(
    module.name
    for module in pkgutil.iter_modules(qe.__path__, "quantedu.")
    if not module.name.rpartition(".")[2].startswith("_")
)


def is_property(thing):
    return isinstance(thing, property) or type(thing).__name__ == "cached_property"


def public_things():
    """Every public class, function, method and property of every room, by its dotted name."""
    for room in ROOMS:
        module = import_module(room)
        for name, thing in vars(module).items():
            plain = inspect.unwrap(thing) if callable(thing) else thing
            if name[0] == "_" or getattr(plain, "__module__", None) != room:
                continue
            if inspect.isfunction(plain) or inspect.isclass(plain):
                yield f"{room}.{name}", plain
            if inspect.isclass(plain):
                for member, value in vars(plain).items():
                    value = getattr(value, "__func__", value)
                    if member[0] != "_" and (inspect.isfunction(value) or is_property(value)):
                        yield f"{room}.{name}.{member}", value


THINGS = dict(public_things())
# Parts of the library's own machinery that need no example, and why
NEED_NO_EXAMPLE = {}


def examples(thing):
    return doctest.DocTestParser().get_examples(inspect.getdoc(thing) or "")


def first_line(thing):
    return (inspect.getdoc(thing) or "").partition("\n")[0]


@pytest.mark.parametrize("name", THINGS)
def test_everything_public_says_in_its_first_line_what_it_gives(name):
    assert first_line(THINGS[name]).endswith((".", ":")), name
    assert not first_line(THINGS[name]).startswith(name.rpartition(".")[2] + "("), "a signature"


def shown(name):
    """Whether it has an example, or is at work in one of its class or its room."""
    room, last = ".".join(name.split(".")[:2]) + ".", name.rpartition(".")[2]
    sources = [
        e.source
        for other, thing in THINGS.items()
        if other.startswith(room)
        for e in examples(thing)
    ]
    return bool(examples(THINGS[name])) or any(re.search(rf"\b{last}\b", s) for s in sources)


@pytest.mark.parametrize("name", THINGS)
def test_everything_public_is_at_work_in_an_example_that_the_suite_runs(name):
    """`--doctest-modules` over `quantedu` runs it; here only that there is one."""
    assert shown(name) or name in NEED_NO_EXAMPLE, f"{name} has no example"


def test_no_exception_is_out_of_date():
    assert set(NEED_NO_EXAMPLE) <= set(THINGS)
    assert not [name for name in NEED_NO_EXAMPLE if shown(name)]


def test_a_thing_without_an_example_is_found(monkeypatch):
    monkeypatch.setitem(THINGS, "quantedu.formats.nowhere_shown", lambda: None)
    assert not shown("quantedu.formats.nowhere_shown")


def completed(code):
    """What `dir(quantedu)` gives in a fresh Python after `code`: later imports add to it."""
    code = f"import quantedu\n{code}\nprint(*dir(quantedu))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(out.stdout.split())


@pytest.mark.parametrize("code", ["", "quantedu.plots, quantedu.widgets, quantedu.NF4"])
def test_tab_completion_shows_only_public_names(code):
    names = {name for name in completed(code) if not re.fullmatch("__.*__", name)}
    rooms = {room.removeprefix("quantedu.") for room in ROOMS}
    assert {*qe.__all__} <= names <= {*qe.__all__} | rooms


def test_every_public_name_is_there_once():
    assert len(qe.__all__) == len({*qe.__all__})
    for name in qe.__all__:
        assert getattr(qe, name) is not None


def test_help_of_the_package_shows_how_to_begin():
    text = pydoc.plain(pydoc.render_doc(qe))
    assert ">>> import quantedu as qe" in text
    assert "ModuleType" not in text


def test_annotations_of_the_public_surface_can_be_read():
    for name, thing in THINGS.items():
        if inspect.isfunction(thing):
            assert "return" in typing.get_type_hints(thing), name


def test_what_the_readme_says_to_try_runs(tmp_path, monkeypatch, capsys):
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    w = np.random.default_rng(0).standard_normal((64, 64), dtype=np.float32)
    monkeypatch.chdir(tmp_path)
    save_file({"a": w, "b": w.astype(ml_dtypes.bfloat16)}, "model.safetensors")
    exec(code.replace("(4096, 4096)", "(256, 256)").replace("[:8192]", "[:1024]"), {})
    printed = capsys.readouterr().out
    assert "65024.0" in printed
    assert "MXFP4" in printed
    assert qe.QTensor.load("w.npz").codes.shape == (256, 256)


# ---------------------------------------------------------------------- the wheel

USE = """
import io, pathlib, sys
import ml_dtypes, numpy as np, quantedu as qe
home = pathlib.Path(qe.__file__).parent
assert home.parent == pathlib.Path(sys.argv[1]), home
w = np.random.default_rng(0).standard_normal((64, 128))
for dtype in (np.float32, np.float16, ml_dtypes.bfloat16):
    q = qe.nf4(double_quant=True).quantize(w.astype(dtype))
    assert q.dequantize().dtype == dtype and 19 < qe.sqnr_db(w, q.dequantize()) < 22
file = io.BytesIO()
np.savez(file, **q.pack())
file.seek(0)
again = qe.QTensor.unpack(dict(np.load(file)), q.quantizer, q.codes.shape, q.dtype)
assert again.dequantize().tobytes() == q.dequantize().tobytes()
assert qe.plots.to_png(qe.plots.bits(qe.E2M1, 7))[1:4] == b"PNG"
assert "FP16" in repr(qe.widgets.BitInspector())  # its JavaScript came along
assert qe.networks.digits_network().layers  # and the data
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--retries=0", "--timeout=10", "-w", folder, ROOT]
    done = subprocess.run(build, capture_output=True, text=True, encoding="utf-8")
    if done.returncode and "hatchling" in done.stdout + done.stderr:
        pytest.skip("no wheel: pip cannot get hatchling, which builds it, without a network")
    assert done.returncode == 0, done.stderr
    [wheel] = folder.glob("quantedu-*.whl")
    return wheel


def test_the_wheel_holds_every_file_of_the_library_and_says_that_it_is_typed(wheel):
    files = (path for path in (ROOT / "quantedu").rglob("*") if path.is_file())
    wanted = {p.relative_to(ROOT).as_posix() for p in files if "__pycache__" not in p.parts}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == wanted
    assert "quantedu/py.typed" in held


def test_the_installed_wheel_serves_a_notebook_outside_the_repository(wheel, tmp_path):
    library, elsewhere = tmp_path / "library", tmp_path / "elsewhere"
    elsewhere.mkdir()
    zipfile.ZipFile(wheel).extractall(library)
    environment = {**os.environ, "PYTHONPATH": str(library), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", USE, library],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
