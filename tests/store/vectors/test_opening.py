"""Which store semantic caches have, and that one which is not used costs nothing."""

import subprocess
import sys
from pathlib import Path

from app.store.vectors.chroma import ChromaCacheStore
from app.store.vectors.chroma_link import ChromaServer
from app.store.vectors.embedded import EmbeddedCacheStore
from app.store.vectors.opening import open_cache_store

_SCRIPT = """
import sys, threading
from pathlib import Path
import app.main
from app.store.vectors.chroma_link import ChromaServer
from app.store.vectors.opening import open_cache_store
for server in (None, ChromaServer("http://127.0.0.1:1")):
    open_cache_store(Path(sys.argv[1]), server, "p_")
print([name for name in ("numpy", "chromadb") if name in sys.modules], threading.active_count(), list(Path(sys.argv[1]).iterdir()))
"""


def test_store_is_on_the_server_where_there_is_one(tmp_path: Path) -> None:
    assert isinstance(open_cache_store(tmp_path, ChromaServer("http://127.0.0.1:1"), "p_"), ChromaCacheStore)
    assert isinstance(open_cache_store(tmp_path, None, "p_"), EmbeddedCacheStore)


def test_store_that_is_not_used_imports_and_starts_nothing(tmp_path: Path) -> None:
    output = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout

    assert output == "[] 1 []\n"
