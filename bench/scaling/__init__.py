"""The curves behind `bench/scaling.py`: an own client, points, fairness, what larger machines would carry, and the page."""
