"""API keys: who may sign in at a database, and how wrong keys are answered."""

import hashlib
import time
from collections import defaultdict
from datetime import UTC, datetime

from sandbox.odoo.database import OdooDatabase, format_time
from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import AccessDenied
from sandbox.odoo.fields import Row

KEYS = "res.users.apikeys"
ADMIN = 2
"""The id of the user that databases have at first."""
_MOST_FAILURES, _COOLDOWN_SECONDS = 5, 60.0


class Authenticator:
    """Checks the keys of one database.

    After five wrong keys from an address it is refused for a minute, with right keys too. A key that was accepted by
    `check` goes on to be accepted there after it was removed or has expired.
    """

    def __init__(self, database: OdooDatabase) -> None:
        self._database = database
        self._accepted: set[tuple[int, str]] = set()
        self._failures: defaultdict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))

    def forget(self) -> None:
        """Forget which keys were accepted and how many were wrong, as a server does when it starts."""
        self._accepted.clear()
        self._failures.clear()

    def log_in(self, login: str, key: str, address: str) -> int:
        """Return the id of the user with this login. Raises AccessDenied if the key is not one of theirs."""
        self._refuse_blocked(address)
        user = next((row for row in self._database.list_rows("res.users").values() if row["login"] == login), None)
        if user is None or not user["active"] or self._find_owner(key) != user["id"]:
            self._record_failure(address)
            raise AccessDenied("Access Denied")
        self._failures.pop(address, None)
        return int(user["id"])

    def check(self, user: int, key: str, address: str) -> None:
        """Raise AccessDenied unless the key is one of the user's, or was when it was last asked for."""
        if (user, key) in self._accepted:
            return
        self._refuse_blocked(address)
        if not key or self._find_owner(key) != user:
            self._record_failure(address)
            raise AccessDenied("Access Denied")
        self._failures.pop(address, None)
        self._accepted.add((user, key))

    def find_user(self, key: str) -> int | None:
        """Return the id of the user whose key it is; None if it is nobody's."""
        return self._find_owner(key)

    def _find_owner(self, key: str) -> int | None:
        now, digest = format_time(datetime.now(UTC)), hash_key(key)
        for row in self._database.list_rows(KEYS).values():
            if row.get("digest") == digest and not (row.get("expiration_date") and row["expiration_date"] < now):
                user = self._database.find("res.users", row["user_id"])
                return int(row["user_id"]) if user and user["active"] else None
        return None

    def _refuse_blocked(self, address: str) -> None:
        failures, last = self._failures[address]
        if failures >= _MOST_FAILURES and time.monotonic() - last < _COOLDOWN_SECONDS:
            raise AccessDenied("Too many login failures, please wait a bit before trying again.")

    def _record_failure(self, address: str) -> None:
        self._failures[address] = (self._failures[address][0] + 1, time.monotonic())


def hash_key(key: str) -> str:
    """Return what the server keeps of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def add_key(env: OdooEnvironment, user: int, key: str, name: str, expires_at: str | None = None) -> Row:
    """Add a key for a user. `expires_at` is a time in UTC, e.g. `2026-12-31 00:00:00`."""
    number = env.create(KEYS, {"name": name, "user_id": user, "scope": "rpc"})
    row = {**env.find(KEYS, number), "digest": hash_key(key), "expiration_date": expires_at}
    env.database.write(KEYS, number, row)
    return row
