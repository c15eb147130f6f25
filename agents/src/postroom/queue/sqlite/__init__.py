"""The queue on SQLite: one spool file per writing process, large bodies in files beside it."""
