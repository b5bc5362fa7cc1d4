"""The expected failures: one root, a few kinds, each told in one line.

A message names the thing, its value and the way out. The command line prints it after
``error: `` and exits with 2; a notebook shows it as it is.
"""

import zipfile
import zlib

DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, AttributeError),
    *(OverflowError, zipfile.BadZipFile, zlib.error),
)
"""What libraries raise when they read a file that is damaged, or not what its name says."""


def reason(error: Exception) -> str:
    """The first line of an error of a library, for a message of ours.

    numpy and skops advise to load what they refuse unsafely; that is no way out.
    """
    text = str(error).strip()
    if "pickle" in text:
        return "it holds no plain arrays"
    return text.splitlines()[0] if text else type(error).__name__


class GtzanError(Exception):
    """An expected failure, told in one line."""


class SettingError(GtzanError):
    """A word or number that was asked for does not exist."""


class SourceError(GtzanError):
    """A dataset is missing, empty or not what its kind promises."""


class AudioError(GtzanError):
    """One file cannot be used as audio."""


class NotPossibleError(GtzanError):
    """A source lacks what a protocol, a feature table or a system needs."""


class MissingWeightsError(NotPossibleError):
    """Weights of a pre-trained network are neither here nor to be had."""


class DownloadError(GtzanError):
    """An archive could not be fetched, or is not the one that was asked for."""


class WriteError(GtzanError):
    """A file cannot be written where it belongs."""


class NotebookError(GtzanError):
    """A notebook stopped before its end."""
