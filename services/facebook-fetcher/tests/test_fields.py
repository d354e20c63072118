"""The setting says what is asked for, and what Graph refuses is asked for no more."""

import pytest

from facebook_fetcher.fields import PAGE_FIELDS, Asking, parsed


def names(setting: str) -> list[str]:
    return [field.name for field in parsed(setting)]


def test_the_default_is_the_page_of_the_document() -> None:
    assert len(names(PAGE_FIELDS)) == 22
    assert not {"email", "created_time", "access_token"} & set(names(PAGE_FIELDS))


def test_expansions_belong_to_their_field() -> None:
    setting = "name, picture.type(large){url,is_silhouette} ,location{city,zip},ratings.limit(3){rating{score,text}}"
    assert names(setting) == ["id", "name", "picture", "location", "ratings"]
    assert Asking(parsed(setting)).text == "id," + setting.replace(" ", "")


def test_the_id_is_always_asked_for_and_each_field_once() -> None:
    assert Asking(parsed("name,id,name")).text == "id,name"


@pytest.mark.parametrize(
    "setting", ["", "name,", "name,,about", "Name", "pic-ture", "picture{url", "picture}url{", "{}"]
)
def test_what_is_no_list_of_fields_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"brackets|names no field"):
        parsed(setting)


@pytest.mark.parametrize("setting", ["name,access_token", "name,page_token", "parent_page{access_token}"])
def test_a_token_is_never_asked_for(setting: str) -> None:
    with pytest.raises(ValueError, match="token"):
        parsed(setting)


def test_a_refused_field_is_dropped_once() -> None:
    asking = Asking(parsed("name,bio,about"))
    assert asking.drop("bio") == ["bio"]
    assert asking.text == "id,name,about"
    assert asking.drop("bio") == []


def test_a_word_refused_inside_an_expansion_drops_the_field_around_it() -> None:
    asking = Asking(parsed("name,picture{url,uri},location{city}"))
    assert asking.drop("uri") == ["picture"]
    assert asking.text == "id,name,location{city}"


def test_a_field_of_that_name_goes_before_one_that_mentions_it() -> None:
    asking = Asking(parsed("link,parent_page{link}"))
    assert asking.drop("link") == ["link"]
    assert asking.text == "id,parent_page{link}"


def test_the_id_is_never_dropped() -> None:
    assert Asking(parsed("name")).drop("id") == []
