"""How users are told of event groups: the message to an address of theirs, and the same as an event of a stream."""

from app.core.jsonio import Json, dumps
from app.core.moments import write_moment
from app.store.monitors.groups import EventGroup
from app.store.times import from_ms

MESSAGE_TYPE = "monitor.updates"
RETRY_MS = 3000

OPENING = b"retry: %d\n\n" % RETRY_MS
"""The first piece of a stream: how soon a client comes back when it ends."""


def message_of(group: EventGroup) -> bytes:
    """The body that is posted; the same however often it is, as its moment is that of the event group."""
    timestamp = write_moment(from_ms(group.received_at))
    return dumps({"type": MESSAGE_TYPE, "timestamp": timestamp, "data": told(group)})


def event_of(group: EventGroup) -> bytes:
    """The event of a stream: a client that comes back says its id (https://html.spec.whatwg.org/#server-sent-events)."""
    return f"event: {MESSAGE_TYPE}\nid: {group.id}\ndata: ".encode() + dumps(told(group)) + b"\n\n"


def told(group: EventGroup) -> Json:
    """What is told of one."""
    return {
        "monitor_id": group.handle,
        "query": group.query,
        "event_group_id": group.id,
        "received_at": write_moment(from_ms(group.received_at)),
        "events": [{"date": each.date, "text": each.text, "sources": list(each.sources)} for each in group.updates],
    }
