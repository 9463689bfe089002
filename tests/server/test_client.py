"""`anymask.Client` gives the results of an EncodedImage."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import anymask
from anymask import Client, EncodedImage, Segmenter
from anymask.errors import ImageError, InputError, PromptError
from anymask.server.connection import ServerError
from anymask.server.remote_image import RemoteImage
from anymask.server.service import ServerSettings
from tests.support.running_servers import listening

FEW = {"points_per_side": 8, "points_per_batch": 4}


@pytest.fixture(scope="module")
def client(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with (
        listening(segmenter, ServerSettings(tmp_path_factory.mktemp("client"), detector="coco-ssd")) as address,
        Client(address) as each,
    ):
        yield each


@pytest.fixture(scope="module")
def remote(client: Client, coffee_path: Path) -> RemoteImage:
    return client.encode(coffee_path)


@pytest.mark.parametrize(
    "prompt",
    [
        {"points": [(110, 300)]},
        {"points": [(110, 300), (300, 150)], "labels": [1, 0]},
        {"box": [170, 14, 412, 264], "points": [(300, 150)], "labels": [0]},
        {"boxes": [[170, 14, 412, 264], [20, 180, 300, 390]]},
        {"points": [(110, 300), (290, 120)], "objects": "per_point"},
        {"points": [(110, 300), (500, 200), (20, 20)], "labels": [1, 1, 0], "objects": "auto"},
        {"points": [(110, 300), (130, 320)], "objects": "auto"},
        {"points": [(0.2, 0.75)], "coordinates": "normalized", "select": "part"},
        {"box": [170, 14, 242, 250], "box_format": "xywh", "max_hole_area": 400},
    ],
)
def test_masks_are_those_of_an_encoded_image(remote: RemoteImage, coffee: EncodedImage, prompt: dict) -> None:
    there, here = remote.segment(**prompt), coffee.segment(**prompt)
    assert [mask.rle for mask in there] == [mask.rle for mask in here]
    assert [bool(mask.follows_prompt) for mask in there] == [bool(mask.follows_prompt) for mask in here]
    assert [mask.score for mask in there] == pytest.approx([mask.score for mask in here], abs=1e-5)
    assert [prompt.as_dict() for prompt in there.prompts] == [prompt.as_dict() for prompt in here.prompts]
    assert there.provenance.model == here.provenance.model


def area_of_a_click(remote: RemoteImage) -> int:
    return remote.segment(points=[(110, 300)])[0].area


def test_a_client_and_its_images_reach_another_process(client: Client, remote: RemoteImage) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(area_of_a_click, (remote,)) == area_of_a_click(remote)
        assert pool.apply(client.open, (remote.id,)).id == remote.id


def test_one_more_click_uses_the_earlier_mask(remote: RemoteImage, coffee: EncodedImage) -> None:
    first, second = {"points": [(110, 300)]}, {"points": [(110, 300), (300, 150)], "labels": [1, 0]}
    there = remote.segment(**second, previous=remote.segment(**first)[0])
    assert there[0].rle == coffee.segment(**second, previous=coffee.segment(**first)[0])[0].rle


def test_candidates_text_and_boxes(remote: RemoteImage, coffee: EncodedImage) -> None:
    there, here = remote.predict(points=[(110, 300)]), coffee.predict(points=[(110, 300)])
    assert all(np.array_equal(mask.array, array) for mask, array in zip(there, here.masks, strict=True))
    cups = remote.segment_text("cup")
    assert {mask.label for mask in cups} == {"cup"}
    assert remote.detect("cup", max_per_label=1)[0]["score"] == pytest.approx(cups[0].detector_score)


def test_alternatives_are_those_of_an_encoded_image(remote: RemoteImage, coffee: EncodedImage) -> None:
    there, here = remote.alternatives([(110, 300)], most=3), coffee.alternatives([(110, 300)], most=3)
    assert [mask.rle for mask in there] == [mask.rle for mask in here]
    with pytest.raises(PromptError, match="points and labels only"):
        remote.segment(box=[170, 14, 412, 264], points=[(300, 150)], objects="auto")


def test_everything_with_progress(remote: RemoteImage, coffee: EncodedImage) -> None:
    prompts: list[int] = []
    there = remote.everything(**FEW, progress=lambda status: prompts.append(status.prompts))
    assert [mask.rle for mask in there] == [mask.rle for mask in coffee.everything(**FEW)]
    assert prompts
    assert prompts == sorted(prompts)


def test_everything_can_be_stopped(remote: RemoteImage) -> None:
    result = remote.everything(sampling="grid", points_per_side=64, stop=lambda: True)
    assert result.size == remote.size


def test_everything_can_be_stopped_before_its_turn(client: Client, remote: RemoteImage) -> None:
    path = f"/v1/images/{remote.id}/everything"
    job = client.request("POST", path, json={"sampling": "grid", "points_per_side": 64}).json()
    try:
        result = remote.everything(stop=lambda: True)
    finally:
        client.request("DELETE", job["state"])
    assert result.size == remote.size
    assert len(result) == 0


def test_results_draw_and_save(remote: RemoteImage, tmp_path: Path) -> None:
    result = remote.segment(points=[(110, 300)])
    assert result.draw().size == (600, 400)
    (written,) = result.save(tmp_path / "masks.json")
    assert written.is_file()


def test_arrays_travel_exactly_and_images_can_be_opened_by_id(client: Client, coffee: EncodedImage) -> None:
    encoded = client.encode(coffee.pixels)
    assert encoded.id == coffee.source.pixel_hash
    again = client.open(encoded.id)
    assert np.array_equal(again.pixels, coffee.pixels)


def test_mistakes_are_reported_as_by_the_library(client: Client, remote: RemoteImage, tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="700"):
        remote.segment(points=[(700, 10)])
    with pytest.raises(PromptError, match="select"):
        remote.segment(points=[(10, 10)], select="best")
    with pytest.raises(PromptError):
        remote.detect("wombat")
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(ImageError, match=r"text\.jpg"):
        client.encode(tmp_path / "text.jpg")
    with pytest.raises(ServerError) as unknown:
        client.open("0" * 64)
    assert (unknown.value.status, unknown.value.kind) == (404, "unknown-image")


def test_a_server_that_cannot_be_reached_is_reported() -> None:
    with pytest.raises(ServerError, match="no response"):
        Client("http://127.0.0.1:9").models()
    for address in ("localhost:8000", "ftp://localhost", ""):
        with pytest.raises(InputError):
            Client(address).models()


def test_token_is_sent(segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(segmenter, ServerSettings(tmp_path, token="correct-horse-battery")) as address:
        assert Client(address, token="correct-horse-battery").models()["model"] == "mobile-sam"
        monkeypatch.setenv("ANYMASK_TOKEN", "correct-horse-battery")
        assert anymask.Client(address).models()["version"] == anymask.__version__
        with pytest.raises(ServerError) as error:
            Client(address, token="wrong-wrong-wrong").models()
        assert error.value.status == 401


@pytest.mark.slow
def test_many_clients_get_the_masks_of_one(
    client: Client, segmenter: Segmenter, coffee_path: Path, chelsea_path: Path
) -> None:
    """Eight clients, two images, 64 requests side by side; each mask equals that of the library alone."""
    random = np.random.default_rng(0)
    expected = []
    for image in (coffee_path, chelsea_path):
        encoded = segmenter.encode(image)
        for x, y in random.uniform((5, 5), (440, 290), (4, 2)).round(1).tolist():
            first = encoded.segment(points=[(x, y)])[0]
            then = {"points": [(x, y), (440 - x, 290 - y)], "labels": [1, 0]}
            expected.append((image, (x, y), first.rle, then, encoded.segment(**then, previous=first)[0].rle))

    def work(number: int) -> int:
        with Client(str(client.address)) as own:
            encoded_images = {image: own.encode(image) for image in (coffee_path, chelsea_path)}
            order = np.random.default_rng(number).integers(0, len(expected), 4)
            for image, point, rle, then, second in (expected[each] for each in order):
                first = encoded_images[image].segment(points=[point])[0]
                assert first.rle == rle
                assert encoded_images[image].segment(**then, previous=first)[0].rle == second
        return len(order)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 32
