"""LLM Relay: a self-hosted gateway between LLM clients and LLM providers."""

import sys

__version__ = "0.1.0"

# Where rich and click are installed, httpx imports its command line tool with them: 60 ms of each start for what nobody calls.
# An entry of None says that there is none, which httpx takes in its stride.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
