"""Mappers from what Odoo answers to records in the form of the snapshot. They are pure."""
