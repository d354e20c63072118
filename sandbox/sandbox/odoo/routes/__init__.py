"""The HTTP routes of the simulated Odoo server."""
