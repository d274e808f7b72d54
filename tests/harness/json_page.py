"""berth.json(7), and whether JSON is as it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "man/berth.json.7.scd"

#: section -> member -> its type, with " or null" and ", optional"
Members = dict[str, dict[str, str]]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")


def documented() -> Members:
    sections: Members = {}
    text = PAGE.read_text().replace("++\n", " ").replace("\\_", "_")
    for part in re.split(r"^# ", text, flags=re.M)[1:]:
        title, _, body = part.partition("\n")
        found = {name: types for names, types in re.findall(r"^((?:\*[\w.\[\]]+\*,? ?)+)\((.*)\)\n\t", body, re.M)
                 for name in re.findall(r"\*([\w.\[\]]+)\*", names)}
        if found:
            sections[title] = found
    return sections


def _is(value: object, kind: str) -> bool:
    if kind.startswith("array of"):
        of = {"array of strings": str, "array of objects": dict}[kind]
        return isinstance(value, list) and all(isinstance(element, of) for element in value)
    if kind == "time":
        return isinstance(value, str) and bool(_TIME.match(value))
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "boolean": bool, "number": float, "object": dict, "null": type(None)}[kind])


def _walk(value: object, path: str, members: dict[str, str], seen: set[str], wrong: list[str]) -> None:
    if path in members:
        seen.add(path)
        kinds = members[path].removesuffix(", optional").split(" or ")
        if not any(_is(value, kind) for kind in kinds):
            wrong.append(f"{path} is {json.dumps(value)[:80]}, documented as {members[path]}")
        elif not any(member.startswith((f"{path}.", f"{path}[].")) for member in members):
            return
    if isinstance(value, dict):
        for name, inner in value.items():
            _walk(inner, f"{path}.{name}" if path else name, members, seen, wrong)
    elif isinstance(value, list) and any(member.startswith(f"{path}[].") for member in members):
        for inner in value:
            _walk(inner, f"{path}[]", members, seen, wrong)
    elif path not in members:
        wrong.append(f"{path} is not documented: {json.dumps(value)[:80]}")


def _missing(value: dict[str, object], members: dict[str, str]) -> list[str]:
    """Members of an object itself that are not optional, and are not there."""
    return [f"{name} is not there" for name, types in members.items()
            if re.fullmatch(r"\w+", name) and not types.endswith("optional") and name not in value]


def compare(value: object, members: dict[str, str], seen: set[str], whole: bool = True) -> list[str]:
    """What is wrong with what a verb has printed; an array stands for its elements."""
    wrong: list[str] = []
    for element in value if isinstance(value, list) else [value]:
        if not isinstance(element, dict):
            return [f"{json.dumps(element)} is no object"]
        _walk(element, "", members, seen, wrong)
        if whole:
            wrong += _missing(element, members)
    return wrong
