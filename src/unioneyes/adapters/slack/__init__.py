"""Slack as the chat that stakeholders read, and in which they answer. The only place that imports its SDK."""

from unioneyes.adapters.slack.chat import SlackChat
from unioneyes.adapters.slack.notifier import SlackNotifier

__all__ = ["SlackChat", "SlackNotifier"]
