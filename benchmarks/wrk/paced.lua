-- GETs with a pause, milliseconds, before each: an equal load for every server, so that latencies can be compared.
dofile("wrk/report.lua")
function init(arguments)
  pause_ms = tonumber(arguments[1])
end
function delay()
  return pause_ms
end
