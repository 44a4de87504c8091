"""``python -m hpcfl`` is the ``hpcfl`` command."""

from hpcfl.cli.main import entry

entry()
