"""Secrets that stand in this process's environment variables. Implements `ports.secrets.SecretProvider`."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import SecretStr

from unioneyes.ports.secrets import SecretReference, SecretUnresolved


class SecretVariables:
    """`secret://environment/SLACK_TOKEN` is the variable SLACK_TOKEN."""

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        """Read `variables`."""
        self._variables = variables

    def resolve(self, reference: SecretReference) -> SecretStr:
        """Return the variable's text. See the port."""
        if reference.key is not None:
            raise SecretUnresolved(what=f"{reference} has a key, and a variable has none", remedy="leave out what stands behind '#'")
        value = self._variables.get(reference.path)
        if value is None:
            raise SecretUnresolved(what=f"the variable {reference.path} is not set here", remedy=f"set {reference.path} where `ue` is called")
        return SecretStr(value)
