"""Which store semantic caches have."""

from pathlib import Path

from app.core.ports import CacheStore
from app.store.vectors.chroma import ChromaCacheStore
from app.store.vectors.chroma_link import ChromaServer
from app.store.vectors.embedded import FILE_NAME, EmbeddedCacheStore


def open_cache_store(data_dir: Path, server: ChromaServer | None, prefix: str) -> CacheStore:
    """Chroma's where there is a server, else a file in `data_dir`. It costs nothing until it is used; whoever opens it closes it."""
    if server is not None:
        return ChromaCacheStore(server, prefix)
    return EmbeddedCacheStore(data_dir / FILE_NAME)
