"""Slack as the chat that stakeholders read. The only place that imports its SDK."""

from unioneyes.adapters.slack.notifier import SlackNotifier

__all__ = ["SlackNotifier"]
