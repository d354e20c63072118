"""The record has every field that was asked for, what moves by itself apart, and nothing else."""

from typing import Any

import pytest

from facebook_fetcher.fields import PAGE_FIELDS, parsed
from facebook_fetcher.records import page_record

BODY = {
    *("id", "name", "category", "about", "website", "link", "verification_status", "location", "phone", "username"),
    *("description", "bio", "category_list", "emails", "hours", "single_line_address", "is_published", "email"),
}
VOLATILE = {"picture", "fan_count", "followers_count", "overall_star_rating", "rating_count"}


def record(page: dict[str, Any], setting: str = PAGE_FIELDS) -> Any:
    return page_record("1", {"id": "1", **page}, parsed(setting), 5)


def test_every_field_is_there_and_null_where_graph_leaves_it_out() -> None:
    made = record({"name": "Rosa's"})
    assert made.body == {**dict.fromkeys(BODY), "id": "1", "name": "Rosa's"}
    assert made.volatile == dict.fromkeys(VOLATILE)
    assert (made.resource, made.id, made.read_at, made.updated_at) == ("page", "1", 5, None)


def test_what_moves_by_itself_is_not_in_the_body() -> None:
    picture = {"data": {"url": "https://cdn.test/a?signed=1"}}
    made = record({"picture": picture, "fan_count": 7, "followers_count": 8, "rating_count": 0})
    assert made.volatile["picture"] == picture
    assert (made.volatile["fan_count"], made.volatile["followers_count"], made.volatile["rating_count"]) == (7, 8, 0)
    assert not made.body.keys() & VOLATILE


@pytest.mark.parametrize(
    ("emails", "first"), [(["a@x.test", "b@x.test"], "a@x.test"), ([], None), (None, None), ("odd", None), ([3], None)]
)
def test_the_email_is_the_first_of_emails(emails: Any, first: str | None) -> None:
    assert record({"emails": emails}).body["email"] == first


def test_nothing_that_was_not_asked_for_gets_in() -> None:
    made = record({"access_token": "shh", "paging": {}, "created_time": "2020"})
    assert (set(made.body), set(made.volatile)) == (BODY, VOLATILE)


def test_other_fields_make_another_record() -> None:
    assert record({"cover": {"id": "9"}}, "cover,fan_count").body == {"id": "1", "cover": {"id": "9"}}
    assert record({}, "cover,fan_count").volatile == {"fan_count": None}
    assert record({"emails": ["a@x.test"]}, "emails").body == {"id": "1", "emails": ["a@x.test"], "email": "a@x.test"}


def test_values_in_forms_that_nobody_knows_are_kept() -> None:
    made = record({"verification_status": "purple_verified", "hours": [1]})
    assert (made.body["verification_status"], made.body["hours"]) == ("purple_verified", [1])
