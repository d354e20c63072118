"""Keys of objects follow from the connection: no event has another connection's object overwritten or deleted."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from contracts.events import ConnectionChanged
from messaging.errors import ForeignMessageError
from platforms.registry import PLATFORMS
from spaces_writer.object_keys import build_merchant_key, build_snapshot_key
from writer_builders import MERCHANT, PAGE, PAGE_KEY, SHOP, make_connection, make_redaction
from writer_harness import Writer

INVENTED = "shopify:invented.myshopify.com"
SHOP_KEY = "acme.myshopify.com/shopify_data.json"
CONNECTIONS = (
    *(f"{platform}:{account}" for platform in (*PLATFORMS, "other", "merchants") for account in ("1", "1001", "1-001")),
    *(SHOP, INVENTED, PAGE, "other:acme.myshopify.com", "merchants:00000000-0000-0000-0000-00000000000a"),
)


def find_key(connection: str) -> str | None:
    """Return the key of the connection; None where it has none."""
    try:
        return build_snapshot_key(connection)
    except ValueError:
        return None


def test_two_connections_never_share_a_key_nor_have_a_merchants() -> None:
    keys = [key for connection in CONNECTIONS if (key := find_key(connection)) is not None]
    assert len(keys) == len(set(keys)) >= 8
    assert build_merchant_key(MERCHANT) not in keys


def test_every_platform_has_keys_of_its_own() -> None:
    assert (build_snapshot_key(SHOP), build_snapshot_key(PAGE)) == (SHOP_KEY, PAGE_KEY)
    assert build_snapshot_key("other:1") == "other/1/data.json"


@pytest.mark.parametrize(
    "connection",
    [
        "shopify:merchants",
        "shopify:facebook/1029384756",
        "shopify:../acme.myshopify.com",
        "facebook:1029384756/../1",
        "facebook:acme.myshopify.com",
        "other:a/b",
        "other:..",
        "other:acme.myshopify.com/shopify_data.json",
        "other:1\n",
    ],
)
def test_what_is_no_account_has_no_key(connection: str) -> None:
    with pytest.raises(ValueError, match="not the name of a"):
        build_snapshot_key(connection)


def claim(connection: str, **fields: object) -> ConnectionChanged:
    """The state of a connection as somebody claims it who is not the gateway."""
    state = {"revision": 1, "epoch": 1, "state": "connected", "merchant": uuid4(), "object_key": SHOP_KEY, **fields}
    return ConnectionChanged.model_validate({"connection": connection, **state})


async def count_connections(writer: Writer) -> int:
    async with writer.database.transaction() as tx:
        return int((await tx.execute(text("SELECT count(*) FROM connections"))).scalar_one())


@pytest.mark.integration
async def test_an_invented_connection_with_anothers_object_key_is_refused(writer: Writer) -> None:
    before = await count_connections(writer)
    writer.bucket.objects[SHOP_KEY] = b"{}", {}
    with pytest.raises(ForeignMessageError, match="object key"):
        await writer.update_connection(claim(INVENTED))
    await writer.update_connection(claim(INVENTED, revision=2, epoch=2, state="redacted", object_key=None))
    await writer.eraser.execute_due_erasures()
    assert SHOP_KEY in writer.bucket.objects
    assert await count_connections(writer) == before + 1


@pytest.mark.integration
async def test_a_connection_whose_name_is_another_connections_path_is_refused(writer: Writer) -> None:
    with pytest.raises(ForeignMessageError, match="no object key"):
        await writer.update_connection(claim("shopify:facebook/1029384756", object_key=PAGE_KEY))


@pytest.mark.integration
async def test_an_epoch_never_falls(writer: Writer) -> None:
    await writer.update_connection(make_connection(INVENTED, revision=5, epoch=4))
    with pytest.raises(ForeignMessageError, match="epoch 3, after epoch 4"):
        await writer.update_connection(make_connection(INVENTED, revision=6, epoch=3))
    with pytest.raises(ForeignMessageError, match="epoch 4, after epoch 5"):
        await writer.update_connection(
            make_redaction(INVENTED, revision=6, epoch=5), make_connection(INVENTED, revision=7, epoch=4)
        )
    await writer.update_connection(make_connection(INVENTED, revision=4, epoch=3))
    await writer.update_connection(make_connection(INVENTED, revision=6, epoch=4, state="uninstalled"))
    query = f"SELECT (revision, epoch, state) FROM connections WHERE connection = '{INVENTED}'"
    assert await writer.query_scalar(query) == (6, 4, "uninstalled")
