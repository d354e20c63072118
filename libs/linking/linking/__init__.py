"""Decides, without any IO, what keeps the records of a Shopify shop and of an Odoo database in step."""
