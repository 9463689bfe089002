"""The processes that serve one folder: which are alive, and where the others reach them."""

from __future__ import annotations

import secrets
import time

from anymask.server.database import SharedDatabase, secret_of

BEAT_SECONDS = 1.0
_DEAD_SECONDS = 10.0
"""Without a sign of life, after which a process counts as ended."""


class Processes:
    """The register of the processes of a deployment.

    Args:
        database: that they share.
        address: of this process, for the others: `http://host:port`; "" where it serves alone.

    Attributes:
        own: id of this process, another one after each start.
        secret: that the processes of this deployment know each other by.
    """

    def __init__(self, database: SharedDatabase, address: str) -> None:
        self._database = database
        self.address = address
        self.own = secrets.token_hex(8)
        self.secret = secret_of(database) if address else ""

    def beat(self) -> None:
        """Say that this process is alive."""
        now = self._database.now
        self._database.run(
            f"INSERT INTO processes VALUES (?, ?, {now})"
            f" ON CONFLICT (id) DO UPDATE SET alive = excluded.alive",
            self.own, self.address,
        )  # fmt: skip

    def leave(self) -> None:
        """Say that this process ends."""
        self._database.run("DELETE FROM processes WHERE id = ?", self.own)

    def remove(self, address: str) -> None:
        """Say that the process at an address has ended."""
        self._database.run("DELETE FROM processes WHERE address = ?", address)

    def remove_dead(self) -> None:
        """Forget processes that ended without saying so."""
        self._database.run(f"DELETE FROM processes WHERE alive < {self._database.now} - ?", _DEAD_SECONDS)

    def address_of(self, id: str) -> str | None:
        """Where a process is reached; None if it has ended."""
        query = f"SELECT address FROM processes WHERE id = ? AND alive >= {self._database.now} - ?"
        found = self._database.rows(query, id, _DEAD_SECONDS)
        return str(found[0][0]) if found else None

    def end_jobs_of_dead(self) -> None:
        """Give an end to the jobs of processes that died."""
        self._database.run(
            "UPDATE jobs SET state = 'interrupted', changed = ? WHERE state IN ('queued', 'running')"
            f" AND owner NOT IN (SELECT id FROM processes WHERE alive >= {self._database.now} - ?)",
            time.time(), _DEAD_SECONDS,
        )  # fmt: skip
