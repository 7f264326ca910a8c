"""The loops that the roles are compared with: the same work with nothing of onehertz around it.

`python -m benchmarks.bare NAME ARGUMENTS` (a JSON object) runs one and prints what it did as JSON.
"""
