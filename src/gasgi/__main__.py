"""``python -m gasgi``: the ``gasgi`` command."""

import sys

if not __package__:
    # At SIGUSR2 gunicorn runs this file by its path, and Python looks for modules beside it first: types.py for one.
    sys.path[0] = __file__.rpartition("/gasgi/")[0]

from gasgi.cli import main

if __name__ == "__main__":
    sys.exit(main(is_module=True))
