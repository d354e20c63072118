"""The demo's steps for tables behind a phpMyAdmin, in the browser that has already connected other accounts."""

import time
from collections.abc import Sequence
from uuid import uuid4

from merchant_sync.demo.phpmyadmin_sandbox import ConnectedTables, SandboxTables, get_object_key
from merchant_sync.demo.readers import DemoReader, find_event
from merchant_sync.demo.trip import WAIT_SECONDS, Trip, format_seconds_since, get_if_finished
from merchant_sync.parts import StackError
from merchant_sync.steps import DemoStep, wait_for

TABLE = "orders"


class TableSteps:
    """The demo's steps for phpMyAdmin. They share the table of orders."""

    def __init__(self, trip: Trip) -> None:
        self.trip = trip
        self.sandbox = SandboxTables(trip.visit)
        self._connected: ConnectedTables | None = None
        self._reader: DemoReader | None = None

    @property
    def connected(self) -> ConnectedTables:
        """The connected table. Raises StackError before `connect`."""
        if self._connected is None:
            raise StackError("no table is connected")
        return self._connected

    @property
    def name(self) -> str:
        """The name of the table's connection."""
        return self.connected.connections[0]["connection"]

    @property
    def reader(self) -> DemoReader:
        """The reader with a key of the table. Raises StackError before `compare_fetched_data`."""
        if self._reader is None:
            raise StackError("no key was made for the table")
        return self._reader

    def connect(self) -> str:
        """Sign in to the sandbox's phpMyAdmin and choose the table; return the connection's name."""
        self._connected = self.sandbox.connect([TABLE], self.trip.browser)
        self.trip.remember_login(self.connected.browser, self.connected.answer)
        self.trip.objects[self.name] = get_object_key(self.name)
        return self.name

    def compare_object(self) -> str:
        """Wait until the table's first sync is a success and its object equals the expected document."""
        sync_id = self.connected.connections[0]["sync_id"]
        sync = wait_for(
            lambda: get_if_finished(self.connected.load_sync(sync_id)),
            within=WAIT_SECONDS,
            what="the table's first sync",
        )
        if sync["state"] != "success":
            raise StackError(f"the first sync of the table is {sync['state']}: {sync['reason']}")
        return self.trip.wait_for_expected(
            get_object_key(self.name), lambda: self.sandbox.load_expected_document(TABLE)
        )

    def compare_fetched_data(self) -> str:
        """Make a key, and wait until it gets the expected document with no parameter; return its size."""
        self._reader = DemoReader(self.trip.visit, self.connected.browser, self.name)
        self.reader.wait_until_known()
        return self.reader.wait_for_document(self._load_expected_rows)

    def refresh_after_edit(self) -> str:
        """Edit a row, ask for a refresh with the key, and get the row; return how long that took."""
        row = self.sandbox.call_table("GET", TABLE)["rows"][0]
        note = f"Edited {uuid4().hex[:6]}"
        began = time.monotonic()
        self.sandbox.call_table("PATCH", TABLE, "/rows", {"where": {"id": row["id"]}, "set": {"note": note}})
        with self.reader.open_update_stream() as events:
            last, _ = find_event(events, "updated", "unchanged", "failed", "timeout")
        if last != "updated":
            raise StackError(f"the refresh after an edit ended with {last}")
        self.reader.wait_for_document(self._load_expected_rows)
        return f"{format_seconds_since(began)} after the edit"

    def _load_expected_rows(self) -> object:
        return self.sandbox.load_expected_document(TABLE)["data"]

    def list_together(self) -> str:
        """Let the merchant list the table beside the accounts that were connected before; return the merchant's id."""
        return self.trip.list_together([self.name])


def build_steps(trip: Trip) -> Sequence[DemoStep]:
    """Return the demo's steps for phpMyAdmin, in their order."""
    steps = TableSteps(trip)
    return (
        DemoStep("The same browser connects a table behind a phpMyAdmin", steps.connect),
        DemoStep("The table's object equals the sandbox's expected document", steps.compare_object),
        DemoStep("A key gets the rows from the data API", steps.compare_fetched_data),
        DemoStep("An edited row is there after a refresh", steps.refresh_after_edit),
        DemoStep("The merchant lists the table beside the other accounts", steps.list_together),
        DemoStep("The merchant's document lists the table's object as well", trip.check_merchant_document),
    )
