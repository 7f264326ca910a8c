"""What the gate drops, and what that costs in accuracy, on video and without the line.

ticks.py     a video's ticks: luma and boxes
judging.py   the gate's decisions judged by the detector: pure
report.py    figures over sources and phases: pure
"""
