"""Other converters' command lines, each run in an environment of its own: ``TOOL.py SYSTEM CASE.json TARGET FILE...``.

Stand-alone scripts: they import the converter's packages and nothing of this project.
"""
