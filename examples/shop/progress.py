"""How the work says how far it is."""

from collections.abc import Callable

# Called with a stage's name, the rows done and the rows there are.
Report = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Says nothing."""
