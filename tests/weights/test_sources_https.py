"""Transfers over HTTP from a server on this machine: resume, broken connections, wrong answers."""

import threading

import pytest

from anymask import weights
from anymask.errors import WeightsError
from tests.support.loopback_server import LoopbackServer
from tests.support.small_models import RecordedProgress, SmallModel, noise


def test_fetched_files_are_exact_and_nothing_else_is_left(
    small_model: SmallModel, server: LoopbackServer, progress: RecordedProgress
) -> None:
    paths = weights.ensure("small", progress=progress)
    assert list(paths) == ["encoder.onnx", "decoder.onnx"]
    assert {name: path.read_bytes() for name, path in paths.items()} == small_model.content
    assert small_model.left_behind() == ["decoder.onnx", "encoder.onnx"]
    assert progress.begun == [("encoder.onnx", 300_000, "127.0.0.1"), ("decoder.onnx", 100_000, "127.0.0.1")]
    assert progress.done["encoder.onnx"][-1] == 300_000
    assert progress.done["encoder.onnx"] == sorted(progress.done["encoder.onnx"])
    assert progress.ended == ["encoder.onnx", "decoder.onnx"]


def test_second_use_asks_no_server(small_model: SmallModel, server: LoopbackServer) -> None:
    weights.ensure("small")
    server.requests.clear()
    weights.ensure("small")
    assert not server.requests


def test_part_of_an_earlier_attempt_is_continued_not_fetched_again(
    small_model: SmallModel, server: LoopbackServer
) -> None:
    small_model.folder.mkdir(parents=True)
    (small_model.folder / "encoder.onnx.part").write_bytes(small_model.content["encoder.onnx"][:123_456])
    paths = weights.ensure("small")
    assert server.ranges == ["bytes=123456-", ""]
    assert paths["encoder.onnx"].read_bytes() == small_model.content["encoder.onnx"]
    assert small_model.left_behind() == ["decoder.onnx", "encoder.onnx"]


def test_part_that_is_whole_already_needs_no_request(small_model: SmallModel, server: LoopbackServer) -> None:
    small_model.folder.mkdir(parents=True)
    (small_model.folder / "encoder.onnx.part").write_bytes(small_model.content["encoder.onnx"])
    weights.ensure("small")
    assert server.requests == {"/decoder.onnx": 1}


@pytest.mark.parametrize("length", [5_000, 300_000, 400_000], ids=["shorter", "as long", "longer"])
def test_part_of_something_else_is_thrown_away(small_model: SmallModel, server: LoopbackServer, length: int) -> None:
    small_model.folder.mkdir(parents=True)
    (small_model.folder / "encoder.onnx.part").write_bytes(noise(length, 9))
    paths = weights.ensure("small")
    assert paths["encoder.onnx"].read_bytes() == small_model.content["encoder.onnx"]


def test_server_without_ranges_sends_all_again(small_model: SmallModel, server: LoopbackServer) -> None:
    server.with_ranges = False
    small_model.folder.mkdir(parents=True)
    (small_model.folder / "encoder.onnx.part").write_bytes(small_model.content["encoder.onnx"][:50_000])
    assert weights.ensure("small")["encoder.onnx"].read_bytes() == small_model.content["encoder.onnx"]


def test_connection_that_keeps_breaking_is_resumed_until_all_is_here(
    small_model: SmallModel, server: LoopbackServer
) -> None:
    server.cut_after = 90_000
    paths = weights.ensure("small")
    assert server.ranges[:4] == ["", "bytes=90000-", "bytes=180000-", "bytes=270000-"]
    assert paths["encoder.onnx"].read_bytes() == small_model.content["encoder.onnx"]


def test_connection_that_brings_nothing_fails_and_keeps_the_part(
    small_model: SmallModel, server: LoopbackServer
) -> None:
    small_model.folder.mkdir(parents=True)
    (small_model.folder / "encoder.onnx.part").write_bytes(small_model.content["encoder.onnx"][:1000])
    server.cut_after = 0
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1: encoder\.onnx: the transfer broke off"):
        weights.ensure("small")
    assert small_model.left_behind() == ["encoder.onnx.part"]


def test_wrong_bytes_of_the_right_length_are_refused_and_gone(small_model: SmallModel, server: LoopbackServer) -> None:
    server.content["/encoder.onnx"] = noise(300_000, 7)
    with pytest.raises(WeightsError, match=r"encoder\.onnx is refused: its sha256 is \w{12}… instead of \w{12}…"):
        weights.ensure("small")
    assert small_model.left_behind() == []


@pytest.mark.parametrize("offered", [299_999, 300_001, 20])
def test_answer_of_another_length_is_refused_before_it_is_fetched(
    small_model: SmallModel, server: LoopbackServer, progress: RecordedProgress, offered: int
) -> None:
    server.content["/encoder.onnx"] = noise(offered, 7)
    with pytest.raises(WeightsError, match=f"the server offers {offered} bytes instead of 300000"):
        weights.ensure("small", progress=progress)
    assert not progress.done
    assert small_model.left_behind() == []


def test_absent_file_is_told_with_its_status(small_model: SmallModel, server: LoopbackServer) -> None:
    del server.content["/encoder.onnx"]
    with pytest.raises(WeightsError, match=r"encoder\.onnx: HTTP 404"):
        weights.ensure("small")


def test_two_threads_share_one_download(small_model: SmallModel, server: LoopbackServer) -> None:
    server.delay = 0.2
    threads = [threading.Thread(target=weights.ensure, args=("small",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.requests == {"/encoder.onnx": 1, "/decoder.onnx": 1}


def test_unusable_proxy_setting_is_a_reason_not_a_crash(
    small_model: SmallModel, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:70")
    with pytest.raises(WeightsError, match="proxy or certificate settings cannot be used"):
        weights.ensure("small")
