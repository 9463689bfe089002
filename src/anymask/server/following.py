"""What a process of a server does for the others that serve the same folder, and what it follows of theirs."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from anymask.errors import AnymaskError
from anymask.server.processes import BEAT_SECONDS
from anymask.server.service import Service


class Following:
    """Keeps a process in step with the others.

    Args:
        service: of this process.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def start(self) -> None:
        """Read what an earlier server left; a full disk is read as it is."""
        service = self._service
        with suppress(AnymaskError):
            service.processes.beat()
            service.jobs.read_files(service.settings.folder / "jobs")
            service.processes.end_jobs_of_dead()
            service.jobs.sweep()
            service.images.start()

    async def follow_forever(self) -> None:
        """Say that this process is alive, and drop what others removed, as long as it runs."""
        while self._service.settings.peer:
            with suppress(AnymaskError):
                await asyncio.to_thread(self._follow)
            await asyncio.sleep(BEAT_SECONDS)

    def _follow(self) -> None:
        service = self._service
        service.processes.beat()
        service.processes.end_jobs_of_dead()
        service.processes.remove_dead()
        service.jobs.follow_others()
        held = {*service.encoded_images.keys(), *service.references.images()}
        service.forget_in_memory(held - service.images.known(held))

    def owner_address(self, kind: str, id: str) -> str | None:
        """Where the process is that has one of the "jobs" or "projects", if that is another one than this."""
        service = self._service
        if kind == "projects":
            return service.projects.holder_of(id)
        owner = service.jobs.owner_of(id)
        return None if owner is None else service.processes.address_of(owner)

    def end(self, address: str) -> None:
        """Take note that nobody listens at the address of a process any more; on a full disk it shows later."""
        with suppress(AnymaskError):
            self._service.processes.remove(address)
            self._service.processes.end_jobs_of_dead()
