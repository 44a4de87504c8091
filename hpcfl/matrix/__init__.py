"""The test matrix: what every part of a folder must do, the package's own and a user's alike.

A folder's own checks are the functions ``check_*`` of the file of its name here; `common` has those of every
folder, `whole` those that train with the part. A check takes a `Subject` and raises AssertionError with the reason.
"""
