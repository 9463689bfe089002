"""Runs the application until a signal stops it, and shuts down without losing anything."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from anymask.errors import InputError
from anymask.server.service import Service

_GRACE_SECONDS = 30


class _TimedProtocol(H11Protocol):
    """One connection: closed when the headers of a request take too long, even if they arrive byte by byte."""

    header_seconds = 10.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.header_seconds, self._late)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_serving():
            self._cancel()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.header_seconds, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _late(self) -> None:
        self._timer = None
        if not self._is_serving():
            self.transport.close()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """A uvicorn server that ends jobs first: their event streams would otherwise delay the shutdown."""

    drain_seconds = 1.0
    """Between SIGTERM, after which `/readyz` says 503, and the end of listening: balancers look elsewhere meanwhile."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say that it is not ready, stop listening, let jobs report that they were stopped, finish running requests."""
        app = self.config.app
        assert isinstance(app, FastAPI)
        service: Service = app.state.service
        service.is_stopping = True
        if signal.SIGTERM in self._captured_signals and not self.force_exit:
            await asyncio.sleep(self.drain_seconds)
        for each in self.servers:
            each.close()
        await service.stop()
        await super().shutdown(sockets)


def bind_socket(host: str, port: int) -> socket.socket:
    """Listen at an address.

    Args:
        host: a name or address of this machine.
        port: 0 takes any that is free.

    Raises:
        InputError: not an address of this machine, or in use.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, proto)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot listen at {host} port {port}: {reason}") from None
    return bound


def configuration(app: FastAPI) -> uvicorn.Config:
    """The configuration of uvicorn for an application of `create_app`."""
    service: Service = app.state.service
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=service.settings.proxies,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        h11_max_incomplete_event_size=32 << 10,
        http=type("Timed", (_TimedProtocol,), {"header_seconds": service.limits.header_seconds}),
        ws="none",
    )


def serve(app: FastAPI, bound: Sequence[socket.socket], *, on_start: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; returns after SIGTERM, raises KeyboardInterrupt after SIGINT.

    Args:
        app: of `create_app`.
        bound: each of `bind_socket`.
        on_start: called when the server is ready for requests.
    """
    server = Server(configuration(app))
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises the signal again after its own shutdown
    try:
        asyncio.run(_serve(server, bound, on_start))
    finally:
        signal.signal(signal.SIGTERM, before)


async def _serve(server: Server, bound: Sequence[socket.socket], on_start: Callable[[], None]) -> None:
    async def wait_for_start() -> None:
        while not server.started:
            await asyncio.sleep(0.01)
        on_start()

    waiter = asyncio.create_task(wait_for_start())
    try:
        await server.serve(list(bound))
    finally:
        waiter.cancel()
