"""A process that decodes images for a server, which can end it: `python -m anymask.server.decoding_process FD`."""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection


def decode_images() -> None:
    """Decode what comes through a connection, one image after the other, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes the connection
    connection = Connection(int(sys.argv[1]))
    while True:
        try:
            encoded, opening = connection.recv()
        except EOFError:
            return
        try:
            result = opening.open(encoded)
        except Exception as error:
            result = error
        connection.send(result)


if __name__ == "__main__":
    decode_images()
