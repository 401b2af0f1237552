"""Schemas: Google's form read as JSON schema, and JSON schema written in what the API follows."""

from typing import Any

import pytest

from app.core.errors import InvalidRequest
from app.core.jsonio import Json
from app.dialects.gemini.schema import read_schema, write_schema


@pytest.mark.parametrize(
    ("google", "schema"),
    [
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "string"}, {"type": "string"}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "TYPE_UNSPECIFIED", "description": "any"}, {"description": "any"}),
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "STRING", "nullable": False}, {"type": "string"}),
        ({"type": "STRING", "format": "enum", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        (
            {"type": "STRING", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"any_of": [{"type": "STRING"}], "nullable": True},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        (
            {"type": "ARRAY", "items": {"type": "INTEGER"}, "min_items": "2", "maxItems": 3},
            {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3},
        ),
        ({"type": "NUMBER", "example": 5}, {"type": "number", "examples": [5]}),
        (
            {"defs": {"A": {"type": "BOOLEAN"}}, "ref": "#/defs/A"},
            {"$defs": {"A": {"type": "boolean"}}, "$ref": "#/defs/A"},
        ),
        (
            {"type": "OBJECT", "properties": {"type": {"type": "STRING"}, "any_of": {"type": "NUMBER"}}},
            {"type": "object", "properties": {"type": {"type": "string"}, "any_of": {"type": "number"}}},
        ),
        (
            {"type": "OBJECT", "additional_properties": {"type": "STRING"}, "propertyOrdering": ["a"]},
            {"type": "object", "additionalProperties": {"type": "string"}, "propertyOrdering": ["a"]},
        ),
    ],
)
def test_googles_form_is_read(google: dict[str, Json], schema: dict[str, Json]) -> None:
    assert read_schema(google, "tools[0]") == schema


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string", "$schema": "x", "pattern": "a"}, {"type": "string", "$schema": "x", "pattern": "a"}),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"const": 5, "enum": [5]}, {"const": 5, "enum": [5]}),
        ({"const": True}, {"const": True}),
        ({"oneOf": [{"const": 1}]}, {"anyOf": [{"enum": [1]}]}),
        ({"oneOf": [{}], "anyOf": [{}]}, {"oneOf": [{}], "anyOf": [{}]}),
        (
            {"allOf": [{"$ref": "#/$defs/A"}], "description": "d"},
            {"anyOf": [{"$ref": "#/$defs/A"}], "description": "d"},
        ),
        ({"allOf": [{}, {}]}, {"allOf": [{}, {}]}),
        ({"$ref": "#/$defs/A", "$defs": {"A": {}}}, {"$ref": "#/$defs/A", "$defs": {"A": {}}}),
        ({"$ref": "#/$defs/A", "description": "d"}, {"anyOf": [{"$ref": "#/$defs/A"}], "description": "d"}),
        (
            {"definitions": {"A": {"const": "a"}}, "items": {"$ref": "#/definitions/A"}},
            {"$defs": {"A": {"enum": ["a"]}}, "items": {"$ref": "#/$defs/A"}},
        ),
        ({"properties": {"const": {"const": "a"}}}, {"properties": {"const": {"enum": ["a"]}}}),
        (True, True),
    ],
)
def test_schema_is_written_in_what_the_api_follows(schema: Json, written: Json) -> None:
    assert write_schema(schema, "tools.f") == written


def test_schema_that_is_written_is_left_as_it_was() -> None:
    schema: dict[str, Json] = {"properties": {"a": {"const": 1}}}

    write_schema(schema, "tools.f")

    assert schema == {"properties": {"a": {"const": 1}}}


def test_schema_without_end_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(500):
        schema = {"items": schema}

    with pytest.raises(InvalidRequest, match="nests too deeply"):
        read_schema(schema, "tools[0]")
    with pytest.raises(InvalidRequest, match="nests too deeply"):
        write_schema(schema, "tools.f")
