"""Media of products: how mutations add, replace and order them, and how Shopify processes them.

A file that a mutation names is UPLOADED first. Shopify fetches it, and it becomes READY or FAILED some time later.
"""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sandbox.shopify.background_work import Work
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.faults import Faults
from sandbox.shopify.fields.context import Args, Context, Resolver
from sandbox.shopify.gids import parse_gid
from sandbox.shopify.model import Media, Product
from sandbox.shopify.mutations.identifiers import get_product
from sandbox.shopify.mutations.user_errors import Path, UserError, build_user_error
from sandbox.shopify.product_edit import ProductEdit
from sandbox.shopify.shops import Shop

_MEDIA_TYPES = frozenset({"MediaImage", "Video", "ExternalVideo", "Model3d"})
Schedule = Callable[[float, Work], None]
"""Lets an edit be made in so many seconds."""
JOB_SECONDS = 0.1
"""How long Shopify takes for what it does after it has answered."""


def is_source_valid(source: str) -> bool:
    """Return whether a file can be fetched from `source`, as far as its URL tells."""
    return re.match(r"https?://[^/\s]+/?", source) is not None


def find_source_errors(sources: Sequence[Mapping[str, Any]]) -> list[UserError]:
    """Return the errors of those `media` of an input that have no URL as their source."""
    return [
        build_user_error(["media", index, "originalSource"], "Image URL is invalid", "INVALID")
        for index, source in enumerate(sources)
        if not is_source_valid(source["originalSource"])
    ]


def add_media(context: Context, edit: ProductEdit, source: str, alt: str | None, content: str = "IMAGE") -> Media:
    """Add a media to the end of a product's. It is processed in the background, some time after the answer."""
    number = edit.shop.allocate_number()
    media = Media(number, content, alt, "UPLOADED", None, edit.at, source)
    edit.product.media = [*edit.product.media, media]
    edit.mark_changed()
    schedule_processing(context.schedule, context.faults, edit.product.number, media)
    return media


def schedule_processing(schedule: Schedule, faults: Faults, product: int, media: Media) -> None:
    """Let a media become READY or FAILED after the time that the faults of the shop say."""
    status = "FAILED" if any(text in (media.source or "") for text in faults.failing_media) else "READY"
    schedule(0.0, partial(_set_status, product=product, number=media.number, status="PROCESSING"))
    schedule(faults.media_seconds, partial(_set_status, product=product, number=media.number, status=status))


def _set_status(shop: Shop, changes: ChangeSet, *, product: int, number: int, status: str) -> None:
    """Set the status of a media, and its address once it is READY. Only the end of the processing changes the product.

    Nothing happens if the product or the media was deleted meanwhile, or if the media is READY already.
    """
    record = shop.products.get(product)
    media = next((m for m in record.media if m.number == number), None) if record is not None else None
    if record is None or media is None or media.status in ("READY", "FAILED"):
        return
    edit = ProductEdit(shop, changes, record)
    media.status, media.updated_at = status, edit.at
    if status == "READY":
        media.url = f"https://cdn.shopify.com/s/files/1/{number}/{record.handle}.jpg?v=1"
    if status != "PROCESSING":
        edit.mark_changed()
    edit.finish()


def replace_files(context: Context, edit: ProductEdit, files: Sequence[Mapping[str, Any]]) -> None:
    """Make `files`, a FileSetInput each, the only media of a product, in this order.

    One that has the id of a media stays that media; its alternative text is set if there is one.
    """
    by_number = {media.number: media for media in edit.product.media}
    before = list(edit.product.media)
    edit.product.media = []
    for file in files:
        number = _parse_media_number(file["id"]) if file.get("id") else None
        media = by_number.get(number) if number is not None else _find_by_source(before, file.get("originalSource"))
        if media is None:
            add_media(context, edit, file.get("originalSource") or "", file.get("alt"), _choose_content(file))
            continue
        if file.get("alt") is not None and file["alt"] != media.alt:
            media.alt, media.updated_at = file["alt"], edit.at
            edit.mark_changed()
        edit.product.media.append(media)
    if [media.number for media in before] != [media.number for media in edit.product.media]:
        edit.mark_changed()


def _find_by_source(before: list[Media], source: str | None) -> Media | None:
    """Return the media of a product that has this address at Shopify: such a file is not copied once more."""
    return next((media for media in before if source is not None and media.url == source), None)


def _choose_content(file: Mapping[str, Any]) -> str:
    return str(file.get("contentType") or "IMAGE")


def find_file_errors(product: Product | None, files: Sequence[Mapping[str, Any]]) -> list[UserError]:
    """Return the errors of the `files` of a productSet."""
    numbers = {media.number for media in product.media} if product is not None else set()
    errors = []
    for index, file in enumerate(files):
        path: Path = ["input", "files", index]
        if file.get("id") and _parse_media_number(file["id"]) not in numbers:
            errors.append(build_user_error([*path, "id"], "File does not exist", "INVALID_INPUT"))
        elif not file.get("id") and not is_source_valid(file.get("originalSource") or ""):
            errors.append(build_user_error([*path, "originalSource"], "Image URL is invalid", "INVALID_INPUT"))
    return errors


def _parse_media_number(gid: str) -> int | None:
    try:
        kind, number, _ = parse_gid(gid)
    except ValueError:
        return None
    return number if kind in _MEDIA_TYPES else None


def _reorder_media(_: Any, context: Context, args: Args) -> dict[str, Any]:
    product = get_product(context, args["id"])
    if product is None:
        errors = [build_user_error(["id"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")]
        return {"job": None, "userErrors": errors, "mediaUserErrors": errors}
    moves = [(_parse_media_number(move["id"]), int(move["newPosition"])) for move in args["moves"]]
    job = f"gid://shopify/Job/{uuid.uuid4()}"
    context.shop.open_jobs.add(job)
    context.schedule(JOB_SECONDS, partial(_move_media, job=job, product=product.number, moves=moves))
    return {"job": {"id": job, "done": False}, "userErrors": [], "mediaUserErrors": []}


def _move_media(shop: Shop, changes: ChangeSet, *, job: str, product: int, moves: list[tuple[int | None, int]]) -> None:
    """Make the moves one after the other. A media that the product does not have is left out, without an error."""
    shop.open_jobs.discard(job)
    record = shop.products.get(product)
    if record is None:
        return
    ordered = list(record.media)
    for number, position in moves:
        media = next((m for m in ordered if m.number == number), None)
        if media is not None:
            ordered.remove(media)
            ordered.insert(position, media)
    edit = ProductEdit(shop, changes, record)
    edit.set_field("media", ordered)
    edit.finish()


MUTATIONS: dict[str, Resolver] = {"productReorderMedia": _reorder_media}
