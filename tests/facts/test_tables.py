"""Prices, overheads and tasks: dated, sourced, and about things that the other facts know."""

import csv
import re
from pathlib import Path

import pytest

from kinowatt.errors import FactsError
from kinowatt.facts.gpus import gpus
from kinowatt.facts.grids import grids
from kinowatt.facts.loading import SHIPPED
from kinowatt.facts.tables import electricity_prices, overheads, prices, tasks


def sources(name: str) -> list[str]:
    lines = (SHIPPED / name).read_text("utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return [row["source"] for row in rows]


def test_every_source_survives_loading() -> None:
    assert [row.source for row in prices()] == sources("prices.csv")
    assert [row.source for row in electricity_prices()] == sources("electricity.csv")
    assert [row.source for row in overheads().values()] == sources("overheads.csv")
    assert [row.source for row in tasks().values()] == sources("tasks.csv")
    assert [row.source for row in grids().values()] == sources("grids.csv")


def test_prices_are_dated_and_of_known_gpus() -> None:
    assert {row.gpu for row in prices()} <= set(gpus())
    assert all(re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", row.date) for row in prices())
    found = {(row.gpu, row.offer): (row.low_usd, row.high_usd) for row in prices()}
    assert found["h100-sxm", "hyperscalers"] == (3.50, 5.00)
    assert found["h100-sxm", "aws-p5"] == (10.08, 10.08)


def test_electricity_is_of_known_grids() -> None:
    assert {row.region for row in electricity_prices()} <= set(grids())
    found = {(row.region, row.sector, row.period): row for row in electricity_prices()}
    assert found["EU", "non-household", "2025-H1"].per_kwh == 0.1902
    assert {row.currency for row in electricity_prices()} == {"USD", "EUR"}


def test_overheads() -> None:
    assert overheads()["world-average"].value == 1.58
    assert overheads()["h100-class-gpu"].value == 273
    assert overheads()["server-life"].unit == "years"
    assert all(1 <= row.value < 2 for row in overheads().values() if row.kind == "pue")


@pytest.mark.parametrize(
    ("name", "wh"),
    [
        ("text-classification", 0.002),
        ("text-generation", 0.047),
        ("image-generation", 2.907),
        ("sdxl-image", 1.64),
        ("gemini-prompt", 0.24),
        ("led-bulb-minute", 9 / 60),
        ("phone-charge", 4.0 * 3.85),
        ("kettle-litre", 4186 * 80 / 3600),
        ("ev-km", 27_400 / 160.934),
    ],
)
def test_tasks(name: str, wh: float) -> None:
    assert tasks()[name].wh == pytest.approx(wh, rel=0.002)


def test_a_users_rows_add_and_replace(user_facts: Path) -> None:
    (user_facts / "tasks.csv").write_text(
        "name,group,wh,label,source\nphone-charge,everyday,20,charges,mine\nnap,everyday,1,naps,me\n"
    )
    (user_facts / "prices.csv").write_text(
        "gpu,offer,usd_per_gpu_hour_low,usd_per_gpu_hour_high,date,source\n"
        "h100-sxm,runpod,9,9,2026-11,invoice\n"
    )
    assert (tasks()["phone-charge"].wh, tasks()["nap"].label) == (20, "naps")
    assert tasks()["kettle-litre"].wh == 93
    assert [row.low_usd for row in prices() if row.offer == "runpod"] == [9]


@pytest.mark.parametrize(
    ("read", "file", "text", "message"),
    [
        (tasks, "tasks.csv", "name,group,wh,label,source\na,b,0,c,d\n", "'wh' must be above 0"),
        (tasks, "tasks.csv", "name,group,wh,label,source\na,b,c,d,e\n", "'wh' is 'c', not a num"),
        (
            overheads,
            "overheads.csv",
            "name,kind,value,unit,year,source\na,b,1,c,2020,d\na,b,1,c,2020,d\n",
            "overheads.csv:3: field 'name': a stands there twice",
        ),
        (
            prices,
            "prices.csv",
            "gpu,offer,usd_per_gpu_hour_low,usd_per_gpu_hour_high,date,source\na,b,2,1,2026,c\n",
            "prices.csv:2: field 'usd_per_gpu_hour_high' is 1, below the low end 2",
        ),
        (
            electricity_prices,
            "electricity.csv",
            "region,sector,per_kwh,currency,period,source\nEU,x,-1,EUR,2025,y\n",
            "electricity.csv:2: field 'per_kwh' must be above 0, not -1",
        ),
    ],
)
def test_malformed_rows(user_facts: Path, read, file: str, text: str, message: str) -> None:
    (user_facts / file).write_text(text)
    with pytest.raises(FactsError) as caught:
        read()
    assert message in str(caught.value)
    assert re.match(rf"{file}:\d: ", str(caught.value))
