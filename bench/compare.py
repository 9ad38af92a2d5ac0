#!/usr/bin/env python3
"""Compares Chaski with its peers on this machine; see README.md."""

import sys

from compare.cli import main

if __name__ == "__main__":
    sys.exit(main())
