"""Messages are one line that says what was wrong, what is allowed and what is nearest."""

import pickle

import pytest

from kinowatt import errors
from kinowatt.errors import expect_extra, nearest, require_extra, unknown_name


@pytest.mark.parametrize(
    ("name", "options", "guess"),
    [
        ("H100-smx", ["a100", "h100-sxm"], "h100-sxm"),
        ("14b", ["wan2.1-t2v-1.3b", "wan2.1-t2v-14b"], "wan2.1-t2v-14b"),
        ("xyz", ["h100-sxm"], None),
        ("", ["h100-sxm"], None),
        ("h100", [], None),
    ],
)
def test_nearest(name: str, options: list[str], guess: str | None) -> None:
    assert nearest(name, options) == guess


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    error = unknown_name("model", "wan", ["mochi", "wan2.1"])
    assert str(error) == "unknown model 'wan' (did you mean 'wan2.1'?); one of: mochi, wan2.1"


def test_other_names_that_work_are_offered_but_not_listed() -> None:
    error = unknown_name("grid", "Frence", ["FRA", "DEU"], also=["France"])
    assert str(error) == "unknown grid 'Frence' (did you mean 'France'?); one of: FRA, DEU"


def test_a_long_registry_is_counted_and_not_spelled_out() -> None:
    message = str(unknown_name("grid", "?" * 99, [f"g{i}" for i in range(300)]))
    assert message.endswith("g22, g23, … (300 in all)")
    assert len(message) < 300


def test_every_message_is_one_printable_line() -> None:
    message = str(errors.FactsError("a\nb\x00 é\t"))
    assert message == "a\\nb\\x00 é\\t"


def test_leaves_and_roots() -> None:
    assert issubclass(errors.FactsError, errors.InputError)
    assert issubclass(errors.UnknownNameError, errors.InputError)
    assert issubclass(errors.InputError, ValueError)
    assert not issubclass(errors.MissingExtraError, errors.InputError)
    copy = pickle.loads(pickle.dumps(errors.FactsError("x.toml:1: y")))
    assert (type(copy), str(copy)) == (errors.FactsError, "x.toml:1: y")


def test_a_missing_extra_says_what_to_install() -> None:
    assert require_extra("all", "math").sqrt(4) == 2
    with pytest.raises(errors.MissingExtraError, match=r"pip install 'kinowatt\[measure\]'"):
        require_extra("measure", "no_such_module_of_ours")
    expect_extra("all", "math")
    with pytest.raises(errors.MissingExtraError, match=r"pip install 'kinowatt\[measure\]'"):
        expect_extra("measure", "math", "no_such_module_of_ours")
