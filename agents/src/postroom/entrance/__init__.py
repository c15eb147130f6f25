"""The way in, the same for every protocol: the SASL exchange, the auth agent's judgement, the account behind a login.

Room rule: nothing here knows a protocol's replies or opens a socket. A protocol sends the challenges, and turns the
errors (`contracts.errors.LoginError`, `wire.sasl.SaslError`) into its own words.
"""
