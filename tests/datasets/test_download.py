"""Downloads from a server on this machine: resumed, verified, and only then unpacked."""

import contextlib
import hashlib
import http.server
import io
import re
import shutil
import socket
import stat
import tarfile
import threading
import zipfile

import numpy as np
import pytest
import soundfile

from gtzan_helpers.datasets import download
from gtzan_helpers.datasets.download import Archive
from gtzan_helpers.errors import DownloadError, SettingError

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
    lengths : {path: str}
        The Content-Length that the server sends instead of the true one; empty for none.
    redirects : {path: path}
    hanging : set of paths
        Requests for these are never answered.
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
        self.lengths = {}
        self.redirects = {}
        self.hanging = set()
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
        if path in host.redirects:
            self.send_response(302)
            self.send_header("Location", f"/{host.redirects[path]}")
            self.end_headers()
            return
        content = host.files.get(path)
        status = host.statuses.get(path, 404 if content is None else 200)
        first = 0
        if status == 200 and wanted and not host.ignores_ranges:
            status = 206
            first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        content = (content or b"")[first:]
        self.send_response(status)
        if status == 206:
            whole = len(host.files[path])
            self.send_header("Content-Range", f"bytes {first}-{whole - 1}/{whole}")
        if length := host.lengths.get(path, str(len(content))):
            self.send_header("Content-Length", length)
        self.end_headers()
        cut = host.break_after.pop(path, None)
        with contextlib.suppress(ConnectionError):  # a client may have seen enough
            for start in range(0, len(content[:cut]), download.BLOCK):
                host.sent += self.wfile.write(content[:cut][start : start + download.BLOCK])

    def log_message(self, *_):
        pass


@pytest.fixture
def host():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.host = Host(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.host
    server.host.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


def sha256_of(content):
    return hashlib.sha256(content).hexdigest()


def wav(seed=0, *, seconds=1.0):
    """Bytes of a recording that does not compress."""
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, round(22_050 * seconds))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, 22_050, format="WAV")
    return buffer.getvalue()


TRACKS = {
    "genres/blues/blues.00000.wav": wav(1),
    "genres/jazz/jazz.00000.wav": wav(2),
}


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


def big_tar():
    """An archive of more than one block of the download."""
    content = tar_of({"genres/blues/blues.00000.wav": wav(3, seconds=30)})
    assert len(content) > 3 * download.BLOCK
    return content


def contents(folder):
    """The bytes of every file in a folder, by relative name."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def refusal(to, *sources):
    """The message, one line, of a download that must fail and leave nothing half unpacked."""
    with pytest.raises(DownloadError) as caught:
        download.fetch("mini", to=to, sources=sources)
    assert "\n" not in str(caught.value)
    assert [p.name for p in to.iterdir() if p.name != "downloads"] == []
    return str(caught.value)


# Successful downloads


def test_a_tar_is_downloaded_and_unpacked(host, tmp_path):
    archive = host.offer("genres.tar.gz", tar_of(TRACKS))
    folder = download.fetch("gtzan", to=tmp_path, sources=[archive])
    assert folder == tmp_path / "gtzan"
    assert contents(folder) == TRACKS


def test_a_zip_with_a_folder_around_is_downloaded_and_unpacked(host, tmp_path):
    content = zip_of({f"gtzan_mini-main/{name}": data for name, data in TRACKS.items()})
    archive = host.offer("main.zip", content, checked=False)
    folder = download.fetch("mini", to=tmp_path, sources=[archive])
    assert contents(folder) == TRACKS


def test_hidden_files_that_macos_adds_are_left_out(host, tmp_path):
    hidden = {"genres/blues/._blues.00000.wav": b"x", "._genres": b"x"}
    for name, content in (("a.tar.gz", tar_of), ("b.zip", zip_of)):
        archive = host.offer(name, content({**TRACKS, **hidden}))
        folder = download.fetch(name[0], to=tmp_path, sources=[archive])
        assert contents(folder) == TRACKS


def test_the_archive_is_removed_after_unpacking(host, tmp_path):
    archive = host.offer("genres.tar.gz", tar_of(TRACKS))
    download.fetch("gtzan", to=tmp_path, sources=[archive])
    assert list((tmp_path / "downloads").iterdir()) == []


def test_data_goes_to_its_place_by_default(host, tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path / "data"))
    archive = host.offer("genres.tar.gz", tar_of(TRACKS))
    assert download.fetch("gtzan", sources=[archive]) == tmp_path / "data" / "gtzan"


def test_what_is_there_is_left_as_it_is(host, tmp_path):
    (tmp_path / "gtzan").mkdir()
    (tmp_path / "gtzan" / "mine.txt").write_text("mine", encoding="utf-8")
    archive = host.offer("genres.tar.gz", tar_of(TRACKS))
    assert download.fetch("gtzan", to=tmp_path, sources=[archive]) == tmp_path / "gtzan"
    assert host.requests == []
    assert contents(tmp_path / "gtzan") == {"mine.txt": b"mine"}


# Resumed downloads


def test_an_interrupted_download_is_resumed_where_it_broke_off(host, tmp_path):
    content = big_tar()
    archive = host.offer("genres.tar.gz", content)
    host.break_after["genres.tar.gz"] = len(content) // 2
    assert "127.0.0.1" in refusal(tmp_path, archive)
    (part,) = (tmp_path / "downloads").glob("*.part")
    have = part.stat().st_size
    assert 0 < have <= len(content) // 2
    assert part.read_bytes() == content[:have]

    folder = download.fetch("mini", to=tmp_path, sources=[archive])
    assert host.requests == [("genres.tar.gz", None), ("genres.tar.gz", f"bytes={have}-")]
    assert (folder / "genres/blues/blues.00000.wav").read_bytes() == wav(3, seconds=30)


def test_a_complete_part_is_not_downloaded_again(host, tmp_path):
    content = tar_of(TRACKS)
    archive = host.offer("genres.tar.gz", content)
    part = tmp_path / "downloads" / f"{archive.sha256[:8]}-genres.tar.gz.part"
    part.parent.mkdir()
    part.write_bytes(content)
    assert contents(download.fetch("mini", to=tmp_path, sources=[archive])) == TRACKS
    assert host.requests == []


def test_a_server_without_ranges_sends_all_of_it_again(host, tmp_path):
    content = big_tar()
    archive = host.offer("genres.tar.gz", content)
    host.ignores_ranges = True
    host.break_after["genres.tar.gz"] = len(content) // 2
    refusal(tmp_path, archive)
    folder = download.fetch("mini", to=tmp_path, sources=[archive])
    assert (folder / "genres/blues/blues.00000.wav").read_bytes() == wav(3, seconds=30)


def test_an_archive_that_may_change_is_not_resumed(host, tmp_path):
    content = big_tar()
    archive = host.offer("main.tar.gz", content, checked=False)
    host.break_after["main.tar.gz"] = len(content) // 2
    refusal(tmp_path, archive)
    download.fetch("mini", to=tmp_path, sources=[archive])
    assert host.requests == [("main.tar.gz", None), ("main.tar.gz", None)]


# Alternative addresses


def test_an_address_that_answers_with_an_error_is_skipped(host, tmp_path):
    content = tar_of(TRACKS)
    first, second = host.offer("first.tar.gz", content), host.offer("second.tar.gz", content)
    host.statuses["first.tar.gz"] = 403
    folder = download.fetch("mini", to=tmp_path, sources=[first, second])
    assert host.asked == ["first.tar.gz", "second.tar.gz"]
    assert contents(folder) == TRACKS


def test_an_address_with_another_file_is_skipped(host, tmp_path):
    content = tar_of(TRACKS)
    first = host.offer("first.tar.gz", content[::-1], sha256=sha256_of(content))
    second = host.offer("second.tar.gz", content)
    folder = download.fetch("mini", to=tmp_path, sources=[first, second])
    assert host.asked == ["first.tar.gz", "second.tar.gz"]
    assert contents(folder) == TRACKS


@pytest.mark.parametrize("name", ["first.tar.gz", "second.tar.gz"])
def test_an_address_with_a_login_page_is_skipped(host, tmp_path, name):
    content = tar_of(TRACKS)
    second = host.offer("second.tar.gz", content)
    # It may be stored under the same name as the next address's archive, or under another.
    page = host.offer(f"login/{name}", HTML, n_bytes=len(content), sha256=second.sha256)
    folder = download.fetch("mini", to=tmp_path, sources=[page, second])
    assert contents(folder) == TRACKS


def test_a_login_page_does_not_spoil_the_next_try(host, tmp_path):
    content = tar_of(TRACKS)
    archive = host.offer("genres.tar.gz", content)
    host.files["genres.tar.gz"] = HTML
    refusal(tmp_path, archive)
    host.files["genres.tar.gz"] = content
    assert contents(download.fetch("mini", to=tmp_path, sources=[archive])) == TRACKS


@pytest.mark.parametrize("length", ["", "0", "none", "-5", "99999999"])
def test_a_server_that_declares_a_wrong_length_is_skipped(host, tmp_path, length):
    content = tar_of(TRACKS)
    page = host.offer("login.tar.gz", HTML, n_bytes=len(content), sha256=sha256_of(content))
    host.lengths["login.tar.gz"] = length
    archive = host.offer("genres.tar.gz", content)
    assert contents(download.fetch("mini", to=tmp_path, sources=[page, archive])) == TRACKS


@pytest.mark.parametrize("checked", [True, False])
def test_a_redirect_to_a_login_page_is_skipped(host, tmp_path, checked):
    archive = host.offer("genres.tar.gz", tar_of(TRACKS))
    moved = host.offer("moved.tar.gz", tar_of(TRACKS), checked=checked)
    host.redirects["moved.tar.gz"] = "login"
    host.offer("login", HTML)
    assert contents(download.fetch("mini", to=tmp_path, sources=[moved, archive])) == TRACKS
    assert host.asked == ["moved.tar.gz", "login", "genres.tar.gz"]


def test_a_redirect_is_followed(host, tmp_path):
    archive = host.offer("old.tar.gz", tar_of(TRACKS))
    host.offer("new.tar.gz", tar_of(TRACKS))
    host.redirects["old.tar.gz"] = "new.tar.gz"
    assert contents(download.fetch("mini", to=tmp_path, sources=[archive])) == TRACKS


def test_circular_redirects_are_refused(host, tmp_path):
    archive = host.offer("a.tar.gz", tar_of(TRACKS))
    host.redirects.update({"a.tar.gz": "b.tar.gz", "b.tar.gz": "a.tar.gz"})
    assert "answered 302" in refusal(tmp_path, archive)


def test_a_server_that_never_answers_is_skipped(host, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    archive = host.offer("genres.tar.gz", tar_of(TRACKS))
    host.hanging.add("genres.tar.gz")
    assert "did not answer within 0.2 s" in refusal(tmp_path, archive)


def test_an_unreachable_address_is_skipped(host, tmp_path):
    archive = host.offer("genres.tar.gz", tar_of(TRACKS))
    unreachable = Archive(f"http://127.0.0.1:{closed_port()}/genres.tar.gz")
    assert contents(download.fetch("mini", to=tmp_path, sources=[unreachable, archive])) == TRACKS


def test_an_archive_that_cannot_be_unpacked_is_skipped(host, tmp_path):
    bad = host.offer("bad.tar.gz", tar_of(TRACKS)[:5000])
    good = host.offer("good.tar.gz", tar_of(TRACKS))
    assert contents(download.fetch("mini", to=tmp_path, sources=[bad, good])) == TRACKS


# Failures


def closed_port():
    """A port of this machine on which no server listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_without_a_network_the_message_says_what_to_do(tmp_path):
    port = closed_port()
    message = refusal(tmp_path, Archive(f"http://127.0.0.1:{port}/genres.tar.gz", 10, "0" * 64))
    assert f"127.0.0.1:{port} could not be reached" in message
    assert f"unpack it to {tmp_path / 'mini'}" in message


def test_the_message_names_every_failure(host, tmp_path):
    first, second = host.offer("a.tar.gz", b""), host.offer("b.tar.gz", b"")
    host.statuses.update({"a.tar.gz": 404, "b.tar.gz": 503})
    message = refusal(tmp_path, first, second)
    assert "answered 404" in message
    assert "answered 503" in message


def test_a_file_that_is_too_short_is_refused(host, tmp_path):
    content = tar_of(TRACKS)
    archive = host.offer("genres.tar.gz", content, n_bytes=len(content) + 1)
    assert f"{len(content):,} of {len(content) + 1:,} bytes" in refusal(tmp_path, archive)


def test_a_file_that_is_too_long_is_refused_and_removed(host, tmp_path):
    content = tar_of(TRACKS)
    archive = host.offer("genres.tar.gz", content + b"more", n_bytes=len(content))
    assert f"sent more than {len(content):,} bytes" in refusal(tmp_path, archive)
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_file_with_another_hash_is_refused_and_removed(host, tmp_path):
    archive = host.offer("genres.tar.gz", tar_of(TRACKS), sha256="f" * 64)
    assert "another file (its sha256 is not ffffffffffff...)" in refusal(tmp_path, archive)
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize("name", ["cut.tar.gz", "cut.zip"])
@pytest.mark.parametrize("declared", [True, False])
def test_a_truncated_archive_is_refused(host, tmp_path, name, declared):
    whole = tar_of(TRACKS) if name.endswith("gz") else zip_of(TRACKS)
    archive = host.offer(name, whole, checked=False)
    host.break_after[name] = len(whole) // 2
    if not declared:  # then the end of the connection is the end of the file
        host.lengths[name] = ""
    assert ("broke off" if declared else name) in refusal(tmp_path, archive)


def test_an_archive_of_unknown_size_has_a_maximum(host, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_UNPACKED", 10_000)
    archive = host.offer("endless.tar.gz", bytes(10**8), checked=False)
    host.lengths["endless.tar.gz"] = ""
    assert "sent more than 10,000 bytes" in refusal(tmp_path, archive)
    assert host.sent < 5 * 10**7  # some is in buffers
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.xz", "a.zip"])
def test_a_damaged_archive_is_refused_in_one_line(tmp_path, rng, name):
    """Unless the damage has no effect; no other exception is raised."""
    kind = name.rpartition(".")[2].replace("tar", "")
    whole = zip_of(TRACKS) if kind == "zip" else tar_of(TRACKS, mode=f"w:{kind}")
    lines = []
    for _ in range(40):
        damaged = bytearray(whole)
        for position in rng.integers(len(damaged), size=rng.integers(1, 50)):
            damaged[position] = rng.integers(256)
        (tmp_path / name).write_bytes(damaged[: rng.integers(len(damaged) // 2, 2 * len(damaged))])
        try:
            download._unpack(tmp_path / name, tmp_path / ".mini", tmp_path / "mini")
            shutil.rmtree(tmp_path / "mini")
        except DownloadError as error:
            lines.append(str(error))
        assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len(lines) > 10
    assert [line for line in lines if "\n" in line or not line.startswith(f"{name} ")] == []


def test_a_file_that_is_not_an_archive_is_refused(host, tmp_path):
    archive = host.offer("genres.tar.gz", HTML, checked=False)
    assert "neither a tar nor a zip archive" in refusal(tmp_path, archive)


def test_an_archive_of_something_else_is_refused(host, tmp_path):
    archive = host.offer("other.zip", zip_of({"music/blues/b.wav": wav()}))
    assert "holds no folder `genres`" in refusal(tmp_path, archive)


def test_an_archive_that_would_fill_the_disk_is_refused(host, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_UNPACKED", 10_000)
    for name, content in (("bomb.tar.gz", tar_of(TRACKS)), ("bomb.zip", zip_of(TRACKS))):
        assert "would unpack to" in refusal(tmp_path / name, host.offer(name, content))


@pytest.mark.parametrize("n_bytes", [2**40, -512])
def test_a_tar_that_declares_a_bomb_is_refused_before_it_is_read(host, tmp_path, n_bytes):
    """The archive ends before them, so that looking for the next member would fail."""
    bomb = tarfile.TarInfo("genres/blues/bomb.wav")
    bomb.size = n_bytes
    content = bomb.tobuf(tarfile.GNU_FORMAT) + b"x" * 512
    archive = host.offer("bomb.tar", content)
    assert "would unpack to" in refusal(tmp_path, archive)


def test_a_zip_that_declares_less_than_it_holds_is_refused(host, tmp_path):
    """A megabyte of zeros, declared as ten bytes in both headers."""
    content = bytearray(zip_of({"genres/blues/bomb.wav": bytes(10**6)}))
    for signature, field in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature) + field
        assert content[at : at + 4] == (10**6).to_bytes(4, "little")
        content[at : at + 4] = (10).to_bytes(4, "little")
    archive = host.offer("bomb.zip", bytes(content))
    assert "cannot be unpacked (Bad CRC-32" in refusal(tmp_path, archive)


def test_an_archive_with_too_many_files_is_refused(host, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_MEMBERS", 1)
    for name, content in (("many.tar.gz", tar_of(TRACKS)), ("many.zip", zip_of(TRACKS))):
        assert "holds more than 1 files" in refusal(tmp_path / name, host.offer(name, content))


# Archives that reach outside


@pytest.mark.parametrize("kind", [tar_of, zip_of])
@pytest.mark.parametrize("where", ["../evil.wav", "genres/../../../evil.wav"])
def test_a_member_above_the_archives_folder_is_refused(host, tmp_path, kind, where):
    archive = host.offer("evil", kind({**TRACKS, where: b"evil"}))
    refusal(tmp_path / "to", archive)
    assert list(tmp_path.rglob("evil.wav")) == []


@pytest.mark.parametrize("kind", [tar_of, zip_of])
def test_a_member_with_an_absolute_name_is_refused(host, tmp_path, kind):
    outside = tmp_path / "evil.wav"
    archive = host.offer("evil", kind({**TRACKS, str(outside): b"evil"}))
    refusal(tmp_path / "to", archive)
    assert not outside.exists()


@pytest.mark.parametrize("target", ["../../../outside", "/etc"])
@pytest.mark.parametrize("type_", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_out_of_the_archive_is_refused(host, tmp_path, target, type_):
    link = tarfile.TarInfo("genres/blues/link")
    link.type, link.linkname = type_, target
    archive = host.offer("evil.tar", tar_of(TRACKS, link, mode="w"))
    assert re.search("outside|absolute", refusal(tmp_path, archive))


def test_a_file_behind_a_link_is_refused(host, tmp_path):
    """A link out of the archive, then a file in the folder that it points to."""
    outside = tmp_path / "outside"
    outside.mkdir()
    link = tarfile.TarInfo("genres/blues/out")
    link.type, link.linkname = tarfile.SYMTYPE, str(outside)
    file = tarfile.TarInfo("genres/blues/out/evil.wav")
    archive = host.offer("evil.tar", tar_of(TRACKS, link, file, mode="w"))
    refusal(tmp_path / "to", archive)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("type_", [tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_device_is_refused(host, tmp_path, type_):
    device = tarfile.TarInfo("genres/blues/device.wav")
    device.type = type_
    archive = host.offer("evil.tar", tar_of(TRACKS, device, mode="w"))
    assert "is a special file" in refusal(tmp_path, archive)


@pytest.mark.parametrize("target", ["../../../outside", "/etc/passwd"])
def test_a_link_in_a_zip_becomes_a_plain_file(host, tmp_path, target):
    link = zipfile.ZipInfo("genres/blues/link.wav")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO(zip_of(TRACKS))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(link, target)
    folder = download.fetch("mini", to=tmp_path, sources=[host.offer("a.zip", buffer.getvalue())])
    assert contents(folder) == {**TRACKS, link.filename: target.encode()}
    assert [path for path in folder.rglob("*") if path.is_symlink()] == []


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
