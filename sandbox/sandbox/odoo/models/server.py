"""Models of the server itself: companies, users and their keys, currencies, external ids, apps, parameters."""

from typing import Any

from sandbox.odoo.access import SUPERUSER
from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.fields import (
    ModelDefinition,
    ModelList,
    Row,
    boolean,
    char,
    define_choice,
    define_computed,
    integer,
    many2many,
    many2one,
    moment,
    number,
    reference,
    text,
)


def add_models(models: ModelList) -> None:
    """Add the models of this module."""
    _add_companies(models)
    _add_users(models)
    _add_registry(models)


def _add_companies(models: ModelList) -> None:
    models.add(
        ModelDefinition("res.currency", "Currency", {}, order="active desc, name"),
        (
            char("name", "Currency", required=True),
            char("full_name", "Name"),
            char("symbol", "Symbol"),
            number("rounding", "Rounding Factor", default=0.01),
            integer("decimal_places", "Decimal Places", default=2),
            boolean("active", "Active", default=True),
        ),
    )
    models.add(
        ModelDefinition("res.country", "Country", {}, order="name"),
        (char("name", "Country Name", required=True, translate=True), char("code", "Country Code", required=True)),
    )
    models.add(
        ModelDefinition("res.partner", "Contact", {}, order="name"),
        (
            char("name", "Name"),
            char("email", "Email"),
            char("phone", "Phone"),
            boolean("is_company", "Is a Company"),
            many2one("country_id", "Country", "res.country"),
            boolean("active", "Active", default=True),
        ),
    )
    models.add(
        ModelDefinition("res.company", "Companies", {}, order="sequence, name"),
        (
            char("name", "Company Name", required=True),
            integer("sequence", "Sequence", default=10),
            boolean("active", "Active", default=True),
            many2one("partner_id", "Partner", "res.partner"),
            many2one("currency_id", "Currency", "res.currency", required=True, default=1),
            many2one("country_id", "Country", "res.country"),
            many2one("parent_id", "Parent Company", "res.company"),
            many2one("account_sale_tax_id", "Default Sale Tax", "account.tax"),
        ),
    )
    models.add(
        ModelDefinition("res.lang", "Languages", {}, order="active desc, name"),
        (
            char("name", "Name", required=True),
            char("code", "Locale Code", required=True),
            boolean("active", "Active", default=True),
        ),
    )


def _hide_keys_of_others(env: OdooEnvironment, domain: list[Any]) -> list[Any]:
    return domain if env.user == SUPERUSER else [("user_id", "=", env.user), *domain]


def _get_groups(_: OdooEnvironment, row: Row) -> list[int]:
    return list(row["membership"])


def _set_groups(env: OdooEnvironment, row: Row, value: Any) -> None:
    env.write("res.users", [row["id"]], {"membership": value})


def _add_users(models: ModelList) -> None:
    models.add(
        ModelDefinition("res.groups", "Access Groups", {}, order="name"),
        (
            char("name", "Name", required=True),
            char("full_name", "Group Name"),
            number("api_key_duration", "API Keys maximum duration days", since=18),
        ),
    )
    models.add(
        ModelDefinition("res.users", "User", {}, order="name, login"),
        (
            char("name", "Name", required=True),
            char("login", "Login", required=True),
            char("email", "Email"),
            char("lang", "Language", default="en_US"),
            char("tz", "Timezone"),
            boolean("active", "Active", default=True),
            boolean("share", "Share User"),
            many2one("company_id", "Company", "res.company", required=True, default=1),
            many2many("company_ids", "Companies", "res.company"),
            many2many("membership", "Groups", "res.groups", is_internal=True),
            *(
                define_computed(field, _get_groups, inverse=_set_groups, is_stored=True, searchable=True)
                for field in (
                    many2many("groups_id", "Groups", "res.groups", until=18),
                    many2many("group_ids", "Groups", "res.groups", since=19),
                )
            ),
            many2one("partner_id", "Related Partner", "res.partner"),
        ),
    )
    models.add(
        ModelDefinition("res.users.apikeys", "Users API Keys", {}, order="id", search_filter=_hide_keys_of_others),
        (
            char("name", "Description", required=True, readonly=True),
            many2one("user_id", "User", "res.users", required=True, readonly=True, ondelete="cascade"),
            char("scope", "Scope", readonly=True),
            moment("expiration_date", "Expiration Date", readonly=True, since=18),
        ),
    )


def _add_registry(models: ModelList) -> None:
    models.add(
        ModelDefinition(
            "ir.model.data",
            "Model Data",
            {},
            order="module, model, name",
            unique=((("module", "name"), "duplicate key value violates unique constraint"),),
        ),
        (
            char("name", "External Identifier", required=True),
            char("module", "Module", required=True, default=""),
            char("model", "Model Name", required=True),
            reference("res_id", "Record ID"),
            boolean("noupdate", "Non Updatable"),
            define_computed(
                char("complete_name", "Complete ID"),
                lambda _, row: f"{row['module']}.{row['name']}" if row["module"] else row["name"],
            ),
        ),
    )
    models.add(
        ModelDefinition("ir.module.module", "Module", {}, order="name"),
        (
            char("name", "Technical Name", required=True, readonly=True),
            char("shortdesc", "Module Name", readonly=True, translate=True),
            boolean("application", "Application", readonly=True),
            define_choice("state", "Status", {"uninstalled": "Not Installed", "installed": "Installed"}, readonly=True),
            define_computed(
                char("installed_version", "Latest Version"),
                lambda env, _: f"{env.version}.0.1.0",
            ),
        ),
    )
    models.add(
        ModelDefinition("ir.config_parameter", "System Parameter", {}, order="key", rec_name="key"),
        (char("key", "Key", required=True), text("value", "Value", required=True)),
    )
    models.add(
        ModelDefinition("ir.model", "Models", {}, order="model"),
        (char("name", "Model Description", translate=True), char("model", "Model", required=True)),
    )
    models.add(
        ModelDefinition("decimal.precision", "Decimal Precision", {}, order="id"),
        (char("name", "Usage", required=True), integer("digits", "Digits", required=True, default=2)),
    )
