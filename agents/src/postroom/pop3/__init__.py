"""The POP3 agent: one maildrop per session, exclusively, from the INBOX of the store."""
