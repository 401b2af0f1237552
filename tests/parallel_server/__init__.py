"""A stand-in of Parallel's Monitor API, made from its OpenAPI document and the recordings; the official SDK runs against it.

In a test:

    with running_parallel(secrets=[SECRET]) as parallel:
        parallel.order(Fault(status=503), operation="create")
        ...
        group = parallel.detect(monitor_id, "Acme AI raised a $50M Series B.")

By hand: `python -m tests.parallel_server --port 8787 --secret whsec_…`.
"""

from tests.parallel_server.faults import Fault
from tests.parallel_server.server import KEY, Asked, ParallelServer, running_parallel
from tests.parallel_server.state import alpha_event, json_event, snapshot_event, text_event
from tests.parallel_server.webhooks import Delivery, sign

__all__ = [
    "KEY",
    "Asked",
    "Delivery",
    "Fault",
    "ParallelServer",
    "alpha_event",
    "json_event",
    "running_parallel",
    "sign",
    "snapshot_event",
    "text_event",
]
