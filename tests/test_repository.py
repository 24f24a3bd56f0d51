"""The repository is as DESIGN.md says, its versions agree, and nothing points to one machine."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import quantedu

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "quantedu"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# ---------------------------------------------------------------------- the table of rooms


def table_of_rooms(design):
    """{room: layer} from DESIGN.md's table; `__init__`, the door, has the layer None."""
    rows = re.findall(r"^\| *(\d|–) *\| *`(\w+)(?:\.py|/)` *\|", design, flags=re.MULTILINE)
    return {room: None if layer == "–" else int(layer) for layer, room in rows}


def real_rooms(library):
    """{room: its files}; a folder with Python files in it is one room."""
    rooms = {path.stem: [path] for path in library.glob("*.py")}
    for path in library.glob("*/**/*.py"):
        rooms.setdefault(path.relative_to(library).parts[0], []).append(path)
    return rooms


def imported_modules(path, library):
    """Absolute dotted names of everything that `path` imports anywhere, functions included."""
    package = [library.name, *path.relative_to(library).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*up, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def rooms_imported(room, library):
    """Rooms that `room` imports; `__init__` where it takes a name from the package itself."""
    rooms = real_rooms(library)
    for path in rooms[room]:
        for name in imported_modules(path, library):
            package, *rest = name.split(".")
            if package == library.name:
                target = rest[0] if rest and rest[0] in rooms else "__init__"
                if target != room:
                    yield target


def upward_imports(library, table):
    """Imports that do not go to a lower layer: where there are none, there can be no circle.

    The door stands just above the highest room that it imports.
    """
    behind_the_door = [table[room] for room in rooms_imported("__init__", library)]
    layers = {**table, "__init__": max(behind_the_door, default=-1) + 0.5}
    return [
        f"{room} imports {target}"
        for room in table
        for target in rooms_imported(room, library)
        if layers[target] >= layers[room]
    ]


def test_the_table_of_rooms_lists_every_room_and_no_other():
    table = table_of_rooms((ROOT / "DESIGN.md").read_text(encoding="utf-8"))
    assert sorted(table) == sorted(real_rooms(LIBRARY))


def test_imports_point_only_downward():
    table = table_of_rooms((ROOT / "DESIGN.md").read_text(encoding="utf-8"))
    assert upward_imports(LIBRARY, table) == []


ONLY_IN = {
    "matplotlib": {"explorer", "plots", "widgets"},
    "IPython": {"plots", "widgets"},
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "traitlets": {"explorer", "widgets"},
}


def misplaced_packages(library, allowed=ONLY_IN):
    return [
        f"{room} imports {name}"
        for room, paths in real_rooms(library).items()
        for path in paths
        for name in {full.split(".")[0] for full in imported_modules(path, library)}
        if room not in allowed.get(name, {room})
    ]


def test_matplotlib_and_the_widget_packages_are_known_only_where_they_belong():
    assert misplaced_packages(LIBRARY) == []


def test_the_library_imports_only_what_it_depends_on():
    depends_on = {re.match(r"[\w-]+", line).group() for line in PROJECT["dependencies"]}
    come_with_ipywidgets = {"IPython", "traitlets"}
    own = {*depends_on, *come_with_ipywidgets, *sys.stdlib_module_names, "quantedu"}
    found = {
        full.split(".")[0]
        for paths in real_rooms(LIBRARY).values()
        for path in paths
        for full in imported_modules(path, LIBRARY)
    }
    assert found - own == set()


DESIGN = """
| layer | room | its one job |
|---|---|---|
| 0 | `low.py` | |
| 1 | `high.py` | |
| 1 | `shelf/` | |
| – | `__init__.py` | |
"""


@pytest.mark.parametrize(
    ("room", "code", "found"),
    [
        ("high.py", "from lib.low import x", []),
        ("high.py", "from . import low", []),
        ("shelf/one.py", "from ..low import x", []),
        ("shelf/one.py", "from .two import x", []),
        ("high.py", "import lib", []),
        ("low.py", "from lib.high import x", ["low imports high"]),
        ("low.py", "import lib.high", ["low imports high"]),
        ("low.py", "def f():\n    from .high import x", ["low imports high"]),
        ("high.py", "from .shelf import one", ["high imports shelf"]),
        ("shelf/one.py", "from ..high import x", ["shelf imports high"]),
        ("low.py", "from lib import x", ["low imports __init__"]),
        ("__init__.py", "import lib.high\nimport lib.low", []),
    ],
)
def test_an_upward_import_is_found_however_it_is_written(tmp_path, room, code, found):
    library = tmp_path / "lib"
    (library / "shelf").mkdir(parents=True)
    for name in ["__init__.py", "low.py", "high.py", "shelf/__init__.py", "shelf/one.py"]:
        (library / name).touch()
    (library / "__init__.py").write_text("from lib.low import x")
    (library / room).write_text(code)
    assert upward_imports(library, table_of_rooms(DESIGN)) == found


def test_a_misplaced_package_is_found(tmp_path):
    (tmp_path / "formats.py").write_text("def f():\n    import matplotlib.pyplot as plt")
    assert misplaced_packages(tmp_path) == ["formats imports matplotlib"]


def test_there_is_no_utils():
    assert not [path for path in ROOT.glob("*/**/util*") if ".venv" not in path.parts]


def lines_of_code(text):
    """Count the lines that are neither blank, nor a comment, nor part of a docstring."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
    docstrings = [node.body[0] for node in nodes if ast.get_docstring(node)]
    prose = {n for d in docstrings for n in range(d.lineno, d.end_lineno + 1)}
    lines = enumerate(map(str.strip, text.splitlines()), start=1)
    return sum(bool(line) and line[0] != "#" and n not in prose for n, line in lines)


STAGE = {"sketch", "plots", "widgets", "explorer"}


@pytest.mark.parametrize(("stage", "limit"), [(False, 2750), (True, 850)])
def test_the_library_and_its_stage_are_short_enough_to_read(stage, limit):
    of_chapters = {"exercises", "scenes"}
    rooms = {room: paths for room, paths in real_rooms(LIBRARY).items() if room not in of_chapters}
    assert rooms.keys() >= STAGE
    texts = [p.read_text("utf-8") for r, ps in rooms.items() if (r in STAGE) is stage for p in ps]
    assert limit * 0.9 < sum(map(lines_of_code, texts)) < limit


def test_only_code_counts_as_code():
    text = '"""Doc.\n\nMore.\n"""\n\n# why\nx = 1\n\n\ndef f():\n    """Doc."""\n    return x\n'
    assert lines_of_code(text) == 3


# ---------------------------------------------------------------------- importing


def test_importing_the_library_loads_neither_pictures_nor_widgets_nor_scipy():
    code = "import sys, quantedu; print(*{name.split('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(out.stdout.split())
    assert "numpy" in loaded
    assert loaded & {"matplotlib", "ipywidgets", "anywidget", "IPython", "scipy"} == set()


# ---------------------------------------------------------------------- versions


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, date = re.search(r"^## (\S+) \((\S+)\)$", changes, flags=re.MULTILINE).groups()
    assert quantedu.__version__ == PROJECT["version"]
    assert newest == PROJECT["version"]
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\ndate-released: {date}\n" in citation


# ---------------------------------------------------------------------- what is tracked

FOLDERS = "home|Users|root|tmp|work|private"
HOSTS = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb.deb" + "ian.org"]
HOSTS += ["ana" + "conda.org", "ana" + "conda.com"]
ONE_MACHINES = re.compile(
    rf"(?<![\w}})>*+./-])/(?:{FOLDERS})/\w\S*"  # an absolute path, not the tail of another
    + r"|\b[A-Za-z]:\\+Users\\\S*"
    + "|".join(["", *map(re.escape, HOSTS)])
)


def tracked_files():
    """Return what git tracks or would add; nothing where this is not a git checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    paths = [ROOT / name for name in out.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_place_on_one_machine_or_a_package_host():
    files = tracked_files()
    if not files:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    found = {}
    for path in files:
        content = b"" if path.name == "held_out.txt" else path.read_bytes()  # Python's own words
        if b"\0" not in content and (hit := ONE_MACHINES.search(content.decode("utf-8"))):
            found[path.relative_to(ROOT).as_posix()] = hit.group()
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "open('/" + "home/ada/x.npz')",
        "cd /" + "tmp/x",
        "C:" + "\\Users\\ada",
        "https://" + HOSTS[0] + "/simple",
    ],
)
def test_such_a_place_is_found(text):
    assert ONE_MACHINES.search(text)


@pytest.mark.parametrize("text", ["notebooks/home/x", "{folder}/tmp/x", "w/root/x", "bits/work/s"])
def test_a_relative_path_is_no_such_place(text):
    assert not ONE_MACHINES.search(text)
