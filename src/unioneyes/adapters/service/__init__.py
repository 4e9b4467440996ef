"""The operated service over HTTP, as its members and its smoke tests reach it."""

from unioneyes.adapters.service.http import HttpService
from unioneyes.adapters.service.member import SyntheticMember, TokenUnavailable

__all__ = ["HttpService", "SyntheticMember", "TokenUnavailable"]
