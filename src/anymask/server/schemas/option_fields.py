"""Members of request bodies, derived from the fields of option dataclasses; see `anymask.structures.options`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, create_model

from anymask.structures.options import Option, Options, option_fields


class Body(BaseModel):
    """A request's content; unknown members are refused, so that a typing error is not silently ignored."""

    model_config = ConfigDict(extra="forbid")

    def values_of(self, options: type[Options]) -> dict[str, Any]:
        """The values of these options in the body."""
        return {each.name: getattr(self, each.name) for each in option_fields(options) if hasattr(self, each.name)}


AnyBody = TypeVar("AnyBody", bound=Body)


def with_options(
    options: type[Options], limits: Mapping[str, Mapping[str, Any]] | None = None, without: tuple[str, ...] = ()
) -> Callable[[type[AnyBody]], type[AnyBody]]:
    """Add a member to a body for each field that JSON can hold, with the field's range and description.

    Args:
        options: the dataclass.
        limits: narrower ranges for a server, by name: `at_least` and `at_most`.
        without: names of fields that are not members.
    """

    def decorate(body: type[AnyBody]) -> type[AnyBody]:
        members: dict[str, Any] = {}
        for each in option_fields(options):
            if each.kind is not None and each.name not in without:
                members[each.name] = _member(replace(each, **(limits or {}).get(each.name, {})))
        made: type[AnyBody] = create_model(
            body.__name__, __base__=body, __module__=body.__module__, __doc__=body.__doc__, **members
        )
        return made

    return decorate


def _member(each: Option) -> tuple[Any, Any]:
    """Annotation and field of a member."""
    annotation: Any = Literal[each.choices] if each.choices else FiniteFloat if each.kind is float else each.kind
    limits = {"ge": each.at_least, "gt": each.above, "le": each.at_most, "lt": each.below}
    bounds: dict[str, Any] = {name: limit for name, limit in limits.items() if limit is not None}
    if each.lengths:
        item = Annotated[annotation, Field(**bounds)]
        tuples: list[Any] = [tuple[(item,) * length] for length in each.lengths]  # type: ignore[misc]
        annotation, bounds = reduce(operator.or_, tuples), {}
    return (annotation | None if each.optional else annotation), Field(
        each.default, description=each.description, **bounds
    )
