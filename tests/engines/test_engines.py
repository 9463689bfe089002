"""Both engines on a small graph: same numbers, shared between threads, kept on disk."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
import spox
import spox.opset.ai.onnx.v20 as op

from anymask.engines.loading import load_engine
from anymask.engines.registry import ENGINES
from anymask.errors import EngineError, ModelError

WEIGHT = np.random.default_rng(0).standard_normal((16, 8)).astype(np.float32)


def small_graph() -> onnx.ModelProto:
    x = spox.argument(spox.Tensor(np.float32, ("N", 16)))
    y = op.matmul(x, op.constant(value=WEIGHT))
    return spox.build({"x": x}, {"product": y, "doubled": op.add(y, y)})


def forbidden() -> onnx.ModelProto:
    raise AssertionError("the graph was built although it is on disk")


@pytest.fixture(params=ENGINES)
def name(request):
    return request.param


def test_named_outputs_for_any_batch_size(name, tmp_path):
    graph = load_engine(name, precision="f32", cache=tmp_path).compile("small", small_graph)
    for rows in (1, 5, 2):
        x = np.random.default_rng(rows).standard_normal((rows, 16)).astype(np.float32)
        answer = graph(x=x)
        assert sorted(answer) == ["doubled", "product"]
        assert np.allclose(answer["product"], x @ WEIGHT, atol=1e-5)
        assert np.allclose(answer["doubled"], 2 * (x @ WEIGHT), atol=1e-5)


def test_second_engine_takes_the_graph_from_the_disk(name, tmp_path):
    x = np.ones((1, 16), np.float32)
    first = load_engine(name, precision="f32", cache=tmp_path).compile("small", small_graph)(x=x)
    second = load_engine(name, precision="f32", cache=tmp_path).compile("small", forbidden)(x=x)
    assert np.array_equal(first["product"], second["product"])
    assert sorted(second) == ["doubled", "product"]


def test_damaged_cache_is_built_again(name, tmp_path):
    load_engine(name, precision="f32", cache=tmp_path).compile("small", small_graph)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:50])
    graph = load_engine(name, precision="f32", cache=tmp_path).compile("small", small_graph)
    assert np.allclose(graph(x=np.ones((1, 16), np.float32))["product"], WEIGHT.sum(axis=0), atol=1e-4)


def test_graphs_that_nothing_uses_any_more_make_room_for_new_ones(name, tmp_path, monkeypatch):
    def compile(version, build=small_graph):
        load_engine(name, precision="f32", cache=tmp_path).compile(f"small/{version}", build)

    compile(1)
    (first,) = tmp_path.iterdir()
    left_behind = tmp_path / ".halfdone.tmp"
    left_behind.write_bytes(bytes(100))
    for age, path in enumerate((left_behind, first)):
        os.utime(path, (1000 + age, 1000 + age))
    monkeypatch.setattr("anymask.engines.graph_cache.GRAPHS_CAP", int(2.5 * first.stat().st_size))
    compile(2)
    os.utime(first, (1000, 1000))
    compile(2, forbidden)
    compile(1, forbidden)  # used again: now the second is the oldest
    compile(3)
    assert not left_behind.exists()
    compile(1, forbidden)
    compile(3, forbidden)
    with pytest.raises(AssertionError, match="built although"):
        compile(2, forbidden)


def test_unwritable_cache_costs_time_only(name, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the cache folder should be")
    graph = load_engine(name, precision="f32", cache=blocked / "graphs").compile("small", small_graph)
    assert graph(x=np.ones((1, 16), np.float32))["product"].shape == (1, 8)


def test_threads_do_not_mix_their_answers(name):
    graph = load_engine(name, precision="f32").compile("small", small_graph)
    inputs = [np.full((3, 16), i, np.float32) for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda x: graph(x=x)["product"], inputs))
    for i, answer in enumerate(answers):
        assert np.allclose(answer, i * WEIGHT.sum(axis=0), atol=1e-2)


@pytest.mark.parametrize(("threads", "parallel_requests"), [(1, 1), (2, 2), (3, 2)])
def test_lanes_are_as_many_as_asked_for_and_there_are_threads(name, tmp_path, threads, parallel_requests):
    for build in (small_graph, forbidden):  # compiled, and taken from the disk
        engine = load_engine(name, precision="f32", threads=threads, cache=tmp_path)
        alone, shared = engine.compile("small", small_graph), engine.compile("small", build, parallel_requests=2)
        assert (alone.parallel_requests, shared.parallel_requests) == (1, parallel_requests)
        inputs = [np.full((3, 16), i, np.float32) for i in range(20)]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda x, graph=shared: graph(x=x)["product"], inputs))
        for x, answer in zip(inputs, answers, strict=True):
            assert np.allclose(answer, alone(x=x)["product"], atol=1e-4)


def test_answer_stays_when_the_graph_runs_again(name):
    graph = load_engine(name, precision="f32").compile("small", small_graph)
    first = graph(x=np.ones((1, 16), np.float32))["product"]
    copy = first.copy()
    graph(x=np.zeros((1, 16), np.float32))
    assert np.array_equal(first, copy)


def test_a_graph_runs_while_and_after_its_memory_is_given_back(name):
    graph = load_engine(name, precision="f32").compile("small", small_graph)
    inputs = [np.full((1 + i % 7, 16), i, np.float32) for i in range(60)]

    def run(x):
        answer = graph(x=x)["product"]
        graph.release()
        return answer

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(run, inputs))
    for i, answer in enumerate(answers):
        assert np.allclose(answer, i * WEIGHT.sum(axis=0), atol=1e-2)


def test_a_run_that_takes_its_time_keeps_its_memory(name):
    weight = np.random.default_rng(1).standard_normal((512, 512)).astype(np.float32) / 512**0.5

    def long_graph() -> onnx.ModelProto:
        x = spox.argument(spox.Tensor(np.float32, ("N", 512)))
        y = x
        for _ in range(10):
            y = op.relu(op.matmul(y, op.constant(value=weight)))
        return spox.build({"x": x}, {"y": y})

    graph = load_engine(name, precision="f32").compile("long", long_graph)
    x = np.ones((256, 512), np.float32)
    wanted = graph(x=x)["y"]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(graph, x=x) for _ in range(20)]
        while not all(run.done() for run in runs):
            graph.release()
    assert all(np.allclose(run.result()["y"], wanted, atol=1e-5) for run in runs)


def test_what_runs_is_stated(name):
    engine = load_engine(name, precision="f32", threads=1)
    assert (engine.name, engine.precision, engine.device, engine.threads) == (name, "f32", "cpu", 1)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"name": "tensorrt"}, ModelError, "unknown engine 'tensorrt'"),
        ({"precision": "f8"}, ModelError, "unknown precision 'f8'"),
        ({"threads": 0}, ModelError, "at least 1, not 0"),
        ({"name": "onnxruntime", "precision": "bf16"}, EngineError, "computes in f32"),
    ],
)
def test_impossible_wishes_are_one_clear_line(arguments, error, words):
    with pytest.raises(error, match=words) as raised:
        load_engine(**arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_first_inferences_of_many_threads_at_once_do_not_wait_for_each_other(tmp_path):
    """OpenVINO finds NumPy at the first tensor; threads that all make their first one must not lock each other out."""
    script = (
        "import threading, numpy, anymask\n"
        "segmenter = anymask.load(store=False, threads=1)\n"
        "together = threading.Barrier(6)\n"
        "def look(seed):\n"
        "    together.wait()\n"
        "    segmenter.encode(numpy.full((64, 64, 3), seed, numpy.uint8))\n"
        "threads = [threading.Thread(target=look, args=(seed,)) for seed in range(6)]\n"
        "[each.start() for each in threads]\n"
        "[each.join() for each in threads]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
