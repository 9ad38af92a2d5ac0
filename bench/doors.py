#!/usr/bin/env python3
"""Puts the same work through Chaski's REST, server-sent events and gRPC, each beside AMQP; see README.md."""

import sys

from doors.cli import main

if __name__ == "__main__":
    sys.exit(main())
