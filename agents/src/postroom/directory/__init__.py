"""Who is who: the directory's schema, its one database file, and the reader that every agent uses.

`directory.db` is written by `postroom directory apply` alone, as a whole new file; agents only read.
"""
