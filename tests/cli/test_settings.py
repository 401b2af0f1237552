"""Settings that are changed while the gateway runs, and all that was made here carried elsewhere, by commands."""

import json
from pathlib import Path

import yaml

from tests.cli.test_limits import Relay, relay

__all__ = ["relay"]


def test_setting_is_set_shown_and_reset(relay: Relay) -> None:
    assert (
        "retention_days is 30, whatever the environment says."
        in relay("settings", "set", "retention_days", "30").output
    )
    relay("settings", "set", "dns_resolution", "true")

    listed = {each["name"]: each for each in json.loads(relay("settings", "list", "--json").output)}
    assert (listed["retention_days"]["value"], listed["retention_days"]["environment"]) == (30, 90)
    assert listed["dns_resolution"]["value"] is True
    assert "RETENTION_DAYS" in relay("settings", "list").output
    assert "retention_days is 90, as the environment says." in relay("settings", "reset", "retention_days").output
    assert "a whole number" in relay("settings", "set", "retention_days", "many", status=1).output
    assert "There is no setting 'host'" in relay("settings", "reset", "host", status=1).output


def test_everything_is_exported_and_imported(relay: Relay, tmp_path: Path) -> None:
    relay("settings", "set", "retention_days", "30")
    relay("users", "limit", "ann", "--max-concurrent", "3")
    relay("config", "export", "all.yaml")
    document = yaml.safe_load((tmp_path / "all.yaml").read_text())
    assert (document["settings"], document["users"]) == ({"retention_days": 30}, {"ann": {"max_concurrent": 3}})

    relay("users", "limit", "ann", "--max-concurrent", "none")
    relay("users", "limit", "bob", "--max-concurrent", "4")
    shown = json.loads(relay("config", "import", "all.yaml", "--replace", "--dry-run", "--json").output)
    assert [(line["key"], line["action"]) for line in shown["lines"]] == [("ann", "added"), ("bob", "removed")]
    assert "Done." in relay("config", "import", "all.yaml", "--replace", "--yes").output
    assert "0 to change" in relay("config", "import", "all.yaml", "--replace", "--yes").output
    (tmp_path / "bad.yaml").write_text("format: llm-relay-export\nversion: 1\nusers: {ann: {max_concurrent: 0}}\n")
    assert "users.ann: max_concurrent is 0" in relay("config", "import", "bad.yaml", "--yes", status=1).output
