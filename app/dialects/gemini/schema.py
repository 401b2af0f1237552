"""JSON schemas: Google's own form of them read, and any written so that the API takes it.

`parameters` and `responseSchema` are Google's `Schema`, a subset of OpenAPI's with types in capitals, which refuses every
keyword that it does not know. `parametersJsonSchema` and `responseJsonSchema` take JSON schema; what they do not know, they
pass over, and they are strict on `$ref` alone (https://ai.google.dev/api/generate-content#GenerationConfig).
"""

from app.core.errors import InvalidRequest
from app.core.jsonio import Json
from app.dialects.fields import wrong
from app.dialects.gemini.fields import camel

# No schema that a model could follow nests deeper.
_MAX_DEPTH = 100

_SCHEMAS = frozenset({"items", "additionalProperties"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_MAPS = frozenset({"properties", "defs", "$defs", "definitions"})
_RENAMED = {"defs": "$defs", "ref": "$ref"}
# 64-bit numbers are strings in protobuf's JSON.
_COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})


def read_schema(schema: Json, path: str) -> dict[str, Json]:
    """A schema of Google's form as JSON schema; one that is JSON schema already stays as it is.

    Raises:
        InvalidRequest: it is no object, or nests too deeply.
    """
    if not isinstance(schema, dict):
        raise wrong(path, "an object")
    read: dict[str, Json] = _read(schema, path, _MAX_DEPTH)
    return read


def write_schema(schema: Json, path: str) -> Json:
    """A JSON schema in the keywords that the API follows.

    Raises:
        InvalidRequest: it nests too deeply; `path` is where.
    """
    return _write(schema, path, _MAX_DEPTH)


def _read(schema: Json, path: str, depth: int) -> Json:
    if not isinstance(schema, dict):
        return schema
    if depth == 0:
        raise InvalidRequest(f"{path} nests too deeply.", param=path)
    read: dict[str, Json] = {}
    for name, value in schema.items():
        key = camel(name)
        if key in _SCHEMAS:
            value = _read(value, path, depth - 1)
        elif key in _LISTS and isinstance(value, list):
            value = [_read(each, path, depth - 1) for each in value]
        elif key in _MAPS and isinstance(value, dict):
            value = {each: _read(inner, path, depth - 1) for each, inner in value.items()}
        elif key in _COUNTS and isinstance(value, str) and value.isdecimal() and value.isascii():
            value = int(value)
        read[_RENAMED.get(key, key)] = value
    return _in_json_schema(read)


def _in_json_schema(schema: dict[str, Json]) -> dict[str, Json]:
    """One level of a schema, with the keywords that JSON schema has not said in those that it has."""
    kind = schema.get("type")
    if isinstance(kind, str):
        if kind == "TYPE_UNSPECIFIED":
            del schema["type"]
        else:
            schema["type"] = kind.lower() if kind.isupper() else kind
    if schema.get("nullable") is True:
        if isinstance(schema.get("type"), str):
            schema["type"] = [schema["type"], "null"]
            if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
                schema["enum"] = [*schema["enum"], None]
        elif isinstance(schema.get("anyOf"), list):
            schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    if isinstance(schema.get("nullable"), bool):
        del schema["nullable"]
    if schema.get("format") == "enum":
        del schema["format"]
    if "example" in schema:
        schema.setdefault("examples", [schema.pop("example")])
    return schema


def _write(schema: Json, path: str, depth: int) -> Json:
    if not isinstance(schema, dict):
        return schema
    if depth == 0:
        raise InvalidRequest(f"{path} nests too deeply.", param=path)
    written: dict[str, Json] = {}
    for key, value in schema.items():
        if key in _SCHEMAS:
            value = _write(value, path, depth - 1)
        elif key in _LISTS and isinstance(value, list):
            value = [_write(each, path, depth - 1) for each in value]
        elif key in _MAPS and isinstance(value, dict):
            value = {each: _write(inner, path, depth - 1) for each, inner in value.items()}
        written["$defs" if key == "definitions" else key] = value
    return _in_known_keywords(written)


def _in_known_keywords(schema: dict[str, Json]) -> dict[str, Json]:
    """One level of a schema, with what the API would pass over or refuse said in another way, where there is one."""
    const, reference = schema.get("const"), schema.get("$ref")
    if isinstance(const, str | int | float) and not isinstance(const, bool) and "enum" not in schema:
        schema["enum"] = [schema.pop("const")]
    if isinstance(reference, str):
        schema["$ref"] = reference.replace("#/definitions/", "#/$defs/")
    if "anyOf" in schema:
        return schema
    if "oneOf" in schema:
        schema["anyOf"] = schema.pop("oneOf")
    elif isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
        schema["anyOf"] = schema.pop("allOf")
    elif "$ref" in schema and any(not key.startswith("$") for key in schema):
        # "can only contain properties starting with '$' when $ref is present", says the API of the node.
        schema["anyOf"] = [{"$ref": schema.pop("$ref")}]
    return schema
