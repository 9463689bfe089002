"""A client of `anymask serve` with the calls of a Segmenter and an EncodedImage; the model runs on the server.

```python
client = anymask.Client("http://localhost:8000")
encoded = client.encode("photo.jpg")
mask = encoded.segment(points=[(350, 450)])[0]
```
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.io.image import Image, ImageSource, open_image
from anymask.server.connection import Connection
from anymask.server.remote_image import RemoteImage

if TYPE_CHECKING:
    import httpx


class Client:
    """Talks to one server. Safe to use from several threads at once; also a context manager.

    Args:
        address: of the server, such as "http://localhost:8000".
        token: that the server printed; None takes the variable ANYMASK_TOKEN.
        timeout: seconds to wait for a response.

    Raises:
        InputError: no address of a server.
    """

    def __init__(
        self, address: str = "http://localhost:8000", *, token: str | None = None, timeout: float = 120.0
    ) -> None:
        self._connection = Connection(address, token, timeout)

    @property
    def address(self) -> str:
        """Address of the server."""
        return self._connection.address

    def encode(self, source: ImageSource | Image, **options: Any) -> RemoteImage:
        """Upload an image; the server encodes it.

        A file or bytes are sent as they are; arrays, Pillow images and images that are opened with options as PNG.

        Args:
            source: as for `Segmenter.encode`.
            options: of `anymask.open_image`.

        Raises:
            ImageError: it cannot be read.
            ServerError: the server rejects it.
        """
        image, encoded = _read(open_image(source, **options) if options else source)
        entry = self._connection.json("POST", "/v1/images", files={"file": ("image", encoded)})
        return RemoteImage(self._connection, entry, image)

    def open(self, id: str) -> RemoteImage:
        """An image that the server has already, by its id (`Image.pixel_hash`).

        Raises:
            ServerError: the server does not have it, or no longer.
        """
        return RemoteImage(self._connection, self._connection.json("GET", f"/v1/images/{id}"), None)

    def models(self) -> dict[str, Any]:
        """The model that runs there, the formats of exports, and the limits."""
        return self._connection.json("GET", "/v1/models")

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and wait for the response.

        Raises:
            InputError: the server says that the request is at fault.
            ServerError: it rejects the request for another reason, fails, or does not respond.
        """
        return self._connection.request(method, path, **options)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _read(source: ImageSource | Image) -> tuple[Image, bytes]:
    """The opened image, and bytes that the server decodes to the same pixels."""
    if isinstance(source, (str, os.PathLike)):
        image = open_image(source)
        return image, Path(os.fspath(source)).read_bytes()
    if isinstance(source, (bytes, bytearray, memoryview)):
        return open_image(source), bytes(source)
    import PIL.Image

    image = open_image(source)
    buffer = io.BytesIO()
    PIL.Image.fromarray(image.pixels).save(buffer, "png", compress_level=1)
    return image, buffer.getvalue()
