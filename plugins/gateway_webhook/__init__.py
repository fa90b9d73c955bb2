"""
Post alarms to web servers: JSON with a signature, or a text for a chat.

What is posted is in C{bodies}, how it is signed in C{signing}, and what answers mean in C{answers}; none of them knows a connection.
Requests go by the gateway's own client for plugins, and are repeated by its queue.
"""

from gateway_webhook.plugin import Webhook
from gateway_webhook.settings import WebhookSettings

__all__ = ["Webhook", "WebhookSettings", "plugin"]

plugin = Webhook
