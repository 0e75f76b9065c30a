"""What run.py, regress.py and report.py are made of. Standard library only: it runs beside any server's interpreter."""
