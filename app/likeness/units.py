"""Numbers as they are written, with the unit or currency that is written to them."""

import re

# By their symbols, which are told apart by their case: Mb and MB, mV and MV.
SYMBOLS = {
    "km": "kilometers", "cm": "centimeters", "mm": "millimeters", "ft": "feet", "mi": "miles", "yd": "yards",
    "kg": "kilograms", "g": "grams", "mg": "milligrams", "lb": "pounds", "lbs": "pounds", "oz": "ounces",
    "l": "liters", "L": "liters", "ml": "milliliters", "mL": "milliliters",
    "s": "seconds", "sec": "seconds", "secs": "seconds", "ms": "milliseconds", "min": "minutes", "mins": "minutes",
    "h": "hours", "hr": "hours", "hrs": "hours",
    "km/h": "kilometers per hour", "kmh": "kilometers per hour", "kph": "kilometers per hour", "mph": "miles per hour",
    "KB": "kilobytes", "kB": "kilobytes", "MB": "megabytes", "GB": "gigabytes", "TB": "terabytes",
    "Mbps": "megabits per second", "Gbps": "gigabits per second", "MBps": "megabytes per second",
    "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz",
    "W": "watts", "kW": "kilowatts", "kWh": "kilowatt hours", "V": "volts", "mV": "millivolts", "kV": "kilovolts",
    "°C": "degrees celsius", "°F": "degrees fahrenheit", "°": "degrees", "%": "percent",
    "am": "am", "pm": "pm", "AM": "am", "PM": "pm",
}  # fmt: skip

# These are seldom anything else, so that they need no number before them.
ALONE = frozenset("km kg cm mm ml mph km/h kmh kph lbs mg MHz GHz kWh".split())

_SIGNS = {"$": "dollars", "€": "euros", "£": "gbp", "₹": "rupees"}
_CODES = {"eur": "euros", "euro": "euros"}

# One thing counted and many of it; only units, since what is asked of one thing may not hold of many.
_ONE = {
    "kilometer": "kilometers", "meter": "meters", "centimeter": "centimeters", "millimeter": "millimeters", "foot": "feet",
    "mile": "miles", "yard": "yards", "inch": "inches", "kilogram": "kilograms", "gram": "grams", "milligram": "milligrams",
    "pound": "pounds", "ounce": "ounces", "liter": "liters", "milliliter": "milliliters", "second": "seconds",
    "millisecond": "milliseconds", "minute": "minutes", "hour": "hours", "day": "days", "week": "weeks", "month": "months",
    "year": "years", "dollar": "dollars", "degree": "degrees", "kilobyte": "kilobytes", "megabyte": "megabytes",
    "gigabyte": "gigabytes", "terabyte": "terabytes", "watt": "watts", "volt": "volts", "cent": "cents", "word": "words",
}  # fmt: skip

_WRITTEN = re.compile(r"([$€£₹])?([+-]?\d[\d,]*(?:\.\d+)*)([A-Za-z]+(?:/h)?|%|°[CF]?)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


def measured(piece: str) -> list[str] | None:
    """The number, and what it counts, of `$50`, `16GB`, `20%`, `1,000`; None where the piece is something else."""
    written = _WRITTEN.fullmatch(piece)
    if not written:
        return None
    sign, number, unit = written.groups()
    if "," in number:
        if not _GROUPED.fullmatch(number):
            return None
        number = number.replace(",", "")
    if unit and unit not in SYMBOLS:
        return None
    return [number, *(_SIGNS[sign].split() if sign else ()), *(SYMBOLS[unit].split() if unit else ())]


def unit_of(word: str, counted: bool) -> str | None:
    """The full name of a unit that is written as `word`; `counted` where a number stands before it."""
    if word in SYMBOLS and (counted or word in ALONE):
        return SYMBOLS[word]
    lower = word.lower()
    return (_CODES.get(lower) or _ONE.get(lower)) if counted else None
