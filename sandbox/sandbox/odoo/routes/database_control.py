"""The part of the control API that is about one database: its records, users, keys and rights."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.odoo.access import EMPLOYEE, SUPERUSER
from sandbox.odoo.authentication import ADMIN, KEYS, add_key
from sandbox.odoo.database import format_time
from sandbox.odoo.edits import EDITORS, make_edit
from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.expected_document import build_document
from sandbox.odoo.methods import call_positional
from sandbox.odoo.models import stock_moves
from sandbox.odoo.sample_catalog import DatabaseRecipe
from sandbox.odoo.state import OdooState
from sandbox.responses import build_json_response

_DATABASE = "/databases/{database}"


class DatabaseControl:
    """Handles the endpoints about databases."""

    def __init__(self, state: OdooState) -> None:
        self._state = state

    def list_routes(self) -> list[tuple[str, str, Callable[[Request, Any], Awaitable[Response]]]]:
        """List the method, path and handler of each endpoint."""
        return [
            ("PUT", _DATABASE, self.create_database),
            ("GET", _DATABASE, self.show_database),
            ("DELETE", _DATABASE, self.delete_database),
            ("GET", f"{_DATABASE}/document", self.show_document),
            ("POST", f"{_DATABASE}/execute", self.execute),
            ("POST", f"{_DATABASE}/edits", self.make_edits),
            ("POST", f"{_DATABASE}/stock", self.change_stock),
            ("POST", f"{_DATABASE}/clean_quants", self.clean_quants),
            ("GET", f"{_DATABASE}/rights", self.show_denied_rights),
            ("PUT", f"{_DATABASE}/rights", self.set_denied_rights),
            ("GET", f"{_DATABASE}/hint", self.show_hint_url),
            ("PUT", f"{_DATABASE}/hint", self.set_hint_url),
            ("POST", f"{_DATABASE}/users", self.create_user),
            ("GET", f"{_DATABASE}/keys", self.list_keys),
            ("POST", f"{_DATABASE}/keys", self.create_key),
            ("PATCH", f"{_DATABASE}/keys/{{key:int}}", self.set_expiry),
            ("DELETE", f"{_DATABASE}/keys/{{key:int}}", self.delete_key),
        ]

    async def create_database(self, request: Request, body: Any) -> Response:
        """Create a database from a recipe, in place of one of this name."""
        recipe = DatabaseRecipe(**{**body, "name": request.path_params["database"]})
        await asyncio.to_thread(self._state.create_database, recipe)
        return build_json_response(self._describe(recipe.name), 201)

    async def show_database(self, request: Request, _: Any) -> Response:
        """Show the recipe of a database and the numbers of its records."""
        return build_json_response(self._describe(request.path_params["database"]))

    async def delete_database(self, request: Request, _: Any) -> Response:
        """Delete a database."""
        await asyncio.to_thread(self._state.delete_database, request.path_params["database"])
        return build_json_response({})

    async def show_document(self, request: Request, _: Any) -> Response:
        """Return the exact bytes of the document that merchant-sync must store."""
        document = await self._run(request, build_document)
        return Response(document, media_type="application/json")

    async def execute(self, request: Request, body: Any) -> Response:
        """Call a method as somebody in Odoo's web client does: `{model, method, args, kwargs, user}`.

        With `began_seconds_ago`, the transaction began so long ago, and what it writes only appears now.
        """

        def call(env: OdooEnvironment) -> Any:
            return call_positional(env, body["model"], body["method"], body.get("args", []), body.get("kwargs", {}))

        user = body.get("user", ADMIN)
        result = await self._run(request, call, user=user, began_seconds_ago=body.get("began_seconds_ago", 0))
        return build_json_response({"result": result})

    async def make_edits(self, request: Request, body: Any) -> Response:
        """Make random edits: `{edits, seed, kinds, templates, began_seconds_ago}`, all optional but the first.

        Each is a transaction of its own. Returns those that were made.
        """
        random, kinds = Random(body.get("seed", 1)), body.get("kinds") or list(EDITORS)
        name = request.path_params["database"]
        ago = body.get("began_seconds_ago", 0)

        def make_all() -> list[Any]:
            listed = body.get("templates") or sorted(self._state.databases[name].list_rows("product.template"))
            return [
                edit for _ in range(int(body["edits"]))
                if (edit := self._state.run(name, ADMIN, lambda env: make_edit(env, random, kinds, listed), _ago(ago)))
            ]  # fmt: skip

        return build_json_response({"edits": await asyncio.to_thread(make_all)})

    async def change_stock(self, request: Request, body: Any) -> Response:
        """Change the stock of a variant: `{product, location, change}` or `{…, quantity}`, `{…, reserve}`, `{deliver}`.

        `location` is that of the first warehouse without it. `deliver` is the id of the move that `reserve` returned.
        """

        def change(env: OdooEnvironment) -> Any:
            if "deliver" in body:
                stock_moves.deliver_stock(env, int(body["deliver"]))
                return {}
            place = body.get("location") or env.find("stock.warehouse", 1)["lot_stock_id"]
            product = int(body["product"])
            env.find("product.product", product)
            if "reserve" in body:
                return {"move": stock_moves.reserve_stock(env, product, place, body["reserve"], name="Order")}
            present = sum(row["quantity"] for row in stock_moves.find_quants(env, product, place))
            difference = body["quantity"] - present if "quantity" in body else body["change"]
            loss = stock_moves.find_inventory_loss(env)
            source, target = (loss, place) if difference > 0 else (place, loss)
            name = body.get("name", "Product Quantity Updated")
            stock_moves.move_stock(env, product, source, target, abs(difference), name=name, is_inventory=True)
            return {"quantity": present + difference}

        return build_json_response(await self._run(request, change, user=ADMIN))

    async def clean_quants(self, request: Request, _: Any) -> Response:
        """Merge quants of one place and delete those of nothing, as the server does now and then."""
        return build_json_response({"deleted": await self._run(request, stock_moves.clean_quants)})

    async def show_denied_rights(self, request: Request, _: Any) -> Response:
        """Show which rights on models nobody has."""
        return build_json_response(self._state.databases[request.path_params["database"]].denied_rights)

    async def set_denied_rights(self, request: Request, body: Any) -> Response:
        """Replace the rights that nobody has: `{model: ["read", "write", "create", "unlink"]}`."""
        denied = {str(model): list(names) for model, names in body.items()}
        self._state.set_denied_rights(request.path_params["database"], denied)
        return await self.show_denied_rights(request, body)

    async def show_hint_url(self, request: Request, _: Any) -> Response:
        """Show the URL that an automation calls for changes."""
        return build_json_response({"url": self._state.get_hint_url(request.path_params["database"])})

    async def set_hint_url(self, request: Request, body: Any) -> Response:
        """Let an automation call a URL for each write of a product or of stock: `{url}`; with an empty one, none."""
        name = request.path_params["database"]
        self._state.set_hint_url(self._state.databases[name].name, str(body["url"]))
        return await self.show_hint_url(request, body)

    async def create_user(self, request: Request, body: Any) -> Response:
        """Create a user with a key: `{name, groups}`; the groups by external ids. Returns `{user, login, key}`."""
        key = secrets.token_hex(20)
        name = str(body["name"])

        def create(env: OdooEnvironment) -> int:
            groups = [env.database.find_external_id(*group.split(".")) for group in body.get("groups", [EMPLOYEE])]
            if None in groups:
                raise KeyError("groups")
            members = [group["res_id"] for group in groups if group]
            user = env.create("res.users", {"name": name, "login": name, "company_ids": [[6, 0, [1]]],
                                            "membership": [[6, 0, members]]})  # fmt: skip
            add_key(env, user, key, "first key")
            return user

        return build_json_response({"user": await self._run(request, create), "login": name, "key": key}, 201)

    async def list_keys(self, request: Request, _: Any) -> Response:
        """List the keys of all users, without the keys themselves."""
        rows = self._state.databases[request.path_params["database"]].list_rows(KEYS).values()
        names = {"id": "id", "name": "name", "user": "user_id", "expires_at": "expiration_date"}
        shown = [{key: row[name] for key, name in names.items()} for row in rows]
        return build_json_response({"keys": shown})

    async def create_key(self, request: Request, body: Any) -> Response:
        """Create a key: `{user, name, expires_in_seconds}`, all optional. Returns `{id, key}`."""
        key, expiry = secrets.token_hex(20), _in_seconds(body.get("expires_in_seconds"))
        user, name = body.get("user", ADMIN), str(body.get("name", "key"))
        row = await self._run(request, lambda env: add_key(env, user, key, name, expiry))
        return build_json_response({"id": row["id"], "key": key}, 201)

    async def set_expiry(self, request: Request, body: Any) -> Response:
        """Let a key expire at another time: `{expires_in_seconds}`; null: never, 0: now."""
        expiry = _in_seconds(body["expires_in_seconds"])

        def change(env: OdooEnvironment) -> None:
            number = request.path_params["key"]
            env.database.write(KEYS, number, {**env.find(KEYS, number), "expiration_date": expiry})

        await self._run(request, change)
        return await self.list_keys(request, body)

    async def delete_key(self, request: Request, body: Any) -> Response:
        """Remove a key."""
        await self._run(request, lambda env: env.delete(KEYS, [env.find(KEYS, request.path_params["key"])["id"]]))
        return await self.list_keys(request, body)

    def _describe(self, name: str) -> dict[str, Any]:
        return {**self._state.count_records(name), "recipe": self._state.get_recipe(name)}

    async def _run(
        self,
        request: Request,
        call: Callable[[OdooEnvironment], Any],
        *,
        user: int = SUPERUSER,
        began_seconds_ago: float = 0,
    ) -> Any:
        name = request.path_params["database"]
        if name not in self._state.databases:
            raise KeyError(name)
        return await asyncio.to_thread(self._state.run, name, user, call, _ago(began_seconds_ago))


def _ago(seconds: float) -> str:
    return format_time(datetime.now(UTC) - timedelta(seconds=seconds)) if seconds else ""


def _in_seconds(seconds: float | None) -> str | None:
    return None if seconds is None else format_time(datetime.now(UTC) + timedelta(seconds=seconds))
