"""Starts a broker, drives it as its operator, and speaks raw AMQP 0-9-1 to it."""
