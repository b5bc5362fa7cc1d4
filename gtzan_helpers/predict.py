"""A song in, its genre out: by one of the two models that the package carries, or one of a run."""

import contextlib
import glob
import importlib.util
import json
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gtzan_helpers import config, files
from gtzan_helpers.audio import reading
from gtzan_helpers.datasets import fingerprints
from gtzan_helpers.datasets.kinds import recordings
from gtzan_helpers.datasets.recognition import recognise
from gtzan_helpers.errors import (
    DAMAGED_FILE,
    AudioError,
    AudioWarning,
    NotPossibleError,
    SettingError,
    WriteError,
)
from gtzan_helpers.models import songs as song_models
from gtzan_helpers.models.songs import Answer, RunModel, SongModel
from gtzan_helpers.workers import Workers, keep_memory, progress_bar

if TYPE_CHECKING:
    from IPython.display import HTML

# Length of the windows in which songs are heard.
WINDOW_SECONDS = 30.0

# A recording begins where it is louder than this share of its peak (-60 dB).
SILENT_SHARE = 0.001

Model = SongModel | RunModel

# Raised when a model's answers change for another reason than the model: those kept are left.
ANSWERS = 1

NO_AUDIO = "a folder without audio; name a file, or a folder of songs"


def load(name: str | Path = "") -> Model:
    """Load a model to classify songs with.

    Parameters
    ----------
    name : str or Path
        ``small`` or ``large``, which the package carries, another model of songs (``.npz``), or a
        file of a run's `models/` (``.keras``, ``.skops``). Empty for the large model where it can
        run, and for the small one elsewhere.

    Raises
    ------
    NotPossibleError
        If the large model is asked for, and MusiCNN is not installed.
    SourceError
        If it is no model, or damaged.
    SettingError
        If it was trained on features that a song does not give.

    Examples
    --------
    >>> load("small").name
    'small model, trained on 999 songs of GTZAN'
    """
    can_hear = importlib.util.find_spec("musicnn") is not None
    name = str(name) or ("large" if can_hear else "small")
    if name == "large" and not can_hear:
        remedy = "`pip install --no-deps musicnn`"
        raise NotPossibleError(f"large: needs the weights of the package musicnn: {remedy}")
    if name in ("small", "large"):
        return song_models.load(config.facts_dir() / f"songs_{name}.npz")
    if name.endswith((".keras", ".skops")):
        return song_models.RunModel.load(name)
    if not name.endswith(".npz"):
        raise SettingError(f"model {name!r}: small, large, or a file (.npz, .keras, .skops)")
    return song_models.load(name)


@threadpool_limits.wrap(limits=1)  # products are small: threads would only wait for one another
def song(path: str | Path, model: Model | None = None, *, timeline: bool = False) -> Answer:
    """Classify a song.

    Parameters
    ----------
    path : str or Path
        Any file of audio, of any rate, number of channels and length from 1 s on. It is read in
        windows, so that memory stays flat.
    model : SongModel, RunModel or None
        See `load`; None for the one that it loads by default.
    timeline : bool
        Whether parts of the song are classified, too.

    Returns
    -------
    Answer

    Raises
    ------
    AudioError
        If the file cannot be used as audio.
    """
    if str(path) == "-":
        raise AudioError("-: standard input is not read; save it as a file first")
    keep_memory()
    model = model or load()
    end_s, known = 0.0, set()

    def heard() -> Iterator[tuple[float, np.ndarray]]:
        nonlocal end_s
        for start_s, y in _windows(path):
            end_s = start_s + y.size / config.SR
            if found := recognise(fingerprints.from_audio(y, sr=config.SR)):
                known.add(found.track_id)
            yield start_s, y

    with warnings.catch_warnings(record=True) as caught:  # faults of the file are notices
        warnings.simplefilter("always", AudioWarning)
        answer = model.answer(str(path), heard(), timeline=timeline)
    notices = [str(each.message).removeprefix(f"{path}: ") for each in caught]
    if known:
        others = f", and {len(known) - 1} others" * (len(known) > 1)
        learnt = isinstance(model, SongModel) and not known.isdisjoint(model.songs.track_id)
        words = ", which the model was trained on" * learnt
        notices.append(f"this is {min(known)}{others} of GTZAN{words}")
    return replace(answer, seconds=end_s, notices=(*notices, *answer.notices))


def _windows(path: str | Path) -> Iterator[tuple[float, np.ndarray]]:
    """Windows of a file at `config.SR` and where they begin, in seconds, after silence.

    The last one is longer by up to half, so that none is short but in a short file.
    """
    length, start, waiting = round(WINDOW_SECONDS * config.SR), 0, np.zeros(0, np.float32)
    for y in reading.stream(path, sr=config.SR, seconds=2 * WINDOW_SECONDS):
        waiting = np.concatenate([waiting, y])
        if start == 0:
            levels = np.abs(waiting)
            start = int(np.argmax(levels > SILENT_SHARE * levels.max()))
            waiting = waiting[start:]
        while waiting.size >= 1.5 * length:
            yield start / config.SR, waiting[:length]
            start, waiting = start + length, waiting[length:]
    yield start / config.SR, waiting


def show(answer: Answer) -> "HTML":
    """Show an answer in a notebook: words, a player, and a picture; see `report.answer_page`."""
    from gtzan_helpers.report import answer_page

    return answer_page.show(answer)


def widget() -> None:
    """Show a place in a notebook where songs can be dropped; see `report.answer_page`."""
    from gtzan_helpers.report import answer_page

    answer_page.widget(song)


# Many songs


def songs(
    paths: str | Path | Iterable[str | Path],
    model: str | Path = "",
    *,
    timeline: bool = False,
    jobs: int | None = None,
) -> Iterator[Answer | AudioError]:
    """Classify songs, in several processes where that saves time.

    Answers are kept in the cache, by the content of the files: what was interrupted goes on where
    it was.

    Parameters
    ----------
    paths : str, Path or iterable of them
        See `audio_files`.
    model : str or Path
        See `load`.
    timeline : bool
        Whether parts of the songs are classified, too.
    jobs : int or None
        Number of processes; None for one per core.

    Yields
    ------
    Answer or AudioError
        In the order of the files; an error says why a file cannot be used.

    Raises
    ------
    SettingError, SourceError
        As `audio_files` and `load` do, before the first song.
    """
    named = audio_files(paths)
    _loaded.cache_clear()  # another model may have the name by now
    identity = f"{_identity(model)}-v{ANSWERS}{'-timeline' if timeline else ''}"
    folder = config.cache_dir() / "answers" / identity
    several = len(named) if len(named) > 1 else 0
    shown = progress_bar(named, total=several, description="look", unit="file")
    tasks = [(file, model, timeline, _entry(folder, file)) for file in shown]
    missing = [task for task in tasks if not (task[-1] and task[-1].exists())]
    made = Workers(jobs or -1).map(_answer, missing)
    total = len(missing) if several else 0
    shown = progress_bar(made, total=total, description="predict", unit="song")
    return _in_order(tasks, set(missing), iter(shown))


def audio_files(paths: str | Path | Iterable[str | Path]) -> list[str]:
    """List the files that are named, in order.

    Parameters
    ----------
    paths : str, Path or iterable of them
        Files; folders, where every file of audio is meant, however deep it lies; and patterns such
        as ``*.mp3``, unless there is a file of that very name.

    Raises
    ------
    SettingError
        If there are only folders, and no audio in them.
    """
    asked = [paths] if isinstance(paths, str | Path) else paths
    named = [file for path in asked for file in _files(path)]
    if named and all(map(os.path.isdir, named)):
        raise SettingError(f"{named[0]}: {NO_AUDIO}")
    return named


def _files(path: str | Path) -> list[str]:
    if os.path.isdir(path):  # noqa: PTH112 - pathlib's raises where it may not look
        return [file for file, _, _ in recordings.walk(path, reading.SUFFIXES)] or [str(path)]
    if os.path.lexists(path):
        return [str(path)]
    matching = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - from anywhere
    return [file for each in matching for file in _files(each)] or [str(path)]


@lru_cache(maxsize=1)
def _loaded(model: str | Path) -> Model:
    """The model, loaded once in each process."""
    return load(model)


def _identity(model: str | Path) -> str:
    """What another model of that name does not share."""
    return _loaded(model).identity  # refuses what is no model


def _entry(folder: Path, file: str) -> Path | None:
    """Where the answer is kept; None for a file that cannot be read."""
    with contextlib.suppress(OSError):
        md5 = files.file_hash(file)
        return folder / md5[:2] / f"{md5}.json"
    return None


def _in_order(tasks: list[tuple], missing: set[tuple], made: Iterator) -> Iterator:
    for task in tasks:
        yield next(made) if task in missing else _answer(*task)
    next(made, None)  # ends the processes


def _answer(
    file: str, model: str | Path, timeline: bool, entry: Path | None
) -> Answer | AudioError:
    """The answer that is kept, or else a new one, which is kept then."""
    with contextlib.suppress(*DAMAGED_FILE):
        if entry:
            return _read(entry, file, _loaded(model).name)
    try:
        if os.path.isdir(file):  # noqa: PTH112
            raise AudioError(f"{file}: {NO_AUDIO}")
        answer = song(file, _loaded(model), timeline=timeline)
    except AudioError as error:
        return error
    if entry:
        with contextlib.suppress(WriteError):  # it can be made again
            _write(entry, answer)
    return answer


def _write(entry: Path, answer: Answer) -> None:
    tables = {"timeline": answer.timeline, "neighbours": answer.neighbours}
    columns = {name: table.to_dict("list") for name, table in tables.items()}
    with files.replacing(entry, durable=False) as temporary:
        temporary.write_text(json.dumps(vars(answer) | columns, default=float))


def _read(entry: Path, file: str, model: str) -> Answer:
    kept = json.loads(entry.read_bytes())
    tables = {name: pd.DataFrame(kept[name]) for name in ("timeline", "neighbours")}
    words = {name: tuple(kept[name]) for name in ("genres", "notices")}
    return Answer(**kept | tables | words | {"file": file, "model": model})
