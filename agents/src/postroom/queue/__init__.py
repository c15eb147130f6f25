"""The queue: spools that intake writes and the relay works off, and what an operator sees and does there.

Room rule: no network protocol and no delivery lives here; a row knows its destination, not how to reach it.
"""
