"""The resource of a Facebook connection: the page itself."""

from platform_sdk.resources import ReadMethod, Resource, ResourceCatalog

PAGE = Resource(
    name="page",
    scopes=("pages_show_list", "pages_read_engagement"),
    read_methods=(ReadMethod.BY_ID,),
    # The picture's address is signed anew from time to time; the others are counters.
    volatile_fields=("picture", "fan_count", "followers_count", "overall_star_rating", "rating_count"),
)
CATALOG = ResourceCatalog[Resource](resources=(PAGE,))
