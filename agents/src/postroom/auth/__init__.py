"""The auth agent: it verifies logins, and no other program reads `secrets.db`."""
