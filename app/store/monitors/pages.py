"""Pages of monitors, for operators: of all users, filtered, the newest first."""

from dataclasses import dataclass

from app.store.db import Database
from app.store.monitors.rows import Monitor, select_monitors
from app.store.storable import storable

Place = tuple[int, str]
"""Of a monitor in the list: when it was created, and its id."""

_CONDITIONS = {
    "username": "username = :username",
    "status": "status = :status",
    "text": (
        "(LOWER(query) LIKE :text ESCAPE '!' OR LOWER(username) LIKE :text ESCAPE '!' OR id = :handle OR parallel_id = :handle)"
    ),
    "after": "(created_at < :created_at OR (created_at = :created_at AND id > :id))",
}
_ESCAPES = str.maketrans({"!": "!!", "%": "!%", "_": "!_"})


@dataclass(frozen=True, slots=True)
class Filter:
    """Which monitors are wanted.

    Attributes:
        username: whose; empty for all.
        status: empty for all.
        text: in what is watched or in the user's name, or an id.
    """

    username: str = ""
    status: str = ""
    text: str = ""


async def read_monitors(db: Database, wanted: Filter, *, after: Place | None = None, most: int) -> list[Monitor]:
    """The newest first; from behind `after` on, where it is given."""
    values: dict[str, object] = {"most": most}
    conditions = []
    if wanted.username:
        conditions.append("username")
        values["username"] = storable(wanted.username)
    if wanted.status:
        conditions.append("status")
        values["status"] = wanted.status
    if text := storable(wanted.text.strip()):
        conditions.append("text")
        values |= {"text": f"%{text.lower().translate(_ESCAPES)}%", "handle": text}
    if after is not None:
        conditions.append("after")
        values |= {"created_at": after[0], "id": after[1]}
    where = " AND ".join(_CONDITIONS[each] for each in conditions) or "1 = 1"
    return await select_monitors(db, f"WHERE {where} ORDER BY created_at DESC, id LIMIT :most", values)
