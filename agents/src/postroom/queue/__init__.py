"""The queue: messages that are accepted and not yet delivered, behind contracts/queue, outbox and queueadmin.

`intake`, `outbox` and `admin` each open one side of it; `sqlite` is the engine that they open.
Room rule: no network protocol and no delivery lives here; a recipient names its destination, not how to reach it.
"""
