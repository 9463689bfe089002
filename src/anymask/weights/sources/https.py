"""Files by HTTPS, resumed where an earlier attempt stopped.

Bytes go into `NAME.part` beside the cached files; that part stays when a transfer breaks off or is interrupted, and
the next attempt requests only the rest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from anymask.weights.model_entry import Source, WeightFile, check_url
from anymask.weights.progress import Progress
from anymask.weights.sources.errors import SourceError, shorten
from anymask.weights.verification import fault

if TYPE_CHECKING:
    import httpx

HUB = "https://huggingface.co/"
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0


def fetch(
    source: Source, files: Sequence[WeightFile], folder: Path, progress: Progress
) -> Iterator[tuple[WeightFile, Path]]:
    """Yield each file as it arrives; its temporary file is `folder/NAME.part`.

    Raises:
        SourceError: no connection, a refusal of the server, or a response that cannot be the file.
    """
    for file in files:
        part = folder / f"{file.name}.part"
        url = mirrored(source.files[file.name])
        download(url, file, part, progress, urlsplit(url).hostname or source.label)
        yield file, part


def mirrored(url: str) -> str:
    """The address of a file of the Hugging Face hub at the mirror that `HF_ENDPOINT` names; others stay.

    Raises:
        SourceError: `HF_ENDPOINT` is no https:// address (http:// only on this machine).
    """
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    if not endpoint or not url.startswith(HUB):
        return url
    try:
        check_url(endpoint)
    except ValueError as error:
        raise SourceError(f"HF_ENDPOINT: {error}") from None
    return f"{endpoint}/{url.removeprefix(HUB)}"


def download(url: str, file: WeightFile, part: Path, progress: Progress, label: str) -> None:
    """Fetch `url` into `part`, going on behind the bytes that are already there.

    A part that turns out wrong after it was resumed (left by another file's download) is fetched again, once.

    Raises:
        SourceError: as for `fetch`.
    """
    resumed = part.exists()
    progress.begin(file.name, file.size, label)
    try:
        _download_whole(url, file, part, progress)
        if resumed and fault(part, file):
            part.unlink()
            _download_whole(url, file, part, progress)
    finally:
        progress.end(file.name)


def _download_whole(url: str, file: WeightFile, part: Path, progress: Progress) -> None:
    """Request the rest again as long as each broken transfer brought something."""
    import httpx

    with _client() as client:
        while (have := _usable_bytes(part, file)) < file.size:
            reason = "the transfer ended early"
            try:
                _download_rest(client, url, file, part, progress)
            except httpx.ConnectTimeout:
                raise SourceError(f"no connection within {CONNECT_SECONDS:.0f} s") from None
            except httpx.ConnectError as error:
                raise SourceError(f"no connection ({shorten(str(error))})") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                reason = f"the transfer broke off ({shorten(str(error)) or type(error).__name__})"
            if _usable_bytes(part, file) <= have:
                raise SourceError(f"{file.name}: {reason}")


def _client() -> httpx.Client:
    """Return a client that obeys the environment's proxy and certificate settings, which may be unusable."""
    import httpx

    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    try:
        return httpx.Client(timeout=timeout, follow_redirects=True)
    except (ImportError, ValueError, OSError) as error:
        raise SourceError(f"proxy or certificate settings cannot be used ({shorten(str(error))})") from error


def _usable_bytes(part: Path, file: WeightFile) -> int:
    """Return how many bytes of a part can be kept; a part longer than the file is thrown away."""
    have = part.stat().st_size if part.exists() else 0
    if have > file.size:
        part.unlink()
        return 0
    return have


def _download_rest(client: httpx.Client, url: str, file: WeightFile, part: Path, progress: Progress) -> None:
    """Append what the server still has, or start over when it will not begin in the middle."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416:
            part.unlink(missing_ok=True)
            raise SourceError(f"{file.name}: the server has fewer bytes than are already here")
        if response.status_code not in (200, 206):
            raise SourceError(f"{file.name}: HTTP {response.status_code}")
        resumes = response.status_code == 206 and _starts_at(response, have)
        if response.status_code == 206 and not resumes:
            raise SourceError(f"{file.name}: the server sent another range than requested")
        have = have if resumes else 0
        _check_length(response, file, have)
        with part.open("ab" if resumes else "wb") as stream:
            for block in response.iter_raw():
                have += len(block)
                if have > file.size:
                    part.unlink()
                    raise SourceError(f"{file.name}: more than the expected {file.size} bytes")
                stream.write(block)
                progress.advance(file.name, have)


def _starts_at(response: httpx.Response, offset: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {offset}-")


def _check_length(response: httpx.Response, file: WeightFile, have: int) -> None:
    """Refuse a response of another length before it is fetched: a sign-in page, for instance."""
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) != file.size - have:
        raise SourceError(f"{file.name}: the server offers {int(length) + have} bytes instead of {file.size}")
