"""In which language a text is, by its letters and its smallest words."""

import unicodedata
from collections import Counter

_WORDS = {
    "English": "the is are what how do does which who where when why of and to can my with for from this that",
    "German": "der die das ist sind was wie wer wo wann warum und mit für von ich nicht ein eine einen zu auf mein meine kann",
    "French": "le la les est sont que quel quelle comment qui où quand pourquoi et avec pour je ne pas un une des du mon ma",
    "Spanish": "el la los las es son qué cómo quién dónde cuándo por y con para yo no un una mi está del cuál",
    "Italian": "il lo la gli è sono che come chi dove quando perché e con per io non un una mio mia si della cos'è",
    "Portuguese": "o a os as é são que como quem onde quando por e com para eu não um uma meu minha fica do da",
    "Dutch": "de het is zijn wat hoe wie waar wanneer waarom en met voor van ik niet een mijn kan op",
}
_LANGUAGES = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_SCRIPTS = (
    "LATIN",
    "CYRILLIC",
    "GREEK",
    "ARABIC",
    "HEBREW",
    "DEVANAGARI",
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "HANGUL",
    "THAI",
)
_SAMPLE = 400  # characters tell it


def language_of(text: str) -> str | None:
    """A name of the language of `text`, or of its script where that is not Latin; None where it cannot be told."""
    letters = [letter for letter in text[:_SAMPLE] if letter.isalpha()]
    if not letters:
        return None
    scripts = Counter(_script(letter) for letter in letters)
    script = max(sorted(scripts), key=lambda name: scripts[name])
    return script if script != "LATIN" else _of_latin(text[:_SAMPLE].lower().split())


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").split(" ")[0]
    return name if name in _SCRIPTS else "LATIN" if letter.isascii() else "OTHER"


def _of_latin(words: list[str]) -> str | None:
    counts = {language: sum(word.strip("?!.,¿¡") in known for word in words) for language, known in _LANGUAGES.items()}
    best, second = sorted(counts.values(), reverse=True)[:2]
    return max(counts, key=lambda language: counts[language]) if best > second else None
