"""Adds a table of the options to the reference of each option dataclass; see `anymask.structures.options`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import griffe

from anymask.structures.options import Options, option_fields


class OptionTables(griffe.Extension):
    """States name, kind, description and range of each option as an argument of its class."""

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Extend the docstring of an option dataclass."""
        if not cls.path.endswith(("Options", "Thresholds", "Settings")) or cls.docstring is None:
            return
        options = getattr(import_module(cls.module.path), cls.name, None)
        if not (isinstance(options, type) and issubclass(options, Options)) or options is Options:
            return
        lines = []
        for each in option_fields(options):
            kind = " | ".join(map(repr, each.choices)) or (each.kind.__name__ if each.kind else "array")
            requirement = f" Must {each.requirement}." if each.requirement and not each.choices else ""
            lines.append(f"    {each.name} ({kind}): {each.description}{requirement}")
            if each.name in cls.members:
                cls.members[each.name].value = repr(each.default)  # instead of the call of `option`
        cls.docstring.value += "\n\nArgs:\n" + "\n".join(lines) + "\n"
