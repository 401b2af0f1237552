"""What models cost and can do, and the providers that were added beside the configuration, or changed over it."""

from typing import Any

from sqlalchemy import JSON, BigInteger
from sqlmodel import Field

from app.store.tables.base import JsonOrNull, Row, table_of


class ModelPrice(Row, table=True):
    """What a model costs by one source, `admin` or `litellm`, instead of the prices that come with the gateway.

    Attributes:
        provider: its key in the configuration.
        rates: as `app.metering.rates` reads them.
        version: told in the rows that were priced by it.
    """

    __tablename__ = "model_prices"

    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    source: str = Field(primary_key=True, max_length=16)
    rates: dict[str, Any] = Field(sa_type=JSON)
    version: str
    updated_at: int = Field(sa_type=BigInteger)


class CatalogModel(Row, table=True):
    """What is known of a model by one source: `custom` is made by an administrator, `litellm` and `synced` were looked up.

    None says nothing, and the next source is asked.

    Attributes:
        enabled: False where it is not to be offered, True where it is, also when its provider does not list it.
    """

    __tablename__ = "models"

    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    source: str = Field(primary_key=True, max_length=16)
    family: str | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    capabilities: list[str] | None = Field(default=None, sa_type=JsonOrNull)
    description: str | None = None
    enabled: bool | None = None
    updated_at: int = Field(sa_type=BigInteger)


class CustomProvider(Row, table=True):
    """A provider that was added while the gateway runs.

    Attributes:
        definition: as an entry of `providers` in the configuration; it names the variable of its key, never the key.
    """

    __tablename__ = "custom_providers"

    key: str = Field(primary_key=True)
    definition: dict[str, Any] = Field(sa_type=JSON)
    updated_at: int = Field(sa_type=BigInteger)


class ChangedProvider(Row, table=True):
    """What counts in the place of a provider's entry in the configuration.

    Attributes:
        definition: as the entry that it replaces; what is hidden of that stands in it as a mark, and is taken from there.
    """

    __tablename__ = "changed_providers"

    key: str = Field(primary_key=True, max_length=200)
    definition: dict[str, Any] = Field(sa_type=JSON)
    updated_at: int = Field(sa_type=BigInteger)


MODEL_PRICES = table_of(ModelPrice)
MODELS = table_of(CatalogModel)
CUSTOM_PROVIDERS = table_of(CustomProvider)
CHANGED_PROVIDERS = table_of(ChangedProvider)
