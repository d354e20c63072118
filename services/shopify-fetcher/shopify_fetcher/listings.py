"""Nested lists that go on after a first answer: how each is asked for, and where its items belong in the record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from contracts.events import Record
from platform_sdk.errors import PermanentError
from shopify_fetcher import documents
from shopify_fetcher.building import Built, Moment, Node, gone
from shopify_fetcher.chains import Chain
from shopify_fetcher.collections import BY_ID, IN_OWN_ORDER, product_ids
from shopify_fetcher.conversation import Conversation, parsed
from shopify_fetcher.discounts import CODES, FAMILIES, LISTS, SIDES, codes, gids, listing, variants
from shopify_fetcher.documents import Document
from shopify_fetcher.generated.fragments import (
    CodePage,
    CollectionIdPage,
    LevelPage,
    MediaPage,
    MetafieldPage,
    ProductIdPage,
    VariantPage,
    VariantTitlePage,
)
from shopify_fetcher.products import MEDIA, METAFIELDS, VARIANTS, media, metafields
from shopify_fetcher.stock import LEVELS, levels, with_variants


@dataclass(frozen=True)
class Page:
    """One page of a list: items as they stand in the record, where it goes on, and what came along."""

    items: list[Any]
    after: str | None
    along: Built = field(default_factory=Built)


M = TypeVar("M", bound=BaseModel)
Take = Callable[[Node, Chain, Moment], Page]


@dataclass(frozen=True)
class Listing:
    """`answer` leads from the answer's data to the connection, `path` from the record's body to the list."""

    document: Document
    answer: tuple[str, ...]
    path: tuple[str, ...]
    take: Take
    variables: Mapping[str, Any] = field(default_factory=dict)


def _taking(model: type[M], items: Callable[[M], list[Any]]) -> Take:
    def take(raw: Node, _chain: Chain, _moment: Moment) -> Page:
        page = parsed(model, raw)
        return Page(items(page), _after(page))

    return take


def _after(page: Any) -> str | None:
    after: str | None = page.pageInfo.endCursor if page.pageInfo.hasNextPage else None
    return after


def _variants(raw: Node, chain: Chain, moment: Moment) -> Page:
    page = parsed(VariantPage, raw)
    edges, along = with_variants(page, chain.id, moment)
    return Page(edges, _after(page), along)


_ITEMS = {
    "products": ("products", _taking(ProductIdPage, gids)),
    "productVariants": ("variants", _taking(VariantTitlePage, variants)),
    "collections": ("collections", _taking(CollectionIdPage, gids)),
}


def _of_discount(family: str, side: str, listed: str) -> Listing:
    flag, take = _ITEMS[listed]
    chosen = {name: name == flag for name in ("products", "variants", "collections")}
    chosen |= {"gets": side == "customerGets", "buys": side == "customerBuys"}
    path = (family, side, "items", listed)
    return Listing(documents.CONTINUE_ITEMS, ("node", *path), path, take, chosen)


_COLLECTION = ("collection", "products")
LISTINGS: dict[str, Listing] = {
    VARIANTS: Listing(documents.CONTINUE_VARIANTS, ("product", "variants"), ("variants", "edges"), _variants),
    MEDIA: Listing(documents.CONTINUE_MEDIA, ("product", "media"), ("media", "edges"), _taking(MediaPage, media)),
    METAFIELDS: Listing(
        documents.CONTINUE_METAFIELDS,
        ("product", "metafields"),
        ("metafields", "edges"),
        _taking(MetafieldPage, metafields),
    ),
    LEVELS: Listing(
        documents.CONTINUE_LEVELS, ("inventoryItem", "inventoryLevels"), ("levels",), _taking(LevelPage, levels)
    ),
    IN_OWN_ORDER: Listing(
        documents.CONTINUE_COLLECTION,
        _COLLECTION,
        ("products",),
        _taking(ProductIdPage, product_ids),
        {"sortKey": "COLLECTION_DEFAULT"},
    ),
    BY_ID: Listing(
        documents.CONTINUE_COLLECTION,
        _COLLECTION,
        ("products",),
        _taking(ProductIdPage, product_ids),
        {"sortKey": "ID"},
    ),
    CODES: Listing(
        documents.CONTINUE_CODES,
        ("node", "codeDiscount", "codes"),
        ("codeDiscount", "codes", "edges"),
        _taking(CodePage, codes),
    ),
    **{
        listing(family, side, listed): _of_discount(family, side, listed)
        for family in FAMILIES.values()
        for side in SIDES
        for listed in LISTS
    },
}


@dataclass(frozen=True)
class Continued:
    """The next piece of a chain with what came along, and the chain after it (None: it is at its end)."""

    built: Built
    following: Chain | None


async def next_piece(talk: Conversation, chain: Chain) -> Continued:
    """Read the next piece of `chain`. Raises as `Conversation.ask_whole`.

    A record that has gone meanwhile is gone. A list that is there no more ends: the change that took it brings its
    own, later reading of the record, before which this one gives way.
    """
    rest = chain.rests[0]
    listed = LISTINGS[rest.listing]
    variables = {"id": chain.id, "after": rest.after, **listed.variables, **talk.variables(listed.document)}
    answer = await talk.ask_whole(listed.document, variables)
    if answer.data[listed.answer[0]] is None:
        return Continued(Built(records=[gone(chain.resource, chain.id, answer.read_at)]), None)
    raw = _found(answer.data, listed.answer)
    moment = Moment(talk.errand.read_id, answer.read_at, talk.may("inventory"))
    page = listed.take(raw, chain, moment) if raw is not None else Page([], None)
    if page.after is not None and page.after == rest.after:
        raise PermanentError(f"{rest.listing} of {chain.id} does not go on")
    following = chain.following(page.after)
    piece = Record(
        resource=chain.resource,
        id=chain.id,
        read_at=chain.read_at,
        items=tuple(page.items),
        chunk=chain.part(listed.path, following),
    )
    return Continued(Built(records=[piece, *page.along.records], short=page.along.short), following)


def _found(data: Node, path: tuple[str, ...]) -> Node | None:
    found: Any = data
    for key in path:
        found = found.get(key) if found is not None else None
    node: Node | None = found
    return node
