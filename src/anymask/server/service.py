"""The parts of a server: the model, the images, the jobs, and the queues in front of them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from anymask.automatic.options import GeneratorOptions
from anymask.errors import AnymaskError, ImageError
from anymask.io.image import Image
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.segmenter import Segmenter
from anymask.prediction.window import ImageWindow, window_for
from anymask.prediction.zoom import ZoomedView, can_zoom
from anymask.projects.images import GONE, OpenedFile
from anymask.projects.places import ProjectPlace
from anymask.projects.search import ProjectSearch
from anymask.server.access import Access
from anymask.server.alternatives_handler import find_alternatives
from anymask.server.assist import Assist
from anymask.server.data_folder import DataFolder
from anymask.server.database import open_database
from anymask.server.embedding_pool import EmbeddingPool
from anymask.server.generation_job import find_everything
from anymask.server.image_processes import DECODERS, EDITORS
from anymask.server.image_store import ImageStore
from anymask.server.job import Job
from anymask.server.jobs import Jobs
from anymask.server.keys import KeyStore
from anymask.server.limits import Limits
from anymask.server.loop_lag import LoopLag
from anymask.server.mask_json import mask_to_json
from anymask.server.mask_store import MaskStore
from anymask.server.memory_budget import (
    DECODING_BYTES,
    DEFAULT_BYTES,
    MemoryBudget,
    generation_share,
    pixel_bytes,
    segmenting_bytes,
)
from anymask.server.metrics import Metrics
from anymask.server.open_project import OpenProject
from anymask.server.prefetch import Prefetch
from anymask.server.problems import Problem
from anymask.server.processes import Processes
from anymask.server.projects import Projects
from anymask.server.reach import LOOPBACK
from anymask.server.request_log import RequestLog
from anymask.server.schemas.requests import AlternativesBody, EverythingBody, SegmentBody
from anymask.server.segment_handler import results_to_json, segment_request
from anymask.server.stored_image import StoredImage
from anymask.server.tracing import span
from anymask.server.worker_pool import Workers
from anymask.structures.image_options import ImageOptions
from anymask.structures.memory import memory_limit
from anymask.structures.prompt import make_prompt

_Result = TypeVar("_Result")

_SWEEP_SECONDS = 30.0
_PROMPT_SECONDS = 0.05
"""Of one prompt, about: which work of a client is the shortest depends on it."""


@dataclass(frozen=True)
class ServerSettings:
    """How a server behaves.

    Attributes:
        folder: for images and records of jobs.
        limits: what requests and clients may use.
        token: that requests have to carry; None for a server that only this machine can reach.
        hosts: further names of a server without a token.
        allow_urls: whether images may be fetched from URLs that clients send.
        detector: that finds boxes for text.
        prompts_at_once: threads that run prompts.
        address: of the server, for the refusal of a second one on the same folder.
        access_log: file of JSON lines about all requests, "-" for standard output; None for none.
        audit_log: the same about those that change something.
        root_path: that a proxy serves the server under; addresses in responses begin with it.
        proxies: addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are trusted.
        origins: whose pages may use the server.
        project: that it was started for; None without one.
        data: the folder, where somebody else holds it for this process; None to hold it.
        database: address of PostgreSQL; None for a file in the folder.
        peer: address of this process for the others that serve the same folder, `http://host:port`; "" if it does so
            alone.
    """

    folder: Path
    limits: Limits = field(default_factory=Limits)
    token: str | None = None
    hosts: Sequence[str] = ()
    allow_urls: bool = False
    detector: str = "auto"
    prompts_at_once: int = 2
    address: str = ""
    project: ProjectPlace | None = None
    access_log: str | None = None
    audit_log: str | None = None
    root_path: str = ""
    proxies: str = LOOPBACK
    origins: Sequence[str] = ()
    data: DataFolder | None = None
    database: str | None = None
    peer: str = ""


class Service:
    """The parts of a server, and what requests need of several of them."""

    def __init__(self, segmenter: Segmenter, settings: ServerSettings) -> None:
        self.segmenter = segmenter
        self.settings = settings
        self.limits = settings.limits
        self.metrics = Metrics()
        self.lag = LoopLag()
        self.log = RequestLog(settings.access_log, settings.audit_log)
        self.holder = settings.peer or settings.address or f"process {os.getpid()}"
        self.data = settings.data or DataFolder(settings.folder, self.holder, is_shared=bool(settings.peer))
        self.database = open_database(settings.database, settings.folder)
        self.processes = Processes(self.database, settings.peer)
        self.projects = Projects(
            settings.folder / "projects", self.limits, self.holder, settings.project, self._open_file
        )
        self.keys = KeyStore(settings.folder)
        self.access = Access(settings.token, self.keys)
        self.memory = MemoryBudget(self.limits.memory_bytes or memory_limit() // 2 or DEFAULT_BYTES)
        self.encoding = Workers(1, self.limits.waiting, self.memory)
        self.decoding = Workers(DECODERS, self.limits.waiting, self.memory)
        self.editing = Workers(EDITORS, self.limits.waiting, self.memory)
        self.prompting = Workers(settings.prompts_at_once, self.limits.waiting, self.memory)
        masks = settings.folder / "masks"
        self.references = MaskStore(self.limits.mask_bytes, masks if settings.peer else None)
        self.images = ImageStore(settings.folder / "images", self.limits, self.database, self._on_remove)
        self.encoded_images: EmbeddingPool[str, EncodedImage] = EmbeddingPool(
            self.encoding, _nbytes_of, self.limits.encoded_image_bytes
        )
        self.zoomed_views: EmbeddingPool[tuple[str, ImageWindow], ZoomedView] = EmbeddingPool(
            self.encoding, lambda view: view.nbytes, self.limits.window_bytes
        )
        self.jobs = Jobs(self.database, self.processes.own, self.limits, is_shared=bool(settings.peer))
        self.is_stopping = False
        search = ProjectSearch(segmenter, settings.detector, self.limits.job_seconds, self._open_file)
        self.assist = Assist(search, self.projects.opened, self._is_busy)
        self.projects.on_open = self.assist.wake
        self.drawing = Workers(2, self.limits.waiting * 4, self.memory)
        self.prefetch = Prefetch(self.encoding, self._encode_ahead)

    def _is_busy(self) -> bool:
        """Whether somebody waits for the model."""
        return bool(self.prompting.running or self.encoding.running)

    def _on_remove(self, id: str, is_of_project: bool) -> None:
        """Drop all that belongs to an image, but the embedding of a project's; may be called from any thread."""
        self.references.forget(id)
        self.forget_in_memory({id})
        self.jobs.forget_image(id)
        if not is_of_project:
            self._forget_embedding(id)

    def _forget_embedding(self, id: str) -> None:
        if path := self.segmenter.stored_embedding(id):
            path.unlink(missing_ok=True)

    def forget_in_memory(self, ids: Collection[str]) -> None:
        """Drop what this process holds of images that were removed."""
        for id in ids:
            self.references.forget_in_memory(id)
        self.encoded_images.forget(lambda key: key in ids)
        self.zoomed_views.forget(lambda key: key[0] in ids)

    def _encode(self, id: str) -> EncodedImage:
        image = self.images.open(id)
        with span("encode image"):
            encoded = self.segmenter.encode(image)
        if not self.images.known([id]):  # removed meanwhile
            self._forget_embedding(id)
        return encoded

    @contextmanager
    def _masks_of(self, id: str) -> Iterator[None]:
        """A block that stores masks of an image: they go with it, even if it is removed meanwhile."""
        try:
            yield
        finally:
            if not self.images.known([id]):
                self.references.forget(id)

    async def stored_image(self, id: str) -> StoredImage:
        """What is known about an image.

        Raises:
            Problem: 404, unknown or removed.
        """
        return await asyncio.to_thread(self.images.get, id)

    def deadline(self) -> float:
        """Deadline of a request that begins now, of `time.perf_counter`."""
        return time.perf_counter() + self.limits.request_seconds

    async def add_image(self, encoded: bytes, client: str, opening: ImageOptions) -> StoredImage:
        """Store an image that is opened as ``opening`` says, and begin to encode it."""
        with self.decoding.place(client):
            deadline = self.deadline()
            size = await self.decoding.run(partial(self.images.check_size, encoded, opening), deadline)
            add = partial(self.images.add, encoded, client, opening)
            stored_image = await self.decoding.run(add, deadline, pixel_bytes(size))
        if not self.encoded_images.is_ready(stored_image.id):
            self.encoded_images.start(
                stored_image.id, partial(self._encode, stored_image.id), pixel_bytes(stored_image.size)
            )
        return stored_image

    def _open_file(self, path: Path) -> Image:
        """Decode a file of a project."""
        return self.images.decode(path.read_bytes(), ImageOptions())

    async def draw(self, opened: OpenProject, number: int, client: str, work: Callable[[], _Result]) -> _Result:
        """Run something that decodes an image of a project."""
        with self.drawing.place(client):
            pixels = await asyncio.to_thread(opened.pixels_of, number)
            return await self.drawing.run(work, self.deadline(), DECODING_BYTES * pixels)

    async def open_project_image(self, opened: OpenProject, number: int, client: str) -> StoredImage:
        """Make an image of a project known by the hash of its pixels, and begin to encode it."""
        known = await asyncio.to_thread(opened.project.images.opened, number)
        link = partial(self._link, opened, number, known)
        stored_image = await (asyncio.to_thread(link) if known else self.draw(opened, number, client, link))
        await asyncio.to_thread(self.images.show, stored_image.id, client)
        if not self.encoded_images.is_ready(stored_image.id):
            self.encoded_images.start(
                stored_image.id, partial(self._encode, stored_image.id), pixel_bytes(stored_image.size)
            )
        return stored_image

    def _link(self, opened: OpenProject, number: int, known: OpenedFile | None) -> StoredImage:
        images = opened.project.images
        try:
            stored_image = self.images.link(images.path(number), known)
        except (ImageError, OSError) as error:
            line = GONE if isinstance(error, FileNotFoundError) else " ".join(str(error).split())
            images.set_problem(number, line)
            opened.publish_image(number)
            raise Problem(415, "not-a-picture", f"{images.get(number).name}: {line}") from None
        if known is None:
            images.set_opened(number, stored_image.id, stored_image.size, stored_image.notes)
        return stored_image

    async def _encode_ahead(self, project: str, number: int, client: str) -> None:
        stored_image = await self.open_project_image(self.projects.get(project), number, client)
        await self.encoded(stored_image.id, client)

    async def encoded(self, id: str, client: str, deadline: float | None = None) -> EncodedImage:
        """An image, encoded if it is not in memory.

        Raises:
            Problem: 404 unknown image, 408 the deadline passed, 429 the queue for the encoder is full.
        """
        stored_image = await self.stored_image(id)
        ready = self.encoded_images.ready(id)
        if ready is not None:
            return ready
        with self.encoding.place(client), span("wait for encoded image"):
            return await self.encoded_images.get(
                id, partial(self._encode, id), deadline or self.deadline(), pixel_bytes(stored_image.size)
            )

    async def segment(self, id: str, body: SegmentBody, client: str) -> dict[str, Any]:
        """Segment the prompts of a request."""
        deadline = self.deadline()
        with self.prompting.place(client):
            started = time.perf_counter()
            encoded = await self.encoded(id, client, deadline)
            view = await self.zoomed_view(id, encoded, body.window, client, deadline, wait=not body.preview)
            ready = time.perf_counter()
            store = partial(self.references.put, id, client)
            find_mask = partial(self.references.get, id)

            def work() -> dict[str, Any]:
                results = segment_request(encoded, body, view, find_mask, self.settings.detector, deadline)
                with self._masks_of(id):
                    return results_to_json(results, encoded, id, body, store, deadline, self.settings.root_path)

            one_each = body.objects == "one" and all(each.text is None for each in body.prompts)
            cost = segmenting_bytes(encoded.size, len(body.prompts), body.candidates, one_each)
            content = await self.prompting.run(work, deadline, cost, len(body.prompts) * _PROMPT_SECONDS)
        content["seconds"] |= {
            "encode": round(ready - started, 4),
            "total": round(time.perf_counter() - started, 4),
        }
        return content

    async def alternatives(self, id: str, body: AlternativesBody, client: str) -> dict[str, Any]:
        """Masks for what a click may mean."""
        deadline = self.deadline()
        with self.prompting.place(client):
            encoded = await self.encoded(id, client, deadline)
            view = await self.zoomed_view(id, encoded, body.window, client, deadline)
            store = partial(self.references.put, id, client) if body.store else None

            def work() -> dict[str, Any]:
                with self._masks_of(id):
                    return find_alternatives(encoded, id, body, view, store, self.settings.root_path)

            return await self.prompting.run(work, deadline, segmenting_bytes(encoded.size, body.most, False))

    async def zoom(self, id: str, visible: Sequence[float], client: str) -> ImageWindow | None:
        """Encode a visible window, so that prompts in it need no encoding."""
        deadline = self.deadline()
        encoded = await self.encoded(id, client, deadline)
        view = await self.zoomed_view(id, encoded, visible, client, deadline)
        return None if view is None else view.window

    async def zoomed_view(
        self,
        id: str,
        encoded: EncodedImage,
        visible: Sequence[float] | None,
        client: str,
        deadline: float,
        wait: bool = True,
    ) -> ZoomedView | None:
        """The encoded window for what is visible; None if it shows no more, or is not ready and `wait` is false."""
        if visible is None or not can_zoom(encoded):
            return None
        window = window_for(encoded.size, visible)
        if window is None:
            return None
        ready = self.zoomed_views.ready((id, window))
        if ready is not None or not wait:
            return ready
        with self.encoding.place(client):
            return await self.zoomed_views.get((id, window), partial(ZoomedView, encoded, window), deadline)

    async def everything(self, id: str, body: EverythingBody, client: str) -> Job:
        """Start automatic mask generation for an image."""
        encoded = await self.encoded(id, client)
        parameters = body.model_dump()
        options = GeneratorOptions(**parameters)
        if encoded.capabilities.sampling and options.sampling is None:
            options = replace(options, sampling=encoded.runtime.model.sampling)
        if parameters["roi"] is not None:
            make_prompt(encoded.size, box=parameters["roi"])  # refused at once, and not by the job
        limit = self.limits.job_seconds
        reserved, for_masks = generation_share(encoded.size, options, self.memory.total)
        if encoded.capabilities.sampling:
            parameters["max_seconds"] = min(parameters["max_seconds"] or limit, limit)
            parameters["max_memory"] = for_masks / 1e6
        store = partial(self.references.put, id, client, logits=False)
        to_json = partial(mask_to_json, form="rle", image=id, store=store, root_path=self.settings.root_path)

        def work(job: Job, report: Any) -> dict[str, Any]:
            with self.memory.hold(reserved, lambda: job.must_stop), self._masks_of(id):
                return find_everything(encoded, parameters, self.limits, to_json, job, report)

        return await self.jobs.start(id, client, work, options.max_points(options.points_per_side**2) * _PROMPT_SECONDS)

    async def sweep_forever(self) -> None:
        """Remove idle images and old records, from time to time."""
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self.limits.idle_seconds))
            with suppress(OSError, AnymaskError):
                await asyncio.to_thread(self.images.sweep)
                await asyncio.to_thread(self.jobs.sweep)

    async def stop(self) -> None:
        """Begin to shut down: jobs end with the masks so far."""
        self.is_stopping = True
        self.projects.close_streams()
        await self.prefetch.close()
        await self.jobs.stop()

    def close(self) -> None:
        """Finish running work."""
        self.decoding.close()
        self.editing.close()
        self.prompting.close()
        self.encoding.close()
        self.drawing.close()
        self.assist.close()
        self.projects.close()
        with suppress(AnymaskError):
            self.processes.leave()
        self.database.close()
        if self.settings.data is None:
            self.data.close()
        self.log.close()


def _nbytes_of(encoded: EncodedImage) -> int:
    return encoded.pixels.nbytes + encoded.nbytes
