"""`unmask evaluate`: how good a checkpoint is on a manifest of clips, through the serving path.

items.py     the manifest's clips as things to be scored        pure
cache.py     the windows found in them, kept for the next model
videos.py    one item -> what the serving path says of it
figures.py   all items -> figures with intervals                pure
command.py   the command; table.py, report.py, plots.py, sheets.py, page.html: what is printed and written
rig.py        what enrolment does on cameras that several people sat before, a command of its own
"""
