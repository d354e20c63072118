"""Product records in the form of the document; their stock comes as records of its own."""

from contracts.events import Record
from shopify_fetcher.building import Built, Moment, Node, rest
from shopify_fetcher.generated.fragments import MediaPage, MetafieldPage, ProductBody
from shopify_fetcher.gids import number
from shopify_fetcher.stock import with_variants

VARIANTS, MEDIA, METAFIELDS = "variants", "media", "metafields"
_APART = {"updatedAt", "variants", "media", "metafields"}


def built_product(raw: Node, moment: Moment) -> Built:
    """A product with what came along with it."""
    node = ProductBody.model_validate(raw)
    variants, built = with_variants(node.variants, node.id, moment)
    body = node.model_dump(by_alias=True, exclude=_APART)
    body["variants"] = {"edges": variants}
    body["media"] = {"edges": media(node.media)}
    body["metafields"] = {"edges": metafields(node.metafields)}
    rests = (
        *rest(VARIANTS, node.variants.pageInfo),
        *rest(MEDIA, node.media.pageInfo),
        *rest(METAFIELDS, node.metafields.pageInfo),
    )
    record = Record(
        resource="products",
        id=node.id,
        read_at=moment.read_at,
        updated_at=node.updatedAt,
        body=body,
        sort_key=number(node.id),
        lookup_fields={"title": node.title, "handle": node.handle},
    )
    built.add(record, moment.chain("products", node.id, rests))
    return built


def media(page: MediaPage) -> list[Node]:
    """Media in the product's own order."""
    edges: list[Node] = page.model_dump(by_alias=True, include={"edges"})["edges"]
    return edges


def metafields(page: MetafieldPage) -> list[Node]:
    """Metafields by key."""
    edges: list[Node] = page.model_dump(by_alias=True, include={"edges"})["edges"]
    return sorted(edges, key=lambda edge: str(edge["node"]["key"]))
