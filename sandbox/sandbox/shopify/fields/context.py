"""What resolvers are given, and the small things that many of them share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.shopify.edits import Ledger
from sandbox.shopify.errors import FieldFailure
from sandbox.shopify.faults import Faults
from sandbox.shopify.gids import number
from sandbox.shopify.pagination import Key, Page, page
from sandbox.shopify.search import Reader, parse
from sandbox.shopify.shops import Shop, Table
from sandbox.shopify.webhooks import Subscriptions

Resolver = str | Callable[..., Any]
Args = dict[str, Any]


@dataclass(slots=True)
class Typed:
    """An object where an interface or union is asked for, with the name of its own type."""

    typename: str
    value: Any


@dataclass(slots=True)
class Context:
    """One execution. `args` are the coerced arguments of the document's fields in the plan's order; `ledger` takes
    note of what a mutation changes; `search` gathers warnings about queries that were not understood; `single_product`
    is the number of the product that was asked for by itself, whose variants come in longer pages.
    """

    shop: Shop
    scopes: frozenset[str]
    now: str
    api_key: str
    version: str
    subscriptions: Subscriptions
    ledger: Ledger
    faults: Faults
    args: list[Args] = field(default_factory=list)
    search: list[dict[str, Any]] = field(default_factory=list)
    single_product: int | None = None


def by_number(record: Any) -> tuple[int, int]:
    """The key of lists that are sorted by id."""
    return record.number, record.number


def listed(c: Context, name: str, table: Table[Any], readers: dict[str, Reader], query: str | None) -> list[Any]:
    """The records of `table` that match `query`, by id, as far as the shop's faults let them be seen."""
    search = parse(query, readers)
    if search.warnings:
        c.search.append(
            {
                "path": [name],
                "query": query,
                "parsed": {"field": "default", "match_all": query},
                "warnings": search.warnings,
            }
        )
    found = table.between(search.low, search.high)
    if search.predicates:
        found = [record for record in found if search.matches(record)]
    return found[: c.faults.visible(len(found))]


def sorted_page(found: Sequence[Any], args: Args, value: Callable[[Any], Any] | None, id_key: Key = by_number) -> Page:
    """A page of `found`, which is sorted by id, in the order of `value`, then of id. None keeps the order by id."""
    if value is None:
        return page(found, id_key, args)

    def key(record: Any) -> tuple[Any, int]:
        return value(record), id_key(record)[1]

    return page(sorted(found, key=key), key, args)


def always(value: Any) -> Callable[[Any, Context], Any]:
    """A field that says the same for every object."""
    return lambda _, __: value


def money(c: Context, amount: str) -> dict[str, str]:
    """A MoneyV2 in the shop's currency."""
    return {"amount": amount, "currencyCode": c.shop.profile.currency}


def key_of(name: str) -> Callable[[Any, Context], Any]:
    """A field of an object that is held as a dictionary."""
    return lambda o, _: o[name]


def number_in(text: str, kind: str) -> int:
    """The number in a gid argument. Raises FieldFailure if it is not a gid of `kind`."""
    try:
        return number(text, kind)
    except ValueError as error:
        raise FieldFailure(str(error), "argumentLiteralsIncompatible") from error
