"""Downloads from a server on this machine: resumed, verified, and only then unpacked."""

import contextlib
import gzip
import hashlib
import http.server
import io
import os
import re
import resource
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gtzan_helpers import config, files
from gtzan_helpers.datasets import download, facts
from gtzan_helpers.datasets.download import Archive
from gtzan_helpers.errors import DownloadError, GtzanError, SettingError

HTML = b"<!doctype html><title>Please log in</title>" + b" " * 500


class Host:
    """What the server offers, and the requests it got.

    Attributes
    ----------
    files : {path: bytes}
    statuses : {path: int}
        Answers other than 200.
    break_after : {path: int}
        Bytes after which the connection is cut; once, then the path is whole.
    ignores_ranges : bool
    starts : {path: int}
        Beginnings of ranges that the server declares instead of the true ones; None for 416.
    lengths : {path: str}
        The Content-Length that the server sends instead of the true one; empty for none.
    redirects : {path: address}
    hanging : set of paths
        Requests for these are never answered.
    raw : {path: bytes}
        Whole answers, headers included.
    dripping : set of paths
        Their content comes byte by byte.
    pauses : {path: threading.Event}
        What the server waits for behind the first block; once.
    closing : threading.Event
        Set at the end of the test.
    sent : int
        Bytes of all files sent so far.
    requests : list of (path, value of the Range header or None)
    """

    def __init__(self, port):
        self.port = port
        self.files = {}
        self.statuses = {}
        self.break_after = {}
        self.ignores_ranges = False
        self.starts = {}
        self.lengths = {}
        self.redirects = {}
        self.hanging = set()
        self.raw = {}
        self.endless = {}
        self.dripping = set()
        self.pauses = {}
        self.closing = threading.Event()
        self.sent = 0
        self.requests = []

    def offer(self, path, content, *, n_bytes=0, sha256="", checked=True):
        """Offer a file; return its archive, with its true size and hash by default."""
        self.files[path] = content
        if checked:
            n_bytes = n_bytes or len(content)
            sha256 = sha256 or sha256_of(content)
        return Archive(f"http://127.0.0.1:{self.port}/{path}", n_bytes, sha256)

    @property
    def asked(self):
        return [path for path, _ in self.requests]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.server.host
        path = self.path.lstrip("/")
        wanted = self.headers.get("Range")
        host.requests.append((path, wanted))
        if path in host.hanging:
            host.closing.wait()
            return
        if path in host.raw:
            self.wfile.write(host.raw[path])
            return
        if path in host.endless:
            begin, again = host.endless[path]
            self.wfile.write(begin)
            with contextlib.suppress(OSError):  # the client has gone
                while not host.closing.wait(0.005):
                    self.wfile.write(again)
            return
        if path in host.redirects:
            self.send_response(302)
            self.send_header("Location", host.redirects[path])
            self.end_headers()
            return
        content = host.files.get(path)
        status = host.statuses.get(path, 404 if content is None else 200)
        first = 0
        if status == 200 and wanted and not host.ignores_ranges:
            status = 416 if host.starts.get(path, 0) is None else 206
            first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        content = (content or b"")[first if status == 206 else 0 :]
        self.send_response(status)
        if status == 206:
            whole = len(host.files[path])
            start = host.starts.get(path, first)
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        if length := host.lengths.get(path, str(len(content))):
            self.send_header("Content-Length", length)
        self.end_headers()
        content = content[: host.break_after.pop(path, None)]
        step = 1 if path in host.dripping else download.BLOCK
        with contextlib.suppress(ConnectionError):  # a client may have seen enough
            for start in range(0, len(content), step):
                host.sent += self.wfile.write(content[start : start + step])
                if path in host.dripping:
                    host.closing.wait(0.02)
                elif path in host.pauses:
                    host.pauses.pop(path).wait(20)

    def log_message(self, *_):
        pass


# A key and a certificate of 127.0.0.1, for this test only.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEaSxTikxAecs6/Wa
I+/gE7GNZbyz3TGjIjX2iVhX5O2hRANCAAQV8iWGG7IZvfJ67d4VNYq6U/r8ImYM
h7dSVurt+Pie6kIchLoafoVpvJmfKrXZzJUNOf22ng95obcfGWDhgb8/
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBlTCCATygAwIBAgIUPu6gVZs9FnUKvAda1Zp0GnmyhTwwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgxODA4NDBaGA8yMTI2MTEwNDE4MDg0
MFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBXy
JYYbshm98nrt3hU1irpT+vwiZgyHt1JW6u34+J7qQhyEuhp+hWm8mZ8qtdnMlQ05
/baeD3mhtx8ZYOGBvz+jdDByMB0GA1UdDgQWBBR7wMhV7nRJEqdyYYV4Ukpom8X9
STAfBgNVHSMEGDAWgBR7wMhV7nRJEqdyYYV4Ukpom8X9STAPBgNVHRMBAf8EBTAD
AQH/MA8GA1UdEQQIMAaHBH8AAAEwDgYDVR0PAQH/BAQDAgKEMAoGCCqGSM49BAMC
A0cAMEQCIGJQPPV7mwFfdbBzBuYlUqmxYMoPj9TEJ31y8FMx3+DrAiAGl/gF3roc
lK72Rzkh6EGqz6alxNbumOtFe3/TSMPp1Q==
-----END CERTIFICATE-----
"""


@contextlib.contextmanager
def serving(certificate=""):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.host = Host(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.host
    server.host.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def host():
    with serving() as host:
        yield host


def sha256_of(content):
    return hashlib.sha256(content).hexdigest()


def wav(seed=0, *, seconds=1.0):
    """Bytes of a recording that does not compress."""
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, round(22_050 * seconds))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, 22_050, format="WAV")
    return buffer.getvalue()


FIRST, SECOND = "genres/blues/blues.00000.wav", "genres/jazz/jazz.00000.wav"
# The first is longer than three blocks of the download.
TRACKS = {FIRST: wav(1, seconds=20), SECOND: wav(2)}


@pytest.fixture
def known_tracks(tmp_path_factory, monkeypatch):
    """GTZAN, and mini, as the facts know them: `TRACKS`, and the one that copies may lack."""
    folder = tmp_path_factory.mktemp("facts")
    shutil.copy(config.facts_dir() / "archives.csv", folder)
    hashes = {
        name.split("/")[2][:-4]: hashlib.md5(data).hexdigest() for name, data in TRACKS.items()
    }
    hashes["jazz.00054"] = "0" * 32
    table = facts.gtzan_facts().set_index("track_id").loc[list(hashes)]
    table.assign(md5=hashes).astype({"artist_known": int, "sturm_removed": int}).to_csv(
        folder / "gtzan_tracks.csv"
    )
    monkeypatch.setattr(config, "facts_dir", lambda: folder)
    facts._gtzan.cache_clear()
    yield
    facts._gtzan.cache_clear()


pytestmark = pytest.mark.usefixtures("known_tracks")


def tar_of(members, *extra, mode="w:gz"):
    """A tar archive of ``{name: bytes}`` and of ready-made `TarInfo` members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in extra:
            archive.addfile(info)
    return buffer.getvalue()


def zip_of(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


TAR, ZIP = tar_of(TRACKS), zip_of(TRACKS)


def contents(folder):
    """The bytes of every file in a folder, by relative name."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def outcome(to, *sources):
    """What a download that must not end in a traceback left, or the message of its failure."""
    try:
        return contents(download.fetch("gtzan", to=to, sources=sources))
    except GtzanError as error:
        return str(error)
    except Exception as error:
        return error


def refusal(to, *sources):
    """The message, one line, of a download that must fail and leave nothing half unpacked."""
    with pytest.raises(DownloadError) as caught:
        download.fetch("mini", to=to, sources=sources)
    assert "\n" not in str(caught.value)
    assert [p.name for p in to.iterdir() if p.name != "downloads"] == []
    return str(caught.value)


# Successful downloads


def test_a_tar_is_downloaded_and_unpacked(host, tmp_path):
    archive = host.offer("genres.tar.gz", TAR)
    folder = download.fetch("gtzan", to=tmp_path, sources=[archive])
    assert folder == tmp_path / "gtzan"
    assert contents(folder) == TRACKS
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_zip_with_a_folder_around_is_downloaded_and_unpacked(host, tmp_path):
    content = zip_of({f"gtzan_mini-main/{name}": data for name, data in TRACKS.items()})
    archive = host.offer("main.zip", content, checked=False)
    folder = download.fetch("mini", to=tmp_path, sources=[archive])
    assert contents(folder) == TRACKS


def test_an_archive_is_what_its_address_says(host, tmp_path):
    """One file that is a zip and a tar, too, with other content."""
    both = tar_of({FIRST: b"RIFF", SECOND: b"RIFF"}) + ZIP
    folder = download.fetch("mini", to=tmp_path, sources=[host.offer("main.zip", both)])
    assert contents(folder) == TRACKS


def test_data_goes_to_its_place_by_default(host, tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path / "data"))
    archive = host.offer("genres.tar.gz", TAR)
    assert download.fetch("gtzan", sources=[archive]) == tmp_path / "data" / "gtzan"


@pytest.mark.parametrize("inner", ["genres", "Data/genres_original"])
def test_a_dataset_that_is_there_is_left_as_it_is(host, tmp_path, inner):
    files = {name.replace("genres", inner): data for name, data in TRACKS.items()}
    for name, data in {**files, "mine.txt": b"mine"}.items():
        (tmp_path / "gtzan" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "gtzan" / name).write_bytes(data)
    before = contents(tmp_path)
    download.fetch("gtzan", to=tmp_path, sources=[host.offer("genres.tar.gz", TAR)])
    assert host.requests == []
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "files",
    [{}, {"genres": b""}, {"README.md": b"x"}, {FIRST: wav()}, {FIRST: wav(), SECOND: b""}],
    ids=["empty", "file", "readme", "incomplete", "empty track"],
)
def test_what_is_there_without_all_the_music_is_no_success(host, tmp_path, files):
    (tmp_path / "gtzan").mkdir()
    for name, data in files.items():
        (tmp_path / "gtzan" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "gtzan" / name).write_bytes(data)
    message = outcome(tmp_path, host.offer("genres.tar.gz", TAR))
    assert isinstance(message, str)
    assert re.search(r"gtzan lacks [12] of gtzan's tracks; move it away, and fetch", message)
    assert contents(tmp_path / "gtzan") == files


# Processes side by side


def test_two_that_download_at_once_both_get_all_of_it(host, tmp_path):
    """The first is in the middle of the file while the second does all of its work."""
    archive = host.offer("genres.tar.gz", TAR)
    pause = host.pauses["genres.tar.gz"] = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(outcome, tmp_path, archive)
        while "genres.tar.gz" in host.pauses and not first.done():
            pause.wait(0.01)
        second = outcome(tmp_path, archive)
        pause.set()
        assert (first.result() == TRACKS, second == TRACKS) == (True, True)
    assert {path.name for path in tmp_path.iterdir()} == {"downloads", "gtzan"}


def test_what_a_killed_process_downloaded_is_resumed(host, tmp_path):
    archive = host.offer("genres.tar.gz", TAR)
    pause = host.pauses["genres.tar.gz"] = threading.Event()
    script = f"fetch('gtzan', to={str(tmp_path)!r}, sources=[{archive}])"
    script = f"from gtzan_helpers.datasets.download import Archive, fetch; {script}"
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        while process.poll() is None and not any(
            path.stat().st_size for path in tmp_path.rglob("*.part")
        ):
            pause.wait(0.01)
        process.kill()
    pause.set()
    assert outcome(tmp_path, archive) == TRACKS
    assert re.fullmatch(r"bytes=\d+-", host.requests[-1][1])
    assert {path.name for path in tmp_path.iterdir()} == {"downloads", "gtzan"}


@pytest.mark.parametrize("days", [0, 2])
def test_what_another_machine_left_is_cleared_after_a_day(host, tmp_path, monkeypatch, days):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("platform.node", lambda: "elsewhere")
        part = files.temporary_path(tmp_path / "gtzan") / "a.wav"
    part.parent.mkdir()
    part.touch()
    for path in (part, part.parent):
        os.utime(path, (time.time() - days * 86_400,) * 2)
    assert outcome(tmp_path, host.offer("genres.tar.gz", TAR)) == TRACKS
    assert part.exists() == (days == 0)


# Resumed downloads


def test_an_interrupted_download_is_resumed_where_it_broke_off(host, tmp_path):
    archive = host.offer("genres.tar.gz", TAR)
    host.break_after["genres.tar.gz"] = len(TAR) // 2
    assert "127.0.0.1" in refusal(tmp_path, archive)
    (part,) = (tmp_path / "downloads").glob("*.part")
    have = part.stat().st_size
    assert 0 < have <= len(TAR) // 2
    assert part.read_bytes() == TAR[:have]

    folder = download.fetch("mini", to=tmp_path, sources=[archive])
    assert host.requests == [("genres.tar.gz", None), ("genres.tar.gz", f"bytes={have}-")]
    assert contents(folder) == TRACKS


def test_a_complete_part_is_not_downloaded_again(host, tmp_path):
    archive = host.offer("genres.tar.gz", TAR)
    part = tmp_path / "downloads" / f"{archive.sha256[:8]}-genres.tar.gz.part"
    part.parent.mkdir()
    part.write_bytes(TAR)
    assert contents(download.fetch("mini", to=tmp_path, sources=[archive])) == TRACKS
    assert host.requests == []


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_part_that_is_no_file_is_left_alone(host, tmp_path, kind):
    archive = host.offer("genres.tar.gz", TAR)
    part = tmp_path / "downloads" / f"{archive.sha256[:8]}-genres.tar.gz.part"
    part.parent.mkdir()
    (tmp_path / "other").write_bytes(b"mine")
    part.symlink_to(tmp_path / "other") if kind == "link" else os.mkfifo(part)
    assert contents(download.fetch("mini", to=tmp_path, sources=[archive])) == TRACKS
    assert (tmp_path / "other").read_bytes() == b"mine"


@pytest.mark.parametrize("checked", [True, False])
def test_what_cannot_be_resumed_is_downloaded_again(host, tmp_path, checked):
    """The server knows no ranges; or the archive may have changed."""
    archive = host.offer("main.zip", ZIP, checked=checked)
    host.ignores_ranges = checked
    host.break_after["main.zip"] = len(ZIP) // 2
    refusal(tmp_path, archive)
    assert contents(download.fetch("mini", to=tmp_path, sources=[archive])) == TRACKS
    assert checked or host.requests == [("main.zip", None), ("main.zip", None)]


@pytest.mark.parametrize("start", [None, 7], ids=["416", "another range"])
def test_a_part_that_the_server_does_not_continue_is_dropped(host, tmp_path, start):
    archive = host.offer("genres.tar.gz", TAR)
    host.break_after["genres.tar.gz"] = len(TAR) // 2
    refusal(tmp_path, archive)
    host.starts["genres.tar.gz"] = start
    assert outcome(tmp_path, archive) == TRACKS
    assert host.requests[-1] == ("genres.tar.gz", None)


# Alternative addresses

ODD = {
    "redirect to half an address": b"HTTP/1.1 302 x\r\nLocation: http://[::1\r\n\r\n",
    "redirect to no port": b"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:99999999/\r\n\r\n",
    "redirect to no name": b"HTTP/1.1 302 x\r\nLocation: http://%b.a/\r\n\r\n" % (b"a" * 70),
    "redirect to a file": b"HTTP/1.1 302 x\r\nLocation: file:///etc/passwd\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nabcde",
    "endless length": b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\nabcde" % (b"9" * 5000),
    "length in other digits": "HTTP/1.1 200 OK\r\nContent-Length: \u0665\r\n\r\nabcde".encode(),
    "broken gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nabcde",
    "broken chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "no answer": b"",
    "no HTTP": b"abcde\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n%b\r\n" % (b"a: b\r\n" * 200),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
@pytest.mark.parametrize("checked", [True, False])
def test_an_address_that_answers_oddly_is_skipped(host, tmp_path, answer, checked):
    odd = host.offer("odd.tar.gz", TAR, checked=checked)
    host.raw["odd.tar.gz"] = answer
    assert outcome(tmp_path, odd, host.offer("genres.tar.gz", TAR)) == TRACKS


def test_an_address_that_answers_with_an_error_is_skipped(host, tmp_path):
    first, second = host.offer("first.tar.gz", TAR), host.offer("second.tar.gz", TAR)
    host.statuses["first.tar.gz"] = 403
    folder = download.fetch("mini", to=tmp_path, sources=[first, second])
    assert host.asked == ["first.tar.gz", "second.tar.gz"]
    assert contents(folder) == TRACKS


def test_an_address_with_another_file_is_skipped(host, tmp_path):
    first = host.offer("first.tar.gz", TAR[::-1], sha256=sha256_of(TAR))
    second = host.offer("second.tar.gz", TAR)
    folder = download.fetch("mini", to=tmp_path, sources=[first, second])
    assert host.asked == ["first.tar.gz", "second.tar.gz"]
    assert contents(folder) == TRACKS


@pytest.mark.parametrize("name", ["first.tar.gz", "second.tar.gz"])
def test_an_address_with_a_login_page_is_skipped(host, tmp_path, name):
    second = host.offer("second.tar.gz", TAR)
    # It may be stored under the same name as the next address's archive, or under another.
    page = host.offer(f"login/{name}", HTML, n_bytes=len(TAR), sha256=second.sha256)
    folder = download.fetch("mini", to=tmp_path, sources=[page, second])
    assert contents(folder) == TRACKS


def test_a_login_page_does_not_spoil_the_next_try(host, tmp_path):
    archive = host.offer("genres.tar.gz", TAR)
    host.files["genres.tar.gz"] = HTML
    for length in ("", str(len(HTML))):
        host.lengths["genres.tar.gz"] = length
        refusal(tmp_path, archive)
    host.files["genres.tar.gz"] = TAR
    host.lengths.clear()
    assert contents(download.fetch("mini", to=tmp_path, sources=[archive])) == TRACKS


@pytest.mark.parametrize("length", ["", "0", "none", "-5", "99999999"])
def test_a_server_that_declares_a_wrong_length_is_skipped(host, tmp_path, length):
    page = host.offer("login.tar.gz", HTML, n_bytes=len(TAR), sha256=sha256_of(TAR))
    host.lengths["login.tar.gz"] = length
    archive = host.offer("genres.tar.gz", TAR)
    assert contents(download.fetch("mini", to=tmp_path, sources=[page, archive])) == TRACKS


@pytest.mark.parametrize("checked", [True, False])
def test_a_redirect_to_a_login_page_is_skipped(host, tmp_path, checked):
    archive = host.offer("genres.tar.gz", TAR)
    moved = host.offer("moved.tar.gz", TAR, checked=checked)
    host.redirects["moved.tar.gz"] = "/login"
    host.offer("login", HTML)
    assert contents(download.fetch("mini", to=tmp_path, sources=[moved, archive])) == TRACKS
    assert host.asked == ["moved.tar.gz", "login", "genres.tar.gz"]


def test_a_redirect_is_followed(host, tmp_path):
    archive = host.offer("old.tar.gz", TAR)
    host.offer("new.tar.gz", TAR)
    host.redirects["old.tar.gz"] = "/new.tar.gz"
    assert contents(download.fetch("mini", to=tmp_path, sources=[archive])) == TRACKS


def test_circular_redirects_are_refused(host, tmp_path):
    archive = host.offer("a.tar.gz", TAR)
    host.redirects.update({"a.tar.gz": "/b.tar.gz", "b.tar.gz": "/a.tar.gz"})
    assert "TooManyRedirects" in refusal(tmp_path, archive)


def test_a_redirect_out_of_https_is_not_followed(host, tmp_path, monkeypatch):
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(CERTIFICATE, encoding="ascii")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    plain = host.offer("plain.tar.gz", TAR)
    with serving(certificate) as secure:
        secure.offer("sound.tar.gz", TAR)
        secure.redirects.update({"a.tar.gz": "/sound.tar.gz", "b.tar.gz": plain.address})
        sound, leading_out = (
            Archive(f"https://127.0.0.1:{secure.port}/{name}.tar.gz", len(TAR), sha256_of(TAR))
            for name in "ab"
        )
        refused = outcome(tmp_path / "b", leading_out)
        assert host.requests == []
        assert isinstance(refused, str)
        assert outcome(tmp_path / "a", leading_out, sound) == TRACKS


def test_an_address_whose_certificate_cannot_be_checked_is_skipped(host, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    secure = Archive(f"https://127.0.0.1:{closed_port()}/a.tar.gz", len(TAR), sha256_of(TAR))
    assert outcome(tmp_path, secure, host.offer("genres.tar.gz", TAR)) == TRACKS


def test_a_server_that_never_answers_is_skipped(host, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    archive = host.offer("genres.tar.gz", TAR)
    host.hanging.add("genres.tar.gz")
    assert "cannot be reached or broke off (ReadTimeout)" in refusal(tmp_path, archive)


def test_a_server_that_sends_byte_by_byte_is_given_up(host, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "SPEED_SECONDS", 0.1, raising=False)
    slow = host.offer("slow.tar.gz", bytes(200), n_bytes=len(TAR), sha256=sha256_of(TAR))
    host.lengths["slow.tar.gz"] = str(len(TAR))
    host.dripping.add("slow.tar.gz")
    assert "sends fewer than" in str(outcome(tmp_path, slow))
    assert host.sent < 100
    monkeypatch.setattr(
        download, "SPEED_SECONDS", 0.5, raising=False
    )  # a busy machine is slow, too
    assert outcome(tmp_path, slow, host.offer("fast.tar.gz", TAR)) == TRACKS


OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS = {
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "header": (OK + b"a: ", b"b"),
    "chunk size": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
}


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_a_server_that_never_comes_to_the_point_is_given_up(host, tmp_path, monkeypatch, answer):
    monkeypatch.setattr(download, "SPEED_SECONDS", 0.5, raising=False)
    slow = host.offer("slow.tar.gz", TAR)
    host.endless["slow.tar.gz"] = answer
    outcomes = []
    arguments = (tmp_path, slow, host.offer("fast.tar.gz", TAR))
    thread = threading.Thread(target=lambda: outcomes.append(outcome(*arguments)), daemon=True)
    thread.start()
    thread.join(10)
    assert outcomes == [TRACKS]


def test_an_unreachable_address_is_skipped(host, tmp_path):
    archive = host.offer("genres.tar.gz", TAR)
    unreachable = Archive(f"http://127.0.0.1:{closed_port()}/genres.tar.gz")
    assert contents(download.fetch("mini", to=tmp_path, sources=[unreachable, archive])) == TRACKS


def test_an_archive_that_cannot_be_unpacked_is_skipped(host, tmp_path):
    bad = host.offer("bad.tar.gz", TAR[:5000])
    assert outcome(tmp_path, bad, host.offer("good.tar.gz", TAR)) == TRACKS


@pytest.mark.parametrize(
    "tracks", [{**TRACKS, SECOND: wav(3)}, {FIRST: TRACKS[FIRST]}], ids=["wrong", "missing"]
)
def test_an_archive_of_other_tracks_is_skipped(host, tmp_path, tracks):
    other = host.offer("main.zip", zip_of(tracks), checked=False)
    assert outcome(tmp_path, other, host.offer("genres.tar.gz", TAR)) == TRACKS
    assert host.asked == ["main.zip", "genres.tar.gz"]


# Failures


def closed_port():
    """A port of this machine on which no server listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_full_disk_is_no_fault_of_the_address(host, tmp_path):
    """Files of 100 kB at most: so much the archive takes, but not a track."""
    silence = {FIRST: bytes(10**6), SECOND: bytes(10**6)}
    sources = [host.offer(name, zip_of(silence)) for name in ("a.zip", "b.zip")]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        message = outcome(tmp_path, *sources)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert host.asked == ["a.zip"]
    assert isinstance(message, str)
    assert f"{tmp_path}: cannot be written (File too large); make room" in message
    assert outcome(tmp_path, *sources) == silence
    assert host.asked == ["a.zip"]  # it was kept


def test_a_folder_that_cannot_be_made_is_no_fault_of_the_address(host, tmp_path):
    (tmp_path / "file").touch()
    message = outcome(tmp_path / "file", host.offer("genres.tar.gz", TAR))
    assert isinstance(message, str)
    assert "file: cannot be written" in message
    assert host.requests == []


@pytest.mark.parametrize("checked", [True, False])
def test_without_a_network_the_message_says_what_to_do_by_hand(tmp_path, checked):
    address = f"http://127.0.0.1:{closed_port()}/genres.tar.gz"
    archive = Archive(address, len(TAR), sha256_of(TAR)) if checked else Archive(address)
    message = refusal(tmp_path, archive)
    assert f"{address.split('/')[2]} cannot be reached" in message
    words = r"or download (\S+) by hand to (\S+), and fetch mini again$"
    named, path = re.search(words, message).groups()
    assert named == address
    Path(path).write_bytes(TAR)
    assert outcome(tmp_path, archive) == TRACKS


def test_the_message_names_every_failure(host, tmp_path):
    first, second = host.offer("a.tar.gz", b""), host.offer("b.tar.gz", b"")
    host.statuses.update({"a.tar.gz": 404, "b.tar.gz": 503})
    message = refusal(tmp_path, first, second)
    assert "answered 404" in message
    assert "answered 503" in message


def test_a_file_that_is_too_short_is_refused(host, tmp_path):
    archive = host.offer("genres.tar.gz", TAR, n_bytes=len(TAR) + 1)
    assert f"sent {len(TAR):,} bytes, not {len(TAR) + 1:,}" in refusal(tmp_path, archive)


def test_a_file_that_is_too_long_is_refused_and_removed(host, tmp_path):
    archive = host.offer("genres.tar.gz", TAR + b"more", n_bytes=len(TAR))
    assert f"sent {len(TAR) + 4:,} bytes, not {len(TAR):,}" in refusal(tmp_path, archive)
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_file_with_another_hash_is_refused_and_removed(host, tmp_path):
    archive = host.offer("genres.tar.gz", TAR, sha256="f" * 64)
    assert "another file (its sha256 is not ffffffffffff...)" in refusal(tmp_path, archive)
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize("name", ["cut.tar.gz", "cut.zip"])
@pytest.mark.parametrize("declared", [True, False])
def test_a_truncated_archive_is_refused(host, tmp_path, name, declared):
    whole = TAR if name.endswith("gz") else ZIP
    archive = host.offer(name, whole, checked=False)
    host.break_after[name] = len(whole) // 2
    if not declared:  # then the end of the connection is the end of the file
        host.lengths[name] = ""
    assert ("broke off" if declared else "cannot be unpacked") in refusal(tmp_path, archive)


def test_an_archive_of_unknown_size_has_a_maximum(host, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_UNPACKED", 10_000)
    archive = host.offer("endless.tar.gz", bytes(10**8), checked=False)
    host.lengths["endless.tar.gz"] = ""
    assert "bytes, not 10,000" in refusal(tmp_path, archive)
    assert host.sent < 5 * 10**7  # some is in buffers
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_a_damaged_archive_is_refused_in_one_line(tmp_path, rng, name):
    """Unless the damage has no effect; no other exception is raised."""
    whole = ZIP if name == "a.zip" else TAR
    archive = Archive(f"https://host/{name}")
    lines = []
    for _ in range(40):
        damaged = bytearray(whole)
        for position in rng.integers(len(damaged), size=rng.integers(1, 50)):
            damaged[position] = rng.integers(256)
        (tmp_path / name).write_bytes(damaged[: rng.integers(len(damaged) // 2, 2 * len(damaged))])
        try:
            download._unpack(archive, tmp_path / name, tmp_path / "mini")
            assert contents(tmp_path / "mini") == TRACKS
        except DownloadError as error:
            lines.append(str(error))
    assert len(lines) > 10
    assert [line for line in lines if "\n" in line or not line.startswith("sent ")] == []


def test_a_file_that_is_not_an_archive_is_refused(host, tmp_path):
    for name in ("page.zip", "page.tar.gz"):
        archive = host.offer(name, HTML, checked=False)
        assert "cannot be unpacked" in refusal(tmp_path, archive)


@pytest.mark.parametrize("limit", ["MAX_UNPACKED", "MAX_MEMBERS", "MAX_TRACK"])
def test_an_archive_that_would_fill_the_disk_is_refused(host, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(download, limit, 1)
    for name, content in (("bomb.tar.gz", TAR), ("bomb.zip", ZIP)):
        assert "sent an archive" in refusal(tmp_path / name, host.offer(name, content))


@pytest.mark.parametrize("n_bytes", [2**40, -512])
def test_a_tar_that_declares_a_bomb_is_refused_before_it_is_read(host, tmp_path, n_bytes):
    """The archive ends before them, so that looking for the next member would fail."""
    bomb = tarfile.TarInfo(FIRST)
    bomb.size = n_bytes
    content = gzip.compress(bomb.tobuf(tarfile.GNU_FORMAT) + b"x" * 512)
    assert "would unpack to" in refusal(tmp_path, host.offer("bomb.tar.gz", content))


def test_a_zip_that_declares_less_than_it_holds_is_refused(host, tmp_path):
    """A megabyte of zeros, declared as ten bytes in both headers."""
    content = bytearray(zip_of({FIRST: bytes(10**6)}))
    for signature, field in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature) + field
        assert content[at : at + 4] == (10**6).to_bytes(4, "little")
        content[at : at + 4] = (10).to_bytes(4, "little")
    archive = host.offer("bomb.zip", bytes(content))
    assert "cannot be unpacked (Bad CRC-32" in refusal(tmp_path, archive)


# Only tracks are taken from an archive

OUTSIDE = "../../evil.wav"


def member(name, type_, target=""):
    """A member of a tar that is no regular file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, target
    return info


@pytest.mark.parametrize("kind", [tar_of, zip_of])
def test_other_files_are_left_out(host, tmp_path, kind):
    other = ["._genres", "genres/blues/._blues.00000.wav", "genres/README.md", OUTSIDE, "x" * 300]
    other += ["genres/blues/../../../../evil.wav", str(tmp_path / "evil.wav"), "genres/blues/a.wav"]
    name = "a.zip" if kind is zip_of else "a.tar.gz"
    archive = host.offer(name, kind({**dict.fromkeys(other, b"evil"), **TRACKS}))
    assert outcome(tmp_path / "to", archive) == TRACKS
    assert {path.name for path in tmp_path.iterdir()} == {"to"}


def test_links_and_devices_are_left_out(host, tmp_path):
    extra = [
        member("genres/blues/up", tarfile.SYMTYPE, "../../../outside"),
        member("genres/blues/up/blues.00000.wav", tarfile.REGTYPE),
        member("genres/blues/etc", tarfile.LNKTYPE, "/etc/passwd"),
        member("genres/blues/blues.00001.wav", tarfile.FIFOTYPE),
        member("genres/blues/blues.00002.wav", tarfile.CHRTYPE),
    ]
    assert outcome(tmp_path, host.offer("a.tar.gz", tar_of(TRACKS, *extra))) == TRACKS
    assert {path.name for path in tmp_path.iterdir()} == {"downloads", "gtzan"}


@pytest.mark.parametrize("type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_device_is_no_track(host, tmp_path, type_):
    tracks = {FIRST: TRACKS[FIRST]}
    archive = host.offer("a.tar.gz", tar_of(tracks, member(SECOND, type_, FIRST)))
    assert "without jazz/jazz.00000" in str(outcome(tmp_path, archive))


def test_a_link_in_a_zip_becomes_a_plain_file(host, tmp_path):
    link = zipfile.ZipInfo(SECOND)
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO(zip_of({FIRST: TRACKS[FIRST]}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    folder = download.fetch("mini", to=tmp_path, sources=[host.offer("a.zip", buffer.getvalue())])
    assert (folder / SECOND).read_bytes() == b"/etc/passwd"
    assert [path for path in folder.rglob("*") if path.is_symlink()] == []


def test_links_longer_than_any_path_lead_nowhere(host, tmp_path):
    """CVE-2025-4517: the standard library's filter gives up resolving them, the system does not."""
    extra, path = [], "genres"
    for letter in "abcdefghijklmnop":
        folder = f"{path}/{'d' * 247}"
        extra += [member(folder, tarfile.DIRTYPE)]
        extra += [member(f"{path}/{letter}", tarfile.SYMTYPE, "d" * 247)]
        path = folder
    short = "genres/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"
    extra += [member(f"{short}/{'l' * 254}", tarfile.SYMTYPE, "../" * 16)]
    out = f"{short.removeprefix('genres/')}/{'l' * 254}/../../.."
    extra += [member("genres/out", tarfile.SYMTYPE, out)]
    extra += [member("genres/out/evil.wav", tarfile.REGTYPE)]
    outcome(tmp_path / "to", host.offer("a.tar.gz", tar_of(TRACKS, *extra)))
    assert {path.name for path in tmp_path.iterdir()} == {"to"}


def test_a_tarfile_without_filters_is_enough(host, tmp_path, monkeypatch):
    """As in Python before 3.11.4."""

    def extractall(self, path=".", members=None, *, numeric_owner=False):
        raise AssertionError

    monkeypatch.setattr(tarfile.TarFile, "extractall", extractall)
    assert outcome(tmp_path, host.offer("genres.tar.gz", TAR)) == TRACKS


# Names


def test_an_unknown_dataset_is_refused(tmp_path):
    with pytest.raises(SettingError, match="'nonsense' does not exist; choose from gtzan, mini"):
        download.fetch("nonsense", to=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_gtzans_addresses_have_sizes_and_hashes():
    for archive in download.archives("gtzan"):
        assert archive.address.startswith("https://")
        assert archive.n_bytes > 10**9
        assert re.fullmatch("[0-9a-f]{64}", archive.sha256)
