"""Secrets in the environment's variables."""

from unioneyes.adapters.variables.secrets import SecretVariables

__all__ = ["SecretVariables"]
