"""Run the course's notebooks in place and clean what they store, so that two runs give equal bytes.

    python tools/notebooks.py             run all, store outputs, clean (make notebooks)
    python tools/notebooks.py --no-run    only clean
    python tools/notebooks.py --check     only say what is wrong (exit status 1)
    python tools/notebooks.py --times     run all, change nothing, print the seconds as a table

Names of notebooks may follow. RULES says what a stored notebook must be; the tests use it too.
"""

from __future__ import annotations

import argparse
import ast
import base64
import copy
import hashlib
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},  # no version: it would differ from machine to machine
}
WIDGET = "application/vnd.jupyter.widget-view+json"
MAX_LINES = 14
MAX_OUTPUT = 320 * 1024
MAX_NOTEBOOK = 1536 * 1024
# What is not the same in the next run, or on the next machine.
UNSTABLE = re.compile(
    r"\bat 0x[0-9a-fA-F]{6,}"
    r"|(?<![\w/])/(?:home|Users|root|tmp|private|var)/\w[^\s'\"]*"
    r"|\b[A-Za-z]:\\\\?Users\\[^\s'\"]*"
    r"|ipykernel_\d+"
)


# ---------------------------------------------------------------------- run


def kernel_environment(folder: str) -> dict[str, str]:
    """The kernel's surroundings without the reader's own IPython profile and plotting backend."""
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return {**kept, "IPYTHONDIR": folder}


def run(nb: NotebookNode, folder: pathlib.Path, timeout: int = 300) -> NotebookNode:
    """Execute `nb` in `folder`, with the Python that runs this; return it with its outputs.

    Raises
    ------
    CellExecutionError
        If a cell without the tag raises-exception raises.
    """
    nb = copy.deepcopy(nb)
    for cell in code_cells(nb):
        cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as private:
        manager = AsyncKernelManager(
            kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager()
        )
        client = NotebookClient(
            nb,
            km=manager,
            timeout=timeout,
            shutdown_kernel="immediate",
            store_widget_state=False,
            record_timing=False,
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute(env=kernel_environment(private), stderr=subprocess.DEVNULL, cleanup_kc=True)
    return nb


def run_twice(nb: NotebookNode, folder: pathlib.Path) -> list[str]:
    """Run every cell twice in a row in one kernel; say where the second time differs in its text.

    Cells tagged nbval-ignore-output must run twice but may differ; nbval-skip is not run.
    """
    double = nbformat.v4.new_notebook(metadata=nb.metadata)
    for cell in code_cells(nb):
        if "nbval-skip" not in tags(cell):
            for turn in ("first", "second"):
                double.cells.append({**copy.deepcopy(cell), "id": f"{turn}-{len(double.cells)}"})
    double = nbformat.from_dict(double)
    try:
        double = run(double, folder)
    except CellExecutionError as error:
        return [f"a cell fails when every cell is run twice:\n{error}"]
    pairs = zip(double.cells[::2], double.cells[1::2], strict=True)
    return [
        f"run twice, this cell shows something else the second time:\n{first.source}\n"
        f"--- first\n{texts(first)}\n--- second\n{texts(second)}"
        for first, second in pairs
        if "nbval-ignore-output" not in tags(first) and texts(first) != texts(second)
    ]


def texts(cell: NotebookNode) -> list[tuple[str, str]]:
    """What a cell shows, in words: streams, errors and text/* or SVG data, but no pictures."""
    shown = []
    for output in merged(cell.outputs):
        if output.output_type == "stream":
            shown.append((output.name, output.text))
        elif output.output_type == "error":
            shown.append((output.ename, output.evalue))
        for kind, value in sorted(output.get("data", {}).items()):
            if kind.startswith("text/") or kind == "image/svg+xml":
                shown.append((kind, value))
    return shown


# ---------------------------------------------------------------------- clean


def clean(nb: NotebookNode) -> NotebookNode:
    """Only what a reader needs: no widget state, time stamps, editor state or paths; stable ids."""
    nb = copy.deepcopy(nb)
    nb.metadata = nbformat.from_dict(METADATA)
    nb.nbformat, nb.nbformat_minor = 4, 5
    nb.cells = [cell for cell in nb.cells if cell.source.strip()]
    seen: set[str] = set()
    for i, cell in enumerate(nb.cells):
        cell.metadata = nbformat.from_dict({"tags": tags(cell)} if tags(cell) else {})
        if not cell.get("id") or cell.id in seen:
            cell.id = hashlib.sha256(f"{i}{cell.source}".encode()).hexdigest()[:8]
        seen.add(cell.id)
    for count, cell in enumerate(code_cells(nb), start=1):
        # a cell that was never run stays so: the rule below finds it, and nbval would not
        cell.execution_count = count if cell.execution_count else None
        cell.outputs = [cleaned(output, count) for output in merged(cell.outputs)]
    return nb


def cleaned(output: NotebookNode, count: int) -> NotebookNode:
    if "execution_count" in output:
        output.execution_count = count
    # A reopened notebook would say "model not found" there instead of showing the still picture.
    output.get("data", {}).pop(WIDGET, None)
    if output.output_type == "error":  # the full traceback holds this machine's paths
        output.traceback = [f"{output.ename}: {output.evalue}"]
    return output


def merged(outputs: list) -> list:
    """The outputs with neighbouring pieces of one stream joined: where they break is chance."""
    joined: list = []
    for output in copy.deepcopy(outputs):
        last = joined[-1] if joined else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last["text"] += output.text
        else:
            joined.append(output)
    return joined


def code_cells(nb: NotebookNode) -> list:
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def serialized(nb: NotebookNode) -> str:
    return nbformat.writes(nb) + "\n"


# ---------------------------------------------------------------------- rules


def every_cell_is_executed(nb: NotebookNode) -> Iterator[str]:
    """A cell without a count passes nbval unseen."""
    counts = [cell.execution_count for cell in code_cells(nb)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}, not 1 to {len(counts)}: run make notebooks"


def nothing_on_stderr(nb: NotebookNode) -> Iterator[str]:
    for cell in code_cells(nb):
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                yield f"{place(cell)} writes on stderr: {output.text[:200]!r}"


def no_untagged_error(nb: NotebookNode) -> Iterator[str]:
    for cell in code_cells(nb):
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in tags(cell):
                yield f"{place(cell)} stores {output.ename} without the tag raises-exception"


def no_widget_state(nb: NotebookNode) -> Iterator[str]:
    """200 KB of it would be stored, and GitHub could not show the notebook."""
    if "widgets" in nb.metadata:
        yield "the notebook stores widget state (metadata.widgets)"
    for cell in code_cells(nb):
        if any(WIDGET in output.get("data", {}) for output in cell.outputs):
            yield f"{place(cell)} stores a widget view; only its picture and text may stay"


def cells_are_short(nb: NotebookNode) -> Iterator[str]:
    for cell in code_cells(nb):
        lines = len(cell.source.splitlines())
        if lines > MAX_LINES:
            yield f"{place(cell)} has {lines} lines, more than {MAX_LINES}: say it in two cells"


def imports_in_the_first_cell(nb: NotebookNode) -> Iterator[str]:
    for cell in code_cells(nb)[1:]:
        tree = ast.parse(TransformerManager().transform_cell(cell.source))
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree)):
            yield f"{place(cell)} imports; imports stand in the first code cell"


def outputs_are_small(nb: NotebookNode) -> Iterator[str]:
    for cell in code_cells(nb):
        for output in cell.outputs:
            if (size := len(str(output))) > MAX_OUTPUT:
                yield f"{place(cell)} has an output of {size >> 10} KiB, over {MAX_OUTPUT >> 10}"
    if (size := len(serialized(nb).encode())) > MAX_NOTEBOOK:
        yield f"the notebook has {size >> 10} KiB, over {MAX_NOTEBOOK >> 10}"


def pictures_are_opaque(nb: NotebookNode) -> Iterator[str]:
    """A transparent figure has black axes on a dark page's black ground."""
    from matplotlib.image import imread

    for cell in code_cells(nb):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                pixels = imread(io.BytesIO(base64.b64decode(output.data["image/png"])))
                # [rows, columns, channels]; an even number of channels has alpha last
                if pixels.ndim == 3 and pixels.shape[2] % 2 == 0 and pixels[..., -1].min() < 1:
                    yield f"{place(cell)} shows a picture that is not opaque: facecolor='white'"


def outputs_are_stable(nb: NotebookNode) -> Iterator[str]:
    for cell in code_cells(nb):
        for found in UNSTABLE.finditer("\n".join(text for _, text in texts(cell))):
            yield f"{place(cell)} shows {found.group()!r}, which differs elsewhere or next time"


def as_cleaned(nb: NotebookNode) -> Iterator[str]:
    """Equal, byte for byte, to what cleaning it would write."""
    if serialized(nb) != serialized(clean(nb)):
        yield f"not as cleaning leaves it ({', '.join(unclean_parts(nb))}): run make notebooks"


def unclean_parts(nb: NotebookNode) -> Iterator[str]:
    wanted = clean(nb)
    if nb.metadata != wanted.metadata:
        yield f"notebook metadata: {', '.join(nb.metadata)}"
    if len(nb.cells) != len(wanted.cells):
        yield "empty cells"
        return
    for i, (is_, should) in enumerate(zip(nb.cells, wanted.cells, strict=True), start=1):
        keys = [key for key in sorted({*is_, *should}) if is_.get(key) != should.get(key)]
        if keys:
            yield f"cell {i}: {', '.join(keys)}"


RULES: list[Callable[..., Iterator[str]]] = [
    every_cell_is_executed,
    nothing_on_stderr,
    no_untagged_error,
    no_widget_state,
    cells_are_short,
    imports_in_the_first_cell,
    outputs_are_small,
    pictures_are_opaque,
    outputs_are_stable,
    as_cleaned,
]


def place(cell: NotebookNode) -> str:
    first_line = cell.source.strip().splitlines()[0] if cell.source.strip() else "(empty)"
    return f"cell [{cell.execution_count}] ‘{first_line[:50]}’"


# ---------------------------------------------------------------------- command


def read(path: pathlib.Path) -> NotebookNode:
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def complaints(path: pathlib.Path) -> list[str]:
    nb = read(path)
    found = [problem for rule in RULES for problem in rule(nb)]
    if not found and path.read_bytes() != serialized(nb).encode():
        found.append("bytes differ from what nbformat writes (line ends, order or indent)")
    return found


def times(paths: list[pathlib.Path]) -> str:
    """A table of the seconds that each notebook takes, kernel start included, and their sum."""
    rows, total = ["| | seconds |", "|---|---|"], 0.0
    for path in paths:
        start = time.perf_counter()
        run(read(path), path.parent)
        total += (seconds := time.perf_counter() - start)
        rows.append(f"| {path.stem} | {seconds:.0f} |")
    return "\n".join([*rows, f"| all | {total:.0f} |"])


def main(argv: list[str] | None = None) -> int:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path, metavar="NOTEBOOK")
    parser.add_argument("--check", action="store_true", help="change nothing, say what is wrong")
    parser.add_argument("--times", action="store_true", help="run, change nothing, print seconds")
    parser.add_argument("--no-run", action="store_true", help="clean without running")
    options = parser.parse_args(argv)
    status = 0
    paths = options.notebooks or sorted(FOLDER.glob("*.ipynb"))
    if options.times:
        print(times(paths))
        return 0
    for path in paths:
        start = time.perf_counter()
        if not options.check:
            try:
                nb = read(path)
                if not options.no_run:
                    nb = run(nb, path.parent)
            except CellExecutionError as error:
                print(f"{path.name}: not written, a cell failed:\n{error}", file=sys.stderr)
                status = 1
                continue
            new = serialized(clean(nb)).encode()
            changed = new != path.read_bytes()
            if changed:
                path.write_bytes(new)
            seconds = time.perf_counter() - start
            what = "written" if changed else "unchanged"
            print(f"{path.name}: {what}, {len(new) >> 10} KiB, {seconds:.1f} s", flush=True)
        for problem in complaints(path):
            print(f"{path.name}: {problem}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
