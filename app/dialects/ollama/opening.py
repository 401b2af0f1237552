"""A request's body, opened, and the model that it names: in `model`, or as old clients say it, in `name`."""

from app.core.jsonio import Json
from app.dialects.fields import wrong
from app.dialects.opening import is_name, open_body, write_body


def open_named(body: bytes) -> tuple[bytes, dict[str, Json], str]:
    """The body, the object that it is, and the model's name; in both of them that is `model`, the only word that providers know.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    body, payload = open_body(body)
    name = payload.get("model") or payload.get("name")
    if not is_name(name):
        raise wrong("model", "a model's name, such as 'demo'")
    if "name" in payload:
        payload = {key: value for key, value in payload.items() if key != "name"} | {"model": name}
        body = write_body(payload)
    return body, payload, name
