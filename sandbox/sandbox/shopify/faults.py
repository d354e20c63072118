"""How a shop can be told to misbehave."""

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """All faults of one shop; the defaults are a Shopify in good health.

    `throttle_calls` and `fail_calls` count down (-1: for ever). Ratios are of calls or deliveries, from 0 to 1.
    `fail_status` may be any status: 429 and 430 as well as 5xx. `version` is what is served, whatever the URL says.
    `lists`, which are those of the root, is full, half or empty; reads by id stay true. `nodes_cost` flat or linear.
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

    def visible(self, total: int) -> int:
        """How many of the `total` records of a list are shown."""
        if self.lists == "half":
            return (total + 1) // 2
        return 0 if self.lists == "empty" else total

    def counted(self, total: int) -> int:
        """What is said when the count is `total`."""
        return max(0, total + self.count_offset)

    def spend(self, name: str) -> bool:
        """Whether the fault that counts down in the field `name` strikes now."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left != 0
