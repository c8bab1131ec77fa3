"""Conversions, and numbers as people read them: never 1,000 of a unit that has a larger one."""

from collections.abc import Callable

import pytest

from kinowatt import units


def test_joules() -> None:
    assert units.joules_to_wh(283_680) == pytest.approx(78.8)
    assert units.wh_to_joules(78.8) == pytest.approx(283_680)


CASES: list[tuple[Callable[[float], str], float, str]] = [
    (units.format_number, 0, "0"),
    (units.format_number, 0.04, "0.0400"),
    (units.format_number, 0.115, "0.115"),
    (units.format_number, 9.999, "10.0"),
    (units.format_number, 78.83, "78.8"),
    (units.format_number, 99.96, "100"),
    (units.format_number, 1336.4, "1,336"),
    (units.format_number, -3.14159, "-3.14"),
    (units.format_number, 1e-7, "0.000000100"),
    (units.format_seconds, 0, "0 s"),
    (units.format_seconds, 0.0042, "4.20 ms"),
    (units.format_seconds, 0.0196, "0.0196 s"),
    (units.format_seconds, 0.68, "0.680 s"),
    (units.format_seconds, 59.94, "59.9 s"),
    (units.format_seconds, 59.96, "1 min 00 s"),
    (units.format_seconds, 98, "1 min 38 s"),
    (units.format_seconds, 3599.7, "1 h 00 min"),
    (units.format_seconds, 7500, "2 h 05 min"),
    (units.format_seconds, 1e7, "2,777 h 47 min"),
    (units.format_wh, 0, "0 Wh"),
    (units.format_wh, 0.0074, "7.40 mWh"),
    (units.format_wh, 0.0571, "0.0571 Wh"),
    (units.format_wh, 78.81, "78.8 Wh"),
    (units.format_wh, 999.4, "999 Wh"),
    (units.format_wh, 999.7, "1.00 kWh"),
    (units.format_wh, 1234, "1.23 kWh"),
    (units.format_wh, 5e6, "5.00 MWh"),
    (units.format_flops, 1.12e10, "11.2 GFLOP"),
    (units.format_flops, 2.859e16, "28.6 PFLOP"),
    (units.format_flops, 9.996e14, "1.00 PFLOP"),
    (units.format_flops, 12, "0.0000120 MFLOP"),
    (units.format_bytes, 512 * 2**20, "512 MiB"),
    (units.format_bytes, 5.93 * units.GIB, "5.93 GiB"),
    (units.format_bytes, 1023.9 * 2**30, "1.00 TiB"),
    (units.format_bytes, 12.4 * 2**40, "12.4 TiB"),
    (units.format_percent, 0.1234, "12.3%"),
    (units.format_percent, 0.0004, "<0.1%"),
    (units.format_percent, 0, "0.0%"),
]


@pytest.mark.parametrize(("form", "value", "text"), CASES)
def test_formats(form: Callable[[float], str], value: float, text: str) -> None:
    assert form(value) == text
