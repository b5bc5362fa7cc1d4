"""What is written of answers: rows for a terminal, lines for pipes, JSON, and a table as CSV."""

import csv
import json
import locale
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from tqdm.utils import disp_len

from gtzan_helpers.errors import AudioError, safe, shown
from gtzan_helpers.files import replacing
from gtzan_helpers.models.songs import Answer

# Columns of a terminal that a prediction set takes before it goes on in the next line.
WORDS = 40

Result = Answer | AudioError


def lines(answer: Answer) -> Iterator[str]:
    """Yield what is written where no terminal reads it: a line a file, and one a part of it.

    Parameters
    ----------
    answer : Answer
    """
    likeliest = [*answer.probabilities.items()][:3]
    shares = ", ".join(f"{genre} {share:.0%}" for genre, share in likeliest if share > 0.005)
    line = f"{answer.file}: {answer.words}{f' ({shares})' if shares else ''}"
    yield "; ".join([line, *answer.notices])
    for start, genre, share in _parts(answer):
        yield f"  {start} {genre} {share:.0%}"


def as_json(file: str, result: Result) -> str:
    """One line for machines: an object with an `error`, or all that is known.

    Parameters
    ----------
    file : str
        As it was named.
    result : Answer or AudioError
    """
    if isinstance(result, AudioError):
        return json.dumps({"file": file, "error": _reason(file, result)})
    entry = {"file": file, "model": result.model, "genre": result.genre, **vars(result)}
    entry["neighbours"] = result.neighbours.to_dict("records")
    parts = result.timeline.to_dict("records")
    entry["timeline"] = [{"start_s": part.pop("start_s"), "probabilities": part} for part in parts]
    text = json.dumps(entry, default=float)
    return json.dumps(json.loads(text, parse_float=lambda number: round(float(number), 4)))


def write_csv(path: str | Path, files: Iterable[str], results: Sequence[Result]) -> None:
    """Write a table, one row a file: its genre, and the probability of each.

    Parameters
    ----------
    path : str or Path
    files : iterable of str
    results : sequence of Answer or AudioError
        One for each file.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    answers = [result for result in results if isinstance(result, Answer)]
    labels = sorted({label for answer in answers for label in answer.probabilities})
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as table,
    ):
        writer = csv.writer(table)
        writer.writerow(["file", "genre", "genres", "seconds", "notices", "error", *labels])
        for file, result in zip(files, results, strict=True):
            if isinstance(result, AudioError):
                writer.writerow([safe(file), *[""] * 4, _reason(file, result), *[""] * len(labels)])
                continue
            genres, notices = ";".join(result.genres), safe("; ".join(result.notices))
            cells = [safe(file), result.genre, genres, f"{result.seconds:.2f}", notices, ""]
            known = result.probabilities
            shares = (f"{known[label]:.4f}" if label in known else "" for label in labels)
            writer.writerow([*cells, *shares])


class Table:
    """Aligned rows for a terminal: name, genres, and their probabilities as a bar.

    Parameters
    ----------
    files : iterable of str
        All that will be in the table.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self.width = max(40, shutil.get_terminal_size().columns)
        # Python itself writes UTF-8 in the locale C, whose terminals need not show it.
        encoding = locale.getencoding() if os.name == "posix" else sys.stdout.encoding
        self.plain = "utf" not in encoding.lower() or os.environ.get("TERM") == "dumb"
        longest = max(disp_len(self._text(file)) for file in files)
        self.names, self.cells = min(longest, self.width * 2 // 5), self.width // 8
        self.words = min(WORDS, self.width - self.names - self.cells - 9)
        self.begun = False

    def lines(self, answer: Answer) -> Iterator[str]:
        """Yield the lines of a file: its row, its notices and, if they were asked for, its parts.

        The first answer's follow what holds for all: the model, and what its sets promise.

        Parameters
        ----------
        answer : Answer
        """
        if not self.begun:
            self.begun = True
            promise = f"{100 * (answer.coverage or 0):.0f} % of its sets hold the right genre"
            head = filter(None, (answer.model, promise if answer.coverage else ""))
            yield from self._wrapped("; ".join(head), self.width)
        first, *others = self._wrapped(answer.words, self.words)
        bar = self._bar([answer.probabilities[genre] for genre in answer.genres])
        share = f"{answer.probabilities[answer.genres[0]]:4.0%}" if answer.genres else ""
        name = self._name(answer.file)
        yield f"{name}  {first:{self.words}}  {bar:{self.cells}} {share}".rstrip()
        for words in others:
            yield f"{'':{self.names}}  {words}"
        for notice in answer.notices:
            for words in self._wrapped(notice, self.width - 4):
                yield f"    {words}"
        longest = max(map(len, answer.probabilities), default=0)
        for start, genre, probability in _parts(answer):
            text = f"    {start:>7} {genre:{longest}} {probability:4.0%} {self._bar([probability])}"
            yield self._text(text)

    def _wrapped(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(self._text(text), width, break_on_hyphens=False)

    def _text(self, text: str) -> str:
        text = unicodedata.normalize("NFC", shown(text))
        return text.encode("ascii", "backslashreplace").decode() if self.plain else text

    def _name(self, file: str) -> str:
        """A file's name, filled up to its column; what is too long for it lacks its middle."""
        name, gap = self._text(file), "..." if self.plain else "…"
        if disp_len(name) > self.names:
            start, end = name[: self.names // 3] + gap, name[-self.names :]
            while disp_len(start + end) > self.names:
                end = end[1:]
            name = start + end
        return name + " " * (self.names - disp_len(name))

    def _bar(self, shares: Sequence[float]) -> str:
        """One bar of the first four shares of a whole, side by side."""
        marks = "#=-." if self.plain else "█▓▒░"
        ends = [round(self.cells * total) for total in accumulate(shares)]
        bounds = zip(marks, [0, *ends], ends, strict=False)
        return "".join(mark * (end - start) for mark, start, end in bounds)


def _parts(answer: Answer) -> Iterator[tuple[str, str, float]]:
    """Start, likeliest genre and its probability of each part."""
    for part in answer.timeline.to_dict("records"):
        start = round(part.pop("start_s"), 1)
        genre = max(part, key=lambda label: part[label])
        yield f"{int(start // 60)}:{start % 60:04.1f}", genre, part[genre]


def _reason(file: str, error: AudioError) -> str:
    return str(error).removeprefix(f"{shown(file)}: ")
