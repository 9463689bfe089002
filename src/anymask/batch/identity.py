"""Whether two runs on one folder of results are the same job."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from anymask.batch.sources import is_address, is_pattern, root_folder


def input_identity(name: str, out: str) -> list[str]:
    """What stays the same however an input is spelled, and when it moves together with the results.

    Args:
        name: path, pattern or address.
        out: folder of results.

    Returns:
        Its absolute path without links, and its path from the folder of results if both are on this machine.
    """
    name = local_path(name)
    if is_address(name):
        return [name.rstrip("/")]
    root = root_folder(name) if is_pattern(name) else name
    rest = name[len(root) :] if is_pattern(name) else ""
    absolute = os.path.realpath(root or ".") + rest
    out = local_path(out)
    return [absolute] if is_address(out) else [absolute, os.path.relpath(absolute, os.path.realpath(out))]


def local_path(name: str) -> str:
    """The path that an address of this machine's files stands for; any other name as it is."""
    for scheme in ("file://", "local://"):
        if name.startswith(scheme):
            return name[len(scheme) :]
    return name


def same_inputs(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two runs name the same inputs: see `input_identity`; one of the two paths has to be the same."""
    for name in {*before, *now}:
        old, new = before.get(name) or [], now.get(name) or []
        if len(old) != len(new) or not all(set(one) & set(other) for one, other in zip(old, new, strict=True)):
            return False
    return True


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What changed between two settings, such as "options.select was object, now part"."""
    changes = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes += changed_settings(old, new, f"{prefix}{name}.")
        else:
            changes.append(f"{prefix}{name} was {_shorten(old)}, now {_shorten(new)}")
    return changes


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."
