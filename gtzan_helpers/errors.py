"""Expected failures: one base class, a few kinds, each with a message of one line.

A message names the object, its value and the remedy. The command line prints it after
"error:" and exits with 2; a notebook shows it without a traceback.
"""

import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import TypeVar

# What libraries raise when they read a file that is missing, damaged or of another format.
DAMAGED_FILE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, AttributeError),
    *(OverflowError, zipfile.BadZipFile, zlib.error),
)


def reason(error: Exception) -> str:
    """The first line of a library's error, for use in our own messages."""
    text = str(getattr(error, "strerror", None) or error).strip()
    # numpy and skops advise loading such a file unsafely, which is no remedy.
    if "pickle" in text:
        return "it holds no plain arrays"
    return text.splitlines()[0] if text else type(error).__name__


# Control characters, line ends, halves of characters, and marks that turn the order of letters.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def shown(text: object) -> str:
    """Text in one line that does nothing to a terminal or a page: what cannot be seen is escaped.

    Parameters
    ----------
    text : str
        It may hold names of files, which may hold anything, also bytes that are not UTF-8.
    """
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def safe(name: str) -> str:
    """A name as it may stand in a terminal, on a page and in a table; see `shown`.

    ``<`` would begin an element of a page and ``$`` a formula in a picture, so marks stand for them
    that look alike. A spreadsheet takes a cell that begins with one of ``=+-@`` for a formula, if
    nothing stands before it.

    Parameters
    ----------
    name : str
        Of a label, a track or a source.
    """
    text = shown(name).replace("<", "‹").replace("$", "＄")
    return f"'{text}" if text[:1] in tuple("=+-@") else text


class GtzanError(Exception):
    """An expected failure, explained in one line."""

    def __str__(self) -> str:
        return shown(super().__str__())

    def _render_traceback_(self) -> list[str]:
        # IPython shows these lines in place of the traceback.
        return [f"error: {self}"]


class SettingError(GtzanError):
    """A name or number that was asked for does not exist."""


T = TypeVar("T")


def choose(options: Mapping[str, T], name: str, kind: str) -> T:
    """Return the option of that name.

    Parameters
    ----------
    options : mapping
        The options by name.
    name : str
        The one that was asked for.
    kind : str
        What the message calls it.

    Raises
    ------
    SettingError
        If there is none; it lists those that exist.
    """
    if name not in options:
        raise SettingError(f"{kind} {name!r} does not exist; choose from {', '.join(options)}")
    return options[name]


class SourceError(GtzanError):
    """A dataset is missing, empty or malformed."""


class AudioError(GtzanError):
    """A file cannot be used as audio."""


class AudioWarning(Warning):
    """A recording is used, though it is not as it should be."""

    def __str__(self) -> str:
        return shown(super().__str__())


class NotPossibleError(GtzanError):
    """A source lacks what a protocol, a feature set or a system needs."""


class MissingWeightsError(NotPossibleError):
    """The weights of a pretrained network are neither installed nor downloadable."""


class DownloadError(GtzanError):
    """An archive could not be downloaded, or is not the expected one."""


class WriteError(GtzanError):
    """A file cannot be written."""


class WorkerError(GtzanError):
    """A process that computes for this one has ended before its work."""


class NotebookError(GtzanError):
    """A notebook stopped before its end."""
