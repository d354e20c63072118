"""The faults that the control API can switch on for a shop."""

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """All faults of one shop, which the control API can switch on. With the default values there is no fault.

    - `throttle_calls`, `fail_calls`, `internal_error_calls`: how many of the next calls fail; -1 fails all of them.
    - `fail_ratio`, `webhooks_dropped`: the share of affected calls or deliveries, from 0 to 1.
    - `fail_status`: the error status of failed calls, such as 429, 430 or 503.
    - `version`: the API version that answers all requests, whatever version the URL names.
    - `lists`: how much of each list under the query root is returned (full, half or empty). Reads by id are not
      affected.
    - `unknown_forms`: the gids of records that are answered, by `nodes(ids:)`, as a type that the schema does not have.
    - `nodes_cost`: whether the cost of `nodes(ids:)` is that of one id (flat) or grows with the number of ids (linear).
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    throttle_calls: int = 0
    restore_rate: float | None = Field(default=None, gt=0)
    fail_calls: int = 0
    fail_ratio: float = Field(default=0.0, ge=0, le=1)
    fail_status: int = Field(default=503, ge=400, le=599)
    retry_after: int | None = None
    hang_seconds: float = Field(default=0.0, ge=0)
    hang_mid_body_seconds: float = Field(default=0.0, ge=0)
    truncate_body: bool = False
    html_body: bool = False
    internal_error_calls: int = 0
    version: str | None = None
    nodes_cost: str = Field(default="flat", pattern="^(flat|linear)$")
    deny_scopes: list[str] = []
    unknown_forms: list[str] = []
    lists: str = Field(default="full", pattern="^(full|half|empty)$")
    count_offset: int = 0
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

    def count_visible(self, total: int) -> int:
        """Return how many records of a list of `total` records clients get; the fault `lists` decides."""
        if self.lists == "half":
            return (total + 1) // 2
        return 0 if self.lists == "empty" else total

    def distort_count(self, total: int) -> int:
        """Return the count that clients get when the true count is `total`: the fault `count_offset` is added."""
        return max(0, total + self.count_offset)

    def use_up_fault(self, name: str) -> bool:
        """Return whether the fault in the field `name` affects this call. If it does, count the fault down by one.

        A fault with the count -1 affects all calls and is never counted down.
        """
        remaining: int = getattr(self, name)
        if remaining > 0:
            setattr(self, name, remaining - 1)
        return remaining != 0
