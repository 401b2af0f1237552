"""What a monitor is asked for with, checked before Parallel sees it."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from app.core.errors import InvalidRequest
from app.core.frozen import frozen
from app.core.jsonio import Json
from app.monitors.remote import EVENT_TYPES, OUR_KEY, USER_KEY

CADENCES: Mapping[str, str] = {"hourly": "1h", "daily": "1d", "weekly": "1w"}
"""The words for the usual frequencies."""
PROCESSORS = ("lite", "base")
MOST_QUERY_CHARACTERS = 10_000
MOST_KEY_CHARACTERS, MOST_VALUE_CHARACTERS = 16, 512
RESERVED_KEYS = (OUR_KEY, USER_KEY)
"""Keys of metadata in which the gateway writes what it needs to know a monitor again."""

_FREQUENCY = re.compile(r"([1-9][0-9]{0,2})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_MOST_HOURS = 30 * 24
_FIELDS = ("query", "cadence", "frequency", "processor", "output_schema", "metadata", "forward_url")


@frozen
class AskedMonitor:
    """A monitor as somebody wants it.

    Attributes:
        frequency: `<number><h, d or w>`, from an hour to 30 days.
        output_schema: a JSON schema that what it finds has to keep to; None for text.
        metadata: comes back with each webhook.
        forward_url: where what it finds is passed on to.
    """

    query: str
    frequency: str
    processor: str = "lite"
    output_schema: Mapping[str, Json] | None = None
    metadata: Mapping[str, str] | None = None
    forward_url: str | None = None

    @property
    def hours(self) -> int:
        """Between two runs of it."""
        return hours_of(self.frequency)


def read_asked(payload: Mapping[str, Json]) -> AskedMonitor:
    """A request's body.

    Raises:
        InvalidRequest: a field is missing, unknown or cannot be used; it is named.
    """
    for name in payload:
        if name not in _FIELDS:
            near = get_close_matches(name, _FIELDS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(_FIELDS)}."
            raise InvalidRequest(f"There is no field {name!r}.{hint}", param=name)
    return AskedMonitor(
        _read_query(payload.get("query")),
        _read_frequency(payload.get("cadence"), payload.get("frequency")),
        _read_processor(payload.get("processor")),
        _read_schema(payload.get("output_schema")),
        read_metadata(payload.get("metadata")),
        _read_url(payload.get("forward_url")),
    )


def hours_of(frequency: str) -> int:
    """How many hours are between two runs."""
    return int(frequency[:-1]) * _HOURS[frequency[-1]]


def cadence_of(frequency: str) -> str | None:
    """The word for a frequency; None where there is none."""
    hours = hours_of(frequency)
    return next((word for word, each in CADENCES.items() if hours_of(each) == hours), None)


def _read_query(value: Json) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest("'query' is missing: say what is to be watched, in words.", param="query")
    if len(value) > MOST_QUERY_CHARACTERS:
        raise InvalidRequest(f"'query' is longer than {MOST_QUERY_CHARACTERS} characters.", param="query")
    if not _is_storable(value):
        raise InvalidRequest("'query' has characters that cannot be stored.", param="query")
    return value.strip()


def _read_frequency(cadence: Json, frequency: Json) -> str:
    if cadence is not None and frequency is not None:
        raise InvalidRequest("Give either 'cadence' or 'frequency', not both.", param="frequency")
    if cadence is not None:
        if not isinstance(cadence, str) or cadence.strip().lower() not in CADENCES:
            raise InvalidRequest(
                f"'cadence' must be one of {', '.join(CADENCES)}; 'frequency' takes more, such as '6h'.",
                param="cadence",
            )
        return CADENCES[cadence.strip().lower()]
    if frequency is None:
        raise InvalidRequest(
            "'cadence' is missing: give hourly, daily or weekly, or a 'frequency' such as '6h'.", param="cadence"
        )
    found = _FREQUENCY.fullmatch(frequency.strip()) if isinstance(frequency, str) else None
    if found is None or not 1 <= hours_of(found[0]) <= _MOST_HOURS:
        raise InvalidRequest(
            "'frequency' must be a number and h, d or w, from '1h' to '30d', such as '6h'.", param="frequency"
        )
    return found[0]


def _read_processor(value: Json) -> str:
    if value is None:
        return PROCESSORS[0]
    if value not in PROCESSORS:
        raise InvalidRequest(f"'processor' must be one of {', '.join(PROCESSORS)}.", param="processor")
    return str(value)


def _read_schema(value: Json) -> Mapping[str, Json] | None:
    if value is not None and not isinstance(value, dict):
        raise InvalidRequest("'output_schema' must be a JSON schema, which is an object.", param="output_schema")
    return value


def read_metadata(value: Json) -> Mapping[str, str] | None:
    """Keys and values, as Parallel takes them.

    Raises:
        InvalidRequest: it does not.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidRequest("'metadata' must be an object of texts.", param="metadata")
    for key, text in value.items():
        if not 1 <= len(key) <= MOST_KEY_CHARACTERS:
            raise InvalidRequest(
                f"'metadata' has the key {key!r}: keys have 1 to {MOST_KEY_CHARACTERS} characters.", param="metadata"
            )
        if key in RESERVED_KEYS:
            raise InvalidRequest(f"'metadata' has the key {key!r}, which the gateway writes itself.", param="metadata")
        if not isinstance(text, str) or len(text) > MOST_VALUE_CHARACTERS:
            raise InvalidRequest(
                f"'metadata' has under {key!r} what is no text of at most {MOST_VALUE_CHARACTERS} characters.",
                param="metadata",
            )
    return {key: str(text) for key, text in value.items()}


def read_event_types(texts: Sequence[str]) -> tuple[str, ...]:
    """What a monitor is to report.

    Raises:
        InvalidRequest: one is none that Parallel knows.
    """
    types = tuple(filter(None, (text.strip() for text in texts)))
    for each in types:
        if each not in EVENT_TYPES:
            raise InvalidRequest(f"There is no event type {each!r}: use {', '.join(EVENT_TYPES)}.", param="event_types")
    return types or EVENT_TYPES


def _read_url(value: Json) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InvalidRequest("'forward_url' must be an address.", param="forward_url")
    return value or None


def _is_storable(text: str) -> bool:
    """No database takes a lone surrogate, and PostgreSQL no NUL."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
