"""The directory of domains, people and addresses: its schema, its database file, and the reader for all agents.

Only `postroom directory apply` writes `directory.db`, always as a whole new file; agents only read it.
"""
