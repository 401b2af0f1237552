"""Who may import whom, by the table of the architecture; and that nothing happens at import."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A module is in the first row that it matches. It may import from its own row, and what its row allows; whatever stands
# below a name (`app.core.call` below `app.core`) is meant with it.
ALLOWED = {
    "app.core": [],
    "app.settings": ["app.core.places"],
    "app.faults": [],
    "app.config_values": ["app.core"],
    "app.config": ["app.config_values", "app.faults"],
    "app.overrides": ["app.config_values", "app.core", "app.faults"],
    "app.background": [],
    "app.dialects": ["app.core"],
    "app.providers": ["app.core", "app.dialects", "app.config", "app.overrides", "app.__version__"],
    "app.store": ["app.core"],
    "app.auth": ["app.core", "app.store"],
    "app.metering": ["app.core", "app.store", "app.faults", "app.__version__"],
    "app.monitors": ["app.core", "app.store", "app.providers.transport", "app.__version__"],
    "app.web": ["app.core", "app.providers.http1.dial", "app.providers.transport", "app.__version__"],
    "app.likeness": ["app.core"],
    "app.embedders": ["app.core"],
    "app.pipeline": ["app.core", "app.likeness"],
    "app.smart": [
        "app.faults",
        "app.core",
        "app.dialects",
        "app.embedders",
        "app.likeness",
        "app.pipeline",
        "app.providers",
        "app.settings",
        "app.store",
        "app.web",
    ],
    "app.live": ["app.core", "app.pipeline", "app.providers.trial", "app.store"],
    "app.api": [
        "app.core",
        "app.dialects",
        "app.pipeline",
        "app.auth",
        "app.desks",
        "app.exchange",
        "app.metering",
        "app.live",
        "app.monitors",
        "app.providers.registry",
        "app.providers.snapshot",
        "app.providers.trial",
        "app.recent_lines",
        "app.settings",
        "app.smart",
        "app.system",
        "app.__version__",
    ],
    "app.dashboard": ["app.core", "app.auth", "app.api", "app.settings", "app.__version__"],
    "app.logs": ["app.core", "app.recent_lines", "app.settings"],
    "app.recent_lines": ["app.core"],
    "app.system": ["app"],
    "app.observation": ["app.core", "app.metering", "app.pipeline", "app.providers.registry", "app.settings"],
    "app.built_in": ["app.core", "app.providers", "app.settings"],
    "app.pricing": ["app.config", "app.metering", "app.providers.registry"],
    "app.webhook_way": ["app.core", "app.providers", "app.settings", "app.web.guard", "app.web.url"],
    "app.meters": [
        "app.auth",
        "app.config",
        "app.core",
        "app.logs",
        "app.metering",
        "app.observation",
        "app.pipeline",
        "app.pricing",
        "app.providers",
        "app.settings",
        "app.store",
        "app.webhook_way",
    ],
    "app.monitor_service": ["app.core", "app.monitors", "app.settings", "app.store", "app.webhook_way"],
    "app.reload": ["app.config", "app.overrides", "app.settings"],
    "app.definitions": ["app.config", "app.core"],
    "app.catalog": ["app.config", "app.core", "app.definitions", "app.overrides", "app.store"],
    "app.desks": [
        "app.config",
        "app.core",
        "app.definitions",
        "app.metering",
        "app.providers",
        "app.settings",
        "app.smart",
        "app.store",
    ],
    "app.exchange": [
        "app.auth",
        "app.config",
        "app.core",
        "app.definitions",
        "app.desks",
        "app.faults",
        "app.metering",
        "app.overrides",
        "app.smart",
        "app.store",
    ],
    "app.parts": ["app"],
    "app.admin": ["app"],
    "app.routes": ["app"],
    "app.main": ["app"],
    "app": [],
    "cli": ["app"],
}

# Whoever may use a third party; all others must not. What has no row here, anybody may use.
DOORS = {
    # In the store only the errors that Chroma's client lets through.
    "httpx": [
        "app.config_values",
        "app.providers",
        "app.smart",
        "app.web",
        "app.monitors",
        "app.meters",
        "app.monitor_service",
        "app.webhook_way",
        "app.parts",
        "app.main",
        "app.store.vectors.chroma_link",
        "cli",
    ],
    "httptools": ["app.providers", "cli"],
    "sqlmodel": ["app.store"],
    "sqlalchemy": ["app.store"],
    "aiosqlite": ["app.store"],
    "asyncpg": ["app.store.server"],
    "alembic": ["app.store"],
    "chromadb": ["app.store"],
    "slowapi": ["app.auth"],
    "limits": ["app.auth"],
    "redis": ["app.auth.address_limit"],
    "dns": ["app.metering"],
    "cryptography": ["app.metering"],
    "dotenv": ["app.settings"],
    "yaml": ["app.overrides", "cli.name_files"],
    "fastapi": ["app.api", "app.admin", "app.routes", "app.main"],
    "starlette": ["app.api", "app.dashboard", "app.routes"],
    "jinja2": ["app.dashboard"],
    "argon2": ["app.auth.passwords"],
    "prometheus_client": ["app.metering"],
    "standardwebhooks": ["app.metering", "app.monitors"],
    "trafilatura": ["app.web"],
    "lxml": ["app.web"],
    "pypdf": ["app.web"],
    "protego": ["app.web"],
    "charset_normalizer": ["app.web"],
    "opentelemetry": ["app.metering.telemetry"],
    "orjson": ["app.core.jsonio"],
    "re2": ["app.core.patterns"],
    "uvicorn": ["cli"],
    "typer": ["cli"],
    "rich": ["cli"],
    "genai_prices": ["app.metering.bundled"],
    "onnxruntime": ["app.embedders"],
    "tokenizers": ["app.embedders"],
}

NO_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}

# What a module must not do while it is imported: work, network, files, and reading the environment.
NOT_AT_IMPORT = [
    "open",
    "print",
    "input",
    "os.getenv",
    "os.environ*",
    "os.open",
    "os.listdir",
    "os.system",
    "os.makedirs",
    "socket.*",
    "subprocess.*",
    "asyncio.*",
    "httpx.Client",
    "httpx.AsyncClient",
    "httpx.get",
    "sqlite3.*",
    "threading.Thread",
    "load_*",
    "dotenv_values",
    "*.read_text",
    "*.read_bytes",
    "*.write_text",
    "*.mkdir",
    "*.exists",
    "*.is_file",
    "*.resolve",
    "time.*",
    "random.*",
    "create_app",
    "create_engine",
    "create_async_engine",
    "open_*",
    "signal.*",
    "logging.basicConfig",
]


@dataclass(frozen=True)
class Import:
    """One name that a module imports; `typed` where only a type checker sees it."""

    line: int
    name: str
    typed: bool = False


@dataclass
class Module:
    """A module of the gateway: its dotted name and its syntax."""

    name: str
    tree: ast.Module

    def __str__(self) -> str:
        return self.name

    @cached_property
    def imports(self) -> list[Import]:
        """All imports, also those inside functions."""
        return list(self._imports())

    def _imports(self) -> Iterator[Import]:
        typed = {id(node) for block in ast.walk(self.tree) if _is_for_types(block) for node in ast.walk(block)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(node.lineno, alias.name, id(node) in typed) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}:{node.lineno}: imports are absolute"
                yield from (Import(node.lineno, f"{node.module}.{a.name}", id(node) in typed) for a in node.names)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def modules_of(*packages: str) -> list[Module]:
    found = []
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Module(name, ast.parse(path.read_text())))
    return found


def is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def row_of(name: str) -> str:
    return next(row for row in ALLOWED if is_below(name, row))


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return modules_of("app", "cli")


def test_modules_import_only_what_their_layer_may(modules: list[Module]) -> None:
    wrong = [
        f"{module}, line {each.line}: must not import {each.name}"
        for module in modules
        for each in module.imports
        if each.name.split(".")[0] in ("app", "cli", "tests", "benchmarks")
        and not any(is_below(each.name, allowed) for allowed in [row_of(module.name), *ALLOWED[row_of(module.name)]])
    ]

    assert wrong == []


def test_third_parties_come_in_by_their_doors(modules: list[Module]) -> None:
    wrong = [
        f"{module}, line {each.line}: must not import {each.name}"
        for module in modules
        for each in module.imports
        if (party := each.name.split(".")[0]) in DOORS
        and not any(is_below(module.name, door) for door in DOORS[party])
        and not (each.typed and module.name.startswith("cli."))
    ]

    assert wrong == []


def test_nobody_but_the_command_line_imports_main(modules: list[Module]) -> None:
    importers = {module.name for module in modules if any(is_below(each.name, "app.main") for each in module.imports)}

    assert {name for name in importers if not name.startswith("cli")} == set()


def test_nothing_happens_at_import(modules: list[Module]) -> None:
    done = [
        f"{module}, line {node.lineno}: {ast.unparse(node)}"
        for module in modules
        for node in _run_at_import(module.tree)
        if isinstance(node, ast.Call | ast.Subscript) and _is_forbidden(node)
    ]

    assert done == []


def test_modules_say_what_they_are(modules: list[Module]) -> None:
    assert [module.name for module in modules if not ast.get_docstring(module.tree)] == []
    assert [module.name for module in modules if module.name.rpartition(".")[2] in NO_NAMES] == []


def test_every_layer_of_the_table_is_one(modules: list[Module]) -> None:
    assert {row_of(module.name) for module in modules} >= {"app.core", "app.dialects", "app.pipeline", "app.api", "cli"}
    assert all(is_below(allowed, "app") for row in ALLOWED.values() for allowed in row)


@pytest.mark.parametrize(
    "source",
    [
        "x = open('f')",
        "import os\nKEY = os.environ['KEY']",
        "import os\nKEY = os.environ.get('KEY')",
        "import os\nKEY = os.getenv('KEY')",
        "import socket\ns = socket.socket()",
        "from pathlib import Path\nTEXT = Path('x').read_text()",
        "class A:\n    x = open('f')",
        "def f(x=open('f')): ...",
        "@open('f')\ndef f(): ...",
        "if True:\n    open('f')",
        "import asyncio\nLOCK = asyncio.Lock()",
    ],
)
def test_work_at_import_is_seen(source: str) -> None:
    assert any(
        _is_forbidden(node) for node in _run_at_import(ast.parse(source)) if isinstance(node, ast.Call | ast.Subscript)
    )


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    open('f')",
        "class A:\n    def f(self):\n        return open('f')",
        "f = lambda: open('f')",
        "import re\nX = re.compile('a')",
        "import os\ndef f(environ=os.environ): ...",
        "if __name__ == '__main__':\n    print(open('f'))",
        "async def f():\n    open('f')",
    ],
)
def test_work_for_later_is_allowed(source: str) -> None:
    nodes = [node for node in _run_at_import(ast.parse(source)) if isinstance(node, ast.Call | ast.Subscript)]

    assert not any(_is_forbidden(node) for node in nodes)


def _run_at_import(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """What is run when the module is: all but the bodies of functions, and what is there for `python -m`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "__name__ == '__main__'":
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            defaults = [default for default in [*child.args.defaults, *child.args.kw_defaults] if default is not None]
            decorators = [] if isinstance(child, ast.Lambda) else child.decorator_list
            for run in [*defaults, *decorators]:
                yield run
                yield from _run_at_import(run)
            continue
        if isinstance(child, ast.expr | ast.stmt):
            yield child
        yield from _run_at_import(child)


def _is_forbidden(node: ast.Call | ast.Subscript) -> bool:
    if isinstance(node, ast.Subscript):
        return ast.unparse(node.value) == "os.environ"
    return any(fnmatchcase(ast.unparse(node.func), pattern) for pattern in NOT_AT_IMPORT)
