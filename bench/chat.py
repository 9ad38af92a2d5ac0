#!/usr/bin/env python3
"""Lets the members of a chat talk on Chaski, ngircd and ejabberd, with the same generator; see README.md."""

import sys

from chat.cli import main

if __name__ == "__main__":
    sys.exit(main())
