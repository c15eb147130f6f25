"""The store's engine for one host: a database per account, and message files beside it."""
