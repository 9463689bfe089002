"""Whether a server is ready for requests, for balancers and supervisors."""

from __future__ import annotations

import asyncio

from anymask.server.problems import Problem
from anymask.server.service import Service


async def check_ready(service: Service) -> None:
    """Refuse while a server goes down, its queue is full, or its disk cannot be written.

    Raises:
        Problem: 503, with the reason.
        UnreachableError: its database does not respond.
    """
    if service.is_stopping:
        raise Problem(503, "going-down", "the server is shutting down")
    if any(each.is_full for each in (service.prompting, service.encoding, service.decoding, service.editing)):
        raise Problem(503, "queue-full", "all places in the queue are taken")
    longest = max(each.longest_seconds for each in (service.prompting, service.decoding, service.editing))
    if longest > 2 * service.limits.request_seconds:
        raise Problem(503, "stuck", f"a request has been running for {longest:.0f} seconds, and does not end")
    await asyncio.to_thread(service.database.rows, "SELECT 1")
    if trouble := await asyncio.to_thread(service.data.trouble, service.limits.upload_bytes):
        raise Problem(503, "disk-full", f"nothing can be stored: {trouble}; images that are stored still work")
