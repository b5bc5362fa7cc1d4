"""The book of a run: what its pages show, what they hide, and what they say is missing."""

import base64
import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from gtzan_helpers.errors import NotebookError, SourceError
from gtzan_helpers.experiments import results
from gtzan_helpers.report import book
from gtzan_helpers.report import front as front_page

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)

v4 = nbformat.v4


def output(data, **metadata):
    return v4.new_output("display_data", data, metadata=metadata)


def code(source, *outputs, tags=()):
    return v4.new_code_cell(
        source, outputs=list(outputs), execution_count=1, metadata={"tags": list(tags)}
    )


def write_run(folder, source="synthetic", *, profile="quick", error="", left_out=()):
    """A run of one notebook as papermill leaves it."""
    text = v4.new_markdown_cell(
        "# 05 · Networks\n\n![a map](attachment:map.png)\n\n$x^2$\n\n[as before](02_other.ipynb)"
    )
    text.attachments = {"map.png": {"image/png": PIXEL}}
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "3 / 3"}
    cells = [
        text,
        code(f"run_dir = {str(folder)!r}", tags=["injected-parameters"]),
        code(
            "plt.show()",
            output(
                {"image/png": PIXEL}, **{"image/png": {"alt": "loss [1]: & gain", "width": 300}}
            ),
        ),
        code("link", output({"text/html": '<a href="03_classical_models.ipynb#Run-them">03</a>'})),
        code("progress", output(widget)),
        code("print(run)", v4.new_output("stream", name="stdout", text=f"{folder}/figures\n")),
        code("print(42)", tags=["solution"]),
    ]
    notebook = v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    (folder / "notebooks").mkdir(parents=True)
    nbformat.write(notebook, folder / "notebooks" / "05_cnn.ipynb")
    entry = {"title": "05 cnn", "seconds": 2, "error": error, "parameters": {"source": source}}
    state = {
        "source": source,
        "profile": profile,
        "n_tracks": 40,
        "n_labels": 10,
        "chance": 0.1,
        "notebooks": {"05_cnn.ipynb": entry},
        "left_out": dict(left_out),
    }
    (folder / "run.json").write_text(json.dumps(state))
    return folder


def write_rows(folder, source):
    for protocol, accuracy in (("segment_random", 0.9), ("fault_filtered", 0.5)):
        row = results.Row(
            "slices_cnn", source, "logmel", 3.0, protocol, 0, "measured",
            segment_accuracy=accuracy, track_accuracy=accuracy,
            track_ci_low=accuracy - 0.1, track_ci_high=accuracy + 0.1, profile="quick",
        )  # fmt: skip
        results.write_row(folder / "results", row, key="k")
    refused = results.Row("images_cnn", source, "", 3.0, "fault_filtered", 0, "not_measured", "why",
                          profile="quick")  # fmt: skip
    results.write_row(folder / "results", refused, key="k")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_run(
        tmp_path_factory.mktemp("runs") / "mine",
        error="code cell 3: ValueError: no <luck>",
        left_out={"01_audio.ipynb": ("01 audio", "it has no audio")}.items(),
    )
    write_rows(folder, "synthetic")
    assert book.build(folder) == []
    return folder


@pytest.fixture(scope="module")
def front(run):
    return (run / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(run):
    return (run / "notebooks" / "05_cnn.html").read_text(encoding="utf-8")


def main_part(page):
    """A page's own text, without the contents beside it."""
    return page.partition("<article")[2].partition("</article>")[0]


def test_the_first_page_shows_published_and_honest_and_links_the_section(front):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main_part(front)))
    assert "Best of 1 under the honest protocol: CNN on MFCC" in text
    assert "price of the leak: 90.0 % as the studies split, 50.0 % under the honest" in text
    assert "CNN on MFCC, slices study – 90.0 50.0 (40.0 to 60.0)" in text
    assert "CNN on MFCC, slices study: segment_random , price of the leak +40.0 points" in text
    assert "CNN, images study was not measured under fault_filtered : why" in text
    assert '<a href="notebooks/05_cnn.html#' in front.replace("'", '"')


def test_a_run_ends_with_its_best_system_the_price_of_the_leak_and_what_they_are_of(run):
    counts, caution, best, price = front_page.summary(run)
    assert re.fullmatch(r"notebooks: \d; rows: 2 of 2 systems; rows not measured: 1", counts)
    assert best.endswith("CNN on MFCC, slices study, 50.0 % (95 % interval 40.0 to 60.0).")
    assert "90.0 % as the studies split, 50.0 %" in price and "not results on GTZAN" in caution


def test_an_interval_without_a_width_is_not_shown():
    row = {"system_id": "slices_cnn", "published": 0.9, "reproduced": 1.0, "honest": 1.0}
    compared = pd.DataFrame([row | {"low": 1.0, "high": 1.0, "price": 0.0}])
    best = front_page._headline(compared)[0]
    assert best.endswith("100.0 % (too few songs for an interval).")
    assert "(" not in front_page._table(compared, [], "a run").splitlines()[-1]


def test_what_is_synthetic_or_quick_says_so_beside_published_figures(front):
    text = main_part(front)
    assert "published (real GTZAN)" in text and "honest (synthetic, quick)" in text
    assert "not results" in text and "for a few epochs" in text


def test_what_stopped_and_what_was_left_out_is_said(front):
    text = main_part(front)
    assert "05 cnn stopped: code cell 3: ValueError: no &lt;luck&gt;" in text
    assert "01 audio was left out: it has no audio" in text


def test_pages_have_titles_and_lead_to_each_other(front, page):
    for text, title in ((page, "05 · Networks"), (front, "Scoreboard")):
        assert f"<title>{title} &#8212; Music genres: synthetic, quick</title>" in text
    assert 'href="../index.html"' in page and 'href="notebooks/05_cnn.html"' in front


def test_pictures_have_their_alternative_texts(page, run):
    pictures = re.findall(r'<img alt="([^"]*)"[^>]*src="\.\./(_images/[^"]+)"', page)
    assert [text for text, _ in pictures] == ["a map", "loss [1]: &amp; gain"]
    for _, path in pictures:
        assert (run / path).read_bytes() == base64.b64decode(PIXEL)


def test_formulas_are_mathml_and_widgets_and_servers_are_gone(page, run):
    assert "<msup>" in page and "widget" not in main_part(page)
    for each in (page, (run / "index.html").read_text(encoding="utf-8")):
        assert not re.search(r'<(script|link|img)[^>]+(src|href)="(https?:)?//', each)


def test_pages_link_to_pages_that_are_there(page):
    assert "as before" in page and "02_other" not in page
    assert 'href="03_classical_models.html#run-them"' in page


def test_a_solution_is_folded(page):
    (folded,) = re.findall(r"<details.*?</details>", main_part(page), re.DOTALL)
    assert "Show the solution" in folded and "42" in folded


def test_a_page_names_no_place_of_this_machine(page, run):
    assert str(run) not in page and str(Path.home()) not in page
    assert "mine/figures" in page and "run_dir" not in page


def test_pages_of_real_music_say_that_nobody_may_publish_them(tmp_path, page):
    assert "which nobody may publish" not in page
    folder = write_run(tmp_path / "real", "mini", profile="full")
    book.build(folder)
    assert "which nobody may publish" in (folder / "notebooks/05_cnn.html").read_text("utf-8")
    text = main_part((folder / "index.html").read_text("utf-8"))
    assert "No system was measured yet" in text and "Synthetic" not in text


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no run"):
        book.build(tmp_path)


def test_rows_of_another_profile_are_no_rows_of_the_run(tmp_path):
    run = write_run(tmp_path / "run", profile="full")
    write_rows(run, "synthetic")  # at quick
    book.write_sources(run, tmp_path / "sources")
    assert "No system was measured yet" in (tmp_path / "sources" / "index.md").read_text()


def with_cells(run, *cells, **metadata):
    """The notebook of a run, with more of both."""
    path = run / "notebooks" / "05_cnn.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells += cells
    notebook.metadata |= metadata
    nbformat.write(notebook, path)


def test_a_page_executes_nothing_whatever_its_notebook_asks_for(tmp_path):
    run, mark = write_run(tmp_path / "run"), tmp_path / "mark"
    cell = code(f"open({str(mark)!r}, 'w')")
    cell.metadata["mystnb"] = {"execution_mode": "force"}
    with_cells(run, cell, mystnb={"execution_mode": "force"})
    assert book.build(run) == [] and not mark.exists()


def test_what_is_no_formula_is_shown_as_it_is_written(tmp_path):
    run = write_run(tmp_path / "run")
    with_cells(run, v4.new_markdown_cell(r"Half of $\frac{$ and $$\begin{matrix} \left( $$ it."))
    assert book.build(run) == []
    page = main_part((run / "notebooks/05_cnn.html").read_text("utf-8"))
    assert r"<code>\frac{</code>" in page and r"\left(" in page


def test_pages_that_contain_one_another_for_ever_are_refused(tmp_path):
    run = write_run(tmp_path / "run")
    with_cells(run, v4.new_markdown_cell("```{toctree}\n:glob:\n\n/**\n```"))
    with pytest.raises(NotebookError, match="run: its pages could not be made"):
        book.build(run)


def test_an_attachment_is_written_nowhere_else(tmp_path):
    run, outside = write_run(tmp_path / "run"), tmp_path / "outside.png"
    text = v4.new_markdown_cell(f"![x](attachment:{outside})")
    text.attachments = {str(outside): {"image/png": PIXEL}}
    with_cells(run, text)
    assert book.build(run) == [] and not outside.exists()


@pytest.mark.parametrize(
    "text",
    [
        "```{{include}} {up}.txt\n```",
        "```{{literalinclude}} {up}.txt\n```",
        "```{{raw}} html\n:file: {up}.txt\n```",
        "```{{csv-table}} x\n:file: {up}.txt\n```",
        "![x]({up}.png)",
        "[x]({up}.txt)",
        "```{{eval-rst}}\n.. include:: {up}.txt\n```",
    ],
)
def test_a_page_shows_and_offers_no_file_from_elsewhere(tmp_path, text):
    run, secret = write_run(tmp_path / "run"), tmp_path / "secret"
    secret.with_suffix(".txt").write_text("SECRET")
    secret.with_suffix(".png").write_bytes(base64.b64decode(PIXEL) + b"SECRET")
    words = text.format(up="../" * 20 + str(secret).lstrip("/"))
    with_cells(run, v4.new_markdown_cell(words), code("x", output({"text/markdown": words})))
    book.build(run)
    made = [path for path in run.rglob("*") if path.is_file() and path.suffix != ".ipynb"]
    assert not [path for path in made if b"SECRET" in path.read_bytes()]


@pytest.mark.parametrize("code_of_picture", ["x", ["x", "y"], {"a": 1}, 7])
def test_a_notebook_of_damaged_pictures_has_no_page(tmp_path, code_of_picture):
    run = write_run(tmp_path / "run")
    cell = json.loads(json.dumps(code("x", output({}))))
    cell["outputs"][0]["data"] = {"image/png": code_of_picture}
    path = run / "notebooks" / "05_cnn.ipynb"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"cells": [*stored["cells"], cell]}))
    book.build(run)
    assert not (run / "notebooks" / "05_cnn.html").exists()


def test_pages_are_not_written_through_a_link(tmp_path):
    run, outside = write_run(tmp_path / "run"), tmp_path / "outside"
    outside.write_text("mine")
    (run / "index.html").symlink_to(outside)
    book.build(run)
    assert outside.read_text() == "mine"
    assert "Scoreboard" in (run / "index.html").read_text(encoding="utf-8")
