"""Maps products to records in the form of the snapshot document. Their inventory items become separate records."""

from contracts.events import Record
from platforms.shopify.ids import parse_number
from shopify_fetcher.generated.fragments import MediaPage, MetafieldPage, ProductBody, VariantPage
from shopify_fetcher.mappers.inventory import map_variants
from shopify_fetcher.mappers.mapped_records import MappedRecords, Node, ResponseInfo, build_continuations

VARIANTS, MEDIA, METAFIELDS = "variants", "media", "metafields"
_SEPARATE_FIELDS = {"updatedAt", "variants", "media", "metafields"}


def map_product(raw: Node, info: ResponseInfo) -> MappedRecords:
    """Map a product, and the inventory items that came with it, to records."""
    node = ProductBody.model_validate(raw)
    variants, mapped = map_variants(node.variants, node.id, info)
    body = node.model_dump(by_alias=True, exclude=_SEPARATE_FIELDS)
    body["variants"] = {"edges": variants}
    body["media"] = {"edges": map_media(node.media)}
    body["metafields"] = {"edges": map_metafields(node.metafields)}
    continuations = (
        *build_continuations(VARIANTS, node.variants.pageInfo),
        *build_continuations(MEDIA, node.media.pageInfo),
        *build_continuations(METAFIELDS, node.metafields.pageInfo),
    )
    record = Record(
        resource="products",
        id=node.id,
        read_at=info.read_at,
        updated_at=node.updatedAt,
        body=body,
        sort_key=parse_number(node.id),
        lookup_fields={"title": node.title, "handle": node.handle},
        lookup_values={
            "sku": list_skus(node.variants),
            "status": (node.status,),
            "vendor": (node.vendor,),
            "product_type": (node.productType,),
        },
    )
    mapped.add_record(record, info.build_unfinished_record("products", node.id, continuations))
    return mapped


def list_skus(page: VariantPage) -> tuple[str, ...]:
    """Return the SKUs of a page of variants; many variants have none."""
    return tuple(edge.node.sku for edge in page.edges if edge.node.sku)


def map_media(page: MediaPage) -> list[Node]:
    """Map a page of a product's media to items of the product's record, in the product's own order."""
    edges: list[Node] = page.model_dump(by_alias=True, include={"edges"})["edges"]
    return edges


def map_metafields(page: MetafieldPage) -> list[Node]:
    """Map a page of a product's metafields to items of the product's record, sorted by key."""
    edges: list[Node] = page.model_dump(by_alias=True, include={"edges"})["edges"]
    return sorted(edges, key=lambda edge: str(edge["node"]["key"]))
