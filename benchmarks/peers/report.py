"""What was measured, as plain data, as tables for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.peers.measure import Measured
from benchmarks.peers.peers import OWN, PEERS, REFERENCE, TASKS
from benchmarks.peers.spread import Spread, ratios, spread_of

Table = tuple[str, list[list[str]]]
"""A title, and rows of cells; the first row is the heading."""


def as_data(measured: Measured) -> dict[str, Any]:
    """Everything, of types that JSON has: medians, quartiles, raw seconds, ratios to anymask."""
    return {
        "machine": measured.machine,
        "image": measured.image,
        "interrupted": measured.interrupted,
        "peers": {
            name: {
                "versions": environment.versions,
                **measured.runs[name],
                "install_bytes": environment.size,
                "peak_bytes": measured.peaks.get(name, {}),
            }
            for name, environment in measured.environments.items()
        },
        "tasks": {
            task: {name: _task_data(measured, task, name) for name in by_peer}
            for task, by_peer in measured.seconds.items()
        },
        "failures": [
            {"peer": peer, "task": task, "reason": reason} for (peer, task), reason in measured.failures.items()
        ],
    }


def _task_data(measured: Measured, task: str, name: str) -> dict[str, Any]:
    data: dict[str, Any] = {"seconds": _spread_data(spread_of(measured.seconds[task][name]))}
    if ratio := ratio_to_own(measured, task, name):
        data["times_anymask"] = _spread_data(ratio)
    if agreement := measured.agreement.get(task, {}).get(name):
        data["agreement"] = {"median": agreement.median, "least": agreement.least}
    return data


def _spread_data(spread: Spread) -> dict[str, Any]:
    return {"median": spread.median, "quartiles": list(spread.quartiles), "values": list(spread.values)}


def ratio_to_own(measured: Measured, task: str, name: str) -> Spread | None:
    """How many times as long as anymask a peer took, turn by turn; None where one of them has no time."""
    own, theirs = measured.seconds[task].get(OWN.name, []), measured.seconds[task].get(name, [])
    if name == OWN.name or not own or not theirs:
        return None
    return spread_of(ratios(theirs, own))


def as_text(measured: Measured) -> str:
    """For a terminal."""
    parts = ["\n".join(_about(measured))]
    for title, rows in _tables(measured):
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(_padded(row, widths)).rstrip() for row in rows]
        parts.append("\n".join([title, *lines]))
    if absent := [*_failures(measured)]:
        parts.append("\n".join(absent))
    return "\n\n".join(parts)


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    yield f"{row[0]:<{widths[0]}}"
    yield from (f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))


def as_markdown(measured: Measured) -> str:
    """For a document: the same tables, what was measured on, and what each tool is."""
    parts = ["\n".join(f"- {line}" for line in _about(measured))]
    for title, rows in _tables(measured):
        heading, *body = (f"| {' | '.join(row)} |" for row in rows)
        rule = f"|---|{'---:|' * (len(rows[0]) - 1)}"
        parts.append("\n".join([f"**{title}**", "", heading, rule, *body]))
    peers = {peer.name: peer for peer in PEERS}
    versions = {name: environment.versions for name, environment in measured.environments.items()}
    lines = [
        f"- `{name}` ({', '.join(f'{each} {number}' for each, number in packages.items())}): {peers[name].about}."
        for name, packages in versions.items()
    ]
    parts.append("\n".join(lines))
    if absent := [*_failures(measured)]:
        parts.append("\n".join(f"- {line}" for line in absent))
    return "\n\n".join(parts) + "\n"


def _about(measured: Measured) -> Iterator[str]:
    at, image = measured.machine, measured.image
    memory = f", {at['memory_gb']:g} GB of memory" if at["memory_gb"] else ""
    yield f"machine: {at['processor']}, {at['cores']} cores, {at['threads']} threads each{memory}"
    yield f"system: {at['system']}, Python {at['python']}, {at['date']}"
    if image:
        yield f"image: {image['name']}, {image['width']}×{image['height']}"
    if run := measured.runs.get(OWN.name):
        yield f"anymask: {run['engine']} {run['precision']}"
    if measured.interrupted:
        yield "stopped before the end: these are the measurements until then"


def _tables(measured: Measured) -> Iterator[Table]:
    for task in TASKS:
        if task in measured.seconds:
            yield f"{task}: {TASKS[task]}", _task_table(measured, task)
    if measured.environments:
        yield "peak memory and size on disk", _size_table(measured)


def _task_table(measured: Measured, task: str) -> list[list[str]]:
    has_masks = bool(measured.agreement.get(task))
    heading = ["", "median (middle half)", "times anymask"]
    if has_masks:
        heading += ["official masks found"] if task == "everything" else ["IoU with official", "least IoU"]
    rows = [heading]
    for name, seconds in measured.seconds[task].items():
        ratio = ratio_to_own(measured, task, name)
        row = [name, _time(spread_of(seconds)), ratio.as_text(unit="×") if ratio else ""]
        agreement = measured.agreement.get(task, {}).get(name)
        if has_masks and task == "everything":
            row.append(f"{agreement.median:.3f}" if agreement else "")
        elif has_masks:
            row += [f"{agreement.median:.3f}", f"{agreement.least:.3f}"] if agreement else ["", ""]
        rows.append(row)
    return rows


def _time(spread: Spread) -> str:
    in_seconds = spread.median >= 2
    return spread.as_text(1 if in_seconds else 1000, " s" if in_seconds else " ms", 1 if in_seconds else 0)


def _size_table(measured: Measured) -> list[list[str]]:
    heading = ["", "memory, image to click", "memory, everything", "on disk without weights"]
    rows = [heading]
    for name, environment in measured.environments.items():
        peaks = measured.peaks.get(name, {})
        rows.append([name, _megabytes(peaks.get("click")), _megabytes(peaks.get("everything")), ""])
        rows[-1][-1] = _megabytes(environment.size)
    return rows


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:,.0f} MB"


def _failures(measured: Measured) -> Iterator[str]:
    for (name, task), reason in measured.failures.items():
        yield f"{name} could not run here: {reason}" if task == "start" else f"{name} has no {task}: {reason}"
    for peer in PEERS:
        lacking = [task for task in measured.seconds if peer.name in measured.environments and task not in peer.tasks]
        if lacking:
            yield f"{peer.name} was not run for {', '.join(lacking)}"
    if REFERENCE not in measured.environments:
        yield "no masks were compared: the official code did not run"
