"""The life of a worker process under gunicorn: boot, signals, listening sockets, and its end in order.

With cli the only importers of gunicorn. Nothing below knows of processes.
"""
