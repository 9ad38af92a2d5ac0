"""The servers, the rows, the rounds and the page behind `bench/chat.py`."""
