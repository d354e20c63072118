"""How the sandbox's Facebook can be told to misbehave."""

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """All faults; the defaults are a Facebook in good health.

    `fail_calls`, `error_calls` and `throttle_calls` count down (-1: for ever). Ratios are from 0 to 1. `pages`, if
    any, are the only ones whose calls fail, hang, err or are throttled. `version` is what answers, whatever the URL
    says. `refuse_fields` are page fields, and `refuse_subscribed_fields` webhook fields, that Graph does not know any
    more. `reduce_above` is the limit of a list above which less data is asked for. `token_app_id` is whose app
    debug_token says that tokens are of.
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

    def concerns(self, page: str | None) -> bool:
        """Whether calls of that page, or of none, are among those that go wrong."""
        return not self.pages or page in self.pages

    def spend(self, name: str) -> bool:
        """Whether the fault that counts down in the field `name` strikes now."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left != 0
