"""What the modules beside this one build tables with."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Table
from sqlmodel import Field, SQLModel

METADATA = SQLModel.metadata

WITHOUT_ROWID = {"sqlite_with_rowid": False}
"""Rows lie in the order of their key: what is read of a period lies together."""


class Row(SQLModel):
    """A row; queries take and give mappings, so that no model of it is built before one is asked for."""

    model_config = {"defer_build": True}


class JsonOrNull(JSON):
    """JSON, where None is the column's NULL, not the word `null` in it: so that a row that is read and written again is the same."""

    def __init__(self) -> None:
        super().__init__(none_as_null=True)


def count() -> Any:
    """A number that rows of before have not, and so is 0 in them."""
    return Field(sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


def table_of(model: type[SQLModel]) -> Table:
    """What queries are made of."""
    return METADATA.tables[str(model.__tablename__)]
