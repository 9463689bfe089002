"""What `anymask serve` does for several processes: workers on one machine, and servers that share a folder."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from anymask.batch.cpu_affinity import available_cores
from anymask.errors import InputError
from anymask.server.auth import is_loopback
from anymask.server.data_folder import DataFolder
from anymask.server.limits import Limits
from anymask.server.memory_budget import DEFAULT_BYTES
from anymask.server.server import bind_socket
from anymask.server.supervisor import start_workers
from anymask.structures.memory import memory_limit


class Sharing:
    """How a process serves together with others.

    Args:
        workers: processes of this server.
        share: whether other servers have the same folder.
        database: PostgreSQL of servers on several machines.
        peer_host: address of this machine for them.
        token: of the server; None without one.

    Attributes:
        is_with_others: whether other servers have the same folder.
        data: the folder, if the parent of the workers holds it.
        peer: address of this process for the others; "" where it serves alone.
        sockets: on which it listens for them.

    Raises:
        InputError: other machines could reach a server without a token.
    """

    def __init__(self, workers: int, share: bool, database: str | None, peer_host: str, token: str | None) -> None:
        if not is_loopback(peer_host) and token is None:
            raise InputError("--peer-host lets other machines in: give all servers the same token, in ANYMASK_TOKEN")
        self._workers = workers
        self.is_with_others = share or database is not None
        self._peer_host = peer_host
        self.data: DataFolder | None = None
        self.peer = ""
        self.sockets: list[socket.socket] = []

    def start_workers(self, folder: Path, address: str, announce: Callable[[], None]) -> Callable[[], None]:
        """Hold the folder and fork the workers, if there are several; returns in each of them.

        Args:
            folder: of the server.
            address: of the server.
            announce: says that it is ready.

        Returns:
            What is to be called when this process is ready.
        """
        on_start = announce
        if self._workers > 1:
            self.data = DataFolder(folder, address, is_shared=self.is_with_others)
            on_start = start_workers(self._workers, announce)
        if self._workers > 1 or self.is_with_others:
            listening = bind_socket(self._peer_host, 0)
            listening.listen(128)
            host = f"[{self._peer_host}]" if ":" in self._peer_host else self._peer_host
            self.peer = f"http://{host}:{listening.getsockname()[1]}"
            self.sockets = [listening]
        return on_start

    def threads_of(self, threads: int | None) -> int | None:
        """Threads of the engine in one process."""
        return threads if self._workers == 1 else max(1, (threads or available_cores()) // self._workers)

    def limits_of(self, limits: Limits) -> Limits:
        """Limits of one process: each has its part of the memory."""
        if self._workers == 1:
            return limits
        total = limits.memory_bytes or memory_limit() // 2 or DEFAULT_BYTES
        return replace(
            limits,
            memory_bytes=total // self._workers,
            encoded_image_bytes=limits.encoded_image_bytes // self._workers,
            window_bytes=limits.window_bytes // self._workers,
            mask_bytes=limits.mask_bytes // self._workers,
        )
