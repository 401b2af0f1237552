"""The time of tests."""


class Clock:
    """Milliseconds since 1970 that pass when a test says so."""

    def __init__(self, now: int = 1_800_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now
