"""Archives are not trusted: nothing but the wanted member is written, and only where we say."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from anymask.weights.model_entry import WeightFile
from anymask.weights.sources.errors import SourceError
from anymask.weights.sources.members import extract

DATA = b"the weights"
FILE = WeightFile("net.onnx", "0" * 64, len(DATA))
ESCAPES = ("../evil", "../../evil", "package/../../evil", "/tmp/anymask-evil", "..\\evil", "C:\\evil")


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return path


def files_under(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("archive_of", [tar_of, zip_of])
def test_members_that_lead_outside_are_never_written(archive_of: object, tmp_path: Path) -> None:
    members = {**dict.fromkeys(ESCAPES, b"evil"), "package/net.onnx": DATA, "package/other": b"unasked"}
    archive = archive_of(tmp_path / "archive", members)  # type: ignore[operator]
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    seen = {}
    for file, path in extract(archive, {("package/net.onnx",): FILE}, folder):
        seen[file.name] = path.read_bytes()
        assert path.parent.parent == folder
        assert [each.name for each in path.parent.iterdir()] == ["net.onnx"]
    assert seen == {"net.onnx": DATA}
    assert files_under(tmp_path) == {"archive", "a", "a/b"}
    assert not Path("/tmp/anymask-evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_tar_member_that_is_no_ordinary_file_is_refused(kind: bytes, tmp_path: Path) -> None:
    archive = tmp_path / "archive.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("package/net.onnx")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(SourceError, match=r"package/net\.onnx is no ordinary file"):
        list(extract(archive, {("package/net.onnx",): FILE}, tmp_path))
    assert files_under(tmp_path) == {"archive.tgz"}


def test_zip_member_that_is_a_link_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        info = zipfile.ZipInfo("net.onnx")
        info.external_attr = 0o120777 << 16
        zipped.writestr(info, "/etc/passwd")
    with pytest.raises(SourceError, match=r"net\.onnx is no ordinary file"):
        list(extract(archive, {("net.onnx",): FILE}, tmp_path))


@pytest.mark.parametrize("archive_of", [tar_of, zip_of])
def test_member_that_expands_beyond_its_size_is_refused_unread(archive_of: object, tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "bomb", {"net.onnx": bytes(50_000_000)})  # type: ignore[operator]
    assert archive.stat().st_size < 100_000
    with pytest.raises(SourceError, match=r"net\.onnx in it has 50000000 bytes instead of 11"):
        list(extract(archive, {("net.onnx",): FILE}, tmp_path))
    assert files_under(tmp_path) == {"bomb"}


@pytest.mark.parametrize("archive_of", [tar_of, zip_of])
def test_absent_member_is_named(archive_of: object, tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "archive", {"other": DATA})  # type: ignore[operator]
    with pytest.raises(SourceError, match=r"it holds no package/net\.onnx"):
        list(extract(archive, {("package/net.onnx",): FILE}, tmp_path))


@pytest.mark.parametrize("archive_of", [tar_of, zip_of])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_truncated_archive_is_told_and_leaves_nothing(archive_of: object, kept: float, tmp_path: Path) -> None:
    whole = os.urandom(200_000)
    archive = archive_of(tmp_path / "archive", {"net.onnx": whole})  # type: ignore[operator]
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * kept)])
    file = WeightFile("net.onnx", "0" * 64, len(whole))
    with pytest.raises(SourceError, match="damaged or no archive"):
        list(extract(archive, {"net.onnx": file}, tmp_path))
    assert files_under(tmp_path) == {"archive"}


PARTS = ("package/dist/b", "package/dist/a", "package/dist/c")


@pytest.mark.parametrize("archive_of", [tar_of, zip_of])
def test_a_file_in_parts_is_joined_in_the_order_of_the_catalogue(archive_of: object, tmp_path: Path) -> None:
    members = dict(zip(PARTS, (DATA[:3], DATA[3:7], DATA[7:]), strict=True))
    in_another_order = {name: members[name] for name in sorted(members, reverse=True)}
    archive = archive_of(tmp_path / "archive", {**in_another_order, "package/dist/d": b"unrelated"})  # type: ignore[operator]
    joined = {}
    for file, path in extract(archive, {PARTS: FILE}, tmp_path):
        joined[file.name] = path.read_bytes()
        assert [each.name for each in path.parent.iterdir()] == ["net.onnx"]
    assert joined == {"net.onnx": DATA}
    assert files_under(tmp_path) == {"archive"}


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (DATA[7:] + b"!", f"has {len(DATA) + 1} bytes instead of {len(DATA)}"),
        (DATA[7:-1], f"has {len(DATA) - 1} bytes instead of {len(DATA)}"),
        (None, "it holds no package/dist/c"),
    ],
)
@pytest.mark.parametrize("archive_of", [tar_of, zip_of])
def test_parts_that_do_not_make_the_file_are_refused(
    archive_of: object, last: bytes | None, reason: str, tmp_path: Path
) -> None:
    members = dict(zip(PARTS, (DATA[:3], DATA[3:7], last), strict=True))
    present = {name: data for name, data in members.items() if data is not None}
    archive = archive_of(tmp_path / "archive", present)  # type: ignore[operator]
    with pytest.raises(SourceError, match=reason):
        list(extract(archive, {PARTS: FILE}, tmp_path))
    assert files_under(tmp_path) == {"archive"}
