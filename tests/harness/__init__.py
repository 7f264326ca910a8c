"""Runs a line of its own under faults: `line` starts it, `load` feeds it, `faults` hurts it,
`observed` says what really happened, `compare` holds its end against that of an unhurt line.
`proxy` stands between a process and its broker and spoils their connections.

    with open_line(servers, folder, load.ticks) as line:
        load.produce(line)
        line.start("gate", 3)
        run(line, [Fault(records("frames-gated", 200), kill("gate-1"))])
        assert differences(reference, ending(line)) == []
"""
