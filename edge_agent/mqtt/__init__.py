"""MQTT brokers: paho as codec, driven by our own event loop."""
