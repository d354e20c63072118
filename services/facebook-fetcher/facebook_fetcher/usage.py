"""How much of its budgets an answer says is used: the app's and the page's, in percent.

`X-App-Usage` is about the app and `X-Page-Usage` about a page; `X-Business-Use-Case-Usage` lists by account what each
kind of use has taken. Each has several measures, of which the highest counts. A header is missing while little is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

KIND = "pages"
"""The kind of use that reading a page is."""


@dataclass(frozen=True)
class Reading:
    """`percent` of a budget is used; `regain_seconds` is how long nothing is answered, 0 where that is not said."""

    percent: float
    regain_seconds: float = 0.0


@dataclass(frozen=True)
class Usage:
    """What one answer says; None where it says nothing."""

    app: Reading | None = None
    page: Reading | None = None


class _Shares(BaseModel):
    type: str = KIND
    call_count: float = 0.0
    total_time: float = 0.0
    total_cputime: float = 0.0
    estimated_time_to_regain_access: float = 0.0
    """Minutes."""

    @property
    def reading(self) -> Reading:
        percent = max(self.call_count, self.total_time, self.total_cputime)
        return Reading(percent, max(0.0, self.estimated_time_to_regain_access * 60))


T = TypeVar("T")
_ONE = TypeAdapter(_Shares)
_BY_ACCOUNT = TypeAdapter(dict[str, list[_Shares]])


def usage(headers: Mapping[str, str], page_id: str) -> Usage:
    """What the headers say of the app and of this page; one in an unknown form says nothing."""
    app = _understood(_ONE, headers.get("x-app-usage"))
    page = _understood(_ONE, headers.get("x-page-usage"))
    by_account = _understood(_BY_ACCOUNT, headers.get("x-business-use-case-usage")) or {}
    uses = [use.reading for use in by_account.get(page_id, ()) if use.type == KIND]
    readings = [*uses, page.reading] if page else uses
    return Usage(app.reading if app else None, _highest(readings))


def _highest(readings: list[Reading]) -> Reading | None:
    if not readings:
        return None
    return Reading(max(r.percent for r in readings), max(r.regain_seconds for r in readings))


def _understood(kind: TypeAdapter[T], header: str | None) -> T | None:
    try:
        return kind.validate_json(header) if header else None
    except ValidationError:
        return None
