-- As many GETs in one write as the argument says.
dofile("wrk/report.lua")
function init(arguments)
  pipelined = string.rep(wrk.format("GET"), tonumber(arguments[1]))
end
function request()
  return pipelined
end
