"""Text in CSV files, which spreadsheets open."""

# What a spreadsheet takes for the beginning of a formula (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def guard_cell(text: str) -> str:
    """`text`, with a quote before it where a spreadsheet would take it for a formula. Only for text: a number may be negative."""
    return f"'{text}" if text.startswith(_FORMULA) else text
