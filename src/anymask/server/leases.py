"""Who works on which image of a project: a lease that is renewed while its tab is open, and ends by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

LEASE_SECONDS = 30.0
_SHOWN = 8
"""Characters of a client's key that others see."""


def public_part(client: str) -> str:
    """The part of a client's key that others see."""
    return client[:_SHOWN]


@dataclass
class Lease:
    """One lease.

    Attributes:
        client: key of the tab that has it.
        name: of the person, for others.
        until: when it ends, of `time.monotonic`.
    """

    client: str
    name: str
    until: float

    def as_dict(self, client: str | None = None) -> dict[str, Any]:
        """The JSON for others, or for one client."""
        mine = {} if client is None else {"mine": client == self.client}
        left = max(0.0, self.until - time.monotonic())
        return {"client": public_part(self.client), "name": self.name, "expires_in": round(left, 1), **mine}


class Leases:
    """The leases of one project, by number of the image. Not for several threads at once."""

    def __init__(self, seconds: float = LEASE_SECONDS) -> None:
        self.seconds = seconds
        self._leases: dict[int, Lease] = {}

    def get(self, number: int) -> Lease | None:
        """The lease of an image; None if nobody works on it."""
        lease = self._leases.get(number)
        return lease if lease is not None and lease.until > time.monotonic() else None

    def take(self, number: int, client: str, name: str | None, by_force: bool = False) -> tuple[Lease, bool]:
        """Take or renew the lease of an image.

        Returns:
            The lease, which is another client's if that one has it, and whether it changed hands.
        """
        lease = self.get(number)
        if lease is not None and lease.client != client and not by_force:
            return lease, False
        is_new = lease is None or lease.client != client
        name = name if name is not None else "" if lease is None or is_new else lease.name
        is_new = is_new or (lease is not None and lease.name != name)
        self._leases[number] = Lease(client, name, time.monotonic() + self.seconds)
        return self._leases[number], is_new

    def release(self, number: int, client: str) -> bool:
        """End the lease of an image, if this client has it; returns whether it had."""
        lease = self._leases.get(number)
        if lease is None or lease.client != client:
            return False
        del self._leases[number]
        return True

    def remove_ended(self) -> list[int]:
        """Forget leases that ended by themselves; returns the numbers of their images."""
        ended = [number for number, lease in self._leases.items() if lease.until <= time.monotonic()]
        for number in ended:
            del self._leases[number]
        return ended
