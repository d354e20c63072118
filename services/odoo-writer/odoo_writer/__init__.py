"""The service that writes to databases of Odoo what links have decided."""
