"""The command line `model-pool`: one file per command, registered in `main.py`."""
