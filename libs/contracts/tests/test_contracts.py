"""Contracts change only deliberately, lose no field, and old messages can be parsed for ever."""

from importlib.resources import files
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from contracts.events import (
    EVENTS,
    FETCHED_ADAPTER,
    Event,
    FullReadCompleted,
    RecordsPage,
    SyncRequested,
    parse_account,
    parse_platform,
)
from contracts.headers import build_headers, derive_id
from contracts.schemas.generation import render_schemas
from contracts.topics import CONNECTION_CHANGED, KEY_CHANGED, LINK_CHANGED, SYNC_CHANGED, list_topics


@pytest.mark.parametrize("name", render_schemas())
def test_a_schema_changes_only_deliberately(name: str) -> None:
    committed = files("contracts.schemas").joinpath(name).read_text()
    assert committed == render_schemas()[name], "the contract changed: look at it, then run python -m contracts.schemas"


def load_example(event: type[Event]) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(files("contracts").joinpath("examples", f"{event.__name__}.json").read_bytes())
    return body


def list_losses(old: Any, new: Any, path: str = "") -> list[str]:
    """Return the paths of the values of `old` that `new` lacks."""
    if isinstance(old, dict):
        lost = [f"{path}.{key}" for key in old if key not in new]
        return lost + [p for key in old if key in new for p in list_losses(old[key], new[key], f"{path}.{key}")]
    if isinstance(old, list):
        return [p for n, (a, b) in enumerate(zip(old, new, strict=True)) for p in list_losses(a, b, f"{path}[{n}]")]
    return [] if old == new else [f"{path}: {old!r} became {new!r}"]


@pytest.mark.parametrize("event", EVENTS)
def test_an_example_can_be_parsed_for_ever_and_loses_nothing(event: type[Event]) -> None:
    old = load_example(event)
    new = orjson.loads(event.model_validate(old).model_dump_json())
    assert list_losses(old, new) == []


@pytest.mark.parametrize("event", EVENTS)
def test_a_field_added_later_breaks_no_running_consumer(event: type[Event]) -> None:
    event.model_validate({**load_example(event), "added_next_year": {"deep": [1]}})


@pytest.mark.parametrize(
    "name",
    [
        "RecordsPage",
        "IdsListed",
        "RangeCompleted",
        "FullReadCompleted",
        "DirectReadCompleted",
        "IncrementalReadCompleted",
    ],
)
def test_events_on_data_fetched_are_distinguished_by_their_kind(name: str) -> None:
    body = files("contracts").joinpath("examples", f"{name}.json").read_bytes()
    assert type(FETCHED_ADAPTER.validate_json(body)).__name__ == name


def test_an_event_is_immutable() -> None:
    event = SyncRequested.model_validate(load_example(SyncRequested))
    with pytest.raises(ValidationError):
        event.epoch = 9  # type: ignore[misc] # the point of the test


def test_a_connection_of_an_unknown_platform_is_valid() -> None:
    name = "phpmyadmin:shop-db/main"
    assert SyncRequested.model_validate({**load_example(SyncRequested), "connection": name}).connection == name
    assert (parse_platform(name), parse_account(name)) == ("phpmyadmin", "shop-db/main")


@pytest.mark.parametrize("name", ["acme.myshopify.com", "Shopify:acme", ":x", "shopify:"])
def test_a_malformed_connection_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        SyncRequested.model_validate({**load_example(SyncRequested), "connection": name})


def test_a_full_read_that_continues_another_one_can_be_replaced_by_one_of_everything() -> None:
    body = load_example(FullReadCompleted)
    with pytest.raises(ValidationError, match="retry_cursor"):
        FullReadCompleted.model_validate({**body, "retry_cursor": None})
    assert FullReadCompleted.model_validate({**body, "retry_cursor": None, "continues": None}).state == "opaque"


def test_the_same_parts_give_the_same_id_for_ever() -> None:
    assert str(derive_id("shopify", "webhook-1")) == "4e15c869-69b8-5b5c-a36b-8a855917656e"
    assert derive_id("a", "bc") != derive_id("ab", "c")


def test_headers_are_cloud_events_attributes() -> None:
    event = SyncRequested.model_validate(load_example(SyncRequested))
    headers = dict(build_headers(event, source="gateway", event_id="e1", subject=event.connection))
    assert headers["ce_type"] == b"merchant-sync.SyncRequested.v1"
    assert headers["ce_id"] == b"e1"


def test_every_topic_with_consumers_has_dead_letters_and_only_states_are_kept_for_ever() -> None:
    topics = list_topics(("shopify", "facebook"))
    names = {topic.name for topic in topics}
    consumed = {topic.name for topic in topics if topic.consumers and not topic.name.endswith(".dlq")}
    assert {name.removesuffix(".dlq") for name in names if name.endswith(".dlq")} == consumed
    assert [topic.name for topic in topics if topic.compact] == [
        CONNECTION_CHANGED,
        SYNC_CHANGED,
        KEY_CHANGED,
        LINK_CHANGED,
    ]


def test_an_error_names_the_field_and_never_its_value() -> None:
    broken = dict(load_example(RecordsPage)) | {"records": "a customer's address"}
    for parse in (RecordsPage.model_validate, FETCHED_ADAPTER.validate_python):
        with pytest.raises(ValidationError) as refused:
            parse(broken)
        assert "records" in str(refused.value)
        assert "customer" not in str(refused.value)
