from datetime import UTC, datetime, timedelta

import pytest

from scheduler.due import backoff_seconds, next_turn, place_in_spread
from scheduler.settings import SchedulerSettings, checked_cron, poll_crons

DAILY = "0 0 * * *"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_a_connection_keeps_its_place_in_the_spread() -> None:
    assert place_in_spread("shopify:a", 3600) == place_in_spread("shopify:a", 3600)
    assert 0 <= place_in_spread("shopify:a", 3600) < 3600
    assert place_in_spread("shopify:a", 0) == 0


def test_ten_thousand_connections_due_at_midnight_are_spread_over_the_hour() -> None:
    turns = [next_turn(DAILY, f"shopify:shop-{n}", 3600, NOW) for n in range(10_000)]
    assert {turn.slot for turn in turns} == {datetime(2026, 11, 25, tzinfo=UTC)}
    per_minute = [sum(1 for turn in turns if turn.at.minute == minute) for minute in range(60)]
    assert max(per_minute) < 2 * 10_000 / 60


def test_slots_missed_while_the_scheduler_was_down_collapse_into_the_next() -> None:
    turn = next_turn(DAILY, "shopify:a", 3600, NOW + timedelta(days=9))
    assert turn.slot == datetime(2026, 12, 4, tzinfo=UTC)


def test_a_turn_whose_slot_has_passed_but_whose_place_has_not_is_still_to_come() -> None:
    place = place_in_spread("shopify:a", 3600)
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    turn = next_turn(DAILY, "shopify:a", 3600, midnight + timedelta(seconds=place - 1))
    assert (turn.slot, turn.at) == (midnight, midnight + timedelta(seconds=place))


def test_a_daylight_saving_night_has_one_poll() -> None:
    night = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    first = next_turn("30 1 * * *", "shopify:a", 0, night)
    second = next_turn("30 1 * * *", "shopify:a", 0, first.at)
    assert second.at - first.at == timedelta(days=1)


def test_waits_grow_and_end_at_five_minutes() -> None:
    assert [backoff_seconds(n) for n in (1, 2, 3, 4, 9)] == [5, 20, 80, 300, 300]


def test_a_cron_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a cron expression"):
        checked_cron("every day")


def scheduler_settings(**given: str) -> SchedulerSettings:
    return SchedulerSettings(
        **{
            "kafka_bootstrap_servers": "k",
            "database_url": "postgresql://d",
            "gateway_internal_url": "g",
            "internal_key": "i",
            "internal_keys": "gateway:sixteen-characters",
            **given,
        }
    )


def test_any_platforms_cron_is_taken_from_the_environment() -> None:
    crons = poll_crons(scheduler_settings(), {"MASTODON_POLL_CRON": "5 4 * * *", "OTHER": "x"})
    assert crons == {"mastodon": "5 4 * * *", "shopify": DAILY, "facebook": DAILY}


def test_facebooks_cron_is_a_setting_as_shopifys_is() -> None:
    settings = scheduler_settings(facebook_poll_cron="5 4 * * *")
    assert poll_crons(settings, {"FACEBOOK_POLL_CRON": "5 4 * * *"})["facebook"] == "5 4 * * *"
    with pytest.raises(ValueError, match="not a cron expression"):
        scheduler_settings(facebook_poll_cron="every day")
