"""The only resource of a Facebook account: the Facebook Page."""

from platform_sdk.resources import ReadMethod, Resource, ResourceCatalog

PAGE = Resource(
    name="page",
    scopes=("pages_show_list", "pages_read_engagement"),
    read_methods=(ReadMethod.BY_ID,),
    # The URL of the picture gets a new signature from time to time; the other fields are counters.
    volatile_fields=("picture", "fan_count", "followers_count", "overall_star_rating", "rating_count"),
)
CATALOG = ResourceCatalog[Resource](resources=(PAGE,))
