"""Postfix and Dovecot from Debian's packages, unpacked and run beside the machine's own services, never installed.

The packages and what they need are unpacked into build/bench/debian and laid over /usr by an overlay that only the
servers' own mount namespace sees, together with the users they want. Nothing is configured or started by packages.
Their own folder stands at /srv there, since the homes of people and of root are closed to other users.
Needs root, apt-get, unshare and overlayfs.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from processes import Running, ended, free_port, wait_for_banner, wait_until

BUILD = Path(__file__).resolve().parents[2] / "build/bench"
ROOT = BUILD / "debian"
SEEN = "/srv"  # a server's folder, as the server sees it
PACKAGES = ("postfix", "dovecot-core", "dovecot-imapd", "dovecot-lmtpd")
SOURCE = ROOT / "usr/sbin/smtp-source"
POSTFIX, POSTDROP, DOVECOT, DOVENULL, VMAIL = 64901, 64902, 64903, 64904, 64905
QUEUES = (
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "public", "maildrop",
    "pid", "saved", "trace",
)  # fmt: skip

# Debian's settings but for places and log files; in_flow_delay, which slows intake in favour of delivery, is off
MAIN_CF = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = {folder}/etc
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = mail.alpha.example
mydestination =
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.2/32
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = alpha.example
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_transport = lmtp:unix:private/dovecot-lmtp
smtpd_recipient_restrictions = reject_unauth_destination{held}
message_size_limit = 52428800
in_flow_delay = 0
"""
MASTER_CF = """{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
"""
DOVECOT_CONF = """protocols = lmtp
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = no
service lmtp {{
  unix_listener {folder}/queue/private/dovecot-lmtp {{
    mode = 0600
    user = postfix
    group = postfix
  }}
}}
"""
# Debian 12
DOVECOT_2_3 = """mail_location = maildir:~/Maildir
passdb {{
  driver = static
  args = password=unused
}}
userdb {{
  driver = static
  args = uid={user} gid={user} home={folder}/mail/%n allow_all_users=yes
}}
"""
# Debian 13: the first two lines have to stand before all others
DOVECOT_2_4_FIRST = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
DOVECOT_2_4 = """mail_driver = maildir
mail_path = ~/Maildir
passdb static {{
  password = unused
}}
userdb static {{
  allow_all_users = yes
  fields {{
    uid = {user}
    gid = {user}
    home = {folder}/mail/%{{user | username}}
  }}
}}
"""


def demand() -> None:
    """Ends the program with one line when something is missing that cannot be fetched."""
    if os.geteuid() != 0:
        raise SystemExit("bench: root is needed, since Postfix and Dovecot have users of their own")
    for program in ("apt-get", "dpkg", "unshare", "openssl"):
        if shutil.which(program) is None:
            raise SystemExit(f"bench: {program} is missing on this machine")


def unpack() -> None:
    """Fetch and unpack the packages with all that this machine lacks of what they need, unless that was done."""
    mark = ROOT / ".unpacked"
    if mark.exists():
        return
    shutil.rmtree(ROOT, ignore_errors=True)
    archives = BUILD / "packages"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    ROOT.mkdir(parents=True)
    fetch = ["apt-get", "install", "--download-only", "--yes", "--reinstall", "--no-install-recommends",
             "-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1",
             "-o", "APT::Sandbox::User=root", *PACKAGES]  # fmt: skip
    if subprocess.run(fetch, capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "update"], capture_output=True, check=False)
        fetched = subprocess.run(fetch, capture_output=True, text=True, check=False)
        if fetched.returncode:
            raise SystemExit(f"bench: Debian's packages cannot be fetched: {fetched.stderr.strip()[-500:]}")
    for package in archives.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(ROOT)], check=True)
    for name in ("lib", "bin", "sbin"):  # packages from before /usr was merged
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, ROOT / "usr" / name, symlinks=True, dirs_exist_ok=True)
    if not SOURCE.exists():
        raise SystemExit("bench: the postfix package came without smtp-source")
    mark.touch()


def _namespace(folder: Path, command: list[str]) -> list[str]:
    """The command in a mount namespace that has the packages' files and users."""
    accounts = {
        "passwd": f"postfix:x:{POSTFIX}:{POSTFIX}::/:/bin/false\ndovecot:x:{DOVECOT}:{DOVECOT}::/:/bin/false\n"
        f"dovenull:x:{DOVENULL}:{DOVENULL}::/:/bin/false\nvmail:x:{VMAIL}:{VMAIL}::/:/bin/false\n",
        "group": f"postfix:x:{POSTFIX}:\npostdrop:x:{POSTDROP}:\ndovecot:x:{DOVECOT}:\ndovenull:x:{DOVENULL}:\n"
        f"vmail:x:{VMAIL}:\n",
    }
    ours = {
        line.partition(":")[0] for line in accounts["passwd"].splitlines() + accounts["group"].splitlines()
    }
    for name, lines in accounts.items():
        known = Path("/etc", name).read_text().splitlines(keepends=True)
        kept = [line for line in known if line.partition(":")[0] not in ours]
        (folder / name).write_text("".join(kept) + lines)
    script = (
        f"mount -t overlay overlay -o lowerdir={ROOT}/usr:/usr /usr && mount --bind {folder} {SEEN}"
        f" && mount --bind {SEEN}/passwd /etc/passwd && mount --bind {SEEN}/group /etc/group"
        f" && exec {shlex.join(command)}"
    )
    return ["unshare", "-m", "sh", "-c", script]


def _dovecot_conf() -> str:
    """In the syntax of the packaged release."""
    package = next((BUILD / "packages").glob("dovecot-core_*.deb")).name
    if "2.3." in package:
        return DOVECOT_CONF + DOVECOT_2_3
    return DOVECOT_2_4_FIRST + DOVECOT_CONF + DOVECOT_2_4


def load_environment() -> dict[str, str]:
    """With it the unpacked smtp-source finds its libraries."""
    folders = [f"{ROOT}/usr/lib/postfix", *(str(path) for path in (ROOT / "usr/lib").glob("*-linux-gnu"))]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}


def _prepare(folder: Path, port: int, names: list[str], *, held: bool) -> None:
    for name in QUEUES:
        (folder / "queue" / name).mkdir(parents=True)
        os.chown(folder / "queue" / name, POSTFIX if name != "pid" else 0, 0)
    for name, mode in (("public", 0o710), ("maildrop", 0o730)):
        os.chown(folder / "queue" / name, POSTFIX, POSTDROP)
        (folder / "queue" / name).chmod(mode)
    for name, owner in (("data", POSTFIX), ("etc", 0), ("mail", VMAIL), ("run", 0), ("state", 0)):
        (folder / name).mkdir()
        os.chown(folder / name, owner, owner)
    restriction = ", check_recipient_access static:HOLD" if held else ""
    (folder / "etc/main.cf").write_text(MAIN_CF.format(folder=SEEN, held=restriction))
    (folder / "etc/master.cf").write_text(MASTER_CF.format(port=port))
    (folder / "etc/dovecot.conf").write_text(_dovecot_conf().format(folder=SEEN, user=VMAIL))
    (folder / "mailboxes").write_text("".join(f"{name}@alpha.example {name}\n" for name in names))


@contextlib.contextmanager
def postfix(folder: Path, names: list[str], *, held: bool) -> Iterator[Running]:
    """Postfix for these accounts of alpha.example. `held`: what it accepts stays in its hold queue."""
    port = free_port()
    folder.chmod(0o755)
    _prepare(folder, port, names, held=held)
    command = _namespace(folder, ["/usr/lib/postfix/sbin/master", "-d", "-c", f"{SEEN}/etc"])
    environment = {**os.environ, "MAIL_CONFIG": f"{SEEN}/etc"}
    with ended(command, environment, folder / "postfix-start.log") as process:
        wait_for_banner(port, process, folder / "postfix-start.log")
        yield Running(port, (process.pid,))


@contextlib.contextmanager
def postfix_and_dovecot(folder: Path, names: list[str]) -> Iterator[Running]:
    """Postfix handing over to Dovecot by LMTP; mailboxes are Maildirs below `folder`/mail."""
    with postfix(folder, names, held=False) as mta:
        command = _namespace(folder, ["/usr/sbin/dovecot", "-F", "-c", f"{SEEN}/etc/dovecot.conf"])
        with ended(command, dict(os.environ), folder / "dovecot-start.log") as process:
            wait_until((folder / "queue/private/dovecot-lmtp").exists, process, folder / "dovecot-start.log")
            yield Running(mta.port, (*mta.pids, process.pid))
