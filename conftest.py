"""What every test run needs, `pytest --nbval notebooks` by itself too: so here, not in tests/."""

import os
import subprocess
import tempfile

# Where tests run side by side, the threads of OpenBLAS only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import nbval.kernel
import pytest

# A shared or a slow machine is no reason to fail; in CI the same inputs every time. The profile
# long is chosen by --hypothesis-profile=long (make test-long).
hypothesis.settings.register_profile("quantedu", deadline=None)
hypothesis.settings.register_profile("long", deadline=None, max_examples=10_000)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "quantedu")

start_new_kernel = nbval.kernel.start_new_kernel


def start_clean_kernel(**options):
    """Start nbval's kernel without the reader's own IPython profile and plotting backend."""
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    options["stderr"].close()  # nbval opens os.devnull and never closes it
    options["stderr"] = subprocess.DEVNULL
    return start_new_kernel(env={**kept, "IPYTHONDIR": private.name}, **options)


def execute_cell_input(kernel, cell_input, allow_stdin=None):
    """Run a cell as JupyterLab does: with history, without which a trailing `;` is not obeyed."""
    return kernel.kc.execute(
        cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
    )


nbval.kernel.start_new_kernel = start_clean_kernel
nbval.kernel.RunningKernel.execute_cell_input = execute_cell_input


def pytest_configure(config):
    global private
    private = tempfile.TemporaryDirectory(prefix="quantedu-", ignore_cleanup_errors=True)
    config.add_cleanup(private.cleanup)


@pytest.fixture(autouse=True, scope="session")
def _no_windows():
    """Draw in memory, whatever display the machine has."""
    import matplotlib

    matplotlib.use("Agg")
