"""What leads an environment's members, chosen where its file does not say so: by what its cluster knows."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

from unioneyes.environments.previews import NOT_TOLD_APART, tells_apart
from unioneyes.environments.settings import ClusterSettings, EnvironmentSettings, SettingsRefused
from unioneyes.kernel.problems import Problem

_SECTION = re.compile(r"^[ \t]*\[[ \t]*cluster[ \t]*\][ \t]*(#.*)?$", re.MULTILINE)
_WRITTEN = 'traffic = "selector"  # the cluster did not know the Gateway API when this environment was added'
_NONE = "the cluster does not know the Gateway API, so the Service's selector leads the members"


def choose_traffic(file: Path, text: str, settings: EnvironmentSettings, *, knows: Callable[[ClusterSettings], bool]) -> tuple[str, str]:
    """Return the text of the environment's file, with `traffic = "selector"` where the cluster knows no Gateway API, and what is to be said of that.

    `knows` asks the cluster; where the file says what leads members, nobody is asked. Raises: SettingsRefused, where the rest of it does not fit a selector.
    """
    cluster = settings.cluster
    if cluster is None or "traffic" in cluster.model_fields_set:
        return text, ""
    try:
        if knows(cluster):
            return text, ""
    except Problem as problem:
        return text, f"whether the cluster knows the Gateway API could not be seen, and it counts as having it: {problem.what}"
    if settings.service.plain or not tells_apart(cluster.preview_url):
        why = "a plain service takes a Gateway" if settings.service.plain else NOT_TOLD_APART
        raise SettingsRefused(
            what=f"{file}: {_NONE}, and {why}", remedy='correct it; or install the Gateway API, or say [cluster] traffic = "gateway" for later'
        )
    chosen = _SECTION.sub(lambda found: f"{found[0]}\n{_WRITTEN}", text, count=1)
    if tomllib.loads(chosen)["cluster"].get("traffic") != "selector":
        raise SettingsRefused(what=f"{file}: {_NONE}", remedy='say [cluster] traffic = "selector" in it')
    return chosen, f'{_NONE}: traffic = "selector" was written into the environment\'s file; say so in yours too'
