-- A GET that asks for the connection to be closed: every request opens one.
dofile("wrk/report.lua")
wrk.headers["Connection"] = "close"
