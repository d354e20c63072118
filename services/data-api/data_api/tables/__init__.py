"""What a process knows of connections, their syncs, keys, feeds and uploads, in memory.

Each table takes the events of one topic. All of them ignore what is not newer than what they have, so that events may
arrive twice, and a topic may be read again from its beginning.
"""
