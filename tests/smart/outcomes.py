"""Outcomes of made-up models: the small one is as good as the large one, but not where something is to be proved."""

import json
import random
from typing import Any

SMALL, LARGE = "acme/small", "acme/large"
_THINGS = [
    "ships",
    "harbours",
    "mice",
    "clouds",
    "songs",
    "gardens",
    "numbers",
    "letters",
    "rivers",
    "engines",
    "sailors",
    "winters",
]
_EASY = ("Write a short note on {}.", "What are {}?", "List three {}.", "Tell me of {} and {}.")
_HARD = ("Prove that {} are {}.", "Derive the equation of {} for {} step by step.", "Prove why no {} exist.")


def lines(count: int, *, noise: float = 0.0, costs: bool = True, seed: int = 1) -> list[str]:
    """As many lines of a data file; of a share of them, `noise`, the small model's success is by chance."""
    chance = random.Random(seed)
    return [json.dumps(_line(chance, number, noise, costs)) for number in range(count)]


def _line(chance: random.Random, number: int, noise: float, costs: bool) -> dict[str, Any]:
    is_hard = chance.random() < 0.4
    pattern = chance.choice(_HARD if is_hard else _EASY)
    text = f"{pattern.format(chance.choice(_THINGS), chance.choice(_THINGS))} ({number})"
    good = chance.random() < 0.5 if chance.random() < noise else not is_hard
    line: dict[str, Any] = {"prompt": text, "quality": {SMALL: 0.9 if good else 0.2, LARGE: 0.9}}
    return line | ({"costs": {SMALL: 0.001, LARGE: 0.02}} if costs else {})
