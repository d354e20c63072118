"""Parses the headers that report the usage of the rate limits of the app and the Page, in percent.

`X-App-Usage` reports the app's usage, and `X-Page-Usage` a Page's. `X-Business-Use-Case-Usage` reports the usage of
each account by type of use. Each header has several measures, and the highest counts. Headers are missing while the
usage is low.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

PAGES_USE = "pages"
"""The type of use, in `X-Business-Use-Case-Usage`, that reading a Page counts for."""


@dataclass(frozen=True)
class RateLimitUsage:
    """The usage of a rate limit in percent. `regain_seconds` is how long calls are refused; 0 when no time is named."""

    percent: float
    regain_seconds: float = 0.0


@dataclass(frozen=True)
class UsageHeaders:
    """The usage that one response reports, for the app and for the Page; None for what it does not report."""

    app: RateLimitUsage | None = None
    page: RateLimitUsage | None = None

    @property
    def regain_seconds(self) -> float:
        """The longer `regain_seconds` of the app's and the Page's usage; 0 when neither names a time."""
        return max((usage.regain_seconds for usage in (self.app, self.page) if usage), default=0.0)


class _Measures(BaseModel):
    type: str = PAGES_USE
    call_count: float = 0.0
    total_time: float = 0.0
    total_cputime: float = 0.0
    estimated_time_to_regain_access: float = 0.0
    """The time until calls are allowed again, in minutes."""

    def build_usage(self) -> RateLimitUsage:
        percent = max(self.call_count, self.total_time, self.total_cputime)
        return RateLimitUsage(percent, max(0.0, self.estimated_time_to_regain_access * 60))


T = TypeVar("T")
_MEASURES = TypeAdapter(_Measures)
_MEASURES_BY_ACCOUNT = TypeAdapter(dict[str, list[_Measures]])


def parse_usage(headers: Mapping[str, str], page_id: str) -> UsageHeaders:
    """Return the usage of the app and of this Page. `headers` have lower-case names. Malformed headers are ignored."""
    app = _parse_header(_MEASURES, headers.get("x-app-usage"))
    page = _parse_header(_MEASURES, headers.get("x-page-usage"))
    by_account = _parse_header(_MEASURES_BY_ACCOUNT, headers.get("x-business-use-case-usage")) or {}
    usages = [measures.build_usage() for measures in by_account.get(page_id, ()) if measures.type == PAGES_USE]
    if page:
        usages.append(page.build_usage())
    return UsageHeaders(app.build_usage() if app else None, _find_highest(usages))


def _find_highest(usages: list[RateLimitUsage]) -> RateLimitUsage | None:
    if not usages:
        return None
    return RateLimitUsage(max(u.percent for u in usages), max(u.regain_seconds for u in usages))


def _parse_header(adapter: TypeAdapter[T], header: str | None) -> T | None:
    try:
        return adapter.validate_json(header) if header else None
    except ValidationError:
        return None
