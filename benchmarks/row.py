"""One line of the table that `make bench` prints."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A measured value; `most` or `least` is the target, if there is one."""

    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def missed(self) -> bool:
        over = self.most is not None and self.value > self.most
        under = self.least is not None and self.value < self.least
        return over or under

    def __str__(self) -> str:
        target = ""
        if self.most is not None:
            target = f"<= {_number(self.most)}"
        elif self.least is not None:
            target = f">= {_number(self.least)}"
        here = f"{_number(self.value)} {self.unit}"
        return f"{self.name:52}{here:>16}{target:>16}{'  MISSED' if self.missed else ''}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
