"""How the simulated phpMyAdmin is set up, and the faults that the control API can switch on."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Privilege = Literal["SELECT", "INSERT", "UPDATE", "DELETE", "ALTER", "ALL PRIVILEGES"]


class Setup(BaseModel):
    """How the host has set up the phpMyAdmin.

    - `login_kind`: the form for signing in (`cookie`), HTTP Basic (`http`), none because the host's configuration has a
      user (`config`), or a redirect to a sign-in of the host's own (`signon`).
    - `servers`: the number of database servers. The first one is a MariaDB, the others a MySQL.
    - `has_captcha`, `has_second_factor`: whether signing in needs what no program can do.
    - `has_json_export`: whether the host has kept the export as JSON.
    - `privileges`: what `SHOW GRANTS` says that the user may do in the databases. Only reading is ever possible.
    """

    model_config = ConfigDict(extra="forbid")

    login_kind: Literal["cookie", "http", "config", "signon"] = "cookie"
    servers: int = Field(default=1, ge=1, le=3)
    version: str = Field(default="5.2.1deb1+deb12u1", pattern=r"^\d+\.\d+\.\d+[A-Za-z0-9.+-]*$")
    has_captcha: bool = False
    has_second_factor: bool = False
    has_json_export: bool = True
    privileges: list[Privilege] = ["SELECT"]


class Faults(BaseModel):
    """All faults, which the control API can switch on. With the default values nothing fails.

    For every request:

    - `fail_requests`: so many of the next requests (-1: all) are answered with `fail_status`, with `retry_after` (s) if
      that is set.
    - `seconds_per_answer`: how long every answer waits.
    - `database_away`: the database accepts no connection.
    - `refused_with`: the database's number for the error with which it refuses every login, e.g. 1040.

    For exports; `exports` is how many of the next ones are affected (-1: all), behind the first `spared_exports`, and
    with `tables` only those whose statement names one of these tables:

    - `warning`: a warning of PHP stands before the data.
    - `cut_after_bytes`: the answer ends behind so many bytes. The HTTP connection ends as if all were well, unless
      `cut_breaks_connection`.
    - `html_after_rows`: a page of HTML stands in the middle of the data, behind so many rows.
    - `lose_connection_after_rows`: the database's connection is lost behind so many rows; the answer ends as if there
      were no more.
    - `no_rows`: a statement that was killed before its first row: the answer is whole, without rows.
    - `seconds_per_row`: how long every row takes.
    - `error_code`: the database refuses the statement with this number.
    - `refused_tables`: the user may not read these tables (`database.table`); `exports` and `tables` do not matter.

    After so many exports from now on, if they are set:

    - `end_sessions_after_exports`: all sessions end.
    - `alter_after_exports`: the table `alter_table` (`server/database/table`) gets a further column.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    fail_requests: int = 0
    fail_status: int = Field(default=503, ge=400, le=599)
    retry_after: int | None = None
    seconds_per_answer: float = Field(default=0.0, ge=0)
    database_away: bool = False
    refused_with: int | None = None
    exports: int = -1
    spared_exports: int = Field(default=0, ge=0)
    tables: list[str] = []
    warning: bool = False
    cut_after_bytes: int | None = Field(default=None, ge=0)
    cut_breaks_connection: bool = False
    html_after_rows: int | None = Field(default=None, ge=0)
    lose_connection_after_rows: int | None = Field(default=None, ge=0)
    no_rows: bool = False
    seconds_per_row: float = Field(default=0.0, ge=0)
    error_code: int | None = None
    refused_tables: list[str] = []
    end_sessions_after_exports: int | None = Field(default=None, ge=0)
    alter_after_exports: int | None = Field(default=None, ge=0)
    alter_table: str = "1/shop/orders"

    def use_up_failure(self) -> bool:
        """Return whether this request fails, and count it."""
        if self.fail_requests > 0:
            self.fail_requests -= 1
            return True
        return self.fail_requests < 0

    def use_up_export(self, statement: str) -> bool:
        """Return whether the faults of exports affect this one, and count it."""
        if self.tables and not any(f"`{table}`" in statement for table in self.tables):
            return False
        if self.spared_exports:
            self.spared_exports -= 1
            return False
        if self.exports > 0:
            self.exports -= 1
            return True
        return self.exports < 0

    def count_down(self, name: str) -> bool:
        """Count an export for `end_sessions_after_exports` or `alter_after_exports`; return whether it is due now."""
        remaining: int | None = getattr(self, name)
        if remaining is None:
            return False
        setattr(self, name, remaining - 1 if remaining else None)
        return remaining == 0


NO_FAULTS = Faults()
"""What affects an export that is spared."""
