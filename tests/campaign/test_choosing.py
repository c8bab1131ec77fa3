"""A campaign whose next order is somebody else's choice."""

from pathlib import Path

import pytest

from campaign import fake_lab
from kinowatt.campaign.choosing import Choose, Standing
from kinowatt.campaign.store import open_store
from kinowatt.errors import InputError


def last_first(most: int, seen: list[Standing]) -> Choose:
    """The orders from the end, until so many are measured or under way."""

    def choose(standing: Standing) -> int | None:
        seen.append(standing)
        if len(standing.rows) + len(standing.under_way) >= most:
            return None
        return max(standing.waiting)

    return choose


@pytest.mark.parametrize("slots", [1, 2])
def test_rows_are_measured_as_chosen_and_no_further(tmp_path: Path, slots: int) -> None:
    url, seen = str(tmp_path / "rows.db"), list[Standing]()
    found = fake_lab.campaign(url, fake_lab.orders(6), slots=slots, choose=last_first(3, seen))
    assert (found.progress.done, found.progress.waiting, found.interrupted) == (3, 3, False)
    assert fake_lab.numbers(url) == [3, 4, 5]
    final = seen[-1]
    assert len(final.rows) == 3
    assert set(final.took_s) == set(final.rows)
    assert min(final.took_s.values()) >= 0.05  # what the session sleeps
    more = fake_lab.campaign(url, fake_lab.orders(6), choose=last_first(4, seen))
    assert more.progress.done == 4
    assert fake_lab.numbers(url) == [2, 3, 4, 5]
    assert len(seen[-1].took_s) == 1  # by the clock of that command alone
    rest = fake_lab.campaign(url, fake_lab.orders(6))
    assert rest.complete


def test_what_the_choice_raises_ends_the_campaign_and_loses_no_row(tmp_path: Path) -> None:
    url = str(tmp_path / "rows.db")

    def choose(standing: Standing) -> int | None:
        if standing.rows:
            raise InputError("rows of another GPU")
        return standing.waiting[0]

    with pytest.raises(InputError, match="rows of another GPU"):
        fake_lab.campaign(url, fake_lab.orders(3), choose=choose)
    assert fake_lab.numbers(url) == [0]


def test_states_of_orders_and_a_claim_by_id(url: str) -> None:
    with open_store(url) as store:
        campaign = store.begin("p", "digest", fake_lab.orders(3))
        orders = store.wanted(campaign)
        assert [order.state for order in orders] == ["waiting"] * 3
        claimed = store.claim(campaign, "w", 60.0, orders[2].order_id)
        assert claimed is not None
        assert claimed.position == 2
        assert store.claim(campaign, "v", 60.0, orders[2].order_id) is None
        store.fail(claimed.order_id, "w", {"cause": "error", "detail": "x"})
        lapsed = store.claim(campaign, "w", 0.0, orders[0].order_id)
        assert lapsed is not None
        assert [order.state for order in store.wanted(campaign)] == ["waiting", "waiting", "failed"]
