"""The faults that the control API can switch on for the simulated Facebook."""

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """All faults of the simulated Facebook, which the control API can switch on. With the default values nothing fails.

    - `pages`: if set, only calls about these Facebook Pages fail, hang, return errors or are throttled.
    - `fail_calls`, `error_calls`, `throttle_calls`: how many of the next calls are affected; -1 affects all.
    - the ratios, and `webhooks_dropped`: the share of affected calls or deliveries, from 0 to 1.
    - `version`: the API version that answers, whatever version the URL names.
    - `refuse_fields`, `refuse_subscribed_fields`: page fields and webhook fields that Graph refuses as unknown.
    - `reduce_above`: if a list is requested with a higher `limit`, Graph refuses and asks for a smaller amount of data.
    - `token_app_id`: the id of the app that debug_token reports for every token.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    pages: list[str] = []
    fail_calls: int = 0
    fail_ratio: float = Field(default=0.0, ge=0, le=1)
    fail_status: int = Field(default=503, ge=400, le=599)
    hang_seconds: float = Field(default=0.0, ge=0)
    hang_mid_body_seconds: float = Field(default=0.0, ge=0)
    truncate_body: bool = False
    html_body: bool = False
    error_calls: int = 0
    error_ratio: float = Field(default=0.0, ge=0, le=1)
    error_code: int = 2
    error_subcode: int | None = None
    throttle_calls: int = 0
    throttle_code: int = 80001
    throttle_minutes: float = Field(default=1, ge=0)
    version: str | None = None
    refuse_fields: list[str] = []
    refuse_subscribed_fields: list[str] = []
    reduce_above: int | None = None
    batch_null_ratio: float = Field(default=0.0, ge=0, le=1)
    token_endpoint_status: int | None = None
    token_app_id: str | None = None
    clock_skew_seconds: float = 0.0
    webhooks_off: bool = False
    webhooks_dropped: float = Field(default=0.0, ge=0, le=1)
    webhooks_duplicated: int = Field(default=0, ge=0, le=20)
    webhooks_delayed_seconds: float = Field(default=0.0, ge=0)

    def is_affected(self, page: str | None) -> bool:
        """Return whether faults affect calls about the Facebook Page with the id `page`.

        None stands for calls about no page.
        """
        return not self.pages or page in self.pages

    def use_up_fault(self, name: str) -> bool:
        """Return whether the fault `name`, such as `fail_calls`, affects this call. If so, reduce its value by one.

        The value is the number of next calls that the fault affects. The value -1 affects all calls and is never
        reduced.
        """
        remaining: int = getattr(self, name)
        if remaining > 0:
            setattr(self, name, remaining - 1)
        return remaining != 0
