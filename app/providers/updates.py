"""The built-in provider of what monitors found: the answer to a chat is the user's own updates that were not told yet."""

from collections.abc import Iterator, Sequence

from app.core.call import Call, Target
from app.core.chat import Text
from app.core.errors import NotServed, PermissionDenied
from app.core.events import Citation, Completion
from app.core.jsonio import InvalidJson, loads
from app.core.reply import JSON_TYPE, Reply
from app.core.updates import Pending, Taken, Update, UpdateGroup
from app.core.usage import NO_USAGE
from app.dialects.conversation import write_answer
from app.dialects.convert import require_no_state
from app.dialects.counting import count_tokens
from app.dialects.registry import DIALECTS
from app.providers.told import Told

KEY = "monitors"
MODEL = "monitor-updates"

NOTHING = "There is nothing new from your monitors."
_SEPARATOR = "\n\n---\n\n"


class MonitorUpdates:
    """Tells what monitors found, each thing once.

    Args:
        most: updates in one reply, roughly: a run of a monitor is told as a whole.
    """

    key = KEY
    name = "Monitors"
    models: tuple[str, ...] = (MODEL,)

    def __init__(self, pending: Pending, most: int) -> None:
        self._pending = pending
        self._most = most

    async def send(self, call: Call, target: Target) -> Reply:
        """Answer with what is pending for the user of `call`; it is so no more when the reply has been delivered.

        Raises:
            PermissionDenied: the caller sent no token, so that nobody knows whose updates are meant.
            NotServed: it was asked for something else than a chat, or to go on from what it does not keep.
            Unavailable: it is not known what is pending.
        """
        if (count := count_tokens(call)) is not None:
            return Reply(200, JSON_TYPE, count)
        if call.dialect not in DIALECTS:
            raise NotServed(f"The model {target.model!r} can only chat, not serve {call.surface!r}.", param="model")
        require_no_state(call)
        if call.principal.anonymous:
            raise PermissionDenied(
                f"The model {target.model!r} tells what the caller's own monitors found, so it needs a token of one's own.",
                param="model",
                code="model_not_allowed",
            )
        taken = await self._pending.take(call.principal.username, self._most)
        try:
            reply = write_answer(call, write_updates(taken, target.model))
        except BaseException:
            await taken.put_back()
            raise
        ending = _Delivery(taken)
        reply.delivered, reply.aclose, reply.once = ending.note, ending.aclose, True
        return reply

    async def list_models(self) -> list[Told]:
        """One."""
        return [Told(MODEL)]


class _Delivery:
    """Knows how the reply ended, and lets those know who keep what it told."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._is_whole = False

    def note(self) -> None:
        self._is_whole = True

    async def aclose(self) -> None:
        await (self._taken.delivered() if self._is_whole else self._taken.put_back())


def write_updates(taken: Taken, model: str) -> Completion:
    """What was taken as an answer in Markdown, whose citations back the updates that they are sources of."""
    text, citations = "", []
    for piece, sources in _pieces(taken.groups):
        start = len(text) + (len(_SEPARATOR) if text else 0)
        text += (_SEPARATOR if text else "") + piece
        citations += [Citation(url, start=start, end=len(text)) for url in sources]
    notes = list(_notes(taken))
    if not text:
        text = " ".join([NOTHING, *notes])
    elif notes:
        text += _SEPARATOR + " ".join(notes)
    return Completion(None, model, None, (Text(text),), tuple(citations), "stop", NO_USAGE)


def _pieces(groups: Sequence[UpdateGroup]) -> Iterator[tuple[str, Sequence[str]]]:
    """Each update and its sources. Where there are several monitors, it is said whose an update is wherever that changes."""
    has_many, last = len({group.query for group in groups}) > 1, None
    for group in groups:
        for update in group.updates:
            heading = f"## {' '.join(group.query.split())}\n\n" if has_many and group.query != last else ""
            last = group.query
            yield heading + _written(update), update.sources


def _written(update: Update) -> str:
    lines = [f"**{update.date or 'Undated'}**", _readable(update.text.strip())]
    if update.sources:
        lines.append("\n".join(["Sources:", *(f"- {url}" for url in update.sources)]))
    return "\n\n".join(lines)


def _readable(text: str) -> str:
    """The text; what a monitor with an output schema wrote is shown as JSON."""
    if not text.startswith(("{", "[")):
        return text
    try:
        loads(text)
    except InvalidJson:
        return text
    return f"```json\n{text}\n```"


def _notes(taken: Taken) -> Iterator[str]:
    if taken.remaining:
        yield f"{_counted(taken.remaining, 'older update')} not told yet; ask again to get {_them(taken.remaining)}."
    if taken.missing:
        yield (
            f"{_counted(taken.missing, 'report')} known of, but not fetched from Parallel yet;"
            f" ask again later to get {_them(taken.missing)}."
        )
    if taken.elsewhere:
        yield f"{_counted(taken.elsewhere, 'report')} being told in another reply at this moment."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun} is" if number == 1 else f"{number} {noun}s are"


def _them(number: int) -> str:
    return "it" if number == 1 else "them"
