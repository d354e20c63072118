from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from platforms.registry import PLATFORMS, load_role
from scheduler.schedule import (
    compute_backoff_seconds,
    compute_longest_pause,
    compute_next_changes,
    compute_next_run,
    compute_spread_offset,
)
from scheduler.settings import SchedulerSettings

DAILY = "0 0 * * *"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_a_connection_keeps_its_offset_in_the_spread() -> None:
    assert compute_spread_offset("shopify:a", 3600) == compute_spread_offset("shopify:a", 3600)
    assert 0 <= compute_spread_offset("shopify:a", 3600) < 3600
    assert compute_spread_offset("shopify:a", 0) == 0


def test_ten_thousand_connections_due_at_midnight_are_spread_over_the_hour() -> None:
    runs = [compute_next_run(DAILY, f"shopify:shop-{n}", 3600, NOW) for n in range(10_000)]
    assert {run.slot for run in runs} == {datetime(2026, 11, 25, tzinfo=UTC)}
    per_minute = [sum(1 for run in runs if run.at.minute == minute) for minute in range(60)]
    assert max(per_minute) < 2 * 10_000 / 60


def test_slots_missed_while_the_scheduler_was_down_collapse_into_the_next() -> None:
    run = compute_next_run(DAILY, "shopify:a", 3600, NOW + timedelta(days=9))
    assert run.slot == datetime(2026, 12, 4, tzinfo=UTC)


def test_a_run_whose_slot_has_passed_but_whose_offset_has_not_is_still_to_come() -> None:
    offset = compute_spread_offset("shopify:a", 3600)
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    run = compute_next_run(DAILY, "shopify:a", 3600, midnight + timedelta(seconds=offset - 1))
    assert (run.slot, run.at) == (midnight, midnight + timedelta(seconds=offset))


def test_a_daylight_saving_night_has_one_poll() -> None:
    night = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    first = compute_next_run("30 1 * * *", "shopify:a", 0, night)
    second = compute_next_run("30 1 * * *", "shopify:a", 0, first.at)
    assert second.at - first.at == timedelta(days=1)


def test_waits_grow_and_end_at_five_minutes() -> None:
    assert [compute_backoff_seconds(n) for n in (1, 2, 3, 4, 9)] == [5, 20, 80, 300, 300]


def build_settings(**values: str) -> SchedulerSettings:
    return SchedulerSettings(
        **{
            "kafka_bootstrap_servers": "k",
            "database_url": "postgresql://d",
            "gateway_internal_url": "g",
            "gateway_key": "k" * 32,
            "internal_key_hashes": f"gateway:{'0' * 64}",
            **values,
        }
    )


@pytest.mark.parametrize("platform", ["shopify", "facebook", "mastodon", "two-words"])
def test_any_platforms_cron_is_a_setting(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    assert build_settings().get_poll_cron(platform) == DAILY
    monkeypatch.setenv(f"{platform.upper().replace('-', '_')}_POLL_CRON", "5 4 * * *")
    monkeypatch.setenv("OTHER", "x")
    settings = build_settings()
    assert settings.get_poll_cron(platform) == "5 4 * * *"
    assert settings.get_poll_cron("another") == DAILY
    assert list(settings.poll_crons.values()) == ["5 4 * * *"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_is_polled_by_the_default_that_it_declares(platform: str) -> None:
    manifest = load_role(platform, "manifest").MANIFEST
    default = manifest.find_setting(manifest.poll_cron_setting).default
    assert build_settings().get_poll_cron(platform) == default != ""


@pytest.mark.parametrize("setting", ["SHOPIFY_POLL_CRON", "MASTODON_POLL_CRON"])
def test_a_cron_that_is_none_is_refused_by_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv(setting, "every day")
    with pytest.raises(ValidationError, match=rf"{setting}\n.*not a cron expression"):
        build_settings()


def test_the_environment_wins_over_the_dotenv_file_and_that_over_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    for hour, platform in enumerate(("a", "b", "c"), 1):
        (folder / f"{platform.upper()}_POLL_CRON").write_text(f"0 {hour} * * *\n")
    (tmp_path / ".env").write_text("B_POLL_CRON=0 12 * * *\nC_POLL_CRON=0 13 * * *\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SETTINGS_DIR", str(folder))
    monkeypatch.setenv("C_POLL_CRON", "0 23 * * *")
    monkeypatch.setenv("B_POLL_CRON", "")
    settings = build_settings()
    assert [settings.get_poll_cron(p) for p in ("a", "b", "c")] == ["0 1 * * *", "0 12 * * *", "0 23 * * *"]


def test_the_seconds_between_polls_of_changes_are_a_setting_of_each_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [build_settings().get_poll_seconds(platform) for platform in ("shopify", "another", "odoo")] == [0, 0, 30]
    monkeypatch.setenv("ODOO_POLL_SECONDS", "5")
    monkeypatch.setenv("ANOTHER_POLL_SECONDS", "60")
    settings = build_settings()
    assert [settings.get_poll_seconds(platform) for platform in ("shopify", "another", "odoo")] == [0, 60, 5]


def test_polls_of_changes_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODOO_POLL_SECONDS", "0")
    assert build_settings().get_poll_seconds("odoo") == 0
    assert compute_next_run(DAILY, "odoo:a/b", 0, NOW).changes_at is None


def test_polls_of_changes_keep_their_pace_and_are_spread() -> None:
    times = [compute_next_changes(f"odoo:{n}", 30, NOW) for n in range(20)]
    assert all(NOW < at <= NOW + timedelta(seconds=30) for at in times)
    assert len(set(times)) > 10
    later = compute_next_changes("odoo:0", 30, times[0])
    assert later - times[0] == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("cron", "hours"), [("0 * * * *", 1), (DAILY, 24), ("0 6,18 * * *", 12), ("0 9-17 * * *", 16), ("0 0 * * 1-5", 72)]
)
def test_the_longest_pause_between_polls_follows_from_the_cron_expression(cron: str, hours: int) -> None:
    assert compute_longest_pause(cron, NOW) == hours * 3600
