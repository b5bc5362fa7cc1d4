"""The report and JupyterLab in headless Chromium, where there is one, as a reader sees them."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from urllib.parse import unquote

import nbformat
import pytest
import websocket  # comes with jupyter-server

from gtzan_helpers import config
from gtzan_helpers.report import pages

pytestmark = pytest.mark.browser


def until(ask, seconds=120):
    """Ask again until the answer is true; returns it."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        threading.Event().wait(0.1)
    return answer


class Page:
    """A page of a browser, moved by the Chrome DevTools protocol."""

    def __init__(self, address):
        self.socket = websocket.create_connection(address, suppress_origin=True, timeout=120)
        self.n = 0

    def call(self, method, **params):
        self.n += 1
        self.socket.send(json.dumps({"id": self.n, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.n:
            pass  # events that nobody waits for
        return answer["result"]

    def open(self, address):
        assert "errorText" not in self.call("Page.navigate", url=address)
        until(lambda: self.ask("document.readyState === 'complete'"))

    def ask(self, expression):
        """What a JavaScript expression gives."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press_enter(self):
        words = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **words)

    def save_picture(self, path):
        import base64

        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@pytest.fixture
def page(tmp_path):
    """An empty page; what it shows in the end is kept in `page.png` of the test's folder."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), "")
    if not program:
        pytest.skip("there is no Chromium")
    profile = tmp_path / "profile"
    flags = ["--headless", "--no-sandbox", "--remote-debugging-port=0", "--window-size=1200,1000"]
    with subprocess.Popen(
        [program, *flags, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            at = profile / "DevToolsActivePort"
            port, path = until(lambda: at.exists() and at.read_text().split())
            browser = Page(f"ws://127.0.0.1:{port}{path}")
            targets = until(lambda: browser.call("Target.getTargets")["targetInfos"])
            (target,) = [each["targetId"] for each in targets if each["type"] == "page"]
            page = Page(f"ws://127.0.0.1:{port}/devtools/page/{target}")
            page.call("Emulation.setFocusEmulationEnabled", enabled=True)
            yield page
            page.save_picture(tmp_path / "page.png")
        finally:
            process.terminate()


# The report


LOOK = """({
  images: document.images.length,
  broken: [...document.images].filter(image => !image.naturalWidth).length,
  links: [...document.querySelectorAll("a[href]")].map(link => link.getAttribute("href")),
  focusable: document.querySelectorAll("a[href], [tabindex]").length,
  wide: document.documentElement.scrollWidth,
})"""


def test_the_report_is_whole_links_lead_somewhere_and_it_fits_a_phone(page, smoke_run):
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.call("Emulation.setDeviceMetricsOverride", **phone)
    page.open((smoke_run / "index.html").as_uri())
    seen = page.ask(LOOK)
    assert seen["images"] >= 1 and seen["broken"] == 0
    assert seen["wide"] <= 400  # the table scrolls, the page does not
    assert seen["focusable"] > len(set(seen["links"]))  # the table can be scrolled by keys
    assert len(set(seen["links"])) >= 10
    for link in seen["links"]:
        name, _, anchor = unquote(link).partition("#")
        target = (smoke_run / name).read_text(encoding="utf-8")
        assert len(target) > 10_000, link
        assert not anchor or f'id="{anchor}"' in target, link


def test_a_solution_is_folded_and_keys_open_it(page, tmp_path):
    (path,) = (config.checkout() / "notebooks").glob("02_*.ipynb")
    pages.write_notebook(path, tmp_path / "page.html")
    page.open((tmp_path / "page.html").as_uri())
    code = "document.querySelector('details .jp-Cell').checkVisibility()"
    assert not page.ask(code)
    page.ask("document.querySelector('summary').focus()")
    assert page.ask("document.activeElement.textContent") == "Solution"
    page.press_enter()
    assert until(lambda: page.ask(code))


# JupyterLab


@pytest.fixture
def lab(tmp_path):
    """The address of notebook 01 at smoke in a JupyterLab of its own."""
    root = tmp_path / "root"
    for name in ("notebooks", "figures/mini"):
        shutil.copytree(config.checkout() / name, root / name)
    (path,) = (root / "notebooks").glob("01_*.ipynb")
    book = nbformat.read(path, 4)
    book.cells[1].source += f'\nprofile = "smoke"\nrun_dir = {str(tmp_path / "run")!r}'
    nbformat.write(book, path)
    places = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    places |= {
        f"JUPYTERLAB_{name}_DIR": str(tmp_path / name) for name in ("SETTINGS", "WORKSPACES")
    }
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    options += [f"--ServerApp.root_dir={root}", "--IdentityProvider.token=known"]
    options += ["--LabApp.expose_app_in_browser=True"]
    with (
        (tmp_path / "lab.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env={**os.environ, **places, "IPYTHONDIR": str(tmp_path / "ipython")},
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        ) as server,
    ):
        try:
            (server_file,) = until(lambda: list((tmp_path / "RUNTIME").glob("jpserver-*.json")))
            url = json.loads(until(server_file.read_text))["url"]
            yield f"{url}lab/tree/notebooks/{path.name}?token=known"
        finally:
            server.terminate()


NOTEBOOK = "jupyterapp.shell.currentWidget"

IDLE = """
window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === "idle"
"""

RUN = """
jupyterapp.commands.execute("notebook:run-all-cells").finally(() => { window.ran = true; });
"""

OUTPUTS = f"""
[...{NOTEBOOK}.content.model.cells].map(cell => cell.type === "code" ? cell.outputs.toJSON() : [])
"""


CHOOSE_THE_SECOND = """
const menu = document.querySelector(".widget-dropdown select");
menu.selectedIndex = 1;
menu.dispatchEvent(new Event("change", {bubbles: true}));  // as a click does
"""


def shown(page, number, tag):
    """Bring a cell to sight, and wait until each picture or player in it is loaded."""
    loaded = {"img": "each.naturalWidth > 0", "audio": "each.duration > 0"}[tag]
    elements = f"[...{NOTEBOOK}.content.widgets[{number}].node.querySelectorAll('{tag}')]"
    page.ask(f"void {NOTEBOOK}.content.scrollToItem({number})")
    until(lambda: page.ask(f"{elements}.length > 0 && {elements}.every(each => {loaded})"))
    return page.ask(f"{elements}.map(each => each.currentSrc)")


def test_in_jupyterlab_notebook_01_plays_and_its_menu_of_tracks_moves(lab, page):
    page.open(lab)
    until(lambda: page.ask(IDLE))
    assert shown(page, 0, "img")
    page.ask(RUN)
    until(lambda: page.ask("window.ran"), seconds=300)
    outputs = page.ask(OUTPUTS)
    assert [o for of_cell in outputs for o in of_cell if o["output_type"] == "error"] == []
    assert [o for of_cell in outputs for o in of_cell if o.get("name") == "stderr"] == []
    kinds = [" ".join(kind for o in of_cell for kind in o.get("data", {})) for of_cell in outputs]
    assert "<lambda>" not in json.dumps(outputs)  # what a widget's function looks like
    (menu,) = [i for i, names in enumerate(kinds) if "widget-view" in names]
    picture = next(i for i, names in enumerate(kinds) if "image/png" in names)
    players = next(i for i, of_cell in enumerate(outputs) if "<audio" in json.dumps(of_cell))
    assert shown(page, picture, "img") and len(shown(page, players, "audio")) == 2

    before = shown(page, menu, "img"), shown(page, menu, "audio")
    page.ask(CHOOSE_THE_SECOND)
    until(lambda: shown(page, menu, "img") != before[0])
    until(lambda: shown(page, menu, "audio") != before[1])
