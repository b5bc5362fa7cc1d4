"""The pages of a run: `index.html` with its scoreboard, and one page per executed notebook."""

import base64
import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gtzan_helpers import files
from gtzan_helpers.errors import SourceError
from gtzan_helpers.experiments import results, scoreboard
from gtzan_helpers.models import systems

# One notebook


def embed_pictures(executed: Path, folder: Path) -> None:
    """Put the pictures that a notebook's text links to into its executed copy.

    Parameters
    ----------
    executed : Path
        The executed notebook.
    folder : Path
        The folder that links such as ``../figures/mini/02_pca.png`` start from.
    """
    import nbformat

    book = nbformat.read(executed, 4)
    for cell in (cell for cell in book.cells if cell.cell_type == "markdown"):
        for address in re.findall(r"!\[[^\]]*\]\((\.\./figures/[^)]+\.png)\)", cell.source):
            picture, name = folder / address, Path(address).name
            if picture.exists():
                code = base64.b64encode(picture.read_bytes()).decode()
                cell.setdefault("attachments", {})[name] = {"image/png": code}
                cell.source = cell.source.replace(address, f"attachment:{name}")
    files.write_text(executed, nbformat.writes(book) + "\n")


def write_notebook(executed: Path, target: Path) -> Path:
    """Write a notebook as a page with its pictures inside and its solutions folded."""
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(embed_images=True, raw_template=_template("notebook.html.j2"))
    body, _ = exporter.from_notebook_node(nbformat.read(executed, 4))
    # Notebooks link to notebooks, pages to pages.
    return files.write_text(target, re.sub(r'href="(\d\d_\w+)\.ipynb', r'href="\1.html', body))


# The run


def index(folder: Path, state: Mapping[str, Any]) -> str:
    """Return the page of a run as HTML.

    Parameters
    ----------
    folder : Path
        The run's folder, with `results/` and `figures/`.
    state : mapping
        The content of its `run.json`: `source`, `profile`, `n_tracks`, `n_labels`, `chance`
        (chance level, from 0 to 1), `notebooks` (title, seconds and error by file name) and
        `left_out` (title and reason by file name).
    """
    from gtzan_helpers.plots.scores import CEILING

    source, profile = html.escape(state["source"]), state["profile"]
    executed, left_out = state["notebooks"], state["left_out"]
    entries = {name: _executed_line(name, entry) for name, entry in executed.items()}
    for name, (notebook, reason) in left_out.items():
        words = f"<span class='small'>left out: {html.escape(reason)}</span>"
        entries[name] = f"<li>{html.escape(notebook)} {words}</li>"
    return _template("index.html").format(
        title=f"Music genres: {source}, {profile}",
        n_tracks=state["n_tracks"],
        n_labels=state["n_labels"],
        chance=f"{100 * state['chance']:.0f}",
        ceiling=scoreboard.percent(CEILING),
        warning=_template("synthetic.html") if source.startswith("synthetic") else "",
        notebooks="\n".join(entries[name] for name in sorted(entries)),
        scoreboard=_scoreboard(folder, list(executed)),
    )


def _executed_line(name: str, entry: Mapping[str, Any]) -> str:
    link = f"<a href='html/{Path(name).stem}.html'>{html.escape(entry['title'])}</a>"
    state = f"{entry['seconds']:.0f} s"
    if entry["error"]:
        state = f"<strong>stopped: {html.escape(entry['error'])}</strong>"
    return f"<li>{link} <span class='small'>{state}</span></li>"


def _scoreboard(folder: Path, executed: list[str]) -> str:
    try:
        measured = results.read_run(folder)
    except SourceError:
        return "<p>No system was measured yet.</p>"
    compared = scoreboard.comparison(scoreboard.merge(measured[:0], measured))
    percent = scoreboard.percent
    table = pd.DataFrame(
        {
            "system": [_linked(system_id, executed) for system_id in compared.system_id],
            "published": compared.published.map(percent),
            "reproduced": compared.reproduced.map(percent),
            "under": compared.run_protocol,
            "honest": compared.honest.map(percent),
            "95 % interval": compared.low.map(percent) + " to " + compared.high.map(percent),
            "under ": compared.honest_protocol,
            "price of the leak": compared.price.map(_points),
            "note": compared.note.map(html.escape),
        }
    )
    cells = table.to_html(index=False, border=0, escape=False)
    return f"{_chart(folder)}<div class='wide' tabindex='0'>{cells}</div>"


def _linked(system_id: str, executed: list[str]) -> str:
    """A system's id, as a link to the section that runs it where that notebook was executed."""
    system = systems.get(system_id)
    for name in executed:
        if name.startswith(f"{system.notebook}_"):
            return f"<a href='html/{Path(name).stem}.html{system.anchor}'>{system_id}</a>"
    return system_id


def _template(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _points(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:+.1f}"


def _chart(folder: Path) -> str:
    """The chart of notebook 09, inside the page."""
    try:
        picture = (folder / "figures" / "09_scoreboard.png").read_bytes()
    except OSError:
        return ""
    return (
        "<p><img alt='Published, reproduced and honest accuracy of each system; the table "
        "below has the numbers' src='data:image/png;base64,"
        f"{base64.b64encode(picture).decode()}'></p>"
    )
