"""A real JupyterLab, private and on loopback, and a real Chromium that looks at it."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUMS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    *("msedge", "microsoft-edge"),
)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
SETTINGS = {  # no popup may cover a button, and nothing is asked of the network
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
}
SAYS = """async code => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({code, store_history: false});
    let said = '';
    future.onIOPub = message => {
        const {msg_type} = message.header;
        if (msg_type === 'stream') said += message.content.text;
        if (msg_type === 'error') said += message.content.traceback.join('\\n');
    };
    await future.done;
    return said.trim();
}"""
CONTRASTS = """() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const painted = colors => {
        canvas.clearRect(0, 0, 1, 1);
        for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
        return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    const luminance = rgb => rgb.map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const found = [];
    for (const node of document.querySelectorAll('.qe *')) {
        const texts = [...node.childNodes].filter(child => child.nodeType === Node.TEXT_NODE);
        const text = node.value ?? texts.map(child => child.data).join('').trim();
        if (!text || node.matches('option, [type=radio], [type=range]')) continue;
        const stack = [];
        for (let one = node; one; one = one.parentElement)
            stack.unshift(getComputedStyle(one).backgroundColor);
        const [back, front] = [painted(stack), painted([...stack, getComputedStyle(node).color])];
        const [low, high] = [luminance(back), luminance(front)].sort((a, b) => a - b);
        found.push([(high + 0.05) / (low + 0.05), node.className, text]);
    }
    return found;
}"""
TOO_WIDE = """() => [...document.querySelectorAll(
    '.jp-OutputArea :is(img, .qe, .qe *), .jp-RenderedMarkdown :is(img, pre)'
)].filter(node => {
    const box = node.getBoundingClientRect();
    const scrolls = node.closest('pre') || node.matches('path, pattern, .qe :is(svg, svg *)');
    return box.width && !scrolls && (box.right > innerWidth + 1 || box.left < -1);
}).map(node => `${node.tagName} ${node.className} ${node.textContent.slice(0, 40)}`)"""
IDLE = "() => jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
READY = "() => window.jupyterapp?.shell?.currentWidget?.context?.isReady"


@pytest.fixture(scope="session")
def chromium_path():
    named = os.environ.get("QE_CHROMIUM")
    path = named or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        reason = f"no Chromium: none of {', '.join(CHROMIUMS)} on PATH; QE_CHROMIUM may name one"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return path


class Server:
    """JupyterLab with folders of its own, which ends when the tests end."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.root.mkdir()
        for name, value in SETTINGS.items():
            file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(value), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url, self.token = f"http://127.0.0.1:{port}", secrets.token_hex(16)
        private = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        environment = {**os.environ, "JUPYTER_TOKEN": self.token, "PYTHONPATH": str(ROOT)}
        for name in ("MPLBACKEND", "JUPYTER_CONFIG_PATH", "JUPYTER_PATH"):
            environment.pop(name, None)
        self.log = folder / "lab.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                    *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
                    *(f"--ServerApp.root_dir={self.root}", "--LabApp.expose_app_in_browser=True"),
                ],
                env={**environment, **{name: str(folder / path) for name, path in private.items()}},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ask(self, path, method="GET"):
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def wait(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                return self.ask("/api/status")
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        pytest.fail(f"JupyterLab did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def stop(self):
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            for kernel in self.ask("/api/kernels"):
                self.ask(f"/api/kernels/{kernel['id']}", "DELETE")
            self.ask("/api/shutdown", "POST")
        for end in (lambda: None, self.process.terminate, self.process.kill):
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
                return


@pytest.fixture(scope="session")
def server(chromium_path, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("jupyter"))
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def browser(chromium_path):
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)  # the machine may be busy
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()


class Lab:
    """One notebook in the browser, and its kernel."""

    def __init__(self, browser, server, width=1100, height=1000):
        self.server, self.errors = server, []
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", self._note)
        self.page.on("console", self._heed)

    def _note(self, error):
        # seen once, as JupyterLab changed its theme; our scripts never call removeChild
        if "'removeChild' on 'Node'" not in str(error):
            self.errors.append(str(error))

    def _heed(self, message):
        # a fresh server has no workspace and no stored settings yet, and says so with 404
        if message.type == "error" and "404" not in message.text:
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def open(self, name, run=True):
        self.page.goto(f"{self.server.url}/doc/tree/{name}?reset&token={self.server.token}")
        self.page.wait_for_function(READY)
        self.wait_idle()
        if run:
            self.run_all()

    def run_all(self):
        """Run every cell; True if none failed."""
        ran = self.page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        self.wait_idle()
        return ran

    def wait_idle(self):
        self.page.wait_for_function(IDLE, timeout=120_000)

    def says(self, code):
        """What the kernel prints when it runs `code`: the other end of the wire."""
        return self.page.evaluate(SAYS, code)

    def theme(self, name):
        self.page.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", name
        )
        light = "true" if "Light" in name else "false"
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")

    def contrasts(self):
        """[contrast, class, text] of every text in a widget, against what lies behind it."""
        return self.page.evaluate(CONTRASTS)

    def too_wide(self):
        """Pictures and parts of widgets that reach beyond the window."""
        return self.page.evaluate(TOO_WIDE)

    def close(self):
        with contextlib.suppress(Exception):  # the kernel goes with the server at the latest
            self.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.context.close()


@pytest.fixture(scope="module")
def lab(browser, server):
    """Opens notebooks: `lab(cells)` writes one with these cells, `lab(path)` takes a copy."""
    opened = []

    def open_notebook(what, run=True, **size):
        if isinstance(what, Path):
            name = what.name
            shutil.copy(what, server.root / name)
            pictures = what.parent / "pictures"
            if pictures.is_dir():
                shutil.copytree(pictures, server.root / "pictures", dirs_exist_ok=True)
        else:
            name = f"made-{secrets.token_hex(4)}.ipynb"
            notebook = what
            if isinstance(what, list):
                notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, what)])
            notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
            nbformat.write(notebook, server.root / name)
        opened.append(Lab(browser, server, **size))
        opened[-1].open(name, run)
        return opened[-1]

    yield open_notebook
    for one in opened:
        one.close()
