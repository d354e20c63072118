"""Usage headers report what is used, in percent, and for how long calls are refused, in minutes."""

import json

import pytest

from platforms.facebook.usage import RateLimitUsage, UsageHeaders, parse_usage

SHARES = {"call_count": 28, "total_time": 25, "total_cputime": 31}


def test_the_highest_measure_counts() -> None:
    assert parse_usage({"x-app-usage": json.dumps(SHARES)}, "1") == UsageHeaders(app=RateLimitUsage(31))
    assert parse_usage({"x-page-usage": json.dumps(SHARES)}, "1") == UsageHeaders(page=RateLimitUsage(31))


def test_minutes_become_seconds() -> None:
    use = {"type": "pages", **SHARES, "call_count": 100, "estimated_time_to_regain_access": 7}
    assert parse_usage({"x-business-use-case-usage": json.dumps({"1": [use]})}, "1").page == RateLimitUsage(100, 420)


def test_other_accounts_and_kinds_of_use_are_not_this_pages() -> None:
    kinds = [{"type": "messenger", "call_count": 99}, {"type": "pages", "call_count": 3}]
    header = {"x-business-use-case-usage": json.dumps({"1": kinds, "2": [{"type": "pages", "call_count": 90}]})}
    assert parse_usage(header, "1").page == RateLimitUsage(3)
    assert parse_usage(header, "3").page is None


def test_of_both_page_headers_the_higher_counts() -> None:
    headers = {
        "x-page-usage": json.dumps(SHARES),
        "x-business-use-case-usage": json.dumps({"1": [{"type": "pages", "call_count": 40}]}),
    }
    assert parse_usage(headers, "1").page == RateLimitUsage(40)


@pytest.mark.parametrize("header", ["", "{", "[]", "null", '{"call_count": "much"}', '{"1": {}}'])
def test_a_malformed_header_counts_as_missing(header: str) -> None:
    headers = dict.fromkeys(("x-page-usage", "x-business-use-case-usage"), header)
    assert parse_usage({**headers, "x-app-usage": header.replace('{"1": {}}', "")}, "1").app is None
    assert parse_usage({"x-business-use-case-usage": header}, "1") == UsageHeaders()
