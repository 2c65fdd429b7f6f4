"""The contract between the services: messages, Redis keys, bus, settings, errors, telemetry. Imports none of ours."""
