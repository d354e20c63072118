"""The platforms that the sandbox simulates. A new platform is a folder of its own and a line in `PLATFORMS`."""

from collections.abc import Callable

from jinja2 import Environment

from sandbox.facebook import app as facebook_app
from sandbox.odoo import app as odoo_app
from sandbox.phpmyadmin import app as phpmyadmin_app
from sandbox.settings import Settings
from sandbox.shopify import app as shopify_app

Platform = (
    shopify_app.ShopifySandbox | facebook_app.FacebookSandbox | phpmyadmin_app.PhpMyAdminSandbox | odoo_app.OdooSandbox
)
"""A simulated platform. The process uses its `routes`, `run`, `get_clock_skew` and `render_card`."""

PLATFORMS: tuple[Callable[[Settings, Environment], Platform | None], ...] = (
    shopify_app.build_shopify,
    facebook_app.build_facebook,
    phpmyadmin_app.build_phpmyadmin,
    odoo_app.build_odoo,
)
"""For each platform, the function that builds it. It returns None if the settings do not configure the platform."""
