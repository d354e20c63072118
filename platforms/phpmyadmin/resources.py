"""The only resource of a table: its rows."""

from platform_sdk.resources import ReadMethod, Resource, ResourceCatalog

ROWS = Resource(
    name="rows",
    read_methods=(ReadMethod.BY_ID, ReadMethod.BY_ID_RANGE, ReadMethod.CHANGED_SINCE),
    # What a table holds is not known. Merchants leave out the columns that nobody needs.
    has_personal_data=True,
)
CATALOG = ResourceCatalog[Resource](resources=(ROWS,))
