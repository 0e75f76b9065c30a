-- A GET with nothing but Host.
dofile("wrk/report.lua")
