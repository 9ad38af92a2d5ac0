#!/usr/bin/env python3
"""Measures how Chaski's costs grow with shards, queues, connections and queued messages; see README.md."""

import sys

from scaling.cli import main

if __name__ == "__main__":
    sys.exit(main())
