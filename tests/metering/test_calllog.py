"""The log of calls: its fields, nothing secret, and a file that may be rotated."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.core.reply import Outcome
from app.core.usage import Usage
from app.metering.calllog import CallLog, console_line, json_line
from tests.calls import make_record


def parsed(**fields: Any) -> dict[str, Any]:
    line = json_line(make_record(**fields))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    document: dict[str, Any] = json.loads(line)
    return document


def test_line_for_machines_has_these_fields() -> None:
    assert parsed() == {
        "time": "2026-01-01T00:00:00.250+00:00",
        "level": "info",
        "event": "call",
        "request_id": "req_0123456789",
        "username": "alice",
        "token_id": "Ab3dEf9h",
        "tags": [],
        "client": "192.0.2.7",
        "surface": "chat",
        "name": "GPT-X:latest",
        "provider": "openai",
        "model": "gpt-x",
        "streamed": False,
        "status": 200,
        "outcome": "ok",
        "attempts": 1,
        "rescued": False,
        "input_tokens": 10,
        "cache_read_tokens": 5,
        "cache_write_tokens": 0,
        "output_tokens": 7,
        "reasoning_tokens": 3,
        "usage_estimated": False,
        "cost": None,
        "first_byte_ms": 120,
        "total_ms": 340,
    }


def test_error_is_a_field_where_there_is_one() -> None:
    assert parsed(error="It broke off.", outcome=Outcome.CUT)["error"] == "It broke off."


def test_cost_is_the_call_s_as_a_text_without_an_exponent() -> None:
    line = parsed(usage=Usage(1, cost=Decimal("0.1")), cost=Decimal("1E-7"))

    assert line["cost"] == "0.0000001"


def test_tags_and_what_else_few_calls_have_are_fields() -> None:
    line = parsed(tags=("a", "b"), end_user="u1", alias="fast", parent_id="req_1", helper="broken")

    told = ("tags", "end_user", "alias", "parent_id", "helper")
    assert [line[name] for name in told] == [["a", "b"], "u1", "fast", "req_1", "broken"]
    assert "router" not in line


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "\ud800", "\u2028", "\x00", '"'])
def test_name_cannot_break_out_of_its_line(name: str) -> None:
    assert parsed(name=name)["name"] == name


def test_line_for_people_has_columns() -> None:
    line = console_line(make_record()).decode()

    assert line.split()[1:] == (
        ["200", "ok", "alice", "openai/gpt-x", "15\u219210", "tokens", "no", "price", "120/340", "ms", "req_0123456789"]
    )


def test_line_for_people_has_tags_and_cost() -> None:
    line = console_line(make_record(tags=("a", "b"), cost=Decimal("0.00012"))).decode()

    assert "  alice [a,b]  " in line
    assert "  0.00012 USD  " in line


def test_line_for_people_marks_an_estimate() -> None:
    assert "~4\u21922 tokens" in console_line(make_record(usage=Usage(4, output=2, estimated=True))).decode()


def test_line_for_people_has_the_name_where_no_provider_was_found() -> None:
    line = console_line(make_record(provider=None, model=None, first_byte_ms=None, error="No such\n  model")).decode()

    assert "  GPT-X:latest  " in line
    assert "  \u2013/340 ms  " in line
    assert line.endswith("  No such model\n")


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "\x1b[2Jgone", "\ud800", "\u2028", "\x9b31m"])
def test_name_commands_no_terminal_and_makes_no_line_of_its_own(name: str) -> None:
    line = console_line(make_record(provider=None, name=name, username=name, error=name)).decode()

    assert line[:-1].isprintable()
    assert line.endswith("\n")


def test_lines_go_to_standard_output_and_to_the_file(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    calls = CallLog(as_json=True, file=tmp_path / "logs" / "relay.log")

    calls.write([make_record(id="a"), make_record(id="b")])
    calls.close()

    written = (tmp_path / "logs" / "relay.log").read_bytes()
    assert [json.loads(line)["request_id"] for line in written.splitlines()] == ["a", "b"]
    assert capfdbinary.readouterr().out == written


def test_file_has_json_also_where_a_terminal_has_columns(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    calls = CallLog(as_json=False, file=tmp_path / "relay.log")

    calls.write([make_record()])
    calls.close()

    assert json.loads((tmp_path / "relay.log").read_bytes())["request_id"] == "req_0123456789"
    assert capfdbinary.readouterr().out.startswith(console_line(make_record())[:8])


def test_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "relay.log"
    calls = CallLog(as_json=True, file=path)
    calls.write([make_record(id="before")])

    path.rename(tmp_path / "relay.log.1")
    calls.write([make_record(id="after")])
    calls.close()

    assert b"before" in (tmp_path / "relay.log.1").read_bytes()
    assert json.loads(path.read_bytes())["request_id"] == "after"


def test_file_that_was_replaced_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "relay.log"
    calls = CallLog(as_json=True, file=path)

    path.rename(tmp_path / "relay.log.1")
    path.write_bytes(b"new\n")
    calls.write([make_record(id="after")])
    calls.close()

    assert path.read_bytes().startswith(b"new\n{")
    assert (tmp_path / "relay.log.1").read_bytes() == b""


def test_file_that_was_emptied_goes_on_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "relay.log"
    calls = CallLog(as_json=True, file=path)
    calls.write([make_record(id="before")])

    os.truncate(path, 0)
    calls.write([make_record(id="after")])
    calls.close()

    assert json.loads(path.read_bytes())["request_id"] == "after"


def test_file_that_cannot_be_opened_anew_is_no_trouble_of_the_calls(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    calls = CallLog(as_json=True, file=folder / "relay.log")
    (folder / "relay.log").rename(tmp_path / "kept.log")
    folder.rmdir()
    folder.write_bytes(b"no folder")

    calls.write([make_record(id="lost")])
    folder.unlink()
    folder.mkdir()
    (tmp_path / "kept.log").rename(folder / "relay.log")
    calls.write([make_record(id="lost too")])
    calls.close()


def test_output_that_is_closed_is_no_trouble_of_the_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "gone").open("w") as gone:
        monkeypatch.setattr("sys.stdout", gone)
    calls = CallLog(as_json=True, file=tmp_path / "relay.log")

    calls.write([make_record(id="a")])
    calls.close()

    assert b'"a"' in (tmp_path / "relay.log").read_bytes()


def test_classes_that_few_calls_have_are_logged_where_there_are_any() -> None:
    plain = json.loads(json_line(make_record()))
    heard = json.loads(json_line(make_record(usage=Usage(input_audio=3, audio_ms=9000, cache_write_1h=2, searches=1))))

    assert not {"input_audio_tokens", "audio_ms", "searches", "images"} & plain.keys()
    told = ("input_audio_tokens", "audio_ms", "cache_write_1h_tokens", "searches")
    assert [heard[key] for key in told] == [3, 9000, 2, 1]
