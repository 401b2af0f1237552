"""A changed configuration is taken while calls go on; one that cannot be used changes nothing."""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app import reload as reload_module
from app.reload import Files, Reloader
from app.settings import InvalidSettings, Settings


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload_module, "LOOK_S", 0.005)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"old": {"base_url": "http://old"}}))
    return Settings(config_path=path)


class Applied(list[tuple[list[str], object]]):
    """What was taken: the keys of the providers, and the settings that find the secrets."""

    def apply(self, files: Files) -> None:
        self.append((list(files.config.providers), getattr(files.secret, "__self__", None)))


@contextlib.asynccontextmanager
async def watching(reloader: Reloader) -> AsyncIterator[None]:
    """The reloader's loop beside the body."""
    task = asyncio.create_task(reloader.run())
    try:
        await asyncio.sleep(0.02)
        yield
        assert not task.done(), "the loop goes on"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        with contextlib.suppress(ValueError):
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for is a state that tells nobody
            await asyncio.sleep(0.002)


def write(settings: Settings, text: str) -> None:
    draft = settings.config_path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(settings.config_path)


NEW = json.dumps({"new": {"base_url": "http://new"}})


async def test_changed_file_is_taken(settings: Settings) -> None:
    applied = Applied()

    async with watching(Reloader(settings, lambda: settings, applied.apply)):
        write(settings, NEW)
        await until(lambda: len(applied) > 0)

    assert applied == [(["new"], settings)]


async def test_file_that_stays_is_not_taken_again(settings: Settings) -> None:
    applied = Applied()

    async with watching(Reloader(settings, lambda: settings, applied.apply)):
        await asyncio.sleep(0.05)

    assert applied == []


async def test_hang_up_takes_the_file_and_the_settings_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload_module, "LOOK_S", 60.0)
    applied = Applied()
    changed = replace(settings, environ={"KEY": "new"})

    async with watching(Reloader(settings, lambda: changed, applied.apply)):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: len(applied) > 0)

    assert applied == [(["old"], changed)]


@pytest.mark.parametrize("text", ["", "{", '{"a": {"base_url": "x"}}', '{"a": {"nmae": 5}}'])
async def test_file_that_cannot_be_used_changes_nothing_and_is_told_of(
    settings: Settings, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    applied = Applied()

    async with watching(Reloader(settings, lambda: settings, applied.apply)):
        write(settings, text)
        await until(lambda: "the old one stays in force" in caplog.text)
        assert applied == []
        write(settings, NEW)
        await until(lambda: len(applied) > 0)

    assert applied == [(["new"], settings)]


async def test_file_that_is_gone_for_a_while_changes_nothing(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    applied = Applied()

    async with watching(Reloader(settings, lambda: settings, applied.apply)):
        settings.config_path.unlink()
        await until(lambda: "cannot be read" in caplog.text)
        write(settings, NEW)
        await until(lambda: len(applied) > 0)

    assert applied == [(["new"], settings)]


async def test_fault_is_told_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    async with watching(Reloader(settings, lambda: settings, Applied().apply)):
        write(settings, "{")
        await asyncio.sleep(0.05)

    assert caplog.text.count("the old one stays in force") == 1


@pytest.mark.parametrize("where", ["settings", "keys"])
def test_setting_that_cannot_be_used_changes_nothing(
    settings: Settings, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Settings:
        raise InvalidSettings("A_KEY_FILE names 'x', which cannot be read")

    def read() -> Settings:
        return fail() if where == "settings" else settings

    def apply(new: Files) -> None:
        if where == "keys":
            fail()
        applied.apply(new)

    applied = Applied()

    with caplog.at_level(logging.INFO):
        Reloader(settings, read, apply).reload()

    assert "A_KEY_FILE" in caplog.text
    assert "took the changed configuration" not in caplog.text
    assert applied == []


async def test_changed_file_of_overrides_is_taken(settings: Settings, tmp_path: Path) -> None:
    overrides = tmp_path / "model_overrides.yaml"
    overrides.write_text("providers: {}")
    both = replace(settings, overrides_path=overrides)
    applied = Applied()

    async with watching(Reloader(both, lambda: both, applied.apply)):
        overrides.write_text("providers: {acme: {}}")
        await until(lambda: len(applied) > 0)

    assert applied == [(["old"], both)]


async def test_file_of_overrides_that_is_there_after_sighup_is_watched_from_then_on(
    settings: Settings, tmp_path: Path
) -> None:
    overrides = tmp_path / "model_overrides.yaml"
    overrides.write_text("providers: {}")
    later = replace(settings, overrides_path=overrides)
    applied = Applied()

    async with watching(Reloader(settings, lambda: later, applied.apply)):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: len(applied) == 1)
        overrides.write_text("providers: {acme: {}}")
        await until(lambda: len(applied) == 2)

    assert [taken for _, taken in applied] == [later, later]


async def test_overrides_that_cannot_be_used_change_nothing(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    overrides = tmp_path / "model_overrides.yaml"
    overrides.write_text("providers: {acme: {modles: {}}}")
    applied = Applied()

    with caplog.at_level(logging.INFO):
        Reloader(settings, lambda: replace(settings, overrides_path=overrides), applied.apply).reload()

    assert "providers.acme.modles" in caplog.text
    assert "took the changed configuration" not in caplog.text
    assert applied == []
