"""The table from command to handler."""

from collections.abc import Mapping
from typing import Final

from postroom.imap import fetching, folders, idling, login, messages, searching
from postroom.imap.session import Handler
from postroom.wire.imap import commands

HANDLERS: Final[Mapping[type[commands.Command], Handler]] = {
    commands.Capability: login.capability,
    commands.Noop: login.noop,
    commands.Logout: login.logout,
    commands.Id: login.identification,
    commands.StartTls: login.start_tls,
    commands.Authenticate: login.authenticate,
    commands.Login: login.login,
    commands.Enable: login.enable,
    commands.Namespace: folders.namespace,
    commands.Select: folders.select,
    commands.Create: folders.create,
    commands.Delete: folders.delete,
    commands.Rename: folders.rename,
    commands.Subscribe: folders.subscribe,
    commands.List: folders.list_,
    commands.Lsub: folders.lsub,
    commands.StatusOf: folders.status,
    commands.Append: folders.append,
    commands.Idle: idling.idle,
    commands.GetQuota: folders.get_quota,
    commands.GetQuotaRoot: folders.get_quota_root,
    commands.SetQuota: folders.set_quota,
    commands.Check: login.noop,
    commands.Close: folders.close,
    commands.Unselect: folders.unselect,
    commands.Expunge: messages.expunge,
    commands.Search: searching.search,
    commands.Fetch: fetching.fetch,
    commands.Store: messages.store,
    commands.Copy: messages.copy,
}
