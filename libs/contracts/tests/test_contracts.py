"""Contracts change only on purpose, lose nothing, and old messages parse for ever."""

from importlib.resources import files
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from contracts.events import EVENTS, FETCHED_ADAPTER, Event, RecordsPage, SyncRequested, parse_account, parse_platform
from contracts.headers import build_headers, derive_id
from contracts.schemas.generation import render_schemas
from contracts.topics import CONNECTION_CHANGED, list_topics


@pytest.mark.parametrize("name", render_schemas())
def test_a_schema_changes_only_on_purpose(name: str) -> None:
    committed = files("contracts.schemas").joinpath(name).read_text()
    assert committed == render_schemas()[name], "the contract changed: look at it, then run python -m contracts.schemas"


def example(event: type[Event]) -> dict[str, Any]:
    read: dict[str, Any] = orjson.loads(files("contracts").joinpath("examples", f"{event.__name__}.json").read_bytes())
    return read


def missing(said: Any, kept: Any, path: str = "") -> list[str]:
    """Where `said` has something that `kept` has not."""
    if isinstance(said, dict):
        lost = [f"{path}.{key}" for key in said if key not in kept]
        return lost + [m for key in said if key in kept for m in missing(said[key], kept[key], f"{path}.{key}")]
    if isinstance(said, list):
        return [m for n, (a, b) in enumerate(zip(said, kept, strict=True)) for m in missing(a, b, f"{path}[{n}]")]
    return [] if said == kept else [f"{path}: {said!r} became {kept!r}"]


@pytest.mark.parametrize("event", EVENTS)
def test_an_example_parses_for_ever_and_loses_nothing(event: type[Event]) -> None:
    said = example(event)
    kept = orjson.loads(event.model_validate(said).model_dump_json())
    assert missing(said, kept) == []


@pytest.mark.parametrize("event", EVENTS)
def test_a_field_added_later_breaks_no_running_consumer(event: type[Event]) -> None:
    event.model_validate({**example(event), "added_next_year": {"deep": [1]}})


@pytest.mark.parametrize("name", ["RecordsPage", "WindowEnded", "WalkEnded", "Settled"])
def test_what_is_said_on_data_fetched_is_told_apart_by_its_kind(name: str) -> None:
    body = files("contracts").joinpath("examples", f"{name}.json").read_bytes()
    assert type(FETCHED_ADAPTER.validate_json(body)).__name__ == name


def test_an_event_cannot_be_changed_after_it_was_made() -> None:
    event = SyncRequested.model_validate(example(SyncRequested))
    with pytest.raises(ValidationError):
        event.epoch = 9  # type: ignore[misc] # the point of the test


def test_a_connection_of_a_platform_nobody_knows_yet_is_welcome() -> None:
    name = "phpmyadmin:shop-db/main"
    assert SyncRequested.model_validate({**example(SyncRequested), "connection": name}).connection == name
    assert (parse_platform(name), parse_account(name)) == ("phpmyadmin", "shop-db/main")


@pytest.mark.parametrize("name", ["acme.myshopify.com", "Shopify:acme", ":x", "shopify:"])
def test_a_connections_name_has_its_form(name: str) -> None:
    with pytest.raises(ValidationError):
        SyncRequested.model_validate({**example(SyncRequested), "connection": name})


def test_one_story_gives_one_id_for_ever() -> None:
    assert str(derive_id("shopify", "webhook-1")) == "4e15c869-69b8-5b5c-a36b-8a855917656e"
    assert derive_id("a", "bc") != derive_id("ab", "c")


def test_headers_are_cloud_events_attributes() -> None:
    event = SyncRequested.model_validate(example(SyncRequested))
    headers = dict(build_headers(event, source="gateway", event_id="e1", subject=event.connection))
    assert headers["ce_type"] == b"merchant-sync.SyncRequested.v1"
    assert headers["ce_id"] == b"e1"


def test_every_topic_has_its_dead_letters_and_only_connections_are_kept_for_ever() -> None:
    topics = list_topics(("shopify", "facebook"))
    names = {topic.name for topic in topics}
    assert {f"{name}.dlq" for name in names if not name.endswith(".dlq")} <= names
    assert [topic.name for topic in topics if topic.compact] == [CONNECTION_CHANGED]


def test_an_error_names_the_field_and_never_what_was_in_it() -> None:
    broken = dict(example(RecordsPage)) | {"records": "a customer's address"}
    for parse in (RecordsPage.model_validate, FETCHED_ADAPTER.validate_python):
        with pytest.raises(ValidationError) as refused:
            parse(broken)
        assert "records" in str(refused.value)
        assert "customer" not in str(refused.value)
