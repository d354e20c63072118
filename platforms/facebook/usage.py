"""Rate-limit usage in the headers of a response: what the app and the Page have used, in percent.

`X-App-Usage` is about the app and `X-Page-Usage` about a Page; `X-Business-Use-Case-Usage` lists by account what each
type of use has taken. Each has several measures, of which the highest counts. A header is missing while little is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

PAGES_USE = "pages"
"""The type of use to which reading a Page belongs."""


@dataclass(frozen=True)
class RateLimitUsage:
    """`percent` of a rate limit is used; calls are refused for `regain_seconds`, 0 where the header names no time."""

    percent: float
    regain_seconds: float = 0.0


@dataclass(frozen=True)
class UsageHeaders:
    """The usage that one response reports; None where it reports none."""

    app: RateLimitUsage | None = None
    page: RateLimitUsage | None = None

    @property
    def regain_seconds(self) -> float:
        """The longest time for which calls are refused."""
        return max((usage.regain_seconds for usage in (self.app, self.page) if usage), default=0.0)


class _Measures(BaseModel):
    type: str = PAGES_USE
    call_count: float = 0.0
    total_time: float = 0.0
    total_cputime: float = 0.0
    estimated_time_to_regain_access: float = 0.0
    """Minutes."""

    def build_usage(self) -> RateLimitUsage:
        percent = max(self.call_count, self.total_time, self.total_cputime)
        return RateLimitUsage(percent, max(0.0, self.estimated_time_to_regain_access * 60))


T = TypeVar("T")
_MEASURES = TypeAdapter(_Measures)
_MEASURES_BY_ACCOUNT = TypeAdapter(dict[str, list[_Measures]])


def parse_usage(headers: Mapping[str, str], page_id: str) -> UsageHeaders:
    """Return what the headers report of the app and of this Page; a malformed header counts as missing."""
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
