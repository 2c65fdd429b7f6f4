"""Tells people and programs of alerts: Apprise (mail, chat, push), webhooks, MQTT.

Runs inside the dashboard, apart from everything else in it: a receiver that fails or hangs costs its own channel only.
Each channel has its own place in the `alerts` stream and its own lease, so of any number of dashboards one delivers,
in order, at least once.
"""
