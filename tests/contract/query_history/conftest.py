"""The same servers as the sessions' suite has."""

from tests.contract.activity.conftest import operated

__all__ = ["operated"]
