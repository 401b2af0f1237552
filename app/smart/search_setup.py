"""What searches of augmentors need that the operator has to set up: an address, a key, or an entry of the configuration."""

from collections.abc import Callable, Mapping

from app.core.smart import Augmentor
from app.core.smart import SearchProvider as Provider
from app.providers.registry import Registry
from app.settings import InvalidSettings, Settings
from app.settings.monitors import PARALLEL_KEYS

Lacks = Callable[[Augmentor], str | None]
"""What is not there that an augmentor's searches need, as a sentence without its stop that names the setting; None where all is."""

# Perplexity's Agent API has replaced its chat completions, which still answer some. The first one that is there is asked.
AGENT, CHAT = "perplexity-agent/perplexity/sonar", "perplexity/sonar"


class SearchSetup:
    """What there is of it.

    Args:
        knows: whether there is a model of that name to be asked.
    """

    def __init__(self, settings: Settings, knows: Callable[[str], bool]) -> None:
        self._settings = settings
        self._knows = knows
        self._lacks: Mapping[Provider, Lacks] = {
            "searxng": self._lacks_url,
            "parallel": self._lacks_key,
            "perplexity": self._lacks_entry,
        }

    def lacks(self, augmentor: Augmentor) -> str | None:
        """See `Lacks`."""
        return self._lacks[augmentor.search_provider](augmentor)

    def searxng_url(self, augmentor: Augmentor) -> str | None:
        """Where SearXNG is asked."""
        return augmentor.search_provider_url or self._settings.searxng_url

    def parallel_key(self) -> str | None:
        """What Parallel is signed with."""
        return self._settings.parallel_key()

    def _lacks_url(self, augmentor: Augmentor) -> str | None:
        there = self.searxng_url(augmentor)
        return None if there else "SearXNG has no address: set SEARXNG_URL, or search_provider_url of the augmentor"

    def _lacks_key(self, _augmentor: Augmentor) -> str | None:
        try:
            there = self.parallel_key()
        except InvalidSettings as exc:  # a file that holds it was there at the start
            return str(exc).removesuffix(".")
        return None if there else f"Parallel has no API key: set {' or '.join(PARALLEL_KEYS)}"

    def _lacks_entry(self, _augmentor: Augmentor) -> str | None:
        there = self._knows(AGENT) or self._knows(CHAT)
        return None if there else f"Perplexity has no entry with a key in config.json that has {AGENT} or {CHAT}"


def look_at_searches(settings: Settings, registry: Registry) -> SearchSetup:
    """The same by what providers have now."""
    return SearchSetup(settings, lambda name: registry.find(name) is not None)
