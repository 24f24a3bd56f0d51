"""How long each chapter's interactives take, from a control's event to the changed picture.

    python benchmarks/interactives.py            every chapter
    python benchmarks/interactives.py 05 06      these

Opens the notebooks in a real JupyterLab and a real Chromium, as tests/browser does, runs them, and
moves each control of each interactive (sliders, lists, boxes, buttons, bits), a step at a time.
Prints a table for benchmarks/README.md.
"""

import os
import pathlib
import statistics
import sys
import tempfile

from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))
import conftest  # noqa: E402

STEPS = 20
CONTROLS = ".qe :is(input[type=range], select, input[type=checkbox], .qe-buttons, .qe-bits)"
MOVE = """async ([which, steps, controls]) => {
    const control = document.querySelectorAll(controls)[which], times = [];
    const after = (list, i) => list[(i + 1) % list.length];
    const press = {bubbles: true, button: 0, buttons: 1, pointerType: 'mouse'};
    const move = i => {
        if (control.matches('.qe-bits')) {
            after(control.querySelectorAll('.qe-bit'), i)
                .dispatchEvent(new PointerEvent('pointerdown', press));
        } else if (control.matches('.qe-buttons')) {
            const radios = [...control.querySelectorAll('input')];
            after(radios, radios.findIndex(radio => radio.checked)).click();
        } else if (control.matches('select')) {
            control.selectedIndex = (control.selectedIndex + 1) % control.length;
            control.dispatchEvent(new Event('change', {bubbles: true}));
        } else if (control.matches('[type=checkbox]')) {
            control.click();
        } else {
            control.value = (Number(control.value) + 1) % (Number(control.max) + 1);
            control.dispatchEvent(new Event('input', {bubbles: true}));
        }
    };
    const frame = control.closest('.qe'), seen = frame.querySelector('.qe-panels, .qe-value');
    for (let i = 0; i < steps; i++) {
        await new Promise(done => setTimeout(done, 60));
        const start = performance.now();
        const changed = new Promise(done => {
            const wait = setTimeout(() => done(false), 2000);
            new MutationObserver((_, observer) => {
                observer.disconnect();
                clearTimeout(wait);
                done(true);
            }).observe(seen, {childList: true, attributes: true, subtree: true});
        });
        move(i);
        const drawn = await changed;
        await new Promise(requestAnimationFrame);
        if (drawn) times.push(performance.now() - start);
    }
    return times;
}"""

NAME = """node => (node.matches('.qe-bits') ? 'a bit, clicked' : node.getAttribute('aria-label')
    || node.closest('label')?.firstChild.textContent.trim()
    || node.closest('label')?.textContent.trim() || node.className)"""


def medians(lab):
    """Median and ninth decile of each control, in ms; a first round fills what the scene keeps."""
    found = lab.page.locator(CONTROLS)
    for i in range(found.count()):
        lab.page.evaluate(MOVE, [i, STEPS, CONTROLS])
        times = lab.page.evaluate(MOVE, [i, STEPS, CONTROLS])
        label = found.nth(i).evaluate(NAME)
        if len(times) > 1:
            yield label, statistics.median(times), statistics.quantiles(times, n=10)[-1]


def main():
    wanted = sys.argv[1:]
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    chosen = [path for path in notebooks if not wanted or path.stem[:2] in wanted]
    path = next(filter(None, map(conftest.shutil.which, conftest.CHROMIUMS)))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = conftest.Server(pathlib.Path(folder))
        try:
            server.wait()
            browser = playwright.chromium.launch(executable_path=path, args=conftest.FLAGS)
            print("| chapter | control | median, ms | nine of ten within, ms |\n|---|---|---|---|")
            for notebook in chosen:
                (server.root / notebook.name).write_bytes(notebook.read_bytes())
                lab = conftest.Lab(browser, server, height=2000)
                lab.open(notebook.name)
                lab.page.wait_for_timeout(500)
                for label, median, decile in medians(lab):
                    print(f"| {notebook.stem[:2]} | {label} | {median:.0f} | {decile:.0f} |")
                lab.close()
            browser.close()
        finally:
            server.stop()
    if hasattr(os, "getloadavg"):
        print(f"\nload of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
