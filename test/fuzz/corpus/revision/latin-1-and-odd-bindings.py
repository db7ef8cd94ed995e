# -*- coding: latin-1 -*-
revision = "\x61" "b"
down_revision = (
    "a",  # é
)
if True:
    depends_on = ["x"]
globals()["branch_labels"] = None
