#!/usr/bin/env python3
"""Fetches the same files with Chaski, rsync, aria2 and over bare TCP, and measures the index; see README.md."""

import sys

from files.cli import main

if __name__ == "__main__":
    sys.exit(main())
