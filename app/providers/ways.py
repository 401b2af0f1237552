"""How one provider is asked in each dialect that it speaks: where, with which headers, and in which of them a call goes."""

import httpx

from app.config import ProviderConfig
from app.core.call import Call
from app.core.errors import NotServed
from app.core.frozen import frozen
from app.core.jsonio import Json
from app.dialects.convert import choose_dialect
from app.dialects.openai.form import FORMS
from app.dialects.registry import DIALECTS
from app.dialects.splice import Additions
from app.providers.formats import FORMATS, Format, Path, fixed, read_model_list
from app.providers.http1.outgoing import Headers
from app.providers.told import Told

# Where a client's own function is described: Anthropic's, and Gemini's in both of its spellings.
_DESCRIPTIONS = frozenset({"input_schema", "functionDeclarations", "function_declarations"})


@frozen
class Way:
    """How the provider is asked in one dialect.

    `usual` are headers of which a client of that dialect may bring its own; `additions` are for chats alone.
    """

    root: str
    path: Path
    headers: Headers
    usual: Headers
    additions: Additions


class Ways:
    """All ways of one provider.

    Attributes:
        by_dialect: one for each dialect that passes through to it.
        native: the dialect of chat that all others are translated into.
        models_url: of its list of models.
    """

    def __init__(self, name: str, config: ProviderConfig, secret: str | None) -> None:
        self._name = name
        self._formats = [FORMATS[each] for each in config.api_format]
        first = self._formats[0]
        self.native = next(iter(first.paths))
        paths = {dialect: (form, path) for form in self._formats for dialect, path in form.paths.items()}
        if config.path is not None:
            paths[self.native] = first, fixed(config.path)
        of_chats = Additions(extra=config.payload_extra_parameters, defaults=config.payload_default_parameters)
        self.by_dialect = {
            dialect: Way(
                form.root(config.base_url),
                path,
                _headers(config, form, secret, dialect),
                _usual(config, form),
                of_chats if dialect in DIALECTS else Additions(),
            )
            for dialect, (form, path) in paths.items()
        }
        self.models_url = httpx.URL(first.root(config.base_url) + first.models_path)
        added = config.payload_extra_parameters.get("tools")
        self._adds_built_in_tools = isinstance(added, list) and any(map(_is_built_in, added))

    @property
    def models_headers(self) -> Headers:
        """Those of a request for the list of models."""
        way = self.by_dialect[self.native]
        return [*way.headers, *way.usual]

    def choose(self, call: Call) -> str:
        """The dialect in which the provider is asked.

        Raises:
            NotServed: it has nothing of the kind.
        """
        ways = self.by_dialect
        dialect = call.dialect if call.dialect in ways else choose_dialect(call.dialect, ways)
        if dialect is None:
            raise NotServed(f"{self._name} does not serve {call.surface!r}; ask for a model of another provider.")
        if dialect == "openai" and "responses" in ways and self._has_built_in_tools(call):
            return "responses"  # Chat Completions knows functions only
        return dialect

    def further(self, call: Call, dialect: str) -> Headers:
        """The headers that are another call's another: the client's own, where it speaks the provider's dialect, else the usual."""
        usual = self.by_dialect[dialect].usual
        if not call.headers or call.dialect != dialect:
            return usual
        names = {name for name, _ in call.headers}
        return (*call.headers, *(header for header in usual if header[0] not in names))

    def read_model_list(self, body: bytes) -> list[Told]:
        """The names in the list of models, in the provider's spelling and order.

        Raises:
            UpstreamInvalid: it is none.
        """
        return read_model_list(self._formats, body, self._name)

    def _has_built_in_tools(self, call: Call) -> bool:
        tools = call.payload.get("tools")
        asked = isinstance(tools, list) and any(map(_is_built_in, tools))
        return asked or self._adds_built_in_tools


def _headers(config: ProviderConfig, form: Format, secret: str | None, dialect: str) -> Headers:
    headers = {
        "Host": httpx.URL(config.base_url).netloc.decode(),
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "llm-relay",
    }
    if secret:
        name, scheme = form.key_header
        headers[name] = scheme + secret
    lower = {name.lower() for name in config.headers}
    kept = {name: value for name, value in headers.items() if name.lower() not in lower}
    written = [(name.encode(), value.encode()) for name, value in (kept | config.headers).items()]
    # That of a form tells its boundary: it is the client's.
    return [header for header in written if dialect not in FORMS or header[0].lower() != b"content-type"]


def _usual(config: ProviderConfig, form: Format) -> Headers:
    lower = {name.lower() for name in config.headers}
    return tuple((name.encode(), value.encode()) for name, value in form.headers.items() if name not in lower)


def _is_built_in(tool: Json) -> bool:
    """Whether it is a provider's own tool, such as its search of the web: in no dialect does such a one describe a function."""
    return isinstance(tool, dict) and tool.get("type") not in ("function", "custom") and not _DESCRIPTIONS & tool.keys()
