"""Odoo: one database, by its external API alone. What more than one service must know."""
