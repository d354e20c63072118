"""The resources of a shop: books and authors."""

from platform_sdk.resources import ReadMethod, Resource, ResourceCatalog

AUTHORS = Resource(name="authors", read_methods=(ReadMethod.LISTED, ReadMethod.BY_ID))
BOOKS = Resource(name="books", read_methods=(ReadMethod.LISTED, ReadMethod.BY_ID), volatile_fields=("views",))
CATALOG = ResourceCatalog[Resource](resources=(AUTHORS, BOOKS))
