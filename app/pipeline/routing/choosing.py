"""Asks a designator which candidate is to answer."""

import time
from collections.abc import Callable, Sequence

from app.core.abilities import UNKNOWN, Known
from app.core.call import Call, Target
from app.core.chat import ChatRequest
from app.core.errors import InvalidRequest, RelayError, UnknownModel, UpstreamError, UpstreamTimeout
from app.core.events import Completion
from app.core.ports import Directory, PriceList
from app.core.smart import Router
from app.pipeline.asking import Asker
from app.pipeline.routing.candidates import Seen
from app.pipeline.routing.decision import NotChosen
from app.pipeline.routing.designator import read_choice, takes_schemas, write_question
from app.pipeline.routing.prices import offer
from app.pipeline.routing.question import Question

HELPER = "designator"
_REFUSED = frozenset({400, 404, 415, 422, 501})
"""Statuses of providers that do not know a parameter."""
_MOST_REMEMBERED = 1000


class DesignatorChooser:
    """Asks designators, within the time that is left.

    A designator that refuses a request with a schema is asked once more without, and never again with.

    Args:
        known: what is known of a target, from memory.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        asker: Asker,
        directory: Directory,
        prices: PriceList,
        known: Callable[[Target], Known],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._asker = asker
        self._directory = directory
        self._prices = prices
        self._known = known
        self._clock = clock
        self._refusing: set[str] = set()

    async def choose(
        self, call: Call, router: Router, viable: Sequence[Seen], question: Question, deadline: float
    ) -> str:
        """The name of one of `viable`.

        Raises:
            NotChosen: the designator did not answer in time, failed, or named none of them, or several.
        """
        designator = router.designator_model or ""
        known = self._known_of(designator)
        offers = [offer(self._prices, each, self._clock()) for each in viable]

        def asked(*, plain: bool) -> ChatRequest:
            return write_question(router, offers, question, known, plain=plain)

        plain = designator in self._refusing
        try:
            try:
                answer = await self._ask(call, designator, asked(plain=plain), deadline)
            except (UpstreamError, InvalidRequest) as exc:
                if plain or not takes_schemas(known) or not _is_refusal(exc):
                    raise
                answer = await self._ask(call, designator, asked(plain=True), deadline)
                self._remember(designator)
        except (UpstreamTimeout, TimeoutError):
            raise NotChosen("timeout", "the designator did not answer in time") from None
        except UnknownModel:
            raise NotChosen("error", f"the designator {designator} is not there") from None
        except RelayError as exc:
            raise NotChosen("error", f"the designator failed with {exc.status}") from exc
        choice = read_choice(answer, [each.model for each in viable])
        if choice is None:
            raise NotChosen("garbage", "the designator named no candidate")
        return choice

    async def _ask(self, call: Call, designator: str, request: ChatRequest, deadline: float) -> Completion:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return await self._asker.ask(call, designator, request, helper=HELPER, timeout_s=left_s)

    def _known_of(self, designator: str) -> Known:
        route = self._directory.find(designator)
        return UNKNOWN if route is None else self._known(route.choices[0].target)

    def _remember(self, designator: str) -> None:
        if len(self._refusing) >= _MOST_REMEMBERED:
            self._refusing.clear()
        self._refusing.add(designator)


def _is_refusal(exc: RelayError) -> bool:
    return exc.status in _REFUSED
