"""The context in which resolvers run, and what several of them share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.errors import build_field_error
from sandbox.shopify.faults import Faults
from sandbox.shopify.gids import parse_number
from sandbox.shopify.pagination import NodePage, SortKey, build_page
from sandbox.shopify.search import Reader, parse_search
from sandbox.shopify.shops import Shop, Table
from sandbox.shopify.webhooks import Subscriptions

Resolver = str | Callable[..., Any]
Args = dict[str, Any]


@dataclass(slots=True)
class TypedValue:
    """The value of a field of an interface or union type, with the name of its own type."""

    typename: str
    value: Any


@dataclass(slots=True)
class Context:
    """The execution of one request.

    `args` are the coerced arguments of fields, in the order of the plan. Mutations add to `changes`. `search` collects
    warnings about search terms that are not understood. `single_product` is the number of the product that the field
    `product` read: its variants may come in longer pages.
    """

    shop: Shop
    scopes: frozenset[str]
    now: str
    api_key: str
    version: str
    subscriptions: Subscriptions
    changes: ChangeSet
    faults: Faults
    args: list[Args] = field(default_factory=list)
    search: list[dict[str, Any]] = field(default_factory=list)
    single_product: int | None = None


def get_number_key(record: Any) -> tuple[int, int]:
    """The sort key of lists that are sorted by id."""
    return record.number, record.number


def list_records(
    context: Context, name: str, table: Table[Any], readers: dict[str, Reader], query: str | None
) -> list[Any]:
    """The records of `table` that match the search `query` of the field `name`, sorted by id.

    A fault of the shop may cut the list.
    """
    search = parse_search(query, readers)
    if search.warnings:
        parsed = {"field": "default", "match_all": query}
        context.search.append({"path": [name], "query": query, "parsed": parsed, "warnings": search.warnings})
    records = table.list_between(search.low, search.high)
    if search.predicates:
        records = [record for record in records if search.is_match(record)]
    return records[: context.faults.count_visible(len(records))]


def build_sorted_page(
    records: Sequence[Any],
    args: Args,
    read_value: Callable[[Any], Any] | None,
    get_id_key: SortKey = get_number_key,
) -> NodePage:
    """A page of `records`, which are sorted by id, in the order of `read_value`; None keeps the order by id."""
    if read_value is None:
        return build_page(records, get_id_key, args)

    def get_key(record: Any) -> tuple[Any, int]:
        return read_value(record), get_id_key(record)[1]

    return build_page(sorted(records, key=get_key), get_key, args)


def return_constant(value: Any) -> Callable[[Any, Context], Any]:
    """A resolver that returns `value` for every object."""
    return lambda _, __: value


def read_key(name: str) -> Callable[[Any, Context], Any]:
    """A resolver that reads the key `name` of an object that is a dictionary."""
    return lambda o, _: o[name]


def build_money(context: Context, amount: str) -> dict[str, str]:
    """A MoneyV2 in the currency of the shop."""
    return {"amount": amount, "currencyCode": context.shop.profile.currency}


def parse_gid_number(text: str, kind: str) -> int:
    """The number in an argument that is a gid of `kind`. Raises GraphQLError if it is not."""
    try:
        return parse_number(text, kind)
    except ValueError as error:
        raise build_field_error(str(error), "argumentLiteralsIncompatible") from error
