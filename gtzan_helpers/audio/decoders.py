"""Decoders: libsndfile where it reads a file correctly, FFmpeg (through PyAV) for the rest."""

import abc
import contextlib
import ctypes
import math
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from gtzan_helpers.errors import AudioError

# What FFmpeg may take a file for: formats whose headers give a length, and others. Playlists are
# left out, because they would open other files.
WITH_LENGTH = "aiff,ape,asf,au,avi,caf,dsf,flac,matroska,mov,mpc,mpc8,ogg,tak,tta,w64,wav,wv"
WITHOUT_LENGTH = "aac,ac3,amr,dts,eac3,mp3"

# Lengths that differ by less count as equal: encoders add silence at the ends.
SLACK_SECONDS = 0.1

NOT_AUDIO = "not audio that can be decoded; fetch it again, or convert it to WAV or FLAC"
NO_SOUND = "holds no sound that can be decoded; copy or fetch it again"
DAMAGED = "damaged: parts of it cannot be decoded; copy or fetch it again"

# Programs that stream do not know the length, and write at least this number.
OPEN_LENGTH = 0x7FFFF000

# Samples that libsndfile counts in a FLAC that does not say.
OPEN_COUNT = 2**63 - 1

# How libsndfile logs that WAV, AU, AIFF, W64 and RF64 files promise more bytes than they hold.
TOO_LONG = re.compile(
    r"^ *(?:data|Data Size|SSND|riff|Riff size) *: (\d+) \(should be ([1-9]\d*)\)", re.M
)

# How an MP3 gives its number of frames, in a frame before them.
MP3_FRAMES = re.compile(
    rb"\xff[\xe2-\xff].{11,36}(?:(?:Xing|Info)\0{3}[\1\3\5\7\x09\x0b\x0d\x0f]|VBRI.{10})(.{4})",
    re.S,
)

# Samples that encoders put before the sound, where a file does not say how many.
DELAYS = {"mp3": 1105, "mp3float": 1105, "aac": 1024, "wmav1": 2048, "wmav2": 2048}

# Bytes of the longest frame of an MP3, and of the longest page of an Ogg file.
LONGEST_FRAME, LONGEST_PAGE = 2881, 65_307

BLOCK = 1 << 18


def choose(path: Path) -> tuple["Decoder", "Sndfile | None"]:
    """Choose how to decode a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    first : Decoder
        The one for a first pass, which finds what is wrong with the file.
    exact : Sndfile or None
        libsndfile, where it is not the first but to be preferred if nothing is wrong, and if it
        gives as much.

    Raises
    ------
    AudioError
        If neither can decode it.
    """
    try:
        sndfile = Sndfile(path)
    except (soundfile.SoundFileError, TypeError):  # TypeError for .raw files
        return Ffmpeg(path), None
    # Of compressed files libsndfile guesses the length, and it ends at damage or conceals it.
    if sndfile.count() and sndfile.format not in ("MP3", "OGG", "FLAC"):
        return sndfile, None
    try:
        ffmpeg = Ffmpeg(path)
    except AudioError:
        return sndfile, None
    # An MP3 that does not state its delay keeps it in libsndfile, and a FLAC that does not state
    # its length ends in an error.
    is_possible = sndfile.count() < OPEN_COUNT and sndfile.n_channels == ffmpeg.n_channels
    return ffmpeg, sndfile if is_possible and not ffmpeg.n_early else None


class Decoder(abc.ABC):
    """A file, and a library that decodes it.

    Attributes
    ----------
    promised : float
        Length in seconds that the header promises; 0 if it promises nothing.
    has_gap : bool
        Whether decoding failed between sounds.
    end : float
        Time in seconds, by the file's own account, at which the last sound ends.
    is_torn : bool
        Whether the file breaks off. This and the two before are known after a pass.
    """

    promised, has_gap, end, is_torn = 0.0, False, 0.0, False

    def __init__(self, path: Path, sr: int, n_channels: int) -> None:
        self.path, self.sr, self.n_channels = path, sr, n_channels

    @abc.abstractmethod
    def count(self) -> int:
        """Samples per channel, without decoding."""

    @abc.abstractmethod
    def blocks(self) -> Iterator[np.ndarray]:
        """Decode to arrays of shape (n_samples, n_channels), float32."""

    def fault(self, seconds: float) -> str:
        """What is wrong with a file whose first pass gave that many seconds; empty if nothing."""
        least = self.promised - SLACK_SECONDS
        holds = f"the file holds {seconds:,.1f} s; copy or fetch it again"
        if seconds < least:
            has_end = self.has_gap or (self.end >= least and not self.is_torn)
            kind = "damaged" if has_end else "cut off"
            return f"{kind}: its header promises {self.promised:,.1f} s, {holds}"
        if self.has_gap:
            return DAMAGED
        return f"cut off: its end is missing, {holds}" if self.is_torn else ""


class Sndfile(Decoder):
    """A file decoded by libsndfile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as file:
            super().__init__(path, file.samplerate, file.channels)
            self._n_samples = file.frames
            self.format = "MP3" if "MPEG" in file.subtype else file.format
            sizes = TOO_LONG.search(file.extra_info)
        if sizes and not OPEN_LENGTH <= int(sizes[1]) < 1 << 32:
            self.promised = file.frames / file.samplerate * int(sizes[1]) / int(sizes[2])

    @contextlib.contextmanager
    def _opened(self) -> Iterator[soundfile.SoundFile]:
        with _muted():
            # As bytes, a name need not be UTF-8; on Windows it always is.
            name = os.fsencode(self.path) if os.name == "posix" else self.path
            file = soundfile.SoundFile(name)
        with file:
            yield file

    def count(self) -> int:
        return self._n_samples

    def blocks(self) -> Iterator[np.ndarray]:
        with self._opened() as file:
            while True:
                with _muted():
                    # 32-bit floats stay as they are, integers are scaled to [-1, 1).
                    block = file.read(BLOCK, dtype="float32", always_2d=True)
                if not len(block):
                    return
                yield block

    def gives(self, seconds: float) -> bool:
        """Whether decoding gives that many seconds."""
        try:
            return sum(len(block) for block in self.blocks()) / self.sr > seconds - SLACK_SECONDS
        except soundfile.SoundFileError:
            return False


_MUTED = threading.Lock()


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Keep libsndfile from reporting damage on stdout, and libmpg123 on stderr."""
    # Where one is closed, its number may now belong to another file.
    numbers = [n for n, stream in ((1, sys.__stdout__), (2, sys.__stderr__)) if stream]
    with _MUTED, Path(os.devnull).open("wb") as nowhere:
        copies = [os.dup(number) for number in numbers]
        for number in numbers:
            os.dup2(nowhere.fileno(), number)
        try:
            yield
        finally:
            if os.name == "posix":  # what was said may still wait in C's own buffer
                ctypes.CDLL(None).fflush(None)
            for number, copy in zip(numbers, copies, strict=True):
                os.dup2(copy, number)
                os.close(copy)


class Ffmpeg(Decoder):
    """The first sound track of a file, decoded by FFmpeg."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as (container, track):
            codec = track.codec_context
            if codec is None or codec.codec_tag in ("drms", "enca"):
                raise AudioError("encrypted, or of an unknown encoding; convert it to WAV or FLAC")
            if not codec.sample_rate:  # FFmpeg takes much for an MP3
                raise AudioError(NOT_AUDIO)
            super().__init__(path, codec.sample_rate, codec.layout.nb_channels)
            self._format = container.format.name.partition(",")[0]
            if not (first := next(_packets(container, track), None)):
                raise AudioError(NO_SOUND)
            is_stated = first.pts is not None and (track.start_time or 0) > first.pts
            self.n_early = 0 if is_stated else DELAYS.get(codec.name, 0)
            if codec.name.startswith("wma"):  # its frames are shorter at low rates
                self.n_early >>= (self.sr <= 22_050) + (self.sr <= 16_000)
            self.promised = self._promise(container, track, first) - self.n_early / self.sr

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        import av

        formats = f"{WITH_LENGTH},{WITHOUT_LENGTH}"
        options = {"format_whitelist": formats, "protocol_whitelist": "file"}
        try:
            # A name that begins like an address is none.
            name = f"file:{self.path}"
            with av.open(name, options=options, metadata_errors="ignore") as container:
                if not container.streams.audio:
                    raise AudioError("holds no audio, only other media")
                yield container, container.streams.audio[0]
        except (av.FFmpegError, UnicodeError) as error:
            raise AudioError(NOT_AUDIO) from error

    def _promise(self, container: Any, track: Any, first: Any) -> float:
        longest = math.inf
        if self._format == "mp3":
            with self.path.open("rb") as file:
                tag = MP3_FRAMES.search(file.read(first.pos or 0)[-LONGEST_FRAME:])
            # Without, or if there is more than it says, FFmpeg guesses from the bit rate.
            longest = int.from_bytes(tag[1]) * first.duration * track.time_base if tag else 0
        elif self._format not in WITH_LENGTH.split(","):
            return 0.0
        if track.duration:
            return float(min(track.duration * track.time_base, longest))
        return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0

    def count(self) -> int:
        with self._opened() as (container, track):
            total, begin, end = 0, track.start_time or 0, 0
            for packet in _packets(container, track):
                total += packet.duration or 0
                end = max(end, (packet.pts or 0) + (packet.duration or 0))
            return round(max(total, end - begin) * track.time_base * self.sr) - self.n_early

    def blocks(self) -> Iterator[np.ndarray]:
        self.has_gap, self.end, is_torn, n_failed, n_waiting = False, 0.0, False, 0, 0
        n_early, waiting = self.n_early, []
        packers: dict[tuple[str, str], Any] = {}
        with self._opened() as (container, track):
            if n_early:  # else FFmpeg takes a guess of its own from WMA
                track.codec_context.options = {"flags2": "+skip_manual"}
            begin = float((track.start_time or 0) * track.time_base)
            for packet in _packets(container, track):
                is_torn = packet.is_corrupt if packet.size else is_torn
                for frame in _decoded(packet):
                    samples = self._samples(frame, packers)
                    if samples is None:
                        n_failed += 1
                        continue
                    samples, n_early = samples[n_early:], max(0, n_early - len(samples))
                    if packet.size:  # the last one has none, and gives what was held back
                        self.has_gap |= self.end > 0 and n_failed > 0
                        n_failed = 0
                    now = self.end if frame.time is None else frame.time - begin
                    self.end = now + len(samples) / self.sr
                    waiting.append(samples)
                    n_waiting += len(samples)
                if n_waiting >= BLOCK:
                    yield np.concatenate(waiting)
                    waiting, n_waiting = [], 0
        if n_waiting:
            yield np.concatenate(waiting)
        if self._format == "ogg":
            self.is_torn = not _ends(self.path)
        elif self._format not in ("mp3", "wav"):  # tags come last, or the length is open
            self.is_torn = is_torn or n_failed > 0

    def _samples(self, frame: Any, packers: dict[tuple[str, str], Any]) -> np.ndarray | None:
        """Samples of a frame, shape (n_samples, n_channels); None if it is broken, or no part."""
        import av

        if frame is None or frame.sample_rate != self.sr:
            return None
        try:
            # As PyAV reads beyond the end of frames with a plane for each of many channels.
            kind = frame.format.name, frame.layout.name
            packer = packers.setdefault(kind, av.AudioResampler("flt"))
            (packed,) = packer.resample(frame)
        except (av.FFmpegError, ValueError):
            return None
        samples = packed.to_ndarray().reshape(packed.samples, -1)
        if samples.shape[1] != self.n_channels:  # as where stereo begins after a word in mono
            samples = np.repeat(samples.mean(axis=1, keepdims=True), self.n_channels, axis=1)
        return samples


def _packets(container: Any, track: Any) -> Iterator[Any]:
    """Packets of a track, until the end or until the container is broken."""
    import av

    # PyAV's IndexError is about tracks that begin in the middle.
    with contextlib.suppress(av.FFmpegError, IndexError):
        yield from container.demux(track)


def _decoded(packet: Any) -> list[Any]:
    """Frames of a packet; None for one that cannot be decoded."""
    import av

    try:
        return packet.decode()
    except av.FFmpegError:
        return [None]


def _ends(path: Path) -> bool:
    """Whether the last page of an Ogg file is whole, and marked as the last of its stream."""
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, LONGEST_PAGE), os.SEEK_END)
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    return (
        len(page) > 27
        and page[5] & 4 > 0
        and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    )
