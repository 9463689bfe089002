"""The present state of a server, as metrics."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from anymask.server.metrics import gauge
from anymask.server.service import Service


class Gauges(Collector):
    """Gauges of the present state."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> Iterable[Metric]:
        """Nothing: the values are read in `collect`."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Read every value."""
        service = self._service
        yield gauge("images", "Images stored.", len(service.images))
        yield gauge("image_bytes", "Bytes of images on disk.", service.images.stored_bytes)
        yield gauge("encoded_images", "Encoded images in memory.", len(service.encoded_images))
        yield gauge("encoded_image_bytes", "Memory of encoded images.", service.encoded_images.nbytes)
        yield gauge("loop_lag_seconds", "The longest wait for the event loop in the last minute.", service.lag.longest)
        yield gauge("embedding_hits", "Requests whose image was encoded already.", service.encoded_images.hits)
        yield gauge("embedding_misses", "Requests whose image had to be encoded.", service.encoded_images.misses)
        yield gauge(
            "longest_prompt_seconds", "How long the oldest running prompt runs.", service.prompting.longest_seconds
        )
        yield gauge("windows", "Encoded windows in memory.", len(service.zoomed_views))
        yield gauge("window_bytes", "Memory of encoded windows.", service.zoomed_views.nbytes)
        yield gauge("mask_bytes", "Memory of masks that later requests may refer to.", service.references.nbytes)
        yield gauge("memory_reserved_bytes", "Memory that running work has reserved.", service.memory.used)
        yield gauge("memory_bytes", "Memory that running work may reserve.", service.memory.total)
        yield gauge("prompts_running", "Prompts running.", service.prompting.running)
        yield gauge("prompts_waiting", "Prompts waiting.", service.prompting.waiting)
        yield gauge("decodings_running", "Images being decoded for uploads and for display.", service.decoding.running)
        yield gauge("decodings_waiting", "Images waiting for that.", service.decoding.waiting)
        yield gauge("edits_running", "Images being cut out and inpainted.", service.editing.running)
        yield gauge("edits_waiting", "Images waiting for that.", service.editing.waiting)
        yield gauge("encodings_running", "Images being encoded.", service.encoding.running)
        yield gauge("encodings_waiting", "Images waiting for that.", service.encoding.waiting)
        for state, count in service.jobs.counts().items():
            yield gauge(f"jobs_{state}", f"Jobs that are {state}.", count)
