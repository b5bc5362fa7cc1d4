"""Expected failures are one line, on the terminal and in a notebook."""

import pytest

from gtzan_helpers.errors import GtzanError, SettingError, reason


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("first line\nsecond line"), "first line"),
        (EOFError(), "EOFError"),
        (ValueError("set allow_pickle=True"), "it holds no plain arrays"),
    ],
)
def test_the_reason_of_a_librarys_error_is_one_line(error, expected):
    assert reason(error) == expected


def test_a_notebook_shows_one_line_instead_of_a_traceback(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    monkeypatch.setattr("IPython.core.history.HistoryManager.enabled", False)
    shell = interactive.InteractiveShell()
    error = SettingError("profile 'fast' does not exist")
    try:
        raise error
    except GtzanError:
        shell.showtraceback()
    assert capsys.readouterr().out.strip() == "error: profile 'fast' does not exist"
