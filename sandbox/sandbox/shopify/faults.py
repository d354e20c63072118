"""The faults that the control API can switch on for a shop."""

from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Share = Literal["full", "half", "empty"]


class HasNumber(Protocol):
    """A record with a number."""

    @property
    def number(self) -> int:
        """The number in the record's gid."""
        ...


Numbered = TypeVar("Numbered", bound=HasNumber)


def _cut(total: int, share: Share) -> int:
    if share == "half":
        return (total + 1) // 2
    return 0 if share == "empty" else total


class Faults(BaseModel):
    """All faults of one shop, which the control API can switch on. With the default values there is no fault.

    - `throttle_calls`, `fail_calls`, `internal_error_calls`: how many of the next calls fail; -1 fails all of them.
    - `fail_ratio`, `webhooks_dropped`: the share of affected calls or deliveries, from 0 to 1.
    - `fail_status`: the error status of failed calls, such as 429, 430 or 503.
    - `version`: the API version that answers all requests, whatever version the URL names.
    - `hold_after_ids`: from the moment at which the shop's statistics count this many ids read, calls wait until the
      fault is removed; 0 holds every call. A call that is held was authenticated before.
    - `lists`, `counts`: how much of each list under the query root is returned, and how much of it is counted (full,
      half or empty). Reads by id are not affected.
    - `hidden_from_lists`, `hidden_from_counts`: the numbers of records that the lists and the counts leave out.
    - `count_offset`: what is added to each count.
    - `churn_calls`: before how many of the next calls products are created and as many others deleted; -1: before all
      calls. `churn_after_calls` is how many calls are left alone first, `churn_pairs` how many products are created.
    - `unknown_forms`: the gids of records that are answered, by `nodes(ids:)`, as a type that the schema does not have.
    - `media_seconds`: how long a media is processed; `failing_media`: it fails if its source contains one of these.
    - `refused_records`: mutations whose arguments have one of these texts, such as a gid or a SKU, get a user error.
    - `throttle_writes`, `fail_writes`: how many of the next mutations are throttled or fail, without effect; -1: all.
    - `lost_answers`: how many of the next mutations are executed while their answers break off after they hung for
      `lost_answer_seconds`.
    - `concurrent_writes`: how many of the next mutations with an idempotency key are refused, without effect, because
      the first call with the key is still under way; -1: all.
    - `bulk_lines_per_second`: how fast bulk operations are; `bulk_stops_after_lines`: after how many lines they fail;
      `bulk_lost_lines`: how many lines at the end are missing in the result of a completed one.
    - `nodes_cost`: whether the cost of `nodes(ids:)` is that of one id (flat) or grows with the number of ids (linear).
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    throttle_calls: int = 0
    restore_rate: float | None = Field(default=None, gt=0)
    fail_calls: int = 0
    fail_ratio: float = Field(default=0.0, ge=0, le=1)
    fail_status: int = Field(default=503, ge=400, le=599)
    retry_after: int | None = None
    hold_after_ids: int | None = Field(default=None, ge=0)
    hang_seconds: float = Field(default=0.0, ge=0)
    hang_mid_body_seconds: float = Field(default=0.0, ge=0)
    truncate_body: bool = False
    html_body: bool = False
    internal_error_calls: int = 0
    version: str | None = None
    nodes_cost: str = Field(default="flat", pattern="^(flat|linear)$")
    deny_scopes: list[str] = []
    unknown_forms: list[str] = []
    lists: Share = "full"
    counts: Share = "full"
    hidden_from_lists: frozenset[int] = frozenset()
    hidden_from_counts: frozenset[int] = frozenset()
    count_offset: int = 0
    churn_calls: int = 0
    churn_after_calls: int = Field(default=0, ge=0)
    churn_pairs: int = Field(default=1, ge=0)
    search_warnings: bool = False
    clock_skew_seconds: float = 0.0
    refuse_topics: list[str] = []
    token_endpoint_status: int | None = None
    webhooks_off: bool = False
    webhooks_dropped: float = Field(default=0.0, ge=0, le=1)
    webhooks_duplicated: int = Field(default=0, ge=0, le=20)
    webhooks_reordered: bool = False
    webhooks_delayed_seconds: float = Field(default=0.0, ge=0)
    inventory_touches_product: bool = True
    media_seconds: float = Field(default=0.2, ge=0)
    failing_media: list[str] = []
    refused_records: frozenset[str] = frozenset()
    throttle_writes: int = 0
    fail_writes: int = 0
    lost_answers: int = 0
    concurrent_writes: int = 0
    lost_answer_seconds: float = Field(default=0.0, ge=0)
    bulk_lines_per_second: float | None = Field(default=None, gt=0)
    bulk_stops_after_lines: int | None = Field(default=None, ge=0)
    bulk_lost_lines: int = Field(default=0, ge=0)

    def distort_list(self, records: list[Numbered]) -> list[Numbered]:
        """Return those of a list's `records` that clients get."""
        hidden = self.hidden_from_lists
        visible = [record for record in records if record.number not in hidden] if hidden else records
        return visible[: _cut(len(visible), self.lists)]

    def distort_count(self, records: list[Numbered]) -> int:
        """Return the count of `records` that clients get."""
        hidden = self.hidden_from_counts
        counted = sum(record.number not in hidden for record in records) if hidden else len(records)
        return max(0, _cut(counted, self.counts) + self.count_offset)

    def use_up_churn(self) -> int:
        """Return how many products are created, and as many others deleted, before this call; count the call."""
        if self.churn_after_calls:
            self.churn_after_calls -= 1
            return 0
        return self.churn_pairs if self.use_up_fault("churn_calls") else 0

    def is_holding(self, ids_read: int) -> bool:
        """Return whether a call has to wait when the shop has read `ids_read` ids so far."""
        return self.hold_after_ids is not None and ids_read >= self.hold_after_ids

    @property
    def has_write_faults(self) -> bool:
        """Whether there is a fault because of which the HTTP answer to a mutation differs from that to a query."""
        return self.fail_writes != 0 or self.lost_answers != 0

    def use_up_fault(self, name: str) -> bool:
        """Return whether the fault in the field `name` affects this call. If it does, count the fault down by one.

        A fault with the count -1 affects all calls and is never counted down.
        """
        remaining: int = getattr(self, name)
        if remaining > 0:
            setattr(self, name, remaining - 1)
        return remaining != 0
