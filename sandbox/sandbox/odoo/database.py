"""One database of the simulated server: its tables in memory, and transactions over them."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock

from sandbox.odoo.fields import ModelList, Row
from sandbox.odoo.store import OdooStore

_OWNER_FIELDS = {"ir.attachment": "res_model", "ir.model.data": "model"}
"""The models whose records belong to a record of any model, and the field that names that model."""


def format_time(moment: datetime) -> str:
    """Return a time in UTC as PostgreSQL has it, with microseconds. Clients get it without them."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


@dataclass(slots=True)
class Transaction:
    """A running transaction. `now` is when it began: every record that it writes gets this `write_date`.

    `previous` are the rows as they were before it.
    """

    now: str
    previous: dict[tuple[str, int], Row | None] = field(default_factory=dict)
    written: list[tuple[str, int]] = field(default_factory=list)
    """Model and id of each write, in their order; a record may be there several times."""


class OdooDatabase:
    """The tables of one database. One transaction runs at a time, in any thread."""

    def __init__(self, name: str, models: ModelList, store: OdooStore) -> None:
        self.name = name
        self.models = models
        self.lock = RLock()
        self.denied_rights: dict[str, list[str]] = {}
        self._store = store
        self._tables: defaultdict[str, dict[int, Row]] = defaultdict(dict)
        self._last_ids: defaultdict[str, int] = defaultdict(int)
        self._index: defaultdict[tuple[str, str, int | str], set[int]] = defaultdict(set)
        self._owned: defaultdict[tuple[str, str, int], set[int]] = defaultdict(set)
        self._external_ids: dict[tuple[str, str], int] = {}
        self._transaction: Transaction | None = None
        for model, number, row in store.load_records(name):
            self._set_row(model, number, row)

    def set_models(self, models: ModelList) -> None:
        """Replace the models: the server was upgraded."""
        with self.lock:
            self.models = models
            self._index.clear()
            for model, table in self._tables.items():
                for number, row in list(table.items()):
                    self._index_links(model, number, {}, row)

    @contextmanager
    def begin(self, now: str = "") -> Iterator[Transaction]:
        """Run a transaction, which began `now` or at the given time. An exception rolls it back."""
        with self.lock:
            if self._transaction is not None:
                yield self._transaction
                return
            self._transaction = transaction = Transaction(now or format_time(datetime.now(UTC)))
            try:
                yield transaction
            except BaseException:
                self._restore(transaction.previous)
                raise
            else:
                changes = [(model, number, self.find(model, number)) for model, number in transaction.previous]
                if changes:
                    self._store.write_records(self.name, changes)
            finally:
                self._transaction = None

    @contextmanager
    def begin_savepoint(self) -> Iterator[None]:
        """Run a part of the transaction. An exception rolls back that part."""
        assert self._transaction is not None
        outer, self._transaction.previous = self._transaction.previous, {}
        try:
            yield
        except BaseException:
            self._restore(self._transaction.previous)
            self._transaction.previous = outer
            raise
        self._transaction.previous = {**self._transaction.previous, **outer}

    def list_rows(self, model: str) -> dict[int, Row]:
        """Return the rows of a model by their ids. The caller does not change them."""
        return self._tables[model]

    def find(self, model: str, number: int) -> Row | None:
        """Return a row; None if there is none with this id."""
        return self._tables[model].get(number)

    def find_referring(self, model: str, field_name: str, value: int | str) -> set[int]:
        """Return the ids of the rows whose many2one `field_name` leads to `value`, or whose indexed field has it."""
        return self._index.get((model, field_name, value), set())

    def find_owned(self, model: str, number: int, kind: str = "ir.attachment") -> list[int]:
        """Return the ids of the attachments, or of another `kind` of record, that belong to a record."""
        return sorted(self._owned.get((kind, model, number), ()))

    def find_external_id(self, module: str, name: str) -> Row | None:
        """Return the row of an external id."""
        number = self._external_ids.get((module, name))
        return self.find("ir.model.data", number) if number is not None else None

    def allocate_id(self, model: str) -> int:
        """Return an id that no record of the model has or had."""
        self._last_ids[model] += 1
        return self._last_ids[model]

    def write(self, model: str, number: int, row: Row | None) -> None:
        """Replace a row within the transaction; None deletes it."""
        assert self._transaction is not None
        self._transaction.previous.setdefault((model, number), self.find(model, number))
        self._transaction.written.append((model, number))
        self._set_row(model, number, row)

    def _restore(self, previous: dict[tuple[str, int], Row | None]) -> None:
        for (model, number), row in previous.items():
            self._set_row(model, number, row)

    def _set_row(self, model: str, number: int, row: Row | None) -> None:
        table = self._tables[model]
        old: Row = table.get(number) or {}
        new: Row = row or {}
        self._index_links(model, number, old, new)
        if model in _OWNER_FIELDS:
            self._set_owner(model, number, old, new)
        if row is None:
            table.pop(number, None)
            return
        table[number] = row
        self._last_ids[model] = max(self._last_ids[model], number)

    def _index_links(self, model: str, number: int, old: Row, new: Row) -> None:
        definition = self.models.models.get(model)
        for name in (*definition.links, *definition.indexed) if definition else ():
            before, after = old.get(name), new.get(name)
            if before != after:
                if before is not None:
                    self._index[model, name, before].discard(number)
                if after is not None:
                    self._index[model, name, after].add(number)

    def _set_owner(self, model: str, number: int, old: Row, new: Row) -> None:
        name = _OWNER_FIELDS[model]
        if old:
            self._owned[model, old[name], old["res_id"]].discard(number)
        if new:
            self._owned[model, new[name], new["res_id"]].add(number)
        if model == "ir.model.data":
            if old:
                self._external_ids.pop((old["module"], old["name"]), None)
            if new:
                self._external_ids[new["module"], new["name"]] = number
