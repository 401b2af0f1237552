"""What a command says where its database cannot be used."""

from pathlib import Path

import pytest
import typer

from app.store.db import Database
from cli.database import on_database


def test_command_says_in_plain_words_that_the_database_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/relay.db")
    monkeypatch.chdir(tmp_path)

    async def work(database: Database) -> None:
        await database.transact(lambda statements: statements.rows("SELECT * FROM nothing", {}))

    with pytest.raises(typer.Exit):
        on_database(None, work, upgrades=False)

    assert capsys.readouterr().err == "The database cannot be used now.\n"
