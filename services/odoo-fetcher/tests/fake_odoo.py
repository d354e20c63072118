"""A database of Odoo in memory, sessions at it, and what runs full syncs of it as the connector does."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from connector.source import Checkpoint, FullReadEnd, FullReadStep, IncrementalReadStep, RangeEnd, RecordBatch
from contracts.events import Record
from odoo_fetcher.source import OdooSource
from platform_sdk.errors import ConnectionEndedError, PermanentError
from platform_sdk.session import FULL, FullReadState, SyncContext
from platform_sdk.tokens import AccessToken
from platforms.odoo.calls import Context, Domain, Row
from platforms.odoo.reading import RecordsSession

CONNECTION = "odoo:odoo.example.com/shop"
NOW = 1_796_036_400.0
REFERENCES = {
    "product_tmpl_id": "product.template",
    "product_id": "product.product",
    "categ_id": "product.category",
    "parent_id": "product.category",
    "currency_id": "res.currency",
    "country_id": "res.country",
    "company_id": "res.company",
    "uom_id": "uom.uom",
    "attribute_id": "product.attribute",
    "product_attribute_value_id": "product.attribute.value",
    "location_id": "stock.location",
    "location_dest_id": "stock.location",
    "warehouse_id": "stock.warehouse",
    "lot_stock_id": "stock.location",
}
MANY = {"product_tag_ids": "product.tag", "value_ids": "product.attribute.value"}
NAMES = {"product.category": "complete_name", "stock.location": "complete_name"}
ARCHIVABLE = {"product.template", "product.product", "account.tax", "stock.location", "product.template.attribute.line"}
PARENTS = {"product.category": "parent_id", "stock.location": "location_id"}
Check = Callable[[str, str, Domain], None]


class FakeOdoo:
    """Tables of records by model and id. A many2one is an id here, and `[id, name]` in answers.

    `write` and `create` note their time as Odoo does: the beginning of the transaction. `checks` are called with the
    model, the method and the condition of each call, and may raise. `missing_fields` are those that the user lacks.
    """

    def __init__(self) -> None:
        self.now = NOW
        self.tables: dict[str, dict[int, Row]] = {}
        self.numbers: dict[str, int] = {}
        self.calls: list[tuple[str, str, Domain]] = []
        self.checks: list[Check] = []
        self.poisoned: set[tuple[str, int]] = set()
        self.fields = {"product.template": set(_TEMPLATE), "product.product": set(_VARIANT)}
        self.uid = 2

    def create(self, model: str, began: float | None = None, /, **values: Any) -> int:
        """Make a record and return its id."""
        self.numbers[model] = number = self.numbers.get(model, 0) + 1
        moment = self.format(began)
        defaults = {"active": True} if model in ARCHIVABLE else {}
        row = {"id": number, "create_date": moment, "write_date": moment, **defaults, **values}
        self.tables.setdefault(model, {})[number] = row
        return number

    def write(self, model: str, number: int, began: float | None = None, /, **values: Any) -> None:
        """Change a record; with a template, its variants have a new time as well."""
        self.tables[model][number] |= {**values, "write_date": self.format(began)}
        if model == "product.template":
            for row in self.tables.get("product.product", {}).values():
                if row["product_tmpl_id"] == number:
                    row["write_date"] = self.format(began)

    def unlink(self, model: str, number: int) -> None:
        """Delete a record, and the variants of a template."""
        del self.tables[model][number]
        if model == "product.template":
            for row in list(self.tables.get("product.product", {}).values()):
                if row["product_tmpl_id"] == number:
                    self.unlink("product.product", row["id"])

    def format(self, moment: float | None = None) -> str:
        """Return a time as Odoo keeps it: with microseconds, which its answers do not have."""
        return datetime.fromtimestamp(moment or self.now, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

    def search(self, model: str, domain: Domain, context: Context | None) -> list[Row]:
        """Return the records that meet a condition."""
        shows_all = (context or {}).get("active_test") is False
        return [
            row
            for row in self.tables.get(model, {}).values()
            if (shows_all or row.get("active", True)) and all(self._meets(model, row, leaf) for leaf in domain)
        ]

    def render(self, row: Row, fields: Sequence[str]) -> Row:
        """Return fields of a record as an answer has them."""
        return {name: self._render_value(name, row.get(name, False)) for name in {"id", *fields}}

    def _render_value(self, name: str, value: Any) -> Any:
        if name in REFERENCES and value:
            model = REFERENCES[name]
            target = self.tables.get(model, {}).get(value, {})
            return [value, target.get(NAMES.get(model, "name"), "?")]
        if name.endswith("_date") and value:
            return value[:19]
        return value

    def _meets(self, model: str, row: Row, leaf: Any) -> bool:
        path, operator, wanted = leaf
        values = list(self._follow(model, row, path.split(".")))
        match operator:
            case "in":
                return any(value in wanted for value in values)
            case "child_of":
                return any(set(self._list_parents(self._get_target(model, path), value)) & set(wanted)
                           for value in values)  # fmt: skip
            case "=":
                return wanted in values
            case "!=":
                return wanted not in values
        tests = {"<": lambda v: v < wanted, "<=": lambda v: v <= wanted, ">": lambda v: v > wanted}
        test = tests.get(operator, lambda v: v >= wanted)
        return any(value is not False and test(value) for value in values)

    def _follow(self, model: str, row: Row, path: Sequence[str]) -> Iterable[Any]:
        name, *rest = path
        if name == "attribute_line_ids":
            lines = self.tables.get("product.template.attribute.line", {}).values()
            for line in lines:
                if line["product_tmpl_id"] == row["id"]:
                    yield from self._follow("product.template.attribute.line", line, rest)
            return
        value = row.get(name, False)
        if rest:
            yield from self._follow(REFERENCES[name], self.tables[REFERENCES[name]].get(value, {}), rest)
        elif name in MANY or isinstance(value, list):
            yield from value or ()
        else:
            yield value

    def _get_target(self, model: str, path: str) -> str:
        return REFERENCES[path]

    def _list_parents(self, model: str, number: int) -> Iterable[int]:
        while number:
            yield number
            number = self.tables[model][number].get(PARENTS[model], 0)


class FakeSession:
    """A session at the database."""

    def __init__(self, odoo: FakeOdoo) -> None:
        self._odoo = odoo

    async def authenticate(self) -> int:
        """Return the user's id."""
        self._note("res.users", "authenticate", [])
        return self._odoo.uid

    async def search_read(
        self,
        model: str,
        domain: Domain,
        fields: Sequence[str],
        *,
        order: str = "id",
        limit: int | None = None,
        offset: int = 0,
        context: Context | None = None,
    ) -> list[Row]:
        """Return the records that meet the condition."""
        self._note(model, "search_read", domain)
        rows = self._odoo.search(model, domain, context)
        for part in reversed(order.split(", ")):
            name, _, direction = part.partition(" ")
            rows.sort(key=lambda row, name=name: row[name], reverse=direction == "desc")
        rows = rows[offset:] if limit is None else rows[offset : offset + limit]
        if len(fields) > 4 and any((model, row["id"]) in self._odoo.poisoned for row in rows):
            raise PermanentError("Odoo refuses the call: a field cannot be computed")
        known = self._odoo.fields.get(model)
        assert known is None or set(fields) <= known, f"unknown fields {set(fields) - known}"
        return [self._odoo.render(row, fields) for row in rows]

    async def search_count(self, model: str, domain: Domain, *, context: Context | None = None) -> int:
        """Return how many records meet the condition."""
        self._note(model, "search_count", domain)
        return len(self._odoo.search(model, domain, context))

    async def get_fields(self, model: str) -> Mapping[str, Row]:
        """Return the fields."""
        self._note(model, "fields_get", [])
        return {name: {} for name in self._odoo.fields[model]}

    def _note(self, model: str, method: str, domain: Domain) -> None:
        self._odoo.calls.append((model, method, domain))
        for check in list(self._odoo.checks):
            check(model, method, domain)


class Bench:
    """A source on a database of its own. `sync` runs full syncs as the connector does, one after the other."""

    def __init__(self) -> None:
        self.odoo = FakeOdoo()
        self.previous: FullReadState | None = None
        self.stored: dict[tuple[str, str], Record] = {}
        self.replaced: list[AccessToken] = []
        self.restart()

    def restart(self) -> None:
        """Begin with a new process."""
        self.source = OdooSource(self.open_session, now=self.read_clock, sleep=self.sleep)

    def open_session(self, context: SyncContext) -> RecordsSession:
        """Open a session of one step."""
        return FakeSession(self.odoo)

    def read_clock(self) -> float:
        """Return the time."""
        return self.odoo.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.odoo.now += seconds

    def build_token(self) -> str:
        """Return the token of the connection."""
        return "token"

    def build_context(self) -> SyncContext:
        """Build the context of a full sync."""
        token = AccessToken(CONNECTION, 1, self.build_token())

        async def replace_token(rejected: AccessToken) -> AccessToken:
            self.replaced.append(rejected)
            raise ConnectionEndedError("reauthorise")

        async def refresh_token() -> AccessToken:
            return token

        return SyncContext(token, uuid4(), FULL, replace_token, refresh_token, previous=self.previous)

    async def read_steps(self, cursor: str | None = None) -> list[FullReadStep]:
        """Run a full read from a cursor."""
        return [step async for step in self.source.read_all(self.build_context(), cursor)]

    async def sync(self, cursor: str | None = None) -> "FullRead":
        """Run a full sync, whose state the next one gets, and store what it has read as the spaces-writer does."""
        context = self.build_context()
        self.odoo.calls.clear()
        read = FullRead([step async for step in self.source.read_all(context, cursor)])
        self.store(read, context)
        return read

    async def sync_in_steps(self) -> "FullRead":
        """Run a full sync of which every step is killed after its first checkpoint and what follows is read anew."""
        context, cursor, steps = self.build_context(), None, list[FullReadStep]()
        self.odoo.calls.clear()
        while True:
            generator = self.source.read_all(context, cursor)
            async for step in generator:
                if isinstance(step, Checkpoint):
                    cursor = step.cursor
                    break
                steps.append(step)
            else:
                break
            await generator.aclose()
        read = FullRead(steps)
        self.store(read, context)
        return read

    def store(self, read: "FullRead", context: SyncContext) -> None:
        """Keep what was read, and what the next full sync gets."""
        assert read.end.state is not None
        ranges = [(end.resource, end.id_range) for end in read.range_ends]
        assert sorted(ranges) == sorted(read.end.id_ranges)
        for end in read.range_ends:
            batches = [step for step in read.batches if (step.resource, step.id_range) == (end.resource, end.id_range)]
            ids = [record.id for batch in batches for record in batch.records]
            assert len(ids) == len(set(ids)) == end.sent_count, end
            assert {end.count_before, end.count_after} <= {None, end.sent_count}, end
        if read.end.continues is None:
            kept = {(record.resource, record.id) for record in read.records}
            self.stored = {key: record for key, record in self.stored.items() if key in kept}
        for record in read.records:
            if record.body is not None:
                self.stored[record.resource, record.id] = record
            elif record.unreadable is None:
                self.stored.pop((record.resource, record.id), None)
        self.previous = FullReadState(context.read_id, read.end.state)

    async def load_truth(self) -> dict[tuple[str, str], Any]:
        """Return the bodies that a read of everything by a new process has, without anything being kept."""
        source = OdooSource(self.open_session, now=self.read_clock, sleep=self.sleep)
        steps = [step async for step in source.read_all(self.build_context(), "everything")]
        return {(record.resource, record.id): record.body for record in FullRead(steps).records}

    async def assert_equal_to_truth(self) -> None:
        """Assert that what is stored is what is in the database."""
        assert {key: record.body for key, record in self.stored.items()} == await self.load_truth()

    async def read_ids(self, **ids: Sequence[str]) -> list[IncrementalReadStep]:
        """Read records by their ids."""
        wanted = {resource: tuple(several) for resource, several in ids.items()}
        return [step async for step in self.source.read_records(self.build_context(), wanted, None)]

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.odoo.now += seconds

    def count_calls(self, *methods: str) -> int:
        """Return the number of calls of these methods since the last sync began."""
        return sum(method in methods or not methods for _, method, _ in self.odoo.calls)


class FullRead:
    """What a full read has yielded."""

    def __init__(self, steps: list[FullReadStep]) -> None:
        self.steps = steps

    @property
    def batches(self) -> list[RecordBatch]:
        """All batches."""
        return [step for step in self.steps if isinstance(step, RecordBatch)]

    @property
    def records(self) -> list[Record]:
        """All records."""
        return [record for batch in self.batches for record in batch.records]

    def list_ids(self, resource: str) -> list[str]:
        """The ids of the records of a resource."""
        return [record.id for record in self.records if record.resource == resource]

    @property
    def range_ends(self) -> list[RangeEnd]:
        """The ends of the id ranges."""
        return [step for step in self.steps if isinstance(step, RangeEnd)]

    @property
    def end(self) -> FullReadEnd:
        """The end of the read, which is the last step."""
        end = self.steps[-1]
        assert isinstance(end, FullReadEnd)
        return end


_TEMPLATE = {
    "id", "name", "active", "type", "is_storable", "sale_ok", "description_sale", "default_code", "barcode",
    "list_price", "currency_id", "categ_id", "product_tag_ids", "taxes_id", "weight", "weight_uom_name",
    "write_date", "create_date",
}  # fmt: skip
_VARIANT = {
    "id", "product_tmpl_id", "active", "default_code", "barcode", "lst_price", "standard_price", "weight",
    "product_template_attribute_value_ids", "write_date", "uom_id", "qty_available",
}  # fmt: skip


def fill_shop(odoo: FakeOdoo, products: int = 3) -> None:
    """Make a company, a warehouse with two internal locations, and products with stock in the first one."""
    odoo.create("res.currency", name="EUR")
    odoo.create("res.country", name="Austria")
    odoo.create("res.company", name="Acme", currency_id=1, country_id=1)
    odoo.create("uom.uom", name="Units")
    odoo.create("stock.warehouse", name="Main", code="WH", company_id=1, lot_stock_id=1)
    odoo.create("stock.location", complete_name="WH/Stock", usage="internal", warehouse_id=1)
    odoo.create("stock.location", complete_name="WH/Shelf", usage="internal", warehouse_id=1, location_id=1)
    odoo.create("stock.location", complete_name="Customers", usage="customer", warehouse_id=False)
    odoo.create("account.tax", name="20 %", type_tax_use="sale", amount_type="percent", amount=20.0, company_id=1)
    odoo.create("product.category", complete_name="All", parent_id=0)
    odoo.create("product.category", complete_name="All / Shoes", parent_id=1)
    odoo.create("product.tag", name="new")
    for number in range(1, products + 1):
        add_product(odoo, f"Product {number}", f"SKU-{number}")


def add_product(odoo: FakeOdoo, name: str, code: str, quantity: float = 5.0) -> int:
    """Make a storable product with one variant, and stock of it."""
    template = odoo.create(
        "product.template",
        name=name,
        type="consu",
        is_storable=True,
        sale_ok=True,
        default_code=code,
        barcode=False,
        list_price=10.0,
        currency_id=1,
        categ_id=2,
        product_tag_ids=[1],
        taxes_id=[1],
        weight=0.5,
        weight_uom_name="kg",
        description_sale=False,
    )
    variant = odoo.create(
        "product.product",
        product_tmpl_id=template,
        default_code=code,
        barcode=False,
        lst_price=10.0,
        standard_price=4.0,
        weight=0.5,
        product_template_attribute_value_ids=[],
        uom_id=1,
    )
    if quantity:
        odoo.create("stock.quant", product_id=variant, location_id=1, quantity=quantity, reserved_quantity=1.0)
    return template
