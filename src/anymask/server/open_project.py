"""A project that a server has open: what its browsers do, one act at a time, and what they are told about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from anymask.errors import AnymaskError
from anymask.io.image import open_image
from anymask.projects.errors import StaleRevisionError
from anymask.projects.images import ImageFilter, ImageState, ProjectImage
from anymask.projects.objects import ObjectChange
from anymask.projects.project import Project
from anymask.projects.thumbnails import OpenFile, Thumbnails
from anymask.server.leases import Leases, public_part
from anymask.server.problems import Problem
from anymask.server.project_events import ProjectEvents
from anymask.server.project_export import DatasetExports
from anymask.server.schemas.projects import SessionSaveBody

_NO_CLASS = "#ffffff"


class OpenProject:
    """A project with its leases and events. Any thread may use it.

    Attributes:
        project: what is stored.
        events: for browsers.
        leases: who works on which image.
        thumbnails: of images and objects.
        exports: datasets to download.
        shows_folder: whether clients see where it is: of a project of this machine.
    """

    def __init__(self, project: Project, shows_folder: bool, open: OpenFile = open_image) -> None:
        self.project = project
        self.events = ProjectEvents()
        self.leases = Leases()
        self.thumbnails = Thumbnails(project.place.home / "thumbnails", project.images, project.sessions, open)
        self.exports = DatasetExports(project)
        self.shows_folder = shows_folder
        self._cancelled: set[str] = set()
        self._lock = threading.RLock()
        self._is_closing = threading.Event()
        self._import_state = "none"
        self._reader = threading.Thread(target=self._read_folder, name="anymask-project", daemon=True)

    def start(self) -> None:
        """Begin to read what lies in the folder: annotations, and the sizes of images."""
        self._reader.start()

    def close(self) -> None:
        """Stop reading, end the event streams, and leave the project to other processes."""
        self._is_closing.set()
        self.events.close()
        if self._reader.is_alive():
            self._reader.join(30)
        self.project.close()

    def _read_folder(self) -> None:
        project = self.project
        try:
            if project.annotations.waiting(project.content.annotations):
                self._import_state = "running"
                self.publish_project()
                project.import_annotations(self._is_closing.is_set, self.publish_image)
                self._import_state = "done"
                self.publish_classes()
                self.publish_project()
            for number in project.images.unread():
                if self._is_closing.is_set():
                    return
                if project.images.read_head(number).problem is not None:
                    self.publish_image(number)
        except AnymaskError as error:
            self._import_state = f"failed: {error}"
            with suppress(AnymaskError):
                self.publish_project()

    def rescan(self) -> None:
        """Look for new files in the folder."""
        with self._lock:
            if self.project.scan():
                self.publish_images()
            if not self._reader.is_alive():
                self._reader = threading.Thread(target=self._read_folder, name="anymask-project", daemon=True)
                self._reader.start()

    def as_dict(self) -> dict[str, Any]:
        """The project as JSON."""
        content = self.project.as_dict()
        state, _, problem = self._import_state.partition(": ")
        if state == "none" and content["import"]["files"]:
            state = "done"
        content["import"] |= {"state": state} | ({"problem": problem} if problem else {})
        return {
            **content,
            "folder": str(self.project.place.images) if self.shows_folder else None,
            "jobs": [each.as_dict() for each in self.project.jobs.all()],
            "lease_seconds": self.leases.seconds,
            "sequence": self.events.sequence,
        }

    def summary(self) -> dict[str, Any]:
        """What a list of projects says about it."""
        counts = self.project.images.counts()
        return {
            "id": self.project.id,
            "name": self.project.name,
            "folder": str(self.project.place.images) if self.shows_folder else None,
            "images": sum(counts.values()),
            "done": counts["done"],
        }

    def list_images(self, filter: ImageFilter, offset: int, limit: int, by_name: bool) -> dict[str, Any]:
        """A page of the list of images."""
        images = self.project.images
        with self._lock:
            entries = [self.image_to_json(each) for each in images.listed(filter, offset, limit, by_name)]
            return {"total": images.count(filter), "offset": offset, "images": entries}

    def image_to_json(self, image: ProjectImage, client: str | None = None) -> dict[str, Any]:
        """An image of the list, with who works on it."""
        return {**image.as_dict(), "lock": self.lock_to_json(image.number, client)}

    def lock_to_json(self, number: int, client: str | None = None) -> dict[str, Any] | None:
        """Who works on an image."""
        lease = self.leases.get(number)
        return None if lease is None else lease.as_dict(client)

    def session_to_json(self, number: int, client: str | None = None) -> dict[str, Any]:
        """All that is stored about an image."""
        with self._lock:
            session = self.project.sessions.read(number).as_dict()
            return {**session, "lock": self.lock_to_json(number, client)}

    def save(self, number: int, body: SessionSaveBody) -> dict[str, Any]:
        """Save the objects of an image for a client that may work on it.

        Raises:
            Problem: 423, another client works on the image; 409, the objects are made from an earlier revision.
            InputError: an object that cannot be.
        """
        objects = [
            ObjectChange(
                each.id, None if each.rle is None else each.rle.model_dump(), each.class_, each.score, each.stability,
                each.data, each.source,
            )
            for each in body.objects
        ]  # fmt: skip
        more = {"history": body.history} if "history" in body.model_fields_set else {}
        project = self.project
        with self._lock:
            project.images.get(number)
            self._take(number, body.client)
            try:
                revision = project.sessions.save(
                    number, body.revision, objects, suggestions=body.suggestions, state=body.state,
                    classes_required=project.classes_required, **more,
                )  # fmt: skip
            except StaleRevisionError as error:
                session = self.session_to_json(number, body.client)
                raise Problem(409, "stale", str(error), more={"session": session}) from None
            image = project.images.get(number)
            self._publish_image(image, body.client)
            return {"revision": revision, "lock": self.lock_to_json(number, body.client), "state": image.state}

    def set_state(self, number: int, state: ImageState, client: str) -> dict[str, Any]:
        """Set the state of an image.

        Raises:
            Problem: 423, another client works on it.
            ClassMissingError: objects have no class where one is required.
        """
        with self._lock:
            self._check_free(number, client)
            self.project.images.set_state(number, state, self.project.classes_required)
            image = self.project.images.get(number)
            self._publish_image(image, client)
            return self.image_to_json(image, client)

    def set_states(self, numbers: Iterable[int], state: ImageState, client: str | None) -> dict[str, Any]:
        """Set the state of several images; those that others work on are refused."""
        with self._lock:
            refused = list[tuple[int, str]]()
            free = list[int]()
            for number in numbers:
                lease = self.leases.get(number)
                if lease is not None and lease.client != client:
                    refused.append((number, f"{lease.name or 'somebody'} works on it"))
                else:
                    free.append(number)
            changed, others = self.project.images.set_states(free, state, self.project.classes_required)
            for number in changed:
                self._publish_image(self.project.images.get(number), client)
        reasons = [{"number": number, "reason": reason} for number, reason in refused + others]
        return {"changed": len(changed), "refused": reasons}

    def lock(self, number: int, client: str, name: str | None, by_force: bool) -> dict[str, Any]:
        """Take or renew the lease of an image.

        Raises:
            Problem: 423, another client has it.
        """
        with self._lock:
            self.project.images.get(number)
            self._take(number, client, name, by_force)
            return {"lock": self.lock_to_json(number, client)}

    def release(self, number: int, client: str) -> None:
        """End the lease of an image."""
        with self._lock:
            if self.leases.release(number, client):
                self.events.publish("lock", {"number": number, "lock": None})

    def end_leases(self) -> None:
        """Tell others of leases that ended by themselves."""
        with self._lock:
            for number in self.leases.remove_ended():
                self.events.publish("lock", {"number": number, "lock": None})

    def _take(self, number: int, client: str, name: str | None = None, by_force: bool = False) -> None:
        lease, is_new = self.leases.take(number, client, name, by_force)
        if lease.client != client:
            raise _locked(lease.as_dict(client))
        if is_new:
            self.events.publish("lock", {"number": number, "lock": lease.as_dict()})

    def _check_free(self, number: int, client: str) -> None:
        lease = self.leases.get(number)
        if lease is not None and lease.client != client:
            raise _locked(lease.as_dict(client))

    def change_classes(self, change: Callable[[], Any]) -> Any:
        """Do something to the classes, and tell everybody."""
        with self._lock:
            result = change()
            self.publish_classes()
            return result

    def classes_to_json(self) -> dict[str, Any]:
        """All classes, and those that were merged."""
        classes = self.project.classes
        return {"classes": [each.as_dict() for each in classes.all()], "merged": classes.merged()}

    def change(self, name: str | None, classes_required: bool | None) -> None:
        """Change the name or a setting."""
        with self._lock:
            self.project.change(name, classes_required)
            self.publish_project()

    def add_file(self, name: str, content: bytes) -> dict[str, Any]:
        """Add an image; no file is written over."""
        with self._lock:
            number, existed = self.project.images.add(name, content)
            image = self.project.images.read_head(number)
            if not existed:
                self.publish_images()
            return {"image": self.image_to_json(image), "existed": existed}

    def object_thumbnail(self, number: int, id: str) -> bytes:
        """WebP of an object with its outline in the colour of its class."""
        class_id = self.project.sessions.object(number, id).class_id
        colours = {each.id: each.colour for each in self.project.classes.all()}
        return self.thumbnails.object(
            number, id, colours.get(class_id, _NO_CLASS) if class_id is not None else _NO_CLASS
        )

    def cancel_job(self, id: str) -> dict[str, Any]:
        """End a search; the suggestions so far stay."""
        jobs = self.project.jobs
        jobs.get(id)
        self._cancelled.add(id)
        jobs.set_state(id, "cancelled")
        job = jobs.get(id).as_dict()
        self.events.publish("job", job)
        return job

    def is_cancelled(self, job: str) -> bool:
        """Whether somebody ended a search."""
        return job in self._cancelled

    def pixels_of(self, number: int) -> int:
        """Number of pixels of an image; 0 if it cannot be read."""
        image = self.project.images.get(number)
        if image.width is None and image.problem is None:
            image = self.project.images.read_head(number)
        return (image.width or 0) * (image.height or 0)

    def drop_suggestions(self, job: str) -> int:
        """Drop the suggestions of a search that nobody has decided on; returns how many images had some."""
        with self._lock:
            images: Sequence[int] = self.project.jobs.drop(job)
            for number in sorted(set(images)):
                self.publish_image(number)
            return len(images)

    def publish_image(self, number: int) -> None:
        """Tell everybody what an image is like now."""
        self._publish_image(self.project.images.get(number), None)

    def _publish_image(self, image: ProjectImage, client: str | None) -> None:
        by = None if client is None else public_part(client)
        self.events.publish("image", {**self.image_to_json(image), "by": by})

    def publish_images(self) -> None:
        """Tell everybody that there are other images."""
        self.events.publish("images", {"images": self.project.images.count()})

    def publish_classes(self) -> None:
        """Tell everybody what the classes are now."""
        self.events.publish("classes", self.classes_to_json())

    def publish_project(self) -> None:
        """Tell everybody what the project is like now."""
        self.events.publish("project", self.as_dict())


def _locked(lock: dict[str, Any]) -> Problem:
    who = lock["name"] or "another tab or person"
    return Problem(423, "locked", f"{who} works on this image", more={"lock": lock})
