"""How the values of the request path are declared."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """A dataclass with slots that the type checker takes for frozen.

    Nothing guards it at run time: `frozen=True` would make its making three times as dear, and each call makes half a dozen.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
