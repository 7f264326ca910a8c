"""What the gate drops, and what that costs in accuracy, on video and without the line.

ticks.py       a video's ticks: luma, and what detectors see on them
labels.py      ground truth in the place of a detector
detections.py  somebody else's detections, from a file
judging.py     the gate's decisions, and how well what is inherited agrees: pure
objects.py     objects followed over ticks: which appear, which no kept frame shows: pure
kinds.py       groups of labels, sizes of boxes: pure
breakdown.py   results by class and by size: pure
baselines.py   the usual ways to drop frames, and the oracle: pure
curves.py      drop rate against accuracy over a grid of thresholds: pure
report.py      figures over sources and phases: pure
run.py         one source from file to figures
sweep.py       the same at other resolutions, JPEG qualities and intervals
plot.py        curves as a page
sheet.py       the worst drops as pictures

Of models:

truth.py       labelled pictures: yolo.py, coco.py
model.py       what a model sees on them, and its average precision
"""
