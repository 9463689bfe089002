"""A process that works on images for a server, which can end it: `python -m anymask.server.image_process FD`."""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection
from typing import Any


def call_functions() -> None:
    """Call what comes through a connection, one function after the other, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes the connection
    connection = Connection(int(sys.argv[1]))
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        answer: tuple[Exception | None, Any]
        try:
            answer = None, function(*arguments)
        except Exception as error:
            answer = error, None
        connection.send(answer)
        del function, arguments, answer  # nothing of it stays in memory while the process waits


if __name__ == "__main__":
    call_functions()
