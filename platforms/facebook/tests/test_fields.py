"""The setting lists what is requested, and what Graph refuses is not requested again."""

import pytest

from platforms.facebook.fields import PAGE_FIELDS, RequestedFields, parse_fields


def list_names(setting: str) -> list[str]:
    return [field.name for field in parse_fields(setting)]


def test_the_default_is_the_page_of_the_document() -> None:
    assert len(list_names(PAGE_FIELDS)) == 22
    assert not {"email", "created_time", "access_token"} & set(list_names(PAGE_FIELDS))


def test_expansions_belong_to_their_field() -> None:
    setting = "name, picture.type(large){url,is_silhouette} ,location{city,zip},ratings.limit(3){rating{score,text}}"
    assert list_names(setting) == ["id", "name", "picture", "location", "ratings"]
    assert RequestedFields(parse_fields(setting)).text == "id," + setting.replace(" ", "")


def test_the_id_is_always_requested_and_each_field_once() -> None:
    assert RequestedFields(parse_fields("name,id,name")).text == "id,name"


@pytest.mark.parametrize(
    "setting", ["", "name,", "name,,about", "Name", "pic-ture", "picture{url", "picture}url{", "{}"]
)
def test_a_malformed_list_of_fields_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"brackets|names no field"):
        parse_fields(setting)


@pytest.mark.parametrize("setting", ["name,access_token", "name,page_token", "parent_page{access_token}"])
def test_a_token_is_never_requested(setting: str) -> None:
    with pytest.raises(ValueError, match="token"):
        parse_fields(setting)


def test_a_refused_field_is_dropped_once() -> None:
    fields = RequestedFields(parse_fields("name,bio,about"))
    assert fields.drop_field("bio") == ["bio"]
    assert fields.text == "id,name,about"
    assert fields.drop_field("bio") == []


def test_a_word_refused_inside_an_expansion_drops_the_field_around_it() -> None:
    fields = RequestedFields(parse_fields("name,picture{url,uri},location{city}"))
    assert fields.drop_field("uri") == ["picture"]
    assert fields.text == "id,name,location{city}"


def test_a_field_of_that_name_is_dropped_before_one_that_contains_it() -> None:
    fields = RequestedFields(parse_fields("link,parent_page{link}"))
    assert fields.drop_field("link") == ["link"]
    assert fields.text == "id,parent_page{link}"


def test_the_id_is_never_dropped() -> None:
    assert RequestedFields(parse_fields("name")).drop_field("id") == []
