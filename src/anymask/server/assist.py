"""The thread that runs the searches over projects, one image at a time, while nobody waits for the model."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from anymask.projects.jobs import ProjectJob
from anymask.projects.search import ProjectSearch
from anymask.server.open_project import OpenProject

_YIELD_SECONDS = 5.0
"""How long an image waits at most for people to be served first."""
_log = logging.getLogger("anymask.server")


class Assist:
    """Runs the jobs of all open projects, in the background; those that a restart interrupted go on.

    Args:
        search: searches an image.
        projects: the projects that are open now.
        is_busy: whether somebody waits for the model.
    """

    def __init__(
        self, search: ProjectSearch, projects: Callable[[], Iterable[OpenProject]], is_busy: Callable[[], bool]
    ) -> None:
        self._search, self._projects, self._is_busy = search, projects, is_busy
        self._changed = threading.Event()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anymask-assist", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look for jobs: one was added, or a project was opened."""
        self._changed.set()

    def close(self) -> None:
        """End as soon as the model returns; what is not done is done after the next start."""
        self._is_closing.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(30)

    def _run(self) -> None:
        while not self._is_closing.is_set():
            self._changed.clear()
            ran = [self._run_one(each) for each in self._projects() if not self._is_closing.is_set()]
            if not any(ran):
                self._changed.wait(30)

    def _run_one(self, opened: OpenProject) -> bool:
        """Search one image of a project; returns whether there was anything to do."""
        until = time.monotonic() + _YIELD_SECONDS
        while self._is_busy() and time.monotonic() < until and not self._is_closing.is_set():
            time.sleep(0.05)
        project = opened.project

        def stop(job: ProjectJob) -> bool:
            return self._is_closing.is_set() or opened.is_cancelled(job.id)

        try:
            done = self._search.run_next(project, stop)
        except Exception as error:
            if not self._is_closing.is_set():
                _log.error("a search over a project failed", exc_info=error)
                if (job := project.jobs.next()) is not None:
                    project.jobs.set_state(job.id, "failed", "the server failed at this job; the reason is in its log")
                    opened.events.publish("job", project.jobs.get(job.id).as_dict())
            return True
        if done is None:
            return False
        job, number = done
        opened.events.publish("job", job.as_dict())
        if number is not None and not self._is_closing.is_set():
            opened.publish_image(number)
        return True
