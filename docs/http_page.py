"""Makes the page of the reference on HTTP, from the OpenAPI document of the server."""

from __future__ import annotations

import json
from typing import Any

from anymask.server.app import openapi_document

PATH = "reference/http.md"
_HEAD = """\
# HTTP

Every operation of `anymask serve`, made from its OpenAPI document, which the server itself has at `/openapi.json`.
[The server](../guides/server.md#over-http) shows how they are used together.

"""
_TAGS = {"images": "Images", "masks": "Masks", "jobs": "Jobs", "projects": "Projects", "server": "Server"}


def page() -> str:
    """The text of the page: errors, operations by subject, and the fields of bodies."""
    document = openapi_document()
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = [_HEAD, _errors(operations)]
    for tag, title in _TAGS.items():
        parts.append(f"## {title}\n\n")
        parts += [_operation(name, each) for name, each in operations if each["tags"] == [tag]]
    parts.append("## Bodies\n\nFields without a default are required.\n\n")
    schemas = document["components"]["schemas"]
    parts += [_schema(name, schemas[name]) for name in sorted(schemas)]
    return "".join(parts)


def _errors(operations: list[tuple[str, dict[str, Any]]]) -> str:
    """What each status of an error means, in the words of all operations."""
    meanings: dict[str, list[str]] = {}
    for _, operation in operations:
        for status, response in operation["responses"].items():
            if int(status) >= 400 and response["description"] not in meanings.setdefault(status, []):
                meanings[status].append(response["description"])
    rows = "".join(f"| {status} | {'; '.join(meanings[status])} |\n" for status in sorted(meanings))
    lead = "Errors are `application/problem+json` ([ProblemResponse](#problemresponse)); `detail` is for people."
    return f"## Errors\n\n{lead}\n\n| status | meaning |\n|---|---|\n{rows}\n"


def _operation(name: str, operation: dict[str, Any]) -> str:
    lines = [f"### `{name}` {{: #{operation['operationId']} }}", "", operation.get("description", ""), ""]
    for each in operation.get("parameters", []):
        meaning = f": {each['description']}" if each.get("description") else ""
        lines.append(f"- {each['in']} `{each['name']}`, {_type(each['schema'])}{meaning}")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        lines.append(f"- body `{media}`: {_type(content['schema'])}")
    for status, response in operation["responses"].items():
        if int(status) < 400:
            content = [f"{_type(each['schema'])} as `{media}`" if each.get("schema") else f"`{media}`"
                       for media, each in response.get("content", {}).items()]  # fmt: skip
            lines.append(f"- returns {status}{': ' if content else ''}{', '.join(content)}")
    errors = ", ".join(status for status in operation["responses"] if int(status) >= 400)
    if errors:
        lines.append(f"- errors {errors}")
    return "\n".join(lines) + "\n\n"


def _schema(name: str, schema: dict[str, Any]) -> str:
    """The fields of a body as a table."""
    rows = []
    for field, each in schema.get("properties", {}).items():
        default = "" if field in schema.get("required", []) else f"`{_value(each.get('default'))}`"
        rows.append(
            f"| `{field}` | {_type(each)} | {default} | {each.get('description', '').replace('|', '&#124;')} |\n"
        )
    described = f"{schema['description']}\n\n" if schema.get("description") else ""
    table = "| field | type | default | meaning |\n|---|---|---|---|\n" + "".join(rows) + "\n" if rows else ""
    return f"### {name}\n\n{described}{table}"


def _type(schema: dict[str, Any]) -> str:
    """A type in words: `list of number`, `"rle" or "polygon"`, a link for a body."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for combined in ("anyOf", "oneOf", "allOf"):
        if combined in schema:
            return " or ".join(dict.fromkeys(_type(each) for each in schema[combined]))
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{_value(each)}`" for each in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if "items" in schema else "list"
    return str(schema.get("type", "any")) + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    """The limits of a number, such as ` (≥ 0, ≤ 30)`."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [
        f"{sign} {int(schema[name]) if schema[name] == int(schema[name]) else schema[name]}"
        for name, sign in signs.items()
        if schema.get(name) is not None
    ]
    return f" ({', '.join(limits)})" if limits else ""


def _value(value: Any) -> str:
    """A value as it is written in JSON."""
    return json.dumps(value)
