"""Print, as one JSON object, what kind of host this is and which releases it has. Arguments: the prefix, and links."""

import json
import os
import platform
import sys
from pathlib import Path

prefix = Path(sys.argv[1])
complete = {file.parent.name: file.stat().st_mtime for file in prefix.glob("releases/*/.complete")}
links = {
    str(link): os.readlink(link) if link.is_symlink() else ""
    for link in (prefix / "current", *map(Path, sys.argv[2:]))
}
print(
    json.dumps(
        {
            "python": "{}.{}".format(*sys.version_info),
            "machine": platform.machine(),
            "complete": sorted(complete, key=complete.__getitem__),
            "links": links,
        }
    )
)
