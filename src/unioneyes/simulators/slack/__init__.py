"""Slack's Web API, as far as the product speaks it: what fits the vendor's schema is taken, what does not is refused as Slack does and written down."""

from unioneyes.simulators.slack.api import routes
from unioneyes.simulators.slack.interactivity import App
from unioneyes.simulators.slack.workspace import Workspace

__all__ = ["App", "Workspace", "routes"]
