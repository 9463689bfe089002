"""Options that are written once: fields of a frozen dataclass that state their range, their choices and their purpose.

The command line (`anymask.cli.option_fields`), request bodies (`anymask.server.schemas.option_fields`) and evaluation
settings are derived from these fields.

```python
@dataclass(frozen=True)
class BlurOptions(Options):
    \"\"\"How an image is blurred.\"\"\"

    radius: float = option(2.0, "Radius of the blur, in pixels.", at_least=0)
```
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from anymask.errors import PromptError

_KEY = "anymask option"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: of the field.
        default: its value where nothing is set.
        description: one sentence.
        kind: str, int, float or bool; None for a value that has no text form, such as an array.
        lengths: of a tuple of values of the kind, such as (1, 3) for one or three; empty for a single value.
        optional: whether None is allowed.
        choices: the values of a str; empty if there is no list.
        at_least, above, at_most, below: bounds of a number; None sets no bound.
        unit: of a number, such as "px" or "s".
        form: how a tuple is written, such as "LOW,HIGH"; "COLOUR" for a colour.
    """

    name: str
    default: Any
    description: str
    kind: type | None = None
    lengths: tuple[int, ...] = ()
    optional: bool = False
    choices: tuple[str, ...] = ()
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    unit: str = ""
    form: str = ""

    @property
    def flag(self) -> str:
        """The option on a command line, such as `--points-per-side`."""
        return "--" + self.name.replace("_", "-")

    @property
    def requirement(self) -> str:
        """What a value must be, as a phrase after "must"; "" where any value of the kind is allowed."""
        if self.choices:
            return f"be one of {', '.join(self.choices)}"
        if self.at_least is not None and self.at_most is not None:
            return f"lie between {self.at_least:g} and {self.at_most:g}"
        low = "" if self.at_least is None else f"at least {self.at_least:g}"
        low = low if self.above is None else f"above {self.above:g}"
        high = "" if self.at_most is None else f"at most {self.at_most:g}"
        high = high if self.below is None else f"below {self.below:g}"
        bounds = " and ".join(bound for bound in (low, high) if bound)
        return f"be {bounds}" if bounds else ""

    def check(self, value: Any) -> None:
        """Refuse a value that cannot be right.

        Raises:
            PromptError: names the option, the value and what would be right.
        """
        if self.kind is None or (value is None and self.optional):
            return
        if self.lengths:
            self._check_tuple(value)
        elif self.choices:
            if value not in self.choices:
                raise PromptError(f"{self.name} must {self.requirement}, not {value!r}")
        elif self.kind in _NUMBERS:
            noun, number = _NUMBERS[self.kind]
            if isinstance(value, bool) or not isinstance(value, number):
                raise PromptError(f"{self.name} must be {noun}, not {value!r}")
            if not self._allows(float(value)):  # type: ignore[arg-type]  # a Real has __float__
                raise PromptError(f"{self.name} must {self.requirement or 'be ' + noun}, not {value}")
        elif not isinstance(value, self.kind):
            raise PromptError(f"{self.name} must be a {self.kind.__name__}, not {value!r}")

    def _check_tuple(self, value: Any) -> None:
        if not isinstance(value, (tuple, list)) or len(value) not in self.lengths:
            counts = " or ".join(map(str, self.lengths))
            raise PromptError(f"{self.name} must be {counts} numbers, {self.form}, not {value!r}")
        for each in value:
            replace(self, lengths=(), optional=False).check(each)

    def _allows(self, value: float) -> bool:
        return (
            not math.isnan(value)
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


class Options:
    """Base of dataclasses whose fields are options; checks every value.

    Raises:
        PromptError: a value that cannot be right.
    """

    def __post_init__(self) -> None:
        for each in option_fields(type(self)):
            each.check(getattr(self, each.name))

    def as_dict(self) -> dict[str, Any]:
        """All options and their values."""
        return {each.name: getattr(self, each.name) for each in option_fields(type(self))}


def option(
    default: Any,
    description: str,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    unit: str = "",
    form: str = "",
    compare: bool = True,
) -> Any:
    """A dataclass field that is an option; its kind and its choices are those of the annotation.

    Args:
        default: its value where nothing is set.
        description: one sentence, as help on the command line shows it.
        at_least: lowest number allowed.
        above: number below all that are allowed.
        at_most: highest number allowed.
        below: number above all that are allowed.
        unit: of a number, such as "px".
        form: how a tuple is written on the command line, such as "LOW,HIGH".
        compare: whether two values of the dataclass are unequal where this field differs.
    """
    bounds = {"at_least": at_least, "above": above, "at_most": at_most, "below": below}
    return field(
        default=default,
        metadata={_KEY: {"description": description, "unit": unit, "form": form, **bounds}},
        compare=compare,
    )


def make_options(kind: type[_T], given: Mapping[str, Any], call: str, arguments: Sequence[str] = ()) -> _T:
    """Make a dataclass of options from the keywords that a function was called with.

    Args:
        kind: the dataclass.
        given: keywords and their values.
        call: name of the function.
        arguments: further names that the function takes.

    Raises:
        TypeError: a name that the function does not take, with the most similar one that it takes, or all of them.
        InputError: a value that cannot be right.
    """
    check_keywords(given, [each.name for each in fields(kind)], call, arguments)  # type: ignore[arg-type]  # a dataclass
    return kind(**given)


def check_keywords(given: Mapping[str, Any], names: Sequence[str], call: str, arguments: Sequence[str] = ()) -> None:
    """Refuse a keyword that is none of the names; see `make_options`.

    Raises:
        TypeError: the first such keyword.
    """
    for name in given:
        if name not in names:
            takes = [*arguments, *names]
            similar = get_close_matches(name, takes, 1)
            hint = f"did you mean {similar[0]}?" if similar else f"it takes {', '.join(takes)}"
            raise TypeError(f"{call}() has no option {name!r}: {hint}")


def unset_option(options: type[Options], name: str) -> Any:
    """A dataclass field that is an option of another dataclass, but for its default: None, which leaves it as it is.

    Args:
        options: the other dataclass.
        name: of its field.
    """
    source = next(each for each in fields(options) if each.name == name)  # type: ignore[arg-type]  # a dataclass
    return field(default=None, metadata=source.metadata)


def option_fields(options: type[Options]) -> tuple[Option, ...]:
    """The options of a dataclass, in the order of its fields."""
    return _option_fields((options,))


@cache
def _option_fields(key: tuple[type]) -> tuple[Option, ...]:
    """The options of the class in the key; the key is a tuple, because mypy does not take the class for hashable."""
    options: Any = key[0]
    hints = get_type_hints(options)
    return tuple(
        Option(
            each.name, each.default, **each.metadata[_KEY], **_kind_of(hints[each.name], each.metadata[_KEY]["form"])
        )
        for each in fields(options)
        if _KEY in each.metadata
    )


def _kind_of(hint: Any, form: str) -> dict[str, Any]:
    """Kind, choices and optionality of an annotation; a tuple has a kind if it has a written form."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    optional = NoneType in parts
    (plain, *others) = [part for part in parts if part is not NoneType]
    if get_origin(plain) is tuple and form:
        lengths = tuple(len(get_args(each)) for each in (plain, *others))
        return {"kind": get_args(plain)[0], "lengths": lengths, "optional": optional}
    if not others and get_origin(plain) is Literal:
        return {"kind": str, "choices": get_args(plain), "optional": optional}
    known = not others and plain in (str, int, float, bool)
    return {"kind": plain if known else None, "optional": optional}


_NUMBERS: dict[type, tuple[str, type]] = {int: ("a whole number", Integral), float: ("a number", Real)}
"""Kinds with bounds: their noun, and the abstract class of values that are allowed."""
