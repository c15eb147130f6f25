"""The auth agent: who is who he says he is. The only reader of `secrets.db`."""
