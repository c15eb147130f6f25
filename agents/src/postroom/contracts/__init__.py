"""What one room promises another: Protocols that speak in `mail` values, and the closed list of errors.

Room rule: no implementation and no I/O lives here.
"""
