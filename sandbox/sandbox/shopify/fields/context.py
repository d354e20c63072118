"""The context in which resolvers run, and functions that several resolvers share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLSchema

from sandbox.shopify.background_work import Work
from sandbox.shopify.bulk_operations import BulkOperations
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.errors import build_field_error
from sandbox.shopify.faults import Faults
from sandbox.shopify.gids import parse_number
from sandbox.shopify.idempotency import IdempotentCall
from sandbox.shopify.pagination import NodePage, SortKey, build_page
from sandbox.shopify.search import Reader, parse_search
from sandbox.shopify.shops import Shop, Table
from sandbox.shopify.statistics import Statistics
from sandbox.shopify.webhooks import Subscriptions

Resolver = str | Callable[..., Any]
Args = dict[str, Any]


@dataclass(slots=True)
class TypedValue:
    """The value of a field of an interface or union type, with the name of the value's concrete type."""

    typename: str
    value: Any


@dataclass(slots=True)
class Context:
    """The context of the execution of one request.

    - `args`: the coerced arguments of the fields, in the order in which the compiled query (`Plan`) numbers them.
    - `changes`: the effects of mutations.
    - `search`: warnings about search terms that are not understood.
    - `single_product`: the number of the product that the field `product` reads. Pages of this product's variants may
      be longer than other pages.
    - `schedule`: lets an edit be made in so many seconds.
    - `attempts`: the mutations that were executed with an idempotency key, by key; `idempotency_key` is that of the
      mutation that is executed now.
    - `public_url`: the URL of the sandbox, with which those of uploads and of results begin.
    """

    shop: Shop
    scopes: frozenset[str]
    now: str
    api_key: str
    version: str
    subscriptions: Subscriptions
    changes: ChangeSet
    faults: Faults
    statistics: Statistics
    schedule: Callable[[float, Work], None]
    attempts: dict[str, IdempotentCall]
    bulk: BulkOperations
    schema: GraphQLSchema
    public_url: str
    args: list[Args] = field(default_factory=list)
    search: list[dict[str, Any]] = field(default_factory=list)
    single_product: int | None = None
    idempotency_key: str | None = None


def get_number_key(record: Any) -> tuple[int, int]:
    """Return the sort key of a record in lists that are sorted by id: its number, as the sort value and as the id."""
    return record.number, record.number


def list_visible_records(
    context: Context, field_name: str, table: Table[Any], readers: dict[str, Reader], query: str | None
) -> list[Any]:
    """List the records of `table` that match the search `query`, sorted by id.

    `field_name` is the name of the GraphQL field, which search warnings report. `readers` maps the name of each
    searchable field to the function that reads it from a record. Faults may leave records out.
    """
    return context.faults.distort_list(_list_matching_records(context, field_name, table, readers, query))


def count_visible_records(
    context: Context, field_name: str, table: Table[Any], readers: dict[str, Reader], query: str | None
) -> int:
    """Count the records of `table` that match the search `query`, as `list_visible_records` lists them.

    Faults may distort the count.
    """
    return context.faults.distort_count(_list_matching_records(context, field_name, table, readers, query))


def _list_matching_records(
    context: Context, field_name: str, table: Table[Any], readers: dict[str, Reader], query: str | None
) -> list[Any]:
    search = parse_search(query, readers)
    if search.warnings:
        parsed = {"field": "default", "match_all": query}
        context.search.append({"path": [field_name], "query": query, "parsed": parsed, "warnings": search.warnings})
    records = table.list_between(search.low, search.high)
    if search.predicates:
        records = [record for record in records if search.has_matching_fields(record)]
    return records


def build_sorted_page(
    records: Sequence[Any],
    args: Args,
    read_sort_value: Callable[[Any], Any] | None,
    get_id_key: SortKey = get_number_key,
) -> NodePage:
    """Sort `records` by `read_sort_value`, and build the page that the GraphQL arguments `args` select.

    `records` are sorted by id already. If `read_sort_value` is None, they stay in this order. `get_id_key` returns the
    position of a record in this order.
    """
    if read_sort_value is None:
        return build_page(records, get_id_key, args)

    def get_key(record: Any) -> tuple[Any, int]:
        return read_sort_value(record), get_id_key(record)[1]

    return build_page(sorted(records, key=get_key), get_key, args)


def return_constant(value: Any) -> Callable[[Any, Context], Any]:
    """Build a resolver that returns `value` for every object."""
    return lambda _, __: value


def read_key(name: str) -> Callable[[Any, Context], Any]:
    """Build a resolver that reads the key `name` of a dictionary."""
    return lambda o, _: o[name]


def build_money(context: Context, amount: str) -> dict[str, str]:
    """Build a GraphQL MoneyV2 in the currency of the shop."""
    return {"amount": amount, "currencyCode": context.shop.profile.currency}


def parse_gid_number(text: str, kind: str) -> int:
    """Return the number in `text`, which is a gid such as gid://shopify/Product/123 or only the number.

    Raises GraphQLError if `text` is neither, or if it is a gid of another type than `kind`.
    """
    try:
        return parse_number(text, kind)
    except ValueError as error:
        raise build_field_error(str(error), "argumentLiteralsIncompatible") from error
