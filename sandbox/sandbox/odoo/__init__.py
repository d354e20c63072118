"""A simulated Odoo server: databases with products and stock, behind JSON-2, JSON-RPC and XML-RPC."""
