"""How the simulated Odoo server is set up, and the faults that the control API can switch on."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

WRITING_METHODS = frozenset({"create", "write", "unlink", "load", "action_apply", "action_apply_inventory",
                             "action_clear_inventory_quantity", "action_archive", "action_unarchive",
                             "toggle_active"})  # fmt: skip


class ServerSetup(BaseModel):
    """How the server is set up.

    - `version`: the version of Odoo. A higher one is an upgrade of all databases; records stay.
    - `apps`: the apps that are installed in all databases, besides products.
    - `languages`: the languages that are installed, besides English.
    - `lists_databases`: whether the server tells the names of its databases.
    """

    model_config = ConfigDict(extra="forbid")

    version: Literal[17, 18, 19] = 18
    apps: list[Literal["sale", "stock", "website_sale"]] = ["sale", "stock"]
    languages: list[str] = []
    lists_databases: bool = True


class Faults(BaseModel):
    """All faults, which the control API can switch on. With the default values nothing fails.

    For every request:

    - `fail_requests`: so many of the next requests (-1: all) are answered with `fail_status`, with `retry_after` (s) if
      that is set.
    - `html_requests`: so many of the next requests (-1: all) are answered with a page of HTML and `html_status`.
    - `seconds_per_answer`: how long every answer waits.

    For calls of methods; with `methods` (e.g. `product.template.load` or `load`) only for these, with `spared_calls`
    only behind so many of them:

    - `concurrency_errors`: so many calls that write (-1: all) fail with `concurrency_error`; nothing is written.
    - `hidden_calls`: so many calls (-1: all) are executed, but nothing of the result arrives: the connection closes
      after `hidden_seconds`.
    - `cut_calls`: so many answers (-1: all) end in the middle.
    - `slow_calls`: so many calls (-1: all) take `slow_seconds` longer.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    fail_requests: int = 0
    fail_status: int = Field(default=503, ge=400, le=599)
    retry_after: int | None = None
    html_requests: int = 0
    html_status: int = Field(default=200, ge=200, le=599)
    seconds_per_answer: float = Field(default=0.0, ge=0)
    methods: list[str] = []
    spared_calls: int = Field(default=0, ge=0)
    concurrency_errors: int = 0
    concurrency_error: Literal["SerializationFailure", "LockNotAvailable", "DeadlockDetected"] = "SerializationFailure"
    hidden_calls: int = 0
    hidden_seconds: float = Field(default=0.0, ge=0)
    cut_calls: int = 0
    slow_calls: int = 0
    slow_seconds: float = Field(default=1.0, ge=0)

    def use_up(self, name: Literal["fail_requests", "html_requests"]) -> bool:
        """Return whether this request has a fault, and count it."""
        remaining: int = getattr(self, name)
        if remaining > 0:
            setattr(self, name, remaining - 1)
        return remaining != 0

    def use_up_call(self, model: str, method: str) -> frozenset[str]:
        """Return the names of the faults that a call has, and count it for each of them."""
        if self.methods and method not in self.methods and f"{model}.{method}" not in self.methods:
            return frozenset()
        if self.spared_calls:
            self.spared_calls -= 1
            return frozenset()
        found = set()
        for name in ("concurrency_errors", "hidden_calls", "cut_calls", "slow_calls"):
            remaining: int = getattr(self, name)
            if remaining and (name != "concurrency_errors" or method in WRITING_METHODS):
                found.add(name)
                setattr(self, name, remaining - 1 if remaining > 0 else remaining)
        return frozenset(found)
