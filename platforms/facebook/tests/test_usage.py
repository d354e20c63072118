"""Usage headers say what is used, in percent, and for how long nothing is answered, in minutes."""

import json

import pytest

from facebook_fetcher.usage import Reading, Usage, usage

SHARES = {"call_count": 28, "total_time": 25, "total_cputime": 31}


def test_the_highest_measure_counts() -> None:
    assert usage({"x-app-usage": json.dumps(SHARES)}, "1") == Usage(app=Reading(31))
    assert usage({"x-page-usage": json.dumps(SHARES)}, "1") == Usage(page=Reading(31))


def test_minutes_are_said_as_seconds() -> None:
    use = {"type": "pages", **SHARES, "call_count": 100, "estimated_time_to_regain_access": 7}
    assert usage({"x-business-use-case-usage": json.dumps({"1": [use]})}, "1").page == Reading(100, 420)


def test_other_accounts_and_kinds_of_use_are_not_this_pages() -> None:
    kinds = [{"type": "messenger", "call_count": 99}, {"type": "pages", "call_count": 3}]
    header = {"x-business-use-case-usage": json.dumps({"1": kinds, "2": [{"type": "pages", "call_count": 90}]})}
    assert usage(header, "1").page == Reading(3)
    assert usage(header, "3").page is None


def test_both_page_headers_together_say_the_higher() -> None:
    headers = {
        "x-page-usage": json.dumps(SHARES),
        "x-business-use-case-usage": json.dumps({"1": [{"type": "pages", "call_count": 40}]}),
    }
    assert usage(headers, "1").page == Reading(40)


@pytest.mark.parametrize("header", ["", "{", "[]", "null", '{"call_count": "much"}', '{"1": {}}'])
def test_an_unknown_form_says_nothing(header: str) -> None:
    headers = dict.fromkeys(("x-page-usage", "x-business-use-case-usage"), header)
    assert usage({**headers, "x-app-usage": header.replace('{"1": {}}', "")}, "1").app is None
    assert usage({"x-business-use-case-usage": header}, "1") == Usage()
