"""A real Apache Kafka and a real PostgreSQL on this machine, without Docker and root rights.

`stack.Stack(folder)` starts, stops and watches both; everything else here is a part of it.
"""
