"""Fact files that are cut off or malformed: one line that names the file, never a traceback."""

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kinowatt
from kinowatt.errors import FactsError
from kinowatt.facts import loading, tables

SHIPPED = loading.SHIPPED
MODEL = "wan2.1-t2v-1.3b"


def use_everything() -> None:
    """Reads every kind of fact and makes a prediction from them."""
    kinowatt.models()
    kinowatt.gpus()
    kinowatt.grids()
    for table in (tables.prices, tables.overheads, tables.tasks):
        table()
    for profile in (None, "h100-sxm/paper", "h100-sxm/datasheet"):
        answer = kinowatt.predict(MODEL, profile=profile, grid="FRA", embodied=True)
        assert math.isfinite(answer.latency_s)
        assert answer.latency_s > 0


READ = (
    f"models/{MODEL}.toml",
    "components/wan2.1-vae.toml",
    "operators/wan2.1-vae.float32.json",
    "profiles/datasheet.toml",
    "profiles/h100-sxm/paper.toml",
    "gpus.toml",
    "grids.csv",
    "overheads.csv",
    "prices.csv",
    "tasks.csv",
)


def cut_off(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(1, len(text))]


def garbled(text: str, rng: random.Random) -> str:
    """A piece in the middle overwritten, as by a bad disk."""
    at = rng.randrange(len(text))
    return text[:at] + "".join(rng.choices('\x00}]"=,x7\n', k=6)) + text[at + 6 :]


def without_a_line(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return "".join(lines)


def wrong_value(text: str, rng: random.Random) -> str:
    """A number somewhere becomes something that is none."""
    digits = [i for i, letter in enumerate(text) if letter.isdigit()]
    at = rng.choice(digits)
    return text[:at] + rng.choice(("nan", "inf", "-", "many", "-1e999")) + text[at + 1 :]


DAMAGES = (cut_off, garbled, without_a_line, wrong_value)


def damaged(name: str, count: int) -> Iterator[str]:
    text = (SHIPPED / name).read_text("utf-8")
    rng = random.Random(name)
    for number in range(count):
        yield DAMAGES[number % len(DAMAGES)](text, rng)


def complaint(name: str) -> str | None:
    """What is wrong with how a damaged file is answered, or None. Harmless damage is no error."""
    try:
        use_everything()
    except FactsError as error:
        message = str(error)
        if not message.isprintable():
            return f"not one line: {message!r}"
        if Path(name).name.partition(".")[0] not in message.partition(" ")[0]:
            return f"does not start with the file: {message[:150]}"
    except kinowatt.InputError as error:
        # A rule that reads well but means nothing shows only once it is used.
        return None if name.startswith("models/") else f"not a FactsError: {error}"[:150]
    except Exception as error:  # noqa: BLE001 (this is what is looked for)
        return f"{type(error).__name__}: {error}"[:150]
    return None


@pytest.mark.parametrize("count", [8, pytest.param(40, marks=pytest.mark.torture)])
@pytest.mark.parametrize("name", READ)
def test_a_damaged_file_is_named(
    name: str, count: int, user_facts: Path, forget: Callable[[], None]
) -> None:
    path = user_facts / name
    path.parent.mkdir(parents=True, exist_ok=True)
    wrong: dict[str, str] = {}
    for text in damaged(name, count):
        path.write_text(text, "utf-8")
        forget()
        if found := complaint(name):
            wrong.setdefault(found[:40], found)
    assert list(wrong.values()) == []


def test_bytes_that_are_no_text_are_named(user_facts: Path, forget: Callable[[], None]) -> None:
    (user_facts / "grids.csv").write_bytes(b"\xff\xfe\x00code")
    forget()
    with pytest.raises(FactsError, match=r"^grids\.csv"):
        kinowatt.grids()


def test_the_line_is_named(user_facts: Path, forget: Callable[[], None]) -> None:
    header = "code,name,g_per_kwh,year,kind,licence,source\n"
    row = "AAA,Nowhere,{},2024,direct,CC0,me\n"
    (user_facts / "grids.csv").write_text("# mine\n" + header + row.format(1) + row.format("x"))
    forget()
    with pytest.raises(FactsError, match=r"^grids\.csv:4: field 'g_per_kwh'"):
        kinowatt.grids()


def test_a_folder_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forget: Callable[[], None]
) -> None:
    monkeypatch.setenv("KINOWATT_FACTS", str(tmp_path / "nowhere"))
    forget()
    with pytest.raises(FactsError, match="nowhere"):
        kinowatt.models()
    monkeypatch.undo()
    forget()
