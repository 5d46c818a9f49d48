"""Mistakes in what a user gave: collected, so that all of them are shown at once, and raised without a traceback."""

SHOWN = 20


class InputError(ValueError):
    """A user's mistake. The message is one or more finished lines that name the file, row or field and the way out."""


class Faults:
    """Collects faults, so that a user sees all of them in one run instead of one a run."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __len__(self) -> int:
        return len(self.texts)

    def add(self, text: str) -> None:
        self.texts.append(text)

    def raise_if_any(self, heading: str) -> None:
        """Raise InputError with the heading, the first 20 faults and the count of the others, if there are any."""
        if self.texts:
            raise InputError(listing(heading, self.texts))


def listing(heading: str, texts: list[str]) -> str:
    """The heading, the first 20 texts, a line each, and how many more there are."""
    lines = [heading, *(f"  {text}" for text in texts[:SHOWN])]
    if len(texts) > SHOWN:
        lines.append(f"  … and {len(texts) - SHOWN} more")
    return "\n".join(lines)
