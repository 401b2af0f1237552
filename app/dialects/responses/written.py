"""A reply as this API tells it: the events of a stream, and the response object that they come to.

One item is open at a time, as with OpenAI; only calls of functions wait for each other where a provider mixes their
arguments, and are then ended together.
"""

from app.core.chat import Image
from app.core.events import (
    Citation,
    Event,
    Failed,
    Finished,
    FinishReason,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from app.core.jsonio import Json
from app.dialects.dialect import About
from app.dialects.responses.errors import write_failure
from app.dialects.responses.open_items import Object, OpenCall, OpenItem, OpenMessage, OpenReasoning
from app.dialects.responses.sealed import seal, seal_call, seal_redacted
from app.dialects.responses.usage import write_usage

_INCOMPLETE: dict[FinishReason, str] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    "pause": "max_messages",
}
# What the API says of parameters that a request left open. What the provider's defaults are is not known here.
_ECHOED: Object = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": None,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


class Writing:
    """Feed it the events of a reply; it gives those of this API.

    Attributes:
        response: the response object as it is up to now.
        characters: length of the answer up to now.
    """

    def __init__(self, about: About) -> None:
        self.response: Object = _begin_response(about)
        self._number = 0
        self._said: list[Object] = []
        self._output: dict[int, Object] = {}
        self._places = 0
        self._open: OpenItem | None = None
        self._calls: dict[int, OpenCall] = {}
        self._refused = False
        self.characters = 0
        self._names: set[str] = set()
        self._about = about

    def take(self, event: Event) -> list[Object]:
        """The events that tell of `event`, numbered."""
        match event:
            case Started():
                self._start(event)
            case TextDelta(text):
                self._write_text(text)
            case RefusalDelta(text):
                self._refused = True
                self._message().add_refusal(text)
            case Citation():
                self._message().cite(event)
            case ReasoningDelta(text, name):
                if text:
                    self._reasoning(name).add(text)
            case ReasoningSigned():
                self._sign(event)
            case ToolCallStarted():
                self._call(event)
            case ToolCallDelta(index, arguments):
                if index in self._calls and arguments:
                    self._calls[index].add(arguments)
            case ImageMade(image):
                self._picture(image)
            case Finished():
                self._finish(event)
            case Failed():
                self._fail(event)
        said, self._said = self._said, []
        return said

    def say(self, kind: str, **fields: Json) -> None:
        """One event of the client's stream."""
        self._said.append({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1

    def take_place(self, prefix: str, given: str | None = None) -> tuple[int, str]:
        """The place of a new item, and its id: the `given` one where no other item has it."""
        place = self._places
        self._places += 1
        name = given if given and given not in self._names else f"{prefix}_{self._about.call_id}_{place}"
        self._names.add(name)
        return place, name

    def keep(self, place: int, item: Object) -> None:
        """An item is whole."""
        self._output[place] = item
        self.response["output"] = [self._output[index] for index in sorted(self._output)]
        self.say("response.output_item.done", output_index=place, item=item)

    def _start(self, started: Started) -> None:
        if started.id and started.id.startswith("resp_"):
            self.response["id"] = started.id
        self.response["model"] = started.model or self._about.model
        self.response["created_at"] = self._about.created if started.created is None else started.created
        self.say("response.created", response=dict(self.response))
        self.say("response.in_progress", response=dict(self.response))

    def _write_text(self, text: str) -> None:
        if text:
            self._message().add_text(text)
            self.characters += len(text)

    def _message(self) -> OpenMessage:
        if isinstance(self._open, OpenMessage):
            return self._open
        self._end_item()
        message = self._open = OpenMessage(self)
        return message

    def _reasoning(self, given: str | None) -> OpenReasoning:
        if isinstance(self._open, OpenReasoning) and (given is None or self._open.given in (None, given)):
            return self._open
        self._end_item()
        reasoning = self._open = OpenReasoning(self, given)
        return reasoning

    def _sign(self, event: ReasoningSigned) -> None:
        if event.redacted:
            self._end_item()
            self._open = OpenReasoning(self, event.id, seal_redacted(event.signature))
        else:
            self._reasoning(event.id).sealed = seal(event.signature)
        self._end_item()

    def _call(self, started: ToolCallStarted) -> None:
        self._end_item()
        if started.signature is not None:
            self._open = OpenReasoning(self, None, seal_call(started.signature))
            self._end_item()
        self._calls[started.index] = OpenCall(self, started)

    def _picture(self, image: Image) -> None:
        if image.data is None:
            # The item for pictures holds nothing but their data.
            self._write_text(f"![image]({image.url})")
            return
        self._end_item()
        place, name = self.take_place("ig")
        form = (image.media_type or "image/png").removeprefix("image/").removesuffix("+xml")
        item = {"type": "image_generation_call", "id": name, "status": "in_progress", "result": None}
        self.say("response.output_item.added", output_index=place, item=item)
        self.say("response.image_generation_call.completed", output_index=place, item_id=name)
        self.keep(place, {**item, "status": "completed", "result": image.data, "output_format": form})

    def _finish(self, finished: Finished) -> None:
        reason = _INCOMPLETE.get(finished.reason)
        if finished.reason == "refusal" and not self._refused:
            self._message().add_refusal("")
        self._end_item(completed=reason is None, last=True)
        self.response["status"] = "completed" if reason is None else "incomplete"
        self.response["incomplete_details"] = None if reason is None else {"reason": reason}
        if finished.usage is not None and finished.usage.total:
            self.response["usage"] = write_usage(finished.usage)
        self.say("response.completed" if reason is None else "response.incomplete", response=self.response)

    def _fail(self, failed: Failed) -> None:
        """OpenAI sends both: the error for whoever reads on, and the response that it made of this."""
        self.say("error", **write_failure(failed.message, failed.type, failed.code))
        self.response["status"] = "failed"
        code = failed.code or ("rate_limit_exceeded" if failed.status == 429 else "server_error")
        self.response["error"] = {"code": code, "message": failed.message}
        self.say("response.failed", response=self.response)

    def _end_item(self, *, completed: bool = True, last: bool = False) -> None:
        """End what is open. A call whose arguments are no whole object yet stays so, unless it is the `last` chance."""
        status = "completed" if completed else "incomplete"
        if self._open is not None:
            self._open.end(status)
            self._open = None
        for index, call in list(self._calls.items()):
            if last or call.is_whole():
                call.end(status)
                del self._calls[index]


def _begin_response(about: About) -> Object:
    """The response before anything has come, with the parameters of the client's request."""
    asked = about.payload
    echoed = {key: default if asked.get(key) is None else asked[key] for key, default in _ECHOED.items()}
    text, reasoning = asked.get("text"), asked.get("reasoning")
    return {
        "id": f"resp_{about.call_id}",
        "object": "response",
        "created_at": about.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": about.model,
        "output": [],
        "previous_response_id": None,
        "store": False,
        "usage": None,
        **echoed,
        "text": {"format": {"type": "text"}, **(text if isinstance(text, dict) else {})},
        "reasoning": {"effort": None, "summary": None, **(reasoning if isinstance(reasoning, dict) else {})},
    }
