"""Sets up the standard library's logging: what the gateway says about itself, beside the log of calls."""

import logging
import logging.handlers
import sys
from datetime import UTC, datetime

from app.core.jsonio import dumps
from app.core.redaction import redact
from app.recent_lines import RecentLines
from app.settings import Settings


def set_up_logging(settings: Settings) -> RecentLines:
    """Send all records to standard output and, with LOG_FILE, to that file, which may be rotated from outside.

    Returns:
        What keeps the last of them in memory too.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    handlers[0].setFormatter(JsonLines() if wants_json(settings) else ConsoleLines())
    if settings.log_file:
        settings.log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.handlers.WatchedFileHandler(settings.log_file, encoding="utf-8"))
        handlers[-1].setFormatter(JsonLines())
    recent = RecentLines()
    handlers.append(recent)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(settings.log_level)
    # uvicorn's own access log would say less about each call than ours does, and cost as much again.
    logging.getLogger("uvicorn.access").disabled = True
    # It tells each statement and each connection at INFO and DEBUG.
    for chatty in ("aiosqlite", "sqlalchemy", "asyncio", "httpx", "httpcore", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    return recent


def wants_json(settings: Settings) -> bool:
    """JSON where nobody is looking: when standard output is no terminal."""
    if settings.log_format == "auto":
        return not sys.stdout.isatty()
    return settings.log_format == "json"


class JsonLines(logging.Formatter):
    """One JSON object a record, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message, and the trace where there is one."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            line["trace"] = redact(self.formatException(record.exc_info))
        return dumps(line).decode()


class ConsoleLines(logging.Formatter):
    """Time, level where it is no everyday one, and message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the trace where there is one."""
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return redact(f"{time}  {level}{record.getMessage()}{trace}")
