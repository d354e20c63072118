"""What the data API knows of a platform's resources is what the platform declares."""

import pytest

from data_api.declared_resources import has_one_resource, list_lookup_fields
from platforms.registry import PLATFORMS, load_role


@pytest.mark.parametrize("platform", PLATFORMS)
def test_platforms_with_one_kind_of_records_are_told_from_others(platform: str) -> None:
    catalog = load_role(platform, "resources").CATALOG
    assert (len([resource for resource in catalog if resource.parent is None]) == 1) is has_one_resource(
        f"{platform}:1"
    )


def test_there_are_platforms_of_both_kinds() -> None:
    assert {has_one_resource(f"{platform}:1") for platform in PLATFORMS} == {True, False}
    assert not has_one_resource("unknown-platform:1")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_records_are_found_by_the_fields_that_their_platform_declares(platform: str) -> None:
    for resource in load_role(platform, "resources").CATALOG:
        assert list_lookup_fields(f"{platform}:1", resource.name) == sorted(resource.lookup_fields)
    assert list_lookup_fields(f"{platform}:1", "unknown") == []


def test_records_of_an_unknown_platform_are_found_by_no_field() -> None:
    assert list_lookup_fields("unknown-platform:1", "products") == []
