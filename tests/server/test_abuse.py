"""What careless and hostile clients send gets a clear 4xx, and the server goes on."""

from __future__ import annotations

import contextlib
import io
import resource
import socket
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from starlette.testclient import TestClient

from anymask import Segmenter
from anymask.server.limits import Limits
from anymask.server.service import ServerSettings
from tests.support.running_servers import Application, bring, listening

NO_FILE = b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\ntext, no file\r\n--x--\r\n"
SAUCER = {"prompts": [{"points": [[110, 300]]}]}


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, packed: bytes = b"", more: bytes = b"") -> bytes:
    """A PNG that says it has this size, whatever its rows are."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def zeros(megabytes: int) -> bytes:
    """Compressed, without ever being in memory whole."""
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(megabytes)), packer.flush()])


def peak_memory() -> float:
    """MB that this process took at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def is_problem(response: Any, status: int, kind: str) -> bool:
    content = response.json()
    return (response.status_code, content.get("type")) == (status, f"urn:anymask:problem:{kind}")


def test_image_of_200_megapixels_is_rejected_before_it_is_decoded(api: TestClient) -> None:
    started = time.perf_counter()
    response = bring(api, png(20_000, 10_000))
    assert is_problem(response, 413, "too-many-pixels")
    assert "200,000,000" in response.json()["detail"]
    assert time.perf_counter() - started < 2, "a header takes milliseconds, decoding takes longer"


def test_image_whose_rows_decompress_to_more_than_its_size_is_no_bomb(api: TestClient, coffee_id: str) -> None:
    before = peak_memory()
    assert bring(api, png(10, 10, zeros(500))).status_code in (201, 415)
    assert peak_memory() - before < 200, "MB"


@pytest.mark.slow
def test_text_that_unpacks_to_half_a_gigabyte_is_no_bomb(api: TestClient, coffee_id: str) -> None:
    before = peak_memory()
    response = bring(api, png(1, 1, zlib.compress(b"\0\1\2\3"), chunk(b"zTXt", b"comment\0\0" + zeros(500))))
    assert response.status_code in (201, 415)
    assert peak_memory() - before < 200, "MB"


def test_image_of_one_pixel_takes_prompts(api: TestClient) -> None:
    image = bring(api, png(1, 1, zlib.compress(b"\0\1\2\3")))
    assert (image.status_code, image.json()["width"]) == (201, 1)
    response = api.post(f"/v1/images/{image.json()['id']}/segment", json={"prompts": [{"points": [[0, 0]]}]})
    assert response.status_code == 200
    assert response.json()["masks"][0]["rle"]["size"] == [1, 1]
    everything = api.post(f"/v1/images/{image.json()['id']}/everything", json={"max_seconds": 2})
    assert everything.status_code == 202


def test_very_long_and_thin_image_takes_prompts(api: TestClient) -> None:
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.zeros((2, 9000, 3), np.uint8)).save(buffer, "png")
    id = bring(api, buffer.getvalue()).json()["id"]
    response = api.post(f"/v1/images/{id}/segment", json={"prompts": [{"points": [[4500, 1]]}]})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"%PDF-1.4 ...", b"\xff\xd8\xff\xe0 cut off", b"<svg xmlns='http://www.w3.org/2000/svg'/>"],
)
def test_what_is_no_image_is_rejected(api: TestClient, content: bytes) -> None:
    assert is_problem(bring(api, content), 415, "not-a-picture")


def test_truncated_image_is_rejected(api: TestClient, coffee_path: Path) -> None:
    assert is_problem(bring(api, coffee_path.read_bytes()[:9000]), 415, "not-a-picture")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"--x\r\nContent-Disposition: form-data; name=", "multipart/form-data; boundary=x", 400),
        (b"no boundary at all", "multipart/form-data; boundary=x", 400),
        (b"anything", "multipart/form-data", 400),
        (b"--x\r\n\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x", 400),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422),
        (NO_FILE, "multipart/form-data; boundary=x", 422),
        (b"file=abc", "application/x-www-form-urlencoded", 415),
        (b"\xff\xd8", "image/jpeg", 415),
        (b"", "", 415),
    ],
)  # fmt: skip
def test_broken_multipart_is_rejected(api: TestClient, content: bytes, kind: str, status: int) -> None:
    response = api.post("/v1/images", content=content, headers={"Content-Type": kind})
    assert response.status_code == status or {response.status_code, status} == {400, 422}, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_many_parts_are_rejected(api: TestClient) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\na\r\n'
    response = api.post(
        "/v1/images", content=part * 50 + b"--x--\r\n", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert response.status_code == 400


@pytest.mark.parametrize("name", ["../../../../tmp/evil.jpg", "/etc/passwd", "..\\..\\evil", "\0", "a" * 5000])
def test_file_names_of_clients_touch_no_path(
    application: Application, tmp_path: Path, coffee_path: Path, name: str
) -> None:
    api = application()
    before = {path for path in tmp_path.parent.rglob("*") if "data" not in path.parts}
    response = api.post("/v1/images", files={"file": (name, coffee_path.read_bytes())})
    assert response.status_code in (201, 400)
    written = {path.relative_to(tmp_path / "data") for path in (tmp_path / "data").rglob("*") if path.is_file()}
    written = {each for each in written if each.name not in (".lock", ".server") and "server.sqlite" not in each.name}
    if response.status_code == 201:
        assert {path.as_posix() for path in written} == {
            f"images/{response.json()['id']}/image",
        }
    else:
        assert not written
    assert {path for path in tmp_path.parent.rglob("*") if "data" not in path.parts} == before


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/js/..%2f..%2fapp.py",
        "/..%5c..%5capp.py",
        "/v1/images/..%2f..%2fserver.sqlite",
        "/v1/images/" + "0" * 63,
        "/v1/images/" + "../" * 21 + "a",
        "/v1/jobs/..%2f..%2fimages",
        "/v1/jobs/" + "a" * 22 + "%00",
        "/%00",
        "/js%00.js",
    ],
)
def test_path_tricks_find_nothing(api: TestClient, path: str) -> None:
    response = api.get(path)
    assert response.status_code in (404, 422), response.text
    assert "root:" not in response.text
    assert "create_app" not in response.text


@pytest.mark.parametrize("session", ["../../x", "a", "a" * 65, "abc/defgh", "abcdefg\0"])
def test_session_keys_touch_no_path(api: TestClient, coffee_id: str, session: str) -> None:
    response = api.put(f"/v1/images/{coffee_id}/state", params={"session": session}, json={})
    assert response.status_code == 422


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[" * 100_000,
        b'{"prompts": ' + b"[" * 100_000,
        b'{"prompts": [{"points": [[NaN, 1]]}]}',
        b'{"prompts": [{"points": [[1e999, 1]]}]}',
        b'{"prompts": [{"points": [[' + b"9" * 5000 + b', 1]]}]}',
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'"\\ud800"',
        b"",
    ],
)  # fmt: skip
def test_broken_json_is_rejected(api: TestClient, coffee_id: str, content: bytes) -> None:
    for path in ("segment", "everything", "detect", "export", "cutout", "inpaint"):
        response = api.post(
            f"/v1/images/{coffee_id}/{path}", content=content, headers={"Content-Type": "application/json"}
        )
        assert response.status_code in (400, 422), (path, response.text)
        assert response.headers["content-type"] == "application/problem+json"


def test_too_many_prompts_and_points_are_rejected(application: Application, coffee_path: Path) -> None:
    api = application(prompts=3, points=5)
    id = bring(api, coffee_path).json()["id"]
    path = f"/v1/images/{id}/segment"
    assert api.post(path, json={"prompts": SAUCER["prompts"] * 3}).status_code == 200
    assert is_problem(api.post(path, json={"prompts": SAUCER["prompts"] * 4}), 422, "too-many-prompts")
    many = {"prompts": [{"points": [[110, 300]] * 6}]}
    assert is_problem(api.post(path, json=many), 422, "too-many-points")


def test_run_lengths_of_a_huge_mask_are_rejected(api: TestClient, coffee_id: str) -> None:
    runs = {"size": [1 << 30, 1 << 30], "counts": "0" * 40}
    for path, body in (
        ("segment", {"prompts": [{"points": [[1, 1]], "mask": runs}]}),
        ("export", {"format": "png", "masks": [{"rle": runs}]}),
        ("cutout", {"masks": [{"rle": runs}]}),
        ("inpaint", {"masks": [{"rle": runs}]}),
    ):
        assert is_problem(api.post(f"/v1/images/{coffee_id}/{path}", json=body), 422, "bad-input")


def test_bodies_over_the_limit_are_rejected_with_and_without_a_length(application: Application) -> None:
    api = application(upload_bytes=50_000, body_bytes=10_000)
    assert is_problem(bring(api, bytes(60_000)), 413, "body-too-large")
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'

    def drip() -> object:
        yield head
        for _ in range(60):
            yield bytes(1000)

    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    assert is_problem(api.post("/v1/images", content=drip(), headers=multipart), 413, "body-too-large")
    path = f"/v1/images/{'0' * 64}/segment"
    assert is_problem(api.post(path, json={"prompts": "x" * 11_000}), 413, "body-too-large")


def test_image_larger_than_the_limit_is_rejected(application: Application, coffee_path: Path) -> None:
    assert is_problem(bring(application(pixels=1000), coffee_path), 413, "too-many-pixels")


@pytest.fixture(scope="module")
def impatient(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> object:
    """The address of a real server that waits half a second for headers and bodies."""
    limits = Limits(body_seconds=0.5, header_seconds=0.5, upload_bytes=200_000)
    with listening(segmenter, ServerSettings(tmp_path_factory.mktemp("impatient"), limits)) as address:
        yield address


def connect(address: str) -> socket.socket:
    host, _, port = address.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_slow_upload_is_ended(impatient: str) -> None:
    with connect(impatient) as line:
        line.sendall(
            b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        )
        response = b"".join(iter(lambda: line.recv(65536), b""))
    assert b" 408 " in response.splitlines()[0]
    assert b"too-slow" in response


@pytest.mark.parametrize("pause", [0.05, 5.0])
def test_slow_headers_are_ended(impatient: str, pause: float) -> None:
    with connect(impatient) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        started = time.monotonic()
        line.settimeout(pause)
        while time.monotonic() - started < 8:
            try:
                assert line.recv(100) == b""
                return
            except TimeoutError:
                line.sendall(b"X: y\r\n")
            except ConnectionResetError:
                return
    raise AssertionError("the server still listens to headers that never end")


def test_slow_headers_of_a_second_request_are_ended(impatient: str) -> None:
    with connect(impatient) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in line.recv(65536).splitlines()[0]
        line.sendall(b"GET /heal")
        with contextlib.suppress(ConnectionResetError):
            while line.recv(100):  # times out, and fails, if the server keeps the line open
                pass


def test_upload_over_the_limit_hears_why_although_it_still_sends(impatient: str) -> None:
    with connect(impatient) as line:
        line.sendall(
            b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        line.sendall(bytes(3_000_000))
        assert b" 413 " in line.recv(65536).splitlines()[0]


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_gets_a_4xx_or_nothing(impatient: str, request_text: bytes) -> None:
    with connect(impatient) as line:
        line.sendall(request_text)
        response = line.recv(65536)
    assert not response or response.split(b" ")[1].startswith(b"4")


def test_client_that_hangs_up_in_the_middle_leaves_the_server_well(impatient: str, coffee_path: Path) -> None:
    for _ in range(5):
        with connect(impatient) as line:
            line.sendall(b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nabc")
    with connect(impatient) as line:
        line.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in line.recv(65536).splitlines()[0]
