"""The tables, as SQLModel classes.

Every `*_at` and `*_until` column is UTC in whole milliseconds since 1970, every `day` the number of UTC days since then
(`app.store.times`). Names of columns are also the keys of the rows that the queries beside this file take and give.

A change here needs a revision in `migrations/versions`; a test compares the two.
"""

from importlib import import_module

from sqlalchemy import MetaData

from app.store.tables.alerts import ALERT_DISMISSALS, ALERTS
from app.store.tables.base import METADATA as _METADATA
from app.store.tables.calls import CLIENT_HOSTS, REQUEST_BODIES, REQUEST_LOGS
from app.store.tables.catalog import CHANGED_PROVIDERS, CUSTOM_PROVIDERS, MODEL_PRICES, MODELS
from app.store.tables.limits import LIMIT_HOLDS, LIMIT_USES, LIMIT_WORKERS, USERS
from app.store.tables.smart_models import (
    ALIASES,
    REDIRECTS,
    ROUTER_SESSIONS,
    SMART_AUGMENTORS,
    SMART_CACHE_PINS,
    SMART_CACHE_TRIALS,
    SMART_CACHES,
    SMART_ROUTERS,
)
from app.store.tables.sums import USAGE_DAYS, USAGE_HOURS, USAGE_KEYS, USAGE_TOTALS
from app.store.tables.tasks import LEASES
from app.store.tables.tokens import QUOTA_DAYS, QUOTA_LEASES, REVISIONS, TOKENS

__all__ = [
    "ALERTS",
    "ALERT_DISMISSALS",
    "ALIASES",
    "CHANGED_PROVIDERS",
    "CLIENT_HOSTS",
    "CUSTOM_PROVIDERS",
    "LEASES",
    "LIMIT_HOLDS",
    "LIMIT_USES",
    "LIMIT_WORKERS",
    "MODELS",
    "MODEL_PRICES",
    "QUOTA_DAYS",
    "QUOTA_LEASES",
    "REDIRECTS",
    "REQUEST_BODIES",
    "REQUEST_LOGS",
    "REVISIONS",
    "ROUTER_SESSIONS",
    "SMART_AUGMENTORS",
    "SMART_CACHES",
    "SMART_CACHE_PINS",
    "SMART_CACHE_TRIALS",
    "SMART_ROUTERS",
    "TOKENS",
    "USAGE_DAYS",
    "USAGE_HOURS",
    "USAGE_KEYS",
    "USAGE_TOTALS",
    "USERS",
    "all_tables",
]


def all_tables() -> MetaData:
    """Them, with those of monitors and of the dashboard: no query needs these as tables, and each start would wait for them."""
    import_module("app.store.tables.monitors")
    import_module("app.store.tables.admin")
    return _METADATA
