"""A service's Postgres."""

import traceback
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from database.pool import Database
from merchant_sync.stack import Stack

pytestmark = pytest.mark.integration


async def test_an_error_says_nothing_of_what_was_to_be_stored(postgres: Stack) -> None:
    private = str(uuid4())
    database = Database(postgres.build_admin_database_url(), schema="nobodys")
    with pytest.raises(DBAPIError) as error:
        async with database.transaction() as tx:
            await tx.execute(text("SELECT CAST(:body AS text)"), {"body": private + "\x00"})
    await database.close()
    assert "invalid byte sequence" in str(error.value)
    assert private not in "".join(traceback.format_exception(error.value))
