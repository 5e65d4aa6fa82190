"""The queue underneath: how messages are claimed, moved, parked and finished without ever being nowhere."""
