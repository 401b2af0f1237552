"""Smart models: names that stand for behaviour, as an operator defines them. What each kind does is a stage of its own."""

from typing import Any

from app.core.smart.augmentor import Augmentor, AugmentorStats, SearchProvider
from app.core.smart.cache import Cache, CacheStats, Share
from app.core.smart.model import KINDS, MAX_NAME_LENGTH, OTHER_NAMES, Kind, SmartModel
from app.core.smart.other_names import Alias, Redirect
from app.core.smart.router import Candidate, Router, RouterStrategy, Rule

__all__ = [
    "CLASSES",
    "KINDS",
    "MAX_NAME_LENGTH",
    "OTHER_NAMES",
    "Alias",
    "Augmentor",
    "AugmentorStats",
    "Cache",
    "CacheStats",
    "Candidate",
    "Kind",
    "Redirect",
    "Router",
    "RouterStrategy",
    "Rule",
    "SearchProvider",
    "Share",
    "SmartModel",
    "definition_of",
]

CLASSES: dict[Kind, type[SmartModel]] = {
    "redirect": Redirect,
    "router": Router,
    "cache": Cache,
    "augmentor": Augmentor,
    "alias": Alias,
}


def definition_of(model: SmartModel) -> dict[str, Any]:
    """All its fields as JSON has them."""
    return model.model_dump(mode="json")
