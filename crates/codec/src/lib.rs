//! AMQP 0-9-1 frames, methods and values: bytes to values and back. Never does I/O.
