"""The book of a run: its scoreboard and its executed notebooks as pages, made by Sphinx.

Its pages ask no server for anything: formulas are MathML, scripts and styles lie beside them.
"""

import base64
import html
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gtzan_helpers import config, files
from gtzan_helpers.errors import DAMAGED_FILE, NotebookError, reason, shown
from gtzan_helpers.report import front, record

EXCERPTS = """\
```{warning}
This page holds excerpts of recordings, heard or seen, which nobody may publish.
```
"""

# What Sphinx is told, here and by docs/conf.py.
SETTINGS: dict[str, Any] = {
    "extensions": ["myst_nb", "gtzan_helpers.report.book"],
    "language": "en",
    "smartquotes": False,  # they make one dash of the two of an option
    "html_theme": "sphinx_book_theme",
    "html_theme_options": {
        "home_page_in_toc": True,
        "use_download_button": False,
        "use_fullscreen_button": False,
        "navbar_persistent": [],  # the search stands in the sidebar
        "primary_sidebar_end": [],
        "footer_content_items": [],
    },
    "html_sidebars": {"**": ["search-button-field.html", "sbt-sidebar-nav.html"]},
    "html_static_path": [str(Path(__file__).with_name("book.css"))],
    "html_css_files": ["book.css"],
    "html_copy_source": False,
    "html_use_index": False,
    "html_show_copyright": False,
    "html_math_renderer": "mathml",
    "myst_enable_extensions": ["dollarmath"],
    "myst_heading_anchors": 3,
    "nb_execution_mode": "off",
    "nb_merge_streams": True,
    "nb_ipywidgets_js": {},
    "nb_render_markdown_format": "myst",
    "suppress_warnings": ["misc.highlighting_failure"],  # of the traceback of what stopped
}


def build(folder: Path) -> list[str]:
    """Make the book of a run: `index.html` in its folder, and a page beside each notebook.

    Parameters
    ----------
    folder : Path
        The run's folder, with `run.json` and `notebooks/`.

    Returns
    -------
    list of str
        What Sphinx warned of.

    Raises
    ------
    NotebookError
        If Sphinx cannot make it.
    """
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    title, warnings = front.title(record.read(folder)), io.StringIO()
    with tempfile.TemporaryDirectory() as name:
        sources, doctrees, pages = (Path(name, part) for part in ("sources", "doctrees", "pages"))
        write_sources(folder, sources)
        settings = SETTINGS | {"project": title, "html_title": title}
        try:
            with patch_docutils(), docutils_namespace():
                app = Sphinx(sources, None, pages, doctrees, "html", settings, None, warnings)
                app.env.settings["file_insertion_enabled"] = False
                app.build()
        except (SphinxError, RecursionError) as error:
            cause = reason(error)
            raise NotebookError(f"{folder}: its pages could not be made: {cause}") from error
        shutil.rmtree(pages / "_sources", ignore_errors=True)
        for old in ("_static", "_images"):
            shutil.rmtree(folder / old, ignore_errors=True)
        for page in (folder / "notebooks").glob("*.html"):
            page.unlink()
        shutil.copytree(pages, folder, copy_function=_replace, dirs_exist_ok=True)
    coloured = warnings.getvalue().replace(name, "")
    return re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines()


def _replace(source: str, target: str) -> None:
    """Copy a page; what is there may be a link to somewhere else."""
    with files.replacing(target, durable=False) as temporary:
        shutil.copyfile(source, temporary)


def write_sources(folder: Path, sources: Path) -> None:
    """Write what Sphinx reads: `index.md`, `notebooks/`, `pictures/`.

    Parameters
    ----------
    folder : Path
        The run's folder.
    sources : Path
        What it holds is removed.

    Raises
    ------
    SourceError
        If the folder holds no run.
    """
    import nbformat

    state = record.read(folder)
    shutil.rmtree(sources, ignore_errors=True)
    pictures = sources / "pictures"
    pictures.mkdir(parents=True)
    executed = {name: _read(folder, name, state) for name in sorted(state["notebooks"])}
    executed = {name: notebook for name, notebook in executed.items() if notebook}
    for name, notebook in executed.items():
        _prepare(notebook, state, executed)
        _take_pictures(notebook, pictures, Path(name).stem, executed)
        files.write_text(sources / "notebooks" / name, nbformat.writes(notebook) + "\n")
    chart = folder / "figures" / "09_scoreboard.png"
    if chart.is_file():
        shutil.copy(chart, pictures)
    files.write_text(sources / "index.md", front.page(folder, state, list(executed)))


# Notebooks


def _read(folder: Path, name: str, state: Mapping[str, Any]) -> Any:
    """An executed notebook; None where a full disk, or another process, left half of one.

    Of its metadata only the tags are kept: others can have Sphinx execute it.
    """
    import nbformat

    try:
        notebook = nbformat.reads(_without_paths(folder, name, state), 4)
        nbformat.validate(notebook)
        for cell in notebook.cells:
            cell.metadata = nbformat.from_dict({"tags": cell.metadata.get("tags", [])})
            for data in cell.get("attachments", {}).values():
                base64.b64decode(data["image/png"])
            for output in cell.get("outputs", []):
                base64.b64decode(output.get("data", {}).get("image/png", ""))
    except (*DAMAGED_FILE, nbformat.ValidationError):
        return None
    notebook.metadata = nbformat.from_dict({"language_info": {"name": "ipython3"}})
    return notebook


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

    notebook = nbformat.read(executed, 4)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "markdown"):
        for address in re.findall(r"!\[[^\]]*\]\((\.\./figures/[^)]+\.png)\)", cell.source):
            picture, name = folder / address, Path(address).name
            if picture.exists():
                code = base64.b64encode(picture.read_bytes()).decode()
                cell.setdefault("attachments", {})[name] = {"image/png": code}
                cell.source = cell.source.replace(address, f"attachment:{name}")
    files.write_text(executed, nbformat.writes(notebook) + "\n")


def _prepare(notebook: Any, state: Mapping[str, Any], executed: Collection[str]) -> None:
    """Make an executed notebook what Sphinx is to read, with its pictures still inside."""
    import nbformat

    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            cell.metadata["tags"] = ["remove-cell"]
        if "solution" in tags:
            cell.metadata["tags"] = ["hide-cell"]
            cell.metadata["mystnb"] = {
                "code_prompt_show": "Show the solution",
                "code_prompt_hide": "Hide the solution",
            }
        if cell.cell_type == "markdown":
            cell.source = _without_dead_links(cell.source, executed)
    if not state["source"].startswith("synthetic"):
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(EXCERPTS))


def _take_pictures(notebook: Any, pictures: Path, stem: str, executed: Collection[str]) -> None:
    """Move a notebook's pictures into files, and make its outputs what a page can show."""
    for number, cell in enumerate(notebook.cells):
        for place, (attached, data) in enumerate(cell.pop("attachments", {}).items()):
            picture = pictures / f"{stem}-{number}-{place}.png"
            picture.write_bytes(base64.b64decode(data["image/png"]))
            cell.source = cell.source.replace(
                f"attachment:{attached}", f"../pictures/{picture.name}"
            )
        outputs = [output for output in cell.get("outputs", []) if "data" in output]
        for place, output in enumerate(outputs):
            output.data.pop("application/vnd.jupyter.widget-view+json", None)
            if code := output.data.pop("image/png", None):
                picture = pictures / f"{stem}-{number}-{place}.png"
                picture.write_bytes(base64.b64decode(code))
                output.data = {"text/markdown": _shown(picture, output.metadata)}
            elif "text/markdown" in output.data:
                text = output.data["text/markdown"]
                output.data["text/markdown"] = _without_dead_links(text, executed)
            elif "text/html" in output.data:  # notebooks link to notebooks, pages to pages
                output.data["text/html"] = re.sub(
                    r'href="(\d\d_\w+)\.ipynb(#[^"]*)?"',
                    lambda link: f'href="{link[1]}.html{front.anchor(link[2] or "")}"',
                    output.data["text/html"],
                )


def _shown(picture: Path, metadata: Mapping[str, Any]) -> str:
    """A picture of an output as Markdown, in its own size and with its alternative text."""
    about = metadata.get("image/png", {})
    lines = [f"```{{image}} ../pictures/{picture.name}"]
    lines += [f":alt: {json.dumps(about['alt'])}"] if "alt" in about else []
    lines += [f":width: {about['width']}px"] if "width" in about else []
    return "\n".join([*lines, "```"])


def _without_dead_links(text: str, executed: Collection[str]) -> str:
    """Markdown in which links to notebooks that have no page are plain text."""
    return re.sub(
        r"\[([^\]]*)\]\((\d\d_\w+\.ipynb)[^)]*\)",
        lambda link: link[0] if link[2] in executed else link[1],
        text,
    )


def _without_paths(folder: Path, name: str, state: Mapping[str, Any]) -> str:
    """The text of an executed notebook, without the places of this machine."""
    path = folder / "notebooks" / name
    files.regular(path, files.SMALL)
    text = path.read_text(encoding="utf-8")
    places = {str(folder): folder.name, str(config.series()): "."}
    if (home := str(Path.home())) != os.sep:  # as of users whom a container does not know
        places |= {home: "~"}
    source = str(state["notebooks"][name]["parameters"]["source"])
    if os.sep in source:
        places |= {source: Path(source).name}
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(json.dumps(place)[1:-1], json.dumps(shown(places[place]))[1:-1])
    return text


# Sphinx


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx the formulas, and the names of what is folded."""
    from docutils import nodes
    from latex2mathml import converter
    from sphinx import addnodes

    def formula(translator: Any, node: Any, display: str = "inline") -> None:
        try:
            text = converter.convert(node.astext(), display=display)
        except Exception:  # it has many of its own for what is no formula
            text = f"<code>{html.escape(node.astext())}</code>"
        if display == "block":  # a wide one scrolls, by keys as well
            text = text.replace("<math", '<math tabindex="0"', 1)
        translator.body.append(text)
        raise nodes.SkipNode

    def name_by_text(app: Any, page: str, template: str, context: dict, doctree: Any) -> None:
        # myst-nb's label hides from a screen reader what the summary says.
        body = context.get("body", "")
        context["body"] = body.replace(' aria-label="Toggle hidden content"', "")

    def stay_inside(app: Any, doctree: Any) -> None:
        # Pages take copies of the files that they show or offer.
        for node in [*doctree.findall(nodes.image), *doctree.findall(addnodes.download_reference)]:
            address = node.get("uri") or node.get("reftarget")
            place = app.env.relfn2path(address, app.env.docname)[1]
            if "://" not in address and not Path(place).resolve().is_relative_to(app.srcdir):
                node.replace_self(nodes.Text(node.get("alt", node.astext())))

    app.add_html_math_renderer("mathml", (formula, None), (partial(formula, display="block"), None))
    app.connect("doctree-read", stay_inside, priority=0)  # before what collects the files
    app.connect("html-page-context", name_by_text)
    return {"parallel_read_safe": True}
