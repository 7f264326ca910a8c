"""Video files that land, finished, in a folder or a bucket: each played once, in order.

stores.py    what a place where files land promises; folder.py, s3.py: the two there are
notices.py   what S3 says of new objects by way of SQS; queues.py: who hears it
names.py     capture times from names
settling.py  which files are finished; placing.py: where one begins beside what is there already
ledger.py    what has become of each file, on disk
inbox.py     one camera's files: found, finished, judged, next
camera.py    its thread
"""
