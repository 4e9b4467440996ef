"""Runs in an image that others are based on, and says what is in it: what wheels must fit, and what the distribution's own database names."""

import json
import platform
from pathlib import Path

try:
    system = platform.freedesktop_os_release()
except OSError:
    system = {}
status = Path("/var/lib/dpkg/status")
packages = []
for entry in status.read_text(encoding="utf-8").split("\n\n") if status.exists() else ():
    fields = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and not line.startswith(" "))
    if "Package" in fields:
        packages.append({"name": fields["Package"], "version": fields["Version"], "architecture": fields["Architecture"]})
print(
    json.dumps(
        {
            "python": ".".join(platform.python_version_tuple()[:2]),
            "python_exact": platform.python_version(),
            "glibc": platform.libc_ver()[1],
            "machine": platform.machine(),
            "system": system.get("ID", ""),
            "system_version": system.get("VERSION_ID", ""),
            "packages": packages,
        }
    )
)
