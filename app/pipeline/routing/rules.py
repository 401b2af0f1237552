"""The rules of a router: which one holds for a request."""

from datetime import UTC, date, datetime, time

from app.core.patterns import compile_pattern
from app.core.smart import Rule
from app.pipeline.routing.question import Question

MAX_SEARCHED = 20_000
"""Characters of a message in which patterns are looked for: its first half and its last where it is longer."""

_ANY_DAY = date(2000, 1, 2)


def holds(rule: Rule, question: Question, at: float) -> bool:
    """Whether all that a rule says is true of the request, at a moment in seconds since the epoch."""
    return (
        (rule.min_tokens is None or question.tokens >= rule.min_tokens)
        and (rule.max_tokens is None or question.tokens <= rule.max_tokens)
        and (rule.images is None or question.images == rule.images)
        and (rule.tools is None or question.tools == rule.tools)
        and _is_time(rule.after, rule.before, at)
        and (rule.pattern is None or compile_pattern(rule.pattern).search(_searched(question.last)) is not None)
    )


def _is_time(after: time | None, before: time | None, at: float) -> bool:
    """From `after` on and up to `before`, which is no longer in it; over midnight where that is the earlier one."""
    if after is None and before is None:
        return True
    now = datetime.fromtimestamp(at, UTC).time()
    start, end = _utc(after) or time.min, _utc(before)
    if end is None:
        return now >= start
    return start <= now < end if start < end else now >= start or now < end


def _utc(moment: time | None) -> time | None:
    if moment is None or moment.tzinfo is None:
        return moment
    return datetime.combine(_ANY_DAY, moment).astimezone(UTC).time()


def _searched(text: str) -> str:
    half = MAX_SEARCHED // 2
    return text if len(text) <= MAX_SEARCHED else f"{text[:half]}\n{text[-half:]}"
