"""All strict providers, by their dialect."""

from tests.e2e.strict.anthropic import StrictAnthropic
from tests.e2e.strict.base import Strict
from tests.e2e.strict.gemini import StrictGemini
from tests.e2e.strict.ollama import StrictOllama
from tests.e2e.strict.openai import StrictOpenAI
from tests.e2e.strict.responses import StrictResponses

STRICT: dict[str, type[Strict]] = {
    "openai": StrictOpenAI,
    "responses": StrictResponses,
    "anthropic": StrictAnthropic,
    "gemini": StrictGemini,
    "ollama": StrictOllama,
}
