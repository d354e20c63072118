"""Images of products. They are kept as attachments, which clients can read by field and checksum."""

import base64
import binascii
import hashlib
from typing import Any

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import RefusedError, build_value_error
from sandbox.odoo.fields import (
    FieldDefinition,
    Fields,
    ModelDefinition,
    ModelList,
    Row,
    boolean,
    char,
    define_choice,
    define_computed,
    integer,
    many2one,
    reference,
)

ATTACHMENT = "ir.attachment"
_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
_SIZES = (1024, 512, 256, 128)


def add_models(models: ModelList) -> None:
    """Add the model of attachments."""
    binary = FieldDefinition("datas", "binary", "File Content (base64)")
    models.add(
        ModelDefinition(
            ATTACHMENT,
            "Attachment",
            {},
            order="id desc",
            before_create=_complete_attachment,
            search_filter=_hide_fields,
        ),
        (
            char("name", "Name", required=True),
            char("res_model", "Resource Model"),
            char("res_field", "Resource Field"),
            reference("res_id", "Resource ID"),
            many2one("company_id", "Company", "res.company"),
            define_choice("type", "Type", {"url": "URL", "binary": "File"}, default="binary", required=True),
            char("url", "Url"),
            boolean("public", "Is public document"),
            char("mimetype", "Mime Type", readonly=True),
            char("checksum", "Checksum/SHA1", readonly=True),
            integer("file_size", "File Size", readonly=True),
            FieldDefinition("content", "binary", "Content", is_internal=True),
            define_computed(binary, lambda _, row: row["content"], inverse=_replace_content),
            define_computed(FieldDefinition("raw", "binary", "File Content (raw)"), lambda _, row: row["content"]),
        ),
    )


def build_fields(name: str) -> Fields:
    """Define the field of an image, and those of its smaller sizes. The smaller ones are the same image here."""

    def compute(env: OdooEnvironment, row: Row) -> Any:
        found = find_attachment(env, _get_model(row), row["id"], name)
        return found["content"] if found else None

    def inverse(env: OdooEnvironment, row: Row, value: Any) -> None:
        store_image(env, _get_model(row), row["id"], name, value)

    image = FieldDefinition(name, "binary", "Image")
    sizes = (FieldDefinition(name.replace("1920", str(size)), "binary", f"Image {size}") for size in _SIZES)
    return (
        define_computed(image, compute, inverse=inverse, is_stored=True, searchable=True),
        *(define_computed(size, compute, is_stored=True, searchable=True) for size in sizes),
    )


def build_variant_fields() -> Fields:
    """Define the image that a variant shows: its own or its template's."""

    def compute(env: OdooEnvironment, row: Row) -> Any:
        own = env.get_value("product.product", row, "image_variant_1920")
        return own or env.read_value("product.template", row["product_tmpl_id"], "image_1920")

    def inverse(env: OdooEnvironment, row: Row, value: Any) -> None:
        variants = env.database.find_referring("product.product", "product_tmpl_id", row["product_tmpl_id"])
        template_has_one = find_attachment(env, "product.template", row["product_tmpl_id"], "image_1920")
        # The image of an only variant, and the first image of all, are the product's.
        if len(variants) > 1 and template_has_one and value:
            store_image(env, "product.product", row["id"], "image_variant_1920", value)
            return
        store_image(env, "product.product", row["id"], "image_variant_1920", False)
        if value or len(variants) == 1:
            env.write("product.template", [row["product_tmpl_id"]], {"image_1920": value})

    names = ("image_1920", *(f"image_{size}" for size in _SIZES))
    return tuple(
        define_computed(
            FieldDefinition(name, "binary", "Image"), compute, **({"inverse": inverse} if "1920" in name else {})
        )
        for name in names
    )


def _get_model(row: Row) -> str:
    return "product.product" if "product_tmpl_id" in row else "product.template"


def find_attachment(env: OdooEnvironment, model: str, number: int, field_name: str) -> Row | None:
    """Return the attachment that has the value of a field."""
    return next(
        (
            row
            for row_id in env.database.find_owned(model, number)
            if (row := env.find(ATTACHMENT, row_id))["res_field"] == field_name
        ),
        None,
    )


def store_image(env: OdooEnvironment, model: str, number: int, field_name: str, value: Any) -> None:
    """Replace an image by the base64 text `value`, or remove it."""
    for name in (field_name, *(field_name.replace("1920", str(size)) for size in _SIZES)):
        found = find_attachment(env, model, number, name)
        if not value:
            if found:
                env.delete(ATTACHMENT, [found["id"]])
            continue
        values = {"name": name, "res_model": model, "res_field": name, "res_id": number}
        content = _complete_attachment(env, {**values, "datas": value})
        if not str(content["mimetype"]).startswith("image/"):
            raise RefusedError("This file could not be decoded as an image file.")
        if found:
            env.database.write(ATTACHMENT, found["id"], {**found, **content, "write_date": env.now})
        else:
            env.create(ATTACHMENT, {**values, "datas": value})


def _complete_attachment(_: OdooEnvironment, values: Row) -> Row:
    values = dict(values)
    content = values.pop("datas", None) or values.pop("raw", None)
    if not content:
        return values
    return {**values, **_describe(str(content))}


def _replace_content(env: OdooEnvironment, row: Row, value: Any) -> None:
    env.database.write(ATTACHMENT, row["id"], {**env.find(ATTACHMENT, row["id"]), **_describe(str(value or ""))})


def _describe(content: str) -> Row:
    try:
        data = base64.b64decode(content, validate=False)
    except binascii.Error as error:
        raise build_value_error(f"invalid base64: {error}") from None
    kind = next((kind for start, kind in _KINDS.items() if data.startswith(start)), _guess_kind(data))
    return {
        "content": base64.b64encode(data).decode(), "mimetype": kind, "file_size": len(data),
        "checksum": hashlib.sha1(data).hexdigest(),
    }  # fmt: skip


def _guess_kind(data: bytes) -> str:
    try:
        data.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "text/plain"


def _hide_fields(_: OdooEnvironment, domain: list[Any]) -> list[Any]:
    """Leave out what is the value of a field, unless the domain asks for it."""
    if any(item[0] in ("id", "res_field") for item in domain if isinstance(item, list | tuple)):
        return domain
    return [("res_field", "=", False), *domain]
