"""`explain` ranks what is known of the paper's rows first; the whole set is for `make torture`."""

import itertools

import pytest

from explain_recall import changed, known, ranks, shares


def test_the_true_cause_of_some_of_the_papers_rows() -> None:
    grouped = itertools.groupby(known(), lambda case: case.what)
    last = [list(cases)[-1] for what, cases in grouped if "sweep" in what]
    found = ranks(iter(last))
    assert len(found) == 4
    assert shares([place for each in found.values() for place in each])["in_three"] == 1


def test_the_kernel_behind_one_of_our_own_rows() -> None:
    """18 of 19 first and all in three when written, of all."""
    flash = next(each for each in changed() if each.truth == (("attention", "flash"),))
    assert ranks(iter([flash])) == {flash.what: [1]}


@pytest.mark.torture
def test_the_true_cause_of_the_papers_rows() -> None:
    """59 of 70 first and all in three when written."""
    found = ranks(known())
    places = [place for each in found.values() for place in each]
    assert len(places) == 70
    assert shares(places)["first"] >= 0.84
    assert shares(places)["in_three"] >= 0.95


@pytest.mark.torture
def test_the_true_change_of_our_own_rows() -> None:
    places = [place for each in ranks(changed()).values() for place in each]
    assert len(places) == 19
    assert shares(places)["first"] >= 0.8
    assert shares(places)["in_three"] >= 0.85
