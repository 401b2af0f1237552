"""The dashboard and the scrape example: what they name is what the gateway tells."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families as parse

from app.core.errors import QuotaExceeded
from app.core.record import Failure
from app.metering.exposition import Exposition
from app.metering.families import BREAKERS, FAMILIES, PREFIX, UNDER_WAY
from app.metering.metrics import Metrics
from tests.calls import make_record

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
DASHBOARD = json.loads((FOLDER / "llm-relay.json").read_text())
NAME = re.compile(rf"{PREFIX}\w+")
SELECTOR = re.compile(rf"({PREFIX}\w+)\{{([^}}]*)\}}")
GROUPED = re.compile(r"by \(([^)]*)\)")


def queries() -> Iterator[str]:
    """Of all panels and variables."""
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (each["definition"] for each in DASHBOARD["templating"]["list"] if "definition" in each)


async def told() -> dict[str, set[str]]:
    """The labels of each sample of `/metrics`, by its name, after something of everything happened."""
    metrics = Metrics(lambda: {("openai", "gpt-x")})
    failure = Failure("timeout", "openai", "gpt-x", 0, "slow")
    metrics.observe([make_record(cost=Decimal(1), cache="faq", cache_hit=True, failures=(failure,))])
    metrics.observe([make_record(helper="search", parent_id="req_1")])
    metrics.refuse(QuotaExceeded("no"))
    metrics.count_smart_failure("router", "auto", "timeout")
    metrics.count_webhook("stored")
    metrics.count_given_up()
    breakers = {("openai", "gpt-x", "open"): 1.0}
    shared = {family.name: {(): 1.0} for family in FAMILIES if family.shared}
    gauges: Any = {UNDER_WAY.name: {(): 1.0}, BREAKERS.name: breakers, **shared}
    text, _ = await Exposition(metrics, lambda: gauges).render()
    return {sample.name: set(sample.labels) for family in parse(text.decode()) for sample in family.samples}


async def test_every_metric_of_the_dashboard_is_there() -> None:
    there = await told()

    named = {name for query in queries() for name in NAME.findall(query)}

    assert named <= there.keys()
    assert len(named) > 10


async def test_every_label_of_the_dashboard_is_there() -> None:
    there = await told()

    for query in queries():
        for name, selectors in SELECTOR.findall(query):
            assert set(re.findall(r"(\w+)(?:=|!)", selectors)) <= there[name], query
        for grouped in GROUPED.findall(query):
            labels = {label.strip() for label in grouped.split(",")} - {"instance"}  # Prometheus' own
            assert all(labels <= there[name] for name in NAME.findall(query)), query


def test_every_metric_has_a_panel() -> None:
    shown = " ".join(queries())

    assert [family.name for family in FAMILIES if PREFIX + family.name not in shown] == []


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23


def test_prometheus_is_told_where_to_look() -> None:
    (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]

    assert job["metrics_path"] == "/metrics"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8080"]}]
