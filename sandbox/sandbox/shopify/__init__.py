"""Shopify: OAuth, the Admin GraphQL API, signed webhooks, a page for the merchant and a control API for tests."""
