"""Files of data sets: where they are looked for, what is refused, what is left behind."""

import gzip
import hashlib
import threading
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from image_files import pinned
from nup.data import downloads
from nup.data.downloads import Package, fetch
from nup.errors import UserError

CONTENTS = bytes(range(256)) * 40


@dataclass
class Server:
    """What a server on this machine offers, by path, and what it was asked for."""

    url: str = ""
    offered: dict[str, bytes] = field(default_factory=dict)
    #: Bytes by which an answer falls short of its announced length.
    missing: int = 0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch):
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.path)
            contents = state.offered.get(self.path)
            if contents is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(contents)))
            self.end_headers()
            self.wfile.write(contents[: len(contents) - state.missing])

        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        state.url = f"http://127.0.0.1:{listening.server_port}/"
        yield state
        listening.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and no folder of the user."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(downloads, "cache_folder", lambda: folder)
    monkeypatch.delenv(downloads.VARIABLE, raising=False)
    return folder


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's folder of the data set ``tiny``."""
    folder = tmp_path / "own" / "tiny"
    folder.mkdir(parents=True)
    monkeypatch.setenv(downloads.VARIABLE, str(folder.parent))
    return folder


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_downloaded_once(server, cache):
    file = pinned("a.gz", CONTENTS, server.url)
    server.offered["/a.gz"] = CONTENTS
    path = fetch(file, "tiny")
    assert path == cache / "tiny" / "a.gz"
    assert path.read_bytes() == CONTENTS
    assert fetch(file, "tiny") == path
    assert server.asked == ["/a.gz"]
    assert files_in(cache) == ["a.gz"]


def test_the_next_address_is_tried(server):
    file = pinned("a.gz", CONTENTS)
    urls = tuple(f"{server.url}{place}" for place in ("gone", "other", "right", "unasked"))
    server.offered = {"/other": b"a page of apologies", "/right": CONTENTS}
    assert fetch(replace(file, urls=urls), "tiny").read_bytes() == CONTENTS
    assert server.asked == ["/gone", "/other", "/right"]


def test_another_file_is_refused_and_removed(server, cache):
    file = pinned("a.gz", CONTENTS, server.url)
    server.offered["/a.gz"] = CONTENTS[::-1]
    got = hashlib.sha256(CONTENTS[::-1]).hexdigest()
    with pytest.raises(UserError, match=rf"(?s)'tiny': .*a\.gz with SHA-256 {file.sha256} .*{got}"):
        fetch(file, "tiny")
    assert files_in(cache) == []


def test_half_a_file_is_refused_and_removed(server, cache):
    file = pinned("a.gz", CONTENTS, server.url)
    server.offered["/a.gz"], server.missing = CONTENTS, 100
    with pytest.raises(UserError, match=r"(?s)got neither:.*a\.gz: "):
        fetch(file, "tiny")
    assert files_in(cache) == []


def test_a_spoiled_cache_is_mended(server, cache):
    file = pinned("a.gz", CONTENTS, server.url)
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "a.gz").write_bytes(CONTENTS[:50])
    with pytest.raises(UserError, match="404"):
        fetch(file, "tiny")
    server.offered["/a.gz"] = CONTENTS
    assert fetch(file, "tiny").read_bytes() == CONTENTS


def test_what_to_do_without_a_server(cache):
    # Nothing listens on the port of discarded traffic.
    file = pinned("a.gz", CONTENTS, "http://127.0.0.1:9/")
    remedy = r"put it into a folder tiny/ .* environment variable NUP_DATA"
    with pytest.raises(UserError, match=rf"(?s)http://127\.0\.0\.1:9/a\.gz: .*{remedy}$"):
        fetch(file, "tiny")
    with pytest.raises(UserError, match=r"NUP_DATA, or install the Debian package dataset-tiny$"):
        fetch(file, "tiny", Package("dataset-tiny", cache))
    assert files_in(cache) == []


def test_the_users_folder_comes_first(server, own, tmp_path):
    installed = Package("dataset-tiny", tmp_path / "installed")
    installed.folder.mkdir()
    file = pinned("a.gz", CONTENTS, server.url)
    for folder in (installed.folder, own):
        (folder / "a.gz").write_bytes(CONTENTS)
    assert fetch(file, "tiny", installed) == own / "a.gz"
    (own / "a.gz").unlink()
    assert fetch(file, "tiny", installed) == installed.folder / "a.gz"
    (installed.folder / "a.gz").unlink()
    server.offered["/a.gz"] = CONTENTS
    assert fetch(file, "tiny", installed).read_bytes() == CONTENTS
    assert server.asked == ["/a.gz"]


def test_another_file_in_the_users_folder_is_refused(server, own):
    file = pinned("a.gz", CONTENTS, server.url)
    (own / "a.gz").write_bytes(CONTENTS[:50])
    got = hashlib.sha256(CONTENTS[:50]).hexdigest()
    message = (
        rf"a\.gz: expected .* 'tiny' with SHA-256 {file.sha256}, got 50 bytes .* {got}; remove"
    )
    with pytest.raises(UserError, match=message):
        fetch(file, "tiny")
    assert files_in(own) == ["a.gz"]
    assert server.asked == []


def test_the_users_folder_must_exist(own, monkeypatch):
    monkeypatch.setenv(downloads.VARIABLE, str(own / "absent"))
    with pytest.raises(UserError, match=r"NUP_DATA: expected an existing folder, got '.*absent'"):
        fetch(pinned("a.gz", CONTENTS), "tiny")
    monkeypatch.setenv(downloads.VARIABLE, "")
    assert downloads.user_folder() is None


def test_a_file_compressed_again_counts_by_its_contents(own):
    packed = gzip.compress(CONTENTS, mtime=1)
    file = replace(pinned("a.gz", packed), contents=hashlib.sha256(CONTENTS).hexdigest())
    again = gzip.compress(CONTENTS, mtime=2)
    (own / "a.gz").write_bytes(again)
    assert fetch(file, "tiny") == own / "a.gz"
    for spoiled in (again[:-20], b"no gzip", again[:30] + bytes(9) + again[39:]):
        (own / "a.gz").write_bytes(spoiled)
        with pytest.raises(UserError, match=f"got {len(spoiled)} bytes"):
            fetch(file, "tiny")
    (own / "a.gz").write_bytes(again)
    with pytest.raises(UserError, match=r"expected the original file"):
        fetch(replace(file, contents=""), "tiny")
