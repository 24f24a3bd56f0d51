"""How long each chapter's interactives take, from a control's event to the changed picture.

    python benchmarks/interactives.py            every chapter
    python benchmarks/interactives.py 05 06      these

Opens the notebooks in a real JupyterLab and a real Chromium, as tests/browser does, runs them, and
moves each slider of each interactive, a step at a time. Prints a table for benchmarks/README.md.
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
DRAG = """async ([frame, which, steps]) => {
    const explorer = document.querySelectorAll('.qe:has(.qe-panels)')[frame];
    const slider = explorer.querySelectorAll('input[type=range]')[which], times = [];
    const max = Number(slider.max), panels = explorer.querySelector('.qe-panels');
    for (let i = 0; i < steps; i++) {
        await new Promise(done => setTimeout(done, 60));
        const start = performance.now();
        const changed = new Promise(done => {
            const wait = setTimeout(() => done(false), 2000);
            new MutationObserver((_, observer) => {
                observer.disconnect();
                clearTimeout(wait);
                done(true);
            }).observe(panels, {childList: true, attributes: true, subtree: true});
        });
        slider.value = (Number(slider.value) + 1) % (max + 1);
        slider.dispatchEvent(new Event('input', {bubbles: true}));
        const drawn = await changed;
        await new Promise(requestAnimationFrame);
        if (drawn) times.push(performance.now() - start);
    }
    return times;
}"""


def medians(lab):
    """Median and ninth decile of each slider, in ms; a first round fills what the scene keeps."""
    explorers = lab.page.locator(".qe:has(.qe-panels)")
    for i in range(explorers.count()):
        sliders = explorers.nth(i).locator("input[type=range]")
        for k in range(sliders.count()):
            lab.page.evaluate(DRAG, [i, k, STEPS])
            times = lab.page.evaluate(DRAG, [i, k, STEPS])
            label = sliders.nth(k).get_attribute("aria-label") or f"slider {k + 1}"
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
