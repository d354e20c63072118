"""The state of the simulated Odoo server: setup, faults, statistics and databases."""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from sandbox.odoo.access import SUPERUSER
from sandbox.odoo.authentication import ADMIN, Authenticator, add_key
from sandbox.odoo.database import OdooDatabase
from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import ServerFault
from sandbox.odoo.faults import Faults, ServerSetup
from sandbox.odoo.fields import ModelList
from sandbox.odoo.hints import WATCHED, send_hints
from sandbox.odoo.models import attributes, images, product_lists, products, sales, server, stock
from sandbox.odoo.sample_catalog import DatabaseRecipe, generate_database
from sandbox.odoo.statistics import Statistics
from sandbox.odoo.store import OdooStore
from sandbox.odoo.upgrades import upgrade_database

LOGIN = "admin"
FIRST_DATABASE = "company"


def build_models(setup: ServerSetup) -> ModelList:
    """Build the models of a version of Odoo with its installed apps."""
    models = ModelList(setup.version, frozenset(setup.apps))
    for module in (server, images, product_lists, attributes, products, stock, sales):
        module.add_models(models)
    return models


class OdooState:
    """All state. `key` is the API key of the user `admin` in every database; an empty one is generated at first.

    Any thread may call its methods.
    """

    def __init__(self, folder: Path, key: str = "", version: int = 0) -> None:
        self._store = OdooStore(folder)
        stored: dict[str, Any] = self._store.load_setting("server") or {}
        self.key = key or stored.get("key") or secrets.token_hex(20)
        self.setup = ServerSetup(**stored.get("setup", {"version": version} if version else {}))
        self.faults = Faults(**stored.get("faults", {}))
        self.statistics = Statistics()
        self._lock = RLock()
        self._databases: dict[str, OdooDatabase] = {}
        self._authenticators: dict[str, Authenticator] = {}
        self._recipes: dict[str, dict[str, Any]] = stored.get("databases", {})
        self._denied: dict[str, dict[str, list[str]]] = stored.get("denied", {})
        for name in list(self._recipes):
            self._open_database(name)
        self._hints: dict[str, str] = stored.get("hints", {})
        self._is_new = not self._recipes
        self._save()

    @property
    def databases(self) -> Mapping[str, OdooDatabase]:
        """All databases by name. The first one is created when it is first asked for, so that others start fast."""
        with self._lock:
            if self._is_new:
                self._is_new = False
                if not self._databases:
                    self.create_database(DatabaseRecipe(name=FIRST_DATABASE))
            return self._databases

    def create_database(self, recipe: DatabaseRecipe) -> OdooDatabase:
        """Create a database, in place of one of the same name."""
        self._is_new = False
        if recipe.name in self._databases:
            self.delete_database(recipe.name)
        database = self._open_database(recipe.name)
        with database.begin() as transaction:
            env = OdooEnvironment(database, SUPERUSER, {}, transaction.now)
            generate_database(env, recipe, self.setup)
            add_key(env, ADMIN, self.key, "merchant-sync")
        self._recipes[recipe.name] = recipe.model_dump()
        self._save()
        return database

    def delete_database(self, name: str) -> None:
        """Delete a database. Raises KeyError if there is none."""
        del self._databases[name], self._authenticators[name], self._recipes[name]
        self._denied.pop(name, None)
        self._hints.pop(name, None)
        self._store.delete_database(name)
        self._save()

    def get_recipe(self, name: str) -> Mapping[str, Any]:
        """Return what a database was created from."""
        return self._recipes[name]

    def set_setup(self, setup: ServerSetup) -> None:
        """Replace the setup. The server starts anew, so that it forgets which keys it has accepted."""
        self.setup = setup
        models = build_models(setup)
        for name, database in self._databases.items():
            database.set_models(models)
            with database.begin() as transaction:
                upgrade_database(OdooEnvironment(database, SUPERUSER, {}, transaction.now), setup)
            self._authenticators[name].forget()
        self._save()

    def set_faults(self, faults: Faults) -> None:
        """Replace all faults. Faults that are left out are switched off."""
        self.faults = faults
        self._save()

    def set_denied_rights(self, name: str, denied: dict[str, list[str]]) -> None:
        """Replace the rights on models that users do not have, e.g. `{"stock.quant": ["write"]}`."""
        self.databases[name].denied_rights = denied
        self._denied[name] = denied
        self._save()

    def find_database(self, name: str) -> OdooDatabase:
        """Return a database. Raises ServerFault if there is none."""
        if name not in self.databases:
            raise ServerFault("psycopg2.OperationalError", f'FATAL:  database "{name}" does not exist\n')
        return self.databases[name]

    def get_authenticator(self, name: str) -> Authenticator:
        """Return what checks the keys of a database. Raises ServerFault if there is no such database."""
        self.find_database(name)
        return self._authenticators[name]

    def run(self, name: str, user: int, call: Callable[[OdooEnvironment], Any], began_at: str = "") -> Any:
        """Run a call in a transaction of its own, and return its result. Raises OdooError; nothing is written then.

        `began_at` is when the transaction began; without it, now.
        """
        database = self.find_database(name)
        with database.begin(began_at) as transaction:
            result = call(OdooEnvironment(database, user, {}, transaction.now))
            if url := self._hints.get(name):
                told = [(model, number) for model, number in transaction.written if model in WATCHED]
                self.statistics.hints += send_hints(url, told)
            return result

    def set_hint_url(self, name: str, url: str) -> None:
        """Let an automation call this URL for changes of products and stock; with an empty one, it stops."""
        self._hints[name] = url
        self._save()

    def get_hint_url(self, name: str) -> str:
        """Return the URL that is called for changes; an empty text if there is none."""
        return self._hints.get(name, "")

    def count_records(self, name: str) -> dict[str, int]:
        """Return the numbers of templates, variants and quants of a database. Raises KeyError if there is none."""
        models = {"products": "product.template", "variants": "product.product", "quants": "stock.quant"}
        return {key: len(self.databases[name].list_rows(model)) for key, model in models.items()}

    def forget_logins(self) -> None:
        """Forget which keys were accepted and refused."""
        for authenticator in self._authenticators.values():
            authenticator.forget()

    def reset(self) -> None:
        """Bring everything but the key back to the beginning."""
        self.setup, self.faults, self.statistics = ServerSetup(), Faults(), Statistics()
        for name in list(self._databases):
            self.delete_database(name)
        self.create_database(DatabaseRecipe(name=FIRST_DATABASE))

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def _open_database(self, name: str) -> OdooDatabase:
        database = OdooDatabase(name, build_models(self.setup), self._store)
        database.denied_rights = self._denied.get(name, {})
        self._databases[name] = database
        self._authenticators[name] = Authenticator(database)
        return database

    def _save(self) -> None:
        self._store.write_setting(
            "server",
            {
                "key": self.key, "setup": self.setup.model_dump(), "faults": self.faults.model_dump(),
                "databases": self._recipes, "denied": self._denied, "hints": self._hints,
            },
        )  # fmt: skip
