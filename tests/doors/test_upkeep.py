"""Tables in terminals and pipes; what is installed, and where; the cache cleared."""

import re
from pathlib import Path

import pandas as pd
import pytest

import gtzan_helpers
from gtzan_helpers import cli
from gtzan_helpers.experiments import scoreboard
from gtzan_helpers.models import SYSTEMS
from gtzan_helpers.plots import scores
from gtzan_helpers.report import publish


def cells(process):
    """A table in a pipe: its lines without the head, each as a list of cells."""
    assert process.returncode == 0
    head, *lines = (line.split("\t") for line in process.stdout.splitlines())
    assert {len(line) for line in lines} == {len(head)}
    return lines


# Tables


def test_every_system_is_a_line_in_a_pipe(gtzan):
    lines = cells(gtzan("systems"))
    assert [(line[1], line[2]) for line in lines] == [
        (s.system_id, s.name) for s in SYSTEMS.values()
    ]
    published = {line[1]: line[-1] for line in lines}
    assert (published["slices_cnn_augmented"], published["ours_blocks"]) == ("94.2", "-")


@pytest.mark.parametrize(
    ("command", "folded"),
    [
        (
            "systems",
            "Logistic regression on\nMusiCNN embeddings (ours)\n  ours_musicnn_logistic_\n",
        ),
        ("scoreboard", "EfficientNet-\nLite0 (ours)\n  ours_kernels\n"),
    ],
    ids=["systems", "scoreboard"],
)
def test_a_table_fits_a_narrow_terminal_that_knows_ascii_only(in_terminal, command, folded):
    code, shown = in_terminal(command, columns=60, TERM="dumb", LC_ALL="C")
    assert code == 0 and shown.isascii() and "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 60
    assert folded in re.sub(r"(?<=\S)  .*", "", shown)  # without the other columns


def test_the_scoreboard_has_the_order_and_the_names_of_the_figure(gtzan):
    lines = [line for line in cells(gtzan("scoreboard")) if line[0] == "gtzan_log_mel"]
    compared = scoreboard.comparison(publish.gather([]))
    ax = scores.prices(scoreboard.headline(compared))
    names = [" ".join(label.get_text().split()) for label in ax.get_yticklabels()]
    assert [line[3] for line in lines if line[-1] != "-"] == names
    assert all(SYSTEMS[line[2]].name == line[3] for line in lines)


# Versions and places


def test_versions_places_and_sizes_are_shown(gtzan, monkeypatch, tmp_path):
    (tmp_path / "cache" / "features").mkdir(parents=True)
    (tmp_path / "cache" / "features" / "a.npz").write_bytes(bytes(2_500_000))
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(cli.OPTIONAL, "no-such-package", "nothing")
    process = gtzan("info")
    assert (process.returncode, process.stderr) == (0, "")
    shown = dict(line.split(": ", 1) for line in process.stdout.splitlines())
    assert shown["gtzan-helpers"] == gtzan_helpers.__version__
    assert shown["pandas"] == pd.__version__
    assert shown["no-such-package"] == "not installed; nothing"
    assert shown["cache"] == f"2.5 MB in {tmp_path / 'cache'} (GTZAN_CACHE)"
    assert shown["data"].startswith("0.0 MB in ")


# The cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with two of the package's folders and a file of somebody else, and the data in it."""
    for name in ("features/a", "looks-v1/b", "mine/c", "composed/data/mini/d"):
        path = tmp_path / "cache" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(300_000))
    (tmp_path / "cache" / "numba").symlink_to(tmp_path / "cache" / "mine")
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path / "cache" / "composed" / "data"))
    return tmp_path / "cache"


def left(cache):
    return sorted(path.name for path in cache.iterdir())


EVERYTHING = ["composed", "features", "looks-v1", "mine", "numba"]


def test_clearing_removes_what_the_package_made_and_neither_data_nor_anything_else(gtzan, cache):
    process = gtzan("cache", "clear", "--yes")
    sizes = f"{cache / 'features'}: 0.3 MB\n{cache / 'looks-v1'}: 0.3 MB\n"
    assert (process.returncode, process.stdout) == (0, f"{sizes}removed\n")
    assert left(cache) == ["composed", "mine", "numba"] and (cache / "mine" / "c").exists()
    process = gtzan("cache", "clear", "--yes")
    assert process.stdout == f"{cache}: there is nothing to remove\n"


def test_nothing_is_removed_where_nobody_can_answer(gtzan, cache):
    process = gtzan("cache", "clear")
    assert (process.returncode, process.stdout) == (2, "")
    assert re.fullmatch(r"error: [^\n]+ --yes\n", process.stderr)
    assert left(cache) == EVERYTHING


@pytest.mark.parametrize(
    ("answer", "code", "remaining"),
    [("y\n", 0, ["composed", "mine", "numba"]), ("n\n", 1, EVERYTHING), ("\x04", 130, EVERYTHING)],
    ids=["yes", "no", "end of input"],
)
def test_in_a_terminal_it_asks(in_terminal, cache, answer, code, remaining):
    ended, shown = in_terminal("cache", "clear", answer=answer)
    assert "Remove all of this? [y/N]" in shown and "Traceback" not in shown
    assert (ended, left(cache)) == (code, remaining)


def test_every_folder_that_the_package_makes_in_the_cache_can_be_cleared():
    sources = Path(gtzan_helpers.__file__).parent.rglob("*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    made = set(re.findall(r'cache_dir\(\) / f?"([a-z]+)', text))
    made |= set(re.findall(r'"\w+(?:DIR|CONFIGDIR)": "(\w+)"', text))
    assert {"features", "answers", "numba"} <= made
    assert made == {name.partition("-")[0] for name in cli.MADE}
