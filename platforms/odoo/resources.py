"""The resources of a database, in the order in which a full sync reads them."""

from platform_sdk.resources import ReadMethod, Resource, ResourceCatalog

COMPANY = Resource(
    name="company",
    read_methods=(ReadMethod.BY_ID, ReadMethod.LISTED),
    document_path="data.company",
    lookup_fields=("name",),
)
WAREHOUSES = Resource(
    name="warehouses",
    read_methods=(ReadMethod.BY_ID, ReadMethod.LISTED),
    document_path="data.warehouses",
    lookup_fields=("name", "code"),
)
TAXES = Resource(
    name="taxes",
    read_methods=(ReadMethod.BY_ID, ReadMethod.LISTED),
    document_path="data.taxes",
    lookup_fields=("name",),
)
PRODUCTS = Resource(
    name="products",
    read_methods=(ReadMethod.BY_ID, ReadMethod.BY_ID_RANGE, ReadMethod.CHANGED_SINCE),
    document_path="data.products",
    lookup_fields=("name", "default_code", "barcode"),
)
STOCK = Resource(
    name="stock",
    read_methods=(ReadMethod.BY_ID, ReadMethod.BY_ID_RANGE, ReadMethod.CHANGED_SINCE),
    document_path="data.stock",
    lookup_fields=("product_id", "default_code"),
)
CATALOG = ResourceCatalog[Resource](resources=(COMPANY, WAREHOUSES, TAXES, PRODUCTS, STOCK))
