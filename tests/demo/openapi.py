"""Whether a value is what openapi.json says, as far as that says it: the few words of JSON Schema that it uses."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

DOCUMENT = json.loads(files("skineval.demo").joinpath("page", "openapi.json").read_text(encoding="utf-8"))
_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
_KNOWN = {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "minimum", "maximum"}


def check(value: Any, schema: dict[str, Any], where: str = "the answer") -> None:
    """Raise AssertionError where `value` is not what `schema` asks for."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert schema.keys() <= {*_KNOWN, "description"}, schema.keys()
    if "anyOf" in schema:
        # Of what may be null, errors are told of the other.
        kind, nothing = schema["anyOf"]
        assert nothing == {"type": "null"}
        if value is not None:
            check(value, kind, where)
        return
    kind = schema["type"]
    assert isinstance(value, _TYPES[kind]), f"{where} is {value!r}, no {kind}"
    assert kind == "boolean" or not isinstance(value, bool), where
    assert value in schema.get("enum", [value]), where
    if kind == "number":
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), f"{where} is {value}"
    if kind == "array":
        for place, one in enumerate(value):
            check(one, schema["items"], f"{where}[{place}]")
    if kind == "object":
        known, further = schema.get("properties", {}), schema.get("additionalProperties", {})
        assert set(schema.get("required", ())) <= value.keys(), f"{where} has {value.keys()}"
        for name, one in value.items():
            assert name in known or further, f"{where} has {name}"
            check(one, known.get(name) or further, f"{where}.{name}")


def schema_of(path: str, method: str, status: int) -> dict[str, Any]:
    """That of an answer."""
    found: dict[str, Any] = DOCUMENT["paths"][path][method]["responses"][str(status)]
    schema: dict[str, Any] = found["content"]["application/json"]["schema"]
    return schema
