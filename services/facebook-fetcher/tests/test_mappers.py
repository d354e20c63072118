"""The record has every requested field, those that change by themselves apart, and nothing else."""

from typing import Any

import pytest

from facebook_fetcher.mappers import map_page
from platforms.facebook.fields import PAGE_FIELDS, parse_fields

BODY = {
    *("id", "name", "category", "about", "website", "link", "verification_status", "location", "phone", "username"),
    *("description", "bio", "category_list", "emails", "hours", "single_line_address", "is_published", "email"),
}
VOLATILE = {"picture", "fan_count", "followers_count", "overall_star_rating", "rating_count"}


def build_record(page: dict[str, Any], setting: str = PAGE_FIELDS) -> Any:
    return map_page("1", {"id": "1", **page}, parse_fields(setting), 5)


def test_every_field_is_there_and_null_where_graph_leaves_it_out() -> None:
    record = build_record({"name": "Rosa's"})
    assert record.body == {**dict.fromkeys(BODY), "id": "1", "name": "Rosa's"}
    assert record.volatile_fields == dict.fromkeys(VOLATILE)
    assert (record.resource, record.id, record.read_at, record.updated_at) == ("page", "1", 5, None)


def test_volatile_fields_are_not_in_the_body() -> None:
    picture = {"data": {"url": "https://cdn.test/a?signed=1"}}
    record = build_record({"picture": picture, "fan_count": 7, "followers_count": 8, "rating_count": 0})
    assert record.volatile_fields["picture"] == picture
    assert (
        record.volatile_fields["fan_count"],
        record.volatile_fields["followers_count"],
        record.volatile_fields["rating_count"],
    ) == (7, 8, 0)
    assert not record.body.keys() & VOLATILE


@pytest.mark.parametrize(
    ("emails", "first"), [(["a@x.test", "b@x.test"], "a@x.test"), ([], None), (None, None), ("odd", None), ([3], None)]
)
def test_the_email_is_the_first_of_emails(emails: Any, first: str | None) -> None:
    assert build_record({"emails": emails}).body["email"] == first


def test_nothing_that_was_not_requested_gets_in() -> None:
    record = build_record({"access_token": "shh", "paging": {}, "created_time": "2020"})
    assert (set(record.body), set(record.volatile_fields)) == (BODY, VOLATILE)


def test_other_fields_make_another_record() -> None:
    assert build_record({"cover": {"id": "9"}}, "cover,fan_count").body == {"id": "1", "cover": {"id": "9"}}
    assert build_record({}, "cover,fan_count").volatile_fields == {"fan_count": None}
    assert build_record({"emails": ["a@x.test"]}, "emails").body == {
        "id": "1",
        "emails": ["a@x.test"],
        "email": "a@x.test",
    }


def test_values_in_forms_that_nobody_knows_are_kept() -> None:
    record = build_record({"verification_status": "purple_verified", "hours": [1]})
    assert (record.body["verification_status"], record.body["hours"]) == ("purple_verified", [1])
