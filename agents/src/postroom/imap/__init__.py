"""The imap agent: mailboxes for mail programs. RFC 3501 and the extensions that `wire.imap.capability` lists.

Room rule: `dispatch` runs the loop of a connection, `session` keeps its state, `octets` reads from the client.
Families of commands export handlers, which turn one command into calls of the mailbox contract and into responses.
Only `app` constructs services.
"""
