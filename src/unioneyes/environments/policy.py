"""Which gates an environment waives, and why: by the project's policy, and by its own file."""

from __future__ import annotations

import yaml
from pydantic import TypeAdapter, ValidationError

from unioneyes.environments.settings import EnvironmentSettings, Text
from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.project import project_path

_WAIVERS = TypeAdapter(dict[str, dict[str, Text]])


def waivers(environment: str, settings: EnvironmentSettings) -> dict[str, str]:
    """Return gate to reason: what the policy waives in `environment`, then what its own file adds, without what the file enforces. Raises: PolicyUnreadable."""
    waived = policy_waivers(environment) | settings.waivers
    return {gate: reason for gate, reason in waived.items() if gate not in settings.enforced}


def policy_waivers(environment: str) -> dict[str, str]:
    """Return what `policy/waivers.yaml` waives in `environment`: gate to reason. Raises: PolicyUnreadable."""
    path = project_path("policy/waivers.yaml")
    try:
        return _WAIVERS.validate_python(yaml.safe_load(path.read_text(encoding="utf-8"))).get(environment, {})
    except OSError as error:
        raise PolicyUnreadable(what=f"{path} can't be read: {error.strerror}", remedy="restore it from the repository") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise PolicyUnreadable(what=f"{path} is not environment -> gate -> reason: {error}", remedy="correct it, or restore it from the repository") from None


class PolicyUnreadable(BadInput):
    """A file of the policy can't be read; nothing is waived on a guess."""
