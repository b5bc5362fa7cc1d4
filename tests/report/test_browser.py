"""The book of a run and JupyterLab in headless Chromium, as a reader sees them.

The run is the one that GTZAN_RUN names, as in `.ci/run`, or else a small one made here.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import nbformat
import pytest
import websocket  # comes with jupyter-server

from gtzan_helpers import config
from gtzan_helpers.report import book

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
        """What a JavaScript expression gives, or its promise."""
        options = {"returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", expression=expression, **options)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press_enter(self):
        words = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **words)

    def resize(self, width):
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def save_picture(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """The page of a browser that all tests share."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), "")
    if not program:
        (pytest.fail if "CI" in os.environ else pytest.skip)("there is no Chromium")
    profile = tmp_path_factory.mktemp("profile")
    flags = ["--headless", "--no-sandbox", "--remote-debugging-port=0", "--window-size=1200,1000"]
    with subprocess.Popen(
        [program, *flags, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            at = profile / "DevToolsActivePort"
            port, path = until(lambda: at.exists() and at.read_text().split())
            whole = Page(f"ws://127.0.0.1:{port}{path}")
            targets = until(lambda: whole.call("Target.getTargets")["targetInfos"])
            (target,) = [each["targetId"] for each in targets if each["type"] == "page"]
            page = Page(f"ws://127.0.0.1:{port}/devtools/page/{target}")
            page.call("Emulation.setFocusEmulationEnabled", enabled=True)
            yield page
        finally:
            process.terminate()


@pytest.fixture
def page(browser, tmp_path):
    """The browser's page; what it shows in the end is kept in `page.png` of the test's folder."""
    browser.call("Emulation.clearDeviceMetricsOverride")
    yield browser
    browser.save_picture(tmp_path / "page.png")


# The book


def write_run(folder):
    """A run of two notebooks, as `gtzan run` leaves them: formulas, picture, sound, solution."""
    import numpy as np

    from gtzan_helpers.plots import player

    v4 = nbformat.v4
    picture = (config.checkout() / "figures/mini/01_columns.png").read_bytes()
    drawn = v4.new_output(
        "display_data",
        {"image/png": base64.b64encode(picture).decode()},
        metadata={"image/png": {"alt": "Ten spectrograms, one of each genre."}},
    )
    sound = player(0.5 * np.sin(0.1 * np.arange(22_050)), 22_050)
    heard = v4.new_output("display_data", {"text/html": sound._repr_html_()})
    wide = "<table><tr>" + "<td>a_column_that_does_not_break</td>" * 9 + "</tr></table>"
    cells = [
        v4.new_code_cell("draw()", outputs=[drawn, heard]),
        v4.new_code_cell("table", outputs=[v4.new_output("display_data", {"text/html": wide})]),
        v4.new_markdown_cell("The state $h_t$, `gtzan run --only 00`, [above](#spectrograms)."),
        v4.new_markdown_cell(f"$${' + '.join(['W_i x_i'] * 20)}$$"),
        v4.new_code_cell("solve()", metadata={"tags": ["solution"]}),
    ]
    state = {"source": "synthetic", "profile": "smoke", "n_tracks": 40, "n_labels": 10,
             "chance": 0.1, "left_out": {}, "notebooks": {}}  # fmt: skip
    for name in ("00_first", "01_second"):
        title = v4.new_markdown_cell(f"# {name}\n\n## Spectrograms")
        language = {"language_info": {"name": "python"}}
        notebook = v4.new_notebook(cells=[title, *cells], metadata=language)
        (folder / "notebooks").mkdir(exist_ok=True)
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")
        state["notebooks"][f"{name}.ipynb"] = {
            "title": name, "seconds": 1, "error": "", "parameters": {"source": "synthetic"}
        }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(state))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run, with its book."""
    if "GTZAN_RUN" in os.environ:
        return Path(os.environ["GTZAN_RUN"]).resolve()
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    assert not book.build(folder)
    return folder


LOOK = """(async () => {
  const all = selector => [...document.querySelectorAll(selector)];
  for (const each of all("details")) each.open = true;
  const heard = each => new Promise(done => {
    each.onloadedmetadata = each.onerror = () => done(each.duration || 0);
    each.load();
  });
  const prose = document.querySelector("article").cloneNode(true);
  prose.querySelectorAll("pre, code, math, script, style").forEach(each => each.remove());
  return {
    title: document.title,
    prose: prose.textContent,
    outputs: all(".cell_output").map(each => each.textContent).join(),
    pictures: all("article img").map(each => [each.currentSrc, each.alt, each.naturalWidth]),
    players: await Promise.all(all("audio").map(heard)),
    formulas: all("math").length,
    asked: performance.getEntriesByType("resource").map(each => each.name),
    links: all("a[href]").map(each => each.href),
    ids: all("[id]").map(each => each.id),
    around: all(".prev-next-area a").map(each => each.className),
    unreachable: all("article *").filter(each =>
      each.scrollWidth > each.clientWidth + 1 && each.tabIndex < 0
      && ["auto", "scroll"].includes(getComputedStyle(each).overflowX)).length,
  };
})()"""


@pytest.fixture(scope="module")
def seen(browser, run):
    """What each page of the book shows, by its path."""
    seen = {}
    for path in [run / "index.html", *sorted((run / "notebooks").glob("*.html"))]:
        browser.resize(390)
        browser.open(path.as_uri())
        seen[path] = browser.ask(LOOK)
        seen[path]["widths"] = {}
        for width in (390, 768, 1280):
            browser.resize(width)
            seen[path]["widths"][width] = browser.ask("document.documentElement.scrollWidth")
    assert len(seen) > 2
    return seen


def test_each_page_has_a_title_of_its_own(seen):
    titles = [page["title"].strip() for page in seen.values()]
    assert all(titles) and len(set(titles)) == len(titles)


def test_pictures_are_there_and_say_in_words_what_they_show(seen):
    assert any(page["pictures"] for page in seen.values())
    for path, page in seen.items():
        for address, words, width in page["pictures"]:
            assert width > 0, (path.name, address)
            assert len(words.split()) > 2, (path.name, address, words)


def test_players_hold_sound(seen):
    assert any(page["players"] for page in seen.values())
    for path, page in seen.items():
        assert 0 not in page["players"], path.name


def test_formulas_are_mathml(seen):
    assert any(page["formulas"] for page in seen.values())
    for path, page in seen.items():
        assert not re.search(r"\$\S[^$]*\$|\\[(\[]", page["prose"]), path.name


def test_pages_ask_no_server_for_anything(seen):
    for path, page in seen.items():
        assert all(each.startswith(("file:", "data:")) for each in page["asked"]), path.name


def test_nothing_is_wider_than_a_phone_a_tablet_and_a_laptop(seen):
    for path, page in seen.items():
        assert all(wide <= width for width, wide in page["widths"].items()), (path, page["widths"])


def test_what_scrolls_can_be_reached_by_keys(seen):
    for path, page in seen.items():
        assert page["unreachable"] == 0, path.name


def test_links_lead_to_pages_and_anchors_that_are_there(seen):
    for path, page in seen.items():
        for link in page["links"]:
            address, anchor = urldefrag(link)
            target = Path(unquote(urlsplit(address).path))
            if address.startswith("file:"):
                assert target.is_file(), (path.name, link)
                ids = seen.get(target, {}).get("ids", [])
                assert not anchor or unquote(anchor) in ids, (path.name, link)


def test_no_widget_is_left_without_its_kernel(seen):
    for path, page in seen.items():
        orphan = re.search(r"widget-view|\w\(children=|model not found", page["outputs"])
        assert not orphan, path.name


def test_each_notebook_leads_to_the_previous_and_the_next(seen):
    (_, *between, last) = [page["around"] for page in seen.values()]
    assert all(around == ["left-prev", "right-next"] for around in between)
    assert last == ["left-prev"]


def test_pages_are_small(seen):
    for path, page in seen.items():
        addresses = [urlsplit(each[0]) for each in page["pictures"]]
        files = {Path(unquote(each.path)) for each in addresses if each.scheme == "file"}
        size = sum(file.stat().st_size for file in [path, *files])
        assert size <= (6e6 if page["players"] else 3e6), (path.name, size)


def test_search_finds_a_word(page, run):
    page.open(f"{(run / 'search.html').as_uri()}?q=spectrogram")
    found = "[...document.querySelectorAll('#search-results li a')].map(each => each.href)"
    assert all("/notebooks/" in address for address in until(lambda: page.ask(found), 20))


def test_a_solution_is_folded_and_keys_open_it(page, run):
    page.open(min((run / "notebooks").glob("*.html")).as_uri())
    code = "document.querySelector('details.hide pre').checkVisibility()"
    assert not page.ask(code)
    page.ask("document.querySelector('details.hide summary').focus()")
    page.press_enter()
    assert until(lambda: page.ask(code), 20)
    page.press_enter()
    assert until(lambda: not page.ask(code), 20)


# JupyterLab


@pytest.fixture
def lab(tmp_path, request):
    """The address of a notebook at smoke in a JupyterLab of its own."""
    root = tmp_path / "root"
    for name in ("notebooks", "figures"):
        shutil.copytree(config.checkout() / name, root / name)
    (path,) = (root / "notebooks").glob(f"{request.param}_*.ipynb")
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
void jupyterapp.commands.execute("notebook:run-all-cells").finally(() => { window.ran = true; });
"""

OUTPUTS = f"""
[...{NOTEBOOK}.content.model.cells].map(cell => cell.type === "code" ? cell.outputs.toJSON() : [])
"""


def shown(page, number, tag):
    """Bring a cell to sight, and wait until each picture or player in it is loaded."""
    loaded = {"img": "each.naturalWidth > 0", "audio": "each.duration > 0"}[tag]
    elements = f"[...{NOTEBOOK}.content.widgets[{number}].node.querySelectorAll('{tag}')]"
    page.ask(f"void {NOTEBOOK}.content.scrollToItem({number})")
    until(lambda: page.ask(f"{elements}.length > 0 && {elements}.every(each => {loaded})"))
    return page.ask(f"{elements}.map(each => each.currentSrc)")


HIDDEN = f"""
[...{NOTEBOOK}.content.widgets].filter(cell => cell.model.sharedModel.metadata.tags
  ?.includes("solution")).map(cell => cell.isHidden)
"""

SAVED = """
(async () => { await jupyterapp.commands.execute("docmanager:save"); return true; })()
"""


@pytest.mark.slow
@pytest.mark.parametrize("lab", ["00", "01", "02", "03", "04"], indirect=True)
def test_a_lesson_runs_in_jupyterlab_and_is_the_same_when_it_is_opened_again(lab, page):
    page.open(lab)
    until(lambda: page.ask(IDLE))
    assert shown(page, 0, "img")
    page.ask(RUN)
    until(lambda: page.ask("window.ran"), seconds=500)
    outputs = page.ask(OUTPUTS)
    assert [o for of_cell in outputs for o in of_cell if o["output_type"] == "error"] == []
    assert [o for of_cell in outputs for o in of_cell if o.get("name") == "stderr"] == []
    assert "widget-view" not in json.dumps(outputs)
    assert page.ask(HIDDEN) == [True]
    assert page.ask(SAVED)
    page.open("about:blank")
    page.open(lab)
    until(lambda: page.ask(IDLE))
    assert len(page.ask(OUTPUTS)) == len(outputs) and page.ask(HIDDEN) == [True]
    kinds = [" ".join(kind for o in of_cell for kind in o.get("data", {})) for of_cell in outputs]
    assert shown(page, next(i for i, names in enumerate(kinds) if "image/png" in names), "img")
    for tag, holds in (("<audio", "audio"), ("<details name", "img")):
        for number in [i for i, of_cell in enumerate(outputs) if tag in json.dumps(of_cell)]:
            assert shown(page, number, holds)
    assert not page.ask("document.body.textContent.includes('Error displaying widget')")


# The place for songs in notebook 08

ZONE = "document.querySelector('.gtzan-song input')"

ANSWER = """
(() => {
  const shown = document.querySelector(".gtzan-answer"), audio = shown?.querySelector("audio");
  shown?.scrollIntoView({block: "center"});  // what JupyterLab keeps out of sight has no innerText
  return {
    words: shown?.innerText ?? "",
    seconds: audio?.duration ?? 0,
    alt: shown?.querySelector("img")?.alt,
    line: shown?.querySelector("i")?.style.left,
  };
})()
"""

ORPHANS = """
[...document.querySelectorAll(".jupyter-widgets")].map(each => [
  each.textContent.includes("Error displaying widget"), each.checkVisibility()])
"""


def drop(page, path):
    """Drop a file on the place for songs, as a mouse does."""
    until(lambda: page.ask(f"{ZONE} !== null"))
    page.ask(f"{ZONE}.scrollIntoView({{block: 'center'}})")
    x, y = page.ask(f"(({{x, y}}) => [x + 20, y + 20])({ZONE}.getBoundingClientRect())")
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        page.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)


def heard(page):
    """Wait until an answer and its player are in sight; returns what is there."""
    return until(lambda: (answer := page.ask(ANSWER))["seconds"] and answer["words"] and answer)


@pytest.mark.slow
@pytest.mark.parametrize("lab", ["08"], indirect=True)
def test_a_song_is_dropped_heard_and_answered_and_leaves_no_orphan(
    lab, page, labelled_folder, tmp_path
):
    song = labelled_folder(seconds=6.0) / "noise" / "noise.00000.wav"
    broken, large = tmp_path / "<broken>.mp3", tmp_path / "large.wav"
    broken.write_text("no sound")
    large.write_bytes(bytes(10_000_001))
    page.open(lab)
    until(lambda: page.ask(IDLE))
    sources = page.ask(f"[...{NOTEBOOK}.content.model.cells].map(each => each.toJSON().source)")
    place = next(i for i, source in enumerate(sources) if source.startswith("predict.widget"))
    for number in (1, 2, place):
        page.ask(f"{NOTEBOOK}.content.activeCellIndex = {number}")
        page.ask("jupyterapp.commands.execute('notebook:run-cell').then(() => true)")
    drop(page, broken)
    said = until(lambda: "not audio" in (words := page.ask(ANSWER)["words"]) and words)
    assert said.startswith("<broken>.mp3: not audio") and "\n" not in said
    drop(page, large)
    assert "large.wav: larger than 10 MB" in page.ask(f"{ZONE}.nextElementSibling.textContent")
    drop(page, song)
    answer = heard(page)
    assert answer["seconds"] == pytest.approx(6, abs=0.1)
    assert answer["alt"].startswith("noise.00000.wav: " + answer["words"].splitlines()[0])
    page.ask("document.querySelector('.gtzan-answer audio').currentTime = 3")
    until(lambda: page.ask(ANSWER)["line"] != answer["line"])  # it goes where the player is
    assert page.ask(SAVED)
    page.ask("jupyterapp.serviceManager.sessions.shutdownAll().then(() => true)")
    page.open("about:blank")
    page.open(lab)
    until(lambda: page.ask(IDLE))
    page.ask(f"void {NOTEBOOK}.content.scrollToItem({place})")
    assert heard(page)["words"] == answer["words"]
    assert until(lambda: page.ask(ORPHANS)) == [[True, False]]
