"""The imap agent: mailboxes for mail programs. RFC 3501 and what `wire.imap.capability` announces.

`session` moves octets and knows the state; handlers, grouped by what they work on, turn one command into calls of
the mailbox contract and into responses. Only `app` constructs things.
"""
