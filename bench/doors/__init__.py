"""The rows, the rounds and the page behind `bench/doors.py`."""
